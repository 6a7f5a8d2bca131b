"""A 95 % confidence interval and how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval.

    Attributes:
        low: Its lower end.
        high: Its upper end.
        method: How it was found, such as ``Wilson`` or ``bootstrap over 4,281 people``.
    """

    low: float
    high: float
    method: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

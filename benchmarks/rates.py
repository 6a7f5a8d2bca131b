"""A rate with the counts behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .interval import Interval, wilson


@dataclass(frozen=True)
class Rate:
    """How often something happened, and in how many cases.

    Attributes:
        count: Cases in which it happened.
        total: All cases.
    """

    count: int
    total: int

    @property
    def value(self) -> float:
        """``count / total``."""
        return self.count / self.total

    @property
    def interval(self) -> Interval:
        """Wilson's, for independent cases: :func:`~ghostface_edge.benchmarks.interval.wilson`."""
        return wilson(self.count, self.total)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"value": self.value, "count": self.count, "total": self.total}

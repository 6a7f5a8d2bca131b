"""A 95 % confidence interval and how it was found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

_Z = 1.959963984540054  # the 97.5 % point of the normal distribution


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


def wilson(count: float, total: float) -> Interval:
    """The interval of a rate of independent cases (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927).

    Comparisons that share people are not independent: their true interval is wider.

    Args:
        count: Cases in which it happened.
        total: All cases, at least one; an effective number of cases need not be whole.
    """
    rate, spread = count / total, _Z * _Z / total
    centre = rate + spread / 2
    half = math.sqrt(spread * (rate * (1 - rate) + spread / 4))
    return Interval(max((centre - half) / (1 + spread), 0.0), min((centre + half) / (1 + spread), 1.0), "Wilson")


def wider(first: Interval, second: Interval) -> Interval:
    """The interval that reaches as far as either."""
    method = f"the wider of {first.method} and {second.method}"
    return Interval(min(first.low, second.low), max(first.high, second.high), method)

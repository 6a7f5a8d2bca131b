"""McNemar's test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class McNemar:
    """On how many comparisons exactly one of two systems is right.

    Attributes:
        only_first: Comparisons that only the first answers rightly.
        only_second: Comparisons that only the second answers rightly.
    """

    only_first: int
    only_second: int

"""McNemar's test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ghostface_edge.errors import EvaluationError


@dataclass(frozen=True)
class McNemar:
    """On how many comparisons exactly one of two systems is right.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12(2), 1947. If both are equally good, each of these comparisons is a toss of a fair coin. The test
    takes the comparisons as independent; those of few people are not, and its p value is then too small.

    Attributes:
        only_first: Comparisons that only the first answers rightly.
        only_second: Comparisons that only the second answers rightly.

    Raises:
        EvaluationError: A negative number.
    """

    only_first: int
    only_second: int

    def __post_init__(self) -> None:
        if self.only_first < 0 or self.only_second < 0:
            raise EvaluationError(f"{self} counts comparisons: no number of them is negative")

    @property
    def p_value(self) -> float:
        """Two-sided, exact: the chance of a split at least as uneven, by the binomial distribution."""
        tosses, fewer = self.only_first + self.only_second, min(self.only_first, self.only_second)
        # From the likeliest term, C(n, k) / 2^n, down, until the terms no longer count.
        term = math.exp(_log_binomial(tosses, fewer) - tosses * math.log(2))
        tail = 0.0
        for heads in range(fewer, -1, -1):
            tail += term
            if term <= tail * 1e-17:
                break
            term *= heads / (tosses - heads + 1)
        return min(2 * tail, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"only_first": self.only_first, "only_second": self.only_second, "p_value": self.p_value}


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

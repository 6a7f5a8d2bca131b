"""What a figure needs of scores: few numbers, however many comparisons stand behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .metrics import Scores

_BINS = 200


@dataclass(frozen=True, eq=False)
class Curve:
    """Error rates over the threshold, and how the similarities are distributed.

    Attributes:
        genuine: Number of genuine comparisons.
        impostor: Number of impostor comparisons.
        thresholds: (T,) rising.
        fmr: (T,) false-match rate at each of them.
        fnmr: (T,) false-non-match rate at each of them.
        edges: (B + 1,) of the bins, from -1 to 1.
        genuine_counts: (B,) genuine comparisons in each bin.
        impostor_counts: (B,) impostor comparisons in each bin.
    """

    genuine: int
    impostor: int
    thresholds: NDArray[np.float64]
    fmr: NDArray[np.float64]
    fnmr: NDArray[np.float64]
    edges: NDArray[np.float64]
    genuine_counts: NDArray[np.int64]
    impostor_counts: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Scores) -> Curve:
        """The curve of scores."""
        edges = np.linspace(-1, 1, _BINS + 1)
        return cls(
            len(scores.genuine),
            len(scores.impostor),
            *scores.roc(),
            edges,
            _counts(scores.genuine, edges),
            _counts(scores.impostor, edges),
        )


def _counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many sorted values lie in each bin; the last bin takes its right edge too."""
    below = np.searchsorted(values, edges)
    below[-1] = len(values)
    return np.diff(below)

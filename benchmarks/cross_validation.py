"""Accuracy by cross-validation: LFW's protocol."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostface_edge.errors import EvaluationError

from .rates import Rate
from .scores import Scores


@dataclass(frozen=True)
class CrossValidation:
    """Accuracy on each fold, at a threshold that was chosen on the others.

    Attributes:
        folds: Right answers in each fold.
        thresholds: The threshold used on each fold.
        right: (P,) bool, which pairs were answered rightly, in the order of the pairs.
    """

    folds: tuple[Rate, ...]
    thresholds: tuple[float, ...]
    right: NDArray[np.bool_] = field(repr=False, compare=False)

    @property
    def accuracy(self) -> float:
        """The mean of the folds' accuracies."""
        return float(np.mean([fold.value for fold in self.folds]))

    @property
    def std(self) -> float:
        """Standard deviation of the folds' accuracies, dividing by their number: the ± of the literature."""
        return float(np.std([fold.value for fold in self.folds]))

    @property
    def standard_error(self) -> float:
        """Standard error of the mean, from the sample deviation, as LFW's report defines it."""
        return float(np.std([fold.value for fold in self.folds], ddof=1) / math.sqrt(len(self.folds)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "accuracy": self.accuracy,
            "std": self.std,
            "standard_error": self.standard_error,
            "pairs": sum(fold.total for fold in self.folds),
            "folds": [fold.value for fold in self.folds],
            "thresholds": list(self.thresholds),
        }


def cross_validate(similarities: ArrayLike, same: ArrayLike, folds: ArrayLike) -> CrossValidation:
    """The accuracy of LFW's protocol for View 2.

    For every fold, the threshold with the most right answers on all other folds is applied to it (G. B. Huang et al.,
    "Labeled Faces in the Wild", University of Massachusetts, Amherst, TR 07-49, 2007: View 2). Thresholds lie halfway
    between neighbouring similarities; of several that are equally good the median is taken.

    Args:
        similarities: (P,) one for each pair.
        same: Whether the pair is of one person.
        folds: Which fold the pair belongs to.

    Raises:
        EvaluationError: Lengths that differ, a similarity that is not finite, fewer than two folds, or folds without
            which only genuine or only impostor pairs are left.
    """
    values, genuine, fold = np.asarray(similarities, dtype=np.float64), np.asarray(same, dtype=bool), np.asarray(folds)
    if not len(values) == len(genuine) == len(fold):
        raise EvaluationError(
            f"{len(values)} similarities, {len(genuine)} labels and {len(fold)} folds differ in number"
        )
    names = np.unique(fold)
    if len(names) < 2:
        raise EvaluationError(f"cross-validation takes at least two folds, and there is {len(names)}")
    rates, thresholds, answers = [], [], np.zeros(len(values), dtype=bool)
    for name in names:
        test = fold == name
        threshold = _best_threshold(Scores(values[~test & genuine], values[~test & ~genuine]))
        answers[test] = right = (values[test] >= threshold) == genuine[test]
        rates.append(Rate(int(right.sum()), len(right)))
        thresholds.append(threshold)
    return CrossValidation(tuple(rates), tuple(thresholds), answers)


def _best_threshold(scores: Scores) -> float:
    values = np.unique(np.concatenate([scores.genuine, scores.impostor]))
    thresholds = np.concatenate([values[:1], (values[:-1] + values[1:]) / 2, [np.nextafter(values[-1], np.inf)]])
    accepted = len(scores.genuine) - np.searchsorted(scores.genuine, thresholds)
    right = accepted + np.searchsorted(scores.impostor, thresholds)
    best = np.flatnonzero(right == right.max())
    return float(thresholds[best[len(best) // 2]])

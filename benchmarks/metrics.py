"""Error rates of a comparison, each with its definition and its source.

A comparison says "same person" when its similarity is at or above a threshold. Genuine comparisons are of one person,
impostor comparisons of two. In the words of ISO/IEC 19795-1: the false-match rate (FMR) is the share of impostor
comparisons at or above the threshold, the false-non-match rate (FNMR) the share of genuine comparisons below it.
The literature on faces says FAR for FMR and TAR for 1 - FNMR.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostface_edge.errors import EvaluationError

FMRS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""False-match rates at which we state thresholds, as far as the data support them.

LFW has comparisons enough for 1e-6, but not the labels: at least ten of the 29 impostor comparisons that decide about
its threshold are of one person whose name is spelled in two ways.
"""

_STEPS = 1_000_000  # thresholds have six decimals: below that a similarity depends on the machine's arithmetic
_Z = 1.959963984540054  # the 97.5 % point of the normal distribution


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
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval for independent cases (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927).

        Comparisons that share people are not independent: their true interval is wider.
        """
        spread = _Z * _Z / self.total
        centre = self.value + spread / 2
        half = math.sqrt(spread * (self.value * (1 - self.value) + spread / 4))
        return max((centre - half) / (1 + spread), 0.0), min((centre + half) / (1 + spread), 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        low, high = self.interval
        return {"value": self.value, "low": low, "high": high, "count": self.count, "total": self.total}


@dataclass(frozen=True)
class OperatingPoint:
    """What happens at the threshold for one false-match rate.

    Attributes:
        fmr: The rate that was asked for.
        threshold: The least similarity of six decimals at which the measured FMR is not above it.
        false_matches: Impostor comparisons at or above the threshold.
        false_non_matches: Genuine comparisons below it.
    """

    fmr: float
    threshold: float
    false_matches: Rate
    false_non_matches: Rate

    @property
    def true_matches(self) -> Rate:
        """Genuine comparisons at or above the threshold: TAR, 1 - FNMR."""
        missed = self.false_non_matches
        return Rate(missed.total - missed.count, missed.total)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "fmr": self.fmr,
            "threshold": self.threshold,
            "measured_fmr": self.false_matches.to_dict(),
            "fnmr": self.false_non_matches.to_dict(),
            "tar": self.true_matches.to_dict(),
        }


class Scores:
    """The similarities of genuine and of impostor comparisons; every error rate is a count among them.

    Args:
        genuine: Similarities of comparisons of one person.
        impostor: Similarities of comparisons of two people.

    Attributes:
        genuine: The same, sorted, float64.
        impostor: The same, sorted, float64.

    Raises:
        EvaluationError: One of them is empty, or holds NaN or infinity.
    """

    def __init__(self, genuine: ArrayLike, impostor: ArrayLike) -> None:
        self.genuine = _sorted(genuine, "genuine")
        self.impostor = _sorted(impostor, "impostor")

    def fmr(self, threshold: float) -> Rate:
        """The false-match rate: impostor comparisons at or above a threshold."""
        total = len(self.impostor)
        return Rate(total - int(np.searchsorted(self.impostor, threshold)), total)

    def fnmr(self, threshold: float) -> Rate:
        """The false-non-match rate: genuine comparisons below a threshold."""
        return Rate(int(np.searchsorted(self.genuine, threshold)), len(self.genuine))

    def equal_error_rate(self) -> float:
        """The rate at which FMR and FNMR are equal.

        The rates change in steps; between the two neighbouring thresholds where their order turns, both are taken to
        change linearly. That is the point where the ROC polygon crosses the line of equal errors.
        """
        # They cross at a genuine score, or between two: only there every impostor score must be looked at, too.
        scores = np.unique(self.genuine)
        ahead = self._fmr(scores) > self._fnmr(scores)
        turn = int(np.count_nonzero(ahead))
        low = scores[turn - 1] if turn > 0 else -np.inf
        high = scores[turn] if turn < len(scores) else np.inf
        first, last = np.searchsorted(self.impostor, (low, high), side="right")
        thresholds = np.unique(np.concatenate([[low], self.impostor[first:last], [high]]))
        fmr, fnmr = self._fmr(thresholds), self._fnmr(thresholds)
        after = int(np.argmax(fmr <= fnmr))
        before = after - 1
        weight = (fmr[before] - fnmr[before]) / (fmr[before] - fnmr[before] - fmr[after] + fnmr[after])
        return float(fmr[before] + weight * (fmr[after] - fmr[before]))

    def supported_fmrs(self) -> tuple[float, ...]:
        """Those of :data:`FMRS` that so many impostor comparisons can support."""
        return tuple(fmr for fmr in FMRS if self._supports(fmr))

    def threshold_at(self, fmr: float) -> float:
        """The threshold for a false-match rate: the least similarity of six decimals with a measured FMR not above it.

        N impostor comparisons support a rate of 3 / N or more. By the rule of three (J. A. Hanley and A. Lippman-Hand,
        JAMA 249, 1983; ISO/IEC 19795-1, annex B) no error in N independent trials still leaves a rate of up to 3 / N
        possible, at 95 % confidence: about a lower one the data say nothing. Comparisons that share people are not
        independent, so this is the least that must be asked.

        Raises:
            EvaluationError: Not a rate, or one that the data cannot support.
        """
        total = len(self.impostor)
        if not 0 < fmr < 1:
            raise EvaluationError(f"a false-match rate lies between 0 and 1, not at {fmr!r}")
        if not self._supports(fmr):
            known = ", ".join(f"{rate:g}" for rate in self.supported_fmrs()) or "none"
            raise EvaluationError(
                f"an FMR of {fmr:g} takes {math.ceil(3 / fmr)} impostor comparisons (rule of three), and there are "
                f"{total}. Supported: {known}"
            )
        allowed = round(fmr * total)
        if allowed / total > fmr:
            allowed -= 1
        highest = float(self.impostor[total - 1 - allowed])  # of those that must stay below the threshold
        steps = round(highest * _STEPS)
        return (steps if steps / _STEPS > highest else steps + 1) / _STEPS

    def at(self, fmr: float) -> OperatingPoint:
        """The threshold for a false-match rate, and the errors there.

        Raises:
            EvaluationError: As :meth:`threshold_at`.
        """
        threshold = self.threshold_at(fmr)
        return OperatingPoint(fmr, threshold, self.fmr(threshold), self.fnmr(threshold))

    def _supports(self, fmr: float) -> bool:
        return 3 / len(self.impostor) <= fmr

    def _fmr(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        rates: NDArray[np.float64] = 1 - np.searchsorted(self.impostor, thresholds) / len(self.impostor)
        return rates

    def _fnmr(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        rates: NDArray[np.float64] = np.searchsorted(self.genuine, thresholds) / len(self.genuine)
        return rates


@dataclass(frozen=True)
class CrossValidation:
    """Accuracy on each fold, at a threshold that was chosen on the others.

    Attributes:
        folds: Right answers in each fold.
        thresholds: The threshold used on each fold.
    """

    folds: tuple[Rate, ...]
    thresholds: tuple[float, ...]

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
            "folds": [fold.value for fold in self.folds],
            "thresholds": list(self.thresholds),
        }


def cross_validate(
    similarities: Sequence[float] | NDArray[np.float64], same: Sequence[bool], folds: Sequence[int]
) -> CrossValidation:
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
    rates, thresholds = [], []
    for name in names:
        test = fold == name
        threshold = _best_threshold(Scores(values[~test & genuine], values[~test & ~genuine]))
        right = (values[test] >= threshold) == genuine[test]
        rates.append(Rate(int(right.sum()), len(right)))
        thresholds.append(threshold)
    return CrossValidation(tuple(rates), tuple(thresholds))


def _best_threshold(scores: Scores) -> float:
    values = np.unique(np.concatenate([scores.genuine, scores.impostor]))
    thresholds = np.concatenate([values[:1], (values[:-1] + values[1:]) / 2, [np.nextafter(values[-1], np.inf)]])
    accepted = len(scores.genuine) - np.searchsorted(scores.genuine, thresholds)
    right = accepted + np.searchsorted(scores.impostor, thresholds)
    best = np.flatnonzero(right == right.max())
    return float(thresholds[best[len(best) // 2]])


def _sorted(values: ArrayLike, kind: str) -> NDArray[np.float64]:
    result = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not len(result):
        raise EvaluationError(f"there are no {kind} comparisons, so no error rate can be computed")
    if not (np.isfinite(result[0]) and np.isfinite(result[-1])):  # NaN is sorted to the end
        raise EvaluationError(f"the similarities of the {kind} comparisons are not all finite")
    return result

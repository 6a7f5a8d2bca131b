"""The similarities of genuine and of impostor comparisons, and the error rates that they make.

A comparison says "same person" when its similarity is at or above a threshold. Genuine comparisons are of one person,
impostor comparisons of two. In the words of ISO/IEC 19795-1: the false-match rate (FMR) is the share of impostor
comparisons at or above the threshold, the false-non-match rate (FNMR) the share of genuine comparisons below it.
The literature on faces says FAR for FMR and TAR for 1 - FNMR.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostface_edge.errors import EvaluationError, OptionError

from .operating_point import OperatingPoint
from .ranking import RankedScores, Similarities, rank_by_comparison, rank_by_people
from .rates import Rate

FMRS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""False-match rates at which we state thresholds, as far as the number of impostor comparisons supports them.

Labels may support less. Of the 29 impostor comparisons that decide about LFW's threshold for 1e-6, at least ten are of
one person whose name is spelled in two ways.
"""

_STEPS = 1_000_000  # thresholds have six decimals: below that a similarity depends on the machine's arithmetic
_LARGEST = 1e9  # similarity: six decimals beside it are still exact enough in float64
_MAX_ORDERED = 100_000  # comparisons whose order is kept where people are not known
_MIN_POINTS = 16  # of a curve


class Scores:
    """The similarities of genuine and of impostor comparisons; every error rate is a count among them.

    Args:
        genuine: (G,) similarities of comparisons of one person.
        impostor: (I,) similarities of comparisons of two people.
        genuine_people: (G,) the number of each genuine comparison's person, from 0; None where people are not known.
        impostor_people: (I, 2) the numbers of each impostor comparison's people.

    Attributes:
        genuine: The same, sorted, float64.
        impostor: The same, sorted, float64.
        people: How many people are in the comparisons; None where they are not known.
        ranked: What a bootstrap draws from; None for many comparisons of unknown people.

    Raises:
        EvaluationError: One of them is empty, or holds NaN, infinity or numbers too large for thresholds of six
            decimals; people that do not fit the comparisons.
    """

    def __init__(
        self,
        genuine: ArrayLike,
        impostor: ArrayLike,
        *,
        genuine_people: ArrayLike | None = None,
        impostor_people: ArrayLike | None = None,
    ) -> None:
        of_one, of_two = _similarities(genuine, "genuine"), _similarities(impostor, "impostor")
        self.genuine, self.impostor = of_one.ascending, of_two.ascending
        self.people: int | None = None
        self.ranked: RankedScores | None = None
        if (genuine_people is None) != (impostor_people is None):
            raise EvaluationError("people must be known of both kinds of comparisons, genuine and impostor, or of none")
        if genuine_people is not None and impostor_people is not None:
            self.ranked = rank_by_people(of_one, of_two, genuine_people, impostor_people)
            self.people = len(self.ranked.numbers)
        elif len(self.genuine) + len(self.impostor) <= _MAX_ORDERED:
            self.ranked = rank_by_comparison(of_one, of_two)

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
        return tuple(fmr for fmr in FMRS if self.supports(fmr))

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
        if not self.supports(fmr):
            known = ", ".join(f"{rate:g}" for rate in self.supported_fmrs()) or "none"
            raise EvaluationError(
                f"an FMR of {fmr:g} takes {math.ceil(3 / fmr)} impostor comparisons (rule of three), and there are "
                f"{total}. Supported: {known}"
            )
        allowed = round(fmr * total)
        if allowed / total > fmr:
            allowed -= 1
        highest = float(self.impostor[total - 1 - allowed])  # of those that must stay below the threshold
        return float(round_up(np.float64(highest)))

    def at(self, fmr: float) -> OperatingPoint:
        """The threshold for a false-match rate, and the errors there, with Wilson's intervals.

        Raises:
            EvaluationError: As :meth:`threshold_at`.
        """
        threshold = self.threshold_at(fmr)
        matches, misses = self.fmr(threshold), self.fnmr(threshold)
        return OperatingPoint(fmr, threshold, matches, misses, None, matches.interval, misses.interval)

    def auc(self) -> float:
        """The area under the ROC: the chance that a genuine comparison is more similar than an impostor comparison.

        Ties count half: the area is the Mann-Whitney statistic (J. A. Hanley and B. J. McNeil, Radiology 143, 1982).
        """
        below = np.searchsorted(self.impostor, self.genuine, side="left")
        tied = np.searchsorted(self.impostor, self.genuine, side="right")
        return (int(below.sum()) + int(tied.sum())) / (2 * len(self.genuine) * len(self.impostor))

    def roc(self, points: int = 2000) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Points of the ROC, for drawing: few, but exact, and dense in every decade of both errors.

        A quarter of the points each: equal steps of log FMR, of FMR, of log FNMR and of FNMR. Where there are no more
        different similarities than points, every step of the curve is among them.

        Args:
            points: At most so many.

        Returns:
            Thresholds, ascending, and the FMR and the FNMR at each: from the lowest similarity, which accepts all, to
            just above the highest, which accepts none.

        Raises:
            OptionError: Fewer points than make a curve.
        """
        if points < _MIN_POINTS:
            raise OptionError(f"points={points!r} make no curve: use {_MIN_POINTS} or more")
        lowest, highest = min(self.genuine[0], self.impostor[0]), max(self.genuine[-1], self.impostor[-1])
        steps = [_distinct(values) for values in (self.genuine, self.impostor)]
        if sum(map(np.count_nonzero, steps)) < points:
            chosen = [self.genuine[steps[0]], self.impostor[steps[1]]]
        else:
            quarter = (points - 2) // 4
            chosen = [_steps(self.genuine, quarter), _steps(self.impostor[::-1], quarter)]
        ends = [lowest, np.nextafter(highest, np.inf)]
        thresholds = np.unique(np.concatenate([*chosen, ends]))
        return thresholds, self._fmr(thresholds), self._fnmr(thresholds)

    def supports(self, fmr: float) -> bool:
        """Whether there are impostor comparisons enough for a false-match rate: see :meth:`threshold_at`.

        Raises:
            EvaluationError: Not a rate.
        """
        if not 0 < fmr < 1:
            raise EvaluationError(f"a false-match rate lies between 0 and 1, not at {fmr!r}")
        return 3 / len(self.impostor) <= fmr

    def _fmr(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        total = len(self.impostor)
        rates: NDArray[np.float64] = (total - np.searchsorted(self.impostor, thresholds)) / total
        return rates

    def _fnmr(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        rates: NDArray[np.float64] = np.searchsorted(self.genuine, thresholds) / len(self.genuine)
        return rates


def round_up(similarities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least numbers of six decimals above similarities."""
    steps = np.rint(similarities * _STEPS)
    result: NDArray[np.float64] = np.where(steps / _STEPS > similarities, steps, steps + 1) / _STEPS
    return result


def _similarities(values: ArrayLike, kind: str) -> Similarities:
    numbers = np.asarray(values, dtype=np.float64).ravel()
    ascending = np.sort(numbers)
    if not len(ascending):
        raise EvaluationError(f"there are no {kind} comparisons, so no error rate can be computed")
    if not (np.isfinite(ascending[0]) and np.isfinite(ascending[-1])):  # NaN is sorted to the end
        raise EvaluationError(f"the similarities of the {kind} comparisons are not all finite")
    if ascending[0] < -_LARGEST or ascending[-1] > _LARGEST:
        raise EvaluationError(
            f"the similarities of the {kind} comparisons go from {ascending[0]:g} to {ascending[-1]:g}: thresholds of "
            f"six decimals take similarities between {-_LARGEST:g} and {_LARGEST:g}"
        )
    return Similarities(numbers, ascending)


def _distinct(ascending: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values differ from the one before."""
    return np.concatenate([[True], ascending[1:] != ascending[:-1]])


def _steps(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Of sorted values, those after equally many others, and those after equally many times as many."""
    total = len(values)
    even = np.linspace(0, total - 1, count)
    decades = np.geomspace(1, total, count) - 1
    chosen: NDArray[np.float64] = values[np.rint(np.concatenate([even, decades])).astype(np.int64)]
    return chosen

"""How sure the figures are: people drawn anew, and figures computed anew.

Comparisons share people. A person who looks like many others is in many false matches, so a thousand comparisons of
ten people tell less than a thousand of two thousand. An interval must come from drawing the people, not the
comparisons: R. M. Bolle, N. K. Ratha and S. Pankanti, "Error analysis of pattern recognition systems - the subsets
bootstrap", Computer Vision and Image Understanding 93(1), 2004; R. Fogliato, P. Patil and P. Perona, "Confidence
intervals for error rates in 1:1 matching tasks", International Journal of Computer Vision, 2024 (arXiv:2306.01198).
This is the vertex bootstrap of the latter, without comparisons of a person with his own copy. It has no error where the
data have none; so published intervals of rates reach as far as Wilson's, too.

Its intervals are too wide rather than too narrow: what is peculiar to a comparison, and to neither of its people, is
counted up to threefold in the variance (A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2),
2007). They say how figures would vary with other people from where these came from, not with other cameras or lists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostface_edge.errors import EvaluationError, OptionError

from .interval import Interval, wider, wilson
from .ranking import RankedScores, WeighedRanking, weighed
from .rates import Rate
from .scores import Scores, round_up

if TYPE_CHECKING:
    from .pairs import Pairs

REPLICATES = 1000
"""How often people are drawn anew. What is then taken for the 2.5 % point is one between the 1.5 % and the 3.5 % point:
two standard deviations of a binomial count."""

MIN_PEOPLE = 10
"""With fewer people, replicates say too little about the people who are not there: they may widen an interval, but
make none."""

_MIN_REPLICATES = 100
_ENDS = (0.025, 0.975)
_BLOCK = 1024  # pairs at a time
_DRAWS = 1 << 22  # at a time


class IdentityBootstrap:
    """The figures of replicates: the same comparisons, with people drawn anew.

    As many people as there are, are drawn with replacement. Who is drawn w times counts w times: his genuine
    comparisons weigh w, and those of two people w1 w2. Every figure is computed from these weights, with its threshold
    chosen anew; where no weight is left for a figure, it is NaN. The ``EXACT`` most similar comparisons
    (:mod:`~ghostface_edge.benchmarks.ranking`) are weighed one by one, the others by person and bin of similarity.

    The draws come from the raw bits of PCG64, not from a method of NumPy's Generator, whose stream may change from one
    version to the next (NEP 19).

    Args:
        ranked: The comparisons.
        replicates: R, how often people are drawn.
        seed: Of the drawing.
        numbers: Of the people to draw from, ascending, if more than appear here: so that two systems draw the same.

    Raises:
        OptionError: Too few replicates, or a seed that is none.
    """

    def __init__(
        self,
        ranked: RankedScores,
        *,
        replicates: int = REPLICATES,
        seed: int = 0,
        numbers: NDArray[np.int64] | None = None,
    ) -> None:
        self._ranked = ranked
        drawn_from = ranked.numbers if numbers is None else numbers
        weights = draw(len(drawn_from), replicates, seed)
        if len(drawn_from) > len(ranked.numbers):
            weights = weights[np.searchsorted(drawn_from, ranked.numbers)]
        self._units = len(drawn_from)
        self._method = f"bootstrap over {self._units:,} {ranked.units}"
        genuine, impostor = ranked.genuine, ranked.impostor
        # What the AUC needs: the weight of the impostor comparisons above each genuine one, and of its equals.
        descending = genuine.ascending[::-1]
        self._passed = impostor.at_or_above(descending), impostor.above(descending)
        moves = np.diff(self._passed[0]) + np.diff(self._passed[1])
        self._impostor = WeighedRanking(impostor, weights, np.concatenate(self._passed))
        self._genuine = WeighedRanking(genuine, weights, np.flatnonzero(moves) + 1)

    @classmethod
    def of(cls, scores: Scores, *, replicates: int = REPLICATES, seed: int = 0) -> IdentityBootstrap | None:
        """The bootstrap of comparisons; None where it says nothing: people are unknown, or each is in only one.

        Raises:
            OptionError: Too few replicates, or a seed that is none.
        """
        _check(replicates, seed)
        if scores.ranked is None or scores.people is None or not scores.ranked.shared:
            return None
        return cls(scores.ranked, replicates=replicates, seed=seed)

    def fmr(self, threshold: ArrayLike) -> NDArray[np.float64]:
        """(R,) the FMR at a threshold, one for all replicates or (R,) one for each."""
        return _ratio(self._impostor.weight(self._ranked.impostor.at_or_above(threshold)), self._impostor.total)

    def fnmr(self, threshold: ArrayLike) -> NDArray[np.float64]:
        """(R,) the FNMR at a threshold, one for all replicates or (R,) one for each."""
        accepted = self._genuine.weight(self._ranked.genuine.at_or_above(threshold))
        return np.where(
            np.isnan(np.asarray(threshold)), np.nan, _ratio(self._genuine.total - accepted, self._genuine.total)
        )

    def threshold_at(self, fmr: float) -> NDArray[np.float64]:
        """(R,) the threshold for an FMR, as :meth:`~ghostface_edge.benchmarks.scores.Scores.threshold_at` finds it."""
        total = self._impostor.total
        allowed = np.rint(fmr * total)
        with np.errstate(invalid="ignore"):
            allowed -= allowed / total > fmr
        position = np.minimum(self._impostor.position(allowed), self._ranked.impostor.total - 1)
        return np.where(total > 0, round_up(self._ranked.impostor.score(position)), np.nan)

    def equal_error_rate(self) -> NDArray[np.float64]:
        """(R,) the EER, where the ROC polygon crosses the line of equal errors."""
        scores = np.unique(self._ranked.genuine.ascending)
        impostor, genuine = self._ranked.impostor, self._ranked.genuine
        at_or_above, above = impostor.at_or_above(scores), impostor.above(scores)
        accepted = np.append(genuine.at_or_above(scores), 0)  # genuine comparisons; none above the highest

        def fmr(positions: NDArray[np.int64]) -> NDArray[np.float64]:
            return _ratio(self._impostor.weight(positions), self._impostor.total)

        def fnmr(positions: NDArray[np.int64]) -> NDArray[np.float64]:
            return _ratio(self._genuine.total - self._genuine.weight(positions), self._genuine.total)

        # The last genuine similarity at which FMR is above FNMR: at the lowest it is, or both are equal there.
        first, last = np.zeros(len(self._impostor.total), dtype=np.int64), np.full_like(accepted[:1], len(scores))
        last = np.repeat(last, len(first))
        while (last - first > 1).any():
            middle = (first + last) // 2
            ahead = fmr(at_or_above[middle]) > fnmr(accepted[middle])
            first, last = np.where(ahead, middle, first), np.where(ahead, last, middle)
        # There FNMR jumps, and FMR with it if impostor comparisons tie. If FMR is still ahead after the jump, they
        # are equal where FMR falls through the constant FNMR before the next genuine similarity.
        fmr_before, fmr_after = fmr(at_or_above[first]), fmr(above[first])
        fnmr_before, fnmr_after = fnmr(accepted[first]), fnmr(accepted[first + 1])
        ahead_before, ahead_after = fmr_before - fnmr_before, fmr_after - fnmr_after
        crossing = fmr_before + _ratio(ahead_before, ahead_before - ahead_after) * (fmr_after - fmr_before)
        return np.where(ahead_after >= 0, fnmr_after, crossing)

    def auc(self) -> NDArray[np.float64]:
        """(R,) the area under the ROC; of huge sets by the trapezoidal rule between the positions that are kept."""
        edges, weight = self._genuine.edges, np.diff(self._genuine.sums, axis=0)
        passed = np.zeros(weight.shape[1])
        for positions in self._passed:
            mean = np.add.reduceat(positions, edges[:-1]) / np.diff(edges)
            passed += np.einsum("kr,kr->r", weight, self._impostor.interpolated(mean))
        return 1 - _ratio(passed, 2 * self._genuine.total * self._impostor.total)

    def interval(self, values: NDArray[np.float64]) -> Interval | None:
        """Between the 2.5 % and the 97.5 % point of a figure's replicates.

        Args:
            values: (R,) the figure in each replicate.

        Returns:
            The interval; None with fewer than :data:`MIN_PEOPLE` people, or if half the replicates lack the figure.
        """
        return _interval(values, self._method) if self._units >= MIN_PEOPLE else None

    def widen(self, interval: Interval, values: NDArray[np.float64]) -> Interval:
        """The interval that holds another one and that of a figure's replicates.

        Args:
            interval: The other one.
            values: (R,) the figure in each replicate.
        """
        own = _interval(values, self._method)
        return interval if own is None else wider(interval, own)


def accuracy_interval(right: ArrayLike, pairs: Pairs, *, replicates: int = REPLICATES, seed: int = 0) -> Interval:
    """The interval of an accuracy.

    Where people are known, they are drawn anew, as in :class:`IdentityBootstrap`; genuine and impostor pairs keep
    their shares in the accuracy, which the protocol fixed. The interval reaches as far as Wilson's, too. Where people
    are not known, Wilson's stands alone. The thresholds stay.

    Args:
        right: (P,) bool, which pairs were answered rightly.
        pairs: The pairs.
        replicates: How often people are drawn anew.
        seed: Of the drawing.

    Raises:
        EvaluationError: Not one answer for each pair, or no pair.
        OptionError: Too few replicates, or a seed that is none.
    """
    answers = _answers(right, pairs)
    return _widened(wilson(int(answers.sum()), len(answers)), answers, pairs, replicates, seed)


def paired_accuracy_difference(
    first: ArrayLike, second: ArrayLike, pairs: Pairs, *, replicates: int = REPLICATES, seed: int = 0
) -> tuple[float, Interval]:
    """How much more accurate a second system is than a first, on the same pairs.

    Only pairs that one of the two answers rightly count. The interval is :func:`newcombe`'s for the rates of those
    that the second, and that the first, alone answers rightly, and where people are known as wide as that of
    replicates of people, who are the same for both systems.

    Args:
        first: (P,) bool, which pairs the first system answered rightly.
        second: The same of the second.
        pairs: The pairs.
        replicates: How often people are drawn anew.
        seed: Of the drawing.

    Returns:
        The share of right answers of the second minus that of the first, and its interval.

    Raises:
        EvaluationError: Not one answer of each system for each pair, or no pair.
        OptionError: Too few replicates, or a seed that is none.
    """
    before, after = _answers(first, pairs), _answers(second, pairs)
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    interval = newcombe(Rate(lost, len(after)), Rate(gained, len(after)))
    gain = after.astype(np.int64) - before
    return (gained - lost) / len(after), _widened(interval, gain, pairs, replicates, seed)


def paired_tar_differences(
    first: Scores, second: Scores, fmrs: Sequence[float], *, replicates: int = REPLICATES, seed: int = 0
) -> tuple[tuple[float, Interval], ...]:
    """How much more of genuine comparisons a second system accepts than a first, each at its thresholds for some FMRs.

    Both systems have the same replicates of people, and each its threshold chosen anew in every one. The interval is
    at least :func:`newcombe`'s for the fewest answers that can have changed. Where people are not known, up to 100,000
    comparisons are drawn like people; of more, or of comparisons that are not the same number for both, the TARs are
    taken as independent (:func:`newcombe`), which is too wide.

    Args:
        first: The first system's comparisons.
        second: The second's of the same photos, people numbered alike.
        fmrs: The false-match rates.
        replicates: How often people are drawn anew.
        seed: Of the drawing.

    Returns:
        At each rate the TAR of the second minus that of the first, and its interval.

    Raises:
        EvaluationError: An FMR that the data do not support.
        OptionError: Too few replicates, or a seed that is none.
    """
    _check(replicates, seed)
    systems = _drawn_alike(first, second, replicates, seed)
    return tuple(_tar_difference(first, second, systems, fmr) for fmr in fmrs)


def _tar_difference(
    first: Scores, second: Scores, systems: tuple[IdentityBootstrap, IdentityBootstrap] | None, fmr: float
) -> tuple[float, Interval]:
    before, after = first.at(fmr).true_matches, second.at(fmr).true_matches
    difference = after.value - before.value
    own = None
    if systems is not None:
        missed = [system.fnmr(system.threshold_at(fmr)) for system in systems]
        own = systems[0].interval(missed[0] - missed[1])
    if own is None:
        return difference, newcombe(before, after)
    changed = after.count - before.count
    fewest = newcombe(Rate(max(-changed, 0), before.total), Rate(max(changed, 0), after.total))
    return difference, wider(fewest, own)


def newcombe(first: Rate, second: Rate) -> Interval:
    """The interval of the difference of two rates, second minus first.

    From the distances of the ends of Wilson's intervals, squared and added (R. G. Newcombe, "Interval estimation for
    the difference between independent proportions", Statistics in Medicine 17(8), 1998, method 10).
    """
    a, b, difference = first.interval, second.interval, second.value - first.value
    below = math.hypot(second.value - b.low, a.high - first.value)
    above = math.hypot(b.high - second.value, first.value - a.low)
    return Interval(difference - below, difference + above, "Newcombe")


def draw(people: int, replicates: int, seed: int) -> NDArray[np.unsignedinteger]:
    """How often each of some people is drawn, in draws of as many with replacement.

    From the upper halves of PCG64's numbers, scaled: the bias is below people / 2^32.

    Returns:
        (people, replicates), of a type that also holds the product of two.
    """
    bits = np.random.PCG64(seed)
    counts = np.empty((people, replicates), dtype=np.uint16)
    step = max(_DRAWS // people, 1)
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        drawn = (bits.random_raw(rows * people) >> np.uint64(32)) * np.uint64(people) >> np.uint64(32)
        places = drawn.astype(np.int64).reshape(rows, people) + np.arange(rows)[:, None] * people
        counts[:, start : start + rows] = np.bincount(places.ravel(), minlength=rows * people).reshape(rows, people).T
    return counts.astype(np.uint8) if int(counts.max()) < 16 else counts


def _check(replicates: int, seed: int) -> None:
    if replicates < _MIN_REPLICATES:
        raise OptionError(f"replicates={replicates!r} are too few for an interval: use {_MIN_REPLICATES} or more")
    if seed < 0:
        raise OptionError(f"seed={seed!r} is negative: use 0 or more")


def _drawn_alike(
    first: Scores, second: Scores, replicates: int, seed: int
) -> tuple[IdentityBootstrap, IdentityBootstrap] | None:
    """The bootstraps of two systems with the same people in each replicate; None where that cannot be."""
    before, after = first.ranked, second.ranked
    if before is None or after is None or before.units != after.units:
        return None
    sizes = [(len(scores.genuine), len(scores.impostor)) for scores in (first, second)]
    if before.units == "comparisons" and sizes[0] != sizes[1]:
        return None
    numbers = np.union1d(before.numbers, after.numbers)
    return (
        IdentityBootstrap(before, replicates=replicates, seed=seed, numbers=numbers),
        IdentityBootstrap(after, replicates=replicates, seed=seed, numbers=numbers),
    )


def _answers(right: ArrayLike, pairs: Pairs) -> NDArray[np.bool_]:
    answers = np.asarray(right, dtype=bool)
    if answers.shape != (len(pairs),):
        raise EvaluationError(f"{len(pairs)} pairs take as many answers, and there are {answers.size}")
    if not len(answers):
        raise EvaluationError("there are no pairs, so there is no accuracy")
    return answers


def _widened(
    interval: Interval, gains: NDArray[np.bool_] | NDArray[np.int64], pairs: Pairs, replicates: int, seed: int
) -> Interval:
    """An interval of the mean of gains, as wide as that of replicates of people."""
    _check(replicates, seed)
    if pairs.person is None:
        return interval
    numbers, places = np.unique(pairs.person[np.stack([pairs.a, pairs.b], axis=1)], return_inverse=True)
    rows: NDArray[np.int32] = places.reshape(-1, 2).astype(np.int32)
    weights = draw(len(numbers), replicates, seed)
    mean = np.zeros(replicates)
    for people, gain in ((rows[pairs.same, :1], gains[pairs.same]), (rows[~pairs.same], gains[~pairs.same])):
        if len(people):
            total, gained = np.zeros(replicates), np.zeros(replicates)
            for start in range(0, len(people), _BLOCK):
                weight = weighed(weights, people[start : start + _BLOCK])
                total += weight.sum(axis=0, dtype=np.uint32)
                gained += gain[start : start + _BLOCK].astype(np.float32) @ weight.astype(np.float32)
            mean += len(people) / len(pairs) * _ratio(gained, total)
    own = _interval(mean, f"bootstrap over {len(numbers):,} people")
    return interval if own is None else wider(interval, own)


def _interval(values: NDArray[np.float64], method: str) -> Interval | None:
    known = values[~np.isnan(values)]
    if len(known) < len(values) / 2:
        return None
    low, high = np.quantile(known, _ENDS)
    return Interval(float(low), float(high), method)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)
    return result

"""Comparisons in the order of their similarity, and what they weigh when people are drawn anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostface_edge.errors import EvaluationError

EXACT = 1 << 22
"""So many of the most similar comparisons are weighed one by one: 14 % of the 29.6 million of LFW's View 2 photos."""

_BINS = 256  # of equal width, for the less similar ones: about 0.0025 each for LFW
_BLOCK = 1024  # comparisons whose summed weight is kept; within a block they are weighed when asked for
_SPLITS = 4096  # most further positions at which a sum is kept
_CHUNK = 1 << 22  # comparisons at a time, to bound the memory of temporary arrays
_MAX_NUMBER = 1 << 24  # of a person: tables are as long


class Ranking:
    """Comparisons from the most similar one down, and who is in each.

    A position is a number of most similar comparisons: position 3 lies below the third.

    Args:
        similarities: (M,) float64, in any order.
        ascending: The same, sorted.
        people: (M, 1) or (M, 2) numbers of the people in each comparison.
        row: (highest number + 1,) int32, the row from 0 of the person with each number.

    Attributes:
        total: M.
        ascending: The similarities, sorted.
        exact: Comparisons that are weighed one by one; the others are counted by person and bin of similarity.
        people: (exact, 1 or 2) int32, rows of the people in them, from the most similar comparison down.
        bins: (B,) comparisons in each bin below, from the most similar bin down.
        counts: (B, people) float32, how often each person is in each bin's comparisons.
    """

    def __init__(
        self,
        similarities: NDArray[np.float64],
        ascending: NDArray[np.float64],
        people: NDArray[np.int32],
        row: NDArray[np.int32],
    ) -> None:
        self.total = len(similarities)
        self.exact = min(self.total, EXACT)
        self.ascending = ascending
        rows, rest = self._split(similarities)
        self.people = row[people[rows[np.argsort(similarities[rows])[::-1]]]]
        self.bins, self.counts = _bin(similarities, people, row, rest)

    def score(self, position: NDArray[np.int64]) -> NDArray[np.float64]:
        """The similarity of the comparison just below a position less than the total."""
        result: NDArray[np.float64] = self.ascending[self.total - 1 - position]
        return result

    def at_or_above(self, thresholds: ArrayLike) -> NDArray[np.int64]:
        """The position of a threshold: how many comparisons are at or above it."""
        return self.total - np.searchsorted(self.ascending, thresholds, side="left").astype(np.int64)

    def above(self, thresholds: ArrayLike) -> NDArray[np.int64]:
        """How many comparisons are above a threshold."""
        return self.total - np.searchsorted(self.ascending, thresholds, side="right").astype(np.int64)

    def _split(self, similarities: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        if self.exact == self.total:
            return np.arange(self.total), None
        cut = self.ascending[self.total - self.exact]
        higher = np.flatnonzero(similarities > cut)
        tied = np.flatnonzero(similarities == cut)[: self.exact - len(higher)]
        rows = np.concatenate([higher, tied])
        rest = np.ones(self.total, dtype=bool)
        rest[rows] = False
        return rows, rest


def _bin(
    similarities: NDArray[np.float64],
    people: NDArray[np.int32],
    row: NDArray[np.int32],
    rest: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    count = int(row.max()) + 1
    if rest is None:
        return np.zeros(0, dtype=np.int64), np.zeros((0, count), dtype=np.float32)
    low = float(np.min(similarities, where=rest, initial=np.inf))
    high = float(np.max(similarities, where=rest, initial=-np.inf))
    span = (high - low) or 1.0
    sizes = np.zeros(_BINS, dtype=np.int64)
    counts = np.zeros(_BINS * count, dtype=np.int64)
    for start in range(0, len(similarities), _CHUNK):
        chosen = rest[start : start + _CHUNK]
        place = ((high - similarities[start : start + _CHUNK][chosen]) / span * _BINS).astype(np.int64)
        np.minimum(place, _BINS - 1, out=place)
        sizes += np.bincount(place, minlength=_BINS)
        place *= count
        for column in people[start : start + _CHUNK].T:
            counts += np.bincount(place + row[column[chosen]], minlength=_BINS * count)
    used = sizes > 0
    return sizes[used], counts.reshape(_BINS, count)[used].astype(np.float32)


@dataclass(frozen=True, eq=False)
class RankedScores:
    """Genuine and impostor comparisons, ranked, and what is drawn anew in a bootstrap.

    Attributes:
        units: What is drawn: ``people``, or ``comparisons`` where people are not known.
        numbers: (U,) int64, ascending: the numbers of those that appear.
        shared: Whether one of them is in more than one comparison.
        genuine: The genuine comparisons.
        impostor: The impostor comparisons.
    """

    units: str
    numbers: NDArray[np.int64]
    shared: bool
    genuine: Ranking
    impostor: Ranking


class Similarities(NamedTuple):
    """Of one kind of comparison.

    Attributes:
        values: (M,) float64, in the order of the comparisons.
        ascending: The same, sorted.
    """

    values: NDArray[np.float64]
    ascending: NDArray[np.float64]


def rank_by_people(
    genuine: Similarities, impostor: Similarities, genuine_people: ArrayLike, impostor_people: ArrayLike
) -> RankedScores:
    """Rank comparisons whose people are known.

    Args:
        genuine: (G,) similarities.
        impostor: (I,) similarities.
        genuine_people: (G,) numbers of people, from 0.
        impostor_people: (I, 2) numbers of people, from 0.

    Raises:
        EvaluationError: Numbers that are no such, or an impostor comparison of one person.
    """
    one = _numbers(genuine_people, (len(genuine.values),), "genuine")[:, None]
    two = _numbers(impostor_people, (len(impostor.values), 2), "impostor")
    if (two[:, 0] == two[:, 1]).any():
        raise EvaluationError("an impostor comparison is of one person with the same person")
    return _rank("people", genuine, impostor, one, two)


def rank_by_comparison(genuine: Similarities, impostor: Similarities) -> RankedScores:
    """Rank comparisons of which nothing more is known: each stands for itself."""
    split = len(genuine.values)
    numbers = np.arange(split + len(impostor.values), dtype=np.int32)[:, None]
    return _rank("comparisons", genuine, impostor, numbers[:split], numbers[split:])


def _rank(
    units: str, genuine: Similarities, impostor: Similarities, one: NDArray[np.int32], two: NDArray[np.int32]
) -> RankedScores:
    appearances = np.zeros(max(int(one.max()), int(two.max())) + 1, dtype=np.int64)
    for people in (*one.T, *two.T):
        for start in range(0, len(people), _CHUNK):
            appearances += np.bincount(people[start : start + _CHUNK], minlength=len(appearances))
    numbers = np.flatnonzero(appearances)
    row = np.zeros(len(appearances), dtype=np.int32)
    row[numbers] = np.arange(len(numbers), dtype=np.int32)
    return RankedScores(
        units,
        numbers,
        bool(appearances.max() > 1),
        Ranking(genuine.values, genuine.ascending, one, row),
        Ranking(impostor.values, impostor.ascending, two, row),
    )


def _numbers(people: ArrayLike, shape: tuple[int, ...], kind: str) -> NDArray[np.int32]:
    numbers = np.asarray(people)
    if numbers.dtype.kind not in "iu" or numbers.shape != shape:
        raise EvaluationError(
            f"the people of {shape[0]} {kind} comparisons are integers of shape {shape}, "
            f"not {numbers.dtype} of shape {numbers.shape}"
        )
    if int(numbers.min()) < 0 or int(numbers.max()) >= _MAX_NUMBER:
        raise EvaluationError(
            f"people are numbered from 0 to at most {_MAX_NUMBER - 1}; those of the {kind} comparisons go from "
            f"{numbers.min()} to {numbers.max()}"
        )
    return numbers.astype(np.int32, copy=False)


class WeighedRanking:
    """What the comparisons of a ranking weigh in every replicate of a bootstrap.

    With people drawn anew, one who was drawn w times stands there w times: his own genuine comparison is there w times,
    and an impostor comparison of two people w1 w2 times. The most similar comparisons are weighed exactly so. The
    summed weight of a bin of the others is taken as (Σ w n)² / 4N, where person i is in n of the bin's N comparisons:
    the product of the weights to first order, whoever meets whom, and to second order if everyone meets everyone as
    often as chance has it. Within a bin, weight is taken to be spread evenly.

    Args:
        ranking: The comparisons.
        weights: (people, R) unsigned integers: how often each person was drawn in each replicate.
        splits: Positions at which many sums will be asked for.

    Attributes:
        total: (R,) float64, the weight of all comparisons.
        edges: (E,) positions at which the sums are kept.
        sums: (E, R) float64, the weight of the comparisons above each edge.
    """

    def __init__(self, ranking: Ranking, weights: NDArray[np.unsignedinteger], splits: NDArray[np.int64]) -> None:
        self._ranking = ranking
        self._weights = weights
        self._replicates = np.arange(weights.shape[1])
        splits = np.unique(splits[splits < ranking.exact])
        if len(splits) > _SPLITS:
            splits = splits[np.linspace(0, len(splits) - 1, _SPLITS).astype(np.int64)]
        blocks = np.arange(0, ranking.exact, _BLOCK)
        edges = np.unique(np.concatenate([blocks, splits, [0, ranking.exact]]))
        self.edges = np.concatenate([edges, ranking.exact + np.cumsum(ranking.bins)])
        self.sums = np.zeros((len(self.edges), weights.shape[1]))
        for row, (first, last) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist())):
            weighed(weights, ranking.people[first:last]).sum(axis=0, dtype=np.uint32, out=self.sums[row + 1])
        if len(ranking.bins):
            presence = (ranking.counts @ weights.astype(np.float32)).astype(np.float64)
            if ranking.people.shape[1] == 2:
                presence = presence * presence / (4 * ranking.bins[:, None])
            self.sums[len(edges) :] = presence
        np.cumsum(self.sums, axis=0, out=self.sums)
        self.total = self.sums[-1]

    def weight(self, position: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R,) the weight of the comparisons above a position: one for all replicates, or one for each."""
        position = np.broadcast_to(position, self._replicates.shape)
        edge = np.searchsorted(self.edges, position, side="right") - 1
        result: NDArray[np.float64] = self.sums[edge, self._replicates]
        rest = position - self.edges[edge]
        exact = np.flatnonzero((position < self._ranking.exact) & (rest > 0))
        if len(exact):
            inside = np.arange(_BLOCK) < rest[exact, None]
            result[exact] += (self._block(edge[exact], exact) * inside).sum(axis=1)
        binned = np.flatnonzero((position > self._ranking.exact) & (rest > 0))
        if len(binned):
            result[binned] += rest[binned] * self._density(edge[binned], binned)
        return result

    def position(self, allowed: NDArray[np.float64]) -> NDArray[np.int64]:
        """(R,) the last position above which the comparisons weigh no more than allowed."""
        edge = np.count_nonzero(self.sums <= allowed, axis=0) - 1
        result: NDArray[np.int64] = self.edges[edge].copy()
        rest = allowed - self.sums[edge, self._replicates]
        exact = np.flatnonzero(result < self._ranking.exact)
        if len(exact):
            inside = np.cumsum(self._block(edge[exact], exact), axis=1) <= rest[exact, None]
            result[exact] += np.count_nonzero(inside, axis=1)
        binned = np.flatnonzero((result >= self._ranking.exact) & (result < self._ranking.total))
        if len(binned):
            result[binned] += (rest[binned] / self._density(edge[binned], binned)).astype(np.int64)
        return result

    def interpolated(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K, R) the weight of the comparisons above K positions, interpolated between the edges."""
        edge = np.minimum(np.searchsorted(self.edges, positions, side="right") - 1, len(self.edges) - 2)
        share = (positions - self.edges[edge]) / (self.edges[edge + 1] - self.edges[edge])
        result: NDArray[np.float64] = self.sums[edge] + share[:, None] * (self.sums[edge + 1] - self.sums[edge])
        return result

    def _block(self, edge: NDArray[np.int64], replicates: NDArray[np.int64]) -> NDArray[np.int64]:
        # (len(edge), _BLOCK) weights of the comparisons below an edge. Where the edges are closer than that, those
        # beyond the next edge are no harm: whoever asks stops before them.
        rows = np.minimum(self.edges[edge, None] + np.arange(_BLOCK), self._ranking.exact - 1)
        result = np.ones(rows.shape, dtype=np.int64)
        for column in self._ranking.people.T:
            result *= self._weights[column[rows], replicates[:, None]]
        return result

    def _density(self, edge: NDArray[np.int64], replicates: NDArray[np.int64]) -> NDArray[np.float64]:
        weight = self.sums[edge + 1, replicates] - self.sums[edge, replicates]
        result: NDArray[np.float64] = weight / (self.edges[edge + 1] - self.edges[edge])
        return result


def weighed(weights: NDArray[np.unsignedinteger], people: NDArray[np.int32]) -> NDArray[np.unsignedinteger]:
    """(M, R) the product of the weights of the people in each of M comparisons."""
    result = weights[people[:, 0]]
    for column in people.T[1:]:
        result *= weights[column]
    return result

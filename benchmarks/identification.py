"""1:N identification: whose face is this, among many people who are enrolled?

The words are those of ISO/IEC 19795-1:2021 and of NIST's FRVT 1:N (P. Grother, M. Ngan and K. Hanaoka, NISTIR 8271,
2019). Everybody who is enrolled has one photo in the gallery. A search compares a photo, the probe, with the whole
gallery; it is mated when the gallery holds the probe's person, its mate.

- Closed set: everybody is enrolled, so every search is mated. The identification rate at rank R is the share of
  searches with the mate among the R best candidates; over R it is the cumulative match characteristic (CMC).
- Open set: some people are not enrolled, and all their photos are non-mated searches. FPIR(T), the
  false-positive identification rate, is the share of non-mated searches with any candidate at or above the threshold T.
  FNIR(T, R), the false-negative identification rate, is the share of mated searches whose mate is not among the R best
  candidates, or is below T.

A candidate that is as similar as the mate is ranked before it. A photo that could not be enrolled (failure to enrol)
counts against the system, never as a missing value: in the gallery, all searches for its person miss; as a mated probe,
it misses; as a non-mated probe, it raises no false positive.

Who is enrolled, and with which photo, is drawn at random, several times.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import EvaluationError, OptionError

from .interval import Interval, wilson
from .metrics import Scores

if TYPE_CHECKING:
    from .enrolment import Enrolment
    from .photos import Photo

FPIRS = (1e-1, 1e-2, 1e-3)
"""False-positive identification rates at which FNIR is stated, as far as the non-mated searches support them."""

MAX_RANK = 20
"""Ranks of the CMC, or as many as there are people."""

MAX_REPEATS = 1000

_ROWS = 256  # of the similarity matrix at a time
_TIE = 1e-9  # a matrix product rounds equal similarities apart by about 1e-16; float32 embeddings tell 1e-7 apart
_DECIMALS = 12  # of similarities that are compared with a threshold, for the same reason
_NO_MATCH = -1.0  # the least similarity there is


@dataclass(frozen=True)
class Spread:
    """A figure over the random splits.

    Attributes:
        mean: Its mean.
        std: Its standard deviation, dividing by the number of splits less one; None for a single split. The splits
            share photos: this says how much the draw matters, not how well the figure is known.
        least: Its least value.
        most: Its greatest value.
    """

    mean: float
    std: float | None
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of values, one of each split."""
        numbers = [float(value) for value in values]
        std = statistics.stdev(numbers) if len(numbers) > 1 else None
        return cls(statistics.mean(numbers), std, min(numbers), max(numbers))  # exact: equal values have no spread

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class RankRate:
    """The identification rate at one rank.

    Attributes:
        rank: R.
        rate: Share of searches with the mate among the R best candidates.
        interval: Of the rate; people are what is independent.
    """

    rank: int
    rate: Spread
    interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"rank": self.rank, "rate": self.rate.to_dict(), "interval": self.interval.to_dict()}


@dataclass(frozen=True)
class ClosedSet:
    """Identification where everybody is enrolled.

    Attributes:
        people: Number of people in the gallery, one photo each.
        searches: Number of searches: all other photos.
        searched: Number of people whom they show.
        failed_gallery: People whose photo for the gallery could not be enrolled.
        failed_searches: Probes that could not be enrolled.
        cmc: The identification rate at rank 1, 2 ...
    """

    people: int
    searches: int
    searched: int
    failed_gallery: Spread
    failed_searches: Spread
    cmc: tuple[RankRate, ...] = field(repr=False)

    def at(self, rank: int) -> RankRate:
        """The identification rate at a rank.

        Raises:
            OptionError: The CMC has no such rank.
        """
        if not 1 <= rank <= len(self.cmc):
            raise OptionError(f"rank {rank!r} is not between 1 and {len(self.cmc)}")
        return self.cmc[rank - 1]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "people": self.people,
            "searches": self.searches,
            "searched": self.searched,
            "failed_gallery": self.failed_gallery.to_dict(),
            "failed_searches": self.failed_searches.to_dict(),
            "cmc": [point.to_dict() for point in self.cmc],
        }


@dataclass(frozen=True)
class IdentificationPoint:
    """What happens at the threshold for one false-positive identification rate.

    Attributes:
        fpir: The rate that was asked for.
        threshold: The least similarity of six decimals at which a split's measured FPIR is not above it.
        measured_fpir: Share of non-mated searches with a candidate at or above the threshold.
        fnir: Share of mated searches whose mate is not among the best candidates, or is below the threshold.
        fnir_interval: Of the FNIR, the thresholds taken as given; people are what is independent.
    """

    fpir: float
    threshold: Spread
    measured_fpir: Spread
    fnir: Spread
    fnir_interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "fpir": self.fpir,
            "threshold": self.threshold.to_dict(),
            "measured_fpir": self.measured_fpir.to_dict(),
            "fnir": self.fnir.to_dict(),
            "fnir_interval": self.fnir_interval.to_dict(),
        }


@dataclass(frozen=True)
class OpenSet:
    """Identification where some people are not enrolled.

    Attributes:
        enrolled: Number of people in the gallery, one photo each.
        strangers: Number of people who are not.
        rank: R: a mate counts as found among the R best candidates.
        mated: Searches for people who are enrolled.
        non_mated: Searches for people who are not.
        failed_gallery: Enrolled people whose photo for the gallery could not be enrolled.
        failed_mated: Mated probes that could not be enrolled.
        failed_non_mated: Non-mated probes that could not be enrolled.
        points: From the highest FPIR to the lowest that the non-mated searches of every split support.
    """

    enrolled: int
    strangers: int
    rank: int
    mated: Spread
    non_mated: Spread
    failed_gallery: Spread
    failed_mated: Spread
    failed_non_mated: Spread
    points: tuple[IdentificationPoint, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        counts = {
            name: getattr(self, name).to_dict()
            for name in ("mated", "non_mated", "failed_gallery", "failed_mated", "failed_non_mated")
        }
        return {
            "enrolled": self.enrolled,
            "strangers": self.strangers,
            "rank": self.rank,
            **counts,
            "points": [point.to_dict() for point in self.points],
        }


@dataclass(frozen=True)
class Identification:
    """What 1:N identification says about a system.

    Attributes:
        photos: Number of photos.
        people: Number of people in them.
        failures: Photos that could not be enrolled.
        repeats: Number of random splits.
        seed: What the splits are drawn with.
        closed: Everybody enrolled.
        open: A part of the people enrolled; None where the data cannot support it.
        open_omitted: Why ``open`` is None.
    """

    photos: int
    people: int
    failures: int
    repeats: int
    seed: int
    closed: ClosedSet = field(repr=False)
    open: OpenSet | None = field(repr=False)
    open_omitted: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "photos": self.photos,
            "people": self.people,
            "failures": self.failures,
            "repeats": self.repeats,
            "seed": self.seed,
            "closed": self.closed.to_dict(),
            "open": None if self.open is None else self.open.to_dict(),
            "open_omitted": self.open_omitted,
        }

    def to_text(self) -> str:
        """A short report for people."""
        closed = self.closed
        splits = f"{self.repeats} random split{'s' if self.repeats != 1 else ''}, seed {self.seed}"
        lines = [
            f"1:N identification: {self.photos:,} photos of {self.people:,} people, {self.failures:,} failed to enrol; "
            f"mean ± standard deviation of {splits}",
            f"Closed set: {closed.people:,} people in the gallery, {closed.searches:,} searches for "
            f"{closed.searched:,} of them; failed: {_number(closed.failed_gallery)} in the gallery, "
            f"{_number(closed.failed_searches)} searches",
            f"{'rank':>7}  {'identified':>17}  95 % interval",
        ]
        for rank in (1, 5, 10, 20):
            if rank <= len(closed.cmc):
                point = closed.at(rank)
                lines.append(f"{rank:>7}  {_percent(point.rate):>17}  {_interval(point.interval)}")
        if self.open is None:
            return "\n".join([*lines, f"Open set: omitted, {self.open_omitted}"])
        opened = self.open
        lines += [
            f"Open set: {opened.enrolled:,} people in the gallery, {opened.strangers:,} not; "
            f"{_number(opened.mated)} mated and {_number(opened.non_mated)} non-mated searches; failed: "
            f"{_number(opened.failed_gallery)} in the gallery, {_number(opened.failed_mated)} mated and "
            f"{_number(opened.failed_non_mated)} non-mated searches",
            f"{'FPIR':>7}  {'threshold':>17}  {f'FNIR, rank {opened.rank}':>17}  95 % interval",
        ]
        for entry in opened.points:
            threshold = f"{entry.threshold.mean:.4f}" + _plus_minus(entry.threshold, "{:.4f}")
            lines.append(
                f"{entry.fpir:>7g}  {threshold:>17}  {_percent(entry.fnir):>17}  {_interval(entry.fnir_interval)}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class _People:
    """Whose photos there are.

    Attributes:
        person: (N,) number of each photo's person.
        photos: Rows of each person's photos.
    """

    person: NDArray[np.intp]
    photos: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, photos: Sequence[Photo]) -> _People:
        """People by name and their photos by path, so that the order of the photos draws nothing."""
        named: dict[str, list[int]] = {}
        for row in sorted(range(len(photos)), key=lambda row: (photos[row].person, photos[row].path)):
            if not photos[row].person:
                raise EvaluationError(f"identification takes photos of known people, and {photos[row].path!r} has none")
            named.setdefault(photos[row].person, []).append(row)
        if len(named) < 2:
            raise EvaluationError(f"identification takes at least two people, and there is {len(named)}")
        if len(named) == len(photos):
            raise EvaluationError("identification takes a second photo of somebody, and nobody has more than one")
        person = np.empty(len(photos), dtype=np.intp)
        for number, rows in enumerate(named.values()):
            person[rows] = number
        return cls(person, tuple(tuple(rows) for rows in named.values()))


@dataclass(frozen=True, eq=False)
class _Split:
    """One draw.

    Attributes:
        gallery: (people,) row of each person's photo in the gallery.
        known: (people,) who is enrolled in the open set.
    """

    gallery: NDArray[np.intp]
    known: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Searches:
    """What every photo finds in one split's galleries, as if each were a probe.

    Attributes:
        mate: (N,) similarity to the photo's person in the gallery.
        rank: (N,) place of that person among all people.
        open_rank: (N,) place among the people who are enrolled in the open set.
        best: (N,) similarity to the best candidate of the open set.
    """

    mate: NDArray[np.float64]
    rank: NDArray[np.int32]
    open_rank: NDArray[np.int32]
    best: NDArray[np.float64]


def identify(
    enrolment: Enrolment, *, seed: int = 0, repeats: int = 10, enrolled_share: float = 0.5, rank: int = 1
) -> Identification:
    """Search the photos of a folder per person in galleries of one photo each.

    In every split, each person's photo for the gallery is drawn, and who is enrolled in the open set. People with
    several photos and people with one are divided alike, so that both kinds of search are there. The same photos are
    divided in the same way for every system and on every machine.

    Args:
        enrolment: Embeddings of photos with people.
        seed: What the splits are drawn with.
        repeats: Number of splits, 1 to :data:`MAX_REPEATS`.
        enrolled_share: Share of the people who are enrolled in the open set.
        rank: R of FNIR(T, R).

    Raises:
        OptionError: An option outside its range.
        EvaluationError: A photo without a person, fewer than two people, nobody with a second photo, no photo that
            was enrolled, or an embedding that is not finite.
    """
    if not 1 <= repeats <= MAX_REPEATS:
        raise OptionError(f"repeats={repeats!r} is not a number of splits: use 1 to {MAX_REPEATS}")
    if not 0 < enrolled_share < 1:
        raise OptionError(f"enrolled_share={enrolled_share!r} is not a share between 0 and 1")
    if seed < 0:  # random.Random takes a number and its negative for the same
        raise OptionError(f"seed={seed!r} is negative: use 0 or more")
    if rank < 1:
        raise OptionError(f"rank={rank!r} is not a rank: use 1 or more")
    if not enrolment.enrolled.any():
        raise EvaluationError(f"none of the {len(enrolment.photos)} photos was enrolled")
    if not np.isfinite(enrolment.embeddings).all():
        raise EvaluationError("the embeddings are not all finite")
    people = _People.of(enrolment.photos)
    splits = _splits(people, seed, repeats, enrolled_share)
    searches = _search(enrolment, people, splits)
    opened, omitted = _open_set(enrolment, people, splits, searches, rank)
    return Identification(
        photos=len(enrolment.photos),
        people=len(people.photos),
        failures=int(np.count_nonzero(~enrolment.enrolled)),
        repeats=repeats,
        seed=seed,
        closed=_closed_set(enrolment, people, splits, searches),
        open=opened,
        open_omitted=omitted,
    )


def _splits(people: _People, seed: int, repeats: int, share: float) -> list[_Split]:
    # Of random.Random, only random() is promised to give the same numbers in every version of Python.
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    several = [number for number, rows in enumerate(people.photos) if len(rows) > 1]
    single = [number for number, rows in enumerate(people.photos) if len(rows) == 1]
    splits = []
    for _ in range(repeats):
        gallery = np.array([rows[int(draw.random() * len(rows))] for rows in people.photos], dtype=np.intp)
        known = np.zeros(len(people.photos), dtype=bool)
        for group in (several, single):
            shuffled = sorted(group, key=lambda _: draw.random())
            known[shuffled[: math.floor(share * len(group) + 0.5)]] = True
        splits.append(_Split(gallery, known))
    return splits


def _search(enrolment: Enrolment, people: _People, splits: Sequence[_Split]) -> list[_Searches]:
    """Compare every photo with every gallery, block by block of the similarity matrix.

    Photos that were not enrolled are no candidates. As mates, their similarity is the least there is, and their rank
    among all people past all others; for probes that were not enrolled, so are both ranks.
    """
    unit = enrolment.embeddings.astype(np.float64)
    unit[enrolment.enrolled] /= np.linalg.norm(unit[enrolment.enrolled], axis=1, keepdims=True)
    count, past = len(unit), len(people.photos) + 1
    candidates = []
    for split in splits:
        usable = enrolment.enrolled[split.gallery]
        known, others = split.gallery[usable & split.known], split.gallery[usable & ~split.known]
        candidates.append((np.concatenate([known, others]), len(known)))
    results = [
        _Searches(
            np.full(count, _NO_MATCH),
            np.full(count, past, dtype=np.int32),
            np.full(count, past, dtype=np.int32),
            np.full(count, _NO_MATCH),
        )
        for _ in splits
    ]
    probes = np.flatnonzero(enrolment.enrolled)
    for start in range(0, len(probes), _ROWS):
        rows = probes[start : start + _ROWS]
        block = np.clip(unit[rows] @ unit.T, -1, 1)
        for split, (columns, inside), result in zip(splits, candidates, results):
            mates = split.gallery[people.person[rows]]
            found = enrolment.enrolled[mates]
            mate = np.where(found, block[np.arange(len(rows)), mates], _NO_MATCH)
            similarity = block[:, columns]
            ahead = similarity >= mate[:, None] - _TIE  # the mate itself among them
            open_rank = ahead[:, :inside].sum(axis=1)
            result.mate[rows] = np.round(mate, _DECIMALS)
            result.open_rank[rows] = open_rank
            result.rank[rows] = np.where(found, open_rank + ahead[:, inside:].sum(axis=1), past)
            if inside:
                result.best[rows] = np.round(similarity[:, :inside].max(axis=1), _DECIMALS)
    return results


def _closed_set(
    enrolment: Enrolment, people: _People, splits: Sequence[_Split], searches: Sequence[_Searches]
) -> ClosedSet:
    probes = [_probes(people, split) for split in splits]
    failed = ~enrolment.enrolled
    cmc = []
    for rank in range(1, min(MAX_RANK, len(people.photos)) + 1):
        hits = [result.rank <= rank for result in searches]
        rate = Spread.of([hit[probe].mean() for hit, probe in zip(hits, probes)])
        cmc.append(RankRate(rank, rate, _person_interval(people, hits, probes)))
    return ClosedSet(
        people=len(people.photos),
        searches=len(enrolment.photos) - len(people.photos),
        searched=sum(len(rows) > 1 for rows in people.photos),
        failed_gallery=Spread.of([failed[split.gallery].sum() for split in splits]),
        failed_searches=Spread.of([failed[probe].sum() for probe in probes]),
        cmc=tuple(cmc),
    )


def _open_set(
    enrolment: Enrolment, people: _People, splits: Sequence[_Split], searches: Sequence[_Searches], rank: int
) -> tuple[OpenSet | None, str | None]:
    """The open set, or why there is none."""
    mated = [_probes(people, split) & split.known[people.person] for split in splits]
    strange = [~split.known[people.person] for split in splits]
    if not all(probe.any() for probe in mated):
        return None, "no person with a second photo was left to enrol"
    least = min(int(probe.sum()) for probe in strange)
    supported = [fpir for fpir in FPIRS if 3 / max(least, 1) <= fpir]
    if not supported:
        return None, (
            f"because an FPIR of {FPIRS[0]:g} takes {math.ceil(3 / FPIRS[0])} non-mated searches (rule of three), and "
            f"there are {least}"
        )
    # A mate that is not among the best candidates is missed at every threshold.
    found = [np.where(result.open_rank <= rank, result.mate, _NO_MATCH) for result in searches]
    scores = [
        Scores(mate[probe], result.best[other]) for mate, probe, result, other in zip(found, mated, searches, strange)
    ]
    points = []
    for fpir in supported:
        thresholds = [score.threshold_at(fpir) for score in scores]
        misses = [mate < threshold for mate, threshold in zip(found, thresholds)]
        points.append(
            IdentificationPoint(
                fpir=fpir,
                threshold=Spread.of(thresholds),
                measured_fpir=Spread.of([score.fmr(value).value for score, value in zip(scores, thresholds)]),
                fnir=Spread.of([score.fnmr(value).value for score, value in zip(scores, thresholds)]),
                fnir_interval=_person_interval(people, misses, mated),
            )
        )
    failed = ~enrolment.enrolled
    enrolled = int(splits[0].known.sum())
    return OpenSet(
        enrolled=enrolled,
        strangers=len(people.photos) - enrolled,
        rank=rank,
        mated=Spread.of([probe.sum() for probe in mated]),
        non_mated=Spread.of([probe.sum() for probe in strange]),
        failed_gallery=Spread.of([failed[split.gallery[split.known]].sum() for split in splits]),
        failed_mated=Spread.of([failed[probe].sum() for probe in mated]),
        failed_non_mated=Spread.of([failed[probe].sum() for probe in strange]),
        points=tuple(points),
    ), None


def _probes(people: _People, split: _Split) -> NDArray[np.bool_]:
    """Which photos are not in the gallery."""
    result = np.ones(len(people.person), dtype=bool)
    result[split.gallery] = False
    return result


def _person_interval(
    people: _People, happened: Sequence[NDArray[np.bool_]], cases: Sequence[NDArray[np.bool_]]
) -> Interval:
    """The 95 % interval of how often something happened, where a person's searches are not independent.

    Wilson's interval with an effective number of cases (E. L. Korn and B. I. Graubard, Survey Methodology 24, 1998;
    N. Dean and M. Pagano, J. Survey Statistics and Methodology 3, 2015): as many as would give independent cases the
    variance of the ratio estimate over people, and never more than one split has. Where all cases agree, that variance
    says nothing, and people are counted.
    """
    count = len(people.photos)
    total, events = np.zeros(count), np.zeros(count)
    for happening, case in zip(happened, cases):
        total += np.bincount(people.person[case], minlength=count)
        events += np.bincount(people.person[case & happening], minlength=count)
    searched = np.count_nonzero(total)
    rate = float(events.sum() / total.sum())
    effective = float(searched)
    if 0 < rate < 1 and searched > 1:
        variance = searched / (searched - 1) * np.sum((events - rate * total) ** 2) / total.sum() ** 2
        one_split = total.sum() / len(cases)
        effective = min(rate * (1 - rate) / variance, one_split) if variance > 0 else one_split
    result = wilson(rate * effective, effective)
    return Interval(result.low, result.high, f"Wilson, searches of {searched:,} people")


def _number(spread: Spread) -> str:
    return f"{spread.mean:,.0f}" if spread.least == spread.most else f"{spread.least:,.0f} to {spread.most:,.0f}"


def _percent(spread: Spread) -> str:
    return f"{spread.mean:.2%}" + _plus_minus(spread, "{:.2%}")


def _plus_minus(spread: Spread, form: str) -> str:
    return "" if spread.std is None else f" ± {form.format(spread.std)}"


def _interval(interval: Interval) -> str:
    return f"{interval.low:.2%} to {interval.high:.2%}"

"""1:N identification against a loop over every search, and cases worked by hand."""

from __future__ import annotations

import json
import math
import random
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from ghostface_edge.benchmarks import identification
from ghostface_edge.benchmarks.enrolment import Enrolment, Failure
from ghostface_edge.benchmarks.identification import (
    ClosedSet,
    Identification,
    OpenSet,
    Spread,
    identify,
)
from ghostface_edge.benchmarks.photos import Photo
from ghostface_edge.benchmarks.system import SystemInfo
from ghostface_edge.errors import EvaluationError, OptionError
from ghostface_edge.types import ModelIdentity

SYSTEM = SystemInfo(ModelIdentity("net-a", "float32", "yunet"), "net", "0" * 64, "LiteRT 2", "net.tflite", "1" * 64)


def enrolment(people: dict[str, Any]) -> Enrolment:
    """Vectors by person; None for a photo that could not be enrolled. All lengths are as given."""
    photos, vectors = [], []
    for person, rows in people.items():
        for number, vector in enumerate(rows, 1):
            photos.append(Photo(person, f"{person}/{number:04d}.jpg"))
            vectors.append(vector)
    size = next(len(vector) for vector in vectors if vector is not None)
    enrolled = np.array([vector is not None for vector in vectors])
    embeddings = np.array([np.zeros(size) if vector is None else vector for vector in vectors], np.float32)
    failures = tuple(Failure(photo, "no face found") for photo, good in zip(photos, enrolled) if not good)
    return Enrolment(SYSTEM, tuple(photos), embeddings, enrolled, failures, 0.0, len(photos))


def at(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def faces(rng: np.random.Generator, sizes: list[int], *, scatter: float = 1.0, lost: float = 0.0) -> Enrolment:
    """Random people, with so many photos each; a share of the photos is not enrolled."""
    people = {}
    for number, size in enumerate(sizes):
        centre = rng.normal(size=8)
        vectors = centre + scatter * rng.normal(size=(size, 8))
        people[f"P{number:04d}"] = [
            None if rng.random() < lost else vector / np.linalg.norm(vector) for vector in vectors
        ]
    return enrolment(people)


def splits_of(faces: Enrolment, seed: int, repeats: int, share: float) -> list[tuple[dict[str, int], set[str]]]:
    """Who is in the gallery with which row, and who is enrolled in the open set: drawn as the module says."""
    rows: dict[str, list[int]] = {}
    for row in sorted(range(len(faces.photos)), key=lambda row: faces.photos[row]):
        rows.setdefault(faces.photos[row].person, []).append(row)
    draw = random.Random(seed)
    result = []
    for _ in range(repeats):
        gallery = {person: own[math.floor(draw.random() * len(own))] for person, own in rows.items()}
        known: set[str] = set()
        for several in (True, False):
            group = [person for person, own in rows.items() if (len(own) > 1) == several]
            keys = [(draw.random(), person) for person in group]
            known |= {person for _, person in sorted(keys)[: math.floor(share * len(group) + 0.5)]}
        result.append((gallery, known))
    return result


def cosine(a: Any, b: Any) -> float:
    a, b = [float(value) for value in a], [float(value) for value in b]
    dot = math.fsum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(math.fsum(x * x for x in a)) / math.sqrt(math.fsum(x * x for x in b))


def candidates(faces: Enrolment, row: int, gallery: dict[str, int]) -> list[tuple[float, str]]:
    """What a search returns, best first; of equal ones the mate last."""
    if not faces.enrolled[row]:
        return []
    own = faces.photos[row].person
    found = [
        (round(cosine(faces.embeddings[row], faces.embeddings[other]), 10), person)
        for person, other in gallery.items()
        if faces.enrolled[other]
    ]
    return sorted(found, key=lambda entry: (-entry[0], entry[1] == own))


def closed_by_hand(faces: Enrolment, gallery: dict[str, int]) -> list[float]:
    """The CMC of one split, search by search."""
    ranks: list[float] = []
    for row, photo in enumerate(faces.photos):
        if row == gallery[photo.person]:
            continue
        names = [person for _, person in candidates(faces, row, gallery)]
        ranks.append(names.index(photo.person) + 1 if photo.person in names else math.inf)
    return [sum(rank <= r for rank in ranks) / len(ranks) for r in range(1, min(20, len(gallery)) + 1)]


def open_by_hand(
    faces: Enrolment, gallery: dict[str, int], known: set[str], threshold: float, rank: int
) -> tuple[float, float, int, int]:
    """FPIR, FNIR and the numbers of searches of one split, search by search."""
    gallery = {person: row for person, row in gallery.items() if person in known}
    positives, misses = [], []
    for row, photo in enumerate(faces.photos):
        found = candidates(faces, row, gallery)
        if photo.person not in known:
            positives.append(any(similarity >= threshold for similarity, _ in found))
        elif row != gallery[photo.person]:
            misses.append((photo.person) not in [name for value, name in found[:rank] if value >= threshold])
    return sum(positives) / len(positives), sum(misses) / len(misses), len(misses), len(positives)


def opened(result: Identification) -> OpenSet:
    assert result.open is not None, result.open_omitted
    return result.open


def rates(closed: ClosedSet) -> list[float]:
    return [point.rate.mean for point in closed.cmc]


# ---------------------------------------------------------------------------------------------------------------
# Against a loop


@pytest.mark.parametrize(("seed", "lost", "rank"), [(0, 0.0, 1), (1, 0.15, 1), (2, 0.1, 3)])
def test_every_figure_is_that_of_a_loop_over_the_searches(seed: int, lost: float, rank: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [int(size) for size in rng.integers(1, 9, 66)]
    people = faces(rng, sizes, lost=lost)
    assert len(people.photos) >= 250
    result = identify(people, seed=seed, repeats=3, enrolled_share=0.6, rank=rank)
    drawn = splits_of(people, seed, 3, 0.6)

    curves = np.array([closed_by_hand(people, gallery) for gallery, _ in drawn])
    assert rates(result.closed) == pytest.approx(curves.mean(axis=0).tolist(), abs=1e-12)
    assert [point.rate.std for point in result.closed.cmc] == pytest.approx(curves.std(axis=0, ddof=1), abs=1e-12)
    assert (result.closed.people, result.closed.searches) == (66, len(people.photos) - 66)
    assert result.closed.searched == sum(size > 1 for size in sizes)

    assert [point.fpir for point in opened(result).points] == [0.1]
    for point in opened(result).points:
        # The thresholds of the splits differ: the least and the greatest belong to splits that the loop finds.
        thresholds = []
        for gallery, known in drawn:
            inside = {person: row for person, row in gallery.items() if person in known}
            best = sorted(
                (candidates(people, row, inside) or [(-1.0, "")])[0][0]
                for row, photo in enumerate(people.photos)
                if photo.person not in known
            )
            allowed = math.floor(point.fpir * len(best) + 1e-9)
            thresholds.append(math.floor(best[-1 - allowed] * 1e6 + 1) / 1e6)
        assert point.threshold.mean == pytest.approx(np.mean(thresholds), abs=1e-9)
        by_hand = [
            open_by_hand(people, gallery, known, threshold, rank)
            for (gallery, known), threshold in zip(drawn, thresholds)
        ]
        fpir, fnir, mated, non_mated = (list(column) for column in zip(*by_hand))
        assert point.measured_fpir.mean == pytest.approx(np.mean(fpir), abs=1e-12)
        assert point.fnir.mean == pytest.approx(np.mean(fnir), abs=1e-12)
        assert (point.fnir.least, point.fnir.most) == pytest.approx((min(fnir), max(fnir)), abs=1e-12)
        assert point.fnir.std == pytest.approx(np.std(fnir, ddof=1), abs=1e-12)
        assert (opened(result).mated.least, opened(result).mated.most) == (min(mated), max(mated))
        assert opened(result).non_mated.mean == pytest.approx(np.mean(non_mated))
        assert all(rate <= point.fpir for rate in fpir)


def test_blocks_of_the_matrix_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    people = faces(np.random.default_rng(3), [3, 1, 5, 2, 9, 1, 4] * 4, lost=0.1)
    whole = identify(people, repeats=2)
    monkeypatch.setattr(identification, "_ROWS", 7)
    assert identify(people, repeats=2) == whole


# ---------------------------------------------------------------------------------------------------------------
# By hand


def test_five_people_on_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first photo of each is in the gallery. Bea's probe is nearer to her than to Ann; one of Cy's has no face, nor
    # has Dan's photo in the gallery. Eve's are two kinds of strangers, 27 at 45 degrees from Cy, two at 60.
    people = enrolment(
        {
            "Ann": [at(0), at(20)],
            "Bea": [at(90), at(50)],
            "Cy": [at(180), at(170), None],
            "Dan": [None, at(280)],
            "Eve": [at(100)] + [at(225)] * 27 + [at(240)] * 2,
        }
    )
    split = identification._Split(np.array([0, 2, 4, 7, 9]), np.array([True, True, True, True, False]))
    monkeypatch.setattr(identification, "_splits", lambda *_: [split])
    result = identify(people, repeats=1)
    closed = result.closed
    assert (closed.people, closed.searches, closed.searched) == (5, 34, 5)
    assert (closed.failed_gallery, closed.failed_searches) == (Spread(1, None, 1, 1), Spread(1, None, 1, 1))
    # Eve at 225: Cy at 45 degrees before her at 125. At 240: Cy at 60, Ann at 120, before her at 140.
    assert rates(closed) == pytest.approx([3 / 34, 30 / 34, 32 / 34, 32 / 34, 32 / 34])
    assert closed.at(5).rate.mean == pytest.approx(32 / 34)

    found = opened(result)
    assert (found.enrolled, found.strangers, found.rank) == (4, 1, 1)
    assert (found.mated.mean, found.non_mated.mean) == (5, 30)
    assert (found.failed_gallery.mean, found.failed_mated.mean, found.failed_non_mated.mean) == (1, 1, 0)
    (point,) = found.points
    # Three of 30 may match; 27 tie at cos 45, so only Eve at 100 does, 10 degrees from Bea.
    assert (point.fpir, point.threshold.mean) == (0.1, 0.707107)
    assert point.measured_fpir.mean == pytest.approx(1 / 30)
    assert point.fnir.mean == pytest.approx(2 / 5)  # Cy's photo without a face, and Dan


def test_a_mate_at_rank_two_is_found_among_two_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    people = enrolment({"Ann": [at(0), at(50)], "Bea": [at(90)], "Eve": [at(300)] * 30})
    split = identification._Split(np.array([0, 2, 3]), np.array([True, True, False]))
    monkeypatch.setattr(identification, "_splits", lambda *_: [split])
    one, two = (opened(identify(people, repeats=1, rank=rank)).points[0] for rank in (1, 2))
    assert one.threshold.mean == two.threshold.mean == 0.500001  # cos 300 is 0.5, and 30 of 30 would match
    assert (one.fnir.mean, two.fnir.mean) == (1, 0)  # Bea at 40 degrees, Ann at 50: cos 50 is 0.64


def test_a_tie_goes_against_the_mate() -> None:
    people = enrolment({"Ann": [at(10), at(10)], "Bea": [at(10), at(10)], "Cy": [at(200), at(200)]})
    assert rates(identify(people).closed) == pytest.approx([1 / 3, 1, 1])


def test_equal_embeddings_identify_nobody() -> None:
    rng = np.random.default_rng(4)
    vector = rng.normal(size=512)
    result = identify(enrolment({f"P{number}": [vector, vector] for number in range(40)}))
    assert rates(result.closed) == [0.0] * 20
    (point,) = opened(result).points
    # All 40 non-mated searches find a candidate at 1: no threshold below 1 keeps them out.
    assert point.threshold == Spread(1.000001, 0.0, 1.000001, 1.000001)
    assert (point.fnir.mean, point.measured_fpir.mean) == (1, 0)


def test_perfect_embeddings_identify_everybody() -> None:
    people = {f"P{number:02d}": [np.eye(70)[number]] * 2 for number in range(70)}
    result = identify(enrolment(people), repeats=4)
    assert rates(result.closed) == [1.0] * 20
    assert result.closed.at(1).rate == Spread(1, 0, 1, 1)
    point = opened(result).points[0]
    assert (point.fnir, point.threshold.mean) == (Spread(0, 0, 0, 0), 0.000001)


def test_a_failed_photo_costs_its_person_alone() -> None:
    # Two photos each. Of P00 one failed: in the gallery or as the probe, one search of 40 misses.
    people = {f"P{number:02d}": [np.eye(40)[number]] * 2 for number in range(40)}
    people["P00"] = [None, np.eye(40)[0]]  # type: ignore[list-item]
    result = identify(enrolment(people), repeats=20)
    rate = result.closed.at(20).rate
    assert (rate.mean, rate.std, rate.least, rate.most) == pytest.approx((39 / 40, 0, 39 / 40, 39 / 40), abs=1e-12)
    gallery, probes = result.closed.failed_gallery, result.closed.failed_searches
    assert gallery.mean + probes.mean == 1
    assert (gallery.least, gallery.most, probes.least, probes.most) == (0, 1, 0, 1)
    assert result.failures == 1


def test_strangers_without_a_face_raise_no_alarm() -> None:
    # Everything but the people with one photo is alike; all of those failed.
    people: dict[str, Any] = {f"P{number:02d}": [np.eye(3)[0]] * 2 for number in range(2)}
    people.update({f"Q{number:02d}": [None] for number in range(80)})
    result = identify(enrolment(people), repeats=3)
    found = opened(result)
    assert found.failed_non_mated == Spread(40, 0, 40, 40)
    assert found.non_mated == Spread(42, 0, 42, 42)
    # Only the two photos of the one unknown person with a face match: 2 of 42 is below 0.1.
    assert found.points[0].measured_fpir.mean == pytest.approx(2 / 42)
    assert found.points[0].fnir.mean == 0


# ---------------------------------------------------------------------------------------------------------------
# Splits


def test_the_draw_by_hand() -> None:
    # random.Random(0).random() gives 0.844, 0.758, 0.421, 0.259, 0.511, 0.405, as it has since Python 2.3.
    people = enrolment({"Ann": [at(0), at(1)], "Bea": [at(2), at(3)], "Cy": [at(4)]})
    (split,) = identification._splits(identification._People.of(people.photos), 0, 1, 0.5)
    assert split.gallery.tolist() == [1, 3, 4]
    assert split.known.tolist() == [True, False, True]


def test_the_order_of_the_photos_draws_nothing() -> None:
    rng = np.random.default_rng(5)
    people = faces(rng, [int(size) for size in rng.integers(1, 6, 60)], lost=0.1)
    order = rng.permutation(len(people.photos))
    shuffled = Enrolment(
        SYSTEM,
        tuple(people.photos[row] for row in order),
        people.embeddings[order],
        people.enrolled[order],
        people.failures,
        0.0,
        0,
    )
    one, other = identify(shuffled, seed=7), identify(people, seed=7)
    assert rates(one.closed) == pytest.approx(rates(other.closed), abs=1e-12)
    assert opened(one).points[0].fnir.mean == pytest.approx(opened(other).points[0].fnir.mean, abs=1e-12)
    assert opened(one).non_mated == opened(other).non_mated


def test_seeds() -> None:
    people = faces(np.random.default_rng(6), [4] * 30)
    assert identify(people, seed=1) == identify(people, seed=1)
    assert identify(people, seed=1) != identify(people, seed=2)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=30), st.integers(0, 9), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_splits_are_splits(sizes: list[int], seed: int, share: float) -> None:
    if max(sizes) == 1:
        sizes = [*sizes, 2]
    people = identification._People.of(
        [Photo(f"P{person:03d}", f"{person}/{photo}") for person, size in enumerate(sizes) for photo in range(size)]
    )
    for split in identification._splits(people, seed, 3, share):
        assert all(row in rows for row, rows in zip(split.gallery, people.photos))
        several = np.array([len(rows) > 1 for rows in people.photos])
        for group in (several, ~several):
            assert abs(split.known[group].sum() - share * group.sum()) <= 0.5 + 1e-9


# ---------------------------------------------------------------------------------------------------------------
# Properties


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 5), min_size=40, max_size=70),
    st.floats(0.1, 3),
    st.floats(0, 0.5),
    st.integers(1, 4),
)
@settings(max_examples=40, deadline=None)
def test_figures_are_consistent(seed: int, sizes: list[int], scatter: float, lost: float, rank: int) -> None:
    people = faces(np.random.default_rng(seed), [*sizes, 2, 2], scatter=scatter, lost=lost)
    result = identify(people, seed=seed, repeats=2, enrolled_share=0.2, rank=rank)
    curve = rates(result.closed)
    assert curve == sorted(curve)
    for point in result.closed.cmc:
        assert 0 <= point.interval.low <= point.rate.mean <= point.interval.high + 1e-12 <= 1 + 1e-12
    points = opened(result).points if result.open else ()
    for point in points:
        assert point.measured_fpir.most <= point.fpir
        assert 0 <= point.fnir_interval.low <= point.fnir_interval.high <= 1
    for high, low in zip(points, points[1:]):  # a rarer false positive takes a higher threshold
        assert low.threshold.mean >= high.threshold.mean
        assert low.measured_fpir.mean <= high.measured_fpir.mean
        assert low.fnir.mean >= high.fnir.mean


def test_more_candidates_miss_less() -> None:
    people = faces(np.random.default_rng(8), [3] * 60, scatter=0.4)
    missed = [opened(identify(people, rank=rank)).points[0].fnir.mean for rank in (1, 2, 5, 60)]
    assert missed == sorted(missed, reverse=True)
    assert missed[0] > missed[1]


# ---------------------------------------------------------------------------------------------------------------
# Intervals


def test_where_all_searches_agree_people_are_counted() -> None:
    people = {f"P{number:02d}": [np.eye(50)[number]] * 5 for number in range(50)}
    result = identify(enrolment(people))
    expected = binomtest(50, 50).proportion_ci(0.95, method="wilson")
    interval = result.closed.at(1).interval
    assert (interval.low, interval.high) == pytest.approx((expected.low, 1), abs=1e-9)
    assert interval.method == "Wilson, searches of 50 people"


def test_searches_of_one_person_that_hang_together_count_as_one() -> None:
    # Of 101 people with 21 photos each, 11 are never found: a tenth of 2,020 searches, but only 101 people.
    base = np.eye(128)
    people = {f"P{number:03d}": [base[number]] * 21 for number in range(90)}
    people.update({f"Q{number:03d}": [base[110]] * 21 for number in range(11)})  # all alike: ties
    interval = identify(enrolment(people)).closed.at(1).interval
    expected = binomtest(90, 101).proportion_ci(0.95, method="wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=2e-3)


def test_searches_that_go_their_own_ways_count_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    # 20 searches for each of 100 people, each lost one time in ten whoever it is: nearly 2,000 independent searches.
    rng = np.random.default_rng(9)
    base = np.eye(101)
    people = {
        f"P{number:03d}": [base[number]] + [base[number if rng.random() < 0.9 else 100] for _ in range(20)]
        for number in range(100)
    }
    split = identification._Split(np.arange(0, 2100, 21), np.arange(100) < 50)
    monkeypatch.setattr(identification, "_splits", lambda *_: [split])
    point = identify(enrolment(people), repeats=1).closed.at(1)
    expected = binomtest(round(point.rate.mean * 2000), 2000).proportion_ci(0.95, method="wilson")
    assert (point.interval.low, point.interval.high) == pytest.approx((expected.low, expected.high), abs=3e-3)


def test_splits_are_not_more_searches() -> None:
    # Everybody is found once in two searches, in each of ten splits: 40 of 80, not 400 of 800.
    people = identification._People.of([Photo(f"P{row // 3:02d}", f"{row}") for row in range(120)])
    cases = np.arange(120) % 3 > 0
    interval = identification._person_interval(people, [np.arange(120) % 3 == 1] * 10, [cases] * 10)
    expected = binomtest(40, 80).proportion_ci(0.95, method="wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


# ---------------------------------------------------------------------------------------------------------------
# What cannot be said


def test_few_non_mated_searches_support_few_rates() -> None:
    def with_strangers(count: int) -> Identification:
        # One of two people with several photos is unknown: its searches are the non-mated ones.
        return identify(enrolment({"Ann": [at(3)] * count, "Bea": [at(80)] * count}), repeats=2)

    few = with_strangers(29)
    assert few.open is None
    assert few.open_omitted == ("because an FPIR of 0.1 takes 30 non-mated searches (rule of three), and there are 29")
    assert "Open set: omitted, because an FPIR of 0.1 takes 30" in few.to_text()
    assert rates(few.closed) == [1, 1]
    assert [point.fpir for point in opened(with_strangers(30)).points] == [0.1]
    assert [point.fpir for point in opened(with_strangers(299)).points] == [0.1]
    assert [point.fpir for point in opened(with_strangers(300)).points] == [0.1, 0.01]


def test_every_split_must_support_a_rate() -> None:
    # The strangers are Ann in some splits, with 29 searches, and Bea in others, with 301.
    result = identify(enrolment({"Ann": [at(3)] * 29, "Bea": [at(80)] * 301}), repeats=20)
    assert result.open is None
    assert "and there are 29" in str(result.open_omitted)
    more = identify(enrolment({"Ann": [at(3)] * 30, "Bea": [at(80)] * 301}), repeats=20)
    assert [point.fpir for point in opened(more).points] == [0.1]
    assert (opened(more).non_mated.least, opened(more).non_mated.most) == (30, 301)


def test_nobody_left_to_search_for() -> None:
    people = {"Ann": [at(0), at(1)], **{f"P{number}": [at(number)] for number in range(100)}}
    result = identify(enrolment(people), enrolled_share=0.2)
    assert (result.open, result.open_omitted) == (None, "no person with a second photo was left to enrol")


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ({"Ann": [at(0), at(1)]}, "at least two people, and there is 1"),
        ({"Ann": [at(0)], "Bea": [at(1)]}, "nobody has more than one"),
        ({"Ann": [at(0), at(1)], "": [at(1)]}, "photos of known people, and '/0001.jpg' has none"),
        ({"Ann": [at(0), [math.nan, 1]], "Bea": [at(1)]}, "not all finite"),
    ],
)
def test_a_data_set_that_cannot_be_used(people: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        identify(enrolment(people))


def test_no_face_anywhere() -> None:
    people = enrolment({"Ann": [at(0), at(1)], "Bea": [at(2)]})
    nobody = Enrolment(SYSTEM, people.photos, people.embeddings * 0, np.zeros(3, bool), (), 0.0, 3)
    with pytest.raises(EvaluationError, match="none of the 3 photos was enrolled"):
        identify(nobody)


@pytest.mark.parametrize(
    "options",
    [
        {"repeats": 0},
        {"repeats": 1001},
        {"enrolled_share": 0.0},
        {"enrolled_share": 1.0},
        {"enrolled_share": math.nan},
        {"rank": 0},
        {"seed": -1},
    ],
)
def test_senseless_options(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(OptionError, match=f"{name}="):
        identify(enrolment({"Ann": [at(0), at(1)], "Bea": [at(2)]}), **options)


def test_a_rank_that_the_curve_lacks() -> None:
    closed = identify(enrolment({"Ann": [at(0), at(1)], "Bea": [at(2)]})).closed
    for rank in (0, 3):
        with pytest.raises(OptionError, match=f"rank {rank} is not between 1 and 2"):
            closed.at(rank)


# ---------------------------------------------------------------------------------------------------------------
# Reports


def test_the_report_says_what_stands_behind_the_figures() -> None:
    people = {f"P{number:02d}": [np.eye(70)[number]] * 2 for number in range(70)}
    people["P00"] = [None, None]  # type: ignore[list-item]
    text = identify(enrolment(people), repeats=2, seed=3).to_text()
    assert text.splitlines()[:2] == [
        "1:N identification: 140 photos of 70 people, 2 failed to enrol; mean ± standard deviation of 2 random splits, "
        "seed 3",
        "Closed set: 70 people in the gallery, 70 searches for 70 of them; failed: 1 in the gallery, 1 searches",
    ]
    assert "  98.57% ± 0.00%  " in text
    assert "Open set: 35 people in the gallery, 35 not; 35 mated and 70 non-mated searches" in text
    assert " ± " not in identify(enrolment(people), repeats=1).to_text().split("splits")[-1].split("split,")[-1]


def test_plain_values() -> None:
    people = faces(np.random.default_rng(10), [3] * 60)
    result = identify(people, repeats=2)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["closed"]["cmc"][4]["rate"]["mean"] == result.closed.at(5).rate.mean
    assert plain["open"]["points"][0]["threshold"]["mean"] == opened(result).points[0].threshold.mean
    assert (plain["photos"], plain["people"], plain["repeats"], plain["seed"]) == (180, 60, 2, 0)


@pytest.mark.slow
def test_ten_thousand_photos() -> None:
    rng = np.random.default_rng(11)
    people = rng.integers(0, 5000, 10_000)
    vectors = rng.normal(size=(5000, 512))[people] + rng.normal(size=(10_000, 512))
    photos = tuple(Photo(f"P{person:04d}", f"{row}.jpg") for row, person in enumerate(people))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start = time.perf_counter()
    identify(Enrolment(SYSTEM, photos, vectors.astype(np.float32), np.ones(10_000, bool), (), 0.0, 0))
    assert time.perf_counter() - start < 120

"""The bootstrap over people against literal repetition of people, simulated truths and published intervals."""

from __future__ import annotations

import math
import time
import tracemalloc
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from ghostface_edge.benchmarks import ranking, uncertainty
from ghostface_edge.benchmarks.interval import Interval, wilson
from ghostface_edge.benchmarks.metrics import Rate, Scores, error_rates
from ghostface_edge.benchmarks.uncertainty import (
    IdentityBootstrap,
    accuracy_interval,
    draw,
    newcombe,
    paired_accuracy_difference,
    paired_tar_differences,
)
from ghostface_edge.errors import EvaluationError, OptionError

# ---------------------------------------------------------------------------------------------------------------
# Drawing


@pytest.mark.parametrize("people", [1, 2, 7, 300])
def test_people_are_drawn_with_replacement(people: int) -> None:
    bits = np.random.PCG64(5)
    expected = [[0] * people for _ in range(100)]
    for replicate in range(100):
        for _ in range(people):
            expected[replicate][int(bits.random_raw()) // 2**32 * people // 2**32] += 1
    np.testing.assert_array_equal(draw(people, 100, 5).T, expected)


def test_draws_are_fair_and_depend_on_the_seed() -> None:
    weights = draw(500, 2000, 0)
    assert (weights.sum(axis=0) == 500).all()
    # Multinomial: mean 1, variance 1 - 1/500, covariance -1/500.
    assert np.abs(weights.mean(axis=1) - 1).max() < 5 / math.sqrt(2000)
    assert weights.var() == pytest.approx(1 - 1 / 500, abs=0.01)
    assert not np.array_equal(weights, draw(500, 2000, 1))
    np.testing.assert_array_equal(weights, draw(500, 2000, 0))


def test_draws_do_not_depend_on_how_many_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(300, 150, 2)
    for at_a_time in (1, 700, 44_999):
        monkeypatch.setattr(uncertainty, "_DRAWS", at_a_time)
        np.testing.assert_array_equal(draw(300, 150, 2), whole)


# ---------------------------------------------------------------------------------------------------------------
# Against literal repetition


@dataclass
class Comparisons:
    """Photos of people, each compared with every other."""

    similarity: np.ndarray
    people: np.ndarray  # (M, 2)

    @property
    def same(self) -> np.ndarray:
        return self.people[:, 0] == self.people[:, 1]

    def scores(self) -> Scores:
        same = self.same
        return Scores(
            self.similarity[same],
            self.similarity[~same],
            genuine_people=self.people[same, 0],
            impostor_people=self.people[~same],
        )

    def repeated(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Genuine and impostor similarities where people stand as often as they were drawn."""
        genuine, impostor = [], []
        for similarity, (a, b) in zip(self.similarity, self.people):
            for _ in range(counts[a]):
                if a == b:
                    genuine.append(similarity)
                else:
                    impostor += [similarity] * counts[b]
        return np.array(genuine), np.array(impostor)


def comparisons(
    rng: np.random.Generator, people: int, photos: int = 3, *, digits: int = 15, effect: float = 0.08, gap: float = 0.4
) -> Comparisons:
    person = np.repeat(np.arange(people), photos)
    a, b = np.triu_indices(len(person), 1)
    pairs = np.stack([person[a], person[b]], axis=1)
    like_others, like_oneself = rng.normal(0, effect, (2, people))
    mean = np.where(
        pairs[:, 0] == pairs[:, 1], gap + like_oneself[pairs[:, 0]], like_others[pairs[:, 0]] + like_others[pairs[:, 1]]
    )
    return Comparisons((mean + rng.normal(0, 0.1, len(mean))).round(digits), pairs)


def least_threshold(impostor: np.ndarray, fmr: float) -> float:
    """Of six decimals, by trying those just above each similarity."""
    fitting = []
    for value in {*impostor.tolist()}:
        threshold = math.floor(value * 1e6) / 1e6
        while threshold <= value:
            threshold = round(threshold + 1e-6, 6)
        if np.mean(impostor >= threshold) <= fmr:
            fitting.append(threshold)
    return min(fitting)


@pytest.mark.parametrize(("people", "digits"), [(2, 15), (5, 1), (12, 2), (14, 15)])
def test_weights_are_repetitions(people: int, digits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_BLOCK", 16)  # many blocks, edges and positions within blocks
    for seed in range(3):
        case = comparisons(np.random.default_rng(seed), people, digits=digits, gap=0.25)
        bootstrap = IdentityBootstrap.of(case.scores(), replicates=100, seed=seed)
        assert bootstrap is not None
        weights = draw(people, 100, seed)
        thresholds = bootstrap.threshold_at(0.1)
        ours = np.stack(
            [
                thresholds,
                bootstrap.fmr(0.2),
                bootstrap.fnmr(0.2),
                bootstrap.fnmr(thresholds),
                bootstrap.equal_error_rate(),
                bootstrap.auc(),
            ]
        )
        for replicate in range(100):
            genuine, impostor = case.repeated(weights[:, replicate])
            assert len(genuine)
            if not len(impostor):
                assert np.isnan(np.delete(ours[:, replicate], 2)).all()
                continue
            threshold = least_threshold(impostor, 0.1)
            labels = np.repeat([True, False], [len(genuine), len(impostor)])
            expected = [
                threshold,
                np.mean(impostor >= 0.2),
                np.mean(genuine < 0.2),
                np.mean(genuine < threshold),
                Scores(genuine, impostor).equal_error_rate(),
                roc_auc_score(labels, np.concatenate([genuine, impostor])),
            ]
            np.testing.assert_allclose(ours[:, replicate], expected, atol=1e-9)


def test_people_need_not_be_numbered_without_gaps_nor_compared_completely() -> None:
    rng = np.random.default_rng(3)
    whole = comparisons(rng, 12, digits=2)
    chosen = rng.random(len(whole.similarity)) < 0.3
    case = Comparisons(whole.similarity[chosen], whole.people[chosen])
    gaps = Comparisons(case.similarity, case.people * 1000 + 77)
    rates = error_rates(case.scores(), fmrs=(0.1,), replicates=100)
    assert rates == error_rates(gaps.scores(), fmrs=(0.1,), replicates=100)
    assert rates.people == 12


def test_the_order_of_comparisons_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    case = comparisons(rng, 30, digits=2)
    order = rng.permutation(len(case.similarity))
    shuffled = Comparisons(case.similarity[order], case.people[order][:, ::-1])
    assert error_rates(case.scores(), replicates=200) == error_rates(shuffled.scores(), replicates=200)


# ---------------------------------------------------------------------------------------------------------------
# Huge sets: only the most similar comparisons one by one


@pytest.mark.parametrize("photos", [1, 2, 30])
def test_less_similar_comparisons_may_be_counted(photos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(photos)
    case = comparisons(rng, 400 if photos < 30 else 40, photos, gap=0.2)
    if photos == 1:  # genuine comparisons of a second photo that meets nobody else
        people = np.repeat(np.arange(400), 2).reshape(-1, 2)
        case = Comparisons(np.append(case.similarity, rng.normal(0.2, 0.1, 400)), np.concatenate([case.people, people]))
    fmrs = (0.5, 0.2, 0.1, 0.01)  # the first two thresholds lie among the counted ones
    exact = error_rates(case.scores(), fmrs=fmrs)
    monkeypatch.setattr(ranking, "EXACT", len(case.similarity) // 7)
    scores = case.scores()
    assert scores.ranked is not None
    assert scores.ranked.impostor.exact < scores.ranked.impostor.total / 6
    counted = error_rates(scores, fmrs=fmrs)
    assert (counted.equal_error_rate, counted.auc) == (exact.equal_error_rate, exact.auc)
    pairs = [
        (counted.equal_error_rate_interval, exact.equal_error_rate_interval),
        (counted.auc_interval, exact.auc_interval),
    ]
    for ours, expected in zip(counted.points, exact.points):
        assert ours.threshold == expected.threshold
        pairs += [
            (ours.threshold_interval, expected.threshold_interval),
            (ours.fmr_interval, expected.fmr_interval),
            (ours.fnmr_interval, expected.fnmr_interval),
        ]
    for one, other in pairs:
        assert one is not None
        assert other is not None
        tolerance = 0.05 * (other.high - other.low) + 1e-4
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=tolerance)


def test_an_area_needs_only_some_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = comparisons(np.random.default_rng(18), 60, 4, gap=0.2).scores()

    def interval() -> Interval | None:
        bootstrap = IdentityBootstrap.of(scores)
        assert bootstrap is not None
        return bootstrap.interval(bootstrap.auc())

    exact = interval()
    monkeypatch.setattr(ranking, "_SPLITS", 20)
    some = interval()
    assert exact is not None
    assert some is not None
    assert exact != some
    assert (some.low, some.high) == pytest.approx((exact.low, exact.high), abs=0.02 * (exact.high - exact.low))


def test_ties_where_counting_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    case = comparisons(np.random.default_rng(6), 30, digits=1)
    monkeypatch.setattr(ranking, "EXACT", 100)
    one_bin = Comparisons(np.where(case.same, 0.5, 0.5), case.people)
    for ties in (case, one_bin):
        rates = error_rates(ties.scores(), replicates=100)
        assert rates.auc_interval is not None
        assert rates.auc_interval.low <= rates.auc <= rates.auc_interval.high
        assert rates.equal_error_rate_interval is not None
        assert rates.equal_error_rate_interval.low <= rates.equal_error_rate <= rates.equal_error_rate_interval.high
    bootstrap = IdentityBootstrap.of(one_bin.scores(), replicates=100)
    assert bootstrap is not None
    assert (bootstrap.auc() == 0.5).all()
    assert rates.points[0].fmr_interval.low == 0


@pytest.mark.slow
def test_all_comparisons_of_lfw_fit_a_small_machine() -> None:
    rng = np.random.default_rng(0)
    photos = np.ones(4281, dtype=int)  # as LFW's View 2: 7,701 photos, most people with one or two, a few with many
    np.add.at(photos, (4281 * rng.random(7701 - 4281) ** 3).astype(int), 1)
    person = np.repeat(np.arange(4281, dtype=np.int32), photos)
    a, b = np.triu_indices(len(person), 1)
    same = person[a] == person[b]
    people = np.stack([person[a[~same]], person[b[~same]]], axis=1)
    genuine_people = person[a[same]]
    del a, b
    effect = rng.normal(0, 0.02, 4281)
    impostor = rng.normal(0, 0.1, len(people)) + effect[people[:, 0]] + effect[people[:, 1]]
    genuine = rng.normal(0.5, 0.1, len(genuine_people))
    tracemalloc.start()
    start = time.process_time()
    scores = Scores(genuine, impostor, genuine_people=genuine_people, impostor_people=people)
    rates = error_rates(scores)
    seconds, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 20
    assert peak < 1 << 30  # beside the 0.5 GB of the arguments
    assert [point.fmr for point in rates.points] == [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
    for point in rates.points[:5]:
        truth = norm.isf(point.fmr, 0, math.sqrt(0.1**2 + 2 * 0.02**2))
        assert point.threshold_interval is not None
        assert point.threshold_interval.low - 0.003 < truth < point.threshold_interval.high + 0.003
        assert point.threshold_interval.low < point.threshold < point.threshold_interval.high


# ---------------------------------------------------------------------------------------------------------------
# Coverage


def test_intervals_cover_the_truth_where_wilsons_do_not() -> None:
    rng = np.random.default_rng(7)
    effect, noise, gap, fmr = 0.08, 0.1, 0.4, 0.1
    impostor, genuine = math.sqrt(2 * effect**2 + noise**2), math.sqrt(effect**2 + noise**2)
    threshold = norm.isf(0.2, 0, impostor)
    true_threshold = norm.isf(fmr, 0, impostor)
    true_fnmr = norm.cdf(true_threshold, gap, genuine)
    covered = {"fmr": 0, "Wilson": 0, "threshold": 0, "fnmr": 0, "auc": 0}
    runs = 300
    for _ in range(runs):
        scores = comparisons(rng, 40, 3, effect=effect, gap=gap).scores()
        bootstrap = IdentityBootstrap.of(scores, replicates=200, seed=int(rng.integers(1 << 30)))
        assert bootstrap is not None
        at_threshold = scores.fmr(threshold).interval
        thresholds = bootstrap.threshold_at(fmr)
        intervals = {
            "Wilson": (at_threshold, 0.2),
            "fmr": (bootstrap.widen(at_threshold, bootstrap.fmr(threshold)), 0.2),
            "threshold": (bootstrap.interval(thresholds), true_threshold),
            "fnmr": (bootstrap.widen(scores.at(fmr).fnmr_interval, bootstrap.fnmr(thresholds)), true_fnmr),
            "auc": (bootstrap.interval(bootstrap.auc()), norm.cdf(gap / math.hypot(impostor, genuine))),
        }
        for name, (interval, truth) in intervals.items():
            assert interval is not None
            covered[name] += interval.low <= truth <= interval.high
    assert covered.pop("Wilson") < 0.6 * runs
    assert min(covered.values()) >= 0.9 * runs, covered


def test_differences_cover_the_truth() -> None:
    rng = np.random.default_rng(8)
    covered, runs = 0, 200
    for _ in range(runs):
        first = comparisons(rng, 40, 3)
        # The second system sees genuine comparisons 0.05 closer; what is peculiar to people is common to both.
        second = Comparisons(
            first.similarity + np.where(first.same, 0.05, 0) + rng.normal(0, 0.03, len(first.same)), first.people
        )
        truth = []
        for gap, noise in ((0.4, 0.1), (0.45, math.hypot(0.1, 0.03))):
            threshold = norm.isf(0.1, 0, math.sqrt(2 * 0.08**2 + noise**2))
            truth.append(norm.sf(threshold, gap, math.hypot(0.08, noise)))
        ((difference, interval),) = paired_tar_differences(
            first.scores(), second.scores(), [0.1], replicates=200, seed=int(rng.integers(1 << 30))
        )
        assert interval.low <= difference <= interval.high
        covered += interval.low <= truth[1] - truth[0] <= interval.high
    assert covered >= 0.9 * runs


# ---------------------------------------------------------------------------------------------------------------
# Known answers


def test_published_differences() -> None:
    # Newcombe 1998, table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/20.
    for (a, m), (b, n), expected in (
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
    ):
        interval = newcombe(Rate(b, n), Rate(a, m))
        assert (interval.low, interval.high) == pytest.approx(expected, abs=5e-5)


def test_one_comparison_each_is_wilsons() -> None:
    # Twenty genuine comparisons of twenty people, and ten impostor comparisons of twenty others.
    scores = Scores(
        np.linspace(0.2, 0.9, 20),
        np.linspace(0, 0.3, 30),
        genuine_people=np.arange(20),
        impostor_people=np.arange(20, 80).reshape(-1, 2),
    )
    rates = error_rates(scores)
    assert rates.people == 80
    assert rates.equal_error_rate_interval is None
    assert {rates.points[0].fmr_interval.method, rates.points[0].fnmr_interval.method} == {"Wilson"}


def test_few_people_may_widen_but_not_make_an_interval() -> None:
    case = comparisons(np.random.default_rng(9), 4, 6, effect=0.3)
    rates = error_rates(case.scores())
    point = rates.points[0]
    assert rates.equal_error_rate_interval is rates.auc_interval is point.threshold_interval is None
    assert point.fmr_interval.method == "the wider of Wilson and bootstrap over 4 people"
    assert point.fmr_interval.high > wilson(point.false_matches.count, point.false_matches.total).high


def test_no_error_still_leaves_room() -> None:
    case = comparisons(np.random.default_rng(10), 30, 3, gap=3, effect=0.01)
    point = error_rates(case.scores()).points[0]
    assert point.false_non_matches.count == 0
    assert point.fnmr_interval == Interval(0, wilson(0, 90).high, "the wider of Wilson and bootstrap over 30 people")


def test_perfect_scores_leave_room_for_eer_and_auc() -> None:
    # Thirty people with three photos: 90 genuine comparisons, far from every impostor.
    rates = error_rates(comparisons(np.random.default_rng(10), 30, 3, gap=3, effect=0.01).scores())
    assert (rates.equal_error_rate, rates.auc, rates.genuine) == (0, 1, 90)
    least = 3.841459 / (90 + 3.841459)  # Wilson without an error: z^2 / (n + z^2)
    assert rates.equal_error_rate_interval is not None
    assert rates.auc_interval is not None
    assert rates.equal_error_rate_interval.low == 0
    assert rates.equal_error_rate_interval.high == pytest.approx(least, rel=1e-6)
    assert (rates.auc_interval.low, rates.auc_interval.high) == (pytest.approx(1 - least, rel=1e-6), 1)
    assert rates.auc_interval.method == "the wider of Wilson and bootstrap over 30 people"


def test_genuine_comparisons_of_one_person_only() -> None:
    # A third of the replicates have none of them: those are left out.
    case = comparisons(np.random.default_rng(11), 20, 2)
    kept = ~case.same | (case.people[:, 0] == 4)
    rates = error_rates(Comparisons(case.similarity[kept], case.people[kept]).scores())
    assert rates.genuine == 1
    assert rates.auc_interval is not None
    assert 0 <= rates.auc_interval.low <= rates.auc <= rates.auc_interval.high <= 1


@pytest.mark.parametrize(
    ("genuine", "impostor", "message"),
    [
        (None, [[0, 1]], "both kinds of comparisons"),
        ([0, 1], None, "both kinds of comparisons"),
        ([0], [[0, 1]], r"people of 2 genuine comparisons are integers of shape \(2,\), not int64 of shape \(1,\)"),
        ([0, 1], [0, 1], r"people of 1 impostor comparisons are integers of shape \(1, 2\)"),
        ([0.0, 1.0], [[0, 1]], "integers of shape .*not float64"),
        ([0, -1], [[0, 1]], "numbered from 0 .* go from -1 to 0"),
        ([0, 1], [[0, 1 << 24]], "numbered from 0 to at most 16777215"),
        ([0, 1], [[3, 3]], "one person with the same person"),
    ],
)
def test_people_that_do_not_fit_are_refused(genuine: Any, impostor: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        Scores([0.5, 0.6], [0.1], genuine_people=genuine, impostor_people=impostor)


def test_senseless_replicates_are_refused() -> None:
    scores = comparisons(np.random.default_rng(0), 3).scores()
    with pytest.raises(OptionError, match="replicates=99 are too few for an interval: use 100 or more"):
        error_rates(scores, replicates=99)
    with pytest.raises(OptionError, match="seed=-1 is negative"):
        error_rates(scores, seed=-1)


# ---------------------------------------------------------------------------------------------------------------
# Accuracy


@dataclass
class PairsStub:
    """What the intervals need of Pairs."""

    a: np.ndarray
    b: np.ndarray
    same: np.ndarray
    person: np.ndarray | None

    def __len__(self) -> int:
        return len(self.a)


def all_pairs(people: int, photos: int, *, known: bool = True) -> Any:
    person = np.repeat(np.arange(people), photos)
    a, b = np.array(list(combinations(range(len(person)), 2))).T
    return PairsStub(a, b, person[a] == person[b], person if known else None)


def repeated_accuracy(values: np.ndarray, pairs: Any, counts: np.ndarray) -> float:
    """The mean over genuine pairs and that over impostor pairs, by their shares, of people as often as drawn."""
    sums = {True: [0, 0.0], False: [0, 0.0]}
    for a, b, same, value in zip(pairs.a, pairs.b, pairs.same, values):
        times = counts[pairs.person[a]] * (1 if same else counts[pairs.person[b]])
        sums[bool(same)][0] += times
        sums[bool(same)][1] += times * value
    return sum(np.mean(pairs.same == same) * total / times for same, (times, total) in sums.items())


def test_the_interval_of_an_accuracy_is_that_of_repeated_people() -> None:
    rng = np.random.default_rng(12)
    pairs = all_pairs(9, 3)
    right = rng.random(len(pairs)) < 0.8
    weights = draw(9, 200, 3).astype(int)
    expected = np.quantile([repeated_accuracy(right, pairs, counts) for counts in weights.T], (0.025, 0.975))
    apart = wilson(int(right.sum()), len(pairs))
    interval = accuracy_interval(right, pairs, replicates=200, seed=3)
    assert interval.low == pytest.approx(min(expected[0], apart.low), abs=1e-6)
    assert interval.high == pytest.approx(max(expected[1], apart.high), abs=1e-6)
    assert interval.method == "the wider of Wilson and bootstrap over 9 people"


def test_the_difference_of_accuracies_is_that_of_repeated_people() -> None:
    rng = np.random.default_rng(13)
    pairs = all_pairs(15, 3)
    first, second = rng.random(len(pairs)) < 0.7, rng.random(len(pairs)) < 0.8
    gain = second.astype(float) - first
    weights = draw(15, 200, 3).astype(int)
    expected = np.quantile([repeated_accuracy(gain, pairs, counts) for counts in weights.T], (0.025, 0.975))
    difference, interval = paired_accuracy_difference(first, second, pairs, replicates=200, seed=3)
    assert difference == pytest.approx(second.mean() - first.mean(), abs=1e-12)
    apart = newcombe(Rate(int((first & ~second).sum()), len(gain)), Rate(int((second & ~first).sum()), len(gain)))
    assert interval.low == pytest.approx(min(expected[0], apart.low), abs=1e-6)
    assert interval.high == pytest.approx(max(expected[1], apart.high), abs=1e-6)


def test_unknown_people_leave_the_plain_intervals() -> None:
    pairs = all_pairs(10, 2, known=False)
    right = np.arange(len(pairs)) % 10 > 0
    assert accuracy_interval(right, pairs) == wilson(int(right.sum()), len(pairs))
    difference, interval = paired_accuracy_difference(right, np.ones(len(pairs), dtype=bool), pairs)
    assert difference == pytest.approx(19 / 190)
    assert interval == newcombe(Rate(0, 190), Rate(19, 190))


def test_equal_answers_leave_room_for_a_difference() -> None:
    pairs = all_pairs(12, 2)
    right = np.arange(len(pairs)) % 7 > 0
    difference, interval = paired_accuracy_difference(right, right, pairs)
    assert difference == 0
    assert interval.low == -interval.high == pytest.approx(-wilson(0, len(pairs)).high)


@pytest.mark.parametrize(
    ("right", "message"), [([True] * 3, "66 pairs take as many answers, and there are 3"), ([], "there are 0")]
)
def test_answers_that_do_not_fit_are_refused(right: list[bool], message: str) -> None:
    pairs = all_pairs(4, 3)
    with pytest.raises(EvaluationError, match=message):
        accuracy_interval(right, pairs)
    with pytest.raises(EvaluationError, match=message):
        paired_accuracy_difference(np.ones(66, dtype=bool), right, pairs)


def test_no_pairs_have_no_accuracy() -> None:
    nothing: Any = PairsStub(*(np.zeros(0, dtype=int) for _ in range(2)), np.zeros(0, dtype=bool), None)
    with pytest.raises(EvaluationError, match="no pairs"):
        accuracy_interval([], nothing)


# ---------------------------------------------------------------------------------------------------------------
# Differences of TAR


def test_both_systems_have_the_same_replicates() -> None:
    first = comparisons(np.random.default_rng(14), 25, digits=2)
    second = Comparisons(first.similarity + np.where(first.same, 0.07, 0), first.people)
    weights = draw(25, 100, 0)
    expected = []
    for counts in weights.T:
        tar = []
        for system in (first, second):
            genuine, impostor = system.repeated(counts)
            tar.append(np.mean(genuine >= least_threshold(impostor, 0.1)))
        expected.append(tar[1] - tar[0])
    low, high = np.quantile(expected, (0.025, 0.975))
    difference, interval = paired_tar_differences(first.scores(), second.scores(), [0.1], replicates=100)[0]
    tars = [scores.at(0.1).true_matches for scores in (first.scores(), second.scores())]
    gained = tars[1].count - tars[0].count
    apart = newcombe(Rate(0, tars[0].total), Rate(gained, tars[0].total))
    assert difference == pytest.approx(gained / tars[0].total)
    assert (interval.low, interval.high) == pytest.approx((min(low, apart.low), max(high, apart.high)), abs=1e-9)


def test_people_that_one_system_could_not_enrol_are_drawn_for_both() -> None:
    first = comparisons(np.random.default_rng(15), 20)
    kept = ~((first.people == 7) & ~first.same[:, None]).any(axis=1)
    second = Comparisons(first.similarity[kept], first.people[kept])
    gone = ~(second.people == 7).any(axis=1)
    third = Comparisons(second.similarity[gone], second.people[gone])
    for other in (second, third):
        _, interval = paired_tar_differences(first.scores(), other.scores(), [0.1])[0]
        assert interval.high - interval.low < 0.2  # independent draws: about 0.35
        assert interval.method.endswith("bootstrap over 20 people")


def test_unknown_people_are_compared_by_comparison() -> None:
    rng = np.random.default_rng(16)
    genuine, impostor = rng.normal(0.2, 0.1, 500), rng.normal(0, 0.1, 500)
    first, second = Scores(genuine, impostor), Scores(genuine + 0.01, impostor)
    difference, interval = paired_tar_differences(first, second, [0.1])[0]
    assert interval.method.endswith("bootstrap over 1,000 comparisons")
    assert interval.low <= difference <= interval.high
    apart = newcombe(first.at(0.1).true_matches, second.at(0.1).true_matches)
    assert interval.high - interval.low < 0.8 * (apart.high - apart.low)
    assert paired_tar_differences(first, Scores(genuine[1:], impostor), [0.1])[0][1].method == "Newcombe"


def test_a_difference_at_an_unsupported_rate_is_refused() -> None:
    scores = comparisons(np.random.default_rng(17), 5).scores()
    with pytest.raises(EvaluationError, match="rule of three"):
        paired_tar_differences(scores, scores, [1e-4])

"""Metrics against scipy, scikit-learn, brute force and cases worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from scipy.stats import binomtest, mannwhitneyu
from sklearn.metrics import roc_auc_score, roc_curve

from ghostface_edge.benchmarks.metrics import CrossValidation, Rate, Scores, cross_validate, error_rates
from ghostface_edge.errors import EvaluationError, OptionError


@pytest.mark.parametrize(
    ("count", "total"), [(0, 1), (1, 1), (0, 3000), (3000, 3000), (3, 3000), (29, 29_640_749), (1, 2)]
)
def test_the_interval_is_wilsons(count: int, total: int) -> None:
    expected = binomtest(count, total).proportion_ci(0.95, method="wilson")
    interval = Rate(count, total).interval
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert interval.method == "Wilson"


def test_a_rate_tells_its_counts() -> None:
    # Newcombe 1998 (Stat. Med. 17), table I: 81 of 263, Wilson without continuity correction.
    rate = Rate(81, 263)
    assert (rate.interval.low, rate.interval.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert rate.to_dict() == {"value": 81 / 263, "count": 81, "total": 263}


def test_a_tie_with_the_threshold_is_a_match() -> None:
    scores = Scores([0.9, 0.5, 0.2, 0.5], [0.1, 0.5, 0.3])
    assert scores.fmr(0.5) == Rate(1, 3)
    assert scores.fnmr(0.5) == Rate(1, 4)
    assert scores.fmr(math.nextafter(0.5, 1)) == Rate(0, 3)
    assert scores.fnmr(0.50000001) == Rate(3, 4)
    assert (scores.fmr(-1), scores.fnmr(-1)) == (Rate(3, 3), Rate(0, 4))


# ---------------------------------------------------------------------------------------------------------------
# Thresholds


@pytest.mark.parametrize(
    ("impostor", "fmr", "threshold", "matches"),
    [
        (np.arange(10) / 10, 0.3, 0.600001, 3),  # 0.7, 0.8 and 0.9 may match
        (np.arange(100) / 100, 0.29, 0.700001, 29),  # 0.29 * 100 is 28.999... in floating point
        (np.arange(100) / 100, 0.039, 0.960001, 3),
        ([0.1] * 6 + [0.8] * 4, 0.3, 0.800001, 0),  # four tie: all or none
        ([0.1] * 6 + [0.8] * 4, 0.4, 0.100001, 4),
        ([0.5] * 10, 0.9, 0.500001, 0),
        ([-0.25] * 9 + [0.7], 0.35, -0.249999, 1),
        ([0.1234564] * 10, 0.5, 0.123457, 0),  # rounded up, never down
        ([0.1234567] * 10, 0.5, 0.123457, 0),
    ],
)
def test_thresholds_by_hand(impostor: Any, fmr: float, threshold: float, matches: int) -> None:
    scores = Scores([0.65], impostor)
    assert scores.threshold_at(fmr) == threshold
    point = scores.at(fmr)
    assert (point.threshold, point.false_matches) == (threshold, Rate(matches, len(impostor)))
    assert point.true_matches == Rate(int(threshold <= 0.65), 1)


def test_a_threshold_is_the_least_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        total = int(rng.integers(30, 400))
        impostor = rng.normal(0, 0.2, total).round(int(rng.integers(1, 9)))
        fmr = float(rng.uniform(3 / total, 1))
        threshold = Scores([0.5], impostor).threshold_at(fmr)
        assert np.mean(impostor >= threshold) <= fmr < np.mean(impostor >= round(threshold - 1e-6, 6))


def test_the_rule_of_three() -> None:
    assert Scores([0], np.zeros(2)).supported_fmrs() == ()
    assert Scores([0], np.zeros(29)).supported_fmrs() == ()
    assert Scores([0], np.zeros(30)).supported_fmrs() == (0.1,)
    assert Scores([0], np.zeros(2999)).supported_fmrs() == (0.1, 0.01)
    assert Scores([0], np.zeros(3000)).supported_fmrs() == (0.1, 0.01, 0.001)
    assert Scores([0], np.zeros(2_999_999)).supported_fmrs() == (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    assert Scores([0], np.zeros(3_000_000)).supported_fmrs() == (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def test_an_unsupported_rate_is_refused() -> None:
    scores = Scores([0], np.zeros(2999))
    with pytest.raises(EvaluationError, match=r"0\.001 takes 3000 .* there are 2999\. Supported: 0\.1, 0\.01"):
        scores.threshold_at(1e-3)
    with pytest.raises(EvaluationError, match="Supported: none"):
        Scores([0], [0.1, 0.2]).at(0.1)


@pytest.mark.parametrize("fmr", [0, 1, -0.1, 2, math.nan])
def test_a_rate_lies_between_zero_and_one(fmr: float) -> None:
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        Scores([0], np.zeros(100)).threshold_at(fmr)


# ---------------------------------------------------------------------------------------------------------------
# Equal error rate


def roc(genuine: Any, impostor: Any) -> tuple[list[float], list[float]]:
    """FMR and TAR at every threshold, by counting."""
    thresholds = [math.inf, *sorted({*genuine, *impostor}, reverse=True)]
    fmr = [sum(score >= t for score in impostor) / len(impostor) for t in thresholds]
    tar = [sum(score >= t for score in genuine) / len(genuine) for t in thresholds]
    return fmr, tar


def test_the_equal_error_rate_is_where_the_roc_crosses() -> None:
    rng = np.random.default_rng(1)
    for _ in range(150):
        digits = int(rng.integers(1, 6))
        genuine = rng.normal(rng.uniform(-0.2, 0.6), 0.2, int(rng.integers(1, 60))).round(digits)
        impostor = rng.normal(0, 0.2, int(rng.integers(1, 60))).round(digits)
        fmr, tar = roc(genuine.tolist(), impostor.tolist())
        # Along the polygon, FMR - FNMR grows from -1 to 1; where it is flat, both rates are.
        difference = np.array(fmr) - (1 - np.array(tar))
        along = interp1d(np.arange(len(fmr)), difference)
        crossing = brentq(along, 0, len(fmr) - 1, xtol=1e-14)
        expected = float(interp1d(np.arange(len(fmr)), fmr)(crossing))
        assert Scores(genuine, impostor).equal_error_rate() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("genuine", "impostor", "expected"),
    [
        ([0.6, 0.9], [0.1, 0.5], 0),
        ([0.5, 0.5], [0.5, 0.5, 0.5], 0.5),
        ([0.1, 0.2], [0.8, 0.9], 1),
        ([0.4, 0.6, 0.7, 0.8], [0.1, 0.2, 0.3, 0.5], 0.25),
        ([0.5], [0.6, 0.4], 0.5),
        # From (FMR 1/2, FNMR 0) to (1/2, 1): they are equal at 1/2.
        ([0.5], [0.1, 0.9], 0.5),
        # A tie moves both: from (2/4, 0) to (1/4, 1/3), crossed at 6/7 of the way.
        ([0.5, 0.8, 0.9], [0.1, 0.2, 0.5, 0.6], 2 / 4 - 6 / 7 / 4),
    ],
)
def test_equal_error_rates_by_hand(genuine: Any, impostor: Any, expected: float) -> None:
    assert Scores(genuine, impostor).equal_error_rate() == pytest.approx(expected, abs=1e-12)


def test_the_equal_error_rate_is_scikit_learns() -> None:
    rng = np.random.default_rng(11)
    for _ in range(100):
        scores, labels = random_scores(rng)
        fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
        along = interp1d(np.arange(len(fpr)), fpr + tpr - 1)
        crossing = brentq(along, 0, len(fpr) - 1, xtol=1e-14)
        expected = float(np.interp(crossing, np.arange(len(fpr)), fpr))
        ours = Scores(scores[labels], scores[~labels]).equal_error_rate()
        assert ours == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("genuine", "impostor", "message"),
    [
        ([], [0.1], "no genuine comparisons"),
        ([0.1], [], "no impostor comparisons"),
        ([0.1, math.nan], [0.1], "similarities of the genuine comparisons are not all finite"),
        ([0.1], [math.inf, 0], "similarities of the impostor comparisons are not all finite"),
        ([0.1], [0, -math.inf], "not all finite"),
        ([1e300], [0.1], "genuine comparisons go from 1e\\+300 to 1e\\+300: thresholds of six decimals"),
        ([0.1], [-1e10, 0.1], "impostor comparisons go from -1e\\+10 to 0.1"),
    ],
)
def test_scores_that_mean_nothing_are_refused(genuine: Any, impostor: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        Scores(genuine, impostor)


# ---------------------------------------------------------------------------------------------------------------
# ROC


def random_scores(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Similarities with many ties, or few, and which are genuine."""
    sizes = rng.integers(1, 200, 2)
    labels = np.repeat([True, False], sizes)
    scores = rng.normal(np.where(labels, rng.uniform(-0.2, 0.8), 0), 0.2).round(int(rng.integers(1, 8)))
    return scores, labels


def test_the_area_is_scikit_learns_and_scipys() -> None:
    rng = np.random.default_rng(10)
    for _ in range(150):
        scores, labels = random_scores(rng)
        ours = Scores(scores[labels], scores[~labels]).auc()
        assert ours == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
        statistic = mannwhitneyu(scores[labels], scores[~labels]).statistic
        assert ours == pytest.approx(statistic / labels.sum() / (~labels).sum(), abs=1e-9)


@pytest.mark.parametrize(
    ("genuine", "impostor", "expected"),
    [([0.9, 0.8], [0.1, 0.2], 1), ([0.5], [0.5] * 7, 0.5), ([0.1], [0.2, 0.3], 0), ([0.5, 0.7], [0.5, 0.6], 2.5 / 4)],
)
def test_areas_by_hand(genuine: Any, impostor: Any, expected: float) -> None:
    assert Scores(genuine, impostor).auc() == expected


def test_a_short_curve_has_every_step_of_scikit_learns() -> None:
    rng = np.random.default_rng(12)
    for _ in range(50):
        scores, labels = random_scores(rng)
        fpr, tpr, thresholds = roc_curve(labels, scores, drop_intermediate=False)
        ours = Scores(scores[labels], scores[~labels]).roc()
        # Both from accepting none to accepting all; their first threshold is infinite, ours just above all.
        np.testing.assert_array_equal(ours[0][::-1][1:], thresholds[1:])
        np.testing.assert_allclose(ours[1][::-1], fpr, atol=1e-12)
        np.testing.assert_allclose(1 - ours[2][::-1], tpr, atol=1e-12)
        assert ours[0][-1] > scores.max()


@pytest.mark.parametrize("points", [16, 100, 2000])
def test_a_long_curve_has_few_points_and_each_is_exact(points: int) -> None:
    rng = np.random.default_rng(13)
    genuine, impostor = rng.normal(0.5, 0.15, 40_000), rng.normal(0, 0.1, 1_000_000)
    thresholds, fmr, fnmr = Scores(genuine, impostor).roc(points)
    assert points * 0.5 < len(thresholds) <= points
    assert (fmr[0], fnmr[0], fmr[-1], fnmr[-1]) == (1, 0, 0, 1)
    for index in range(0, len(thresholds), max(len(thresholds) // 40, 1)):
        assert fmr[index] == np.count_nonzero(impostor >= thresholds[index]) / len(impostor)
        assert fnmr[index] == np.count_nonzero(genuine < thresholds[index]) / len(genuine)


def test_a_long_curve_keeps_the_detail_of_every_decade() -> None:
    rng = np.random.default_rng(14)
    scores = Scores(rng.normal(0.5, 0.15, 40_000), rng.normal(0, 0.1, 1_000_000))
    _, fmr, fnmr = scores.roc()
    for decade in range(-4, 0):
        assert np.count_nonzero((fmr > 10.0**decade) & (fmr <= 10.0 ** (decade + 1))) > 50
        assert np.count_nonzero((fnmr > 10.0**decade) & (fnmr <= 10.0 ** (decade + 1))) > 50
    assert np.abs(np.diff(fmr)).max() < 0.005
    assert np.abs(np.diff(fnmr)).max() < 0.005
    assert set(range(1, 10)) <= set(np.rint(fmr * 1_000_000).astype(int))  # the first few errors one by one


def test_a_curve_takes_points() -> None:
    with pytest.raises(OptionError, match="points=15 make no curve: use 16 or more"):
        Scores([0.5], [0.1]).roc(15)


similarities = st.lists(st.floats(-1, 1).map(lambda value: round(value, 3)), min_size=1, max_size=60)


@settings(deadline=None)
@given(genuine=similarities, impostor=similarities)
def test_rates_are_monotonous(genuine: list[float], impostor: list[float]) -> None:
    scores = Scores(genuine, impostor)
    thresholds, fmr, fnmr = scores.roc()
    assert (np.diff(thresholds) > 0).all()
    assert (np.diff(fmr) <= 0).all()
    assert (np.diff(fnmr) >= 0).all()
    reached = [scores.threshold_at(rate) for rate in (0.1, 0.2, 0.5, 0.9) if scores.supports(rate)]
    assert reached == sorted(reached, reverse=True)


@settings(deadline=None)
@given(genuine=similarities, impostor=similarities)
def test_only_the_order_matters(genuine: list[float], impostor: list[float]) -> None:
    scores, stretched = Scores(genuine, impostor), Scores(np.exp(genuine), np.exp(impostor))
    assert scores.auc() == stretched.auc()
    assert scores.equal_error_rate() == pytest.approx(stretched.equal_error_rate(), abs=1e-12)
    mirrored = Scores(np.negative(impostor), np.negative(genuine))  # an impostor is one who is not genuine
    assert scores.auc() == pytest.approx(mirrored.auc(), abs=1e-12)
    assert scores.equal_error_rate() == pytest.approx(mirrored.equal_error_rate(), abs=1e-12)


# ---------------------------------------------------------------------------------------------------------------
# All rates at once


def test_error_rates_of_perfect_scores() -> None:
    rates = error_rates(Scores(np.full(40, 0.9), np.full(3000, 0.1)))
    assert (rates.equal_error_rate, rates.auc, rates.people) == (0, 1, None)
    assert rates.equal_error_rate_interval is rates.auc_interval is None
    assert [point.fmr for point in rates.points] == [0.1, 0.01, 0.001]
    for point in rates.points:
        assert (point.threshold, point.false_matches.count, point.true_matches.value) == (0.100001, 0, 1)
        # No error in n trials, Wilson: up to z² / (n + z²).
        assert (point.fmr_interval.low, point.fmr_interval.high) == pytest.approx((0, 3.8415 / 3003.8415), rel=1e-4)
        assert (point.tar_interval.low, point.tar_interval.high) == pytest.approx((40 / 43.8415, 1), rel=1e-5)
        assert point.threshold_interval is None


def test_error_rates_of_equal_scores() -> None:
    rates = error_rates(Scores(np.full(40, 0.3), np.full(300, 0.3)))
    assert (rates.equal_error_rate, rates.auc) == (0.5, 0.5)
    assert [(point.fmr, point.threshold, point.true_matches) for point in rates.points] == [
        (0.1, 0.300001, Rate(0, 40)),
        (0.01, 0.300001, Rate(0, 40)),
    ]


def test_three_comparisons_support_no_rate() -> None:
    rates = error_rates(Scores([0.9, 0.8], [0.1]))
    assert (rates.genuine, rates.impostor, rates.points) == (2, 1, ())
    assert (rates.equal_error_rate, rates.auc) == (0, 1)


def test_rates_that_are_asked_for() -> None:
    scores = Scores([0.9], np.arange(100) / 1000)
    assert [point.fmr for point in error_rates(scores, fmrs=(0.05, 0.5, 0.001)).points] == [0.5, 0.05]
    for senseless in (0, -0.1, 1, 2, math.nan):
        with pytest.raises(EvaluationError, match="between 0 and 1"):
            error_rates(scores, fmrs=(0.1, senseless))


def test_a_point_as_plain_values() -> None:
    point = Scores([0.9, 0.05], np.arange(100) / 1000).at(0.1).to_dict()
    assert (point["fmr"], point["threshold"], point["threshold_interval"]) == (0.1, 0.089001, None)
    assert point["tar"]["value"] == 0.5
    assert point["measured_fmr"]["count"] == 10
    assert point["measured_fmr"]["interval"]["method"] == "Wilson"
    assert point["tar"]["interval"]["low"] == 1 - point["fnmr"]["interval"]["high"]


# ---------------------------------------------------------------------------------------------------------------
# Cross-validation


def protocol(similarities: Any, same: Any, folds: Any) -> list[float]:
    """LFW's protocol, written from its text: every threshold is tried, every answer counted."""
    rows = list(zip(similarities, same, folds))
    accuracies = []
    for fold in sorted(set(folds)):
        train = [row for row in rows if row[2] != fold]
        values = sorted({row[0] for row in train})
        tried = [values[0], *((low + high) / 2 for low, high in zip(values, values[1:])), values[-1] + 1e-9]
        right = [sum((value >= t) == genuine for value, genuine, _ in train) for t in tried]
        equally_good = [t for t, count in zip(tried, right) if count == max(right)]
        threshold = equally_good[len(equally_good) // 2]
        test = [row for row in rows if row[2] == fold]
        accuracies.append(sum((value >= threshold) == genuine for value, genuine, _ in test) / len(test))
    return accuracies


def test_accuracy_follows_the_protocol() -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        count = int(rng.integers(20, 120))
        same = rng.random(count) < 0.5
        folds = np.arange(count) % int(rng.integers(2, 11))
        values = np.where(same, rng.normal(0.4, 0.2, count), rng.normal(0, 0.2, count)).round(int(rng.integers(1, 5)))
        result = cross_validate(values, same.tolist(), folds.tolist())
        expected = protocol(values.tolist(), same.tolist(), folds.tolist())
        assert [fold.value for fold in result.folds] == pytest.approx(expected, abs=1e-12)
        right = [result.right[folds == fold].mean() for fold in np.unique(folds)]
        assert right == pytest.approx(expected, abs=1e-12)
        assert result.accuracy == pytest.approx(sum(expected) / len(expected), abs=1e-12)


def test_a_fold_has_no_say_in_its_own_threshold() -> None:
    # Fold 0 would like a threshold of 0.5, the others 0.05; it must live with theirs, and they with a mixture.
    similarities = [0.9, 0.1, 0.1, 0.0, 0.1, 0.0]
    result = cross_validate(similarities, [True, False] * 3, [0, 0, 1, 1, 2, 2])
    assert result.folds[0] == Rate(1, 2)
    assert result.thresholds[0] == 0.05


def test_figures_of_cross_validation_by_hand() -> None:
    result = CrossValidation((Rate(9, 10), Rate(10, 10), Rate(8, 10)), (0.1, 0.2, 0.3), np.ones(30, dtype=bool))
    assert result.to_dict() == {
        "accuracy": pytest.approx(0.9),
        "std": pytest.approx(math.sqrt(0.02 / 3)),
        "standard_error": pytest.approx(0.1 / math.sqrt(3)),
        "pairs": 30,
        "folds": [0.9, 1.0, 0.8],
        "thresholds": [0.1, 0.2, 0.3],
    }


def test_perfect_and_equal_scores() -> None:
    same, folds = [True, False] * 10, [index // 2 for index in range(20)]
    perfect = cross_validate([0.8, 0.2] * 10, same, folds)
    assert (perfect.accuracy, perfect.std, perfect.standard_error) == (1.0, 0.0, 0.0)
    assert perfect.thresholds == (0.5,) * 10
    assert cross_validate([0.3] * 20, same, folds).accuracy == 0.5


def test_three_pairs() -> None:
    # Without fold 0, nothing but the impostor of fold 1 is left.
    with pytest.raises(EvaluationError, match="no genuine comparisons"):
        cross_validate([0.9, 0.8, 0.1], [True, True, False], [0, 0, 1])
    with pytest.raises(EvaluationError, match="no impostor comparisons"):
        cross_validate([0.9, 0.8, 0.1], [True, True, False], [0, 1, 2])
    four = cross_validate([0.9, 0.1, 0.8, 0.2], [True, False] * 2, [0, 0, 1, 1])
    assert four.accuracy == 1.0


@pytest.mark.parametrize(
    ("similarities", "same", "folds", "message"),
    [
        ([0.9, 0.1], [True], [0, 1], "2 similarities, 1 labels and 2 folds"),
        ([0.9, 0.1], [True, False], [0, 0], "at least two folds, and there is 1"),
        ([], [], [], "at least two folds, and there is 0"),
        ([0.9, math.nan, 0.8, 0.1], [True, False] * 2, [0, 0, 1, 1], "not all finite"),
    ],
)
def test_senseless_cross_validation_is_refused(similarities: Any, same: Any, folds: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        cross_validate(similarities, same, folds)

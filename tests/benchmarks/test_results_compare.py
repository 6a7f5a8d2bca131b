"""Comparisons: the right rows, the right ratios, intervals that hold, and nothing that is passed over in silence."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_runs import DEVICE, row, run, subject, summary

from ghostface_edge.benchmarks.device import Condition
from ghostface_edge.benchmarks.results_compare import compare, ratio_of_medians, runtime_name
from ghostface_edge.errors import EvaluationError, OptionError

# ----------------------------------------------------------------------------------------------------------------
# Ratios


def test_an_interval_by_hand() -> None:
    # A: 10 (9 to 11), B: 20 (19 to 22). ln 2 = 0.693147.
    # Below: ln(20/19) = 0.051293 and ln(11/10) = 0.095310, root of their squares 0.108237: exp(0.584910) = 1.79483.
    # Above: ln(22/20) = 0.095310 and ln(10/9) = 0.105361, root of their squares 0.142073: exp(0.835220) = 2.30532.
    ratio = ratio_of_medians(summary(10, p50_low=9, p50_high=11), summary(20, p50_low=19, p50_high=22))
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 1.79483, 2.30532), rel=1e-5)


def test_an_interval_inverts_with_the_ratio() -> None:
    a, b = summary(3, p50_low=2.9, p50_high=3.3), summary(7, p50_low=6, p50_high=7.1)
    one, other = ratio_of_medians(a, b), ratio_of_medians(b, a)
    assert (1 / one.high, 1 / one.value, 1 / one.low) == pytest.approx((other.low, other.value, other.high))


@pytest.mark.parametrize("true", [1.0, 1.3])
def test_intervals_hold_the_true_ratio_as_often_as_they_say(true: float) -> None:
    # Order statistics 40 and 61 of 100 hold the median with probability 0.9648 (binomial), whatever the distribution.
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(2000):
        a, b = np.sort(rng.lognormal(1, 0.4, 100)), np.sort(true * rng.lognormal(1, 0.4, 100))
        first, second = (summary(float(np.median(x)), p50_low=float(x[39]), p50_high=float(x[60])) for x in (a, b))
        ratio = ratio_of_medians(first, second)
        held += ratio.low <= true <= ratio.high
    assert 0.95 <= held / 2000 <= 0.98


def test_an_interval_is_that_of_a_bootstrap_with_the_samples() -> None:
    rng = np.random.default_rng(6)
    samples = [rng.lognormal(0, 0.3, 400), rng.lognormal(0.2, 0.2, 300)]
    drawn = [np.median(rng.choice(x, (20_000, len(x))), axis=1) for x in samples]
    first, second = (
        summary(float(np.median(x)), p50_low=float(low), p50_high=float(high))
        for x, (low, high) in zip(samples, (np.percentile(d, (2.5, 97.5)) for d in drawn))
    )
    ratio = ratio_of_medians(first, second)
    low, high = np.percentile(drawn[1] / drawn[0], (2.5, 97.5))
    assert math.log(ratio.low) == pytest.approx(math.log(low), abs=0.006)
    assert math.log(ratio.high) == pytest.approx(math.log(high), abs=0.006)


@pytest.mark.parametrize("changes", [{"p50_low": 0.0}, {"p50": 0.0, "p50_low": 0.0, "min": 0.0}])
def test_times_of_nothing_have_no_ratio(changes: dict[str, float]) -> None:
    with pytest.raises(EvaluationError, match="not above 0"):
        ratio_of_medians(summary(**changes), summary())
    with pytest.raises(EvaluationError, match="too far apart"):
        ratio_of_medians(summary(1e-300, 0), summary(1e300, 0))


@pytest.mark.parametrize(
    ("median", "spread", "verdict"),
    [
        (12.0, 0.01, "regression"),
        (11.1, 0.02, "worse"),  # past the bound, but not the whole interval
        (10.5, 0.01, "worse"),
        (10.05, 0.01, "may be chance"),
        (9.95, 0.01, "may be chance"),
        (9.5, 0.01, "better"),
        (5.0, 0.01, "better"),
        (30.0, 0.99, "may be chance"),  # three times as slow, and nobody knows
        (10.0, 0.0, "no difference"),
    ],
)
def test_verdicts(median: float, spread: float, verdict: str) -> None:
    found = compare(run(row(10, spread)), run(row(median, spread)), bound=1.10)
    assert [item.verdict for item in found.rows] == [verdict]
    assert bool(found.regressions) == (verdict == "regression")


def test_the_bound_decides_what_a_regression_is() -> None:
    first, second = run(row(10, 0.001)), run(row(13, 0.001))
    assert compare(first, second, bound=1.29).regressions
    assert not compare(first, second, bound=1.31).regressions
    assert compare(run(row(10, 0)), run(row(11, 0)), bound=1.10).rows[0].verdict == "worse"  # at it is not past it


@pytest.mark.parametrize("bound", [0.99, 0, -1, math.nan, math.inf])
def test_a_senseless_bound_is_refused(bound: float) -> None:
    with pytest.raises(OptionError, match="bound must be a ratio from 1 on"):
        compare(run(), run(), bound=bound)


# ----------------------------------------------------------------------------------------------------------------
# Which rows


IDENTITY: dict[str, tuple[Any, Any]] = {
    "model_id": ("net-1", "net-2"),
    "precision": ("float32", "int8"),
    "runtime": ("LiteRT 2.3.0", "ONNX Runtime 1.32.0"),
    "threads": (1, 4),
    "stage": ("inference", "detect"),
}


def test_samples_of_two_subjects_are_never_mixed() -> None:
    """The bug of the field's best-known table: times of float32 and of int8 in one list, printed as int8.

    Every subject has a median of its own, so that a row that took anything from another one has another ratio.
    """
    subjects = [dict(zip(IDENTITY, values)) for values in itertools.product(*IDENTITY.values())]
    first = [row(1.0 + place, name="net", **of) for place, of in enumerate(subjects)]
    second = [row(2.0 * (1 + place), name="net", **of) for place, of in enumerate(subjects)]
    order = np.random.default_rng(3).permutation(len(second))
    found = compare(run(*first), run(*(second[place] for place in order)))
    assert len(found.rows) == len(subjects) == 32
    for place, item in enumerate(found.rows):
        assert item.first == item.second == first[place].subject
        assert item.values == (1.0 + place, 2.0 * (1 + place))
        assert item.ratio.value == pytest.approx(2)
    assert found.left_out == ()


@pytest.mark.parametrize("field", IDENTITY)
def test_what_differs_in_its_identity_is_another_subject(field: str) -> None:
    ours, theirs = IDENTITY[field]
    found = compare(
        run(row(1, stage="both"), row(2, **{field: ours})), run(row(1, stage="both"), row(3, **{field: theirs}))
    )
    assert [item.first.stage for item in found.rows] == ["both"]
    assert [(item.file, item.reason) for item in found.left_out] == [("A", "only A has it"), ("B", "only B has it")]
    assert [getattr(item.subject, field) for item in found.left_out] == [ours, theirs]


def test_other_versions_and_files_are_compared_and_named() -> None:
    other = row(10, runtime="LiteRT 2.4.0", file_sha256="cd" * 32, name="net again")
    (item,) = compare(run(), run(other)).rows
    assert item.differences == (
        "name: net against net again",
        "runtime: LiteRT 2.3.0 against LiteRT 2.4.0",
        f"file_sha256: {'ab' * 32} against {'cd' * 32}",
    )


def test_files_that_claim_to_be_one_subject_are_told_apart() -> None:
    a = [row(1, file_sha256="aa" * 32, name="x"), row(2, file_sha256="bb" * 32, name="y")]
    b = [row(20, file_sha256="cc" * 32, name="y"), row(10, file_sha256="aa" * 32, name="x")]
    found = compare(run(*a), run(*b))
    assert [(item.first.name, item.second.name, item.values) for item in found.rows] == [
        ("x", "x", (1, 10)),  # the same file
        ("y", "y", (2, 20)),  # the same name
    ]


def test_files_that_cannot_be_told_apart_are_left_out() -> None:
    a = [row(5, stage="clear"), row(1, file_sha256="aa" * 32), row(2, file_sha256="bb" * 32)]
    b = [row(5, stage="clear"), row(10, file_sha256="cc" * 32), row(20, file_sha256="dd" * 32)]
    found = compare(run(*a), run(*b))
    assert [item.first.stage for item in found.rows] == ["clear"]
    assert [item.file for item in found.left_out] == ["A", "A", "B", "B"]
    assert all("which is which cannot be told" in item.reason for item in found.left_out)


def test_nothing_in_common_is_an_error_and_no_success() -> None:
    with pytest.raises(EvaluationError, match=r"no row in common .* A: net float32, .*: only A has it"):
        compare(run(), run(row(precision="int8")))
    with pytest.raises(EvaluationError, match="no row in common"):
        compare(run(row(None)), run(row(None)))


def test_kinds_are_not_mixed() -> None:
    with pytest.raises(EvaluationError, match="of kind latency cannot be compared with one of kind pipeline"):
        compare(run(), run(kind="pipeline"))


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        ("LiteRT 2.3.0", "LiteRT"),
        ("ONNX Runtime 1.32.0", "ONNX Runtime"),
        ("ai_edge_litert 2.3.0, onnxruntime 1.32.0", "ai_edge_litert, onnxruntime"),
        ("OpenCV DNN 5.0.0.93", "OpenCV DNN"),
        ("ONNX Runtime", "ONNX Runtime"),
        ("2.3.0", "2.3.0"),
        ("", ""),
    ],
)
def test_names_of_runtimes(runtime: str, name: str) -> None:
    assert runtime_name(runtime) == name


# ----------------------------------------------------------------------------------------------------------------
# What else is said


def test_equal_runs_warn_of_nothing() -> None:
    assert compare(run(), run()).warnings == ()


def test_other_devices_conditions_settings_and_versions_are_named() -> None:
    other = replace(
        DEVICE,
        cpu="Cortex-A76",
        memory_mb=8063,
        versions={**DEVICE.versions, "numpy": "2.2.0", "onnxruntime": "1.32.0"},
        emulated="qemu-user 7.2",
    )
    before = Condition(("powersave",), (600.0,), 50.0, 0, None, None, 3.0)
    second = run(
        device=other,
        conditions=(before, replace(before, throttled=0x50005)),
        settings={"seconds": 5.0, "quick": True},
        complete=False,
    )
    warnings = compare(run(), second).warnings
    for words in (
        "these are two devices",
        "B ran on an emulated device (qemu-user 7.2)",
        "B was interrupted",
        "B was throttled: under-voltage, throttled",
        "governor: performance against powersave",
        "device, cpu: Cortex-A72 against Cortex-A76",
        "device, memory_mb: 3794 against 8063",
        "device, versions.numpy: 2.1.0 against 2.2.0",
        "device, versions.onnxruntime: none against 1.32.0",
        "settings, seconds: 60.0 against 5.0",
        "settings, quick: False against True",
    ):
        assert any(words in warning for warning in warnings), words
    assert not any("python" in warning or "A was" in warning for warning in warnings)


def test_one_device_with_other_versions_is_one_device() -> None:
    other = replace(DEVICE, versions={**DEVICE.versions, "numpy": "2.2.0"}, system="Linux 6.6", memory_mb=3790)
    warnings = compare(run(), run(device=other)).warnings
    assert not any("two devices" in warning for warning in warnings)
    assert "device, system: Linux 6.1.21-v8+ against Linux 6.6" in warnings


def test_flags_stand_beside_the_ratio() -> None:
    first = run(replace(row(), summary=summary(flags=("quick", "noisy"))))
    found = compare(first, run(replace(row(), summary=summary(flags=("throttled",)))))
    (item,) = found.rows
    assert item.flags == (("quick", "noisy"), ("throttled",))
    assert found.table_rows()[1][0][-1] == "A: quick, noisy; B: throttled"
    assert not found.doubtful


@pytest.mark.parametrize(
    ("flags", "doubtful"), [((), 0), (("quick",), 0), (("noisy",), 1), (("quick", "throttled"), 1)]
)
def test_a_regression_of_flagged_figures_is_one_that_may_not_come_again(flags: tuple[str, ...], doubtful: int) -> None:
    found = compare(run(row(10)), run(replace(row(), summary=summary(20, flags=flags))))
    assert len(found.regressions) == 1
    assert len(found.doubtful) == found.to_dict()["doubtful"] == doubtful


def test_runs_without_conditions_are_compared() -> None:
    assert compare(run(conditions=()), run()).warnings == ("governor: unknown against performance",)


def test_the_document_says_all() -> None:
    found = compare(run(row(10), row(1, stage="x")), run(row(12)))
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["regressions"] == 1
    assert document["rows"][0]["values"] == [10, 12]
    assert document["rows"][0]["ratio"]["value"] == pytest.approx(1.2)
    assert document["rows"][0]["first"] == subject().to_dict()
    assert document["left_out"] == [{"file": "A", "subject": subject(stage="x").to_dict(), "reason": "only A has it"}]
    header, rows = found.table_rows()
    assert [len(line) for line in rows] == [len(header)]
    assert rows[0][2:7] == ["10", "12", "1.200", "1.183 to 1.217", "regression"]

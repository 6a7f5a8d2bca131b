"""Samples keep to their subject, and say what NumPy and SciPy say; the clocks are made up, nothing here is timed."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghostface_edge.benchmarks.samples import (
    LEAST,
    SECONDS,
    Ratio,
    Samples,
    Subject,
    Summary,
    interleaved,
    preemptions,
    warmed_up,
)
from ghostface_edge.errors import EvaluationError, OptionError

FP32 = Subject("ghostfacenet-v1-1.3-2", "abc", "float32", "LiteRT 2.3.0", 1, "00" * 32, "inference")
INT8 = dataclasses.replace(FP32, precision="int8", file_sha256="11" * 32)


class Clock:
    """Seconds that pass only when something takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def taking(self, *seconds: float) -> Callable[[], None]:
        """A call that takes these times in turn, and then the last one for ever."""
        times: Iterator[float] = iter(seconds)
        last = seconds[-1]

        def call() -> None:
            self.now += next(times, last)

        return call


def filled(subject: Subject, *rounds: list[float]) -> Samples:
    samples = Samples(subject)
    for values in rounds:
        samples.add(values)
    return samples


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Subject)])
def test_results_of_two_subjects_are_never_pooled(field: str) -> None:
    """A published table of this field mixed fp32 and int8 samples in one mean; here that is an error."""
    other = dataclasses.replace(FP32, **{field: 2 if field == "threads" else "another"})
    mine, theirs = filled(FP32, [0.001] * 8), filled(other, [0.004] * 8)
    with pytest.raises(EvaluationError, match="cannot be added"):
        mine.merge(theirs)
    assert mine.summary().p50 == pytest.approx(1)
    assert len(mine) == len(theirs) == 8


def test_an_interleaved_run_keeps_each_subjects_own_samples() -> None:
    clock = Clock()
    found = interleaved({FP32: clock.taking(0.010), INT8: clock.taking(0.004)}, seconds=1, least=50, clock=clock)
    assert set(found[FP32].seconds.round(9)) == {0.010}
    assert set(found[INT8].seconds.round(9)) == {0.004}
    assert found[INT8].ratio(found[FP32]).value == pytest.approx(0.4)


def test_merging_keeps_all_samples_and_the_worst_of_both() -> None:
    first, second = filled(FP32, [1.0, 2.0], [3.0]), filled(FP32, [4.0])
    first.flags, second.flags, second.complete = ("quick",), ("quick", "warming"), False
    both = first.merge(second)
    assert list(both.seconds) == [1, 2, 3, 4]
    assert both.rounds == 3
    assert both.flags == ("quick", "warming")
    assert not both.complete
    assert list(first.seconds) == [1, 2, 3]


def test_a_summary_is_numpys_in_milliseconds() -> None:
    seconds = np.random.default_rng(1).gamma(2, 0.001, (100, 7))
    row = filled(FP32, *map(list, seconds)).summary()
    flat = np.sort(seconds.ravel() * 1e3)
    assert row.count == 700
    assert (row.min, row.max, row.mean) == pytest.approx((flat[0], flat[-1], flat.sum() / 700))
    assert row.std == pytest.approx(np.sqrt(np.square(flat - flat.mean()).sum() / 699))
    assert row.p50 == pytest.approx((flat[349] + flat[350]) / 2)
    assert (row.p90, row.p99) == pytest.approx(
        (flat[629] + 0.1 * (flat[630] - flat[629]), flat[692] + 0.01 * (flat[693] - flat[692]))
    )
    first, second = seconds[:50].ravel(), seconds[50:].ravel()
    assert row.drift == pytest.approx(np.median(second) / np.median(first))


def test_the_interval_of_the_median_is_that_of_scipy_where_samples_are_independent() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(2).gamma(2, 0.001, 900)
    row = filled(FP32, *([value] for value in values)).summary()
    reference = stats.bootstrap(
        (values * 1e3,), np.median, method="percentile", n_resamples=2000, random_state=np.random.default_rng(3)
    ).confidence_interval
    assert (row.p50_low, row.p50_high) == pytest.approx((reference.low, reference.high), rel=0.02)


def test_the_interval_holds_the_true_median_as_often_as_it_says_though_rounds_differ() -> None:
    """Rounds as a busy machine makes them: all samples of a round share a slowness."""
    random = np.random.default_rng(4)
    hits = 0
    for _ in range(100):
        rounds = 0.010 + random.normal(0, 0.001, (60, 1)) + random.normal(0, 0.0001, (60, 10))
        row = filled(FP32, *map(list, rounds)).summary()
        hits += row.p50_low <= 10 <= row.p50_high
    assert 88 <= hits <= 100  # independent samples would be assumed to be 600, and hit in a third of the cases


def test_one_sample() -> None:
    row = filled(FP32, [0.002]).summary()
    assert (row.count, row.mean, row.std, row.p50, row.p50_low, row.p50_high, row.drift) == (1, 2, 0, 2, 2, 2, 1)


def test_no_samples() -> None:
    with pytest.raises(EvaluationError, match="no samples"):
        Samples(FP32).summary()


@pytest.mark.parametrize("values", [[], [float("nan")], [float("inf")], [0.1, -0.1]])
def test_what_is_no_round(values: list[float]) -> None:
    with pytest.raises(EvaluationError, match="finite times"):
        Samples(FP32).add(values)


def test_a_steady_machine_has_no_flags_and_a_busy_one_is_noisy() -> None:
    random = np.random.default_rng(5)
    steady = [list(0.010 + random.normal(0, 0.0002, 5)) for _ in range(100)]
    assert filled(FP32, *steady).summary().flags == ()
    busy = [list(np.array(values) * (1.3 if number % 3 == 0 else 1)) for number, values in enumerate(steady)]
    assert filled(FP32, *busy).summary().flags == ("noisy",)


def test_single_slow_calls_make_no_noise() -> None:
    """What the system does now and then shows in p99, not in the flag: the median does not move."""
    rounds = [[0.010] * 9 + [0.050 if number % 2 else 0.010] for number in range(50)]
    row = filled(FP32, *rounds).summary()
    assert row.flags == ()
    assert row.p99 == pytest.approx(50)


@pytest.mark.parametrize(("change", "flags"), [(1.04, ()), (1.07, ("drifting",)), (0.94, ("drifting",))])
def test_drift(change: float, flags: tuple[str, ...]) -> None:
    row = filled(FP32, *[[0.010]] * 50, *[[0.010 * change]] * 50).summary()
    assert row.drift == pytest.approx(change)
    assert row.flags == flags


def test_flags_of_the_run_come_along() -> None:
    samples = filled(FP32, [1.0])
    samples.flags, samples.complete = ("quick",), False
    assert samples.summary("throttled", "quick").flags == ("quick", "throttled", "incomplete")


def test_a_ratio_holds_though_the_machine_drifts() -> None:
    """Both subjects slow down to a fifth of their speed; round by round one takes 0.4 of the other."""
    slowness = np.linspace(1, 5, 80)
    base = filled(FP32, *([0.010 * slow] * 3 for slow in slowness))
    fast = filled(INT8, *([0.004 * slow] * 3 for slow in slowness))
    ratio = fast.ratio(base)
    assert (ratio.value, ratio.low, ratio.high, ratio.rounds) == pytest.approx((0.4, 0.4, 0.4, 80))
    assert not ratio.noisy
    assert "drifting" in fast.summary().flags


def test_the_interval_of_a_ratio_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(6)
    above, below = 0.004 + random.gamma(2, 0.0004, 200), 0.010 + random.gamma(2, 0.0004, 200)
    ratio = filled(INT8, *([value] for value in above)).ratio(filled(FP32, *([value] for value in below)))
    reference = stats.bootstrap(
        (above / below,), np.median, method="percentile", n_resamples=2000, random_state=np.random.default_rng(7)
    ).confidence_interval
    assert (ratio.low, ratio.high) == pytest.approx((reference.low, reference.high), rel=0.02)


def marked(subject: Subject, rounds: list[tuple[list[float], list[bool]]]) -> Samples:
    samples = Samples(subject)
    for values, marks in rounds:
        samples.add(values, disturbed=marks)
    return samples


def test_a_ratio_is_of_the_calls_that_were_left_alone() -> None:
    """Other programs take the CPU away from most calls of the slow subject, for a whole time slice."""
    slow = marked(FP32, [([0.010, 0.050, 0.051], [False, True, True])] * 12)
    fast = marked(INT8, [([0.004, 0.004, 0.044], [False, False, True])] * 12)
    ratio = fast.ratio(slow)
    assert (ratio.value, ratio.rounds) == (pytest.approx(0.4), 12)
    assert slow.undisturbed_seconds == pytest.approx(0.010)
    assert slow.summary().p50 == pytest.approx(50)
    assert slow.summary().flags == ("busy",)
    assert list(fast.disturbed) == [False, False, True] * 12


def test_rounds_without_a_calm_call_do_not_count_until_few_are_left() -> None:
    calm, stormy = ([0.010, 0.030], [False, True]), ([0.030, 0.030], [True, True])
    fast = filled(INT8, *[[0.006]] * 20)
    ratio = fast.ratio(marked(FP32, [calm] * 11 + [stormy] * 9))
    assert (ratio.value, ratio.rounds) == (pytest.approx(0.6), 11)
    ratio = fast.ratio(marked(FP32, [calm] * 9 + [stormy] * 11))
    assert (ratio.value, ratio.rounds) == (pytest.approx(0.2), 20)
    assert marked(FP32, [stormy]).undisturbed_seconds is None


def test_marks_and_cpu_time_of_a_run() -> None:
    clock, used, lost, turns = Clock(), Clock(), 0, 0

    def call() -> None:
        nonlocal lost, turns
        turns += 1
        clock.now += 0.020
        used.now += 0.030
        lost += turns % 2

    found = interleaved({FP32: call}, seconds=0, least=6, clock=clock, cpu_clock=used, preemptions=lambda: lost)[FP32]
    assert sorted(found.disturbed) == [False] * 3 + [True] * 3
    assert found.cpu_seconds == pytest.approx(0.030)
    merged = found.merge(found)
    assert (merged.disturbed.sum(), merged.cpu_seconds) == (6, pytest.approx(0.030))
    assert filled(FP32, [1.0]).cpu_seconds is None


def test_preemptions_are_those_of_the_kernel() -> None:
    """Linux counts them for each thread; those of this process's only thread are the same number."""
    status = Path("/proc/thread-self/status")
    if not status.exists():
        pytest.skip("no procfs")
    before = preemptions()
    kernel = int(re.search(r"^nonvoluntary_ctxt_switches:\s*(\d+)", status.read_text(), re.M)[1])  # type: ignore[index]
    assert before <= preemptions()
    assert kernel <= preemptions()


def test_marks_of_another_number_than_samples() -> None:
    with pytest.raises(EvaluationError, match="finite times"):
        Samples(FP32).add([1.0, 2.0], disturbed=[True])


def test_a_wide_interval_is_noisy() -> None:
    assert Ratio(0.4, 0.37, 0.42, 9).noisy
    assert not Ratio(0.4, 0.39, 0.42, 9).noisy
    assert Ratio(0.4, 0.37, 0.42, 9).to_dict()["noisy"] is True


def test_no_ratio_of_subjects_that_did_not_take_turns() -> None:
    with pytest.raises(EvaluationError, match=r"2 rounds and .* 1"):
        filled(INT8, [1.0], [1.0]).ratio(filled(FP32, [1.0, 1.0]))
    with pytest.raises(EvaluationError, match="0 rounds"):
        Samples(INT8).ratio(Samples(FP32))
    with pytest.raises(EvaluationError, match="no time"):
        filled(INT8, [1.0]).ratio(filled(FP32, [0.0]))


def test_subjects_take_turns_and_the_first_call_of_a_turn_does_not_count() -> None:
    clock = Clock()
    order: list[str] = []

    def call(name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            clock.now += seconds * (50 if len(order) > 1 and order[-2] != name else 1)

        return run

    found = interleaved({FP32: call("a", 0.02), INT8: call("b", 0.02)}, seconds=0, least=7, clock=clock)
    assert "".join(order).endswith(
        "aaaabbbb" * 3
    )  # 3 calls of 20 ms last longer than a turn, and 7 samples take 3 turns
    assert set(found[FP32].seconds.round(9)) == {0.02}
    assert len(found[FP32]) == len(found[INT8]) == 9


def test_a_run_ends_when_both_wishes_are_met() -> None:
    clock = Clock()
    call = clock.taking(1 / 32)  # three of them last longer than a turn
    assert len(interleaved({FP32: call}, seconds=3, least=3, clock=clock)[FP32]) == 96
    assert len(interleaved({FP32: call}, seconds=0, least=300, clock=clock)[FP32]) == 300


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, ()),
        ({"quick": True}, ("quick",)),
        ({"seconds": SECONDS / 2}, ("quick",)),
        ({"least": LEAST - 1}, ("quick",)),
        ({"quick": True, "seconds": SECONDS, "least": LEAST}, ()),
    ],
)
def test_what_has_fewer_samples_than_a_full_run_is_labelled_quick(
    options: dict[str, float], flags: tuple[str, ...]
) -> None:
    clock = Clock()
    found = interleaved({FP32: clock.taking(0.1)}, clock=clock, **options)[FP32]  # type: ignore[arg-type]
    assert found.summary().flags == flags
    assert flags or (len(found) >= LEAST and found.seconds.sum() >= SECONDS)


def test_ctrl_c_keeps_the_whole_rounds() -> None:
    clock = Clock()
    calls = 0

    def interrupted() -> None:
        nonlocal calls
        calls += 1
        clock.now += 0.02
        if calls == 100:
            raise KeyboardInterrupt

    found = interleaved({FP32: clock.taking(0.02), INT8: interrupted}, clock=clock)
    assert found[FP32].rounds == found[INT8].rounds > 0
    assert "incomplete" in found[FP32].summary().flags
    assert "incomplete" in found[INT8].summary().flags


def test_ctrl_c_between_two_subjects_of_a_round_keeps_what_both_have(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, add = Clock(), Samples.add

    def interrupted(self: Samples, *round_: object) -> None:
        add(self, *round_)  # type: ignore[arg-type]
        if self.subject == FP32 and self.rounds == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(Samples, "add", interrupted)
    found = interleaved({FP32: clock.taking(0.02), INT8: clock.taking(0.01)}, clock=clock)
    assert (found[FP32].rounds, found[INT8].rounds) == (6, 6)
    assert found[INT8].ratio(found[FP32]).value == pytest.approx(0.5)
    assert not any(samples.complete for samples in found.values())


def test_what_cannot_be_run() -> None:
    with pytest.raises(OptionError, match="nothing"):
        interleaved({})
    for options in ({"seconds": -1.0}, {"seconds": float("inf")}, {"seconds": float("nan")}, {"least": 0}):
        with pytest.raises(OptionError, match="seconds="):
            interleaved({FP32: lambda: None}, **options)  # type: ignore[arg-type]


def test_the_warm_up_lasts_while_calls_get_faster() -> None:
    clock = Clock()
    slow = [0.1 * 0.99**number for number in range(150)]
    assert warmed_up(clock.taking(*slow, slow[-1]), clock)
    assert clock.now > sum(slow)


def test_a_warm_up_that_never_ends_is_flagged() -> None:
    clock = Clock()
    cooling = [1.0 * 0.99**number for number in range(400)]
    found = interleaved({FP32: clock.taking(*cooling)}, quick=True, seconds=0, least=1, clock=clock)[FP32]
    assert found.summary().flags[:2] == ("quick", "warming")


def test_subject_and_summary_come_back_from_json() -> None:
    row = filled(FP32, [0.1, 0.2, 0.4]).summary("quick")
    assert Summary.from_dict(json.loads(json.dumps(row.to_dict()))) == row
    assert Subject.from_dict(json.loads(json.dumps(FP32.to_dict()))) == FP32
    assert str(INT8) == "ghostfacenet-v1-1.3-2 int8, LiteRT 2.3.0, 1 thread, inference"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 1e-9, 0.1, 0.3, 0.7, 60.0]), min_size=1, max_size=4), min_size=1, max_size=8
    )
)
def test_no_summary_contradicts_itself(rounds: list[list[float]]) -> None:
    """The mean of three times 0.1 is a little more than 0.1."""
    row = filled(FP32, *rounds).summary()
    assert Summary.from_dict(row.to_dict()) == row


def test_a_summary_that_contradicts_itself() -> None:
    row = filled(FP32, [0.1, 0.2, 0.4]).summary().to_dict()
    for wrong in ({"p50": 500.0}, {"mean": 99.0}, {"p50_low": 300.0}):
        with pytest.raises(EvaluationError, match="contradicts itself"):
            Summary.from_dict({**row, **wrong})


def test_the_interval_of_few_long_rounds_holds_the_median_as_often_as_it_says() -> None:
    # A pipeline has rounds of a hundred pictures, and few of them. Independent samples of a known median, 1: with 200
    # trials at 95 %, fewer than 178 hits have a chance of 1 in 5,000 (binomial).
    random = np.random.default_rng(7)
    trials = [filled(FP32, *(list(random.lognormal(0, 0.2, 96)) for _ in range(2))).summary() for _ in range(200)]
    assert sum(trial.p50_low <= 1e3 <= trial.p50_high for trial in trials) >= 178

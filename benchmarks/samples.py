"""How long something took, many times: samples of one subject, and what they say.

Samples are kept under the identity of what was timed, and samples of two identities cannot be put together. A run takes
turns between its subjects in rounds of a few calls each: what slows the machine down slows all of them down, and the
ratio of two subjects is taken round by round.

On a machine that others use, calls fall into two kinds: those from which the system took the CPU away, to let another
program run, and those that it left alone. How long the first kind takes says much about the other programs. All samples
count in a summary; the ratio of two subjects is taken from calls that were left alone. On two CPUs with nine programs
that wanted them, such ratios stayed within 5 % from run to run, where the ratio of all calls' medians varied by a
factor of two.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import EvaluationError, OptionError

from .fields import Fields

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

SECONDS, LEAST = 60.0, 1024
"""What each subject is timed for, and how many samples it has, at least."""

QUICK_SECONDS, QUICK_LEAST = 5.0, 128
"""The same of a quick run, which is labelled so."""

NOISY = 0.10
"""Rounds differ by more than this: from their 10th to their 90th percentile, as a share of the median."""

DRIFTING = 0.05
"""The second half differs from the first by more than this."""

ROUND_SECONDS, ROUND_CALLS = 0.05, 3
"""What one subject gets before it is the next one's turn: calls for so long, and at least so many."""

WARM_SECONDS, WARM_CALLS = 0.5, 8
"""The least of a warm-up; a frequency governor takes some tenths of a second to raise the clock."""

WARM_AT_MOST = 10.0
"""Seconds after which a subject that still gets faster is timed as it is, and flagged."""

BUSY = 0.10
"""A larger share of the calls than this was disturbed by other programs."""

_FEW_ROUNDS = 10
_WARM = 0.97  # a warm-up lasts while calls take less than this share of the time of those before
_RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True)
class Subject:
    """What was timed: the identity under which samples are kept.

    Attributes:
        name: Of the model, its file or its architecture.
        model_id: Of its card; empty where there is none.
        precision: As model cards name it, such as ``float32``; empty where there is none.
        runtime: Library and version, such as ``ai_edge_litert 2.3.0``.
        threads: CPU threads of one call.
        file_sha256: Of the model's file; empty where there is none.
        stage: What was called: ``inference``, ``detect``, ...
    """

    name: str
    model_id: str
    precision: str
    runtime: str
    threads: int
    file_sha256: str
    stage: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, document: Any, where: str = "subject") -> Subject:
        """What :meth:`to_dict` gave.

        Raises:
            EvaluationError: A field is missing, unknown or of the wrong type.
        """
        fields = Fields(document, where)
        subject = cls(
            name=fields.text("name"),
            model_id=fields.text("model_id"),
            precision=fields.text("precision"),
            runtime=fields.text("runtime"),
            threads=fields.whole("threads"),
            file_sha256=fields.text("file_sha256"),
            stage=fields.text("stage"),
        )
        fields.done()
        return subject

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        parts = (f"{self.name} {self.precision}".strip(), self.runtime, threads if self.threads else "", self.stage)
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Summary:
    """What samples say; all times in milliseconds.

    Attributes:
        count: Samples.
        mean: Their mean.
        std: Their standard deviation (dividing by ``count - 1``; 0 for one sample).
        min: The fastest.
        p50: The median.
        p90: The 90th percentile.
        p99: The 99th percentile.
        max: The slowest.
        p50_low: Lower end of the 95 % interval of the median; see :meth:`Samples.summary`.
        p50_high: Upper end.
        drift: Median of the second half over median of the first.
        flags: What to know before one believes it: ``quick`` (fewer samples than a full run has), ``noisy`` (see
            :data:`NOISY`), ``drifting`` (see :data:`DRIFTING`), ``warming`` (the warm-up had not ended),
            ``busy`` (see :data:`BUSY`), ``throttled`` (the device slowed down), ``incomplete`` (interrupted).
    """

    count: int
    mean: float
    std: float
    min: float
    p50: float
    p90: float
    p99: float
    max: float
    p50_low: float
    p50_high: float
    drift: float
    flags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "flags": list(self.flags)}

    @classmethod
    def from_dict(cls, document: Any, where: str = "summary") -> Summary:
        """What :meth:`to_dict` gave.

        Raises:
            EvaluationError: A field is missing, unknown, of the wrong type, or contradicts another.
        """
        fields = Fields(document, where)
        names = ("mean", "std", "min", "p50", "p90", "p99", "max", "p50_low", "p50_high", "drift")
        numbers = {name: fields.number(name, least=0) for name in names}
        summary = cls(count=fields.whole("count", least=1), flags=fields.texts("flags"), **numbers)
        fields.done()
        for order in (("min", "p50", "p90", "p99", "max"), ("min", "mean", "max"), ("p50_low", "p50", "p50_high")):
            if [numbers[name] for name in order] != sorted(numbers[name] for name in order):
                raise EvaluationError(f"{where} contradicts itself: {' <= '.join(order)} does not hold")
        return summary


@dataclass(frozen=True)
class Ratio:
    """How long one subject takes, in units of another that ran in the same rounds.

    Attributes:
        value: Median over the rounds of the ratio of the two medians, of undisturbed calls.
        low: Lower end of its 95 % interval, from resampled rounds.
        high: Upper end.
        rounds: Rounds in which both had undisturbed calls. Where these are fewer than ten, all calls count, and all
            rounds.
    """

    value: float
    low: float
    high: float
    rounds: int

    @property
    def noisy(self) -> bool:
        """Whether the interval is wider than :data:`NOISY`, as a share of the ratio."""
        return self.high - self.low > NOISY * self.value

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "noisy": self.noisy}


class Samples:
    """Seconds that calls of one subject took, in the order in which they were made.

    Args:
        subject: What was timed.

    Attributes:
        subject: What was timed.
        complete: False where the run was interrupted.
        flags: What the run knows of these samples; see :class:`Summary`.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.complete = True
        self.flags: tuple[str, ...] = ()
        self._rounds: list[list[float]] = []
        self._cpu: list[float | None] = []
        self._disturbed: list[list[bool]] = []

    def add(self, seconds: Iterable[float], cpu: float | None = None, disturbed: Iterable[bool] | None = None) -> None:
        """Append one round of samples.

        Args:
            seconds: One or more, by the clock on the wall.
            cpu: CPU time of all threads that the round took in all, in seconds, where it is known.
            disturbed: For each sample, whether the system took the CPU away; by default from none.

        Raises:
            EvaluationError: No samples, or one that is not a time; or marks of another number than samples.
        """
        values = [float(value) for value in seconds]
        marks = [False] * len(values) if disturbed is None else list(disturbed)
        if not values or len(marks) != len(values) or not all(math.isfinite(value) and value >= 0 for value in values):
            raise EvaluationError(f"{self.subject}: a round is one or more finite times in seconds, not {values!r:.80}")
        self._rounds.append(values)
        self._cpu.append(cpu)
        self._disturbed.append(marks)

    def interrupted_after(self, rounds: int) -> None:
        """Keep so many rounds, those that all subjects of the run have, and say that these are not all."""
        for kept in (self._rounds, self._cpu, self._disturbed):
            del kept[rounds:]
        self.complete = False

    def merge(self, other: Samples) -> Samples:
        """These samples and then those of a later run, of the same subject.

        Raises:
            EvaluationError: They are of different subjects: their samples must never be put together.
        """
        if other.subject != self.subject:
            raise EvaluationError(f"samples of {other.subject} cannot be added to samples of {self.subject}")
        both = Samples(self.subject)
        both.complete = self.complete and other.complete
        both.flags = tuple(dict.fromkeys((*self.flags, *other.flags)))
        both._rounds = [list(values) for values in (*self._rounds, *other._rounds)]
        both._cpu = [*self._cpu, *other._cpu]
        both._disturbed = [list(marks) for marks in (*self._disturbed, *other._disturbed)]
        return both

    def __len__(self) -> int:
        return sum(map(len, self._rounds))

    @property
    def rounds(self) -> int:
        """How many rounds there are."""
        return len(self._rounds)

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(N,) float64, all samples."""
        return np.array([value for values in self._rounds for value in values], dtype=np.float64)

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time of one call, all threads together: the median over the rounds; None where it is not known."""
        known = [cpu / len(values) for cpu, values in zip(self._cpu, self._rounds) if cpu is not None]
        return float(np.median(known)) if known else None

    @property
    def disturbed(self) -> NDArray[np.bool_]:
        """(N,) bool: the samples during which the system took the CPU away."""
        return np.array([mark for marks in self._disturbed for mark in marks], dtype=np.bool_)

    @property
    def undisturbed_seconds(self) -> float | None:
        """Median of the calls that were left alone; None where there is none."""
        left = self.seconds[~self.disturbed]
        return float(np.median(left)) if len(left) else None

    def summary(self, *flags: str) -> Summary:
        """What the samples say.

        The interval of the median is from a bootstrap that draws whole blocks (H. R. Künsch, "The jackknife and the
        bootstrap for general stationary observations", Annals of Statistics 17, 1989), since samples that follow each
        other are not independent: 2,000 draws of as many rounds as there are, with replacement. Fewer than ten
        rounds would draw the same few medians again and again: their samples are cut into blocks as long as the cube
        root of their number (P. Hall, J. L. Horowitz and B.-Y. Jing, "On blocking rules for the bootstrap with
        dependent data", Biometrika 82, 1995).

        Args:
            flags: To add to those of the samples.

        Raises:
            EvaluationError: There are no samples.
        """
        values = self.seconds
        if not len(values):
            raise EvaluationError(f"there are no samples of {self.subject}")
        blocks = self._blocks(values)
        medians = np.array([np.median(block) for block in blocks])
        p50, p90, p99 = (float(value) for value in np.percentile(values, (50, 90, 99)))
        low, high = _median_interval(blocks)
        half = len(values) // 2
        drift = float(np.median(values[half:]) / np.median(values[:half])) if half and np.median(values[:half]) else 1.0
        found = dict.fromkeys((*self.flags, *flags))
        if np.subtract(*np.percentile(medians, (90, 10))) > NOISY * p50:
            found["noisy"] = None
        if abs(drift - 1) > DRIFTING:
            found["drifting"] = None
        if self.disturbed.mean() > BUSY:
            found["busy"] = None
        if not self.complete:
            found["incomplete"] = None
        milliseconds = 1e3
        return Summary(
            count=len(values),
            mean=float(np.clip(values.mean(), values.min(), values.max())) * milliseconds,  # whatever is rounded
            std=float(values.std(ddof=1)) * milliseconds if len(values) > 1 else 0.0,
            min=float(values.min()) * milliseconds,
            p50=p50 * milliseconds,
            p90=p90 * milliseconds,
            p99=p99 * milliseconds,
            max=float(values.max()) * milliseconds,
            p50_low=min(low, p50) * milliseconds,
            p50_high=max(high, p50) * milliseconds,
            drift=drift,
            flags=tuple(found),
        )

    def ratio(self, base: Samples) -> Ratio:
        """How long this subject takes in units of another, from the rounds in which both ran.

        Raises:
            EvaluationError: They did not run in the same rounds.
        """
        if not self.rounds or self.rounds != base.rounds:
            raise EvaluationError(
                f"{self.subject} has {self.rounds} rounds and {base.subject} {base.rounds}: a ratio takes the same"
            )
        above, below = self._medians(), base._medians()
        both = np.isfinite(above) & np.isfinite(below)
        if np.count_nonzero(both) < _FEW_ROUNDS:
            above, below = self._medians(everything=True), base._medians(everything=True)
            both = np.ones(len(above), dtype=np.bool_)
        if not below[both].all():
            raise EvaluationError(f"{base.subject} took no time that the clock could tell: a ratio to it has no value")
        ratios = above[both] / below[both]
        drawn = np.random.default_rng(_SEED).integers(0, len(ratios), (_RESAMPLES, len(ratios)), dtype=np.int32)
        low, high = np.percentile(np.median(ratios[drawn], axis=1), (2.5, 97.5))
        value = float(np.median(ratios))
        return Ratio(value, min(float(low), value), max(float(high), value), len(ratios))

    def _medians(self, *, everything: bool = False) -> NDArray[np.float64]:
        """(rounds,) the median of each round's undisturbed calls, NaN where there is none; or of all its calls."""
        medians = np.full(self.rounds, np.nan)
        for number, (values, marks) in enumerate(zip(self._rounds, self._disturbed)):
            left = values if everything else [value for value, mark in zip(values, marks) if not mark]
            if left:
                medians[number] = np.median(left)
        return medians

    def _blocks(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        if self.rounds >= _FEW_ROUNDS:
            return [np.array(block) for block in self._rounds]
        return np.array_split(values, math.ceil(len(values) / math.ceil(len(values) ** (1 / 3))))


def preemptions() -> int:
    """How often the system took the CPU away from a thread of this process (getrusage(2), ru_nivcsw); 0 on Windows."""
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def interleaved(
    calls: Mapping[Subject, Callable[[], object]],
    *,
    seconds: float | None = None,
    least: int | None = None,
    quick: bool = False,
    clock: Callable[[], float] = time.perf_counter,
    cpu_clock: Callable[[], float] = time.process_time,
    preemptions: Callable[[], int] = preemptions,
    progress: Callable[[float], object] = lambda share: None,
) -> dict[Subject, Samples]:
    """Time calls in turns, after each was warmed up.

    In a round, every subject is called for :data:`ROUND_SECONDS`. Where there are several, the first call of a round
    does not count: it pays for what the others did to the caches. Ctrl-C ends the run: the rounds that are whole are
    returned, and their samples say that they are incomplete.

    Args:
        calls: What to time, by subject.
        seconds: Of counted calls, for each subject at least; by default :data:`SECONDS`, quick :data:`QUICK_SECONDS`.
        least: Samples of each subject at least; by default :data:`LEAST`, quick :data:`QUICK_LEAST`.
        quick: Take fewer samples. Whatever has fewer than a full run is flagged ``quick``.
        clock: Seconds that only grow.
        cpu_clock: CPU seconds of all threads of this process.
        preemptions: How often the system took the CPU away from one of them.
        progress: Is told the share that is done, 0 to 1, after each round.

    Raises:
        OptionError: Nothing to time, or a senseless number.
    """
    seconds = (QUICK_SECONDS if quick else SECONDS) if seconds is None else seconds
    least = (QUICK_LEAST if quick else LEAST) if least is None else least
    if not calls:
        raise OptionError("there is nothing to time")
    if not 0 <= seconds < math.inf or least < 1:
        raise OptionError(f"seconds={seconds!r}, least={least!r}: at least 0 seconds and 1 sample")
    samples = {subject: Samples(subject) for subject in calls}
    for found in samples.values():
        found.flags = ("quick",) if seconds < SECONDS or least < LEAST else ()
    turn = partial(_turn, clock=clock, cpu_clock=cpu_clock, preemptions=preemptions, alone=len(calls) == 1)
    try:
        for subject, call in calls.items():
            if not warmed_up(call, clock):
                samples[subject].flags += ("warming",)
        done = dict.fromkeys(calls, 0.0)
        while (
            share := min(min(done[item] / seconds if seconds else 1, len(samples[item]) / least) for item in calls)
        ) < 1:
            progress(share)
            finished = {subject: turn(call) for subject, call in calls.items()}
            for subject, (values, cpu, disturbed) in finished.items():
                samples[subject].add(values, cpu, disturbed)
                done[subject] += sum(values)
    except KeyboardInterrupt:
        whole = min(found.rounds for found in samples.values())
        for found in samples.values():
            found.interrupted_after(whole)
    return samples


def warmed_up(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> bool:
    """Call something until it gets no faster; False if it still does after :data:`WARM_AT_MOST` seconds.

    Calls are compared in windows of :data:`WARM_CALLS`, each lasting a fifth of :data:`WARM_SECONDS` at least: it is
    warm when the medians of two windows in a row are no better than the best one before.
    """
    begin = clock()
    best, good = math.inf, 0
    while clock() - begin < WARM_AT_MOST:
        window: list[float] = []
        opened = clock()
        while len(window) < WARM_CALLS or clock() - opened < WARM_SECONDS / 5:
            start = clock()
            call()
            window.append(clock() - start)
        median = float(np.median(window))
        good = good + 1 if median >= _WARM * best else 0
        best = min(best, median)
        if good >= 2 and clock() - begin >= WARM_SECONDS:
            return True
    return False


def _turn(
    call: Callable[[], object],
    *,
    clock: Callable[[], float],
    cpu_clock: Callable[[], float],
    preemptions: Callable[[], int],
    alone: bool,
) -> tuple[list[float], float, list[bool]]:
    """The samples of one turn, the CPU time of all of them, and which of them were disturbed."""
    values: list[float] = []
    disturbed: list[bool] = []
    if not alone:
        call()
    begin, used = clock(), cpu_clock()
    while len(values) < ROUND_CALLS or clock() - begin < ROUND_SECONDS:
        before = preemptions()
        start = clock()
        call()
        values.append(clock() - start)
        disturbed.append(preemptions() > before)
    return values, cpu_clock() - used, disturbed


def _median_interval(blocks: list[NDArray[np.float64]]) -> tuple[float, float]:
    """The 95 % interval of the median of all samples, from resampled blocks."""
    values = np.concatenate(blocks)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    owner = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])[order]
    random = np.random.default_rng(_SEED)
    medians = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        drawn = np.bincount(random.integers(0, len(blocks), len(blocks)), minlength=len(blocks))
        below = np.cumsum(drawn[owner])
        # Between two middle samples of an even number lies the median; the lower one is within the clock's noise of it.
        medians[number] = ordered[np.searchsorted(below, (below[-1] + 1) // 2)]
    low, high = np.percentile(medians, (2.5, 97.5))
    return float(low), float(high)

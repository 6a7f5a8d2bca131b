"""Two runs of a benchmark side by side: ratios of medians, and whether something became slower than it may.

Only rows of one subject are held against each other: the same model, precision, runtime, number of threads and stage.
What else differs between the two is named beside the ratio. Nothing is pooled, and what cannot be told apart is left
out and listed.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ghostface_edge.errors import EvaluationError, OptionError

from .device import Device
from .result_figures import counted
from .run_file import Row, Run
from .samples import Subject, Summary

BOUND = 1.10
"""Ratio of medians up to which a slower subject is no regression."""

RATIO_METHOD = (
    "95 % intervals of ratios come from those of both medians, as if the runs were independent (MOVER on logarithms: "
    "Zou and Donner, Stat. Med. 27, 2008). They cover the scatter within the runs, not what differs from run to run"
)

_MEDIAN = "median, ms"
_LONGEST = 64  # letters of a value in a warning

Key = tuple[str, str, str, int, str]
"""What makes two rows rows of one subject: model id, precision, name of the runtime, threads, stage."""


@dataclass(frozen=True)
class MedianRatio:
    """The second figure over the first: above 1, the second costs more.

    Attributes:
        value: Of the two medians, or of two counts.
        low: Lower end of its 95 % interval; of counts, the value itself.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ComparedRow:
    """A subject that both runs have.

    Attributes:
        first: As the first run has it.
        second: As the second run has it.
        figure: What is compared, such as ``median, ms``.
        values: The two figures.
        ratio: The second over the first.
        verdict: ``regression`` where the interval lies above the bound, ``worse`` where it lies above 1, ``better``
            where it lies below 1, ``no difference`` where all is 1, else ``may be chance``.
        differences: What else differs between the two, such as the runtime's version or the file.
        flags: Of both figures.
    """

    first: Subject
    second: Subject
    figure: str
    values: tuple[float, float]
    ratio: MedianRatio
    verdict: str
    differences: tuple[str, ...]
    flags: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class LeftOut:
    """A row that was not compared.

    Attributes:
        file: ``A`` or ``B``.
        subject: Of the row.
        reason: Why.
    """

    file: str
    subject: Subject
    reason: str


@dataclass(frozen=True)
class RunComparison:
    """What :func:`compare` found.

    Attributes:
        kind: Of both runs.
        bound: Ratio above which a slower subject is a regression.
        rows: Subjects that both runs have, in the first run's order.
        left_out: All other rows.
        warnings: What makes the ratios say something else than what changed between two versions of the software.
    """

    kind: str
    bound: float
    rows: tuple[ComparedRow, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]

    @property
    def regressions(self) -> tuple[ComparedRow, ...]:
        """Rows that became slower than the bound allows, chance apart."""
        return tuple(row for row in self.rows if row.verdict == "regression")

    @property
    def doubtful(self) -> tuple[ComparedRow, ...]:
        """Regressions whose figures are flagged, other than as quick: another run may not have them."""
        return tuple(row for row in self.regressions if {flag for flags in row.flags for flag in flags} - {"quick"})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **asdict(self),
            "regressions": len(self.regressions),
            "doubtful": len(self.doubtful),
            "interval": RATIO_METHOD,
        }

    def table_rows(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Header and rows of a table for people."""
        rows: list[Sequence[str]] = [
            [
                str(row.first),
                row.figure,
                f"{row.values[0]:.4g}",
                f"{row.values[1]:.4g}",
                f"{row.ratio.value:.3f}",
                f"{row.ratio.low:.3f} to {row.ratio.high:.3f}" if row.ratio.low < row.ratio.high else "-",
                row.verdict,
                "; ".join((*_beside(row.flags), *row.differences)) or "-",
            ]
            for row in self.rows
        ]
        return ("subject", "figure", "A", "B", "B / A", "95 %", "verdict", "beside that"), rows


def _beside(flags: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"{file}: {', '.join(names)}" for file, names in zip("AB", flags) if names]


def compare(first: Run, second: Run, *, bound: float = BOUND) -> RunComparison:
    """Hold the rows of one run against those of another.

    Args:
        first: The baseline.
        second: What is judged.
        bound: Ratio from 1 on. Where the whole interval of a ratio lies above it, the row is a regression.

    Raises:
        EvaluationError: The runs are of two kinds, or have nothing that can be compared.
        OptionError: The bound is below 1, or no number.
    """
    if not 1 <= bound < math.inf:
        raise OptionError(f"bound must be a ratio from 1 on, not {bound}")
    if first.kind != second.kind:
        raise EvaluationError(f"a run of kind {first.kind} cannot be compared with one of kind {second.kind}")
    rows, left_out = [], []
    for ours, theirs in _groups(first.rows, second.rows):
        pairs = _pairs(ours, theirs)
        for one, other in pairs:
            found = _compared(one, other, bound)
            if isinstance(found, ComparedRow):
                rows.append(found)
            else:
                left_out += [LeftOut("A", one.subject, found), LeftOut("B", other.subject, found)]
        left_out += _left_out("A", ours, [one for one, _ in pairs], alone=not theirs)
        left_out += _left_out("B", theirs, [other for _, other in pairs], alone=not ours)
    if not rows:
        raise EvaluationError(
            "the two runs have no row in common that can be compared"
            + (f": {left_out[0].file}: {left_out[0].subject}: {left_out[0].reason}" if left_out else "")
        )
    warnings = tuple(_warnings(first, second, timed=any(row.figure == _MEDIAN for row in rows)))
    return RunComparison(first.kind, bound, tuple(rows), tuple(left_out), warnings)


def ratio_of_medians(first: Summary, second: Summary) -> MedianRatio:
    """The ratio of two medians, with an interval.

    The interval is that of the difference of their logarithms: MOVER, the method of variance estimates recovery
    (G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general approach", Stat. Med.
    27, 2008), which takes the distance of each median to the end of its own 95 % interval for the width of its error on
    that side. Samples are not needed.

    Raises:
        EvaluationError: A median, or an end of its interval, is 0 or less.
    """
    for summary in (first, second):
        if not 0 < summary.p50_low <= summary.p50 <= summary.p50_high:
            raise EvaluationError("a median that is not above 0, or not within its interval, has no ratio")
    (low_a, a, high_a), (low_b, b, high_b) = (
        [math.log(value) for value in (summary.p50_low, summary.p50, summary.p50_high)] for summary in (first, second)
    )
    value = b - a
    low, high = value - math.hypot(b - low_b, high_a - a), value + math.hypot(high_b - b, a - low_a)
    try:
        return MedianRatio(*(math.exp(number) for number in (value, low, high)))
    except OverflowError as error:
        raise EvaluationError(f"medians of {first.p50:g} and {second.p50:g} ms are too far apart") from error


def runtime_name(runtime: str) -> str:
    """The names in ``ai_edge_litert 2.3.0, onnxruntime 1.32.0``."""
    return re.sub(r"(?<=\S) \d[^ ,]*(?=,|$)", "", runtime)


def subject_key(subject: Subject) -> Key:
    """What must be the same in two rows that are compared."""
    return (subject.model_id, subject.precision, runtime_name(subject.runtime), subject.threads, subject.stage)


def _groups(first: Sequence[Row], second: Sequence[Row]) -> Iterator[tuple[list[Row], list[Row]]]:
    """Rows of one subject in both runs."""
    groups: dict[Key, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for number, rows in enumerate((first, second)):
        for row in rows:
            groups[subject_key(row.subject)][number].append(row)
    yield from groups.values()


def _pairs(ours: Sequence[Row], theirs: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Which row belongs to which, where several files claim to be one subject: the same file first, then the name."""
    pairs: list[tuple[Row, Row]] = []
    tests: tuple[Callable[[Subject], object], ...] = (
        lambda subject: (subject.file_sha256, subject.name),
        lambda subject: subject.name,
        lambda subject: None,
    )
    for test in tests:
        alike: dict[object, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
        for number, rows in enumerate((ours, theirs)):
            for row in rows:
                alike[test(row.subject)][number].append(row)
        pairs += [(one[0], other[0]) for one, other in alike.values() if len(one) == len(other) == 1]
        taken = {id(row) for pair in pairs for row in pair}
        ours, theirs = ([row for row in rows if id(row) not in taken] for rows in (ours, theirs))
    return pairs


def _left_out(file: str, rows: Sequence[Row], taken: Sequence[Row], *, alone: bool) -> list[LeftOut]:
    reason = f"only {file} has it" if alone else "several rows are of this subject, and which is which cannot be told"
    compared = {id(row) for row in taken}
    return [LeftOut(file, row.subject, reason) for row in rows if id(row) not in compared]


def _compared(one: Row, other: Row, bound: float) -> ComparedRow | str:
    """The comparison, or why there is none."""
    if one.summary is not None and other.summary is not None:
        figure, values = _MEDIAN, (one.summary.p50, other.summary.p50)
        try:
            ratio = ratio_of_medians(one.summary, other.summary)
        except EvaluationError as error:
            return str(error)
    else:
        a, b = counted(one.figures), counted(other.figures)
        if a is None or b is None or a.unit != b.unit:
            return "there is neither a median nor a count in both files"
        figure, values = a.unit, (a.value, b.value)
        ratio = MedianRatio(*[b.value / a.value] * 3)
    return ComparedRow(
        one.subject,
        other.subject,
        figure,
        values,
        ratio,
        _verdict(ratio, bound),
        tuple(_differences(vars(one.subject), vars(other.subject))),
        (_flags(one), _flags(other)),
    )


def _flags(row: Row) -> tuple[str, ...]:
    return () if row.summary is None else row.summary.flags


def _verdict(ratio: MedianRatio, bound: float) -> str:
    if ratio.low > bound:
        return "regression"
    if ratio.low > 1:
        return "worse"
    if ratio.high < 1:
        return "better"
    return "no difference" if ratio.low == ratio.high == 1 else "may be chance"


def _warnings(first: Run, second: Run, *, timed: bool) -> Iterator[str]:
    if timed and not _same_machine(first.device, second.device):
        yield "these are two devices: the ratios are those of the devices, not of two versions of the software"
    for file, run in (("A", first), ("B", second)):
        if timed and run.device.emulated is not None:
            yield f"{file} ran on an emulated device ({run.device.emulated}), whose times say nothing about a real one"
        if not run.complete:
            yield f"{file} was interrupted: it holds the samples up to then"
        if run.conditions and (reasons := run.conditions[1].throttled_since(run.conditions[0])):
            yield f"{file} was throttled: {', '.join(reasons)}"
    a, b = ("/".join(run.conditions[0].governors) if run.conditions else "" for run in (first, second))
    if a != b:
        yield f"governor: {a or 'unknown'} against {b or 'unknown'}"
    for name, one, other in (
        ("device", first.device.to_dict(), second.device.to_dict()),
        ("settings", first.settings, second.settings),
    ):
        yield from (f"{name}, {difference}" for difference in _differences(one, other))


def _same_machine(a: Device, b: Device) -> bool:
    return all(
        getattr(a, name) == getattr(b, name)
        for name in ("architecture", "cpu", "features", "cpus", "clusters", "cpu_limit", "board", "emulated")
    )


def _differences(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Fields that differ, by name, with both values; objects within objects by their own fields."""
    for key in dict.fromkeys((*first, *second)):
        a, b = first.get(key), second.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            yield f"{prefix}{key}: {_shown(a)} against {_shown(b)}"


def _shown(value: Any) -> str:
    """A value in a line of text; of a long one its beginning."""
    text = "none" if value is None or value == [] else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

"""The report of benchmarks: one HTML page for any number of files of results.

Every run keeps its own tables, with the device, the date and the versions beside them. Nothing is averaged over runs;
where several runs timed the same subject, their medians stand side by side.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ghostface_edge.errors import EvaluationError

from . import page, result_terms, results_chart
from .page import Cell
from .printable import number_text
from .result_figures import flat, spread
from .result_labels import RowLabels
from .results_compare import runtime_name, subject_key
from .run_file import KINDS, Row, Run

_HEADS = {
    "latency": "Latency of one inference",
    "pipeline": "From the photo to the identity, stage by stage",
    "peers": "Beside other runtimes and libraries",
    "arm": "Instructions on emulated ARM cores",
    "macs": "Multiplications, weights and memory, counted",
}

_BY_STAGE = ("peers",)
"""Kinds of runs whose rows compete with those of the same stage alone."""

_TIMES = ("samples", "median", "mean ± std", "min", "p90", "p99", "max", "drift", "flags")


@dataclass(frozen=True)
class NamedRun:
    """A run and where it came from.

    Attributes:
        name: Of its file, without the folder.
        run: What was in it.
    """

    name: str
    run: Run


def to_html(runs: Sequence[NamedRun], *, title: str | None = None) -> str:
    """The report as one HTML page that needs nothing else.

    Args:
        runs: At least one, of any kinds and devices.
        title: Of the page; by default what there is.

    Raises:
        EvaluationError: No run.
    """
    if not runs:
        raise EvaluationError("there are no results to report")
    devices = dict.fromkeys(_device_name(item.run) for item in runs)
    where = next(iter(devices)) if len(devices) == 1 else f"{len(devices)} devices"
    timed = any(row.summary is not None for item in runs for row in item.run.rows)
    kinds = [kind for kind in KINDS if any(item.run.kind == kind for item in runs)]
    sections = [("runs", "Runs", _overview(runs))]
    sections += [(kind, _HEADS[kind], _kind(kind, [item for item in runs if item.run.kind == kind])) for kind in kinds]
    sections.append(("definitions", "What the columns say", _definitions(runs)))
    sections.append(("method", "How it was measured, and what the figures do not say", _method(kinds, timed=timed)))
    return page.to_html(
        title or f"ghostface-edge on {where}",
        lead=f"{'One run' if len(runs) == 1 else f'{len(runs)} runs'} of benchmarks. Each figure stands beside the "
        "device, the date and the versions that it belongs to; times come with their spread.",
        sections=sections,
    )


def run_notes(run: Run) -> tuple[str, ...]:
    """What to know before one believes a run's figures, plainly; nothing where all is well."""
    notes = []
    if not run.complete:
        notes.append("Interrupted: the figures are of the samples up to then.")
    if run.device.emulated is not None:
        notes.append(f"Emulated ({run.device.emulated}): times, if there are any, say nothing about a real device.")
    if run.conditions and (reasons := run.conditions[1].throttled_since(run.conditions[0])):
        notes.append(f"Throttled: {', '.join(reasons)}.")
    problems = run.settings.get("problems")
    notes += [f"Problem: {_value(problem)}" for problem in (problems if isinstance(problems, list) else ())]
    timed = [row.summary for row in run.rows if row.summary is not None]
    counts = Counter(flag for summary in timed for flag in summary.flags)
    for flag, count in counts.items():
        share = "all rows" if count == len(timed) else f"{count} of {len(timed)} rows"
        notes.append(f"{flag.capitalize()}, {share}: {result_terms.FLAGS.get(flag, 'see the documentation')}.")
    return tuple(notes)


def _overview(runs: Sequence[NamedRun]) -> str:
    rows = [
        (
            f"{number}. {item.run.kind}",
            (_device_name(item.run), *([f"emulated: {item.run.device.emulated}"] if item.run.device.emulated else [])),
            _date(item.run),
            f"{len(item.run.rows):,}",
            ", ".join(_marks(item.run)) or "none",
            item.name,
        )
        for number, item in enumerate(runs, 1)
    ]
    return page.table(("run", "device", "date", "rows", "flags", "file"), rows, figures=False)


def _kind(kind: str, runs: Sequence[NamedRun]) -> str:
    parts = [_side_by_side(runs)] if len(runs) > 1 else []
    parts += [_run(kind, item) for item in runs]
    return "".join(parts)


def _run(kind: str, item: NamedRun) -> str:
    run = item.run
    parts = [f"<h3>{page.text(_device_name(run))}, {page.text(_date(run))}</h3>"]
    parts += [f'<p class="warning">{page.text(note)}</p>' for note in run_notes(run)]
    if not run.rows:
        parts.append("<p>No rows: nobody has measured this yet.</p>")
    for head, rows in _groups(run):
        labels = RowLabels(rows)
        said = f"All rows: {labels.common}. " if labels.common and len(rows) > 1 else ""
        title = f"{_HEADS[kind]}, {head}" if head else _HEADS[kind]
        parts += [f"<h4>{page.text(head)}</h4>" if head else "", results_chart.to_html(rows, labels, title=title)]
        parts += [_times(rows, labels, said), _figures(rows, labels, said)]
    skipped = [f"{row.subject}: {reason}" for row in run.rows if (reason := _skipped(row)) is not None]
    absent = run.settings.get("skipped")
    skipped += map(_value, absent) if isinstance(absent, list) else ()
    if skipped:
        parts.append(f"<p>Not measured:</p>{page.bullets(skipped)}")
    parts.append(_facts(item))
    return "".join(parts)


def _groups(run: Run) -> list[tuple[str, list[Row]]]:
    """Rows that belong beside each other, and what is said above them."""
    rows = [row for row in run.rows if _skipped(row) is None]
    if run.kind not in _BY_STAGE:
        return [("", rows)]
    stages = dict.fromkeys(row.subject.stage for row in rows)
    return [(stage, [row for row in rows if row.subject.stage == stage]) for stage in stages]


def _skipped(row: Row) -> str | None:
    """Why a row was not measured; None if it was."""
    reason = row.figures.get("skipped")
    return reason if row.summary is None and isinstance(reason, str) else None


def _times(rows: Sequence[Row], labels: RowLabels, said: str) -> str:
    timed = [(row.subject, row.summary) for row in rows if row.summary is not None]
    if not timed:
        return ""
    cells: list[Sequence[Cell]] = [
        (
            labels.of(subject),
            f"{summary.count:,}",
            (_ms(summary.p50), f"{_ms(summary.p50_low)} to {_ms(summary.p50_high)}"),
            f"{_ms(summary.mean)} ± {_ms(summary.std)}",
            _ms(summary.min),
            _ms(summary.p90),
            _ms(summary.p99),
            _ms(summary.max),
            f"{summary.drift:.3f}",
            summary.flags or "none",
        )
        for subject, summary in timed
    ]
    return page.table(("subject", *_TIMES), cells, caption=f"{said}Milliseconds; below a median its 95 % interval.")


def _figures(rows: Sequence[Row], labels: RowLabels, said: str) -> str:
    found = [(row.subject, dict(flat(row.figures))) for row in rows if row.figures]
    names = list(dict.fromkeys(name for _, figures in found for name in figures))
    if not names:
        return ""
    cells: list[Sequence[Cell]] = [
        (labels.of(subject), *(_cell(figures[name]) if name in figures else "–" for name in names))
        for subject, figures in found
    ]
    return page.table(("subject", *names), cells, caption=f"{said}Further figures; below one its spread.")


def _side_by_side(runs: Sequence[NamedRun]) -> str:
    """Medians of the same subject in several runs; nothing where no two runs share one."""
    table: dict[object, dict[int, list[Row]]] = {}
    for place, item in enumerate(runs):
        for row in item.run.rows:
            if row.summary is not None:
                table.setdefault((row.subject.name, subject_key(row.subject)), {}).setdefault(place, []).append(row)
    shared = [found for found in table.values() if len(found) > 1]
    if not shared:
        return ""
    heads = ["subject", *(f"{_device_name(item.run)}, {_date(item.run)}, {item.name}" for item in runs)]
    cells: list[Sequence[Cell]] = []
    for found in shared:
        (first, *_), *_ = found.values()
        subject = replace(first.subject, runtime=runtime_name(first.subject.runtime))
        cells.append((str(subject), *(_median(found.get(n)) for n in range(len(runs)))))
    return "<h3>Side by side</h3>" + page.table(
        heads, cells, caption="Median, ms; below it its 95 % interval, the runtime and the flags."
    )


def _median(rows: Sequence[Row] | None) -> Cell:
    if not rows:
        return "–"
    if len(rows) > 1:
        return "several: see below"
    summary = rows[0].summary
    if summary is None:
        return "–"
    lines = (f"{_ms(summary.p50_low)} to {_ms(summary.p50_high)}", rows[0].subject.runtime, ", ".join(summary.flags))
    return (_ms(summary.p50), *filter(None, lines))


def _facts(item: NamedRun) -> str:
    run = item.run
    facts: dict[str, Cell] = {
        "Device": run.device.describe(),
        "CPU features": ", ".join(run.device.features) or "none of those that matter, or the system does not tell",
        "Date": _date(run),
        "Versions": ", ".join(f"{name} {version}" for name, version in run.device.versions.items() if version),
    }
    for name, condition in zip(("Before", "After"), run.conditions):
        facts[name] = condition.describe()
    if run.settings:
        facts["Settings"] = "; ".join(f"{name}: {_value(value)}" for name, value in flat(run.settings))
    facts["Command"] = " ".join(run.command)
    facts["File"] = item.name
    files = [replace(row.subject, threads=0, stage="") for row in run.rows if row.subject.file_sha256]
    if files:
        lines = tuple(dict.fromkeys(f"{subject}: {subject.file_sha256}" for subject in files))
        facts["Model files"] = ("sha256", *lines)
    return page.facts(facts)


def _definitions(runs: Sequence[NamedRun]) -> str:
    rows = [row for item in runs for row in item.run.rows]
    terms = list(result_terms.SUBJECT)
    if any(row.summary is not None for row in rows):
        terms += result_terms.TIMES
    names = dict.fromkeys(name for row in rows if _skipped(row) is None for name, _ in flat(row.figures))
    terms += [(name, result_terms.figure_term(name) or "Not described by this version.") for name in names]
    return f"<dl>{''.join(f'<dt>{page.text(term)}</dt><dd>{page.text(text)}</dd>' for term, text in terms)}</dl>"


def _method(kinds: Sequence[str], *, timed: bool) -> str:
    return page.bullets(
        [
            *(result_terms.METHOD if timed else ()),
            *(text for kind in kinds for text in result_terms.CAVEATS.get(kind, ())),
        ]
    )


def _cell(value: Any) -> Cell:
    found = spread(value)
    if found is None:
        return _value(value)
    middle, low, high = (number_text(number, 4) for number in found)
    return middle, f"{low} to {high}", *(["noisy"] if value.get("noisy") is True else [])


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number_text(value, 4)
    if isinstance(value, list) and not any(isinstance(item, (list, dict)) for item in value):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if value else "none"


def _ms(value: float) -> str:
    return number_text(value, 4)


def _marks(run: Run) -> list[str]:
    """Flags of a run and of its rows, each once."""
    marks = [] if run.complete else ["incomplete"]
    if run.conditions and run.conditions[1].throttled_since(run.conditions[0]):
        marks.append("throttled")
    return list(dict.fromkeys(marks + [flag for row in run.rows if row.summary for flag in row.summary.flags]))


def _device_name(run: Run) -> str:
    return run.device.board or run.device.cpu or run.device.architecture


def _date(run: Run) -> str:
    return f"{run.created[:16].replace('T', ' ')} UTC"

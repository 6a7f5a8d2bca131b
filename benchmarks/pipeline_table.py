"""What a run of ``bench pipeline`` says, for people."""

from __future__ import annotations

from collections.abc import Callable

from .pipeline import ENGINE, ENGINE_MAIN, WHOLE
from .result_terms import FLAGS
from .run_file import Row, Run

_HEADER = ("step", "samples", "p50", "95 %", "p90", "p99", "mean", "min", "p50 alone", "share", "flags")

_METHOD = (
    "Each picture goes its way twice: step by step, through the parts that {call} is made of, and at once: {whole} "
    "is {call} and a search for each of its faces. The steps from align on count pictures with a face alone. Files "
    "come from memory, not from a disk. "
    "p50 alone: of what ran while the system took no CPU away for another program."
)


def pipeline_text(run: Run, table: Callable[..., str]) -> str:
    """The run as a table, with what it ran on and what to know about it; ``table`` draws a header and rows."""
    settings = run.settings
    before, after = run.conditions
    subject = run.rows[0].subject
    figures = {row.subject.stage: row.figures for row in run.rows}
    call = ENGINE_MAIN if settings.get("main") else ENGINE  # runs of earlier versions do not say
    engine, whole = figures[call], figures[WHOLE]
    libraries = ", ".join(f"{name} {version}" for name, version in run.device.versions.items() if version)
    threads = "1 thread" if subject.threads == 1 else f"{subject.threads} threads"
    rounds = sum(row.summary.count for row in run.rows if row.subject.stage == WHOLE and row.summary)
    lines = [
        f"{run.created}, {run.device.describe()}",
        libraries,
        f"before: {before.describe()}; after: {after.describe()}",
        f"{subject.name}, {subject.precision}, {subject.runtime}, {threads}; "
        f"gallery of {settings['templates']:,} people",
        f"input: {settings['shots']}, {settings['faces']} faces in {settings['pictures']}, {rounds} looked at in all",
        "",
        "Milliseconds (p50 with its 95 % interval), for each picture and for each face",
        table(_HEADER, [_cells(row) for row in run.rows]),
        "",
        f"{whole['frames_per_second']:.1f} frames per second",
        f"{call} adds {engine['added_ms']:.3f} ms ({engine['added_low_ms']:.3f} to {engine['added_high_ms']:.3f}) to "
        f"the {engine['steps_ms']:.3f} of its steps on the same picture",
        "",
        _METHOD.format(call=call, whole=WHOLE),
    ]
    seen = dict.fromkeys(flag for row in run.rows if row.summary for flag in row.summary.flags)
    lines += [f"{flag}: {FLAGS[flag]}" for flag in seen]
    lines += [f"throttled by: {reason}" for reason in settings["throttled"]]
    lines += [f"left out: {name}: {reason}" for name, reason in settings["left_out"].items()]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    summary = row.summary
    assert summary is not None  # noqa: S101 - a row of this kind has one
    return (
        row.subject.stage,
        str(summary.count),
        f"{summary.p50:.3f}",
        f"{summary.p50_low:.3f} to {summary.p50_high:.3f}",
        *(f"{value:.3f}" for value in (summary.p90, summary.p99, summary.mean, summary.min)),
        "" if row.figures["undisturbed_p50"] is None else f"{row.figures['undisturbed_p50']:.3f}",
        f"{row.figures['share']:.1%}" if "share" in row.figures else "",
        " ".join(summary.flags),
    )

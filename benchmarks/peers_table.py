"""What a run of ``bench peers`` says, for people."""

from __future__ import annotations

from collections.abc import Callable

from .result_terms import FLAGS
from .run_file import Row, Run

_TITLES = {
    "embed": "Embedding one aligned face",
    "detect": "Finding faces",
    "faces": "Finding and embedding faces",
    "main": "Finding and embedding the main face",
}
_HEADER = (
    "who",
    "precision",
    "runtime",
    "samples",
    "p50",
    "95 %",
    "p90",
    "p99",
    "p50 alone",
    "CPU",
    "ratio",
    "95 %",
    "flags",
)
_RESULT = {"embed": "cosine", "detect": "faces", "faces": "faces", "main": "faces"}


def peers_text(run: Run, table: Callable[..., str]) -> str:
    """The run as tables, with what it ran on and who is missing; ``table`` draws a header and rows."""
    settings = run.settings
    before, after = run.conditions
    libraries = ", ".join(f"{name} {version}" for name, version in run.device.versions.items() if version)
    threads = "1 thread" if settings["threads"] == 1 else f"{settings['threads']} threads"
    lines = [
        f"{run.created}, {run.device.describe()}",
        libraries,
        f"before: {before.describe()}; after: {after.describe()}",
        f"input: {settings['photo']}, {settings['width']} x {settings['height']} pixels, embedders get its "
        f"aligned faces; {threads}; those of a group took turns",
        "Milliseconds (p50 with its 95 % interval; alone: of calls from which the system took no CPU away for another "
        "program; CPU: time of all threads; ratio to the first row of the group, of such calls in paired rounds)",
    ]
    for group, title in _TITLES.items():
        rows = [row for row in run.rows if row.subject.stage == group]
        timed = [row for row in rows if row.summary is not None]
        if rows:
            lines += ["", title]
        if timed:
            lines.append(table((*_HEADER, _RESULT[group]), [_cells(row, _RESULT[group]) for row in timed]))
        lines += [f"skipped: {row.subject.name}: {row.figures['skipped']}" for row in rows if row.summary is None]
    seen = dict.fromkeys(flag for row in run.rows for flag in _flags(row))
    lines.append("")
    if any("cosine" in row.figures for row in run.rows):
        lines.append("cosine: the least between its embeddings and those of the first row: 1 where they are the same")
    lines += [f"{flag}: {FLAGS[flag]}" for flag in seen]
    lines += [f"throttled by: {reason}" for reason in settings["throttled"]]
    return "\n".join(lines)


def _cells(row: Row, result: str) -> tuple[str, ...]:
    summary, ratio = row.summary, row.figures["ratio"]
    assert summary is not None  # noqa: S101 - the caller chose rows that have one
    return (
        row.subject.name,
        row.subject.precision,
        row.subject.runtime,
        str(summary.count),
        f"{summary.p50:.3f}",
        f"{summary.p50_low:.3f} to {summary.p50_high:.3f}",
        f"{summary.p90:.3f}",
        f"{summary.p99:.3f}",
        *("" if row.figures[name] is None else f"{row.figures[name]:.3f}" for name in ("undisturbed_p50", "cpu_ms")),
        "1" if ratio is None else f"{ratio['value']:.3f}",
        "" if ratio is None else f"{ratio['low']:.3f} to {ratio['high']:.3f}",
        " ".join(_flags(row)),
        f"{row.figures[result]:.6f}" if result == "cosine" else str(row.figures[result]),
    )


def _flags(row: Row) -> tuple[str, ...]:
    """Those of the times, and of the ratio."""
    ratio = row.figures.get("ratio")
    flags = () if row.summary is None else row.summary.flags
    return tuple(dict.fromkeys((*flags, *(["noisy-ratio"] if ratio and ratio["noisy"] else []))))

"""What a run of ``bench arm`` says, for people."""

from __future__ import annotations

from collections.abc import Callable

from ..run_file import Row, Run
from .instructions import CLASSES

_HEADER = (
    "model", "precision", "runtime", "core", "total", "spread",
    *(name.replace("_", " ") for name in CLASSES), "outputs",
)  # fmt: skip


def arm_text(run: Run, table: Callable[..., str]) -> str:
    """The run as a table, with what it ran on; ``table`` draws a header and rows."""
    guest = ", ".join(f"{name} {version}" for name, version in run.settings["guest"].items())
    lines = [
        f"{run.created}, {run.device.describe()}",
        f"in the emulated machine: {guest}",
        f"input: {run.settings['input']}; one thread; the network alone, one picture at a time",
        "",
        "Million instructions per inference. They are no milliseconds: an emulator has no pipeline, caches or clock.",
        table(_HEADER, [_cells(row) for row in run.rows]),
        "",
        "spread: largest less smallest of the rounds, relative to their median",
        "outputs: compared with this machine's, from the same file and the same version of the runtime",
    ]
    if not run.complete:
        lines.append("interrupted: what was finished is here")
    lines += [f"left out: {reason}" for reason in run.settings["skipped"]]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[object, ...]:
    figures, subject = row.figures, row.subject
    counts, rounds = figures["instructions"], figures["instructions_by_round"]
    outputs = "identical"
    if not figures["identical"]:
        outputs = f"differ by {figures['relative_difference']:.1e}, cosine {figures['cosine']:.5f}"
    return (
        figures["file"] or subject.name,
        subject.precision,
        subject.runtime,
        subject.stage.rpartition(" ")[2],
        f"{counts['total'] / 1e6:.2f}",
        f"{(rounds['max'] - rounds['min']) / rounds['p50']:.2%}",
        *(f"{counts[name] / 1e6:.2f}" for name in CLASSES),
        outputs,
    )

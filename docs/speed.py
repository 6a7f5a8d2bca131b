"""Puts the figures of ``benchmarks/results/`` into the tables of README.md, section "How fast".

::

    python docs/speed.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ghostface_edge.atomic import replacing
from ghostface_edge.benchmarks.run_file import Row, Run

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"

_TABLE = re.compile(r"(<!-- ((latency|peers|pipeline)-[\w.-]+\.json) -->\n).*?(?=<!-- end -->)", re.DOTALL)
_STAGES = {
    "embed": "one aligned face",
    "detect": "find three faces",
    "faces": "find and embed three faces",
    "main": "find and embed the main face",
}


def rewritten(page: str) -> str:
    """The page with the figures of the files that its tables name."""
    return _TABLE.sub(lambda found: f"{found[1]}{_text(found[3], Run.read(RESULTS / found[2]))}\n", page)


def _text(kind: str, run: Run) -> str:
    versions = ", ".join(
        f"{name} {run.device.versions[name]}" for name in ("onnxruntime", "ai-edge-litert", "opencv", "numpy")
    )
    made = f"{run.created[:10]}, {run.device.cpu}, {run.device.cpus} CPUs, {versions}. `{' '.join(run.command)}`"
    return "\n".join([*_TABLES[kind](run), "", made])


def _latency(run: Run) -> list[str]:
    columns = list(dict.fromkeys((row.subject.runtime, row.subject.precision) for row in run.rows))
    names = list(dict.fromkeys(row.subject.name for row in run.rows))
    found = {(row.subject.name, row.subject.runtime, row.subject.precision): row for row in run.rows}
    lines = _head("network", *(f"{runtime.split()[0]} {precision}" for runtime, precision in columns))
    for name in names:
        lines.append(_line(f"`{name}`", *(_median(found[(name, *column)]) for column in columns)))
    return lines


def _peers(run: Run) -> list[str]:
    lines = _head("task", "who", "runtime", "ms", "ratio to the task's first", "flags")
    for row in run.rows:
        if row.summary is not None:
            ratio = row.figures.get("ratio")
            shown = "1" if ratio is None else f"{ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"
            subject = row.subject
            flags = ", ".join(row.summary.flags)
            lines.append(_line(_STAGES[subject.stage], subject.name, subject.runtime, _median(row), shown, flags))
    return lines


def _pipeline(run: Run) -> list[str]:
    lines = _head("step", "ms", "p99", "flags")
    for row in run.rows:
        if row.summary is not None:
            flags = ", ".join(row.summary.flags)
            lines.append(_line(row.subject.stage, _median(row), f"{row.summary.p99:.2f}", flags))
    return lines


def _median(row: Row) -> str:
    summary = row.summary
    if summary is None:
        return "-"
    return f"{summary.p50:.2f} ({summary.p50_low:.2f} to {summary.p50_high:.2f})"


def _head(*cells: str) -> list[str]:
    return [_line(*cells), _line(*["---"] * len(cells))]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


_TABLES: dict[str, Callable[[Run], list[str]]] = {"latency": _latency, "peers": _peers, "pipeline": _pipeline}


if __name__ == "__main__":
    with replacing(PAGE) as file:
        file.write(rewritten(PAGE.read_text(encoding="utf-8")).encode())

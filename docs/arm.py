"""Puts the figures of ``benchmarks/results/arm-*.json`` into the tables of ``docs/arm.md``.

::

    python docs/arm.py
"""

from __future__ import annotations

import re
from pathlib import Path

from ghostface_edge.atomic import replacing
from ghostface_edge.benchmarks.run_file import Row, Run

PAGE = Path(__file__).with_suffix(".md")
RESULTS = PAGE.parent.parent / "benchmarks" / "results"

_TABLE = re.compile(r"(<!-- (arm-[\w.-]+\.json) -->\n).*?(?=<!-- end -->)", re.DOTALL)
_CLASSES = ("load", "store", "float_multiply", "half_multiply", "int_multiply", "dot_product", "other")


def rewritten(page: str) -> str:
    """The page with the figures of the files that its tables name."""
    return _TABLE.sub(lambda match: f"{match[1]}{tables(Run.read(RESULTS / match[2]))}\n", page)


def tables(run: Run) -> str:
    """Markdown: totals of each model by core, then the classes, then what it ran on."""
    cores = run.settings["cores"]
    models: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in run.rows:
        subject = row.subject
        models.setdefault((subject.name, subject.runtime, subject.precision), {})[_core(row)] = row
    lines = [_line("network", "runtime", "precision", *cores), _line(*["---"] * 3, *["---:"] * len(cores))]
    for key, rows in models.items():
        lines.append(_line(*key, *(f"{rows[core].figures['instructions']['total'] / 1e6:.2f}" for core in cores)))
    heads = [name.replace("_", " ") for name in _CLASSES]
    lines += ["", _line("runtime", "precision", "core", *heads, "outputs"), _line(*["---"] * 3, *["---:"] * 7, "---")]
    for (name, runtime, precision), rows in models.items():
        del name
        for core, row in rows.items():
            counts = row.figures["instructions"]
            lines.append(
                _line(runtime, precision, core, *(f"{counts[kind] / 1e6:.2f}" for kind in _CLASSES), _outputs(row))
            )
    spreads = [row.figures["instructions_by_round"] for row in run.rows]
    widest = max((item["max"] - item["min"]) / item["p50"] for item in spreads)
    guest = ", ".join(f"{name} {version}" for name, version in run.settings["guest"].items())
    lines += [
        "",
        f"{run.created[:10]}, {run.device.emulated}, on {run.device.cpu}; in the emulated machine {guest}. "
        f"Rounds of one process differ by at most {widest:.2%}. `{' '.join(run.command)}`",
    ]
    return "\n".join(lines)


def _core(row: Row) -> str:
    return row.subject.stage.rpartition(" ")[2]


def _outputs(row: Row) -> str:
    figures = row.figures
    if figures["identical"]:
        return "identical"
    return f"{figures['relative_difference']:.1e}, cosine {figures['cosine']:.5f}"


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    with replacing(PAGE) as file:
        file.write(rewritten(PAGE.read_text(encoding="utf-8")).encode())

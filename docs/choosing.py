"""Puts the figures of ``benchmarks/results/`` into the table of ``docs/choosing.md``, and draws ``docs/choosing.svg``.

::

    python docs/choosing.py
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghostface_edge.atomic import replacing
from ghostface_edge.benchmarks.bar_chart import Bar, to_svg
from ghostface_edge.benchmarks.run_file import Row, Run

PAGE = Path(__file__).with_suffix(".md")
CHART = Path(__file__).with_suffix(".svg")
RESULTS = PAGE.parent.parent / "benchmarks" / "results"

CORES = {"cortex-a53": "A53", "cortex-a72": "A72", "cortex-a76": "A76"}
RUNTIME = "ai_edge_litert"
DETECTORS = ("yunet",)

_TABLE = re.compile(r"(<!-- ([\w./ -]+\.json) -->\n).*?(?=<!-- end -->)", re.DOTALL)
_SHADES = "--ink: #1f2429; --faint: #5c6670; --grid: #d5dae0; background: white"


@dataclass(frozen=True)
class Sources:
    """The files that the table is made of.

    Attributes:
        counts: Of ``bench arm``.
        times: Of ``bench latency``.
        accuracy: Of ``eval lfw --json``, the first system in float32.
    """

    counts: tuple[Run, ...]
    times: Run
    accuracy: dict[str, Any]

    @classmethod
    def read(cls, names: str) -> Sources:
        """The files of these names, separated by spaces."""
        runs = [Run.read(RESULTS / name) for name in names.split() if not name.startswith("eval/")]
        (accuracy,) = (name for name in names.split() if name.startswith("eval/"))
        (times,) = (run for run in runs if run.kind == "latency")
        counts = tuple(run for run in runs if run.kind == "arm")
        return cls(counts, times, json.loads((RESULTS / accuracy).read_text(encoding="utf-8")))

    def files(self) -> dict[tuple[str, str], dict[str, Row]]:
        """Of each network, what was counted on each core: by precision on LiteRT, and a detector elsewhere, too."""
        found: dict[tuple[str, str], dict[str, Row]] = {}
        for row in (row for run in self.counts for row in run.rows):
            subject = row.subject
            form = subject.precision
            if not subject.runtime.startswith(RUNTIME):
                if subject.name not in DETECTORS:
                    continue
                form = f"{form} on ONNX Runtime"
            found.setdefault((subject.name, form), {})[subject.stage.rpartition(" ")[2]] = row
        return found

    def timed(self, name: str, precision: str) -> tuple[float, int] | None:
        """The time of a file over that of the run's first, from rounds in which both ran, and its bytes; or None."""
        for row in self.times.rows:
            subject = row.subject
            if (subject.name, subject.precision) == (name, precision) and subject.runtime.startswith(RUNTIME):
                ratio = row.figures["ratio_to_first"]
                return 1.0 if ratio is None else ratio["value"], row.figures["file_bytes"]
        return None

    def evaluated(self, name: str, precision: str) -> tuple[dict[str, Any], dict[str, float]] | None:
        """What was found on LFW, and the cosine to float32; None where the file was not evaluated."""
        for evaluation in self.accuracy["evaluations"]:
            system = evaluation["system"]
            if (system["name"], system["model"]["precision"]) == (name, precision):
                beside = [
                    other["cosine"]
                    for other in self.accuracy["comparisons"]
                    if other["system"]["file"] == system["file"]
                ]
                return evaluation, beside[0] if beside else {"mean": 1.0, "least": 1.0}
        return None


def rewritten(page: str) -> str:
    """The page with the figures of the files that its table names."""
    return _TABLE.sub(lambda found: f"{found[1]}{table(Sources.read(found[2]))}\n", page)


def table(sources: Sources) -> str:
    """Markdown: a line for each file, what it was made by below."""
    heads = (
        "network, precision",
        "bytes",
        *CORES.values(),
        "x86-64",
        "cosine: mean, least",
        "A76 to x86-64",
        "LFW, %",
        "TAR",
    )
    lines = [_line(*heads), _line("---", *["---:"] * (len(heads) - 1))]
    files = sources.files()
    for (name, precision), rows in files.items():
        timed, first = sources.timed(name, precision), sources.timed(name, "float32")
        time = f"{timed[0] / first[0]:.2f}" if timed and first else ""
        size = timed[1] if timed else rows["cortex-a76"].figures["file_bytes"]
        plain = files[name, "float32"]
        counts = [_share(rows.get(core), plain.get(core)) for core in CORES]
        judged = sources.evaluated(name, precision)
        cells = ["", "", ""]
        if judged is not None:
            evaluation, cosine = judged
            tar = next(point["tar"]["value"] for point in evaluation["all_pairs"]["points"] if point["fmr"] == 1e-3)
            cells = [
                f"{cosine['mean']:.6f}, {cosine['least']:.6f}",
                f"{100 * evaluation['accuracy']['accuracy']:.2f} ± {100 * evaluation['accuracy']['std']:.2f}",
                f"{100 * tar:.2f}",
            ]
        lines.append(
            _line(
                f"`{name}`, {precision}",
                f"{size:,}",
                *counts,
                time,
                cells[0],
                f"{rows['cortex-a76'].figures['cosine']:.5f}",
                *cells[1:],
            )
        )
    commands = [" ".join(run.command) for run in (*sources.counts, sources.times)]
    return "\n".join([*lines, "", f"Made by `{'`, `'.join(commands)}`."])


def chart(page: str) -> str:
    """Bars: instructions over those of float32 on the same core."""
    everything = next(Sources.read(found[2]) for found in _TABLE.finditer(page)).files()
    files = {key: rows for key, rows in everything.items() if rows["cortex-a76"].subject.runtime.startswith(RUNTIME)}
    precisions = list(dict.fromkeys(precision for _, precision in files if precision != "float32"))
    bars = []
    for core, short in CORES.items():
        for (name, precision), rows in files.items():
            if precision != "float32" and core in rows:
                share = _count(rows[core]) / _count(files[name, "float32"][core])
                before = (0.0,) * precisions.index(precision)
                bars.append(Bar(f"Cortex-{short}, {name}, {precision}", (*before, share)))
    drawing = to_svg(
        bars,
        title="Instructions per inference on LiteRT, as a share of those of float32 on the same core",
        unit="instructions, float32 on the same core = 1",
        names=precisions,
    )
    return drawing.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" style="{_SHADES}" ', 1) + "\n"


def _share(row: Row | None, plain: Row | None) -> str:
    """Millions of instructions, and over those of float32; nothing where they were not counted."""
    return f"{_count(row) / 1e6:.2f} ({_count(row) / _count(plain):.2f})" if row and plain else ""


def _count(row: Row) -> float:
    return float(row.figures["instructions"]["total"])


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    for path, text in ((PAGE, rewritten(before)), (CHART, chart(before))):
        with replacing(path) as file:
            file.write(text.encode())

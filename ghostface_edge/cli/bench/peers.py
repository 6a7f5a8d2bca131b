"""This package beside others on the same work."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from ..options import given, measured_options
from ..output import answer, check_place, report, table, without_notices

if TYPE_CHECKING:
    from ghostface_edge.benchmarks.run_file import Run

_GROUPS = {"embed": "Embedding one face", "detect": "Finding faces", "faces": "Finding and embedding faces"}
_HEADER = ("who", "runtime", "median ms", "95 % of median", "90th pct", "ratio to ours", "95 % of ratio", "flags")


@click.command(short_help="Time ours beside ONNX Runtime, OpenCV, TensorFlow, InsightFace.")
@click.argument("photo", metavar="[PHOTO]", required=False)
@click.option("--embedding", is_flag=True, help="Only who embeds: the same network on each runtime.")
@click.option("--detection", is_flag=True, help="Only who finds faces.")
@click.option("--faces", is_flag=True, help="Only who does both: FaceEngine, InsightFace's FaceAnalysis.")
@click.option("--model", metavar="NAME|PATH", help="A known model or a checkpoint.  [default: ghostfacenet-w0.5-s2]")
@click.option("--scrfd", metavar="FILE", help="A model file of InsightFace's SCRFD, with landmarks.")
@click.option(
    "--insightface",
    metavar="DIR",
    help="Where InsightFace's models are; nothing is downloaded.  [default: ~/.insightface]",
)
@click.option("--quick", is_flag=True, help="Seconds for each, not a minute; the results are labelled so.")
@click.option("-o", "--output", metavar="FILE.json", help="Also write the results to a file.")
@measured_options
def peers(
    photo: str | None,
    embedding: bool,
    detection: bool,
    faces: bool,
    quick: bool,
    output: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Time this package beside others, in turns: who embeds, who finds faces, who does both.

    All see one PHOTO, shrunk to 640 pixels; by default people who were drawn. What is not installed is skipped, with
    the reason.
    """
    if output is not None:
        check_place(output, *([] if photo is None else [photo]))
    asked = {"embed": embedding, "detect": detection, "faces": faces}
    groups = [group for group, wanted in asked.items() if wanted or not any(asked.values())]
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    measure = import_module("ghostface_edge.benchmarks.peers").measure_peers
    with without_notices():
        measured = measure(photo, groups=groups, quick=quick, **given(options))
    if output is not None:
        measured.write(output)
        report("note", f"results written to {output}")
    answer(measured.to_dict(), _text(measured), as_json)


def _text(run: Run) -> str:
    """The results for people."""
    settings = run.settings
    threads = "1 thread" if settings["threads"] == 1 else f"{settings['threads']} threads"
    lines = [
        f"{settings['photo']}, {settings['width']} x {settings['height']} pixels; {threads}; {run.created}",
        run.device.describe(),
    ]
    for group, title in _GROUPS.items():
        rows = [row for row in run.rows if row.subject.stage == group]
        timed = [row for row in rows if row.summary is not None]
        if timed:
            lines += ["", title, table((*_HEADER, _RESULT[group]), [_cells(row, group) for row in timed])]
        lines += [
            f"{title}, skipped: {row.subject.name}: {row.figures['skipped']}" for row in rows if row.summary is None
        ]
    if not run.complete:
        lines.append("Interrupted: these are the samples taken until then.")
    return "\n".join(lines)


_RESULT = {"embed": "least cosine to ours", "detect": "faces", "faces": "faces"}


def _cells(row: Any, group: str) -> list[str]:
    times, ratio = row.summary, row.figures["ratio"]
    result = f"{row.figures['cosine']:.6f}" if group == "embed" else str(row.figures["faces"])
    return [
        f"{row.subject.name} {row.subject.precision}",
        row.subject.runtime,
        f"{times.p50:.3f}",
        f"{times.p50_low:.3f} to {times.p50_high:.3f}",
        f"{times.p90:.3f}",
        f"{ratio['value']:.2f}",
        f"{ratio['low']:.2f} to {ratio['high']:.2f}",
        " ".join(dict.fromkeys((*times.flags, *(["noisy ratio"] if ratio["noisy"] else [])))),
        result,
    ]

"""This package beside others on the same work."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from ...notices import without_notices
from ..options import THREADS, given, measured_options
from ..output import INTERRUPTED, answer, check_place, progress_bar, report, table


@click.command(short_help="Time ours beside ONNX Runtime, OpenCV, TensorFlow, InsightFace.")
@click.argument("photo", metavar="[PHOTO]", required=False)
@click.option("--embedding", is_flag=True, help="Who embeds: the same network on each runtime.")
@click.option("--detection", is_flag=True, help="Who finds faces.")
@click.option("--faces", is_flag=True, help="Who does both: FaceEngine, InsightFace's FaceAnalysis.")
@click.option("--main-face", "main", is_flag=True, help="Who does both for the main face alone, OpenCV beside us.")
@click.option("--model", metavar="NAME|PATH", help="A known model or a checkpoint.  [default: ghostfacenet-w0.5-s2]")
@click.option("--scrfd", metavar="FILE", help="A model file of InsightFace's SCRFD, with landmarks.")
@click.option(
    "--insightface",
    metavar="DIR",
    help="Where InsightFace's models are; nothing is downloaded.  [default: ~/.insightface]",
)
@click.option("--quick", is_flag=True, help="Seconds instead of a minute for each row; labelled so.")
@THREADS
@measured_options
def peers(
    photo: str | None,
    embedding: bool,
    detection: bool,
    faces: bool,
    main: bool,
    quick: bool,
    output: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Time this package beside others, in turns: who embeds, who finds faces, who does both. By default all.

    All see one PHOTO, shrunk to 640 pixels; by default people who were drawn. Who is not installed is skipped, with the
    reason. Ctrl-C keeps what was measured.
    """
    if output is not None:
        check_place(output, *([] if photo is None else [photo]))
    asked = {"embed": embedding, "detect": detection, "faces": faces, "main": main}
    groups = [group for group, wanted in asked.items() if wanted or not any(asked.values())]
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    bench, tables = (import_module(f"ghostface_edge.benchmarks.{module}") for module in ("peers", "peers_table"))
    with without_notices():
        contest = bench.load_peers(photo, groups=groups, **given(options))
    with progress_bar() as progress:
        run = contest.measure(quick=quick, progress=progress)
    if output is not None:
        run.write(output)
        report("note", f"results written to {output}")
    answer(run.to_dict(), tables.peers_text(run, table), as_json)
    return 0 if run.complete else INTERRUPTED

"""How long a photo takes on its way, step by step."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from ..options import RESULTS, engine_options, load_engine
from ..output import INTERRUPTED, answer, check_place, progress_bar, report, table


@click.command(short_help="Time a photo's way: decode, detect, align, embed, match.")
@click.argument("photos", metavar="PHOTOS", nargs=-1)
@click.option(
    "--camera",
    metavar="WxH",
    help="Frames of a simulated camera of this size, such as 1280x720, in place of photos. It sees the one photo that "
    "is named, or drawn people.",
)
@click.option(
    "--gallery",
    "templates",
    type=click.IntRange(1, 100_000),  # a person takes 5 kB of the disk while it runs
    default=1000,
    show_default=True,
    metavar="N",
    help="People in the gallery that each face is searched in.",
)
@click.option("--main-face", "main", is_flag=True, help="The main face of each picture alone, as verify takes it.")
@click.option("--quick", is_flag=True, help="Seconds instead of a minute; labelled so.")
@RESULTS
@engine_options
def pipeline(
    photos: tuple[str, ...],
    camera: str | None,
    templates: int,
    main: bool,
    quick: bool,
    output: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Time each step of a photo's way, per image and per face, the whole, and what the engine adds to its steps.

    PHOTOS are files and folders of photos; all of them are looked at equally often. Ctrl-C keeps what was measured.
    """
    if camera is None and not photos:
        raise click.UsageError("name photos or a folder of them, or --camera WxH", click.get_current_context())
    if camera is not None and len(photos) > 1:
        raise click.UsageError("the camera sees one photo: name one or none", click.get_current_context())
    if output is not None:
        check_place(output, *photos)
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    shots, bench, tables = (
        import_module(f"ghostface_edge.benchmarks.{module}") for module in ("shots", "pipeline", "pipeline_table")
    )
    seen = shots.PhotoShots(photos) if camera is None else shots.CameraShots(*shots.camera_size(camera), *photos)
    engine = load_engine(**options)
    with progress_bar() as progress:
        run = bench.measure_pipeline(
            engine,
            seen,
            templates=templates,
            main=main,
            file_sha256=engine.embedder.session.sha256,
            quick=quick,
            progress=progress,
        )
    if output is not None:
        run.write(output)
        report("note", f"results written to {output}")
    answer(run.to_dict(), tables.pipeline_text(run, table), as_json)
    return 0 if run.complete else INTERRUPTED

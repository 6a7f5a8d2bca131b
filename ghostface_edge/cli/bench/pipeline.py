"""How long a photo takes on its way, step by step."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from ..options import engine_options, load_engine
from ..output import answer, check_place, report, table

if TYPE_CHECKING:
    from ghostface_edge.benchmarks.run_file import Run

_HEADER = ("step", "samples", "median ms", "95 % of median", "90th pct", "99th pct", "share", "flags")

_LEGEND = """Steps are timed one by one, through the parts that FaceEngine.faces is made of; "whole" is FaceEngine.faces and
the search for each of its faces. Files come from memory, not from a disk. The search computes on NumPy's own threads."""


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
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="People in the gallery that each face is searched in.",
)
@click.option("--quick", is_flag=True, help="Seconds, not a minute; the results are labelled so.")
@click.option("-o", "--output", metavar="FILE.json", help="Also write the results to a file.")
@engine_options
def pipeline(
    photos: tuple[str, ...],
    camera: str | None,
    templates: int,
    quick: bool,
    output: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Time each step of a photo's way, per image and per face, the whole, and what the engine adds to its steps.

    PHOTOS are files and folders of photos.
    """
    if camera is None and not photos:
        raise click.UsageError("name photos or a folder of them, or --camera WxH", click.get_current_context())
    if camera is not None and len(photos) > 1:
        raise click.UsageError("the camera sees one photo: name one or none", click.get_current_context())
    if output is not None:
        check_place(output, *photos)
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    shots = import_module("ghostface_edge.benchmarks.shots")
    if camera is None:
        seen = shots.PhotoShots(photos)
    else:
        seen = shots.CameraShots(*shots.camera_size(camera), *photos)
    engine = load_engine(**options)
    measured = import_module("ghostface_edge.benchmarks.pipeline").measure_pipeline(
        engine,
        seen,
        templates=templates,
        file_sha256=_file_sha256(options),
        quick=quick,
    )
    for name, reason in measured.settings["left_out"].items():
        report("warning", f"left out {name}: {reason}")
    if output is not None:
        measured.write(output)
        report("note", f"results written to {output}")
    answer(measured.to_dict(), _text(measured), as_json)


def _file_sha256(options: dict[str, Any]) -> str:
    """Of the embedder's file that the options ask for."""
    from ...catalog import DEFAULT_EMBEDDER
    from ...models import ModelStore
    from ...runtime import file_format

    path = ModelStore().resolve(
        options["model"] or DEFAULT_EMBEDDER,
        format=file_format(options["runtime"]),
        precision=options["precision"] or "float32",
    )
    return str(import_module("ghostface_edge.benchmarks.contenders").sha256_of(path))


def _text(run: Run) -> str:
    """The results for people."""
    settings = run.settings
    subject = run.rows[0].subject
    threads = "1 thread" if subject.threads == 1 else f"{subject.threads} threads"
    lines = [
        f"{settings['shots']}, {settings['faces']} faces, gallery of {settings['templates']:,}; {run.created}",
        f"{subject.name}, {subject.precision}, {subject.runtime}, {threads}",
        run.device.describe(),
        "",
        table(_HEADER, [_cells(row) for row in run.rows]),
        "",
    ]
    figures = {row.subject.stage: row.figures for row in run.rows}
    engine = figures["FaceEngine.faces"]
    lines += [
        f"{figures['whole']['frames_per_second']:.1f} frames per second.",
        f"FaceEngine.faces adds {engine['added_ms']:+.3f} ms to its steps on the same picture "
        f"({engine['added_low_ms']:+.3f} to {engine['added_high_ms']:+.3f}), which take {engine['steps_ms']:.2f}.",
        _LEGEND,
    ]
    if not run.complete:
        lines.append("Interrupted: these are the samples taken until then.")
    return "\n".join(lines)


def _cells(row: Any) -> list[str]:
    times = row.summary
    return [
        row.subject.stage,
        str(times.count),
        f"{times.p50:.3f}",
        f"{times.p50_low:.3f} to {times.p50_high:.3f}",
        f"{times.p90:.3f}",
        f"{times.p99:.3f}",
        f"{row.figures['share']:.1%}" if "share" in row.figures else "",
        " ".join(times.flags),
    ]

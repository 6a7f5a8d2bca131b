"""How long an inference takes on this device."""

from __future__ import annotations

from importlib import import_module

import click

from ...notices import without_notices
from ..options import SHORT_PRECISIONS, all_of, measured_options
from ..output import INTERRUPTED, answer, check_place, progress_bar, report, table


def words(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """The words of a list with commas."""
    return tuple(word for word in (value or "").split(",") if word)


subjects = all_of(
    click.argument("models", metavar="[MODEL]...", nargs=-1),
    click.option(
        "--arch",
        "architectures",
        multiple=True,
        metavar="NAME",
        help="An architecture with random weights, such as ghostfacenet-v1-1.3-2: no checkpoint needed. May be "
        "repeated.",
    ),
    click.option(
        "--precision",
        "precisions",
        default="fp32",
        show_default=True,
        callback=words,
        metavar="LIST",
        help="Of known models and architectures: fp32, fp16, int8; on litert also dynamic and int16x8.",
    ),
    click.option(
        "--runtime", "runtimes", callback=words, metavar="LIST", help="onnx, litert.  [default: those installed]"
    ),
)
"""What is measured: models, architectures, and in which forms."""


@click.command(short_help="Time models on this device: cold start, steady state, memory.")
@subjects
@click.option(
    "--threads",
    default="1",
    show_default=True,
    metavar="LIST",
    help="CPU threads of one inference, such as 1,2 or 1-4.",
)
@click.option("--affinity", metavar="CPUS", help="Run on these CPUs: big, little, or numbers such as 0-3,6.")
@click.option(
    "--faces", metavar="DIR", help="Photos or aligned crops to run on.  [default: faces drawn by this program]"
)
@click.option("--quick", is_flag=True, help="Seconds instead of a minute for each row; labelled so.")
@measured_options
def latency(
    models: tuple[str, ...],
    architectures: tuple[str, ...],
    precisions: tuple[str, ...],
    runtimes: tuple[str, ...],
    threads: str,
    affinity: str | None,
    faces: str | None,
    quick: bool,
    output: str | None,
    as_json: bool,
) -> int:
    """Time models side by side: cold start, steady state, memory.

    MODEL is an .onnx or .tflite file, or a name from `models list`. Several models, precisions, runtimes and numbers of
    threads take turns in one run, so that their ratios hold even where the machine is busy. Ctrl-C keeps what was
    measured.
    """
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    bench, crops, cpus, device, tables = (
        import_module(f"ghostface_edge.benchmarks.{module}")
        for module in ("latency", "face_crops", "affinity", "device", "latency_table")
    )
    if output is not None:
        check_place(output, *models)
    counts = device.cpu_list(threads)
    if not counts:
        raise click.UsageError(f"--threads {threads!r} is no list such as 1,2 or 1-4", click.get_current_context())
    if not (models or architectures):
        raise click.UsageError("name a MODEL, or an architecture with --arch", click.get_current_context())
    pictures = crops.drawn_faces() if faces is None else crops.read_face_crops(faces)
    chosen = None if affinity is None else cpus.chosen_cpus(affinity, device.Device.here())
    with cpus.bound_to(chosen):
        with without_notices():
            field = bench.load_field(
                models,
                architectures=architectures,
                precisions=[SHORT_PRECISIONS.get(name, name) for name in precisions],
                runtimes=runtimes,
                threads=counts,
            )
        with progress_bar() as progress:
            run = bench.measure_latency(field, pictures, quick=quick, progress=progress)
    if output is not None:
        run.write(output)
        report("note", f"results written to {output}")
    answer(run.to_dict(), tables.latency_text(run, table), as_json)
    return 0 if run.complete else INTERRUPTED

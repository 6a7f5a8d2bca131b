"""What an inference costs on ARM cores that this machine emulates."""

from __future__ import annotations

from importlib import import_module

import click

from ...notices import without_notices
from ..options import SHORT_PRECISIONS, measured_options
from ..output import INTERRUPTED, answer, check_place, report, table
from .latency import subjects


@click.command(short_help="Count instructions on emulated ARM cores; check outputs there.")
@subjects
@click.option(
    "--core",
    "cores",
    default="a53,a72,a76",
    show_default=True,
    metavar="LIST",
    help="Cortex-A53 (Raspberry Pi 3), A72 (Pi 4), A76 (Pi 5).",
)
@click.option("--threads", type=click.IntRange(1, 1), expose_value=False, help="1: nothing else is counted.")
@measured_options
def arm(
    models: tuple[str, ...],
    architectures: tuple[str, ...],
    precisions: tuple[str, ...],
    runtimes: tuple[str, ...],
    cores: str,
    output: str | None,
    as_json: bool,
) -> int:
    """Count the instructions of an inference on emulated ARM cores, by class, and compare outputs with this machine's.

    MODEL is an .onnx or .tflite file, or a name from `models list`. Needs Debian with qemu-user and gcc; the first run
    downloads an aarch64 Python with the runtimes (about 100 MB), later ones need no network. Exit code 1: outputs or
    kernels are not what they have to be.
    """
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    chosen, measuring, tables = (
        import_module(f"ghostface_edge.benchmarks.arm.{module}") for module in ("core", "measurement", "arm_table")
    )
    if output is not None:
        check_place(output, *models)
    if not (models or architectures):
        raise click.UsageError("name a MODEL, or an architecture with --arch", click.get_current_context())
    with without_notices():
        run = measuring.count_run(
            models,
            architectures=architectures,
            precisions=[SHORT_PRECISIONS.get(name, name) for name in precisions],
            runtimes=runtimes,
            cores=chosen.named_cores(cores),
        )
    if output is not None:
        run.write(output)
        report("note", f"results written to {output}")
    answer(run.to_dict(), tables.arm_text(run, table), as_json)
    for problem in run.settings["problems"]:
        report("error", problem)
    if not run.complete:
        return INTERRUPTED
    return 1 if run.settings["problems"] else 0

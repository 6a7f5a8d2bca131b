"""What becomes of measured files: comparisons and reports."""

from __future__ import annotations

import os
from importlib import import_module

import click

from ..options import plain_options
from ..output import answer, check_place, count, emit, report, say, table, write_file


@click.command(short_help="Ratios between two runs; exit code 1 where something became slower.")
@click.argument("first", metavar="A.json")
@click.argument("second", metavar="B.json")
@click.option(
    "--bound",
    type=float,
    default=1.10,
    show_default=True,
    metavar="RATIO",
    help="A regression is a ratio of medians whose whole 95 % interval lies above this.",
)
@plain_options
def compare(first: str, second: str, bound: float, as_json: bool) -> int:
    """Hold the run B.json against the baseline A.json, row by row: ratios of medians, B over A.

    Only rows of the same model, precision, runtime, number of threads and stage are compared; what else differs is
    named. Exit code 1: a regression; 2: an error.
    """
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    reading = import_module("ghostface_edge.benchmarks.run_file").Run.read
    comparing = import_module("ghostface_edge.benchmarks.results_compare")
    found = comparing.compare(reading(first), reading(second), bound=bound)
    for warning in found.warnings:
        report("warning", warning)
    for row in found.left_out:
        report("note", f"not compared, {row.file}: {row.subject}: {row.reason}")
    if found.doubtful:
        doubtful = count(len(found.doubtful), "regression")
        report("warning", f"{doubtful} with figures that are flagged: run both again, on a calm device, to be sure")
    if as_json:
        emit(found.to_dict())
    else:
        header, rows = found.table_rows()
        judged = f"{count(len(found.regressions), 'regression')} past {bound:g} in {count(len(rows), 'row')}"
        say(f"{table(header, rows)}\n\n{judged}. {comparing.RATIO_METHOD}.")
    return 1 if found.regressions else 0


@click.command("report", short_help="One HTML page of any number of files of results.")
@click.argument("files", metavar="FILE.json...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE.html", required=True, help="The page.")
@click.option("--title", metavar="TEXT", help="Of the page.  [default: the device]")
@plain_options
def report_runs(files: tuple[str, ...], output: str, title: str | None, as_json: bool) -> None:
    """Show results of any kinds and devices on one HTML page, which needs no script and loads nothing."""
    check_place(output, *files)
    reading = import_module("ghostface_edge.benchmarks.run_file").Run.read
    reporting = import_module("ghostface_edge.benchmarks.results_report")
    runs = [reporting.NamedRun(os.path.basename(path), reading(path)) for path in files]
    write_file(output, reporting.to_html(runs, title=title).encode())
    answer({"written": output, "runs": len(runs)}, f"{output}: {count(len(runs), 'run')}", as_json)

"""The verbs that measure accuracy."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from .options import engine_options, load_engine, show_help
from .output import answer, check_place, report


@click.group(name="eval", invoke_without_command=True)
@click.pass_context
def evaluate(context: click.Context) -> None:
    """Measure accuracy on the field's own protocols."""
    show_help(context)


@evaluate.command(short_help="Verification accuracy on LFW.")
@click.option("--photos", metavar="DIR", required=True, help="Folder with the photos, PERSON/PERSON_NNNN.jpg.")
@click.option("--pairs", metavar="FILE", required=True, help="LFW's pairs.txt (View 2).")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Photos at once; above 1, --threads is 1 unless given.",
)
@click.option(
    "--write-thresholds",
    "thresholds_file",
    metavar="FILE",
    help="Put the measured thresholds into a JSON file, by checkpoint; those of other detectors in it stay.",
)
@engine_options
def lfw(photos: str, pairs: str, jobs: int, thresholds_file: str | None, as_json: bool, **options: Any) -> None:
    """Verification accuracy on LFW from the original photos: View 2, 10 folds, and all pairs of its photos."""
    from ..thresholds import read_thresholds, write_thresholds

    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    named = import_module("ghostface_edge.benchmarks.pairs").read_pairs(pairs)
    if thresholds_file is not None:  # before minutes are spent on measuring
        check_place(thresholds_file)
        if os.path.exists(thresholds_file):
            read_thresholds(thresholds_file)
    if jobs > 1 and options["threads"] is None:
        options["threads"] = 1
    engine = load_engine(**options)
    accuracy = import_module("ghostface_edge.benchmarks.accuracy").evaluate_lfw(engine, photos, named, jobs=jobs)
    if thresholds_file is not None:
        write_thresholds(thresholds_file, engine.card.source.sha256, accuracy.thresholds)
        report("note", f"thresholds written to {thresholds_file}")
    answer(accuracy.to_dict(), accuracy.to_text(), as_json)

"""The verbs that measure accuracy."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from ..errors import EvaluationError
from .options import engine_options, load_engine, show_help
from .output import answer, check_place, report, write_file

if TYPE_CHECKING:
    from ..card import ModelCard
    from ..types import Threshold


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
    help="Put the measured thresholds into the card of the model FILE.onnx, or into a JSON table by checkpoint; those "
    "of other detectors stay.",
)
@engine_options
def lfw(photos: str, pairs: str, jobs: int, thresholds_file: str | None, as_json: bool, **options: Any) -> None:
    """Verification accuracy on LFW from the original photos: View 2, 10 folds, and all pairs of its photos."""
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    named = import_module("ghostface_edge.benchmarks.pairs").read_pairs(pairs)
    if thresholds_file is not None:
        check_place(thresholds_file)
        _check_thresholds_file(thresholds_file)
    if jobs > 1 and options["threads"] is None:
        options["threads"] = 1
    engine = load_engine(**options)
    accuracy = import_module("ghostface_edge.benchmarks.accuracy").evaluate_lfw(engine, photos, named, jobs=jobs)
    if thresholds_file is not None:
        _write(thresholds_file, engine.card, accuracy.thresholds)
        report("note", f"thresholds written to {thresholds_file}")
    answer(accuracy.to_dict(), accuracy.to_text(), as_json)


def _check_thresholds_file(path: str) -> None:
    """Look at the file before hours are spent on measuring."""
    from ..card import read_card
    from ..runtime.session import read_model
    from ..thresholds import read_thresholds

    if path.endswith(".tflite"):
        raise EvaluationError(
            f"cannot write into {path}: only the card of an .onnx model can be rewritten. Name one, or a .json table"
        )
    if path.endswith(".onnx"):
        read_card(read_model(path))
    elif os.path.exists(path):
        read_thresholds(path)


def _write(path: str, model: ModelCard, measured: tuple[Threshold, ...]) -> None:
    from ..card import read_card, write_card
    from ..runtime.session import read_model
    from ..thresholds import merged, write_thresholds

    if not path.endswith(".onnx"):
        write_thresholds(path, model.source.sha256, measured, model.precision)
        return
    data = read_model(path)
    card = read_card(data)
    if (card.source.sha256, card.precision) != (model.source.sha256, model.precision):
        raise EvaluationError(f"{path} is of another checkpoint or precision than the model that was measured")
    write_file(path, write_card(data, card.with_thresholds(merged(card.thresholds, measured))))

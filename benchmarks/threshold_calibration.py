"""Thresholds from measured error rates, and the places where they are kept: a model's own card, or a table.

Between the measurement and the card lies the rule of :meth:`~ghostface_edge.card.ModelCard.threshold`: an entry counts
for one detector, one model and one precision, so it is only written where all three are those that were measured.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ghostface_edge.atomic import replacing
from ghostface_edge.card import ModelCard
from ghostface_edge.errors import EvaluationError
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import MODEL_ENDINGS
from ghostface_edge.runtime.opening import read_model_card, replace_model_card
from ghostface_edge.runtime.session import read_model
from ghostface_edge.thresholds import ALIKE, merged, read_thresholds, write_thresholds
from ghostface_edge.types import Threshold

from .system import SystemInfo

if TYPE_CHECKING:
    from .metrics import ErrorRates

_TABLE = ".json"


def calibrated(rates: ErrorRates, detector: str, dataset: str) -> tuple[Threshold, ...]:
    """The thresholds that error rates give, for a model card.

    Args:
        rates: What was measured.
        detector: Whose landmarks aligned the faces: ``detector`` of the model's identity, such as ``yunet+flip``.
        dataset: What was compared, in words.

    Returns:
        One for each false-match rate that the data support, from the highest rate to the lowest.

    Raises:
        EvaluationError: The data support no rate; or no threshold reaches one of them, because too many photos of
            different people are equal.
    """
    if not rates.points:
        raise EvaluationError(
            f"{rates.impostor:,} comparisons of different people support no false-match rate (rule of three), so there "
            "is no threshold to state: take photos of more people"
        )
    return tuple(_threshold(rates, number, detector, dataset) for number in range(len(rates.points)))


def _threshold(rates: ErrorRates, number: int, detector: str, dataset: str) -> Threshold:
    point = rates.points[number]
    if point.threshold >= 1:
        raise EvaluationError(
            f"no threshold below 1 reaches an FMR of {point.fmr:g}: too many photos of different people are equal. "
            "Look for copies of one photo under two names"
        )
    similarities = point.threshold_interval
    return Threshold(
        fmr=point.fmr,
        similarity=point.threshold,
        detector=detector,
        fnmr=point.false_non_matches.value,
        impostor_pairs=point.false_matches.total,
        genuine_pairs=point.false_non_matches.total,
        dataset=dataset,
        people=rates.people,
        fmr_high=point.fmr_interval.high,
        # The threshold above copies of one photo, which a resampling may meet, is beyond every cosine.
        similarity_low=None if similarities is None else max(min(similarities.low, 1.0), -1.0),
        similarity_high=None if similarities is None else max(min(similarities.high, 1.0), -1.0),
    )


def check_target(path: str | os.PathLike[str], measured: SystemInfo) -> None:
    """Look at the place for thresholds before hours are spent on measuring.

    A model file must be the network that is measured. Files in float32 or float16 of one checkpoint are; what other
    precisions do depends on how the file was made, so there it must be the very file that runs.

    Args:
        path: As for :func:`write_calibration`.
        measured: What is going to be measured.

    Raises:
        EvaluationError: Neither a model file nor a table, a file of the model store, one of another network than the
            one measured, or a place that cannot be written.
        ModelFileError: Missing, damaged, or no model.
        ModelCardError: The file holds no model card.
        ThresholdError: The table holds something else.
    """
    name = os.fsdecode(path)
    if not _is_model(name):
        _require_table(name)
        if os.path.exists(name):
            read_thresholds(name)
    else:
        data, _ = _read(name, measured)
        if measured.model.precision not in ALIKE and hashlib.sha256(data).hexdigest() != measured.file_sha256:
            raise EvaluationError(
                f"{name} is not the file that is measured, and two files of a checkpoint in {measured.model.precision} "
                f"need not be alike: measure it itself, with --model {name}"
            )
    folder = os.path.dirname(name) or os.curdir
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise EvaluationError(f"cannot write {name}: the folder {folder} is missing or not writable")


def write_calibration(path: str | os.PathLike[str], measured: SystemInfo, thresholds: Iterable[Threshold]) -> None:
    """Put measured thresholds into a file, in place of those that it holds for the same detectors; others stay.

    The new file takes the place of the old one when it is complete. Of a model, all bytes but the card's and the
    seal's stay.

    Args:
        path: A model, ``.onnx`` or ``.tflite``, that has a card; or a ``.json`` table by checkpoint, as
            :func:`~ghostface_edge.thresholds.write_thresholds` writes it, which is made where there is none.
        measured: What was measured.
        thresholds: The measurements, :func:`calibrated`.

    Raises:
        EvaluationError: As :func:`check_target`, or the file cannot be written.
        ModelFileError: Missing, damaged, or no model.
        ModelCardError: The file holds no model card, or the thresholds are senseless.
        ThresholdError: There are no thresholds, or the table holds something else or cannot be written.
    """
    name, entries = os.fsdecode(path), tuple(thresholds)
    if not _is_model(name):
        _require_table(name)
        write_thresholds(name, measured.source_sha256, entries, measured.model.precision)
        return
    data, card = _read(name, measured)
    result = replace_model_card(data, card.with_thresholds(merged(card.thresholds, entries)), name)
    try:
        with replacing(name, mode=stat.S_IMODE(os.stat(name).st_mode)) as file:
            file.write(result)
    except OSError as error:
        raise EvaluationError(f"cannot write {name}: {error.strerror or error}") from error


def _is_model(name: str) -> bool:
    return name.lower().endswith(MODEL_ENDINGS)


def _require_table(name: str) -> None:
    if name.lower().endswith(_TABLE):
        return
    known = not os.path.exists(name) and any(entry.name == name for entry in ModelStore().known())
    what = "a model of the store" if known else "neither a model file nor a table"
    raise EvaluationError(
        f"cannot keep thresholds in {name!r}: it is {what}. Name a file of your own, {' or '.join(MODEL_ENDINGS)} "
        f"(ghostface-edge convert CHECKPOINT -o DIR makes one), or a {_TABLE} table"
    )


def _read(name: str, measured: SystemInfo) -> tuple[bytes, ModelCard]:
    """A model file of the network that is measured, and its card."""
    data = read_model(name)
    # A link is replaced, not what it leads to: it matters where the link lies.
    folder = os.path.realpath(os.path.dirname(name))
    if Path(os.path.realpath(ModelStore().home)) in (Path(folder), *Path(folder).parents):
        raise EvaluationError(
            f"{name} belongs to the model store, which makes its files anew and compares them with their hashes: copy "
            "it elsewhere, and name the copy"
        )
    card = read_model_card(data, name)
    found, wanted = (card.source.sha256, card.precision), (measured.source_sha256, measured.model.precision)
    if found != wanted:
        raise EvaluationError(
            f"{name} is another model than the one measured: its source is {found[0][:8]} in {found[1]}, and "
            f"{wanted[0][:8]} in {wanted[1]} was measured"
        )
    return data, card

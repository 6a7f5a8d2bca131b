"""Decision thresholds that we measured for published checkpoints, looked up by the checkpoint's sha256.

The figures lie in ``measured_thresholds.json``; each names the detector, the false-match rate, the data and the number
of pairs behind it. The file is written by ``ghostface-edge calibrate --table``, never by hand. The converter copies the
entries of its source checkpoint and precision into the model card, which is where the runtime reads them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .atomic import replacing
from .errors import ThresholdError
from .types import Threshold

ALIKE = ("float32", "float16")
"""Precisions that share what was measured in float32: tests keep the embeddings of float16 within cosine 0.9999 of
float32's, or 0.9998 where the processor computes in float16."""

MEASURED = Path(__file__).with_name("measured_thresholds.json")


def measured_thresholds(source_sha256: str, precision: str = "float32") -> tuple[Threshold, ...]:
    """The thresholds measured for a checkpoint at a precision; empty where we never measured it.

    Args:
        source_sha256: sha256 of the checkpoint file, lower-case hexadecimal.
        precision: As in the model card.
    """
    return read_thresholds(MEASURED).get(_key(source_sha256, precision), ())


def _key(source_sha256: str, precision: str) -> str:
    return source_sha256 if precision in ALIKE else f"{source_sha256}/{precision}"


def read_thresholds(path: str | os.PathLike[str]) -> dict[str, tuple[Threshold, ...]]:
    """The thresholds of a file as :func:`write_thresholds` writes it, by the sha256 of the checkpoint.

    Those of a precision that is not in :data:`ALIKE` have ``/precision`` behind the sha256.

    Raises:
        ThresholdError: No such file, or one that holds something else.
    """
    try:
        table: dict[str, list[dict[str, Any]]] = json.loads(Path(path).read_text(encoding="utf-8"))
        return {key: tuple(Threshold(**entry) for entry in entries) for key, entries in table.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ThresholdError(f"{path} is no table of thresholds: {error}") from error


def write_thresholds(
    path: str | os.PathLike[str], source_sha256: str, thresholds: Iterable[Threshold], precision: str = "float32"
) -> None:
    """Merge measured thresholds into a file, which is made where there is none.

    All that the file holds for the same checkpoint, precision and detectors is replaced, everything else is kept. The
    new file takes the place of the old one when it is complete.

    Args:
        path: The file.
        source_sha256: sha256 of the checkpoint that was measured, lower-case hexadecimal.
        thresholds: The measurements.
        precision: Of the model that was measured.

    Raises:
        ThresholdError: Not a sha256, no precision, no thresholds, or the file holds something else or cannot be
            written.
    """
    if not re.fullmatch("[0-9a-f]{64}", source_sha256):
        raise ThresholdError(f"{source_sha256!r} is not the sha256 of a checkpoint")
    if not re.fullmatch("[a-z0-9]+", precision):
        raise ThresholdError(f"{precision!r} is no precision")
    measured = tuple(thresholds)
    if not measured:
        raise ThresholdError("there are no thresholds to write: too few impostor comparisons were made")
    place = Path(path)
    table = read_thresholds(place) if place.exists() else {}
    key = _key(source_sha256, precision)
    table[key] = merged(table.get(key, ()), measured)
    plain = {key: [entry.to_dict() for entry in entries] for key, entries in table.items()}
    text = json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        with replacing(place) as file:
            file.write(text.encode())
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ThresholdError(f"cannot write thresholds to {place}: {reason}") from error


def merged(old: Iterable[Threshold], measured: Iterable[Threshold]) -> tuple[Threshold, ...]:
    """New measurements in place of the old ones with the same detectors, sorted by detector and falling FMR."""
    measured = tuple(measured)
    detectors = {entry.detector for entry in measured}
    kept = [entry for entry in old if entry.detector not in detectors]
    return tuple(sorted([*kept, *measured], key=lambda entry: (entry.detector, -entry.fmr)))

"""Decision thresholds that we measured for published checkpoints, looked up by the checkpoint's sha256.

The figures lie in ``measured_thresholds.json``; each names the detector, the false-match rate, the data and the number
of pairs behind it. The file is written by ``ghostface-edge eval lfw --write-thresholds``, never by hand. The converter
copies the entries of its source checkpoint into the model card, which is where the runtime reads them.
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

MEASURED = Path(__file__).with_name("measured_thresholds.json")


def measured_thresholds(source_sha256: str) -> tuple[Threshold, ...]:
    """The thresholds measured for a checkpoint; empty where we never measured it.

    Args:
        source_sha256: sha256 of the checkpoint file, lower-case hexadecimal.
    """
    return read_thresholds(MEASURED).get(source_sha256, ())


def read_thresholds(path: str | os.PathLike[str]) -> dict[str, tuple[Threshold, ...]]:
    """The thresholds of a file as :func:`write_thresholds` writes it, by the sha256 of the checkpoint.

    Raises:
        ThresholdError: No such file, or one that holds something else.
    """
    try:
        table: dict[str, list[dict[str, Any]]] = json.loads(Path(path).read_text(encoding="utf-8"))
        return {key: tuple(Threshold(**entry) for entry in entries) for key, entries in table.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ThresholdError(f"{path} is no table of thresholds: {error}") from error


def write_thresholds(path: str | os.PathLike[str], source_sha256: str, thresholds: Iterable[Threshold]) -> None:
    """Merge measured thresholds into a file, which is made where there is none.

    All that the file holds for the same checkpoint and the same detectors is replaced, everything else is kept. The
    new file takes the place of the old one when it is complete.

    Args:
        path: The file.
        source_sha256: sha256 of the checkpoint that was measured, lower-case hexadecimal.
        thresholds: The measurements.

    Raises:
        ThresholdError: Not a sha256, no thresholds, or the file holds something else or cannot be written.
    """
    if not re.fullmatch("[0-9a-f]{64}", source_sha256):
        raise ThresholdError(f"{source_sha256!r} is not the sha256 of a checkpoint")
    measured = tuple(thresholds)
    if not measured:
        raise ThresholdError("there are no thresholds to write: too few impostor comparisons were made")
    place = Path(path)
    table = read_thresholds(place) if place.exists() else {}
    table[source_sha256] = merged(table.get(source_sha256, ()), measured)
    plain = {key: [entry.to_dict() for entry in entries] for key, entries in table.items()}
    text = json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        with replacing(place) as file:
            file.write(text.encode())
    except OSError as error:
        raise ThresholdError(f"cannot write thresholds to {place}: {error.strerror or error}") from error


def merged(old: Iterable[Threshold], measured: Iterable[Threshold]) -> tuple[Threshold, ...]:
    """New measurements in place of the old ones with the same detectors, sorted by detector and falling FMR."""
    measured = tuple(measured)
    detectors = {entry.detector for entry in measured}
    kept = [entry for entry in old if entry.detector not in detectors]
    return tuple(sorted([*kept, *measured], key=lambda entry: (entry.detector, -entry.fmr)))

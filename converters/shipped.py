"""Calibrations that come from files: of an earlier conversion, or with this package for a known checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

from ghostface_edge.errors import CalibrationError, ConversionError

from .calibration import Calibration

FOLDER = Path(__file__).parent / "calibrations"
"""One file for each known checkpoint, named by the first digits of its sha256, as ``convert`` saves it.

They were measured on LFW photos of people who are in no pair of LFW's protocol, and hold no picture.
"""

_DIGITS = 16
_LARGEST = 64 << 20


def shipped_calibration(checkpoint: str) -> Calibration | None:
    """The calibration that this package has of a checkpoint, by the sha256 of its file; None where it has none."""
    path = FOLDER / f"{checkpoint[:_DIGITS]}.json"
    if not path.is_file():
        return None
    calibration = Calibration.from_json(path.read_bytes())
    return calibration if calibration.checkpoint == checkpoint else None


def read_calibration(path: str | os.PathLike[str], checkpoint: str) -> Calibration:
    """A calibration that an earlier conversion saved.

    Args:
        path: The file.
        checkpoint: sha256 of the checkpoint that it must be of.

    Raises:
        CalibrationError: The file cannot be read, is no calibration, or is of another checkpoint.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise CalibrationError(f"{path} is no file" if path.exists() else f"there is no file {path}")
        if path.stat().st_size > _LARGEST:
            raise CalibrationError(f"{path} is too large to be a calibration")
        calibration = Calibration.from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        if isinstance(error, CalibrationError):
            raise
        raise CalibrationError(f"{path} cannot be read: {error}") from error
    except ConversionError as error:
        raise CalibrationError(f"{path}: {error}") from error
    return require_checkpoint(calibration, checkpoint, str(path))


def require_checkpoint(calibration: Calibration, checkpoint: str, label: str) -> Calibration:
    """The calibration, if it is of this checkpoint.

    Args:
        calibration: Any.
        checkpoint: sha256 of the checkpoint that it must be of.
        label: What messages call it.

    Raises:
        CalibrationError: It is of another one.
    """
    if calibration.checkpoint != checkpoint:
        raise CalibrationError(
            f"{label} is of the checkpoint {calibration.checkpoint[:16]}..., not of {checkpoint[:16]}...: "
            "calibrate again, with faces"
        )
    return calibration

"""``manifest.json``: how every model in a folder was made, and what it was measured to be.

One document for the folder, one entry per model file. It holds no date, no user and no path, so the same conversion
writes the same entry; but for the time that a note of a mixed file states, which is measured.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ghostface_edge.atomic import replacing
from ghostface_edge.errors import ConversionError

NAME = "manifest.json"
SCHEMA = 1

_LARGEST = 64 << 20
_PACKAGES = ("numpy", "onnx", "onnxruntime", "ai-edge-litert", "h5py", "opencv-python-headless")


def write_manifest(folder: Path, model: str, entry: Mapping[str, Any]) -> Path:
    """Add or replace the entry of a model file in the folder's manifest; the others stay.

    Raises:
        ConversionError: A file of that name is no manifest of ours, or it cannot be written.
    """
    path = folder / NAME
    models = {**read_manifest(folder), model: dict(entry)}
    text = json.dumps({"schema": SCHEMA, "models": models}, indent=1, sort_keys=True, allow_nan=False)
    try:
        with replacing(path) as file:
            file.write(text.encode() + b"\n")
    except (OSError, ValueError) as error:
        raise ConversionError(f"{path} cannot be written: {error}") from error
    return path


def read_manifest(folder: Path) -> dict[str, Any]:
    """The entries of a folder's manifest by the names of their files; none where there is no manifest.

    Raises:
        ConversionError: A file of that name is no manifest of ours.
    """
    path = folder / NAME
    foreign = f"{path} is no manifest of this program: move it, or choose another folder"
    try:
        if not path.exists():
            return {}
        if path.stat().st_size > _LARGEST:
            raise ConversionError(foreign)
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConversionError(f"{foreign} ({error})") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ConversionError(foreign)
    models = document.get("models")
    if not isinstance(models, dict):
        raise ConversionError(foreign)
    return models


def tool_versions() -> dict[str, str]:
    """Versions of Python and of the packages that take part in a conversion."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

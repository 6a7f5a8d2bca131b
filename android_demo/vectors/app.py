"""The default models as ``.onnx``, for the tests of the app: they run ONNX Runtime where a phone runs TensorFlow Lite."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from ghostface_edge.catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from ghostface_edge.errors import MissingModelError
from ghostface_edge.models import ModelStore


def generate(folder: Path) -> None:
    """Fill ``app`` with YuNet and the default embedder, where this machine's store has them."""
    store = ModelStore()
    try:
        found = [store.resolve(name, format="onnx", precision="float32") for name in (DEFAULT_DETECTOR, DEFAULT_EMBEDDER)]
    except MissingModelError as error:
        click.echo(f"tests of the app that need the official models will be skipped: {error}", err=True)
        return
    (folder / "app").mkdir()
    for path in found:
        shutil.copyfile(path, folder / "app" / path.name)

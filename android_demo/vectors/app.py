"""The default models as ``.onnx``, for the tests of the app: they run ONNX Runtime where a phone runs TensorFlow Lite."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from ghostface_edge.catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import MissingModelError
from ghostface_edge.models import ModelStore

PEOPLE = Path(__file__).resolve().parents[1] / "app" / "src" / "main" / "res" / "raw" / "people.jpg"
"""The drawn people that come with the app: ``docs/people.jpg``."""


def generate(folder: Path) -> None:
    """Fill ``app`` with YuNet, the default embedder, and what they find on the drawn people."""
    store = ModelStore()
    try:
        paths = [
            store.resolve(name, format="onnx", precision="float32") for name in (DEFAULT_DETECTOR, DEFAULT_EMBEDDER)
        ]
    except MissingModelError as error:
        click.echo(f"tests of the app that need the official models will be skipped: {error}", err=True)
        return
    target = folder / "app"
    target.mkdir()
    for path in paths:
        shutil.copyfile(path, target / path.name)
    faces = FaceEngine(store=store, runtime="onnx").faces(PEOPLE)
    expected = {
        "boxes": [[face.box.x1, face.box.y1, face.box.x2, face.box.y2] for face in faces],
        "faces": [[float(value) for value in face.embedding] for face in faces],
    }
    (target / "people.json").write_text(json.dumps(expected) + "\n")

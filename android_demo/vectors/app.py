"""The default models as ``.onnx``: the tests of the app run ONNX Runtime where a phone runs TensorFlow Lite."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pictures import as_java_warps
from real import SHARED

from ghostface_edge.catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from ghostface_edge.engine import FaceEngine
from ghostface_edge.models import ModelStore

PEOPLE = Path(__file__).resolve().parents[1] / "app" / "src" / "main" / "res" / "raw" / "people.jpg"
"""The drawn people that come with the app: ``docs/people.jpg``."""


def generate(folder: Path) -> None:
    """Fill ``app`` with YuNet, the default embedder, and what Python finds on the drawn people, where ``shared`` is."""
    if not (SHARED / "models").is_dir():
        return  # real.py says so
    store = ModelStore(folders=[SHARED / "models", SHARED / "detectors"])
    target = folder / "app"
    target.mkdir()
    for name in (DEFAULT_DETECTOR, DEFAULT_EMBEDDER):
        path = store.resolve(name, format="onnx", precision="float32")
        shutil.copyfile(path, target / path.name)
    with as_java_warps("app"):
        faces = FaceEngine(store=store, runtime="onnx").faces(PEOPLE)
    (target / "people.json").write_text(json.dumps({"faces": [face.embedding.tolist() for face in faces]}) + "\n")

"""The official checkpoint on real photos, which the repository does not hold: made where ``shared`` is.

Photos and crops go to Java as PNG, so that both sides start from the same pixels (JPEG decoders differ).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
from pictures import as_java_warps
from PIL import Image as Picture

from ghostface_edge.alignment import align
from ghostface_edge.detection import YuNet
from ghostface_edge.detection.detector import found_by
from ghostface_edge.detection.yunet import MODES
from ghostface_edge.embedding import Embedder
from ghostface_edge.engine import FaceEngine
from ghostface_edge.gallery import Gallery
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import Session, open_session
from ghostface_edge.types import Detection, Face

SHARED = Path(os.environ.get("GHOSTFACE_EDGE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
PEOPLE = 12
"""Of LFW, with two photos each."""
RATES = (1e-1, 1e-3, 1e-5)
PRECISIONS = ("float32", "int8")


def generate(folder: Path) -> None:
    """Write ``real/``: models, photos, and what Python makes of them (``real.json``)."""
    if not (SHARED / "models").is_dir():
        click.echo(f"real: no {SHARED.name}/ with weights and photos beside the checkout, nothing to compare", err=True)
        return
    folder /= "real"
    folder.mkdir()
    with as_java_warps("real"):
        _write(folder)


def _write(folder: Path) -> None:
    store = ModelStore(folders=[SHARED / "models", SHARED / "detectors"])
    models = {"yunet": store.resolve("yunet", format="onnx")}
    for precision in PRECISIONS:
        models[precision] = store.resolve("ghostfacenet-w0.5-s2", format="onnx", precision=precision)
    for name, path in models.items():
        (folder / f"{name}.onnx").write_bytes(path.read_bytes())
    sessions = {name: open_session(path, runtime="onnx", threads=1) for name, path in models.items()}

    photos = {path.stem: path for path in sorted((SHARED / "photos").glob("*.jpg"))}
    people = _people()
    photos.update({path.stem: path for pair in people for path in pair})
    engines = {name: FaceEngine(Embedder(sessions[name]), YuNet(sessions["yunet"])) for name in PRECISIONS}
    engine = engines["float32"]
    results = {}
    faces: dict[str, Face] = {}
    for name, path in photos.items():
        photo = engine.open(path)
        Picture.fromarray(photo.pixels).save(folder / f"{name}.png")
        found = engine.detect(photo)
        for index, item in enumerate(found):
            Picture.fromarray(align(photo, item.landmarks)).save(folder / f"{name}-{index}.png")
        results[name] = {
            "detections": _detections(sessions["yunet"], photo),
            "main": _detections(sessions["yunet"], photo, main=True),
            "embeddings": {
                precision: [face.embedding.tolist() for face in other.embed(photo, found)]
                for precision, other in engines.items()
            },
        }
        faces[name] = engine.face(photo)
    content = {
        "photos": results,
        "verifications": _verifications(engine, faces, people),
        "searches": _searches(engine, faces, people, folder / "gallery.db"),
    }
    (folder / "real.json").write_text(json.dumps(content), "utf-8")


def _detections(session: Session, photo: Image, *, main: bool = False) -> dict[str, Any]:
    """By detector: all faces, or the main one."""
    return {
        detector: [_detection(item) for item in found_by(YuNet(session, mode=mode), photo, main=main)]
        for mode, detector in MODES.items()
    }


def _detection(found: Detection) -> dict[str, Any]:
    box = found.box
    return {"box": [box.x1, box.y1, box.x2, box.y2], "score": found.score, "landmarks": found.landmarks.tolist()}


def _people() -> list[tuple[Path, Path]]:
    """Two photos each of some people of LFW, always the same."""
    folders = sorted((SHARED / "lfw" / "images").iterdir())
    pairs = [tuple(sorted(folder.iterdir())[:2]) for folder in folders[::40]]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2][:PEOPLE]


def _verifications(engine: FaceEngine, faces: dict[str, Face], people: list[tuple[Path, Path]]) -> list[dict[str, Any]]:
    """Every photo of the people against every other, at each rate."""
    names = [path.stem for pair in people for path in pair]
    return [
        {"a": a, "b": b, "fmr": fmr, **engine.verify(faces[a], faces[b], fmr=fmr).to_dict()}
        for fmr in RATES
        for index, a in enumerate(names)
        for b in names[index + 1 :]
    ]


def _searches(
    engine: FaceEngine, faces: dict[str, Face], people: list[tuple[Path, Path]], path: Path
) -> list[dict[str, Any]]:
    """The people's second photos, looked up among the first, best first."""
    with Gallery.open(path, model=engine.model) as gallery:
        for first, _ in people:
            gallery.enroll(first.parent.name, faces[first.stem])
        searches = {probe.stem: gallery.search(faces[probe.stem], top_k=PEOPLE, threshold=0.3) for _, probe in people}
        return [{"probe": name, "matches": [match.to_dict() for match in found]} for name, found in searches.items()]

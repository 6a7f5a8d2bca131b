"""The protocol: the documented detector runs, and what breaks the contract is refused."""

from __future__ import annotations

import ast
import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge import FaceEngine, Image
from ghostface_edge.alignment import ARCFACE_TEMPLATE, align
from ghostface_edge.detection import detector as module
from ghostface_edge.detection.detector import Detector, checked
from ghostface_edge.embedding import Embedder
from ghostface_edge.errors import DetectionError
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session
from ghostface_edge.types import Box, Detection

POINTS = ARCFACE_TEMPLATE
BOX = Box(30, 30, 80, 100)


class Stub:
    name = "stub"

    def detect(self, image: Image) -> list[Detection]:
        return []


def test_the_largest_face_comes_first() -> None:
    small, large, wide = (Detection(box, 0.9, POINTS) for box in (Box(0, 0, 2, 2), Box(0, 0, 9, 9), Box(0, 0, 20, 3)))
    assert checked([small, large, wide], Stub()) == (large, wide, small)
    assert checked((item for item in (small, wide)), Stub()) == (wide, small)
    assert checked([], Stub()) == ()


@pytest.mark.parametrize("score", [0, 1, 0.5, np.float32(0.25), np.int64(1)])
def test_every_kind_of_number_will_do(score: Any) -> None:
    found = Detection(Box(*np.float32([-5, 0, 1e6, 2])), score, POINTS)
    assert checked([found], Stub()) == (found,)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "returned NoneType, not a sequence"),
        (7, "returned int, not a sequence"),
        (Detection(BOX, 0.9, POINTS), "returned Detection, not a sequence"),
        ([None], "returned NoneType where a Detection belongs"),
        ("face", "returned str where a Detection belongs"),
        (np.zeros((1, 15)), "returned ndarray where a Detection belongs"),
        ([(BOX, 0.9, POINTS)], "returned tuple where a Detection belongs"),
        ([Detection(BOX, 0.9, POINTS), BOX], "returned Box where a Detection belongs"),
    ],
)
def test_what_is_no_sequence_of_detections(found: Any, message: str) -> None:
    with pytest.raises(DetectionError, match=f"detector 'stub' {message}"):
        checked(found, Stub())


@pytest.mark.parametrize(
    "landmarks",
    [
        POINTS[:4],
        POINTS.ravel(),
        POINTS[None],
        np.zeros((5, 3)),
        [],
        np.nan * POINTS,
        np.where(POINTS > 90, np.inf, POINTS),
    ],
)
def test_landmarks_that_are_not_five_points(landmarks: Any) -> None:
    with pytest.raises(DetectionError, match="detector 'stub' returned landmarks that are not five finite points"):
        checked([Detection(BOX, 0.9, landmarks)], Stub())


@pytest.mark.parametrize(
    "box",
    [
        Box(5, 5, 5, 9),
        Box(5, 5, 9, 5),
        Box(9, 5, 5, 9),
        Box(math.nan, 5, 9, 9),
        Box(5, 5, math.inf, 9),
        Box(5, -math.inf, 9, 9),
        Box("1", "2", "3", "4"),  # type: ignore[arg-type]
        Box(None, 0, 1, 1),  # type: ignore[arg-type]
        Box(np.zeros(2), 0, 1, 1),  # type: ignore[arg-type]
        Box(*np.zeros((4, 1))),
        (5, 5, 9, 9),
        None,
    ],
)
def test_a_senseless_box(box: Any) -> None:
    with pytest.raises(DetectionError, match="detector 'stub' returned a senseless box or score"):
        checked([Detection(box, 0.9, POINTS)], Stub())


@pytest.mark.parametrize("score", [-0.1, 1.1, 99, math.nan, math.inf, "0.9", None, [0.9]])
def test_a_senseless_score(score: Any) -> None:
    with pytest.raises(DetectionError, match="senseless box or score"):
        checked([Detection(BOX, score, POINTS)], Stub())


# ----------------------------------------------------------------------------------------------------------------
# The example in the documentation


def example() -> str:
    """The code in the docstring of the module."""
    text = textwrap.dedent((module.__doc__ or "").split("::\n", 1)[1])
    ast.parse(text)
    return text


def test_the_documented_detector_has_ten_lines() -> None:
    (definition,) = (node for node in ast.parse(example()).body if isinstance(node, ast.ClassDef))
    code = [line for line in ast.get_source_segment(example(), definition).splitlines() if line.strip()]  # type: ignore[union-attr]
    assert len(code) <= 11


def documented(engine: str) -> dict[str, Any]:
    """What the example defines, with its last line given."""
    *lines, last = example().strip().splitlines()
    assert last == "engine = FaceEngine(detector=CentreDetector())"
    names: dict[str, Any] = {}
    exec("\n".join([*lines, engine]), names)  # noqa: S102 - our own documentation
    return names


def test_the_documented_detector(tiny_embedder: Path) -> None:
    pytest.importorskip("onnxruntime")
    names = documented("engine = None")
    detector: Detector = names["CentreDetector"]()
    engine = FaceEngine(Embedder(open_session(tiny_embedder, threads=1)), detector)
    pixels = np.random.default_rng(0).integers(0, 256, (112, 212, 3)).astype(np.uint8)
    face = engine.face(Image.from_rgb(pixels))
    # The face fills the height of the photo, in the middle: the template, 50 pixels from the left.
    np.testing.assert_allclose(face.landmarks, ARCFACE_TEMPLATE + np.array([50, 0]), atol=1e-4)
    assert face.model.detector == "centre"
    crop = pixels[:, 50:162]
    np.testing.assert_array_equal(align(Image.from_rgb(pixels), face.landmarks.astype(np.float64).round(4)), crop)
    np.testing.assert_allclose(face.embedding, engine.embedder.embed(crop[None])[0], atol=1e-3)


def test_the_documented_engine(real_store: ModelStore, shared: Path) -> None:
    engine = documented("engine = FaceEngine(detector=CentreDetector())")["engine"]
    (face,) = engine.faces(shared / "photos" / "img16.jpg")
    assert face.model.detector == "centre"
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-6)

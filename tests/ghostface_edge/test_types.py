"""The result types: geometry by hand, arrays that nobody can change, plain values for JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from ghostface_edge import types
from ghostface_edge.alignment import ARCFACE_TEMPLATE
from ghostface_edge.errors import OptionError
from ghostface_edge.types import (
    LANDMARK_NAMES,
    Box,
    Detection,
    DetectionRun,
    Face,
    Match,
    ModelIdentity,
    Person,
    Template,
    Threshold,
    Verification,
)

POINTS = np.array([[1.004, 2], [3, 4], [5, 6], [7, 8], [9, 10.126]])
MODEL = ModelIdentity("net-a", "float32", "yunet")
BOX = Box(1, 2, 11, 22.00049)
FACE = Face(BOX, 0.98765, POINTS, np.array([0.6, 0.8]), MODEL)
LANDMARKS_AS_JSON = {
    "left_eye": [1.0, 2.0],
    "right_eye": [3.0, 4.0],
    "nose": [5.0, 6.0],
    "left_mouth": [7.0, 8.0],
    "right_mouth": [9.0, 10.13],
}
BOX_AS_JSON = {"x1": 1.0, "y1": 2.0, "x2": 11.0, "y2": 22.0}


def test_sides_and_area() -> None:
    box = Box(1.5, 2, 4, 12)
    assert (box.width, box.height, box.area) == (2.5, 10, 25)


@pytest.mark.parametrize("box", [Box(4, 0, 1, 10), Box(0, 10, 5, 0), Box(4, 10, 1, 0), Box(3, 3, 3, 9)])
def test_an_empty_box_has_no_area(box: Box) -> None:
    assert box.area == 0
    assert box.iou(Box(0, 0, 10, 10)) == 0
    assert box.iou(box) == 0


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Box(0, 0, 10, 10), 1.0),
        (Box(5, 0, 15, 10), 1 / 3),  # 50 of 150
        (Box(5, 5, 15, 15), 25 / 175),
        (Box(2, 2, 4, 7), 0.1),  # 10 of 100, wholly inside
        (Box(10, 0, 20, 10), 0.0),  # they touch
        (Box(20, 20, 30, 30), 0.0),
        (Box(0, 20, 10, 30), 0.0),
    ],
)
def test_overlap(other: Box, expected: float) -> None:
    box = Box(0, 0, 10, 10)
    assert box.iou(other) == pytest.approx(expected, abs=1e-12)
    assert other.iou(box) == box.iou(other)


def test_landmarks_stand_in_the_order_of_the_template() -> None:
    at = dict(zip(LANDMARK_NAMES, ARCFACE_TEMPLATE))
    assert at["left_eye"][0] < at["nose"][0] < at["right_eye"][0]
    assert at["left_mouth"][0] < at["right_mouth"][0]
    assert at["left_eye"][1] < at["nose"][1] < at["left_mouth"][1]


def test_values_for_json() -> None:
    as_json = {"box": BOX_AS_JSON, "score": 0.9877, "landmarks": LANDMARKS_AS_JSON, "detection": None}
    assert BOX.to_dict() == BOX_AS_JSON
    assert Detection(BOX, 0.98765, POINTS).to_dict() == as_json
    model = {"model_id": "net-a", "precision": "float32", "detector": "yunet"}
    assert FACE.to_dict(embedding=False) == {**as_json, "model": model}
    embedding = [float(np.float32(0.6)), float(np.float32(0.8))]
    assert FACE.to_dict() == {**as_json, "model": model, "embedding": embedding}
    run = DetectionRun((160, 320), 2, 1)
    run_as_json = {"inputs": [160, 320], "looks": 2, "faces": 1}
    assert Detection(BOX, 0.98765, POINTS, run).to_dict() == {**as_json, "detection": run_as_json}
    found = dataclasses.replace(FACE, detection=run)
    assert found.to_dict(embedding=False) == {**as_json, "model": model, "detection": run_as_json}
    assert FACE.template.to_dict() == {"model": model, "embedding": embedding}


RESULTS = [
    BOX,
    Box(*np.float32([1, 2, 3, 4])),
    Detection(BOX, np.float32(0.5), POINTS),  # type: ignore[arg-type]
    DetectionRun((160, 320), 2, 1),
    FACE,
    FACE.template,
    MODEL,
    Threshold(1e-3, 0.3, "yunet", 0.06, 29_600_000, 8_101, "LFW", 4_281, 2e-3, 0.29, 0.31),
    Verification(0.6, 0.3, 1e-3, True),
    Match("ada", 0.7, 12, 0.3, True),
    Person("ada", 2, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_every_result_is_frozen_and_goes_into_json(result: Any) -> None:
    assert isinstance(json.loads(json.dumps(result.to_dict(), allow_nan=False)), dict)
    name = dataclasses.fields(result)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(result, name, None)


def test_no_result_was_forgotten() -> None:
    public = {value for value in vars(types).values() if dataclasses.is_dataclass(value)}
    assert public == {type(result) for result in RESULTS}


def test_arrays_are_private_read_only_float32() -> None:
    landmarks, embedding = POINTS.copy(), np.array([0.6, 0.8])
    found = Detection(BOX, 0.9, landmarks)
    face = Face(BOX, 0.9, landmarks, embedding, MODEL)
    template = Template(embedding, MODEL)
    landmarks[:], embedding[:] = 0, 0
    np.testing.assert_array_equal(found.landmarks, POINTS.astype(np.float32))
    np.testing.assert_array_equal(face.landmarks, POINTS.astype(np.float32))
    for array in (face.embedding, template.embedding):
        np.testing.assert_array_equal(array, np.float32([0.6, 0.8]))
    for array in (found.landmarks, face.landmarks, face.embedding, template.embedding):
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_list_of_landmarks_will_do() -> None:
    np.testing.assert_array_equal(Detection(BOX, 1.0, POINTS.tolist()).landmarks, POINTS.astype(np.float32))


@pytest.mark.parametrize("values", ["x", [1, "a"], [[1], [2, 3]], [10**400], {}, object()])
def test_what_is_no_array_of_numbers(values: Any) -> None:
    for make in (
        lambda: Detection(BOX, 0.9, values),
        lambda: Template(values, MODEL),
        lambda: Face(BOX, 0.9, values, np.ones(2), MODEL),
        lambda: Face(BOX, 0.9, POINTS, values, MODEL),
    ):
        with pytest.raises(OptionError, match=f"^{type(values).__name__} is not an array of numbers"):
            make()


@pytest.mark.parametrize("model", ["net-a", None, ("net-a", "float32", "yunet")])
def test_an_embedding_needs_the_identity_of_its_model(model: Any) -> None:
    for make in (lambda: Template(np.ones(2), model), lambda: Face(BOX, 0.9, POINTS, np.ones(2), model)):
        with pytest.raises(OptionError, match=f"ModelIdentity such as engine.model, not {type(model).__name__}"):
            make()


@pytest.mark.parametrize("value", ["\ud800", None, 5, b"net-a"])
@pytest.mark.parametrize("key", ["model_id", "precision", "detector"])
def test_an_identity_is_text_that_a_file_can_hold(key: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"^{key} .* is not text"):
        dataclasses.replace(MODEL, **{key: value})


def test_short_representations() -> None:
    assert repr(Box(1, 2.25, 3, 4.06)) == "Box(1.0, 2.2, 3.0, 4.1)"
    assert repr(Detection(Box(1, 2, 3, 4), 0.5, POINTS)) == "Detection(box=Box(1.0, 2.0, 3.0, 4.0), score=0.5)"
    assert (
        repr(Face(Box(1, 2, 3, 4), 0.5, POINTS, np.ones(512), MODEL)) == "Face(box=Box(1.0, 2.0, 3.0, 4.0), score=0.5)"
    )
    assert (
        repr(Verification(0.614, 0.336, 1e-3, True))
        == "Verification(similarity=0.61, threshold=0.34, fmr=0.001, match=True)"
    )
    assert (
        repr(Verification(0.2, 0.5, None, False))
        == "Verification(similarity=0.20, threshold=0.50, fmr=None, match=False)"
    )
    assert repr(Match("ada", 0.71249, 3)) == "Match('ada', 0.712)"
    assert repr(Match("ada", 0.71249, 3, 0.3, True)) == "Match('ada', 0.712, match=True)"


def test_plain_values_compare_and_arrays_by_identity() -> None:
    assert ModelIdentity("net-a", "float32", "yunet") == MODEL
    assert ModelIdentity("net-a", "int8", "yunet") != MODEL
    assert len({MODEL, ModelIdentity("net-a", "float32", "yunet")}) == 1
    # an == that gave an array would be a trap in `if` and `in`
    assert FACE == FACE
    assert Face(BOX, 0.98765, POINTS, np.array([0.6, 0.8]), MODEL) != FACE

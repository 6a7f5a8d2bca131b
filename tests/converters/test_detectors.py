"""A detector in integers: calibrated on photos, judged by the faces it finds, refused where it loses them."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from ghostface_edge.converters import convert
from ghostface_edge.converters.detector_gate import DEFAULT_DETECTOR_GATES, DetectorGate
from ghostface_edge.converters.detector_parity import DetectorParity
from ghostface_edge.converters.faces import Faces
from ghostface_edge.converters.gate import Gate
from ghostface_edge.converters.photos import read_photos
from ghostface_edge.converters.tflite_inspection import inspect_tflite
from ghostface_edge.errors import CalibrationError, ConversionError, GateError, OptionError
from ghostface_edge.types import Box, Detection

pytest.importorskip("onnx")

# A face whose landmarks are ArcFace's template itself, so that a pixel of it is a pixel of the aligned crop.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def face(left: float = 0.0, score: float = 0.9, moved: float = 0.0, size: float = 1.0) -> Detection:
    landmarks = TEMPLATE * size + (left, 0)
    landmarks[4, 0] += moved
    return Detection(Box(left, 0, left + 112 * size, 112 * size), score, landmarks.astype(np.float32))


# -- parity


def test_the_same_faces_are_no_distance_apart() -> None:
    found = DetectorParity.of([([face(), face(500)], [face(500), face()])])
    assert (found.photos, found.faces, found.lost, found.extra) == (1, 2, (), ())
    assert found.landmark_max == 0


@pytest.mark.parametrize("size", [1.0, 4.0])
def test_distances_are_in_pixels_of_the_aligned_crop(size: float) -> None:
    found = DetectorParity.of([([face(size=size)], [face(moved=2 * size, size=size)])])
    assert found.landmark_max == pytest.approx(2, abs=1e-3)
    assert found.landmark_mean == pytest.approx(2 / 5, abs=1e-3)


def test_faces_that_are_lost_and_faces_that_nobody_sees() -> None:
    # Boxes 112 wide, 56 apart, overlap by a third: not the same face.
    found = DetectorParity.of([([face(), face(300, 0.8)], [face(), face(356, 0.95)])])
    assert (found.lost, found.extra, found.found) == ((0.8,), (0.95,), 0.5)


def test_a_face_at_the_edge_of_its_score_is_the_same_face() -> None:
    found = DetectorParity.of(
        [([face(), face(300, 0.701), face(600, 0.69)], [face(), face(300, 0.69), face(600, 0.7)])]
    )
    assert (found.faces, found.lost, found.extra) == (2, (), ())


def test_nothing_to_compare() -> None:
    for pairs in ([], [((), ())], [((), [face()])], [([face()], ())]):
        with pytest.raises(ConversionError, match="nothing can be compared"):
            DetectorParity.of(pairs)


# -- gate


def test_a_gate_names_what_is_missed() -> None:
    parity = DetectorParity(10, 4, (0.75,), (0.9, 0.8), 0.4, 0.9, 1.5)
    assert DetectorGate(0.75, 0.5, 0.4, 1.5).failures(parity) == ()
    assert DetectorGate(1, 0, 0.3, 1).failures(parity) == (
        "1 of 4 faces are not found again (float scores 0.75)",
        "2 faces are found that float does not find (scores 0.90, 0.80)",
        "mean distance of landmarks 0.400 px of the aligned crop is above 0.3",
        "largest distance of a landmark 1.500 px of the aligned crop is above 1",
    )


def test_gates_in_text() -> None:
    default = DEFAULT_DETECTOR_GATES["int8"]
    assert default.landmarks_max == 1
    assert DetectorGate.parse("default", "int8") == default
    assert DetectorGate.parse("landmarks_max=5, found=0.99", "int8") == replace(default, landmarks_max=5, found=0.99)
    assert DetectorGate.parse("off", "int8") is None


@pytest.mark.parametrize(
    "text", ["", "cosine=0.9", "found=1.1", "extra=-1", "landmarks=nan", "landmarks=x", "landmarks"]
)
def test_gates_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="gate"):
        DetectorGate.parse(text, "int8")


# -- photos


def test_copies_and_what_is_no_photo_are_left_out(shared: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in (shared / "calibration").iterdir())[:20]
    for name in names:
        shutil.copy(shared / "calibration" / name, tmp_path)
    shutil.copy(tmp_path / names[0], tmp_path / "z.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    photos = read_photos(tmp_path)
    assert (photos.files, photos.copies, photos.unreadable) == (tuple(names), ("z.jpg",), ("broken.jpg",))
    calibrating, judging = photos.split(500)
    assert sorted(calibrating.files + judging.files) == names
    assert len(judging) == 10


def test_one_photo_fifty_times(shared: Path, tmp_path: Path) -> None:
    for index in range(50):
        shutil.copy(shared / "photos" / "img13.jpg", tmp_path / f"{index}.jpg")
    with pytest.raises(CalibrationError, match=r"has 1 different photos.*49 copies"):
        read_photos(tmp_path)


# -- refusals


@pytest.fixture
def random_detector(yunet_like: ModuleType, tmp_path: Path) -> Path:
    path = tmp_path / "yunet_like.onnx"
    path.write_bytes(yunet_like.yunet(channels=3).SerializeToString())
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "dynamic"}, "precision='dynamic' does not exist for a detector"),
        ({"precision": "int16x8"}, "precision='int16x8' does not exist for a detector"),
        ({"precision": "mixed"}, "precision='mixed' does not exist for a detector"),
        ({"precision": "int8", "to": "onnx"}, "precision='int8' does not exist for a detector"),
        ({"precision": "int8"}, "integers need to see faces"),
        ({"precision": "int8", "integer_io": True}, "integer_io is for embedders"),
        ({"precision": "int8", "equalise": False}, "equalise is for embedders"),
        ({"calibration": "c.json"}, "calibration is for embedders"),
        ({"to": "onnx", "layout": "NHWC"}, "layout is for embedders"),
        ({"to": "onnx", "batch": 1}, "batch is for embedders"),
        ({"prelu": "native"}, "prelu is for embedders"),
        ({"mean": 127.5, "scale": 1.0}, "leave it out"),
        ({"gate": "cosine=0.9"}, "landmarks=0.5"),
        ({"gate": Gate(0.9, 0.9)}, "takes a DetectorGate"),
    ],
    ids=str,
)
def test_options_that_detectors_do_not_have(
    options: dict[str, Any], message: str, random_detector: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=message):
        convert(random_detector, tmp_path / "out", **{"to": "tflite", **options})
    assert not (tmp_path / "out").exists()


def test_a_gate_of_a_detector_is_none_of_an_embedder(small_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is an embedder"):
        convert(small_checkpoint, tmp_path / "out", gate=DetectorGate(1, 0, 1, 1))
    assert not (tmp_path / "out").exists()


# -- the real one


def folder_of(shared: Path, place: Path, count: int) -> Path:
    """Some photos of the calibration set, of different people."""
    place.mkdir()
    files = sorted((shared / "calibration").iterdir())
    for index in np.linspace(0, len(files) - 1, count).astype(int):
        shutil.copy(files[index], place)
    return place


@pytest.fixture(scope="module")
def yunet(shared: Path) -> Path:
    return shared / "detectors" / "face_detection_yunet_2023mar.onnx"


@pytest.fixture(scope="module")
def photos(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(shared, tmp_path_factory.mktemp("faces") / "photos", 24)


def test_photos_without_faces(yunet: Path, tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    random = np.random.default_rng(0)
    for index in range(16):
        picture = random.integers(0, 256, (96, 96, 3), np.uint8)
        assert cv2.imwrite(str(tmp_path / "noise" / f"{index}.png"), picture)
    with pytest.raises(CalibrationError, match="no face was found in any of the 8 photos"):
        convert(yunet, tmp_path / "out", to="tflite", precision="int8", faces=tmp_path / "noise")
    with pytest.raises(ConversionError, match="nothing can be compared"):
        convert(yunet, tmp_path / "out", to="tflite", faces=tmp_path / "noise")
    assert not (tmp_path / "out").exists()


LOOSE = "found=0.9,extra=0.1,landmarks=0.7,landmarks_max=30"


def test_int8_is_refused_with_a_report_that_says_why(yunet: Path, shared: Path, tmp_path: Path) -> None:
    photos, out = folder_of(shared, tmp_path / "photos", 96), tmp_path / "out"
    with pytest.raises(GateError, match=r"largest distance of a landmark .* is above 1\. The report: "):
        convert(yunet, out, to="tflite", precision="int8", faces=photos)
    stem = "face_detection_yunet_2023mar_int8.tflite.refused.report"
    assert sorted(os.listdir(out)) == [f"{stem}.html", f"{stem}.json"]
    report = json.loads((out / f"{stem}.json").read_text())
    assert report["passed"] is False
    assert report["parity"]["landmark_max"] > 1
    assert report["partitions"] == 1
    assert {"input", "236", "stride8"} <= {tensor["name"] for tensor in report["tensors"]}
    page = (out / f"{stem}.html").read_text()
    assert "Refused: " in page
    assert "Landmarks off by" in page


def test_int8_as_far_as_it_goes(yunet: Path, photos: Path, tmp_path: Path) -> None:
    made = convert(yunet, tmp_path, to="tflite", precision="int8", faces=photos, gate=LOOSE)
    assert isinstance(made.parity, DetectorParity)
    assert made.parity.landmark_mean < 0.6
    assert made.notes[-1] == "Judged on 12 faces, which say little about the worst one in use: give 200 photos."
    assert made.size < 0.55 * 224_080, "bytes of the float file"
    found = inspect_tflite(made.path.read_bytes())
    outside = {item.name for item in found.tensors if item.dtype == "float32"}
    assert outside == {"input", "stride8", "stride16", "stride32"}
    assert {item.dtype for item in found.tensors} == {"int8", "int32", "float32"}
    assert found.partitions == 1
    entry = json.loads((tmp_path / "manifest.json").read_text())["models"][made.path.name]
    assert entry["parity"] == made.parity.to_dict()
    assert entry["options"]["gate"]["landmarks_max"] == 30
    assert len(entry["held_out"]) == 12
    assert made.to_dict()["parity"]["photos"] == 12
    again = convert(yunet, tmp_path / "again", to="tflite", precision="int8", faces=photos, gate="off")
    assert again.path.read_bytes() == made.path.read_bytes(), "the same photos give the same bytes"


@pytest.mark.parametrize(
    ("to", "precision", "limit"), [("tflite", "float32", 0.2), ("tflite", "float16", 1.0), ("onnx", "float16", 1.0)]
)
def test_float_passes_its_gate(
    to: str, precision: str, limit: float, yunet: Path, photos: Path, tmp_path: Path
) -> None:
    parity = convert(yunet, tmp_path, to=to, precision=precision, faces=photos).parity
    assert isinstance(parity, DetectorParity)
    assert (parity.lost, parity.extra) == ((), ())
    assert parity.landmark_max <= limit
    assert parity.faces >= 12, "a face in every photo"


def test_aligned_faces_are_no_photos(yunet: Path, tmp_path: Path) -> None:
    crops = Faces(np.zeros((1, 112, 112, 3), np.uint8), ("a.png",), ("0" * 64,), (), (), (), "crops")
    with pytest.raises(OptionError, match="a folder of photos, not a Gate or Faces"):
        convert(yunet, tmp_path / "out", faces=crops)

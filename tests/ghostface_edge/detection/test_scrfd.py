"""SCRFD through the insightface extra, from a file of the user's own."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.detection import SCRFD, YuNet
from ghostface_edge.engine import load_detector
from ghostface_edge.errors import ModelFileError, OptionError, RuntimeMissingError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session

pytestmark = pytest.mark.insightface


@pytest.fixture(scope="module")
def path(shared: Path) -> Path:
    return shared / "detectors" / "scrfd_500m_kps.onnx"


@pytest.fixture
def insightface() -> Any:
    return pytest.importorskip("insightface", reason="the extra [insightface] is not installed: no SCRFD to run")


def test_without_the_extra(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("insightface", "insightface.model_zoo", "insightface.model_zoo.scrfd"):
        monkeypatch.setitem(sys.modules, module, None)  # what an import finds where it is missing
    with pytest.raises(RuntimeMissingError, match=r'scrfd needs .*pip install "ghostface-edge\[insightface\]"'):
        SCRFD(path)


@pytest.mark.parametrize("options", [{"score": 0}, {"score": 1}, {"threads": 0}, {"threads": -3}, {"threads": 1000}])
def test_senseless_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        SCRFD(tmp_path / "never read.onnx", **options)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no model file"):
        SCRFD(tmp_path / "nothing.onnx")


def test_it_finds_what_insightface_finds(path: Path, insightface: Any, shared: Path) -> None:
    theirs = insightface.model_zoo.get_model(str(path), providers=["CPUExecutionProvider"])
    theirs.prepare(-1, input_size=(640, 640), det_thresh=0.5)
    ours = SCRFD(path, threads=1)
    assert ours.name == "scrfd"
    faces = 0
    for photo in sorted((shared / "photos").glob("*.jpg")):
        image = Image.open(photo)
        boxes, landmarks = theirs.detect(np.ascontiguousarray(image.pixels[..., ::-1]))
        found = ours.detect(image)
        assert len(found) == len(boxes)
        faces += len(found)
        for item, row, points in zip(found, boxes, landmarks):
            box = [item.box.x1, item.box.y1, item.box.x2, item.box.y2, item.score]
            np.testing.assert_allclose(box, row, rtol=1e-5, atol=1e-3)
            np.testing.assert_allclose(item.landmarks, points, rtol=1e-5, atol=1e-3)
    assert faces >= 17


@pytest.mark.usefixtures("insightface")
def test_it_sees_the_faces_that_yunet_sees(path: Path, real_models: ModelStore, lfw_sample: list[Path]) -> None:
    """Two detectors of different authors: the same faces, and the same order of landmarks."""
    yunet = YuNet(open_session(real_models.resolve("yunet"), threads=1))
    scrfd = load_detector(f"scrfd:{path}", real_models, threads=1)
    for photo in lfw_sample[:25]:
        image = Image.open(photo)
        (first, *_), others = sorted(yunet.detect(image), key=lambda item: -item.box.area), scrfd.detect(image)
        nearest = max(others, key=lambda item: item.box.iou(first.box))
        assert nearest.box.iou(first.box) > 0.5
        apart = np.hypot(*(nearest.landmarks - first.landmarks).T).max()
        assert apart < 0.15 * first.box.width


@pytest.mark.usefixtures("insightface")
def test_no_face_is_an_empty_tuple(path: Path) -> None:
    assert SCRFD(path, threads=1).detect(Image.from_rgb(np.zeros((50, 70, 3), np.uint8))) == ()


@pytest.mark.usefixtures("insightface")
def test_sixteen_threads_see_what_one_sees(path: Path, lfw_sample: list[Path]) -> None:
    detector = SCRFD(path, threads=1)
    images = [Image.open(photo) for photo in lfw_sample[:24]]

    def seen(image: Image) -> list[Any]:
        return [(item.box, item.score, item.landmarks.tolist()) for item in detector.detect(image)]

    alone = [seen(image) for image in images]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(seen, images)) == alone


@pytest.mark.usefixtures("insightface")
def test_a_file_that_is_no_scrfd(path: Path, shared: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(path.read_bytes()[:100_000])
    for other in (cut, shared / "detectors" / "face_detection_yunet_2023mar.onnx"):
        with pytest.raises(ModelFileError):
            SCRFD(other)

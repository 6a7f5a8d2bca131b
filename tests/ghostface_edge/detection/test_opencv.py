"""The fallback: OpenCV's YuNet agrees with ours, and only the published file reaches its parser."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.detection import OpenCVYuNet, YuNet
from ghostface_edge.errors import ModelFileError, OptionError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session

pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def path(shared: Path) -> Path:
    return shared / "detectors" / "face_detection_yunet_2023mar.onnx"


def test_it_agrees_with_our_plain_mode(path: Path, real_models: ModelStore, shared: Path) -> None:
    ours = YuNet(open_session(real_models.resolve("yunet"), threads=1), mode="plain")
    theirs = OpenCVYuNet(path)
    assert theirs.name == "yunet-opencv"
    for photo in sorted((shared / "photos").glob("*.jpg")):
        image = Image.open(photo)
        scale = max(1.0, max(image.width, image.height) / 640)
        mine, other = ours.detect(image), theirs.detect(image)
        assert len(mine) == len(other)
        for a, b in zip(mine, other):
            assert a.box.iou(b.box) > 0.99
            assert a.score == pytest.approx(b.score, abs=1e-3)
            np.testing.assert_allclose(a.landmarks, b.landmarks, rtol=0, atol=0.5 * scale)


def test_no_face_is_an_empty_tuple(path: Path) -> None:
    assert OpenCVYuNet(path).detect(Image.from_rgb(np.zeros((50, 70, 3), np.uint8))) == ()


def test_sixteen_threads_see_what_one_sees(path: Path, lfw_sample: list[Path], shared: Path) -> None:
    detector = OpenCVYuNet(path)
    # photos of several sizes, because the size is a state of OpenCV's detector
    images = [Image.open(photo) for photo in (*lfw_sample[:20], *sorted((shared / "photos").glob("img1*.jpg")))]

    def seen(image: Image) -> list[Any]:
        return [(item.box, item.score, item.landmarks.tolist()) for item in detector.detect(image)]

    alone = [seen(image) for image in images]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(seen, images)) == alone


def test_a_size_limit(path: Path, shared: Path) -> None:
    image = Image.open(shared / "photos" / "selfie-many-people.jpg")
    assert len(OpenCVYuNet(path, max_size=96).detect(image)) < len(OpenCVYuNet(path).detect(image))


def test_any_other_file_is_refused(path: Path, tmp_path: Path) -> None:
    # One flipped bit of 1.9 million; OpenCV's own parser dies of a segmentation fault on some such files.
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 3] ^= 4
    copy = tmp_path / "copy.onnx"
    for content in (bytes(damaged), bytes(damaged)[:1000], b"\x08\x07", b"no model"):
        copy.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"copy\.onnx is not face_detection_yunet_2023mar\.onnx"):
            OpenCVYuNet(copy)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no model file"):
        OpenCVYuNet(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("options", [{"score": 0}, {"score": 1}, {"max_size": 31}, {"max_size": 5000}])
def test_senseless_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        OpenCVYuNet(tmp_path / "never read.onnx", **options)

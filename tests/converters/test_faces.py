from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ghostface_edge.alignment import ARCFACE_TEMPLATE
from ghostface_edge.converters.faces import ENOUGH_FACES, LEAST_FACES, Faces, read_faces
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import CalibrationError, MissingModelError
from ghostface_edge.image import Image
from ghostface_edge.types import Box, Detection


class Template:
    """A detector that finds one face, in the middle, whose landmarks lie `shift` pixels beside the template."""

    name = "template"

    def __init__(self, shift: float = 0.0, *, finds: bool = True) -> None:
        self.shift, self.finds = shift, finds

    def detect(self, image: Image) -> Sequence[Detection]:
        if not self.finds:
            return []
        scale = image.width / 112
        points = (ARCFACE_TEMPLATE + self.shift) * scale
        box = Box(20 * scale, 20 * scale, 92 * scale, 92 * scale)
        return [Detection(box=box, score=0.9, landmarks=points.astype(np.float32))]


def pictures(folder: Path, count: int, size: int = 112, seed: int = 0) -> Path:
    """Different smooth pictures, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for index in range(count):
        coarse = random.integers(0, 256, (12, 12, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index:03d}.png"), cv2.resize(coarse, (size, size)))
    return folder


def test_crops_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = pictures(tmp_path, LEAST_FACES)
    faces = read_faces(folder, detector=Template())
    assert faces.files == tuple(sorted(path.name for path in folder.iterdir()))
    bgr = cv2.imread(str(folder / faces.files[3]))
    np.testing.assert_array_equal(faces.crops[3], bgr[:, :, ::-1])


def test_photos_are_aligned_to_the_template(tmp_path: Path) -> None:
    """The detector's points are the template, three times as large: so the crop is the photo, shrunk three times.

    The corner of the template's pixels is their centre, so that the two differ by a third of a pixel.
    """
    folder = pictures(tmp_path, LEAST_FACES, size=336)
    faces = read_faces(folder, detector=Template())
    shrunk = cv2.resize(cv2.imread(str(folder / faces.files[0])), (112, 112), interpolation=cv2.INTER_AREA)
    assert np.abs(faces.crops[0].astype(int) - shrunk[:, :, ::-1]).mean() < 5  # another picture differs by 80


def test_one_photo_fifty_times_is_refused(tmp_path: Path) -> None:
    source = pictures(tmp_path / "one", 1) / "000.png"
    folder = tmp_path / "fifty"
    folder.mkdir()
    for index in range(50):
        shutil.copy(source, folder / f"{index}.png")
    with pytest.raises(CalibrationError, match=r"has 1 different faces \(49 copies of another\)"):
        read_faces(folder, detector=Template())


def test_a_recompressed_copy_is_a_copy(tmp_path: Path) -> None:
    folder = pictures(tmp_path, LEAST_FACES)
    cv2.imwrite(str(folder / "z.jpg"), cv2.imread(str(folder / "004.png")), [cv2.IMWRITE_JPEG_QUALITY, 40])
    assert read_faces(folder, detector=Template()).copies == ("z.jpg",)


def test_a_folder_without_faces(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="no face was found in any of the 20 pictures"):
        read_faces(pictures(tmp_path, 20, size=200), detector=Template(finds=False))


@pytest.mark.parametrize("what", ["absent", "file", "empty"])
def test_no_usable_folder(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "file":
        path.write_text("text")
    if what == "empty":
        path.mkdir()
    with pytest.raises(CalibrationError, match=what):
        read_faces(path, detector=Template())


def test_what_is_no_picture_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = pictures(tmp_path, LEAST_FACES)
    (folder / "notes.jpg").write_text("this is text")
    with caplog.at_level(logging.WARNING):
        faces = read_faces(folder, detector=Template())
    assert faces.unreadable == ("notes.jpg",)
    assert "notes.jpg" in caplog.text


@pytest.mark.parametrize(("shift", "warned"), [(2.0, False), (9.0, True)])
def test_unaligned_crops_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, shift: float, warned: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        read_faces(pictures(tmp_path, ENOUGH_FACES), detector=Template(shift))
    assert ("look unaligned" in caplog.text) == warned


def test_few_faces_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_faces(pictures(tmp_path, 40), detector=Template())
    assert "only 40 different faces" in caplog.text


def test_the_split_depends_on_the_pictures_alone(tmp_path: Path) -> None:
    first = read_faces(pictures(tmp_path / "a", 40), detector=Template())
    (tmp_path / "b").mkdir()
    for path in (tmp_path / "a").iterdir():
        shutil.copy(path, tmp_path / "b" / f"renamed-{999 - int(path.stem)}.png")
    second = read_faces(tmp_path / "b", detector=Template())
    one, two = first.split(15), second.split(15)
    assert [len(part) for part in one] == [25, 15]
    assert [part.sha256 for part in one] == [part.sha256 for part in two]
    assert not set(one[0].sha256) & set(one[1].sha256)
    assert first.digest() == second.digest()


def test_at_most_half_is_held_out(tmp_path: Path) -> None:
    faces = read_faces(pictures(tmp_path, 20), detector=Template())
    assert [len(part) for part in faces.split(500)] == [10, 10]


def test_photos_without_a_detector_on_this_machine(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError):
        read_faces(pictures(tmp_path, LEAST_FACES, size=200))


def test_crops_need_no_detector(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(read_faces(pictures(tmp_path, LEAST_FACES))) == LEAST_FACES
    assert "is not checked" in caplog.text


@pytest.fixture(scope="module")
def real_faces(shared: Path, real_engine: FaceEngine, tmp_path_factory: pytest.TempPathFactory) -> Faces:
    folder = tmp_path_factory.mktemp("photos")
    for path in sorted((shared / "calibration").glob("*.jpg"))[:120]:
        shutil.copy(path, folder)
    return read_faces(folder, detector=real_engine.detector)


class TestRealPhotos:
    def test_every_photo_has_a_face(self, real_faces: Faces) -> None:
        assert (len(real_faces), real_faces.without_face, real_faces.copies) == (120, (), ())

    def test_aligned_crops_look_aligned_and_squeezed_photos_do_not(
        self,
        real_faces: Faces,
        shared: Path,
        real_engine: FaceEngine,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        for name in ("aligned", "squeezed"):
            (tmp_path / name).mkdir()
        for name, crop in zip(real_faces.files, real_faces.crops):
            cv2.imwrite(str(tmp_path / "aligned" / f"{name}.png"), crop[:, :, ::-1])
            photo = cv2.imread(str(shared / "calibration" / name))
            cv2.imwrite(str(tmp_path / "squeezed" / f"{name}.png"), cv2.resize(photo, (112, 112)))
        with caplog.at_level(logging.WARNING):
            read_faces(tmp_path / "aligned", detector=real_engine.detector)
        assert "unaligned" not in caplog.text
        with caplog.at_level(logging.WARNING):
            read_faces(tmp_path / "squeezed", detector=real_engine.detector)
        assert "look unaligned" in caplog.text

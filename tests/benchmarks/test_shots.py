"""What pipelines are timed on: the right photos, and a camera that always shows the same."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PILImage

from ghostface_edge.benchmarks.drawn_people import draw_people
from ghostface_edge.benchmarks.shots import CameraShots, PhotoShots, camera_size, source
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import EvaluationError, OptionError
from ghostface_edge.image import Image

ROOT = Path(__file__).resolve().parent.parent.parent


def _grey(shot: object) -> np.ndarray:
    assert isinstance(shot, np.ndarray)
    return cv2.cvtColor(shot, cv2.COLOR_BGR2GRAY).astype(np.float64)


def test_the_people_are_those_of_the_readme() -> None:
    picture = Image.open(ROOT / "docs" / "people.jpg").pixels
    drawn = draw_people()
    assert drawn.shape == picture.shape
    assert np.abs(drawn.astype(int) - picture).mean() < 3  # JPEG


def test_a_camera_sways_as_it_says() -> None:
    camera = CameraShots(640, 480)
    assert len(camera) == 96
    still = _grey(camera.shot(0))
    window = cv2.createHanningWindow((640, 480), cv2.CV_64F)
    # Twice from side to side and three times up and down in 96 frames, by 2 % of 640 and of 480 pixels each way.
    for number, wanted in (
        (12, (12.8, 9.6 * np.sin(2.25 * np.pi))),
        (8, (12.8 * np.sin(np.pi / 3), 9.6)),
        (48, (0, 0)),
    ):
        shift, _ = cv2.phaseCorrelate(still, _grey(camera.shot(number)), window)
        assert shift == pytest.approx(wanted, abs=0.25)
    assert np.array_equal(camera.shot(7), CameraShots(640, 480).shot(7))


def test_a_frame_is_blue_first_and_the_picture_fits_into_it(tmp_path: Path) -> None:
    PILImage.new("RGB", (50, 100), (200, 30, 10)).save(tmp_path / "red.png")
    frame = CameraShots(320, 240, str(tmp_path / "red.png")).shot(0)
    assert isinstance(frame, np.ndarray)
    assert frame.shape == (240, 320, 3)
    assert (frame == (10, 30, 200)).all()  # its rim is continued
    image = source(frame)
    assert isinstance(image, Image)
    assert (image.pixels == (200, 30, 10)).all()


def test_the_camera_sees_all_three_people_in_every_frame(real_engine: FaceEngine) -> None:
    for size in ((1280, 720), (320, 480)):
        camera = CameraShots(*size)
        for number in (0, 12, 32, 60, 84):
            assert len(real_engine.detect(source(camera.shot(number)))) == 3, (size, number)


@pytest.mark.parametrize("size", [(31, 480), (640, 40_000), (0, 0), (-5, 100)])
def test_a_camera_of_no_size(size: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match=f"a camera of {size[0]} x {size[1]} pixels"):
        CameraShots(*size)


def test_the_size_of_a_camera() -> None:
    assert camera_size("1280x720") == (1280, 720)
    assert camera_size("64X48") == (64, 48)
    for text in ("", "x", "640", "640x", "x480", "640x480x3", "-640x480", "640.0x480", "9" * 30 + "x1", "a×b"):
        with pytest.raises(OptionError, match="WIDTHxHEIGHT"):
            camera_size(text)


def test_photos_of_folders_and_files(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for name in ("b.jpg", "a.PNG", "deep/c.webp", "deep/notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    shots = PhotoShots([folder, tmp_path / "one.tiff"])
    names = [folder / "a.PNG", folder / "b.jpg", folder / "deep" / "c.webp", tmp_path / "one.tiff"]
    assert [shots.shot(number) for number in range(len(shots))] == [str(name) for name in names]
    assert source(shots.shot(0)) == str(names[0])
    assert (shots.describe(), PhotoShots(["x.jpg"]).describe()) == ("4 photos", "1 photo")


def test_no_photos(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no photo was named"):
        PhotoShots([])
    with pytest.raises(EvaluationError, match="no pictures"):
        PhotoShots([tmp_path])

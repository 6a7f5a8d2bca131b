"""The main face, coarse to fine: by hand with a network of known numbers, and on photos beside a look at everything."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ghostface_edge.alignment import ARCFACE_TEMPLATE
from ghostface_edge.detection import OpenCVYuNet, ScalingDetector, YuNet
from ghostface_edge.detection.detector import found_by
from ghostface_edge.detection.main_face import main_face
from ghostface_edge.detection.yunet import input_size
from ghostface_edge.engine import FaceEngine, load_detector
from ghostface_edge.errors import OptionError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.types import Box, Detection, DetectionRun

cv2 = pytest.importorskip("cv2")

Squares = Callable[..., YuNet]
UNIT = {"landmarks": [[0.2, 0.2], [0.8, 0.2], [0.5, 0.5], [0.3, 0.8], [0.7, 0.8]]}  # five points inside of the cell


def picture(height: int, width: int, *squares: tuple[int, int, int, int]) -> Image:
    """Squares of (top, left, side, grey level) on black."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for top, left, side, grey in squares:
        pixels[top : top + side, left : left + side] = grey
    return Image.from_rgb(pixels)


def only(found: tuple[Detection, ...]) -> tuple[Detection, DetectionRun]:
    (face,) = found
    assert face.run is not None
    return face, face.run


# ----------------------------------------------------------------------------------------------------------------
# A network of known numbers: a white cell is a face three cells wide and four high


def test_a_clear_face_is_found_on_the_small_view(squares: Squares) -> None:
    # 256 x 192 halved is 128 x 96. The white square is the cell of 32 pixels in row 1 and column 1 there: its face is
    # 96 wide and 128 high about (48, 48), twice that in the photo, where pixel centres shift by half a pixel.
    face, run = only(squares(UNIT, mode="fast").detect_main(picture(192, 256, (64, 64, 64, 255))))
    assert [face.box.x1, face.box.y1, face.box.x2, face.box.y2] == pytest.approx([0.5, -31.5, 192.5, 224.5], abs=1e-3)
    assert (run.inputs, run.looks) == ((128,), 0)


@pytest.mark.parametrize(
    ("height", "width", "scale", "longest"), [(770, 1026, 8, 128), (385, 193, 2, 192), (500, 769, 4, 192)]
)
def test_odd_sides_are_cut_before_they_are_halved(
    squares: Squares, height: int, width: int, scale: int, longest: int
) -> None:
    # The same cell of the small view: the last pixel of an odd side is left out, so all is scaled by a power of two.
    side = 32 * scale
    face, run = only(squares(UNIT, mode="fast").detect_main(picture(height, width, (side, side, side, 255))))
    assert run.inputs == (longest,)
    middle, shift = 48 * scale, (scale - 1) / 2
    expected = [middle - 48 * scale, middle - 64 * scale, middle + 48 * scale, middle + 64 * scale]
    assert [face.box.x1, face.box.y1, face.box.x2, face.box.y2] == pytest.approx(
        [v + shift for v in expected], rel=1e-5
    )


def test_a_small_face_is_looked_for_on_larger_views(squares: Squares) -> None:
    # A square of 8 in a photo of 512 is nothing at 128, grey at 256, and a face only in the photo itself.
    face, run = only(squares(UNIT, mode="fast").detect_main(picture(512, 512, (256, 256, 8, 255))))
    assert run.inputs == (128, 256, 512, 160)
    (seen,) = squares(UNIT, mode="fast").detect(picture(512, 512, (256, 256, 8, 255)))
    assert face.to_dict()["box"] == seen.to_dict()["box"]


def test_a_rival_makes_it_look_closer(squares: Squares) -> None:
    alone, rival = (64, 64, 64, 255), (64, 192, 64, 255)
    detector = squares(UNIT, mode="fast")
    _, run = only(detector.detect_main(picture(192, 320, alone)))
    assert run.inputs == (160,)
    _, run = only(detector.detect_main(picture(192, 320, alone, rival)))
    assert run.inputs == (160, 320)


def test_a_faint_rival_makes_it_look_closer(squares: Squares) -> None:
    # Both logits are (grey - 127.5) / 10: 124 gives 0.41, 119 gives 0.3 less a little, which says nothing.
    detector = squares(UNIT, mode="fast")
    for grey, inputs in ((124, (160, 320)), (118, (160,))):
        _, run = only(detector.detect_main(picture(192, 320, (64, 64, 64, 255), (64, 192, 64, grey))))
        assert run.inputs == inputs, grey


def test_a_face_that_no_closer_look_confirms_is_looked_for_in_the_photo(squares: Squares) -> None:
    # Landmarks far from the square: the canvas is cut where all is black.
    far = [[6 + x, 2 + y] for x, y in ((0, 0), (1, 0), (0.5, 0.5), (0.1, 1), (0.9, 1))]
    image = picture(192, 256, (64, 64, 64, 255))
    _, run = only(squares({"landmarks": far}).detect_main(image))
    assert (run.inputs, run.looks) == ((128, 256), 0)
    assert only(squares({"landmarks": far}, mode="fast").detect_main(image))[1].inputs == (128,)


class OneFace:
    """A session that sees one face amid whatever it is shown; in a closer look some pixels of the crop to the right.

    The aligned crop takes 0.7 * 128 = 0.8 * 112 pixels of a canvas.
    """

    def __init__(self, detector: YuNet, scale: float, moved: float = 0.0) -> None:
        self.card, self.version, self.sha256 = detector._session.card, "test", "0" * 64
        self.scale, self.moved = scale, moved
        self.canvases: list[NDArray[np.float32]] = []

    def run(self, tensor: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        _, _, height, width = tensor.shape
        grids = tuple(np.full((1, height // step, width // step, 16), -9, np.float32) for step in (8, 16, 32))
        middle, scale, moved = (width - 1) / 2, self.scale, 0.0
        if (height, width) == (128, 128):
            self.canvases.append(tensor)
            scale, moved = 0.8, self.moved
        points = (ARCFACE_TEMPLATE - 55.5 + [moved, 0]) * scale + middle
        cell = grids[0][0, 8, 8]
        cell[:2], cell[2:4], cell[4:6], cell[6:] = 5, middle / 8 - 8, np.log(60 / 8), points.ravel() / 8 - 8
        return grids


@pytest.mark.parametrize("moved", [0, 4.4, 4.6, 8])
@pytest.mark.parametrize(("scale", "share"), [(0.7, 2 / 3), (0.4, 1)])  # seen twice as large, a canvas has all to say
def test_a_closer_look_weighs_two_thirds_and_may_disagree(
    squares: Squares, scale: float, share: float, moved: float
) -> None:
    detector = YuNet(OneFace(squares(), scale, moved))  # type: ignore[arg-type]
    face, run = only(detector.detect_main(picture(640, 640)))
    assert (run.inputs == (160,)) == (moved < 4.5)
    if moved < 4.5:
        assert run.looks == 1
        wanted = ((ARCFACE_TEMPLATE - 55.5 + [share * moved, 0]) * scale + 80) * 4 - 0.5
        np.testing.assert_allclose(face.landmarks, wanted, atol=1e-3)


def test_a_small_photo_keeps_its_first_estimate_however_small_the_face(squares: Squares) -> None:
    """No view shows it larger."""
    face, _ = only(YuNet(OneFace(squares(), 0.4, 3)).detect_main(picture(160, 160)))  # type: ignore[arg-type]
    np.testing.assert_allclose(face.landmarks, (ARCFACE_TEMPLATE - 55.5 + [2, 0]) * 0.4 + 79.5, atol=1e-3)


def canvas(squares: Squares, photo: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
    """What a closer look sees of the one face in a photo that was shrunk to 640 pixels."""
    session = OneFace(squares(), scale)
    assert YuNet(session).detect(Image.from_rgb(photo))  # type: ignore[arg-type]
    return session.canvases[0][0, 0]


def test_a_canvas_is_not_shrunk_by_much(squares: Squares) -> None:
    """Single pixels of black and white are grey in all halved photos; those of the photo itself would alias."""
    rows, columns = np.indices((1280, 1280))
    board = np.where((rows + columns) % 2, 255, 0).astype(np.uint8)
    seen = canvas(squares, np.stack([board] * 3, axis=-1), 1.5)
    assert seen.min() >= 127
    assert seen.max() <= 128


@pytest.mark.parametrize("scale", [0.7, 1.5, 3.0])  # cut from the photo, from a half and from a quarter of it
def test_a_canvas_lies_where_the_face_is(squares: Squares, scale: float) -> None:
    ramp = (2 * np.arange(1280.0) - 1152).clip(0, 254)  # means of 2 and of 4 pixels are whole numbers, too
    seen = canvas(squares, np.broadcast_to(ramp.astype(np.uint8)[:, None], (1280, 1280, 3)), scale)
    view = (np.arange(128) - 63.5) / 0.8 * scale + 319.5
    wanted = 2 * ((view + 0.5) * 2 - 0.5) - 1152
    inside = (wanted > 8) & (wanted < 246)
    assert inside.sum() > 12
    np.testing.assert_allclose(seen[64][inside], wanted[inside], atol=0.6)


@pytest.mark.parametrize(("height", "width"), [(192, 192), (33, 31), (1, 1), (1, 300), (300, 1)])
def test_photos_too_small_for_a_smaller_view(squares: Squares, height: int, width: int) -> None:
    image = Image.from_rgb(np.full((height, width, 3), 255, np.uint8))
    detector = squares(UNIT, mode="fast")
    everybody = detector.detect(image)
    found = detector.detect_main(image)
    if not everybody:
        assert found == ()
    else:
        assert only(found)[0].box == main_face(image, everybody).box


def test_no_face(squares: Squares) -> None:
    for size in ((50, 70), (700, 900)):
        assert squares().detect_main(Image.from_rgb(np.zeros((*size, 3), np.uint8))) == ()


def test_plain_and_small_inputs_take_no_short_way(squares: Squares) -> None:
    image = picture(192, 256, (64, 64, 64, 255))
    _, run = only(squares(UNIT, mode="plain").detect_main(image))
    assert run == DetectionRun((256,), 0, run.faces)
    _, run = only(squares(UNIT, mode="fast", max_size=128).detect_main(image))
    assert run.inputs == (128,)


# ----------------------------------------------------------------------------------------------------------------
# The smallest face that is wanted


@pytest.mark.parametrize(
    ("longest", "min_face", "size"),
    [
        (1000, 125, 160),  # 20 pixels of 160
        (1000, 62.5, 320),
        (1000, 31.25, 640),
        (1000, 31, 672),  # 645.2, and the next multiple of 32
        (1000, 900, 160),  # never less: there is nothing to gain
        (30_000, 1, 4096),  # never more
        (1, 1e-9, 4096),
        (1, 1e9, 160),
    ],
)
def test_the_input_that_a_face_needs(longest: int, min_face: float, size: int) -> None:
    assert input_size(longest, min_face) == size


def test_the_photo_is_seen_at_the_size_that_the_face_needs(squares: Squares) -> None:
    image = picture(480, 640, (64, 64, 64, 255))
    detector = squares(UNIT, mode="fast")
    for min_face, inputs in ((80, (160,)), (0.125, (160,)), (40, (320,)), (0.04, (512, 160)), (1, (640, 160))):
        (face, *_) = found_by(detector, image, min_face=min_face)
        assert face.run is not None
        assert face.run.inputs == inputs, min_face


def test_no_second_try_for_faces_that_are_not_wanted(squares: Squares) -> None:
    # At 640 pixels, 8 of 1280 are 4, a quarter of a cell; the second try at 1280 sees them.
    image = picture(960, 1280, (200, 200, 8, 255))
    detector = squares(UNIT, mode="fast")
    assert only(detector.detect(image))[1].inputs == (640, 160, 1280, 160)
    assert found_by(detector, image, min_face=0.032) == ()


@pytest.mark.parametrize("min_face", [0, -1, float("nan"), float("inf"), True, "20"])
def test_no_size_of_a_face(squares: Squares, min_face: Any) -> None:
    with pytest.raises(OptionError, match=r"^min_face=.* is no width of a face: use pixels, or below 1 a share"):
        found_by(squares(), picture(64, 64), min_face=min_face)


class Own:
    """A detector that only has what one needs."""

    name = "own"

    def detect(self, image: Image) -> tuple[Detection, ...]:
        return tuple(
            Detection(Box(x, 0, x + side, side), 0.9, np.random.default_rng(0).normal(0, 9, (5, 2)))
            for x, side in ((0, 10), (20, 30))
        )


def test_a_detector_of_ones_own() -> None:
    image = picture(64, 64)
    assert not isinstance(Own(), ScalingDetector)
    assert [item.box.width for item in found_by(Own(), image, main=True)] == [30, 10]  # the engine chooses
    with pytest.raises(OptionError, match="detector 'own' takes no min_face"):
        found_by(Own(), image, min_face=10)


# ----------------------------------------------------------------------------------------------------------------
# The real network


@pytest.fixture(scope="module", params=["yunet", "yunet-fast"])
def detector(request: pytest.FixtureRequest, real_models: ModelStore) -> Any:
    return load_detector(request.param, real_models, threads=1)


def assert_same_main_face(detector: Any, image: Image) -> DetectionRun:
    everybody = found_by(detector, image)
    face, run = only(found_by(detector, image, main=True))
    assert face.box.iou(main_face(image, everybody).box) > 0.6, image.source
    return run


def test_the_main_face_of_photos(detector: Any, shared: Path) -> None:
    runs = {path.name: assert_same_main_face(detector, Image.open(path)) for path in (shared / "photos").glob("*.jpg")}
    assert runs["selfie-many-people.jpg"].faces > 4  # nobody is clearly the main one: all of it was looked at
    short = [run for run in runs.values() if run.inputs[-1] <= 384]
    assert len(short) >= 10
    assert {run.looks for run in runs.values()} == {1 if detector.name == "yunet" else 0}


def test_the_main_face_of_lfw(detector: Any, lfw_sample: list[Path]) -> None:
    runs = [assert_same_main_face(detector, Image.open(path)) for path in lfw_sample]
    assert np.mean([run.inputs == (125,) for run in runs]) > 0.9


def group(paths: list[Path], rng: random.Random) -> Image:
    """Portraits of several sizes, anywhere on grey."""
    canvas = np.full((720, 960, 3), rng.randrange(256), np.uint8)
    for path in paths:
        side = rng.randint(60, 400)
        top, left = rng.randrange(720 - side), rng.randrange(960 - side)
        pixels: NDArray[np.uint8] = np.asarray(
            cv2.resize(Image.open(path).pixels, (side, side), interpolation=cv2.INTER_AREA)
        )
        canvas[top : top + side, left : left + side] = pixels
    return Image.from_rgb(canvas, source=", ".join(path.name for path in paths))


def test_the_main_face_of_groups(detector: Any, lfw_sample: list[Path]) -> None:
    rng = random.Random(7)
    for _ in range(60):
        assert_same_main_face(detector, group(rng.sample(lfw_sample, rng.randint(2, 6)), rng))


def test_a_look_that_disagrees_makes_it_look_at_a_larger_view(real_models: ModelStore, shared: Path) -> None:
    """An arm covers half of the face: the closer look finds it more than 4.5 pixels of the aligned crop away."""
    image = Image.open(shared / "lfw" / "images" / "Luis_Horna" / "Luis_Horna_0002.jpg")
    _, run = only(found_by(load_detector("yunet", real_models, threads=1), image, main=True))
    assert (run.inputs, run.looks) == ((125, 250), 1)
    assert only(found_by(load_detector("yunet-fast", real_models, threads=1), image, main=True))[1].inputs == (125,)


def test_landmarks_of_both_ways_agree(detector: Any, lfw_sample: list[Path]) -> None:
    """In units of the distance between the eyes; 0.03 are 1 pixel of the aligned crop."""
    away = []
    for path in lfw_sample[:100]:
        image = Image.open(path)
        short, whole = only(found_by(detector, image, main=True))[0], main_face(image, found_by(detector, image))
        eyes = np.hypot(*(whole.landmarks[0] - whole.landmarks[1]))
        away.append(np.hypot(*(short.landmarks - whole.landmarks).T).mean() / eyes)
    # They scatter more where nothing looks closer: the median is 0.04 and 0.06.
    assert np.median(away) < (0.05 if detector.name == "yunet" else 0.08)
    assert max(away) < 0.3


def test_faces_of_a_tenth_of_the_photo(detector: Any, lfw_sample: list[Path]) -> None:
    """min_face is kept: portraits whose faces are a tenth of the photo wide, and inputs that are made for that."""
    found = 0
    for path in lfw_sample[:60]:
        portrait = Image.open(path)
        face = main_face(portrait, found_by(detector, portrait))
        side = round(250 * 96 / face.box.width)
        canvas = np.full((720, 960, 3), 128, np.uint8)
        canvas[100 : 100 + side, 200 : 200 + side] = cv2.resize(portrait.pixels, (side, side))
        middle = (face.landmarks.mean(axis=0) + 0.5) * side / 250 - 0.5 + (200, 100)
        seen = found_by(detector, Image.from_rgb(canvas), min_face=0.1)
        assert all(item.run is not None and item.run.inputs == (224,) for item in seen)
        found += any(np.hypot(*(item.landmarks.mean(axis=0) - middle)) < 20 for item in seen)
    assert found >= 0.95 * 60


def test_what_was_done_stands_in_the_face(real_engine: FaceEngine, shared: Path) -> None:
    photo = shared / "photos" / "img8.jpg"
    face, (other, *_) = real_engine.face(photo), real_engine.faces(photo)
    assert face.detection == DetectionRun((120,), 1, 1)
    assert face.to_dict()["detection"] == {"inputs": [120], "looks": 1, "faces": 1}
    assert other.detection == DetectionRun((640, 160), 1, 1)
    assert [item.detection for item in real_engine.faces(photo, min_face=0.2)] == [DetectionRun((160,), 1, 1)]
    assert float(face.embedding @ other.embedding) > 0.9


def test_opencv_looks_at_all_of_it(shared: Path) -> None:
    detector = OpenCVYuNet(shared / "detectors" / "face_detection_yunet_2023mar.onnx")
    image = Image.open(shared / "photos" / "img16.jpg")
    assert [item.run for item in found_by(detector, image, main=True)] == [DetectionRun((640,), 0, 1)]
    assert [item.run for item in found_by(detector, image, min_face=0.125)] == [DetectionRun((160,), 0, 1)]

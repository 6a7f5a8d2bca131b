"""Our YuNet: a network of known numbers by hand, OpenCV's own decoder on real photos, and what the looks are worth."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ghostface_edge.alignment import similarity_transform
from ghostface_edge.detection import YuNet
from ghostface_edge.detection.yunet import MODES
from ghostface_edge.errors import DetectionError, InferenceError, OptionError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session
from ghostface_edge.types import Detection

cv2 = pytest.importorskip("cv2")

Squares = Callable[..., YuNet]
Pixels = NDArray[np.uint8]


def white_square(height: int, width: int, top: int, left: int, side: int = 8) -> Image:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[top : top + side, left : left + side] = 255
    return Image.from_rgb(pixels)


def numbers(found: Detection) -> list[float]:
    return [found.box.x1, found.box.y1, found.box.x2, found.box.y2, *found.landmarks.ravel().tolist()]


# ----------------------------------------------------------------------------------------------------------------
# A network of known numbers


@pytest.mark.parametrize("mode", ["plain", "fast"])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (57, 83), (49, 65)])
def test_a_square_by_hand(squares: Squares, mode: str, height: int, width: int) -> None:
    # The cell in row 5 and column 7 of the grid of 8 pixels: middle (60, 44), 24 wide, 32 high. Sides that are no
    # multiple of 32 are padded at the right and at the bottom, so nothing moves.
    (found,) = squares(mode=mode).detect(white_square(height, width, 40, 56))
    assert numbers(found) == pytest.approx([48, 28, 72, 60, 56, 40, 64, 40, 60, 44, 56, 48, 64, 48], abs=1e-3)
    assert found.score == pytest.approx(1, abs=1e-5)


def test_larger_squares_are_seen_by_larger_cells(squares: Squares) -> None:
    # 32 x 32 white pixels fill 16 cells of 8, 4 of 16 and 1 of 32; what the large cell sees is 96 x 128 pixels.
    found = squares(mode="plain", score=0.9).detect(white_square(128, 128, 32, 64, 32))
    largest = max(found, key=lambda item: item.box.area)
    assert numbers(largest)[:4] == pytest.approx([32, -16, 128, 112], abs=1e-3)


def test_a_photo_of_one_pixel(squares: Squares) -> None:
    assert squares().detect(Image.from_rgb(np.full((1, 1, 3), 255, np.uint8))) == ()


def test_a_large_photo_is_shrunk(squares: Squares) -> None:
    # Shrunk by 2, the square of 16 is one of 8, and what is seen there is twice as large: middle (119.5, 87.5) in pixel
    # centres, because the edge of the photo, -0.5, stays where it is.
    (found,) = squares(mode="plain", max_size=96).detect(white_square(128, 192, 80, 112, 16))
    half = np.array([48, 28, 72, 60, 56, 40, 64, 40, 60, 44, 56, 48, 64, 48])
    assert numbers(found) == pytest.approx(2 * half + 0.5, abs=1e-3)


def test_width_and_height_are_scaled_each_by_its_own(squares: Squares) -> None:
    # 100 x 33 at most 40: halved, 50 x 16, and then 40 x 13; pixels of the whole photo are white.
    found = squares(mode="plain", max_size=40).detect(Image.from_rgb(np.full((33, 100, 3), 255, np.uint8)))
    first = min(found, key=lambda item: (item.landmarks[0][1], item.landmarks[0][0]))
    assert first.landmarks[0].tolist() == pytest.approx([(100 / 40 - 1) / 2, (32 / 13 - 1) / 2], abs=1e-3)


def test_a_glance_finds_what_fills_the_photo(squares: Squares) -> None:
    # All cells of a white photo see a face. The widest is three cells of 32 pixels; where the photo is looked at a 2nd
    # time at 160 pixels, it is 352 / 160 times as wide.
    image = Image.from_rgb(np.full((352, 352, 3), 255, np.uint8))
    plain = max(found.box.width for found in squares(mode="plain").detect(image))
    fast = max(found.box.width for found in squares(mode="fast").detect(image))
    assert plain == pytest.approx(96, abs=1e-3)
    assert fast == pytest.approx(96 * 2.2, abs=1e-3)


def test_no_second_look_without_a_geometry(squares: Squares) -> None:
    # All landmarks in one point define no canvas: the first look stands, blended over the one anchor that there is.
    make = {"landmarks": [[0.5, 0.5]] * 5}
    (found,) = squares(make, mode="accurate").detect(white_square(64, 96, 40, 56))
    assert numbers(found) == pytest.approx([48, 28, 72, 60, *[60, 44] * 5], abs=1e-3)


def test_no_second_look_where_nothing_is_seen_again(squares: Squares) -> None:
    # Landmarks far away from the square: the canvas is cut where all is black.
    far = [[6 + x, 2 + y] for x, y in ((0, 0), (1, 0), (0.5, 0.5), (0.1, 1), (0.9, 1))]
    fast = squares({"landmarks": far}, mode="fast").detect(white_square(96, 160, 40, 24))
    accurate = squares({"landmarks": far}, mode="accurate").detect(white_square(96, 160, 40, 24))
    assert len(fast) == 1
    np.testing.assert_array_equal(accurate[0].landmarks, fast[0].landmarks)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ({"box": [np.nan, 0, 0, 0]}, "gave NaN, infinity"),
        ({"landmarks": [[np.inf, 0]] * 5}, "gave NaN, infinity"),
        ({"landmarks": [[2e6, 0]] * 5}, "numbers beyond any photo"),
        ({"strides": (8, 16)}, "outputs that are not those of a YuNet"),
        ({"strides": (16, 8, 32)}, "outputs that are not those of a YuNet"),
        ({"channels": 12}, "outputs that are not those of a YuNet"),
    ],
)
def test_a_network_that_is_no_yunet_after_all(squares: Squares, make: dict[str, Any], message: str) -> None:
    with pytest.raises(InferenceError, match=message):
        squares(make).detect(white_square(64, 64, 8, 8))


@pytest.mark.parametrize("card", [{"architecture": "retinaface"}, {"input_colour_order": "BGR"}])
def test_a_model_that_is_no_yunet(squares: Squares, card: dict[str, Any]) -> None:
    with pytest.raises(DetectionError, match="is not a YuNet as ghostface-edge convert writes it"):
        squares(card)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "best"},
        {"mode": None},
        {"score": 0.29},
        {"score": 1},
        {"score": float("nan")},
        {"max_size": 31},
        {"max_size": 4097},
        {"max_size": 320.0},
    ],
)
def test_senseless_options(squares: Squares, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(options))}"):
        squares(**options)


def test_every_mode_has_a_name(squares: Squares) -> None:
    assert {squares(mode=mode).name for mode in MODES} == {"yunet", "yunet-fast", "yunet-plain"}
    assert squares().name == "yunet"


# ----------------------------------------------------------------------------------------------------------------
# The real network


@pytest.fixture(scope="module")
def yunet(real_models: ModelStore) -> Callable[[str], YuNet]:
    """YuNet in one of its modes, on one thread."""
    session = open_session(real_models.resolve("yunet"), threads=1)
    detectors = {mode: YuNet(session, mode=mode) for mode in MODES}
    return detectors.__getitem__


@pytest.fixture(scope="module")
def reference(shared: Path) -> Callable[[Pixels], NDArray[np.float32]]:
    """OpenCV's FaceDetectorYN at the size of the picture: rows of x, y, width, height, landmarks, score."""
    path = shared / "detectors" / "face_detection_yunet_2023mar.onnx"
    detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.7, 0.3, 5000)

    def detect(pixels: Pixels) -> NDArray[np.float32]:
        detector.setInputSize((pixels.shape[1], pixels.shape[0]))
        rows = detector.detect(np.ascontiguousarray(pixels[..., ::-1]))[1]
        return np.empty((0, 15), np.float32) if rows is None else rows

    return detect


def at_most(pixels: Pixels, side: int) -> Pixels:
    """A photo scaled down by OpenCV's area filter until no side is longer."""
    scale = min(1.0, side / max(pixels.shape))
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def assert_same_faces(found: tuple[Detection, ...], rows: NDArray[np.float32], pixels: float = 0.5) -> None:
    assert len(found) == len(rows)
    for row in rows:
        middle = row[:2] + row[2:4] / 2
        mine = min(found, key=lambda item: np.hypot(*(item.landmarks.mean(axis=0) - middle)))
        box = [mine.box.x1, mine.box.y1, mine.box.width, mine.box.height]
        np.testing.assert_allclose(box, row[:4], rtol=0, atol=pixels)
        np.testing.assert_allclose(mine.landmarks.ravel(), row[4:14], rtol=0, atol=pixels)
        assert mine.score == pytest.approx(row[14], abs=1e-3)


def test_plain_is_opencvs_on_photos(yunet: Any, reference: Any, shared: Path) -> None:
    faces = 0
    for path in sorted((shared / "photos").glob("*.jpg")):
        pixels = at_most(Image.open(path).pixels, 640)
        rows = reference(pixels)
        assert_same_faces(yunet("plain").detect(Image.from_rgb(pixels)), rows)
        faces += len(rows)
    assert faces >= 17  # 12 photos, the group among them


def test_plain_is_opencvs_on_300_photos_of_lfw(yunet: Any, reference: Any, lfw_sample: list[Path]) -> None:
    for path in lfw_sample:
        image = Image.open(path)
        assert_same_faces(yunet("plain").detect(image), reference(image.pixels))


@pytest.mark.parametrize("size", [(33, 31), (97, 101), (250, 161), (319, 257), (640, 479), (1, 300), (500, 2)])
def test_plain_is_opencvs_at_odd_sizes(yunet: Any, reference: Any, shared: Path, size: tuple[int, int]) -> None:
    for name in ("img16.jpg", "selfie-many-people.jpg"):
        pixels = np.asarray(cv2.resize(Image.open(shared / "photos" / name).pixels, size, interpolation=cv2.INTER_AREA))
        assert_same_faces(yunet("plain").detect(Image.from_rgb(pixels)), reference(pixels))


def test_plain_equals_opencv_at_the_size_it_chooses(yunet: Any, reference: Any, shared: Path) -> None:
    """A large photo is shrunk as here, and what is found is scaled back about the edges of the photo."""
    image = Image.open(shared / "photos" / "img13.jpg")
    assert (image.width, image.height) == (2048, 1364)
    half = image.pixels.reshape(682, 2, 1024, 2, 3).mean(axis=(1, 3))
    view = cv2.resize(np.floor(half + 0.5).astype(np.uint8), (640, 426), interpolation=cv2.INTER_LINEAR)
    rows = reference(view)
    scale = np.array([image.width / view.shape[1], image.height / view.shape[0]])
    rows[:, :2] = (rows[:, :2] + 0.5) * scale - 0.5
    rows[:, 2:4] *= scale
    rows[:, 4:14] = ((rows[:, 4:14].reshape(-1, 5, 2) + 0.5) * scale - 0.5).reshape(-1, 10)
    assert_same_faces(yunet("plain").detect(image), rows, 0.5 * float(scale.max()))


def main_face(detector: YuNet, pixels: Pixels) -> NDArray[np.float64] | None:
    """The landmarks of the face nearest to the middle."""
    middle = np.array([pixels.shape[1], pixels.shape[0]]) / 2
    found = detector.detect(Image.from_rgb(pixels))
    if not found:
        return None
    return min(
        (item.landmarks.astype(np.float64) for item in found), key=lambda at: np.hypot(*(at.mean(axis=0) - middle))
    )


def lfw_faces(detector: YuNet, paths: list[Path]) -> Iterator[tuple[Pixels, NDArray[np.float64]]]:
    for path in paths:
        pixels = Image.open(path).pixels
        landmarks = main_face(detector, pixels)
        assert landmarks is not None, path
        yield pixels, landmarks


def mean_distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.hypot(*(a - b).T).mean())


@pytest.mark.parametrize("mode", ["fast", "accurate"])
def test_a_face_that_fills_a_photo_of_1000_pixels(yunet: Any, lfw_sample: list[Path], mode: str) -> None:
    for pixels, landmarks in lfw_faces(yunet(mode), lfw_sample[:40]):
        large = np.asarray(cv2.resize(pixels[60:190, 60:190], (1000, 1000), interpolation=cv2.INTER_CUBIC))
        expected = (landmarks - 60 + 0.5) * 1000 / 130 - 0.5
        found = yunet(mode).detect(Image.from_rgb(large))
        assert min((mean_distance(item.landmarks, expected) for item in found), default=1000) < 60  # 8 of LFW's pixels


@pytest.mark.parametrize("mode", list(MODES))
def test_a_face_of_24_pixels_in_a_large_photo(yunet: Any, lfw_sample: list[Path], mode: str) -> None:
    found, total = 0, 0
    for pixels, landmarks in lfw_faces(yunet("accurate"), lfw_sample[:40]):
        small = np.asarray(cv2.resize(pixels[40:210, 40:210], (48, 48), interpolation=cv2.INTER_AREA))
        canvas = np.full((480, 640, 3), 128, np.uint8)
        canvas[200:248, 500:548] = small
        expected = (landmarks - 40 + 0.5) * 48 / 170 - 0.5 + [500, 200]
        total += 1
        found += any(mean_distance(item.landmarks, expected) < 3 for item in yunet(mode).detect(Image.from_rgb(canvas)))
    assert found >= 0.95 * total


def test_a_mirrored_photo_gives_mirrored_landmarks(yunet: Any, lfw_sample: list[Path]) -> None:
    """In pixels of the aligned crop; measured: 1.66 in the mean, and 4.55. Without closer looks: 2.2 and 6.7."""
    distances = []
    for pixels, landmarks in lfw_faces(yunet("accurate"), lfw_sample[:100]):
        seen = main_face(yunet("accurate"), np.ascontiguousarray(pixels[:, ::-1]))
        assert seen is not None
        mirrored = seen[[1, 0, 2, 4, 3]] * [-1, 1] + [pixels.shape[1] - 1, 0]
        matrix = similarity_transform(landmarks)
        distances.append(np.hypot(matrix[0, 0], matrix[1, 0]) * np.hypot(*(mirrored - landmarks).T))
    assert np.mean(distances) < 1.8
    assert np.quantile(distances, 0.99) < 5


def shaken(pixels: Pixels, rng: np.random.Generator) -> tuple[NDArray[np.float64], Pixels]:
    """A photo turned by up to 8 degrees, scaled by up to 8 % and shifted by up to 8 pixels, and the transform."""
    matrix = cv2.getRotationMatrix2D((125, 125), rng.uniform(-8, 8), rng.uniform(0.92, 1.08))
    matrix[:, 2] += rng.uniform(-8, 8, 2)
    return matrix, cv2.warpAffine(pixels, matrix, (250, 250), borderMode=cv2.BORDER_REFLECT)


def test_looking_again_steadies_the_landmarks(yunet: Any, lfw_sample: list[Path]) -> None:
    """Root mean square scatter in pixels of the aligned crop; measured: plain 1.90, blended 1.31, looked again 0.82."""
    rng = np.random.default_rng(11)
    variances: dict[str, list[float]] = {mode: [] for mode in MODES}
    for path in lfw_sample[:100]:
        views = [shaken(Image.open(path).pixels, rng) for _ in range(5)]
        for mode in MODES:
            seen = []
            for matrix, view in views:
                landmarks = main_face(yunet(mode), view)
                if landmarks is not None:
                    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
                    seen.append(landmarks @ back[:2, :2].T + back[:2, 2])
            template = similarity_transform(np.mean(seen, axis=0))
            crops = [points @ template[:, :2].T + template[:, 2] for points in seen]
            variances[mode].append(float(np.var(crops, axis=0, ddof=1).mean()))
    scatter = {mode: float(np.sqrt(np.mean(values))) for mode, values in variances.items()}
    assert scatter["fast"] < 0.8 * scatter["plain"]
    assert scatter["accurate"] < 0.75 * scatter["fast"]
    assert scatter["accurate"] < 1.0


def test_a_small_face_of_a_large_photo_is_looked_at_in_the_photo(yunet: Any, lfw_sample: list[Path]) -> None:
    """The first look sees a photo shrunk by three, the second the photo itself."""
    distances: dict[str, list[float]] = {"fast": [], "accurate": []}
    for pixels, landmarks in lfw_faces(yunet("accurate"), lfw_sample[:30]):
        canvas = np.full((1500, 2000, 3), 128, np.uint8)
        canvas[600:850, 1400:1650] = pixels
        for mode, values in distances.items():
            found = yunet(mode).detect(Image.from_rgb(canvas))
            values.append(min(mean_distance(item.landmarks, landmarks + np.array([1400, 600])) for item in found))
    # in pixels of LFW, of which a face has about 90; measured: 3.6 and 1.6
    assert np.mean(distances["accurate"]) < 0.6 * np.mean(distances["fast"])
    assert np.mean(distances["accurate"]) < 2


@pytest.mark.parametrize("mode", ["fast", "accurate"])
def test_more_looks_find_the_same_faces(yunet: Any, shared: Path, mode: str) -> None:
    for path in sorted((shared / "photos").glob("*.jpg")):
        image = Image.open(path)
        plain, found = yunet("plain").detect(image), yunet(mode).detect(image)
        assert len(found) == len(plain)
        for item in plain:
            assert max(item.box.iou(other.box) for other in found) > 0.6


def test_a_face_does_not_depend_on_its_neighbours(yunet: Any, shared: Path) -> None:
    one = at_most(Image.open(shared / "photos" / "img16.jpg").pixels, 160)
    height, width = one.shape[:2]
    many = Image.from_rgb(np.tile(one, (3, 4, 1)))
    assert max(many.width, many.height) <= 640
    found = yunet("accurate").detect(many)
    assert len(found) == 12
    (alone,) = yunet("accurate").detect(Image.from_rgb(one))
    for item in found:
        shift = np.round((item.landmarks.mean(axis=0) - alone.landmarks.mean(axis=0)) / [width, height]) * [
            width,
            height,
        ]
        assert mean_distance(item.landmarks - shift, alone.landmarks) < 0.04 * alone.box.width


def test_sixteen_threads_see_what_one_sees(yunet: Any, lfw_sample: list[Path]) -> None:
    images = [Image.open(path) for path in lfw_sample[:48]]

    def seen(image: Image) -> list[list[float]]:
        return [[*numbers(item), item.score] for item in yunet("accurate").detect(image)]

    alone = [seen(image) for image in images]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(seen, images)) == alone


def test_no_face_in_noise(yunet: Any) -> None:
    rng = np.random.default_rng(12)
    for mode in MODES:
        for height, width in ((40, 40), (300, 500), (2, 900)):
            noise = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
            assert yunet(mode).detect(Image.from_rgb(noise)) == ()


def test_a_higher_score_keeps_the_surer_faces(real_models: ModelStore, shared: Path) -> None:
    session = open_session(real_models.resolve("yunet"), threads=1)
    image = Image.open(shared / "photos" / "selfie-many-people.jpg")
    scores = [found.score for found in YuNet(session, score=0.3).detect(image)]
    strict = [found.score for found in YuNet(session, score=0.85).detect(image)]
    assert strict == [score for score in scores if score >= 0.85]


def test_a_larger_view_finds_smaller_faces(real_models: ModelStore, lfw_sample: list[Path]) -> None:
    session = open_session(real_models.resolve("yunet"), threads=1)
    canvas = np.full((1500, 2000, 3), 128, np.uint8)
    for index, path in enumerate(lfw_sample[:12]):
        row, column = divmod(index, 4)
        face = np.asarray(cv2.resize(Image.open(path).pixels[40:210, 40:210], (48, 48), interpolation=cv2.INTER_AREA))
        canvas[100 + 400 * row :][:48, 100 + 400 * column :][:, :48] = face
    image = Image.from_rgb(canvas)
    assert len(YuNet(session, max_size=2048).detect(image)) == 12
    assert len(YuNet(session).detect(image)) < 12  # shrunk to 640, a face of 24 pixels is one of 8


# ----------------------------------------------------------------------------------------------------------------
# On LiteRT, from a file of ours


@pytest.fixture(scope="module")
def on_runtimes(real_models: ModelStore) -> Callable[..., YuNet]:
    """YuNet from a file of one format and precision, on one thread."""
    pytest.importorskip("ai_edge_litert")

    def detector(format: str, precision: str = "float32", **options: Any) -> YuNet:
        path = real_models.resolve("yunet", format=format, precision=precision)
        return YuNet(open_session(path, threads=1), **options)

    return detector


def test_a_square_by_hand_on_litert(make_card: Callable[..., Any], tmp_path: Path) -> None:
    """The network of `squares`, channels last: the cell in row 5 and column 7 of the grid of 8 pixels, as above."""
    pytest.importorskip("ai_edge_litert")
    from ghostface_edge.converters.graph import Conv, Graph, Input
    from ghostface_edge.converters.tflite_writer import write_tflite

    landmarks = [0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1]
    bias = np.array([-12.75, -12.75, 0.5, 0.5, np.log(3), np.log(4), *landmarks], np.float32)
    heads = []
    for stride in (8, 16, 32):
        kernel = np.zeros((stride, stride, 3, 16), np.float32)
        kernel[..., :2] = 0.1 / (3 * stride * stride)
        heads.append(Conv(f"stride{stride}", ("x",), kernel, bias, (stride, stride)))
    graph = Graph((Input("x", (), None, None, 3), *heads), tuple(head.name for head in heads))
    spec = {"input_height": None, "input_width": None, "input_mean": 0.0, "input_scale": 1.0}
    card = make_card(kind="detector", architecture="yunet", alignment="", embedding_size=0, **spec)
    (tmp_path / "squares.tflite").write_bytes(write_tflite(graph, card))
    detector = YuNet(open_session(tmp_path / "squares.tflite", threads=1), mode="plain")
    for height, width in ((64, 96), (57, 83), (49, 65)):
        (found,) = detector.detect(white_square(height, width, 40, 56))
        assert numbers(found) == pytest.approx([48, 28, 72, 60, 56, 40, 64, 40, 60, 44, 56, 48, 64, 48], abs=1e-3)


@pytest.mark.parametrize(
    ("mode", "precision", "pixels"),
    [
        *((mode, "float32", 0.2) for mode in MODES),
        # Without blending, a rounding may let another of two anchors win: 5 pixels in 1 of 608 faces.
        *((mode, "float16", 0.5) for mode in ("accurate", "fast")),
    ],
)
def test_the_same_faces_on_both_runtimes(
    on_runtimes: Callable[..., YuNet], shared: Path, lfw_sample: list[Path], mode: str, precision: str, pixels: float
) -> None:
    """Largest differences of landmarks on the photos and 200 of LFW: float32 0.007 pixels, float16 0.40."""
    onnx, litert = on_runtimes("onnx", mode=mode), on_runtimes("tflite", precision, mode=mode)
    faces = 0
    for path in [*sorted((shared / "photos").glob("*.jpg")), *lfw_sample[:60]]:
        image = Image.open(path)
        expected, found = onnx.detect(image), litert.detect(image)
        assert len(found) == len(expected), path
        for ours, theirs in zip(found, expected):
            np.testing.assert_allclose(ours.landmarks, theirs.landmarks, rtol=0, atol=pixels)
        faces += len(found)
    assert faces >= 77


def test_500_photos_of_lfw_on_both_runtimes(on_runtimes: Callable[..., YuNet], shared: Path) -> None:
    onnx, litert = on_runtimes("onnx"), on_runtimes("tflite")
    paths = sorted((shared / "lfw" / "images").glob("*/*.jpg"))
    for path in random.Random(500).sample(paths, 500):
        image = Image.open(path)
        expected, found = onnx.detect(image), litert.detect(image)
        assert len(found) == len(expected) >= 1, path
        for ours, theirs in zip(found, expected):
            np.testing.assert_allclose(ours.landmarks, theirs.landmarks, rtol=0, atol=0.2)

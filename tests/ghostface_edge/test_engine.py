"""The engine: by hand with a detector and a network of known numbers, and end to end on real photos."""

from __future__ import annotations

import csv
import itertools
import logging
import math
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from ghostface_edge.alignment import ARCFACE_TEMPLATE
from ghostface_edge.detection import OpenCVYuNet, YuNet
from ghostface_edge.embedding import Embedder
from ghostface_edge.engine import FaceEngine, load_detector
from ghostface_edge.errors import (
    AlignmentError,
    DetectionError,
    ImageError,
    InferenceError,
    MissingModelError,
    ModelFileError,
    ModelMismatchError,
    NoFaceError,
    OptionError,
    RuntimeMissingError,
    ThresholdError,
)
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import RUNTIMES, open_session
from ghostface_edge.types import Box, Detection, Face, ModelIdentity

pytest.importorskip("onnxruntime")


class Fixed:
    """A detector that finds the faces it was told, and counts its calls."""

    def __init__(self, *found: Detection) -> None:
        self.name = "fixed"
        self.found = found
        self.calls = 0

    def detect(self, image: Image) -> tuple[Detection, ...]:
        self.calls += 1
        return self.found


def at(x: float, y: float, side: float = 112) -> Detection:
    """A face whose aligned crop is the square of pixels from (x, y) on."""
    return Detection(Box(x, y, x + side, y + side), 0.9, ARCFACE_TEMPLATE * (side / 112) + (x, y))


def noise(height: int = 240, width: int = 320, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def engine(tiny_embedder: Path) -> Callable[..., FaceEngine]:
    """An engine with the small embedder and a fixed detector."""

    def make(*found: Detection, **options: Any) -> FaceEngine:
        return FaceEngine(Embedder(open_session(tiny_embedder, threads=1), **options), Fixed(*found))

    return make


def by_hand(crop: NDArray[np.uint8], matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    vector = (crop.astype(np.float64).ravel() - 127.5) / 128 @ matrix.astype(np.float64)
    return vector / np.linalg.norm(vector)


# ----------------------------------------------------------------------------------------------------------------
# Faces


def test_every_face_by_hand(engine: Callable[..., FaceEngine], tiny_matrix: NDArray[np.float32]) -> None:
    pixels = noise()
    small, large = at(5, 7), Detection(Box(150, 80, 290, 220), 0.7, ARCFACE_TEMPLATE + np.array([160, 100]))
    faces = engine(small, large).faces(Image.from_rgb(pixels))
    assert [face.box for face in faces] == [large.box, small.box]
    assert [face.score for face in faces] == [0.7, 0.9]
    for face, crop in zip(faces, (pixels[100:212, 160:272], pixels[7:119, 5:117])):
        # landmarks are float32, so the crop is not cut at whole pixels to the last digit
        np.testing.assert_allclose(face.embedding, by_hand(crop, tiny_matrix), rtol=0, atol=2e-3)
        assert face.model == ModelIdentity("linear-1", "float32", "fixed")


def test_flip_is_named_in_the_identity(tiny_embedder: Path) -> None:
    session = open_session(tiny_embedder, threads=1)
    assert FaceEngine(Embedder(session, flip=True), Fixed()).model.detector == "fixed+flip"
    assert FaceEngine(tiny_embedder, Fixed(), flip=True, threads=1).model.detector == "fixed+flip"
    assert FaceEngine(tiny_embedder, Fixed(), threads=1).model.detector == "fixed"


def test_more_faces_than_a_batch(engine: Callable[..., FaceEngine], tiny_matrix: NDArray[np.float32]) -> None:
    pixels, places = noise(), [(x, y) for x in range(0, 200, 40) for y in range(0, 120, 40)]
    made = engine(*(at(x, y) for x, y in places), batch=4)
    faces = made.faces(Image.from_rgb(pixels))
    assert made.detector.calls == 1  # type: ignore[attr-defined]
    assert len(faces) == len(places) == 15
    for face, (x, y) in zip(faces, places):
        expected = by_hand(pixels[y : y + 112, x : x + 112], tiny_matrix)
        np.testing.assert_allclose(face.embedding, expected, rtol=0, atol=2e-3)


def test_detections_without_embeddings(engine: Callable[..., FaceEngine]) -> None:
    found = engine(at(0, 0, 20), at(50, 50, 90)).detect(Image.from_rgb(noise()))
    assert [item.box.x1 for item in found] == [50, 0]


def test_no_face(engine: Callable[..., FaceEngine]) -> None:
    image = Image.from_rgb(noise(30, 40), source="empty.jpg")
    assert engine().detect(image) == ()
    assert engine().faces(image) == ()
    with pytest.raises(NoFaceError, match=r"^no face found in empty.jpg \(40 x 30 pixels\)$"):
        engine().face(image)
    with pytest.raises(NoFaceError, match=r"empty\.jpg"):
        engine().verify(image, image)


def test_a_face_that_cannot_be_aligned(engine: Callable[..., FaceEngine]) -> None:
    line = Detection(Box(0, 0, 9, 9), 0.9, np.tile([[3.0, 4]], (5, 1)))
    with pytest.raises(AlignmentError, match="coincide"):
        engine(at(0, 0), line).faces(Image.from_rgb(noise()))


# ----------------------------------------------------------------------------------------------------------------
# The main face, in a photo of 200 x 100 whose middle is at (99.5, 49.5)


def box_at(x: float, y: float, side: float) -> Detection:
    """A face of ``side`` pixels with its middle at (x, y) as shares of the photo, from -1 to 1."""
    middle = 99.5 + x * 100, 49.5 + y * 50
    return Detection(
        Box(middle[0] - side / 2, middle[1] - side / 2, middle[0] + side / 2, middle[1] + side / 2),
        0.9,
        ARCFACE_TEMPLATE + np.array([40, -6]),
    )


@pytest.mark.parametrize(
    ("main", "other"),
    [
        (box_at(0, 0, 50), box_at(0, 0, 40)),  # the larger
        (box_at(0, 0, 40), box_at(0.9, 0, 50)),  # 1600 against 2500 * (1 - 0.9 / 1.414)^2 = 330
        (box_at(0.2, 0, 60), box_at(0, 0, 50)),  # 3600 * (1 - 0.2 / 1.414)^2 = 2654 against 2500
        (box_at(0, 0, 52), box_at(0.2, 0, 60)),  # 2704 against 2654
        (box_at(0, 0.5, 40), box_at(0.6, 0, 40)),  # each direction counts by its own side of the photo
        (box_at(-0.3, 0.4, 40), box_at(0.3, 0.41, 40)),
        (box_at(0.9, 0.9, 10), box_at(1, 1, 90)),  # nothing is left in the very corner
    ],
)
def test_the_main_face(engine: Callable[..., FaceEngine], main: Detection, other: Detection) -> None:
    image = Image.from_rgb(noise(100, 200))
    for order in ((main, other), (other, main)):
        assert engine(*order).face(image).box == main.box


def test_the_only_face_counts_wherever_it_is(engine: Callable[..., FaceEngine]) -> None:
    corner = box_at(1, 1, 30)
    assert engine(corner).face(Image.from_rgb(noise(100, 200))).box == corner.box


def test_a_face_stays_the_face_it_is(engine: Callable[..., FaceEngine]) -> None:
    made = engine(at(0, 0))
    face = made.face(Image.from_rgb(noise()))
    assert made.face(face) is face
    assert made.detector.calls == 1  # type: ignore[attr-defined]


# ----------------------------------------------------------------------------------------------------------------
# Verification


def test_verification_by_hand(engine: Callable[..., FaceEngine], tiny_matrix: NDArray[np.float32]) -> None:
    made, a, b = engine(at(0, 0)), noise(seed=1), noise(seed=2)
    expected = float(by_hand(a[:112, :112], tiny_matrix) @ by_hand(b[:112, :112], tiny_matrix))
    result = made.verify(Image.from_rgb(a), Image.from_rgb(b))
    assert result.similarity == pytest.approx(expected, abs=1e-5)
    assert (result.threshold, result.fmr) == (0.7, 1e-3)
    assert result.match is (expected >= 0.7)
    same = made.verify(Image.from_rgb(a), Image.from_rgb(a), fmr=1e-2)
    assert same.similarity == pytest.approx(1, abs=1e-6)
    assert (same.threshold, same.fmr, same.match) == (0.5, 1e-2, True)


def test_a_threshold_of_ones_own(engine: Callable[..., FaceEngine]) -> None:
    made = engine(at(0, 0))
    a, b = (made.face(Image.from_rgb(noise(seed=seed))) for seed in (1, 2))
    similarity = made.verify(a, b, threshold=-1).similarity
    for threshold, match in ((similarity, True), (similarity + 1e-6, False)):
        result = made.verify(a, b, threshold=threshold)
        assert (result.match, result.threshold, result.fmr) == (match, threshold, None)
    for senseless in (1.1, math.nan, "0.5", True):
        with pytest.raises(OptionError, match="not a similarity"):
            made.verify(a, b, threshold=senseless)  # type: ignore[arg-type]


def test_a_rate_that_was_not_measured(engine: Callable[..., FaceEngine]) -> None:
    made = engine(at(0, 0))
    with pytest.raises(
        ThresholdError, match=r"no threshold at FMR 1e-06 with detector 'fixed'; it has FMR 0\.01, 0\.001\."
    ):
        made.verify(Image.from_rgb(noise()), Image.from_rgb(noise()), fmr=1e-6)
    assert made.detector.calls == 0  # type: ignore[attr-defined]  # said before any work
    with pytest.raises(OptionError, match="not a rate"):
        made.threshold(2)


def test_thresholds_belong_to_the_detector(tiny_embedder: Path) -> None:
    other = Fixed()
    other.name = "other"
    with pytest.raises(ThresholdError, match=r"no thresholds for detector 'other' \(only for fixed\)"):
        FaceEngine(tiny_embedder, other, threads=1).threshold()
    with pytest.raises(ThresholdError, match=r"'fixed\+flip'"):
        FaceEngine(tiny_embedder, Fixed(), threads=1, flip=True).threshold()


def test_faces_of_another_model(engine: Callable[..., FaceEngine]) -> None:
    made = engine(at(0, 0))
    mine = made.face(Image.from_rgb(noise()))
    theirs = Face(mine.box, mine.score, mine.landmarks, mine.embedding, ModelIdentity("another"))
    with pytest.raises(ModelMismatchError, match=r"linear-1.*another"):
        made.verify(mine, theirs)


# ----------------------------------------------------------------------------------------------------------------
# Colour order


def test_a_bare_array_is_refused(engine: Callable[..., FaceEngine]) -> None:
    for call in (engine().detect, engine().faces, engine().face, engine().open):
        with pytest.raises(ImageError, match=r"Image\.from_rgb\(array\), or Image\.from_bgr\(array\)"):
            call(noise())  # type: ignore[arg-type]


def test_both_colour_orders_give_the_same_face(
    engine: Callable[..., FaceEngine], tiny_matrix: NDArray[np.float32]
) -> None:
    made, pixels = engine(at(0, 0)), noise()
    rgb = made.face(Image.from_rgb(pixels)).embedding
    bgr = made.face(Image.from_bgr(pixels[..., ::-1])).embedding
    np.testing.assert_array_equal(rgb, bgr)
    np.testing.assert_allclose(rgb, by_hand(pixels[:112, :112], tiny_matrix), rtol=0, atol=1e-5)
    swapped = made.face(Image.from_bgr(pixels)).embedding
    np.testing.assert_allclose(swapped, by_hand(pixels[:112, :112, ::-1], tiny_matrix), rtol=0, atol=1e-5)


# ----------------------------------------------------------------------------------------------------------------
# What an engine is made of


def test_it_tells_what_it_is(engine: Callable[..., FaceEngine]) -> None:
    import onnxruntime

    expected = f"linear (linear-1, float32) with detector fixed, onnxruntime {onnxruntime.__version__}, threads: 1"
    assert engine().describe() == expected
    assert repr(engine()) == f"FaceEngine({expected})"
    assert engine().card.name == "linear"


@pytest.mark.parametrize("detector", [None, 7, object(), [Fixed()], type("Nameless", (), {"detect": print})()])
def test_an_object_that_is_no_detector(tiny_embedder: Path, detector: Any) -> None:
    with pytest.raises(OptionError, match="needs a name and a detect method"):
        FaceEngine(tiny_embedder, detector)


@pytest.mark.parametrize("found", [None, [None], [Detection(Box(0, 0, 9, 9), 1.0, np.full((5, 2), np.nan))]])
def test_a_detector_that_breaks_its_contract(engine: Callable[..., FaceEngine], found: Any) -> None:
    made = engine()
    made.detector.found = found  # type: ignore[attr-defined]
    with pytest.raises(DetectionError, match="detector 'fixed' returned"):
        made.faces(Image.from_rgb(noise()))


@pytest.mark.parametrize("options", [{"flip": True}, {"runtime": "onnx"}])
def test_options_that_an_embedder_has_settled(tiny_embedder: Path, options: dict[str, Any]) -> None:
    embedder = Embedder(open_session(tiny_embedder, threads=1))
    with pytest.raises(OptionError, match="settled by the Embedder"):
        FaceEngine(embedder, Fixed(), **options)


def test_options_reach_the_session(tiny_embedder: Path) -> None:
    with pytest.raises(OptionError, match="threads=0"):
        FaceEngine(tiny_embedder, Fixed(), threads=0)
    with pytest.raises(OptionError, match="does not run"):
        FaceEngine(tiny_embedder, Fixed(), runtime="litert")
    assert FaceEngine(tiny_embedder, Fixed(), threads=2).embedder.session.threads == 2


def test_a_limit_of_pixels(engine: Callable[..., FaceEngine], tiny_embedder: Path) -> None:
    file = BytesIO()
    PIL.Image.fromarray(noise(50, 60)).save(file, "PNG")
    assert engine().open(file.getvalue()).width == 60
    with pytest.raises(ImageError, match="more than the limit of 2999"):
        FaceEngine(tiny_embedder, Fixed(), max_pixels=2999, threads=1).faces(file.getvalue())


def test_a_model_that_fails_says_so(make_linear: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "nan.onnx"
    path.write_bytes(make_linear(np.full((112 * 112 * 3, 4), np.nan, np.float32)))
    with pytest.raises(InferenceError, match="NaN"):
        FaceEngine(path, Fixed(at(0, 0)), threads=1).face(Image.from_rgb(noise()))


def test_a_damaged_model(tiny_embedder: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(tiny_embedder.read_bytes()[:-1])
    with pytest.raises(ModelFileError):
        FaceEngine(path, Fixed())


class Raising:
    """A detector of a user's that fails in its own way."""

    name = "raising"

    def detect(self, image: Image) -> tuple[Detection, ...]:
        raise ZeroDivisionError("no eyes")


def test_a_detector_that_raises(tiny_embedder: Path) -> None:
    engine = FaceEngine(tiny_embedder, Raising())
    for call in (engine.detect, engine.faces, engine.face):
        with pytest.raises(DetectionError, match="'raising' failed on RGB array: ZeroDivisionError: no eyes"):
            call(Image.from_rgb(noise()))


@pytest.mark.parametrize("detector", [Fixed, None, 5, object()])
def test_what_is_no_detector(tiny_embedder: Path, detector: Any) -> None:
    with pytest.raises(OptionError, match="needs a name and a detect method"):
        FaceEngine(tiny_embedder, detector)


def test_what_is_no_store(tiny_embedder: Path) -> None:
    with pytest.raises(OptionError, match="is no ModelStore"):
        FaceEngine(tiny_embedder, Fixed(), store="here")  # type: ignore[arg-type]


def test_no_rate_is_stated_for_faces_of_another_detector(make_linear: Callable[..., bytes], tmp_path: Path) -> None:
    """The threshold was measured with the detector ``fixed``."""
    from ghostface_edge.types import Threshold

    matrix = np.random.default_rng(3).standard_normal((112 * 112 * 3, 8)).astype(np.float32)
    measured = Threshold(0.01, 0.5, "fixed", 0.1, 1000, 100, "test")
    (tmp_path / "m.onnx").write_bytes(make_linear(matrix, thresholds=(measured,)))
    engine = FaceEngine(tmp_path / "m.onnx", Fixed(at(0, 0)))
    other = Fixed(at(0, 0))
    other.name = "other"
    photo = Image.from_rgb(noise())
    same, strange = engine.face(photo), FaceEngine(tmp_path / "m.onnx", other).face(photo)
    assert engine.verify(same, photo, fmr=0.01).fmr == 0.01
    result = engine.verify(same, strange, fmr=0.01)
    assert (result.fmr, result.threshold, result.match) == (None, 0.5, True)


def test_nothing_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(tmp_path))
    with pytest.raises(MissingModelError, match=r"ghostfacenet-w0\.5-s2.*models pull"):
        FaceEngine()


# ----------------------------------------------------------------------------------------------------------------
# Detectors by name


@pytest.mark.parametrize("name", ["yunet", "yunet-fast", "yunet-plain"])
def test_our_yunet_by_name(real_models: ModelStore, name: str) -> None:
    detector = load_detector(name, real_models, threads=1)
    assert isinstance(detector, YuNet)
    assert detector.name == name


def test_opencvs_yunet_by_name(real_models: ModelStore) -> None:
    assert isinstance(load_detector("yunet-opencv", real_models), OpenCVYuNet)


@pytest.mark.parametrize("name", ["", "yolo", "YuNet", "scrfd", "scrfd:", "yunet:file"])
def test_an_unknown_detector(real_models: ModelStore, name: str) -> None:
    with pytest.raises(OptionError, match="is none of yunet, yunet-fast, yunet-plain, yunet-opencv, scrfd:FILE"):
        load_detector(name, real_models)


def test_scrfd_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model file at .*mine"):
        load_detector(f"scrfd:{tmp_path / 'mine'}")


def test_opencv_stands_in_where_no_runtime_is_installed(
    real_models: ModelStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real_models.resolve("yunet")
    for package in ("onnxruntime", "ai_edge_litert", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, package, None)  # what an import finds where it is not installed
    with caplog.at_level(logging.WARNING):
        detector = load_detector("yunet", real_models)
    assert isinstance(detector, OpenCVYuNet)
    assert "detector yunet falls back to OpenCV's" in caplog.text
    with pytest.raises(RuntimeMissingError, match="ghostface-edge"):
        FaceEngine(store=real_models)


# ----------------------------------------------------------------------------------------------------------------
# Many threads


def test_sixteen_threads_with_the_small_model(engine: Callable[..., FaceEngine]) -> None:
    made = engine(at(0, 0), at(100, 50, 80))
    images = [Image.from_rgb(noise(seed=seed)) for seed in range(64)]

    def embeddings(image: Image) -> list[list[float]]:
        return [face.embedding.tolist() for face in made.faces(image)]

    alone = [embeddings(image) for image in images]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(embeddings, images)) == alone


def test_sixteen_threads_with_the_real_models(real_engine: FaceEngine, lfw_sample: list[Path]) -> None:
    def results(path: Path) -> list[dict[str, Any]]:
        return [face.to_dict() for face in real_engine.faces(path)]

    paths = lfw_sample[:48]
    alone = [results(path) for path in paths]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(results, paths)) == alone


# ----------------------------------------------------------------------------------------------------------------
# Real photos


def with_orientation(upright: PIL.Image.Image, orientation: int) -> bytes:
    """A JPEG that is stored turned, with the EXIF tag that says how (EXIF 2.32, 4.6.4 A, tag 274)."""
    stored = {
        1: lambda image: image,
        2: lambda image: image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.transpose(PIL.Image.Transpose.ROTATE_180),
        4: lambda image: image.transpose(PIL.Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(PIL.Image.Transpose.TRANSPOSE),
        6: lambda image: image.transpose(PIL.Image.Transpose.ROTATE_90),  # must be turned clockwise to be seen upright
        7: lambda image: image.transpose(PIL.Image.Transpose.TRANSVERSE),
        8: lambda image: image.transpose(PIL.Image.Transpose.ROTATE_270),
    }[orientation](upright)
    exif = PIL.Image.Exif()
    exif[274] = orientation
    file = BytesIO()
    stored.save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("name", ["img16.jpg", "img21.jpg"])
def test_the_eight_orientations_are_one_face(real_engine: FaceEngine, shared: Path, name: str) -> None:
    upright = PIL.Image.open(shared / "photos" / name).convert("RGB")
    faces = [real_engine.face(with_orientation(upright, orientation)) for orientation in range(1, 9)]
    for a, b in itertools.combinations(faces, 2):
        assert float(a.embedding @ b.embedding) >= 0.99
        assert a.box.iou(b.box) > 0.9


def test_same_persons_are_more_alike_than_any_others(real_engine: FaceEngine, shared: Path) -> None:
    with (shared / "photos" / "identities.csv").open(encoding="utf-8") as file:
        persons = {row["photo"]: row["person"] for row in csv.DictReader(file)}
    faces = {photo: real_engine.face(shared / "photos" / photo) for photo in persons}
    same, different = [], []
    for a, b in itertools.combinations(persons, 2):
        value = float(faces[a].embedding @ faces[b].embedding)
        (same if persons[a] == persons[b] else different).append((value, a, b))
    assert len(same) == 6
    assert len(different) == 30
    assert min(same) > max(different)


def test_the_same_results_from_every_kind_of_source(real_engine: FaceEngine, shared: Path) -> None:
    path = shared / "photos" / "img16.jpg"
    pil = PIL.Image.open(path)
    pixels = np.asarray(pil.convert("RGB"))
    expected = real_engine.face(path).to_dict()
    for source in (str(path), path.read_bytes(), pil, Image.from_rgb(pixels), Image.from_bgr(pixels[..., ::-1])):
        assert real_engine.face(source).to_dict() == expected


def test_engine_from_the_environment(real_store: ModelStore, shared: Path) -> None:
    assert real_store.folders
    made = FaceEngine(threads=1)
    assert made.model.detector == "yunet"
    assert made.model.model_id.startswith("ghostfacenet-v1-0.5-2")
    assert made.verify(shared / "photos" / "img16.jpg", shared / "photos" / "img17.jpg", threshold=0.2).match


@pytest.mark.parametrize("photos", [300, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("real_store")
def test_memory_does_not_grow_with_the_photos(shared: Path, photos: int) -> None:
    pytest.importorskip("psutil")
    command = [
        sys.executable,
        str(Path(__file__).with_name("soak.py")),
        str(photos),
        str(shared / "photos" / "img16.jpg"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(result.stdout) < 10_000_000


@pytest.mark.parametrize(
    "name", ["yunet:", "yunet:12x", "yunet:-5", "yunet:8", "yunet-fast:99999999999", "yunet-opencv:1"]
)
def test_senseless_input_sizes(real_models: ModelStore, name: str) -> None:
    with pytest.raises(OptionError, match=r"is none of yunet|is not a size between 32 and 4096"):
        load_detector(name, real_models)


def test_a_larger_input_finds_smaller_faces(real_models: ModelStore, shared: Path) -> None:
    """A face of about 20 pixels beside one of 200, in 2,400 x 1,600: at 640 pixels only the larger is seen."""
    import cv2

    face = cv2.imread(str(shared / "lfw" / "images" / "Aaron_Peirsol" / "Aaron_Peirsol_0001.jpg"))
    photo = np.full((1600, 2400, 3), 127, np.uint8)
    photo[100:600, 100:600] = cv2.resize(face, (500, 500))
    photo[1000:1050, 1500:1550] = cv2.resize(face, (50, 50), interpolation=cv2.INTER_AREA)
    image = Image.from_bgr(photo)
    for name in ("yunet", "yunet-fast"):
        assert len(load_detector(name, real_models).detect(image)) == 1
        assert len(load_detector(f"{name}:2400", real_models).detect(image)) == 2


def test_a_face_too_small_for_the_first_look_is_found_by_a_second(real_models: ModelStore, shared: Path) -> None:
    """The only face of a 1,920-pixel photo is about 24 pixels wide: 8 at 640, 16 at 1,280."""
    import cv2

    face = cv2.imread(str(shared / "lfw" / "images" / "Aaron_Peirsol" / "Aaron_Peirsol_0001.jpg"))
    photo = np.full((1080, 1920, 3), 127, np.uint8)
    photo[500:560, 900:960] = cv2.resize(face, (60, 60), interpolation=cv2.INTER_AREA)
    image = Image.from_bgr(photo)
    assert load_detector("yunet-plain", real_models).detect(image) == ()
    for name in ("yunet", "yunet-fast"):
        (found,) = load_detector(name, real_models).detect(image)
        assert abs(found.landmarks.mean(axis=0) - (930, 530)).max() < 10


def test_both_runtimes_give_the_same_faces(real_models: ModelStore, shared: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    litert, onnx = (FaceEngine(runtime=name, store=real_models, threads=1) for name in ("litert", "onnx"))
    for engine, name in ((litert, "litert"), (onnx, "onnx")):
        assert isinstance(engine.detector, YuNet)
        assert (engine.embedder.session.runtime, engine.detector._session.runtime) == (name, name)
    assert litert.model == onnx.model, "one gallery serves both runtimes"
    assert litert.threshold() == onnx.threshold()
    photo = shared / "photos" / "img13.jpg"
    (face,), (expected,) = litert.faces(photo), onnx.faces(photo)
    np.testing.assert_allclose(face.landmarks, expected.landmarks, rtol=0, atol=0.01)
    assert float(face.embedding @ expected.embedding) > 0.9999


@pytest.mark.parametrize("runtime", ["litert", "onnx"])
def test_one_runtime_is_enough(runtime: str, real_store: ModelStore, shared: Path) -> None:
    """In a process that can import no other; the default is what is installed."""
    pytest.importorskip("ai_edge_litert")
    for name in ("yunet", "ghostfacenet-w0.5-s2"):
        real_store.resolve(name, format=RUNTIMES[runtime])
    absent = {"litert": ["onnxruntime", "onnx", "h5py"], "onnx": ["ai_edge_litert", "tflite_runtime"]}[runtime]
    code = f"""
import sys
for name in {absent!r}:
    sys.modules[name] = None
from ghostface_edge import FaceEngine
engine = FaceEngine(threads=1)
assert len(engine.faces(sys.argv[1])) == 1
print(engine.embedder.session.runtime, engine.detector._session.runtime)
"""
    photo = shared / "photos" / "img13.jpg"
    done = subprocess.run([sys.executable, "-c", code, str(photo)], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [runtime, runtime]


@pytest.mark.parametrize("format", ["onnx", "tflite"])
def test_yunet_of_a_file_runs_beside_an_embedder_of_another_format(
    real_models: ModelStore, shared: Path, format: str
) -> None:
    other = {"onnx": "tflite", "tflite": "onnx"}[format]
    model = real_models.resolve("ghostfacenet-w0.5-s2", format=other)
    detector = f"yunet:{real_models.resolve('yunet', format=format)}"
    engine = FaceEngine(model, detector, threads=1, store=real_models)
    assert {RUNTIMES[engine.embedder.session.runtime]} == {other}
    assert len(engine.faces(shared / "photos" / "img13.jpg")) == 1
    with pytest.raises(OptionError, match="does not run"):
        FaceEngine(detector=detector, runtime=engine.embedder.session.runtime, store=real_models)


def test_yunet_of_a_file_follows_no_store(real_models: ModelStore, shared: Path, tmp_path: Path) -> None:
    image = Image.open(shared / "photos" / "img13.jpg")
    expected = load_detector("yunet-fast", real_models, threads=1).detect(image)
    for format in ("onnx", "tflite"):
        path = tmp_path / f"mine.{format}"
        path.write_bytes(real_models.resolve("yunet", format=format).read_bytes())
        detector = load_detector(f"yunet-fast:{path}", ModelStore(tmp_path, []), threads=1)
        assert detector.name == "yunet-fast"
        np.testing.assert_allclose(detector.detect(image)[0].landmarks, expected[0].landmarks, rtol=0, atol=0.01)
    with pytest.raises(DetectionError, match="is not a YuNet"):
        load_detector(f"yunet:{real_models.resolve('ghostfacenet-w0.5-s2')}", real_models)


def test_faces_that_were_found_before_are_embedded_in_their_order(engine: Callable[..., FaceEngine]) -> None:
    small, large = at(0, 0), at(150, 60, 160)
    made = engine(small, large)
    photo = Image.from_rgb(noise())
    by_size = made.faces(photo)
    chosen = made.embed(photo, [small, large])
    assert [face.box for face in chosen] == [small.box, large.box]
    np.testing.assert_array_equal(chosen[0].embedding, by_size[1].embedding)
    np.testing.assert_array_equal(chosen[1].embedding, by_size[0].embedding)
    assert made.embed(photo, []) == ()
    assert made.detector.calls == 1  # type: ignore[attr-defined]


def test_recall_by_size_is_what_the_readme_says(real_models: ModelStore, shared: Path) -> None:
    """Every 40th LFW photo, shrunk until the face has a width, somewhere on a grey square of 640 pixels."""
    import cv2

    detector, plain = load_detector("yunet-fast", real_models), load_detector("yunet-plain", real_models)
    rng = np.random.default_rng(0)
    photos = [cv2.imread(str(path)) for path in sorted((shared / "lfw" / "images").glob("*/*.jpg"))[::40]]
    widths = [max(item.box.width for item in detector.detect(Image.from_bgr(photo))) for photo in photos]
    found = {}
    for size in (10, 14, 20):
        hits = 0
        for photo, width in zip(photos, widths):
            side = max(1, round(250 * size / width))
            x, y = rng.integers(0, 640 - side, 2)
            canvas = np.full((640, 640, 3), 127, np.uint8)
            canvas[y : y + side, x : x + side] = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
            middle = np.array([x + side / 2, y + side / 2])
            seen = plain.detect(Image.from_bgr(canvas))
            hits += any(np.hypot(*(item.landmarks.mean(axis=0) - middle)) < size for item in seen)
        found[size] = hits / len(photos)
    assert found == pytest.approx({10: 0.12, 14: 0.62, 20: 0.95}, abs=0.05)


def test_an_engine_of_another_precision(real_models: ModelStore, shared: Path) -> None:
    """int8 by name, without photos of one's own: the same decisions on the same photos."""
    wide, narrow = (FaceEngine(precision=name, store=real_models, threads=1) for name in ("float32", "int8"))
    assert (wide.model.precision, narrow.model.precision) == ("float32", "int8")
    people = shared / "lfw" / "images"
    photo, again = sorted((people / "George_W_Bush").glob("*.jpg"))[:2]
    stranger = min((people / "Tony_Blair").glob("*.jpg"))
    for other, same in ((again, True), (stranger, False)):
        results = [engine.verify(photo, other) for engine in (wide, narrow)]
        assert [result.match for result in results] == [same, same]
        assert results[0].similarity == pytest.approx(results[1].similarity, abs=0.05)


def test_a_file_has_the_precision_that_it_has(tiny_embedder: Path) -> None:
    assert FaceEngine(tiny_embedder, Fixed(), precision="float32").card.precision == "float32"
    with pytest.raises(OptionError, match=r"precision='int8': tiny\.onnx is float32; convert its source"):
        FaceEngine(tiny_embedder, Fixed(), precision="int8")

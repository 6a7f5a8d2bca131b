"""Embedding a data set: the same numbers however they come about, failures, interrupts, and comparing all of it."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from ghostface_edge.alignment import ARCFACE_TEMPLATE
from ghostface_edge.benchmarks import enrolment
from ghostface_edge.benchmarks.embedding_cache import EmbeddingCache
from ghostface_edge.benchmarks.enrolment import NO_FACE, Enrolment, Failure, enrol
from ghostface_edge.benchmarks.photos import Photo
from ghostface_edge.benchmarks.system import System, SystemInfo
from ghostface_edge.embedding import Embedder
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import EvaluationError, ImageError, InferenceError, OptionError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session
from ghostface_edge.types import Box, Detection, FloatArray, ModelIdentity

ANN_1, ANN_2, ANN_3 = (Photo("Ann", f"Ann/Ann_000{number}.jpg") for number in (1, 2, 3))
BO_1, BO_2 = (Photo("Bo", f"Bo/Bo_000{number}.jpg") for number in (1, 2))
CY_1 = Photo("Cy", "Cy/Cy_0001.jpg")

SYSTEM = SystemInfo(ModelIdentity("net-a", "float32", "yunet"), "net", "0" * 64, "LiteRT 2", "net.tflite", "1" * 64)


@dataclass
class Memory:
    """A data set in memory."""

    files: dict[str, bytes]
    aligned: bool = False
    name: str = "memory"
    read_paths: list[str] = field(default_factory=list)

    def read(self, photo: Photo) -> bytes:
        self.read_paths.append(photo.path)
        if photo.path not in self.files:
            raise EvaluationError(f"{photo.path} is not in memory")
        return self.files[photo.path]


class AtTemplate:
    """Finds a face where the template has it, so that a crop is the photo itself; none in black, a line in white."""

    name = "at-template"

    def __init__(self) -> None:
        self.seen = 0

    def detect(self, image: Image) -> list[Detection]:
        self.seen += 1
        level = int(image.pixels[0, 0, 0])
        points = np.zeros((5, 2)) if level == 255 else ARCFACE_TEMPLATE
        return [] if level == 0 else [Detection(Box(0, 0, 111, 111), 0.9, np.asarray(points, np.float32))]


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def noise(number: int, side: int = 112) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(1, 255, (side, side, 3), dtype=np.uint8)


def by_hand(pixels: NDArray[np.uint8], matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the small network of the tests makes of a crop."""
    product = ((pixels.astype(np.float64) - 127.5) / 128).ravel() @ matrix
    return product / np.linalg.norm(product)


def noises(count: int, aligned: bool = True) -> tuple[Memory, tuple[Photo, ...]]:
    photos = tuple(Photo(f"P{number % 7}", f"{number:04d}.png") for number in range(count))
    return Memory({photo.path: png(noise(row)) for row, photo in enumerate(photos)}, aligned), photos


@pytest.fixture
def engine(tiny_embedder: Path) -> FaceEngine:
    pytest.importorskip("onnxruntime")
    return FaceEngine(Embedder(open_session(tiny_embedder, threads=1)), AtTemplate())


@pytest.fixture
def tiny(tiny_embedder: Path) -> System:
    pytest.importorskip("onnxruntime")
    return System(str(tiny_embedder))


# ----------------------------------------------------------------------------------------------------------------
# By hand


def test_faces_are_found_aligned_and_embedded(engine: FaceEngine, tiny_matrix: NDArray[np.float32]) -> None:
    black, white = np.zeros((112, 112, 3), np.uint8), np.full((112, 112, 3), 255, np.uint8)
    files = {ANN_1: noise(1), ANN_2: black, BO_1: noise(2), BO_2: white}
    source = Memory({photo.path: png(pixels) for photo, pixels in files.items()})
    faces = enrol(engine, source, list(files))
    assert faces.photos == tuple(files)
    assert faces.enrolled.tolist() == [True, False, True, False]
    for row, pixels in ((0, noise(1)), (2, noise(2))):
        # The float32 landmarks move the crop by up to 1e-6 of a pixel; the warp rounds that away.
        assert faces.embeddings[row] == pytest.approx(by_hand(pixels, tiny_matrix), abs=1e-5)
    assert not faces.embeddings[[1, 3]].any()
    reason = "the landmarks coincide: no similarity transform can be computed"
    assert faces.failures == (Failure(ANN_2, NO_FACE), Failure(BO_2, reason))
    assert faces.system == SystemInfo.of(engine)
    assert (faces.computed, faces.embeddings.dtype) == (4, np.float32)
    assert faces.seconds > 0


def test_aligned_crops_and_given_landmarks_need_no_detector(
    engine: FaceEngine, tiny_matrix: NDArray[np.float32], tiny_embedder: Path
) -> None:
    given = tuple(ARCFACE_TEMPLATE.ravel())
    moved = tuple((ARCFACE_TEMPLATE + np.array([20, 10])).ravel())  # in a larger photo
    large = noise(5, 200)
    source = Memory({"a.png": png(noise(3)), "b.png": png(large)})
    photos = [Photo("", "a.png", given), Photo("", "b.png", moved)]
    faces = enrol(engine, source, photos)
    assert faces.embeddings[0] == pytest.approx(by_hand(noise(3), tiny_matrix), abs=1e-5)
    assert faces.embeddings[1] == pytest.approx(by_hand(large[10:122, 20:132], tiny_matrix), abs=1e-5)
    assert faces.system.model.detector == "given landmarks"
    crops = Memory({"a.png": png(noise(3))}, aligned=True)
    aligned = enrol(engine, crops, [Photo("", "a.png")])
    assert aligned.embeddings[0] == pytest.approx(by_hand(noise(3), tiny_matrix), abs=1e-5)
    assert aligned.system.model.detector == ""
    assert isinstance(engine.detector, AtTemplate)
    assert engine.detector.seen == 0
    # A detector that is not on this machine is not missed.
    assert np.array_equal(enrol(System(str(tiny_embedder)), crops, [Photo("", "a.png")]).embeddings, aligned.embeddings)
    with_flip = enrol(System(str(tiny_embedder), flip=True), crops, [Photo("", "a.png")])
    assert with_flip.system.model.detector == "+flip"
    both = by_hand(noise(3), tiny_matrix) + by_hand(noise(3)[:, ::-1], tiny_matrix)
    assert with_flip.embeddings[0] == pytest.approx(both / np.linalg.norm(both), abs=1e-5)


def test_some_photos_with_landmarks_and_some_without(engine: FaceEngine, tiny_matrix: NDArray[np.float32]) -> None:
    source = Memory({"a.png": png(noise(3, 200)), "b.png": png(noise(4))})
    photos = [Photo("", "a.png", tuple((ARCFACE_TEMPLATE + 7).ravel())), Photo("", "b.png")]
    faces = enrol(engine, source, photos)
    assert faces.embeddings[0] == pytest.approx(by_hand(noise(3, 200)[7:119, 7:119], tiny_matrix), abs=1e-5)
    assert faces.embeddings[1] == pytest.approx(by_hand(noise(4), tiny_matrix), abs=1e-5)
    assert faces.system.model.detector == "at-template"


@pytest.mark.parametrize("jobs", [1, 2])
def test_landmarks_that_define_no_alignment_are_a_failure(tiny: System, jobs: int) -> None:
    source, photos = noises(3, aligned=False)
    outside = tuple((ARCFACE_TEMPLATE + 500).ravel())
    flat = (1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0)
    places = (tuple(ARCFACE_TEMPLATE.ravel()), outside, flat)
    photos = tuple(replace(photo, landmarks=place) for photo, place in zip(photos, places))
    faces = enrol(tiny, source, photos, jobs=jobs)
    assert faces.enrolled.tolist() == [True, False, False]
    assert "outside the photo" in faces.failures[0].reason
    assert "on one line" in faces.failures[1].reason


def test_a_data_set_that_cannot_be_used(engine: FaceEngine, tiny: System, tmp_path: Path) -> None:
    black = Memory({"a.png": png(np.zeros((112, 112, 3), np.uint8))})
    with pytest.raises(EvaluationError, match=r"none of the 1 photos of memory could be enrolled.*no face found"):
        enrol(engine, black, [Photo("", "a.png")])
    with pytest.raises(EvaluationError, match=r"^gone\.png is not in memory$"):
        enrol(engine, black, [Photo("", "gone.png")])
    with pytest.raises(EvaluationError, match="there are no photos to enrol from memory"):
        enrol(engine, black, [])
    with pytest.raises(EvaluationError, match=r"a\.png comes with 4 numbers for its landmarks: it takes ten"):
        enrol(engine, black, [Photo("", "a.png", (1.0, 2.0, 3.0, 4.0))])
    with pytest.raises(EvaluationError, match=r"^a\.png: 100x100 pixels, and linear takes aligned faces of 112x112$"):
        enrol(tiny, Memory({"a.png": png(noise(1, 100))}, aligned=True), [Photo("", "a.png")])
    for jobs in (0, True, 1.5):
        with pytest.raises(OptionError, match="is not a number of processes"):
            enrol(tiny, black, [Photo("", "a.png")], jobs=jobs)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="pass a System"):
        enrol(engine, black, [Photo("", "a.png")], jobs=2)
    with EmbeddingCache.open(tmp_path / "cache") as cache, pytest.raises(OptionError, match="pass a System"):
        enrol(engine, black, [Photo("", "a.png")], cache=cache)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_damaged_photo_ends_the_run_and_is_named(tiny: System, jobs: int, tmp_path: Path) -> None:
    source, photos = noises(100)
    source.files["0070.png"] = source.files["0070.png"][:5000]
    with EmbeddingCache.open(tmp_path / "cache") as cache:
        with pytest.raises(ImageError, match=r"^0070\.png: .*damaged"):
            enrol(tiny, source, photos, cache=cache, jobs=jobs)
        assert multiprocessing.active_children() == []
        source.files["0070.png"] = png(noise(70))
        assert enrol(tiny, source, photos, cache=cache, jobs=jobs).computed <= 100 - (jobs == 1) * 64


def test_a_network_that_fails_is_told_with_the_photo(make_linear: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "zero.onnx").write_bytes(make_linear(np.zeros((112 * 112 * 3, 16), np.float32)))
    source, photos = noises(2)
    for jobs in (1, 2):
        with pytest.raises(InferenceError, match=r"^0000\.png: model 'linear' gave a zero vector"):
            enrol(System(str(tmp_path / "zero.onnx")), source, photos, jobs=jobs)


def test_no_word_where_nobody_looks(tiny: System, capfd: pytest.CaptureFixture[str]) -> None:
    source, photos = noises(40)
    enrol(tiny, source, photos, jobs=2)
    assert capfd.readouterr() == ("", "")


# ----------------------------------------------------------------------------------------------------------------
# Processes and the cache


@pytest.mark.parametrize("aligned", [True, False])
def test_processes_and_cache_change_nothing(tiny: System, tmp_path: Path, aligned: bool) -> None:
    source, photos = noises(80, aligned)
    if not aligned:
        photos = tuple(replace(photo, landmarks=tuple(ARCFACE_TEMPLATE.ravel())) for photo in photos)
    plain = enrol(tiny, source, photos)
    with EmbeddingCache.open(tmp_path / "cache") as cache:
        some = enrol(tiny, source, photos[::3], cache=cache, jobs=2)
        cold = enrol(tiny, source, photos, cache=cache, jobs=2)
        warm = enrol(tiny, source, photos, cache=cache, jobs=2)
    assert [run.computed for run in (plain, some, cold, warm)] == [80, 27, 53, 0]
    assert np.array_equal(some.embeddings, plain.embeddings[::3])
    for run in (cold, warm):
        assert np.array_equal(run.embeddings, plain.embeddings)
        assert (run.photos, run.failures, run.system) == (plain.photos, plain.failures, plain.system)


def test_the_picture_counts_and_not_its_name(tiny: System, tmp_path: Path) -> None:
    source, photos = noises(3)
    with EmbeddingCache.open(tmp_path / "cache") as cache:
        first = enrol(tiny, source, photos, cache=cache)
        renamed = Memory({f"other/{path}": data for path, data in source.files.items()}, aligned=True, name="other")
        again = enrol(tiny, renamed, [Photo("X", f"other/{photo.path}") for photo in photos], cache=cache)
        assert again.computed == 0
        assert np.array_equal(again.embeddings, first.embeddings)
        swapped = Memory({photos[0].path: source.files[photos[1].path]}, aligned=True)
        assert np.array_equal(enrol(tiny, swapped, photos[:1], cache=cache).embeddings[0], first.embeddings[1])


def test_a_worker_that_is_killed(tiny: System, tmp_path: Path) -> None:
    class Killer(Memory):
        def read(self, photo: Photo) -> bytes:
            if photo.path == "0150.png":
                multiprocessing.active_children()[0].kill()
            return super().read(photo)

    memory, photos = noises(300)
    source = Killer(memory.files, aligned=True)
    with EmbeddingCache.open(tmp_path / "cache") as cache:
        with pytest.raises(
            EvaluationError, match=r"a worker process was killed by signal 9 (at work on \d+ photos|bef)"
        ):
            enrol(tiny, source, photos, cache=cache, jobs=2)
        assert multiprocessing.active_children() == []
        assert enrol(tiny, memory, photos, cache=cache).computed <= 300 - 32


RUN = """
import os, signal, sys, time
sys.path.insert(0, {folder!r})
from test_enrolment import noises
from ghostface_edge.benchmarks.embedding_cache import EmbeddingCache
from ghostface_edge.benchmarks.enrolment import enrol
from ghostface_edge.benchmarks.system import System

class Source:
    name, aligned, count = "memory", True, 0

    def __init__(self, memory):
        self.memory = memory

    def read(self, photo):
        self.count += 1
        if self.count == {at}:
            {action}
        return self.memory.read(photo)

def main():
    memory, photos = noises(400)
    with EmbeddingCache.open({cache!r}) as cache:
        enrol(System({model!r}), Source(memory), photos, cache=cache, jobs={jobs})

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs tests in the background ignores it
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
"""


def run_script(tmp_path: Path, model: str, at: int, action: str, jobs: int) -> tuple[subprocess.Popen[bytes], bytes]:
    """A process in a group of its own, which does something to itself when it comes to a photo."""
    folder = str(Path(__file__).parent)
    script = tmp_path / "run.py"
    cache = str(tmp_path / "cache")
    text = RUN.format(folder=folder, at=at, action=action, cache=cache, model=model, jobs=jobs)
    script.write_text(text, encoding="utf-8")
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, start_new_session=True)
    return process, process.communicate(timeout=120)[1]


def group_ends(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether no process of a group is left after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups")


@posix
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_costs_the_batches_in_flight_and_makes_no_noise(tiny: System, tmp_path: Path, jobs: int) -> None:
    # As the terminal does it: the whole group of processes is interrupted at once.
    process, said = run_script(tmp_path, tiny.model, 300, "os.killpg(0, signal.SIGINT)", jobs)
    assert (process.returncode, said) == (130, b"")
    assert group_ends(process, 5)
    memory, photos = noises(400)
    with EmbeddingCache.open(tmp_path / "cache") as cache:
        rest = enrol(tiny, memory, photos, cache=cache)
    # 299 photos were read; in flight were a batch in each process, and the one that was being read.
    assert 400 - 299 <= rest.computed <= 400 - 299 + 32 * (jobs + 1)
    assert np.array_equal(rest.embeddings, enrol(tiny, memory, photos).embeddings)


@posix
def test_an_interrupt_while_processes_start(tiny: System, tmp_path: Path) -> None:
    # The 64th photo is the last that is read before two processes start.
    action = "import threading; threading.Timer(0.2, os.killpg, (0, signal.SIGINT)).start()"
    process, said = run_script(tmp_path, tiny.model, 64, action, 2)
    assert (process.returncode, said) == (130, b"")
    assert group_ends(process, 5)


@posix
@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGKILL"])
def test_workers_do_not_outlive_their_parent(tiny: System, tmp_path: Path, signal_name: str) -> None:
    process, said = run_script(tmp_path, tiny.model, 300, f"os.kill(os.getpid(), signal.{signal_name})", 2)
    assert process.returncode == -getattr(signal, signal_name)
    assert said == b""
    assert group_ends(process, 5)
    with EmbeddingCache.open(tmp_path / "cache") as cache:
        memory, photos = noises(400)
        assert enrol(tiny, memory, photos, cache=cache).computed < 400


# ----------------------------------------------------------------------------------------------------------------
# Real photos


@dataclass(frozen=True)
class Folder:
    root: Path
    aligned: bool = False
    name: str = "lfw"

    def read(self, photo: Photo) -> bytes:
        return (self.root / photo.path).read_bytes()


def folder_of(paths: Sequence[Path]) -> tuple[Folder, tuple[Photo, ...]]:
    root = paths[0].parent.parent
    return Folder(root), tuple(Photo(path.parent.name, str(path.relative_to(root))) for path in paths)


@pytest.mark.parametrize("runtime", ["litert", "onnx"])
def test_real_photos_give_the_same_bits_whichever_way(
    real_store: ModelStore, lfw_sample: list[Path], tmp_path: Path, runtime: str
) -> None:
    pytest.importorskip({"onnx": "onnxruntime", "litert": "ai_edge_litert"}[runtime])
    source, photos = folder_of(lfw_sample[:48])
    system = System(runtime=runtime)
    plain = enrol(system, source, photos)
    assert plain.failures == ()
    engine = system.engine(threads=1)
    one_by_one = np.stack([engine.face(path).embedding for path in lfw_sample[:48]])
    assert np.array_equal(plain.embeddings, one_by_one)
    assert np.array_equal(enrol(engine, source, photos[5:6]).embeddings[0], plain.embeddings[5])
    with EmbeddingCache.open(tmp_path / "cache") as cache:
        for computed in (48, 0):
            run = enrol(system, source, photos, cache=cache, jobs=2)
            assert run.computed == computed
            assert np.array_equal(run.embeddings, plain.embeddings)


def test_models_are_converted_once_and_before_the_workers_start(
    shared: Path, lfw_sample: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GHOSTFACE_EDGE_MODELS", os.pathsep.join(str(shared / part) for part in ("models", "detectors")))

    def converted() -> list[tuple[str, int, int]]:
        found = [(path.name, path.stat()) for path in (tmp_path / "home" / "converted").iterdir()]
        return sorted((name, status.st_ino, status.st_mtime_ns) for name, status in found)

    seen = []

    class Watching(Folder):
        def read(self, photo: Photo) -> bytes:
            seen.append(converted())
            return super().read(photo)

    source, photos = folder_of(lfw_sample[:40])
    enrol(System(runtime="onnx"), Watching(source.root), photos, jobs=2)
    assert len(seen[0]) == 2  # embedder and detector
    assert converted() == seen[0]  # a worker that had converted would have put new files in their place


def test_a_second_model_uses_the_landmarks_of_the_first(
    real_store: ModelStore, lfw_sample: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, photos = folder_of(lfw_sample[:12])
    blank = Photo("Nobody", "blank.png")
    nothing = png(np.full((90, 90, 3), 128, np.uint8))

    class WithBlank(Folder):
        def read(self, photo: Photo) -> bytes:
            return nothing if photo == blank else super().read(photo)

    source, photos = WithBlank(source.root), (*photos, blank)
    detected = []
    original = FaceEngine.detect_main
    monkeypatch.setattr(FaceEngine, "detect_main", lambda self, image: detected.append(1) or original(self, image))
    without = enrol(System(flip=True), source, photos)
    assert len(detected) == 13
    with EmbeddingCache.open(tmp_path / "cache") as cache:
        enrol(System(), source, photos, cache=cache)
        assert len(detected) == 26
        second = enrol(System(flip=True), source, photos, cache=cache)
        assert len(detected) == 26
        assert second.computed == 12  # that the blank picture shows no face was known
        assert np.array_equal(second.embeddings, without.embeddings)
        assert second.failures == without.failures == (Failure(blank, NO_FACE),)
        enrol(System(detector="yunet-fast"), source, photos, cache=cache)
        assert len(detected) == 39


def test_a_lower_limit_on_pixels_holds_for_what_is_known_too(
    real_store: ModelStore, lfw_sample: list[Path], tmp_path: Path
) -> None:
    source, photos = folder_of(lfw_sample[:1])
    with EmbeddingCache.open(tmp_path / "cache") as cache:
        enrol(System(), source, photos, cache=cache)
        with pytest.raises(ImageError, match="250x250 pixels are more than the limit of 1000"):
            enrol(System(max_pixels=1000), source, photos, cache=cache)


# ----------------------------------------------------------------------------------------------------------------
# Comparisons


def enrolled(photos: Sequence[Photo], embeddings: FloatArray, failed: Sequence[int] = ()) -> Enrolment:
    there = np.ones(len(photos), dtype=bool)
    there[list(failed)] = False
    failures = tuple(Failure(photos[row], NO_FACE) for row in failed)
    return Enrolment(SYSTEM, tuple(photos), embeddings * there[:, None], there, failures, 0.0, 0)


def test_similarities_of_pairs_by_hand() -> None:
    vectors = np.array([[0.6, 0.8], [1, 0], [0.8, -0.6], [1, 0]], np.float32)
    faces = enrolled([ANN_1, ANN_2, BO_1, BO_2], vectors, failed=(1, 3))
    a, b = np.array([0, 0, 3, 3, 2], np.int32), np.array([2, 1, 0, 1, 2], np.int32)
    assert faces.similarities(a, b) == pytest.approx([0, -1, -1, -1, 1], abs=1e-7)
    assert faces.similarities(a[:0], b[:0]).tolist() == []


def test_many_pairs_are_those_of_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faces = enrolled([Photo("", str(row)) for row in range(50)], vectors, failed=(7,))
    a, b = rng.integers(0, 50, (2, 1000))
    wanted = (vectors.astype(np.float64) @ vectors.T.astype(np.float64))[a, b]
    wanted[(a == 7) | (b == 7)] = -1
    for pairs in (1, 999, 5000):
        monkeypatch.setattr(enrolment, "_PAIRS", pairs)
        assert faces.similarities(a, b) == pytest.approx(wanted, abs=1e-6)


class Recorded:
    """In the place of Scores: what it was given."""

    def __init__(self, genuine: Any, impostor: Any, *, genuine_people: Any, impostor_people: Any) -> None:
        assert genuine.dtype == impostor.dtype == np.float64
        assert genuine_people.dtype == impostor_people.dtype == np.int32
        self.genuine = sorted(zip(genuine_people.tolist(), genuine.tolist()))
        pairs = [tuple(sorted(pair)) for pair in impostor_people.tolist()]
        self.impostor = sorted(zip(pairs, impostor.tolist()))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "Scores", Recorded)


@pytest.mark.usefixtures("recorded")
def test_all_pairs_by_hand() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [-1, 0]], np.float32)
    scores: Any = enrolled([ANN_1, BO_1, ANN_2, CY_1], vectors).all_pairs()
    assert scores.genuine == [(0, pytest.approx(0.6, abs=1e-7))]
    wanted = [((0, 1), 0.0), ((0, 1), 0.8), ((0, 2), -1.0), ((0, 2), -0.6), ((1, 2), 0.0)]
    assert [who for who, _ in scores.impostor] == [who for who, _ in wanted]
    assert [value for _, value in scores.impostor] == pytest.approx([value for _, value in wanted], abs=1e-7)


@pytest.mark.usefixtures("recorded")
def test_a_photo_without_a_face_costs_recognition_only() -> None:
    # Ann's second photo makes one genuine comparison with her first, Bo's two make one; Cy is alone.
    photos = [ANN_1, ANN_2, BO_1, BO_2, CY_1]
    vectors = np.array([[1, 0], [9, 9], [9, 9], [9, 9], [0, 1]], np.float32)
    scores: Any = enrolled(photos, vectors, failed=(1, 2, 3)).all_pairs()
    assert scores.genuine == [(0, -1.0), (1, -1.0)]
    assert scores.impostor == [((0, 2), 0.0)]


@pytest.mark.usefixtures("recorded")
def test_all_pairs_are_those_of_two_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    people = rng.integers(0, 12, 61)
    failed = [3, 4, 40, 60]
    photos = [Photo(f"P{person:02d}", f"P{person}/{index}.jpg") for index, person in enumerate(people)]
    number = {name: index for index, name in enumerate(sorted({photo.person for photo in photos}))}
    vectors = rng.normal(size=(61, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    genuine, impostor = [], []
    for a in range(61):
        for b in range(a):
            x, y = vectors[a].astype(np.float64), vectors[b].astype(np.float64)
            value = sum(x * y) / (sum(x * x) * sum(y * y)) ** 0.5
            who = sorted((number[photos[a].person], number[photos[b].person]))
            lost = a in failed or b in failed
            if who[0] == who[1]:
                genuine.append((who[0], -1.0 if lost else value))
            elif not lost:
                impostor.append((tuple(who), value))
    for rows in (1, 7, 61, 256):
        monkeypatch.setattr(enrolment, "_ROWS", rows)
        scores: Any = enrolled(photos, vectors, failed).all_pairs()
        for found, wanted in ((scores.genuine, sorted(genuine)), (scores.impostor, sorted(impostor))):
            assert [who for who, _ in found] == [who for who, _ in wanted]
            assert [value for _, value in found] == pytest.approx([value for _, value in wanted], abs=1e-12)


@pytest.mark.usefixtures("recorded")
def test_equal_faces_have_similarity_one_at_most() -> None:
    vector = np.random.default_rng(4).normal(size=512)
    twice = np.stack([vector / np.linalg.norm(vector)] * 3).astype(np.float32)
    scores: Any = enrolled([ANN_1, ANN_2, BO_1], twice).all_pairs()
    assert scores.genuine == [(0, pytest.approx(1, abs=1e-12))]
    assert max(value for _, value in scores.impostor) <= 1


def test_what_all_pairs_refuses() -> None:
    photos = [Photo(str(index), f"{index}.jpg") for index in range(14_200)]
    with pytest.raises(EvaluationError, match="14200 photos make 100812900 comparisons, and 100000000 are the limit"):
        enrolled(photos, np.ones((14_200, 1), np.float32)).all_pairs()
    with pytest.raises(EvaluationError, match=r"takes their people, and b\.jpg has no name"):
        enrolled([ANN_1, Photo("", "b.jpg")], np.ones((2, 1), np.float32)).all_pairs()

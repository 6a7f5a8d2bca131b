"""Embedding a data set, with photos in which no face is found, and comparing all of it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.benchmarks import enrolment
from ghostface_edge.benchmarks.enrolment import Enrolment, enrol
from ghostface_edge.benchmarks.pairs import Pair, Photo
from ghostface_edge.errors import AlignmentError, EvaluationError, ImageError, NoFaceError, OptionError
from ghostface_edge.types import Box, Face, FloatArray, ModelIdentity

MODEL = ModelIdentity("net-a", "float32", "yunet")

ANN_1, ANN_2, ANN_3 = (Photo("Ann", f"Ann/Ann_000{number}.jpg") for number in (1, 2, 3))
BO_1, BO_2 = (Photo("Bo", f"Bo/Bo_000{number}.jpg") for number in (1, 2))
CY_1 = Photo("Cy", "Cy/Cy_0001.jpg")


class Engine:
    """Reads a face's embedding from the photo's own text; 'none' and 'flat' have no usable face."""

    def __init__(self) -> None:
        self.seen: list[Path] = []
        self.threads: set[int] = set()

    def face(self, photo: Path) -> Face:
        self.seen.append(photo)
        self.threads.add(threading.get_ident())
        text = photo.read_text(encoding="utf-8")
        if text == "none":
            raise NoFaceError(f"no face found in {photo}")
        if text == "flat":
            raise AlignmentError("the landmarks lie on a line")
        if text == "damaged":
            raise ImageError(f"{photo}: not a picture")
        vector = np.array(text.split(), np.float32)
        return Face(Box(0, 0, 9, 9), 0.9, np.zeros((5, 2), np.float32), vector / np.linalg.norm(vector), MODEL)


def write(folder: Path, texts: dict[Photo, str]) -> tuple[Photo, ...]:
    for photo, text in texts.items():
        (folder / photo.path).parent.mkdir(exist_ok=True)
        (folder / photo.path).write_text(text, encoding="utf-8")
    return tuple(texts)


def enrolled(photos: list[Photo], embeddings: FloatArray, failures: tuple[Photo, ...] = ()) -> Enrolment:
    return Enrolment(tuple(photos), embeddings, failures, MODEL, 0.0)


def test_every_photo_is_embedded_once_and_failures_are_named(tmp_path: Path) -> None:
    photos = write(tmp_path, {ANN_1: "1 0", ANN_2: "none", ANN_3: "3 4", BO_1: "0 2", BO_2: "flat", CY_1: "0 -1"})
    engine = Engine()
    faces = enrol(engine, tmp_path, photos)
    assert engine.seen == [tmp_path / photo.path for photo in photos]
    assert faces.photos == (ANN_1, ANN_3, BO_1, CY_1)
    assert faces.failures == (ANN_2, BO_2)
    assert faces.embeddings == pytest.approx(np.array([[1, 0], [0.6, 0.8], [0, 1], [0, -1]]), abs=1e-7)
    assert faces.model == MODEL
    assert faces.seconds > 0


def test_threads_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = {Photo("P", f"P/P_{index:04d}.jpg"): " ".join(map(str, rng.normal(size=8))) for index in range(50)}
    texts[Photo("Q", "Q/Q_0001.jpg")] = "none"
    photos = write(tmp_path, texts)
    one, four = enrol(Engine(), tmp_path, photos), enrol(Engine(), tmp_path, photos, jobs=4)
    assert four.photos == one.photos
    assert four.failures == one.failures == (Photo("Q", "Q/Q_0001.jpg"),)
    assert np.array_equal(four.embeddings, one.embeddings)


def test_no_progress_bar_where_nobody_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enrol(Engine(), tmp_path, write(tmp_path, {ANN_1: "1 0"}))
    assert capsys.readouterr() == ("", "")


def test_a_data_set_that_cannot_be_used(tmp_path: Path) -> None:
    photos = write(tmp_path, {ANN_1: "none", BO_1: "flat"})
    with pytest.raises(EvaluationError, match="no face was found in any of the 2 photos"):
        enrol(Engine(), tmp_path, photos)
    engine = Engine()
    with pytest.raises(EvaluationError, match=r"2 of 3 photos are not in .*, Ann/Ann_0002\.jpg among them"):
        enrol(engine, tmp_path, (ANN_1, ANN_2, CY_1))
    assert engine.seen == []  # nothing is embedded in vain
    with pytest.raises(OptionError, match="jobs=0"):
        enrol(engine, tmp_path, photos, jobs=0)


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_damaged_photo_ends_the_run(tmp_path: Path, jobs: int) -> None:
    photos = write(tmp_path, {ANN_1: "1 0", ANN_2: "damaged", BO_1: "0 1"})
    with pytest.raises(ImageError, match="not a picture"):
        enrol(Engine(), tmp_path, photos, jobs=jobs)


def test_similarities_of_pairs_by_hand() -> None:
    faces = enrolled([ANN_1, BO_1], np.array([[0.6, 0.8], [0.8, -0.6]], np.float32), (ANN_2, BO_2))
    pairs = [Pair(ANN_1, BO_1, 0), Pair(ANN_1, ANN_2, 0), Pair(BO_2, ANN_1, 1), Pair(BO_2, ANN_2, 1)]
    assert faces.similarities(pairs) == pytest.approx([0, -1, -1, -1], abs=1e-7)
    assert faces.similarities([]).tolist() == []


def test_all_pairs_by_hand() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
    scores = enrolled([ANN_1, ANN_2, BO_1, CY_1], vectors).all_pairs()
    assert scores.genuine == pytest.approx([0.6], abs=1e-7)
    assert scores.impostor == pytest.approx([-1, -0.6, 0, 0, 0.8], abs=1e-7)


def test_a_photo_without_a_face_costs_recognition_only() -> None:
    # Ann's second photo makes one genuine comparison with her first, Bo's two make one; Cy is alone.
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    scores = enrolled([ANN_1, CY_1], vectors, (ANN_2, BO_1, BO_2)).all_pairs()
    assert scores.genuine.tolist() == [-1, -1]
    assert scores.impostor.tolist() == [0]


def test_all_pairs_are_those_of_two_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    people = rng.integers(0, 12, 61)
    photos = [Photo(f"P{person}", f"P{person}/{index}.jpg") for index, person in enumerate(people)]
    vectors = rng.normal(size=(61, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    genuine, impostor = [], []
    for a in range(61):
        for b in range(a):
            x, y = vectors[a].astype(np.float64), vectors[b].astype(np.float64)
            value = sum(x * y) / (sum(x * x) * sum(y * y)) ** 0.5
            (genuine if people[a] == people[b] else impostor).append(value)
    for rows in (1, 7, 61, 256):
        monkeypatch.setattr(enrolment, "_ROWS", rows)
        scores = enrolled(photos, vectors).all_pairs()
        assert scores.genuine == pytest.approx(sorted(genuine), abs=1e-12)
        assert scores.impostor == pytest.approx(sorted(impostor), abs=1e-12)


def test_equal_faces_have_similarity_one_at_most() -> None:
    vector = np.random.default_rng(4).normal(size=512)
    twice = np.stack([vector / np.linalg.norm(vector)] * 3).astype(np.float32)
    scores = enrolled([ANN_1, ANN_2, BO_1], twice).all_pairs()
    assert scores.genuine == pytest.approx([1], abs=1e-12)
    assert scores.impostor.max() <= 1


def test_too_many_photos_for_memory() -> None:
    photos = [Photo(str(index), f"{index}.jpg") for index in range(14_200)]
    with pytest.raises(EvaluationError, match="14200 photos make 100812900 comparisons, and 100000000 are the limit"):
        enrolled(photos, np.ones((14_200, 1), np.float32)).all_pairs()

"""The embeddings of a data set's photos, and the photos from which none could be made."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.alignment import align
from ghostface_edge.detection import Detector
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import AlignmentError, EvaluationError, GhostFaceError, NoFaceError, OptionError
from ghostface_edge.image import Image
from ghostface_edge.matching import cosine
from ghostface_edge.notices import without_notices
from ghostface_edge.types import Detection, FloatArray

from .embedding_cache import EmbeddingCache, Found, Recipe, Row, picture_key
from .metrics import Scores
from .photos import Photo, PhotoSource
from .system import System, SystemInfo
from .workers import in_processes

MAX_COMPARISONS = 100_000_000
"""Most comparisons that :meth:`Enrolment.all_pairs` holds in memory, 16 bytes each; all of LFW's 13,233 photos make
87.5 million."""

BATCH = 32
"""Photos that a worker gets at once, and that an interrupt can cost."""

_BATCH_BYTES = 8 << 20  # of large photos fewer
NO_FACE = "no face found"
"""Why most failures fail."""

_NOT_ENROLLED = -1.0  # the least similarity there is
_ROWS = 256  # of the similarity matrix at a time
_PAIRS = 8192  # compared at a time: 34 MB each of 512 numbers in float64


@dataclass(frozen=True)
class Failure:
    """A photo that could not be enrolled.

    Attributes:
        photo: Which.
        reason: No face was found, or it cannot be aligned.
    """

    photo: Photo
    reason: str


@dataclass(frozen=True, eq=False)
class Enrolment:
    """The faces of a data set.

    A photo that could not be enrolled matches nobody. That costs recognition, so its comparisons with other photos of
    the same person count as non-matches; and it proves nothing about false matches, so among all pairs it is in no
    impostor comparison.

    Attributes:
        system: What made the embeddings.
        photos: All that were asked for.
        embeddings: (N, D) float32, L2-normalised, in the order of ``photos``; zeros where there is none.
        enrolled: (N,) whether there is one.
        failures: The photos without, and why.
        seconds: Wall-clock time of reading, detecting, aligning and embedding.
        computed: Photos that were looked at in this run; what the others gave came from the cache.
    """

    system: SystemInfo
    photos: tuple[Photo, ...] = field(repr=False)
    embeddings: FloatArray = field(repr=False)
    enrolled: NDArray[np.bool_] = field(repr=False)
    failures: tuple[Failure, ...] = field(repr=False)
    seconds: float
    computed: int

    def similarities(self, a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.float64]:
        """Cosine similarities of photos.

        Args:
            a: (P,) rows of ``photos``.
            b: (P,) what each is compared with.

        Returns:
            (P,) float64; -1, a sure non-match, where one of the two is not enrolled.
        """
        a, b = np.asarray(a), np.asarray(b)
        result = np.full(len(a), _NOT_ENROLLED)
        (found,) = np.nonzero(self.enrolled[a] & self.enrolled[b])
        for start in range(0, len(found), _PAIRS):
            part = found[start : start + _PAIRS]
            result[part] = cosine(self.embeddings[a[part]], self.embeddings[b[part]])
        return result

    def all_pairs(self) -> Scores:
        """The similarity of every photo to every other, and who is compared.

        Raises:
            EvaluationError: Too many photos, photos of whom nobody says who is on them, or only genuine or only
                impostor comparisons.
        """
        unknown = [photo.path for photo in self.photos if not photo.person]
        if unknown:
            raise EvaluationError(f"comparing all photos takes their people, and {unknown[0]} has no name")
        total = len(self.photos) * (len(self.photos) - 1) // 2
        if total > MAX_COMPARISONS:
            raise EvaluationError(
                f"{len(self.photos)} photos make {total} comparisons, and {MAX_COMPARISONS} are the limit"
            )
        _, numbers = np.unique([photo.person for photo in self.photos], return_inverse=True)
        person = numbers.astype(np.int32)
        # With the photos of each person side by side, what a row compares is two runs: first genuine, then impostor.
        rows = np.argsort(person, kind="stable")
        rows = rows[self.enrolled[rows]]
        order, ends = person[rows], np.searchsorted(person[rows], person[rows], side="right")
        everybody, present = np.bincount(person), np.bincount(order)
        genuine = np.full(_pairs_within(everybody), _NOT_ENROLLED)
        genuine_people = np.repeat(np.arange(len(everybody), dtype=np.int32), everybody * (everybody - 1) // 2)
        impostor = np.empty(len(rows) * (len(rows) - 1) // 2 - _pairs_within(present))
        impostor_people = np.empty((len(impostor), 2), np.int32)
        unit = self.embeddings[rows].astype(np.float64)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        next_genuine = np.concatenate([[0], np.cumsum(everybody * (everybody - 1) // 2)])  # first place of each person
        others = 0
        for start in range(0, len(rows), _ROWS):
            block = np.clip(unit[start : start + _ROWS] @ unit[start:].T, -1, 1)
            for index, values in enumerate(block, start):
                end, who = ends[index], order[index]
                of_one, of_two = values[index + 1 - start : end - start], values[end - start :]
                place = next_genuine[who]
                genuine[place : place + len(of_one)] = of_one
                next_genuine[who] += len(of_one)
                impostor[others : others + len(of_two)] = of_two
                impostor_people[others : others + len(of_two), 0] = who
                impostor_people[others : others + len(of_two), 1] = order[end:]
                others += len(of_two)
        return Scores(genuine, impostor, genuine_people=genuine_people, impostor_people=impostor_people)


def enrol(
    system: System | FaceEngine,
    source: PhotoSource,
    photos: Sequence[Photo],
    *,
    cache: EmbeddingCache | None = None,
    jobs: int = 1,
) -> Enrolment:
    """Embed the main face of every photo. A progress bar is shown where stderr is a terminal.

    The numbers are the same whatever ``jobs`` is, and whether they come from the cache: every network runs on one
    thread and on one picture at a time.

    The model is looked up, and converted where that is needed, here, before a worker process starts; the workers, which
    make an engine of their own each, find what is ready. They are given bytes, and give back numbers; files and cache
    are touched here alone. What a batch gave is in the cache as soon as it is done, so that an interrupt costs no more
    than the batches in flight.

    Args:
        system: What to evaluate. An engine is used as it is, in this process, without a cache.
        source: Where the photos' bytes come from. Its aligned pictures are embedded as they are.
        photos: What to embed. With landmarks of the protocol, a photo is aligned by them and nothing is detected.
        cache: Where embeddings are looked up and kept.
        jobs: Photos at once, each in a process of its own; a script that asks for more than one needs the usual
            ``if __name__ == "__main__":``.

    Raises:
        OptionError: ``jobs`` below 1, or ``jobs`` or a cache with an engine.
        EvaluationError: A photo is missing, an aligned picture is not of the model's size, no photo shows a face, the
            cache cannot be used, or a worker died.
        ImageError: A photo is damaged; the message names it.
        GhostFaceError: The detector or the model failed.
    """
    if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
        raise OptionError(f"jobs={jobs!r} is not a number of processes: use 1 or more")
    if isinstance(system, FaceEngine) and (jobs > 1 or cache is not None):
        raise OptionError("an engine cannot be sent to other processes or be found in a cache: pass a System")
    photos = tuple(photos)
    if not photos:
        raise EvaluationError(f"there are no photos to enrol from {source.name}")
    start = time.perf_counter()
    given = _given(source, photos)
    with without_notices():
        if isinstance(system, System):
            engine = system.engine(threads=1, detector=given)
        else:
            engine = system if given is None else FaceEngine(system.embedder, given, max_pixels=system.max_pixels)
    run = _Run(engine, source, photos, cache)
    with run.bar, closing(_batches(run.tasks())) as batches:
        if isinstance(system, System) and jobs > 1:
            setup = partial(_worker, system, given, source.aligned, run.recipe)
            with closing(in_processes(setup, batches, jobs)) as results:
                for batch, outcomes in results:
                    run.settle(batch, outcomes)
        else:
            embed = partial(_embed_batch, engine, source.aligned)
            for batch in batches:
                run.settle(batch, embed(batch))
    return run.enrolment(time.perf_counter() - start)


@dataclass(frozen=True)
class _Given:  # a Detector
    """Stands where a detector would, for data sets that say themselves where the faces are."""

    name: str

    def detect(self, image: Image) -> Sequence[Detection]:
        """Nobody asks."""
        return ()


def _given(source: PhotoSource, photos: Sequence[Photo]) -> _Given | None:
    if source.aligned:
        return _Given("")
    odd = next((photo for photo in photos if len(photo.landmarks) not in (0, 10)), None)
    if odd is not None:
        raise EvaluationError(f"{odd.path} comes with {len(odd.landmarks)} numbers for its landmarks: it takes ten")
    return _Given("given landmarks") if all(photo.landmarks for photo in photos) else None


class _Task(NamedTuple):
    """A photo to embed.

    Attributes:
        row: Its place among all photos.
        photo: Which.
        data: The bytes of its file.
        picture: Their key in the cache; empty where there is none.
        face: Landmarks of the main face, (5, 2), where an earlier run found them.
    """

    row: int
    photo: Photo
    data: bytes
    picture: bytes
    face: FloatArray | None


class _Outcome(NamedTuple):
    """What became of a photo.

    Attributes:
        face: Landmarks of the main face, (5, 2), or why there is none; None where nothing was detected.
        embedding: (D,), or why there is none.
    """

    face: Found | None
    embedding: Found


class _Batch(NamedTuple):
    """What a worker does at once."""

    tasks: tuple[_Task, ...]

    def __str__(self) -> str:
        return f"{len(self.tasks)} photos from {self.tasks[0].photo.path} on"


class _Run:
    """What is known so far of the photos, and what is still to be computed."""

    def __init__(
        self, engine: FaceEngine, source: PhotoSource, photos: tuple[Photo, ...], cache: EmbeddingCache | None
    ) -> None:
        from tqdm import tqdm

        self.recipe = Recipe.of(engine)
        # disable=None: no bar where stderr is not a terminal.
        self.bar = tqdm(total=len(photos), desc="faces", unit="photo", disable=None)
        self._system = SystemInfo.of(engine)
        self._source = source
        self._photos = photos
        self._cache = cache
        self._embeddings = np.zeros((len(photos), engine.embedder.card.embedding_size), np.float32)
        self._reasons: dict[int, str] = {}
        self._computed = 0

    def tasks(self) -> Iterator[_Task]:
        """The photos that the cache does not know, in order; those that it knows are noted on the way."""
        for row, photo in enumerate(self._photos):
            data = self._source.read(photo)
            picture, face, found = b"", None, None
            if self._cache is not None:
                picture = picture_key(data)
                found = self._cache.embedding(picture, self._recipe(photo), self._embeddings.shape[1])
                if found is None and not photo.landmarks and self.recipe.detection is not None:
                    face = self._cache.landmarks(picture, self.recipe.detection)
            if isinstance(face, str):  # there is none
                found, face = face, None
            if found is None:
                yield _Task(row, photo, data, picture, face)
            else:
                self._note(row, found)

    def settle(self, batch: _Batch, outcomes: Sequence[_Outcome]) -> None:
        """Take what a batch gave, and keep it."""
        if self._cache is not None:
            self._cache.store(
                [
                    Row(task.picture, self.recipe.detection, outcome.face)
                    for task, outcome in zip(batch.tasks, outcomes)
                    if outcome.face is not None and self.recipe.detection is not None
                ],
                [
                    Row(task.picture, self._recipe(task.photo), outcome.embedding)
                    for task, outcome in zip(batch.tasks, outcomes)
                ],
            )
        for task, outcome in zip(batch.tasks, outcomes):
            self._note(task.row, outcome.embedding)
        self._computed += len(batch.tasks)

    def enrolment(self, seconds: float) -> Enrolment:
        """The result, when all is done.

        Raises:
            EvaluationError: No photo could be enrolled.
        """
        count = len(self._photos)
        if len(self._reasons) == count:
            raise EvaluationError(
                f"none of the {count} photos of {self._source.name} could be enrolled; the first: {self._reasons[0]}"
            )
        failures = tuple(Failure(self._photos[row], reason) for row, reason in sorted(self._reasons.items()))
        enrolled = np.ones(count, dtype=bool)
        enrolled[list(self._reasons)] = False
        return Enrolment(self._system, self._photos, self._embeddings, enrolled, failures, seconds, self._computed)

    def _recipe(self, photo: Photo) -> bytes:
        given = () if self._source.aligned else photo.landmarks or None
        return self.recipe.embedding(given)

    def _note(self, row: int, found: Found) -> None:
        if isinstance(found, str):
            self._reasons[row] = found
        else:
            self._embeddings[row] = found
        self.bar.update()


def _batches(tasks: Iterator[_Task]) -> Generator[_Batch, None, None]:
    batch: list[_Task] = []
    size = 0
    for task in tasks:
        batch.append(task)
        size += len(task.data)
        if len(batch) == BATCH or size >= _BATCH_BYTES:
            yield _Batch(tuple(batch))
            batch, size = [], 0
    if batch:
        yield _Batch(tuple(batch))


def _worker(
    system: System, detector: Detector | None, aligned: bool, recipe: Recipe
) -> Callable[[_Batch], list[_Outcome]]:
    """What a worker process does with a batch; its engine is made here, once."""
    import cv2

    cv2.setNumThreads(1)  # the other CPUs have workers of their own
    with without_notices():
        engine = system.engine(threads=1, detector=detector)
    if Recipe.of(engine) != recipe:
        raise EvaluationError("a model, or this program, was changed while the evaluation started. Start it again")
    return partial(_embed_batch, engine, aligned)


def _embed_batch(engine: FaceEngine, aligned: bool, batch: _Batch) -> list[_Outcome]:
    return [_embed(engine, aligned, task) for task in batch.tasks]


def _embed(engine: FaceEngine, aligned: bool, task: _Task) -> _Outcome:
    """What becomes of a photo; one at a time, so that no number depends on what else is in a batch."""
    detected: Found | None = None
    try:
        image = engine.open(task.data)
        if aligned:
            return _Outcome(None, _embedding(engine, _checked_crop(image, engine)))
        landmarks: Any = np.reshape(task.photo.landmarks, (5, 2)) if task.photo.landmarks else task.face
        if landmarks is None:
            try:
                landmarks = detected = engine.detect_main(image).landmarks
            except NoFaceError:
                return _Outcome(NO_FACE, NO_FACE)
        try:
            crop = align(image, landmarks, size=engine.embedder.crop_size)
        except AlignmentError as error:
            return _Outcome(detected, str(error))
        return _Outcome(detected, _embedding(engine, crop))
    except GhostFaceError as error:
        raise type(error)(f"{task.photo.path}: {error}") from error


def _embedding(engine: FaceEngine, crop: NDArray[np.uint8]) -> FloatArray:
    (embedding,) = engine.embedder.embed(crop[np.newaxis])
    return np.asarray(embedding)


def _checked_crop(image: Image, engine: FaceEngine) -> NDArray[np.uint8]:
    size = engine.embedder.crop_size
    if (image.width, image.height) != (size, size):
        raise EvaluationError(
            f"{image.width}x{image.height} pixels, and {engine.card.name} takes aligned faces of {size}x{size}"
        )
    return image.pixels


def _pairs_within(sizes: NDArray[np.intp]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())

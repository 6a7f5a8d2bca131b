"""The embeddings of a data set's photos, and the photos in which no face was found."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import AlignmentError, EvaluationError, NoFaceError, OptionError
from ghostface_edge.matching import cosine
from ghostface_edge.types import Face, FloatArray, ModelIdentity

from .metrics import Scores
from .pairs import Pair, Photo

MAX_COMPARISONS = 100_000_000
"""Most comparisons that :meth:`Enrolment.all_pairs` holds in memory, 8 bytes each; all of LFW's 13,233 photos make
87.5 million."""

_NO_FACE = -1.0  # the least similarity there is
_ROWS = 256  # of the similarity matrix at a time


class Engine(Protocol):
    """What an evaluation wants of a :class:`~ghostface_edge.FaceEngine`."""

    def face(self, photo: Path) -> Face:
        """The main face of a photo; NoFaceError where there is none."""
        ...


@dataclass(frozen=True, eq=False)
class Enrolment:
    """The faces of a data set.

    A photo without a face matches nobody. That costs recognition, so its comparisons with other photos of the same
    person count as non-matches; and it proves nothing about false matches, so among all pairs it is in no impostor
    comparison.

    Attributes:
        photos: Those in which a face was found.
        embeddings: (N, D) float32, L2-normalised, in the order of ``photos``.
        failures: Photos in which no face was found, or none that can be aligned.
        model: What made the embeddings.
        seconds: Wall-clock time of reading, detecting, aligning and embedding all photos.
    """

    photos: tuple[Photo, ...] = field(repr=False)
    embeddings: FloatArray = field(repr=False)
    failures: tuple[Photo, ...]
    model: ModelIdentity
    seconds: float

    def similarities(self, pairs: Sequence[Pair]) -> NDArray[np.float64]:
        """Cosine similarity of each pair, (P,) float64; -1, a sure non-match, where a photo has no face."""
        result = np.full(len(pairs), _NO_FACE)
        rows = [(self._row.get(pair.a, -1), self._row.get(pair.b, -1)) for pair in pairs]
        a, b = np.array(rows, dtype=np.intp).reshape(-1, 2).T
        found = (a >= 0) & (b >= 0)
        result[found] = cosine(self.embeddings[a[found]], self.embeddings[b[found]])
        return result

    def all_pairs(self) -> Scores:
        """The similarity of every photo to every other.

        Raises:
            EvaluationError: Too many photos, or only genuine or only impostor comparisons among them.
        """
        count = len(self.photos)
        total = count * (count - 1) // 2
        if total > MAX_COMPARISONS:
            raise EvaluationError(f"{count} photos make {total} comparisons, and {MAX_COMPARISONS} are the limit")
        _, person = np.unique([photo.person for photo in self.photos], return_inverse=True)
        genuine = np.full(_genuine_pairs(self.photos + self.failures), _NO_FACE)
        impostor = np.empty(total - _genuine_pairs(self.photos))
        unit = self.embeddings.astype(np.float64)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        own = others = 0
        for start in range(0, count, _ROWS):
            block = np.clip(unit[start : start + _ROWS] @ unit[start:].T, -1, 1)
            same = person[start : start + _ROWS, None] == person[start:]
            once = np.triu(np.ones(block.shape, dtype=bool), k=1)  # right of the diagonal: the matrix is symmetric
            of_one, of_two = block[once & same], block[once & ~same]
            genuine[own : own + len(of_one)] = of_one
            impostor[others : others + len(of_two)] = of_two
            own += len(of_one)
            others += len(of_two)
        return Scores(genuine, impostor)

    @cached_property
    def _row(self) -> dict[Photo, int]:
        return {photo: row for row, photo in enumerate(self.photos)}


def enrol(engine: Engine, folder: str | os.PathLike[str], photos: Sequence[Photo], *, jobs: int = 1) -> Enrolment:
    """Embed the main face of every photo. A progress bar is shown where stderr is a terminal.

    Args:
        engine: Finds and embeds the faces; shared by the threads.
        folder: Where the photos' paths start.
        photos: What to embed.
        jobs: Photos at once, each in a thread. With more than one, give the engine ``threads=1``.

    Raises:
        OptionError: ``jobs`` below 1.
        EvaluationError: A photo is missing, or no photo shows a face.
        ImageError: A photo is damaged.
        GhostFaceError: The detector or the model failed.
    """
    if jobs < 1:
        raise OptionError(f"jobs={jobs!r} is not a number of threads: use 1 or more")
    root = Path(folder)
    missing = [photo.path for photo in photos if not (root / photo.path).is_file()]
    if missing:
        raise EvaluationError(f"{len(missing)} of {len(photos)} photos are not in {root}, {missing[0]} among them")

    def embed(photo: Photo) -> Face | None:
        try:
            return engine.face(root / photo.path)
        except (NoFaceError, AlignmentError):
            return None

    from tqdm import tqdm

    start = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        # disable=None: no bar where stderr is not a terminal.
        faces = list(tqdm(pool.map(embed, photos), total=len(photos), desc="faces", unit="photo", disable=None))
    seconds = time.perf_counter() - start
    found = [(photo, face) for photo, face in zip(photos, faces) if face is not None]
    if not found:
        raise EvaluationError(f"no face was found in any of the {len(photos)} photos in {root}")
    return Enrolment(
        photos=tuple(photo for photo, _ in found),
        embeddings=np.stack([face.embedding for _, face in found]),
        failures=tuple(photo for photo, face in zip(photos, faces) if face is None),
        model=found[0][1].model,
        seconds=seconds,
    )


def _genuine_pairs(photos: Sequence[Photo]) -> int:
    _, sizes = np.unique([photo.person for photo in photos], return_counts=True)
    return int((sizes * (sizes - 1) // 2).sum())

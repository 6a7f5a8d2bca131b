"""A folder of photos, or of aligned crops, as the faces that a network is calibrated and judged on.

Photos go through the runtime's own detector and alignment, so that the network sees what it will see in use. Pictures
that are 112 x 112 already count as aligned crops and are taken as they are; a sample of them is checked against the
alignment template.

Ranges measured on a handful of faces, or on one face many times, are too narrow for everybody else. So copies are
found and left out, and too few different faces are an error.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostface_edge.alignment import ARCFACE_TEMPLATE, align
from ghostface_edge.detection import Detector
from ghostface_edge.detection.detector import found_by
from ghostface_edge.engine import load_detector, main_face
from ghostface_edge.errors import (
    AlignmentError,
    CalibrationError,
    ImageError,
    MissingModelError,
    NoFaceError,
)
from ghostface_edge.image import Image
from ghostface_edge.runtime.session import usable_cpus

_log = logging.getLogger(__name__)

LEAST_FACES = 16
"""Fewer different faces than this say nothing about a range."""

ENOUGH_FACES = 100
"""With fewer, a warning."""

MOST_FACES = 2000
"""More add time, not knowledge; a larger folder is thinned evenly."""

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_CROP = 112
_THUMBNAIL = 16
_COPY = 0.99
"""Correlation of two thumbnails. Among 1,549 LFW faces the highest is 0.951; one saved again as JPEG of quality 30 has
at least 0.996 with itself."""
_CHECKED = 24
_FARTHEST = 6.0
"""Pixels on the 112 px crop. Landmarks of aligned faces scatter by 2 to 3.6; LFW photos shrunk whole are 16 off."""

Crops = NDArray[np.uint8]
"""(N, 112, 112, 3) RGB."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Aligned faces and where they came from.

    Attributes:
        crops: (N, 112, 112, 3) uint8 RGB, aligned to the ArcFace template.
        files: The files' paths below the folder, in the order of ``crops``.
        sha256: Of the files' bytes, likewise.
        without_face: Files in which no face was found.
        copies: Files that show the same picture as an earlier one; left out.
        unreadable: Files that are no pictures; left out.
        folder: Where they lie.
    """

    crops: Crops = field(repr=False)
    files: tuple[str, ...] = field(repr=False)
    sha256: tuple[str, ...] = field(repr=False)
    without_face: tuple[str, ...] = field(repr=False)
    copies: tuple[str, ...] = field(repr=False)
    unreadable: tuple[str, ...] = field(repr=False)
    folder: str

    def __len__(self) -> int:
        return len(self.crops)

    def split(self, held_out: int) -> tuple[Faces, Faces]:
        """Faces to calibrate on and faces to judge by, with no picture in both.

        The order of the files' hashes decides, so that it depends on nothing but the pictures.

        Args:
            held_out: How many to hold out; at most half of them are.
        """
        kept, judging = split_by_hash(self.sha256, held_out)
        return self._taken(kept), self._taken(judging)

    def digest(self) -> str:
        """sha256 over the sorted hashes of the files: the same pictures give the same digest."""
        return digest_of(self.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the pixels."""
        return {
            "folder": Path(self.folder).name,
            "faces": len(self),
            "digest": self.digest(),
            "images": dict(zip(self.files, self.sha256)),
            "without_face": list(self.without_face),
            "copies": list(self.copies),
            "unreadable": list(self.unreadable),
        }

    def _taken(self, indices: Sequence[int]) -> Faces:
        return Faces(
            self.crops[list(indices)],
            tuple(self.files[index] for index in indices),
            tuple(self.sha256[index] for index in indices),
            self.without_face,
            self.copies,
            self.unreadable,
            self.folder,
        )


@dataclass(frozen=True)
class _Reading:
    """What became of one file: a crop, or the reason why there is none."""

    sha256: str = ""
    crop: Crops | None = None
    was_aligned: bool = False
    readable: bool = True


def read_faces(folder: str | os.PathLike[str], *, detector: Detector | None = None) -> Faces:
    """Find, align and check the faces of a folder and the folders in it.

    Args:
        folder: Photos, of which the main face is taken, or 112 x 112 crops that are aligned already.
        detector: Finds the faces; by default YuNet from the user's store.

    Raises:
        CalibrationError: No folder, no pictures, no faces, or too few different ones.
        MissingModelError: Photos are to be aligned and YuNet is not on this machine.
    """
    root = Path(folder)
    files = pictures_in(root)
    try:
        detector = load_detector("yunet", threads=1) if detector is None else detector
    except MissingModelError:
        if not _are_crops(root, files):
            raise
        _log.warning("%s: without a detector on this machine, whether these crops are aligned is not checked", root)
    readings = _read_all(root, files, detector)
    unreadable = tuple(name for name, reading in zip(files, readings) if not reading.readable)
    without = tuple(name for name, reading in zip(files, readings) if reading.readable and reading.crop is None)
    found = [(name, reading.sha256, reading.crop) for name, reading in zip(files, readings) if reading.crop is not None]
    if not found:
        raise CalibrationError(f"no face was found in any of the {len(files)} pictures in {root}")
    crops = np.stack([crop for _, _, crop in found])
    originals = _originals(crops)
    copies = tuple(name for (name, _, _), original in zip(found, originals) if not original)
    kept = [item for item, original in zip(found, originals) if original]
    faces = Faces(
        crops=crops[originals],
        files=tuple(name for name, _, _ in kept),
        sha256=tuple(sha256 for _, sha256, _ in kept),
        without_face=without,
        copies=copies,
        unreadable=unreadable,
        folder=str(root),
    )
    _judge(faces)
    if detector is not None:
        _check_alignment(faces, [reading.was_aligned for reading in readings if reading.crop is not None], detector)
    return faces


def split_by_hash(sha256: Sequence[str], held_out: int) -> tuple[list[int], list[int]]:
    """Indices of files to keep and to hold out, at most half of them, by the order of their hashes."""
    order = sorted(range(len(sha256)), key=lambda index: sha256[index])
    count = min(held_out, len(sha256) // 2)
    return order[count:], order[:count]


def digest_of(sha256: Iterable[str]) -> str:
    """sha256 over sorted hashes: the same files give the same digest."""
    return hashlib.sha256("\n".join(sorted(sha256)).encode()).hexdigest()


def pictures_in(root: Path) -> list[str]:
    """The pictures of a folder and the folders in it, as paths below it, in order; at most :data:`MOST_FACES`.

    Raises:
        CalibrationError: No folder, or no pictures in it.
    """
    try:
        if not root.is_dir():
            raise CalibrationError(f"there is no folder {root}" if not root.exists() else f"{root} is no folder")
        files = sorted(
            path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix.lower() in _SUFFIXES
        )
    except CalibrationError:
        raise
    except (OSError, ValueError) as error:
        raise CalibrationError(f"the folder {root} cannot be read: {error}") from error
    if not files:
        raise CalibrationError(f"no pictures ({', '.join(_SUFFIXES)}) in {root}")
    if len(files) > MOST_FACES:
        files = [files[index] for index in np.linspace(0, len(files) - 1, MOST_FACES).astype(int)]
    return files


def _are_crops(root: Path, files: Sequence[str]) -> bool:
    try:
        image = Image.open(root / files[0])
    except ImageError:
        return False
    return (image.height, image.width) == (_CROP, _CROP)


def _read_all(root: Path, files: Sequence[str], detector: Detector | None) -> list[_Reading]:
    from tqdm import tqdm

    def read(name: str) -> _Reading:
        try:
            image = Image.open(root / name)
            sha256 = hashlib.sha256((root / name).read_bytes()).hexdigest()
        except (ImageError, OSError) as error:
            _log.warning("left out: %s", error)
            return _Reading(readable=False)
        if (image.height, image.width) == (_CROP, _CROP):
            return _Reading(sha256, image.pixels, was_aligned=True)
        if detector is None:
            return _Reading(sha256)
        try:
            return _Reading(sha256, align(image, main_face(image, found_by(detector, image, main=True)).landmarks))
        except (NoFaceError, AlignmentError):
            return _Reading(sha256)

    with ThreadPoolExecutor(usable_cpus()) as pool:
        return list(tqdm(pool.map(read, files), total=len(files), desc="faces", unit="photo", disable=None))


def _originals(crops: Crops) -> NDArray[np.bool_]:
    """Which crops are no copies of an earlier one, recompressed copies included."""
    size = (_THUMBNAIL, _THUMBNAIL)
    thumbnails = np.stack([cv2.resize(crop, size, interpolation=cv2.INTER_AREA) for crop in crops])
    vectors = thumbnails.reshape(len(crops), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    earlier = np.tril(vectors @ vectors.T, k=-1)
    originals: NDArray[np.bool_] = ~(earlier > _COPY).any(axis=1)
    return originals


def _judge(faces: Faces) -> None:
    left_out = [
        f"{len(names)} {what}"
        for names, what in (
            (faces.without_face, "without a face"),
            (faces.copies, "copies of another"),
            (faces.unreadable, "unreadable"),
        )
        if names
    ]
    aside = f" ({', '.join(left_out)})" if left_out else ""
    if len(faces) < LEAST_FACES:
        raise CalibrationError(
            f"{faces.folder} has {len(faces)} different faces{aside}; calibration needs at least {LEAST_FACES}, "
            f"better {ENOUGH_FACES} or more, of many people"
        )
    if len(faces) < ENOUGH_FACES:
        _log.warning(
            "%s has only %d different faces%s; %d give safer ranges", faces.folder, len(faces), aside, ENOUGH_FACES
        )
    elif left_out:
        _log.info("%s: %d faces%s", faces.folder, len(faces), aside)


def _check_alignment(faces: Faces, were_aligned: Sequence[bool], detector: Detector) -> None:
    """Warn where crops that came as crops do not show their landmarks where the template has them."""
    if not all(were_aligned):
        return
    sample = np.linspace(0, len(faces) - 1, min(_CHECKED, len(faces))).astype(int)
    distances = []
    for index in sample:
        found = found_by(detector, Image.from_rgb(faces.crops[index]))
        if found:
            points = np.asarray(found[0].landmarks, np.float64)
            distances.append(float(np.sqrt(np.square(points - ARCFACE_TEMPLATE).sum(axis=1).mean())))
    if len(distances) < len(sample) / 2:
        _log.warning(
            "%s: a face was found in only %d of %d crops. Are they aligned faces in RGB? Give the photos themselves "
            "to have them aligned",
            faces.folder,
            len(distances),
            len(sample),
        )
    elif float(np.median(distances)) > _FARTHEST:
        _log.warning(
            "%s: these crops look unaligned: landmarks lie %.1f pixels from the ArcFace template (at most %.0f is "
            "usual). Ranges measured on them will not fit aligned faces; give the photos themselves",
            faces.folder,
            float(np.median(distances)),
            _FARTHEST,
        )

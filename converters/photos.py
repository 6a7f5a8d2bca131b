"""A folder of photos, as what a face detector is calibrated and judged on."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostface_edge.errors import CalibrationError, ImageError
from ghostface_edge.image import Image

from .faces import LEAST_FACES, digest_of, pictures_in, split_by_hash

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photos:
    """Different photos of one folder; they are opened when they are looked at.

    Attributes:
        folder: Where they lie.
        files: Their paths below the folder.
        sha256: Of the files' bytes, in the same order.
        copies: Files of the same bytes as an earlier one; left out.
        unreadable: Files that are no pictures; left out.
    """

    folder: str
    files: tuple[str, ...] = field(repr=False)
    sha256: tuple[str, ...] = field(repr=False)
    copies: tuple[str, ...] = field(repr=False)
    unreadable: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.files)

    def images(self) -> Iterator[Image]:
        """The photos, one after the other.

        Raises:
            ImageError: One changed since it was read first.
        """
        for name in self.files:
            yield Image.open(Path(self.folder) / name)

    def split(self, held_out: int) -> tuple[Photos, Photos]:
        """Photos to calibrate on and photos to judge by, by the order of their hashes.

        Args:
            held_out: How many to hold out; at most half of them are.
        """
        kept, judging = split_by_hash(self.sha256, held_out)
        return self._taken(kept), self._taken(judging)

    def digest(self) -> str:
        """sha256 over the sorted hashes of the files: the same photos give the same digest."""
        return digest_of(self.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "folder": Path(self.folder).name,
            "photos": len(self),
            "digest": self.digest(),
            "images": dict(zip(self.files, self.sha256)),
            "copies": list(self.copies),
            "unreadable": list(self.unreadable),
        }

    def _taken(self, indices: Sequence[int]) -> Photos:
        files, sha256 = (tuple(values[index] for index in indices) for values in (self.files, self.sha256))
        return Photos(self.folder, files, sha256, self.copies, self.unreadable)


def read_photos(folder: str | os.PathLike[str]) -> Photos:
    """Find and check the photos of a folder and the folders in it.

    Raises:
        CalibrationError: No folder, no pictures, or too few different ones.
    """
    root = Path(folder)
    originals: dict[str, str] = {}
    copies, unreadable = [], []
    for name in pictures_in(root):
        try:
            sha256 = hashlib.sha256((root / name).read_bytes()).hexdigest()
            if sha256 in originals:
                copies.append(name)
                continue
            Image.open(root / name)
        except (ImageError, OSError) as error:
            _log.warning("left out: %s", error)
            unreadable.append(name)
            continue
        originals[sha256] = name
    if len(originals) < LEAST_FACES:
        aside = f" ({len(copies)} copies, {len(unreadable)} unreadable)" if copies or unreadable else ""
        raise CalibrationError(
            f"{root} has {len(originals)} different photos{aside}; a detector needs at least {LEAST_FACES}, better "
            "some hundreds, with faces of all sizes"
        )
    return Photos(str(root), tuple(originals.values()), tuple(originals), tuple(copies), tuple(unreadable))

"""The photos of a data set: what each is called, who is on it, and where its bytes come from."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from ghostface_edge.errors import EvaluationError

from .data_file import read_file

_MAX_BYTES = 1 << 29
"""Longest file of a photo: :data:`~ghostface_edge.image.DEFAULT_MAX_PIXELS` of 16-bit RGBA take 400 MB."""

# What would break a message's line or cannot be written as UTF-8, and the separator of another system.
_BAD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]")


@dataclass(frozen=True, order=True)
class Photo:
    """A photo of a data set.

    Attributes:
        person: Who it shows; empty where the data set does not say.
        path: Its name within the data set, with ``/`` between the parts.
        landmarks: Ten numbers, x and y of the five landmarks in the order of
            :data:`~ghostface_edge.types.LANDMARK_NAMES`, where the protocol gives them; else empty.
    """

    person: str
    path: str
    landmarks: tuple[float, ...] = ()


class PhotoSource(Protocol):
    """Where the bytes of a data set's photos come from.

    Attributes:
        name: What reports call the data set.
        aligned: The pictures are crops, aligned to the ArcFace template: no face is looked for.
    """

    @property
    def name(self) -> str:
        """As above."""
        ...

    @property
    def aligned(self) -> bool:
        """As above."""
        ...

    def read(self, photo: Photo) -> bytes:
        """The bytes of a photo's file.

        Raises:
            EvaluationError: It is missing or cannot be read.
        """
        ...

    def check(self, photos: Sequence[Photo]) -> None:
        """Look for photos before the work begins.

        Raises:
            EvaluationError: Some of them are missing.
        """
        ...


@dataclass(frozen=True)
class PhotoFolder:
    """A folder of photos: a :class:`PhotoSource` that never reads outside it, wherever paths and links lead.

    Attributes:
        root: Where the photos' paths start.
        aligned: The pictures are crops, aligned to the ArcFace template.
    """

    root: Path
    aligned: bool = False

    @property
    def name(self) -> str:
        """The folder's own name."""
        return Path(os.path.abspath(self.root)).name

    def read(self, photo: Photo) -> bytes:
        """The bytes of a photo's file.

        Raises:
            EvaluationError: It is missing, lies outside the folder, is no regular file, is unreadable or far too large.
        """
        return read_file(self._place(photo), _MAX_BYTES, f"photo {photo.path!r} of {self.root}")

    def check(self, photos: Sequence[Photo]) -> None:
        """Look for photos before the work begins.

        Raises:
            EvaluationError: The folder is missing, or some of the photos; or a path leads out of it.
        """
        if not os.path.isdir(self.root):
            raise EvaluationError(f"there is no folder {str(self.root)!r}")
        missing = [photo.path for photo in photos if not os.path.isfile(self._place(photo))]
        if missing:
            raise EvaluationError(
                f"{len(missing)} of {len(photos)} photos are not in {self.root}, {missing[0]!r} among them"
            )

    def _place(self, photo: Photo) -> str:
        try:
            check_path(photo.path)
            place = os.path.join(self._root, photo.path)
            if not self._has_link(photo.path):
                return place  # the usual case, for which resolving all the folders above would cost a lot
            place = os.path.realpath(place)
        except (EvaluationError, OSError, ValueError) as error:
            raise EvaluationError(f"photo {photo.path!r} of {self.root}: {error}") from error
        if os.path.commonpath([self._root, place]) != self._root:
            raise EvaluationError(f"photo {photo.path!r} of {self.root}: a link leads out of the folder, to {place!r}")
        return place

    @cached_property
    def _root(self) -> str:
        return os.path.realpath(self.root)

    def _has_link(self, path: str) -> bool:
        parts = path.split("/")
        return any(os.path.islink(os.path.join(self._root, *parts[:end])) for end in range(1, len(parts) + 1))


def check_path(path: str) -> None:
    """Refuse what is not the one plain spelling of a path below a folder.

    Raises:
        EvaluationError: Empty, absolute, with a part that is empty, ``.`` or ``..``, or with a backslash or a control
            character.
    """
    if _BAD.search(path):
        raise EvaluationError(
            f"{path!r} is no path: it has a backslash, a control character or bytes that are not UTF-8; use '/'"
        )
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise EvaluationError(f"{path!r} is no path below a folder: write it as 'folder/photo.jpg'")

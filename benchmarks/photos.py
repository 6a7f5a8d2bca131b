"""The photos of a data set: what each is called, who is on it, and where its bytes come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
    def name(self) -> str: ...

    @property
    def aligned(self) -> bool: ...

    def read(self, photo: Photo) -> bytes:
        """The bytes of a photo's file.

        Raises:
            EvaluationError: It is missing or cannot be read.
        """
        ...

"""How far a written detector is from the float network that it was made from, on photos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.alignment import similarity_transform
from ghostface_edge.errors import ConversionError
from ghostface_edge.types import Box, Detection

_SAME_FACE = 0.5
"""Overlap (IoU) of two boxes from which on they are the same face."""

SCORE = 0.7
"""Confidence from which on a face is reported: YuNet's default."""

SLACK = 0.02
"""A face that scores just above :data:`SCORE` in one network and just below in the other, by less than this, is the
same face found by both."""


@dataclass(frozen=True)
class DetectorParity:
    """Two detectors' faces of the same photos, compared face by face.

    Distances are in pixels of the aligned crop, so that they mean the same for a face of any size: what the embedder
    sees is moved by so much.

    Attributes:
        photos: Number of photos.
        faces: Faces that the float network finds in them.
        lost: Scores, in float, of the faces that are not found again.
        extra: Scores of the faces that the float network does not find.
        landmark_mean: Mean distance of a landmark from the float network's.
        landmark_p95: One landmark in twenty is farther away.
        landmark_max: The worst landmark.
    """

    photos: int
    faces: int
    lost: tuple[float, ...]
    extra: tuple[float, ...]
    landmark_mean: float
    landmark_p95: float
    landmark_max: float

    @property
    def found(self) -> float:
        """Share of the float network's faces that are found again."""
        return 1 - len(self.lost) / self.faces

    @classmethod
    def of(cls, pairs: Iterable[tuple[Sequence[Detection], Sequence[Detection]]]) -> DetectorParity:
        """Compare detections.

        Args:
            pairs: For every photo, what the float network finds and what the file finds, down to the score
                :data:`SCORE` - :data:`SLACK`.

        Raises:
            ConversionError: The float network finds no face, or none of its faces is found again.
        """
        photos = faces = 0
        lost: list[float] = []
        extra: list[float] = []
        distances = []
        for reference, candidate in pairs:
            photos += 1
            left = list(candidate)
            for face in sorted(reference, key=lambda face: -face.score):
                is_counted = face.score >= SCORE
                faces += is_counted
                again = max(left, key=lambda other: _overlap(face.box, other.box), default=None)
                if again is None or _overlap(face.box, again.box) <= _SAME_FACE:
                    lost.extend([float(face.score)] * is_counted)
                    continue
                left = [other for other in left if other is not again]
                if is_counted:
                    distances.append(_distances(face, again))
            extra.extend(float(face.score) for face in left if face.score >= SCORE)
        if not distances:
            raise ConversionError(f"of {faces} faces in {photos} photos, the file finds none: nothing can be compared")
        each = np.concatenate(distances)
        return cls(
            photos=photos,
            faces=faces,
            lost=tuple(sorted(lost, reverse=True)),
            extra=tuple(sorted(extra, reverse=True)),
            landmark_mean=float(each.mean()),
            landmark_p95=float(np.percentile(each, 95)),
            landmark_max=float(each.max()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "lost": list(self.lost), "extra": list(self.extra), "found": self.found}

    def to_text(self) -> str:
        """One line for people."""
        return (
            f"{self.faces - len(self.lost)} of {self.faces} faces in {self.photos} photos found again, "
            f"{len(self.extra)} others; landmarks off by {self.landmark_mean:.3f} px of the aligned crop in the mean, "
            f"5 % by more than {self.landmark_p95:.3f}, at most {self.landmark_max:.3f}"
        )

    def facts(self) -> dict[str, str]:
        """Rows of the report."""
        return {
            "Faces found again": f"{self.faces - len(self.lost)} of {self.faces}",
            "Other faces found": str(len(self.extra)),
            "Landmarks off by": (
                f"{self.landmark_mean:.3f} px of the aligned crop in the mean; one in twenty more than "
                f"{self.landmark_p95:.3f}; worst {self.landmark_max:.3f}"
            ),
        }


def _distances(face: Detection, again: Detection) -> NDArray[np.float64]:
    """(5,) pixels of the crop that the first one's landmarks give."""
    matrix = similarity_transform(face.landmarks)
    offsets = np.asarray(face.landmarks, np.float64) - again.landmarks
    distances: NDArray[np.float64] = np.hypot(*offsets.T) * np.hypot(matrix[0, 0], matrix[1, 0])
    return distances


def _overlap(first: Box, second: Box) -> float:
    """Intersection over union."""
    width = min(first.x2, second.x2) - max(first.x1, second.x1)
    height = min(first.y2, second.y2) - max(first.y1, second.y1)
    both = max(width, 0.0) * max(height, 0.0)
    return both / (first.area + second.area - both)

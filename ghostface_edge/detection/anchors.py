"""What YuNet's output says: decoding, non-maximum suppression, and blending the anchors of one face.

YuNet (W. Wu, H. Peng, S. Yu, "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research, 2023) has
one anchor point per cell of three grids, at strides 8, 16 and 32. The formulas are those of OpenCV's ``FaceDetectorYN``
(``modules/objdetect/src/face_detect.cpp``, ``postProcess``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..types import Box, Detection, DetectionRun

FloatArray = NDArray[np.float32]

STRIDES = (8, 16, 32)
"""Pixels of the detector's input per cell, in the order of the model's outputs."""

_ABSURD = 1e6  # in cells: no output of a face detector is as large
_LARGEST_LOG_SIDE = 10  # exp of more is no face but an overflow

FLOOR = 0.3
"""Score below which an anchor says nothing."""

_TINY = np.finfo(np.float32).tiny

_SAME_FACE = 0.4
"""Overlap (IoU) with the best anchor from which on another anchor has seen the same face."""


@dataclass(frozen=True, eq=False)
class Anchors:
    """Anchors that see a face.

    Attributes:
        scores: (A,) float32, 0 to 1.
        boxes: (A, 4) float32: left, top, right, bottom in pixels.
        landmarks: (A, 5, 2) float32, pixels, in the order of ``LANDMARK_NAMES``.
    """

    scores: FloatArray
    boxes: FloatArray
    landmarks: FloatArray
    _overlaps: dict[int, FloatArray] = field(default_factory=dict, init=False, repr=False)

    def rescaled(self, scale: tuple[float, float]) -> Anchors:
        """The same anchors in a picture that is ``scale`` (x, y) times as large.

        Pixel centres lie at whole numbers, so the edge of the picture lies at -0.5 in both.
        """
        xy = np.array(scale, dtype=np.float32)
        shift = (xy - 1) / np.float32(2)
        boxes: FloatArray = (self.boxes.reshape(-1, 2, 2) * xy + shift).reshape(-1, 4)
        landmarks: FloatArray = self.landmarks * xy + shift
        return Anchors(self.scores, boxes, landmarks)

    def detections(self, run: DetectionRun | None = None) -> tuple[Detection, ...]:
        """Each anchor as a result, with what was done to find it."""
        return tuple(
            Detection(Box(*box), score, points, run)
            for score, box, points in zip(self.scores.tolist(), self.boxes.tolist(), self.landmarks)
        )

    def best(self, *, least: float, overlap: float) -> list[int]:
        """Non-maximum suppression: one anchor per face, best first.

        Args:
            least: Score that an anchor needs.
            overlap: IoU with a better anchor above which an anchor is dropped.
        """
        order = np.argsort(-self.scores, kind="stable")
        order = order[self.scores[order] >= least]
        kept = []
        while len(order):
            kept.append(int(order[0]))
            order = order[1:][self.overlaps(kept[-1])[order[1:]] <= overlap]
        return kept

    def overlaps(self, index: int) -> FloatArray:
        """(A,) IoU of every box with one of them; computed once."""
        if index in self._overlaps:
            return self._overlaps[index]
        box = self.boxes[index]
        sides = np.minimum(self.boxes[:, 2:], box[2:]) - np.maximum(self.boxes[:, :2], box[:2])
        np.maximum(sides, 0, out=sides)
        both = sides[:, 0] * sides[:, 1]
        extents = self.boxes[:, 2:] - self.boxes[:, :2]
        areas = extents[:, 0] * extents[:, 1]
        overlaps: FloatArray = both / np.maximum(areas + areas[index] - both, _TINY)
        self._overlaps[index] = overlaps
        return overlaps

    def blended(self, index: int) -> FloatArray:
        """(5, 2) landmarks of a face, averaged over every anchor that saw it.

        One anchor's landmarks scatter by 2 to 3.6 pixels of the aligned crop; the mean scatters less and costs nothing.
        BlazeFace (arXiv:1907.05047, post-processing) blends its boxes so, in place of suppressing them.

        An anchor weighs what its score is above :data:`FLOOR` times what its overlap is above that of another face. So
        none comes or goes with a jump: weighted by score alone, the last digit of a score, which differs between
        runtimes, moved landmarks of one face in 256 by half a pixel; so, by 0.007 at most.
        """
        weights = np.maximum(self.scores - FLOOR, 0) * np.maximum(self.overlaps(index) - _SAME_FACE, 0)
        weights[index] = max(weights[index], _TINY)  # a box without area does not even overlap itself
        exact = weights.astype(np.float64)  # in float32, the order of a processor's additions shows
        mean: FloatArray = (exact @ self.landmarks.reshape(len(exact), -1) / exact.sum()).astype(np.float32)
        return mean.reshape(-1, 2)


def decode(outputs: Sequence[FloatArray], *, least: float) -> Anchors:
    """The anchors of one picture whose score reaches a floor.

    Args:
        outputs: One (h, w, 16) float32 grid per stride: class and objectness logits, box (4), landmarks (10).
        least: Score below which anchors are left out.

    Returns:
        Anchors in pixels of the network's input.

    Raises:
        ValueError: The outputs hold NaN, infinity or numbers that no face detector gives.
    """
    cells = np.concatenate([grid.reshape(-1, grid.shape[-1]) for grid in outputs])
    if not np.abs(cells).max() < _ABSURD:
        raise ValueError("NaN, infinity or numbers beyond any photo")
    # The score is the geometric mean of two probabilities. Neither is above 1, so where it reaches `least`, both reach
    # its square; this leaves a handful of cells to compute with.
    worth = math.log(least**2 / (1 - least**2))
    (places,) = np.nonzero(np.minimum(cells[:, 0], cells[:, 1]) >= worth)
    cells = cells[places]
    probabilities = 1 / (1 + np.exp(-cells[:, :2]))
    scores = np.sqrt(probabilities[:, 0] * probabilities[:, 1])
    seen = scores >= least
    places, cells, scores = places[seen], cells[seen], scores[seen]
    layout = _layout(tuple(grid.shape[:2] for grid in outputs))[places]
    corner, stride = layout[:, np.newaxis, :2], layout[:, 2:]
    points = (cells[:, 2:].reshape(-1, 7, 2) + corner) * stride[:, np.newaxis]  # of the second, nothing is used
    half = np.exp(np.minimum(cells[:, 4:6], _LARGEST_LOG_SIDE)) * (stride / 2)
    boxes = np.concatenate([points[:, 0] - half, points[:, 0] + half], axis=1)
    return Anchors(scores, boxes, points[:, 2:])


@lru_cache(maxsize=8)
def _layout(shapes: tuple[tuple[int, int], ...]) -> FloatArray:
    """Column, row and stride, (A, 3), of the cells of grids of (height, width), one after the other."""
    parts = []
    for stride, (height, width) in zip(STRIDES, shapes):
        row, column = np.divmod(np.arange(height * width), width)
        parts.append(np.stack([column, row, np.full_like(row, stride)], axis=1))
    return np.concatenate(parts).astype(np.float32)


def joined(parts: Sequence[Anchors]) -> Anchors:
    """The anchors of several passes over one picture, in the same coordinates."""
    return Anchors(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
    )

"""YuNet on a session of ours: the default detector.

Three modes, from the same network:

* ``accurate`` (name ``yunet``): the whole photo once, at most 640 pixels wide or high; the landmarks of each face
  blended over its anchors; then two more looks at each face alone, on canvases of 160 pixels, one of them mirrored. The
  mean of the three estimates is what alignment gets.
* ``fast`` (name ``yunet-fast``): the first look only.
* ``plain`` (name ``yunet-plain``): as OpenCV's ``FaceDetectorYN`` computes it, for comparison.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alignment import ARCFACE_TEMPLATE, CROP_SIZE, inverse, mapped, similarity_transform, warp
from ..card import ModelCard
from ..errors import AlignmentError, DetectionError, InferenceError, OptionError
from ..image import Image
from ..runtime import Session
from ..types import Detection
from .anchors import STRIDES, Anchors, decode, joined
from .detector import check_options

FloatArray = NDArray[np.float32]

MODES = {"accurate": "yunet", "fast": "yunet-fast", "plain": "yunet-plain"}
"""Mode to the name that templates and thresholds carry."""

MAX_SIZE = 640
"""Longest side, in pixels, of what the network sees of a photo; of faces 1/32 of it wide, 95 % are found.

Where no face is found in a larger photo, the two blending modes look once more at twice this size.
"""

_GLANCE = 160
"""Longest side of a second, small view of the whole photo, for faces that fill most of it."""

_MULTIPLE = 32  # the coarsest stride: the network takes multiples of it
_FLOOR = 0.3  # anchors below this score say nothing
_ABSURD = 1e6  # in cells: no output of a face detector is as large

_LOOK = 160
_LOOKS = ((0.45, False), (0.6, True))
"""Side of the canvas of a second look; for each look the share of it that the aligned crop fills, and whether mirrored.

Chosen on LFW by TAR at FMR 1e-4 over all pairs: 85.2 % plain, 88.6 blended, 89.8 with these looks; more looks and other
sizes added nothing.
"""
_NEAR = 0.25  # of the crop's side: how far from its expected place a face may be seen again
_MIRRORED = (1, 0, 2, 4, 3)  # left and right change places


class YuNet:
    """Finds faces with YuNet.

    Safe to share between threads.

    Args:
        session: YuNet as our converter writes it: RGB input of any multiple of 32, one (h, w, 16) grid per stride.
        mode: ``accurate``, ``fast`` or ``plain``.
        score: Least confidence of a face, 0 to 1.
        max_size: Longest side in pixels of what the network sees; larger photos are shrunk to it, smaller ones stay.

    Raises:
        DetectionError: The session is not a YuNet.
        OptionError: An unknown mode, a score or size out of range.
    """

    def __init__(
        self, session: Session, *, mode: str = "accurate", score: float = 0.7, max_size: int = MAX_SIZE
    ) -> None:
        if not isinstance(mode, str) or mode not in MODES:
            raise OptionError(f"mode {mode!r} is none of {', '.join(MODES)}")
        check_options(score, max_size, least=_FLOOR)
        if not isinstance(getattr(session, "card", None), ModelCard):
            raise OptionError(f"{session!r} is no session: open one with open_session(path)")
        spec = session.card.input
        if not session.card.architecture.startswith("yunet") or spec.colour_order != "RGB":
            raise DetectionError(
                f"model {session.card.name!r} ({session.card.architecture}, {spec.layout} {spec.colour_order}) is not "
                "a YuNet as ghostface-edge convert writes it"
            )
        self.name = MODES[mode]
        self._session = session
        self._mode = mode
        self._score = score
        self._max_size = max_size

    @property
    def fingerprint(self) -> str:
        """All that its results depend on, beside the photo, this package, OpenCV and NumPy."""
        return f"{self.name} {self._score} {self._max_size} {self._session.version} {self._session.sha256}"

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """Find the faces of a photo; see :meth:`ghostface_edge.detection.Detector.detect`."""
        found = self._find(image, self._max_size)
        if not found and self._mode != "plain" and max(image.width, image.height) > self._max_size:
            found = self._find(image, 2 * self._max_size)  # the faces may be too small, not absent
        return found

    def _find(self, image: Image, longest: int) -> tuple[Detection, ...]:
        view = shrunk(image.pixels, longest)
        anchors = self._look(view)
        if self._mode != "plain" and max(view.shape) > 2 * _GLANCE:
            glance = shrunk(view, _GLANCE)
            anchors = joined([anchors, self._look(glance).rescaled(ratio(view, glance))])
        best = anchors.best(least=self._score, overlap=0.3)
        if not best:
            return ()
        plain = self._mode == "plain"
        landmarks = [anchors.landmarks[index] if plain else anchors.blended(index) for index in best]
        if self._mode == "accurate":
            landmarks = [self._look_again(image.pixels, view, points) for points in landmarks]
        final = Anchors(anchors.scores[best], anchors.boxes[best], np.stack(landmarks))
        return final.rescaled(ratio(image.pixels, view)).detections()

    def _look(self, view: NDArray[np.uint8]) -> Anchors:
        """The anchors of one picture, after it was padded with black at the right and at the bottom."""
        return decode([grid[0] for grid in self._run([view])], least=_FLOOR)

    def _run(self, pictures: Sequence[NDArray[np.uint8]]) -> tuple[FloatArray, ...]:
        """One (N, h, w, 16) grid per stride for pictures of one size, checked."""
        count = len(pictures)
        height, width = (-(-side // _MULTIPLE) * _MULTIPLE for side in pictures[0].shape[:2])
        fill = _planes if self._session.card.input.layout == "NCHW" else _pixels
        grids = self._session.run(fill(pictures, height, width))
        if [grid.shape for grid in grids] != [(count, height // step, width // step, 16) for step in STRIDES]:
            raise InferenceError(f"model {self._session.card.name!r} gave outputs that are not those of a YuNet")
        if not all(np.abs(grid).max() < _ABSURD for grid in grids):
            raise InferenceError(f"model {self._session.card.name!r} gave NaN, infinity or numbers beyond any photo")
        return grids

    def _look_again(self, photo: NDArray[np.uint8], view: NDArray[np.uint8], landmarks: FloatArray) -> FloatArray:
        """The mean of a face's landmarks (5, 2) and of what closer looks at it say, in pixels of the view.

        Each face on its own: that is faster than many at once, and takes the same memory for a crowd as for one.
        """
        try:
            canvases = [_canvas(landmarks, fill, mirrored) for fill, mirrored in _LOOKS]
        except AlignmentError:
            return landmarks  # no geometry to look closer with: the first estimate stands
        grids = self._run([_cut(photo, view, canvas) for canvas in canvases])
        # Where the photo shows the face larger than the view did, the first estimate is the poorest and is left out.
        estimates: list[NDArray[Any]] = [] if _from_photo(photo, view, canvases[0]) else [landmarks]
        for index, ((fill, mirrored), canvas) in enumerate(zip(_LOOKS, canvases)):
            seen = _seen_again(decode([grid[index] for grid in grids], least=_FLOOR), fill)
            if seen is not None:
                estimates.append(mapped(seen[list(_MIRRORED)] if mirrored else seen, inverse(canvas)))
        return np.asarray(np.mean(estimates or [landmarks], axis=0), dtype=np.float32)


def shrunk(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """The picture at most ``longest`` pixels wide and high; never enlarged."""
    import cv2

    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    smaller: NDArray[np.uint8] = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return smaller


def ratio(large: NDArray[np.uint8], small: NDArray[np.uint8]) -> tuple[float, float]:
    """How much wider and higher one picture is than another."""
    return large.shape[1] / small.shape[1], large.shape[0] / small.shape[0]


def _planes(pictures: Sequence[NDArray[np.uint8]], height: int, width: int) -> FloatArray:
    """Pictures as (N, 3, height, width) float32, padded with black."""
    import cv2

    tensor = np.zeros((len(pictures), 3, height, width), dtype=np.float32)
    for place, picture in zip(tensor, pictures):
        for plane, channel in zip(place, cv2.split(picture)):  # twice as fast as a transpose by NumPy
            plane[: picture.shape[0], : picture.shape[1]] = channel
    return tensor


def _pixels(pictures: Sequence[NDArray[np.uint8]], height: int, width: int) -> FloatArray:
    """Pictures as (N, height, width, 3) float32, padded with black."""
    tensor = np.zeros((len(pictures), height, width, 3), dtype=np.float32)
    for place, picture in zip(tensor, pictures):
        place[: picture.shape[0], : picture.shape[1]] = picture
    return tensor


def _canvas(landmarks: FloatArray, fill: float, mirrored: bool) -> NDArray[np.float64]:
    """The transform that puts a face upright into the middle of a canvas."""
    matrix = similarity_transform(landmarks, _target(fill))
    if mirrored:
        matrix[0] *= -1
        matrix[0, 2] += _LOOK - 1
    return matrix


def _target(fill: float) -> NDArray[np.float64]:
    """Where the landmarks of a face come to lie on a canvas, before it is mirrored."""
    target: NDArray[np.float64] = (ARCFACE_TEMPLATE - (CROP_SIZE - 1) / 2) * (fill * _LOOK / CROP_SIZE) + (
        _LOOK - 1
    ) / 2
    return target


def _from_photo(photo: NDArray[np.uint8], view: NDArray[np.uint8], matrix: NDArray[np.float64]) -> bool:
    """Whether a canvas is cut from the photo: where the shrunk view has too few pixels of the face."""
    return view is not photo and math.hypot(matrix[0, 0], matrix[1, 0]) > 1


def _cut(photo: NDArray[np.uint8], view: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A canvas, from the view if that has pixels enough (it was shrunk without aliasing), else from the photo."""
    if not _from_photo(photo, view, matrix):
        return warp(view, matrix, _LOOK)
    x, y = ratio(view, photo)
    # photo -> view: v = (p + 0.5) * ratio - 0.5
    to_view = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return warp(photo, matrix @ to_view, _LOOK)


def _seen_again(anchors: Anchors, fill: float) -> FloatArray | None:
    """The landmarks of the face for which a canvas was cut, or None where it is not seen."""
    away = np.hypot(*(anchors.landmarks.mean(axis=1) - _target(fill).mean(axis=0)).T)
    scores = np.where(away < _NEAR * fill * _LOOK, anchors.scores, 0)
    if not scores.any():
        return None
    return anchors.blended(int(np.argmax(scores)))

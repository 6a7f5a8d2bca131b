"""YuNet on a session of ours: the default detector.

Three modes, from the same network:

* ``accurate`` (name ``yunet``): the whole photo once, at most 640 pixels wide or high; the landmarks of each face
  blended over its anchors; then a closer look at each face alone, on a small canvas. The mean of the two estimates is
  what alignment gets.
* ``fast`` (name ``yunet-fast``): the first look only.
* ``plain`` (name ``yunet-plain``): as OpenCV's ``FaceDetectorYN`` computes it, for comparison.

The main face is looked for coarse to fine (:meth:`YuNet.detect_main`, but for ``plain``): on the photo halved until no
side is longer than 192 pixels, then halved once less, and so on. The first of these views on which one face is clearly
the main one decides; if there is none, the whole photo does, as for every face.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..alignment import ARCFACE_TEMPLATE, CROP_SIZE, centred, fit, inverse, mapped, warp
from ..card import ModelCard
from ..errors import AlignmentError, DetectionError, InferenceError, OptionError
from ..image import Image
from ..runtime import Session
from ..types import Box, Detection, DetectionRun
from .anchors import FLOOR, STRIDES, Anchors, decode, joined
from .detector import LARGEST_INPUT, check_options
from .main_face import prominence
from .view import View

FloatArray = NDArray[np.float32]

MODES = {"accurate": "yunet", "fast": "yunet-fast", "plain": "yunet-plain"}
"""Mode to the name that templates and thresholds carry."""

MAX_SIZE = 640
"""Longest side, in pixels, of what the network sees of a photo; of faces 1/32 of it wide, 98 % are found.

Where no face is found in a larger photo, the two blending modes look once more at twice this size.
"""

_GLANCE = 160
"""Longest side of a second, small view of the whole photo, for faces that fill most of it."""

_SURE = 20
"""Width of a face, in pixels of the input, from which on 98 % are found (``docs/detection.md``)."""

_COARSE = 192
"""Longest side, in pixels, of the smallest view on which the main face is looked for.

Any number from 125 to 249 leaves LFW's photos, of 250 pixels, halved once. On ``shared/photos``, 192 and 224 take the
least time: at 128 and 160 more photos need a second view (2 to 4 % more time), at 249 some are looked at larger than
they need to be (6 %). At 128 to 192, the main faces of these photos and of the groups of ``docs/detection.md`` are the
same.
"""

_CLEAR = {"accurate": 24, "fast": 32}
"""Square root of the main face's prominence, in pixels of a small view, from which on that view may decide.

A face with more prominence is at least as large, about 21 pixels wide, and of those 99.8 % are at least seen faintly
(``docs/detection.md``). 24 and 28 choose the same faces on LFW, on ``shared/photos`` and on 1,200 groups; 24 has three
groups in ten decided on a small view, 28 one in four. Without closer looks, the landmarks need a few pixels more.
"""
_RIVAL = 0.6
"""Share of the main face's prominence from which on another face, faint ones too, makes a larger view decide: boxes of
a face on a small view and on the photo differ by some percent."""

_OVERLAP = 0.3  # of boxes, from which on two anchors see one face
_MULTIPLE = 32  # the coarsest stride: the network takes multiples of it

_LOOK, _FILL = 128, 0.7
"""Side of the canvas of a closer look, and the share of it that the aligned crop fills.

Chosen on LFW, main faces, one look and the first estimate: TAR at FMR 1e-4 over all pairs, and View 2. Differences
below 0.3 and 0.1 mean nothing.

====== ==== ===== ======
canvas fill TAR   View 2
====== ==== ===== ======
128    0.55 89.06 98.38
128    0.65 89.40 98.47
128    0.7  89.51 98.55
128    0.75 89.45
128    0.8  89.38
====== ==== ===== ======

Two looks on canvases of 96 pixels, one of them mirrored, take longer and come to 89.48 and 98.42.
"""

_WEIGHT = 2
"""Of what a closer look says, where the first estimate has 1: its landmarks scatter by about half as much.

At the rim of a photo, too. Of 611 faces of LFW in photos cut so that 60 to 80 % of the aligned crop was left, landmarks
lay 3.6 pixels of the crop, in the mean, from those in the whole photo; with a weight of 1 3.7, of 0.25 4.2, without
closer looks 4.6.
"""

_NEAR = 0.25  # of the crop's side: how far from its expected place a face may be seen again
_MUCH_LARGER = 1.5  # than the first view showed the face: that estimate is left out
_TARGET = (ARCFACE_TEMPLATE - (CROP_SIZE - 1) / 2) * (_FILL * _LOOK / CROP_SIZE) + (_LOOK - 1) / 2
"""Where the landmarks of a face come to lie on a canvas."""
_CENTRED_TARGET = centred(_TARGET)
_TARGET_CENTRE = _TARGET.mean(axis=0).tolist()
_APART = 4.5
"""Pixels of the aligned crop, as a mean over the landmarks, that a closer look may lie from what a small view showed:
beyond it, a larger view decides. Of LFW's faces, those are 1 %, the turned and covered ones.
"""


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
        check_options(score, max_size, least=FLOOR)
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
    def runtime(self) -> str:
        """The runtime library that runs it, and its version, such as ``onnxruntime 1.32.0``."""
        return self._session.version

    @property
    def fingerprint(self) -> str:
        """All that its results depend on, beside the photo, this package, OpenCV and NumPy."""
        return f"{self.name} {self._score} {self._max_size} {self.runtime} {self._session.sha256}"

    def detect(self, image: Image, *, min_face: float | None = None) -> tuple[Detection, ...]:
        """Find the faces of a photo; see :meth:`ghostface_edge.detection.ScalingDetector.detect`."""
        photo = View(image.pixels)
        wanted = None if min_face is None else input_size(photo.longest, min_face)
        seen = self._whole(photo) if wanted is None else self._seen(photo.shrunk(wanted))
        views = photo.halved(_COARSE) if seen.best and self._mode == "accurate" else [photo]
        return tuple(self._result(seen, index, views)[0] for index in seen.best)

    def detect_main(self, image: Image) -> tuple[Detection, ...]:
        """Find the main face, coarse to fine; see :meth:`ghostface_edge.detection.ScalingDetector.detect_main`.

        A face with more prominence than the main one is at least as large as the square root of that prominence. So
        where this is a size at which a face is hardly ever missed, and nothing that was seen, however faintly, comes
        near it, a larger view would show no other main face.
        """
        photo, inputs = View(image.pixels), tuple[int, ...]()
        views = [photo] if self._mode == "plain" else photo.halved(_COARSE)
        for view in reversed(views[1:]):  # the smallest first
            if view.longest >= self._max_size:
                break
            seen = self._seen(view, inputs)
            inputs = seen.inputs
            if not seen.best:
                continue
            main = seen.main
            worth = seen.prominence(main)
            if any(index != main and seen.prominence(index) > _RIVAL * worth for index in seen.faint):
                break  # another face comes near to being the main one: on a larger view, too
            if worth >= _CLEAR[self._mode] ** 2:
                found, sure = self._result(seen, main, views)
                if sure:
                    return (found,)
        seen = self._whole(photo, inputs)
        return (self._result(seen, seen.main, views)[0],) if seen.best else ()

    def _whole(self, photo: View, inputs: tuple[int, ...] = ()) -> _Seen:
        """What the photo shows at the usual size; where that is no face, what it shows at twice that size."""
        seen = self._seen(photo.shrunk(self._max_size), inputs)
        if not seen.best and self._mode != "plain" and photo.longest > self._max_size:
            seen = self._seen(photo.shrunk(2 * self._max_size), seen.inputs)  # faces may be too small, not absent
        return seen

    def _seen(self, view: View, inputs: tuple[int, ...] = ()) -> _Seen:
        anchors, inputs = self._look(view.pixels), (*inputs, view.longest)
        if self._mode != "plain" and view.longest > 2 * _GLANCE:
            glance = view.shrunk(_GLANCE)
            anchors = joined([anchors, self._look(glance.pixels).rescaled(view.ratio(glance))])
            inputs = (*inputs, glance.longest)
        faint = anchors.best(least=FLOOR, overlap=_OVERLAP)
        best = [index for index in faint if anchors.scores[index] >= self._score]
        return _Seen(view, anchors, best, faint, inputs)

    def _result(self, seen: _Seen, index: int, views: Sequence[View]) -> tuple[Detection, bool]:
        """A face that was seen, in pixels of the photo, and whether a closer look, where the mode has one, agrees.

        Args:
            seen: What showed it.
            index: Its best anchor.
            views: The photo, and it halved again and again.
        """
        plain = self._mode == "plain"
        landmarks, looks = seen.anchors.landmarks[index] if plain else seen.anchors.blended(index), 0
        sure = True
        if self._mode == "accurate":
            landmarks, looks, sure = self._look_again(seen.view, landmarks, views)
        only = slice(index, index + 1)
        one = Anchors(seen.anchors.scores[only], seen.anchors.boxes[only], landmarks[np.newaxis])
        run = DetectionRun(seen.inputs, looks, len(seen.best))
        (found,) = one.rescaled(seen.view.scale).detections(run)
        return found, sure

    def _look(self, picture: NDArray[np.uint8]) -> Anchors:
        """The anchors of one picture."""
        height, width = (-(-side // _MULTIPLE) * _MULTIPLE for side in picture.shape[:2])
        grids = self._session.run(_tensor(picture, height, width, self._session.card.input.layout))
        if [grid.shape for grid in grids] != [(1, height // step, width // step, 16) for step in STRIDES]:
            raise InferenceError(f"model {self._session.card.name!r} gave outputs that are not those of a YuNet")
        try:
            return decode([grid[0] for grid in grids], least=FLOOR)
        except ValueError as error:
            raise InferenceError(f"model {self._session.card.name!r} gave {error}") from error

    def _look_again(self, view: View, landmarks: FloatArray, views: Sequence[View]) -> tuple[FloatArray, int, bool]:
        """The mean of a face's landmarks (5, 2) and of what a closer look says, in pixels of the view.

        With it, how many looks saw the face again (1 or none), and whether that one agrees.
        """
        try:
            canvas = fit(landmarks, _CENTRED_TARGET)
        except AlignmentError:
            return landmarks, 0, False  # no geometry to look closer with: the first estimate stands
        seen = _seen_again(self._look(_cut(canvas, view, views)))
        if seen is None:
            return landmarks, 0, False
        closer, scale = mapped(seen, inverse(canvas)), _scale(canvas)
        away = sum(map(math.dist, closer.tolist(), landmarks.tolist())) / len(closer)
        agree = away * scale * CROP_SIZE / (_FILL * _LOOK) < _APART
        # Where there are views that show the face much larger than this one, its estimate is poor and is left out.
        is_poor = view is not views[0] and scale > _MUCH_LARGER
        mean = closer if is_poor else (_WEIGHT * closer + landmarks) / (_WEIGHT + 1)
        return mean.astype(np.float32), 1, agree


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a view showed.

    Attributes:
        view: The view.
        anchors: All that saw something, in its pixels.
        best: The best anchor of each face, best first.
        faint: The same, and then those that are seen with too low a score for a face.
        inputs: Longest sides of all views that were looked at so far.
    """

    view: View
    anchors: Anchors
    best: list[int]
    faint: list[int]
    inputs: tuple[int, ...]

    @property
    def main(self) -> int:
        """The best anchor of the main face."""
        return max(self.best, key=self.prominence)

    def prominence(self, index: int) -> float:
        """Of an anchor's box, in square pixels of the view."""
        height, width = self.view.pixels.shape[:2]
        return prominence(Box(*self.anchors.boxes[index].tolist()), width, height)


def input_size(longest: int, min_face: float) -> int:
    """Longest side of what YuNet has to see of a photo, to find the faces of a size and those that are larger.

    Args:
        longest: Longest side of the photo, pixels.
        min_face: Width of the smallest face that is wanted, pixels of the photo.

    Returns:
        Pixels, a multiple of 32, :data:`~.detector.LARGEST_INPUT` at most.
    """
    needed = math.ceil(min(_SURE * longest / min_face, LARGEST_INPUT) / _MULTIPLE) * _MULTIPLE
    return max(needed, _GLANCE)


def _tensor(picture: NDArray[np.uint8], height: int, width: int, layout: str) -> FloatArray:
    """A picture as (1, height, width, 3) float32, or ``NCHW``, padded with black at the right and at the bottom."""
    if picture.shape[:2] != (height, width):
        padded = np.zeros((height, width, 3), dtype=np.uint8)
        padded[: picture.shape[0], : picture.shape[1]] = picture
        picture = padded
    if layout == "NCHW":
        picture = picture.transpose(2, 0, 1)
    return picture[np.newaxis].astype(np.float32, order="C")


def _scale(matrix: NDArray[np.float64]) -> float:
    """How much a similarity transform enlarges."""
    return math.hypot(matrix[0, 0], matrix[1, 0])


def _cut(matrix: NDArray[np.float64], view: View, views: Sequence[View]) -> NDArray[np.uint8]:
    """A canvas, from the smallest view that has pixels enough: it was shrunk without aliasing.

    Args:
        matrix: From the view in which the face was seen to the canvas.
        view: That view.
        views: The photo, and it halved again and again.
    """
    scale = _scale(matrix)
    for other in reversed(views):
        x, y = view.ratio(other)
        if scale * x <= 1:
            break
    # other -> view: v = (o + 0.5) * ratio - 0.5
    cut = matrix @ np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return warp(other.pixels, cut, _LOOK)


def _seen_again(anchors: Anchors) -> FloatArray | None:
    """The landmarks of the face for which a canvas was cut, or None where it is not seen."""
    for index in np.argsort(-anchors.scores, kind="stable"):
        xs, ys = zip(*anchors.landmarks[index].tolist())
        if math.dist((sum(xs) / len(xs), sum(ys) / len(ys)), _TARGET_CENTRE) < _NEAR * _FILL * _LOOK:
            return anchors.blended(int(index))
    return None

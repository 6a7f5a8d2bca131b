"""The ``Detector`` protocol: all that the engine wants of a face detector, one of yours included.

Example:
    A detector of your own needs a name and one method::

        from ghostface_edge import Box, Detection, FaceEngine, Image
        from ghostface_edge.alignment import ARCFACE_TEMPLATE


        class CentreDetector:
            name = "centre"

            def detect(self, image: Image) -> list[Detection]:
                size = min(image.width, image.height)
                landmarks = ARCFACE_TEMPLATE * (size / 112) + (
                    (image.width - size) / 2,
                    (image.height - size) / 2,
                )
                box = Box(*landmarks.min(axis=0), *landmarks.max(axis=0))
                return [Detection(box, 1.0, landmarks)]


        engine = FaceEngine(detector=CentreDetector())
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from ..errors import DetectionError, GhostFaceError, OptionError
from ..image import Image
from ..types import Box, Detection


class Detector(Protocol):
    """Finds faces. Called from several threads at once where the engine is.

    Attributes:
        name: Names the detector and its mode in templates, and in the thresholds of a model card.
    """

    @property
    def name(self) -> str:
        """Names the detector and its mode in templates, and in the thresholds of a model card."""
        ...

    def detect(self, image: Image) -> Sequence[Detection]:
        """Every face of a photo, in any order; an empty sequence where there is none."""
        ...


LARGEST_INPUT = 4096
"""Longest side of what a detector may see, pixels: beyond it, the memory of small devices ends."""


@runtime_checkable
class ScalingDetector(Detector, Protocol):
    """A detector whose work fits the question; what one of yours need not be.

    The engine asks a detector that is none for every face, whatever it wants to know.
    """

    def detect(self, image: Image, *, min_face: float | None = None) -> Sequence[Detection]:
        """Every face of a photo, or every face that is at least ``min_face`` pixels wide in the photo.

        Smaller ones may be among them. A photo is never enlarged.
        """
        ...

    def detect_main(self, image: Image) -> Sequence[Detection]:
        """Faces among which the photo's main face is, as :func:`~.main_face.main_face` chooses it; empty for none.

        It may be the main face alone.
        """
        ...


def check_options(score: float, max_size: int = 640, *, least: float = 0.0) -> None:
    """Refuse a senseless score or input size.

    Raises:
        OptionError: ``score`` is not between ``least`` and 1, or ``max_size`` is no size of 32 to 4096 pixels.
    """
    if isinstance(score, bool) or not isinstance(score, Real) or not (least <= score < 1 and score > 0):
        raise OptionError(f"score={score!r} is not between {least:g} and 1")
    if isinstance(max_size, bool) or not isinstance(max_size, Integral) or not 32 <= max_size <= LARGEST_INPUT:
        raise OptionError(f"max_size={max_size!r} is not a size between 32 and {LARGEST_INPUT} pixels")


def found_by(
    detector: Detector, image: Image, *, min_face: float | None = None, main: bool = False
) -> tuple[Detection, ...]:
    """The faces that a detector finds in a photo, largest first, after its contract was checked.

    Args:
        detector: Whom to ask.
        image: The photo.
        min_face: Width of the smallest face that is wanted, in pixels; below 1, as a share of the photo's longest side.
        main: Only the main face is wanted; others may be left out.

    Raises:
        OptionError: ``min_face`` is no size, or the detector takes none.
        DetectionError: It failed, or broke its contract; see :func:`checked`.
        GhostFaceError: As the detector raises it.
    """
    # isinstance() would look through the protocol's members for every photo
    scaling = cast(ScalingDetector, detector) if callable(getattr(detector, "detect_main", None)) else None
    if min_face is not None:
        min_face = _face_pixels(min_face, image)
        if scaling is None:
            raise OptionError(f"detector {detector.name!r} takes no min_face: it looks at every photo in one way")
    try:
        if main and scaling is not None:
            return checked(scaling.detect_main(image), detector)
        if min_face is not None and scaling is not None:
            return checked(scaling.detect(image, min_face=min_face), detector)
        return checked(detector.detect(image), detector)
    except GhostFaceError:
        raise
    except Exception as error:  # a detector of the user's own may raise anything
        raise DetectionError(
            f"detector {detector.name!r} failed on {image.source}: {type(error).__name__}: {error}"
        ) from error


def _face_pixels(min_face: float, image: Image) -> float:
    if isinstance(min_face, bool) or not isinstance(min_face, Real) or not (0 < min_face < math.inf):
        raise OptionError(
            f"min_face={min_face!r} is no width of a face: use pixels, or below 1 a share of the photo's longest side"
        )
    return float(min_face) if min_face >= 1 else float(min_face) * max(image.width, image.height)


def checked(detections: Any, detector: Detector) -> tuple[Detection, ...]:
    """What a detector returned, largest face first, after its contract was checked.

    Raises:
        DetectionError: Not detections, landmarks that are not five finite points, an empty or infinite box, or a
            score that is not between 0 and 1.
    """
    try:
        found = tuple(detections)
    except TypeError as error:
        raise DetectionError(
            f"detector {detector.name!r} returned {type(detections).__name__}, not a sequence"
        ) from error
    for item in found:
        if not isinstance(item, Detection):
            raise DetectionError(f"detector {detector.name!r} returned {type(item).__name__} where a Detection belongs")
        if item.landmarks.shape != (5, 2) or not math.isfinite(np.abs(item.landmarks).max()):
            raise DetectionError(
                f"detector {detector.name!r} returned landmarks that are not five finite points: "
                f"shape {item.landmarks.shape}"
            )
        if not (isinstance(item.box, Box) and _sensible(item.box, item.score)):
            raise DetectionError(
                f"detector {detector.name!r} returned a senseless box or score: "
                f"{getattr(item.box, '__dict__', item.box)}, {item.score!r}"
            )
    return tuple(sorted(found, key=lambda item: -item.box.area))


def _sensible(box: Box, score: Any) -> bool:
    try:
        numbers = np.array([box.x1, box.y1, box.x2, box.y2, score])
    except ValueError:  # arrays among them
        return False
    is_real = numbers.ndim == 1 and numbers.dtype.kind in "iuf" and math.isfinite(np.abs(numbers).max())
    return is_real and box.width > 0 and box.height > 0 and 0 <= score <= 1

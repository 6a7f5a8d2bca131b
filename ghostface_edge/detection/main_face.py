"""Which face a photo is of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import NoFaceError
from ..image import Image
from ..types import Box, Detection


def main_face(image: Image, detections: Sequence[Detection]) -> Detection:
    """The face that a photo is of: the largest, where one at the rim counts for less than one in the middle.

    Raises:
        NoFaceError: There is none.
    """
    if not detections:
        raise NoFaceError(f"no face found in {image.source} ({image.width} x {image.height} pixels)")
    return max(detections, key=lambda item: prominence(item.box, image.width, image.height))


def prominence(box: Box, width: int, height: int) -> float:
    """Area in square pixels, discounted by the distance from the middle: nothing of it is left in a corner.

    Args:
        box: Of a face.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
    """
    away = math.hypot((box.x1 + box.x2 + 1 - width) / width, (box.y1 + box.y2 + 1 - height) / height)
    return box.area * max(1 - away / math.sqrt(2), 0) ** 2

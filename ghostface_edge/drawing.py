"""Boxes, landmarks and scores, drawn onto a photo."""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from .errors import OptionError
from .image import Image
from .types import Detection, Face

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
"""File endings of drawings, and the formats that PIL knows them by."""

_BOX = (0, 220, 130)
_INK = (0, 40, 24)
_POINTS = ((255, 90, 90), (255, 90, 90), (255, 220, 60), (90, 180, 255), (90, 180, 255))
"""Colours of the eyes, the nose, the corners of the mouth."""


def drawn(image: Image, faces: Iterable[Detection | Face]) -> Image:
    """A copy of a photo with each face's box, score and five landmarks on it.

    Line widths and letters follow the size of the face, so that small faces of a group stay visible.

    Args:
        image: The photo in which the faces were found.
        faces: What was found, in pixels of ``image``.
    """
    picture = PIL.Image.fromarray(image.pixels)
    for face in faces:
        _draw_face(picture, face)
    return Image.from_rgb(np.asarray(picture), source=image.source)


def require_format(path: str | os.PathLike[str]) -> str:
    """The format that a file name stands for.

    Raises:
        OptionError: None of :data:`FORMATS`.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise OptionError(f"a drawing is a {', '.join(FORMATS)} file, not {str(path)!r}")
    return FORMATS[suffix]


def encoded(image: Image, path: str | os.PathLike[str]) -> bytes:
    """The bytes of a picture file of the kind that ``path`` names.

    Raises:
        OptionError: None of :data:`FORMATS`.
    """
    file = BytesIO()
    # quality and subsampling: thin coloured lines must stay sharp. PNG ignores both.
    PIL.Image.fromarray(image.pixels).save(file, require_format(path), quality=92, subsampling=0)
    return file.getvalue()


def _draw_face(picture: PIL.Image.Image, face: Detection | Face) -> None:
    draw = PIL.ImageDraw.Draw(picture)
    box = face.box
    # Cut where the box leaves the photo, so that all of it stays in sight.
    left, right = (round(min(max(side, 0), picture.width - 1)) for side in (box.x1, box.x2))
    top, bottom = (round(min(max(side, 0), picture.height - 1)) for side in (box.y1, box.y2))
    size = max(right - left, bottom - top)
    draw.rectangle((left, top, right, bottom), outline=_BOX, width=max(1, round(size / 90)))
    radius = max(1.0, size / 60)
    for (x, y), colour in zip(face.landmarks.tolist(), _POINTS):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=_INK)
    font = PIL.ImageFont.load_default(min(max(10, size / 14), 48))
    text = f"{face.score:.2f}"
    _, _, width, height = draw.textbbox((0, 0), text, font=font)
    pad = max(1, round(height / 5))
    width, height = width + 2 * pad, height + 2 * pad
    x, y = max(min(left, picture.width - width), 0), max(top - height, 0)
    draw.rectangle((x, y, x + width, y + height), fill=_BOX)
    draw.text((x + pad, y + pad), text, fill=_INK, font=font)

"""The worst errors of an evaluation as one picture: both photos of each side by side.

The picture shows real people. It is for whoever measured, to find wrong labels, bad photos and look-alikes: a local
file that nobody else can read, and it says so in its own pixels.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from ghostface_edge.atomic import replacing
from ghostface_edge.errors import ImageError, OptionError
from ghostface_edge.image import Image

from .photos import Photo, PhotoSource
from .printable import printable
from .worst import FALSE_MATCH, WorstError

MAX_ERRORS = 400
"""Most errors on one sheet: a JPEG is at most 65,535 pixels high."""

_WARNING = "Real people: do not publish"
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_PHOTO = 224  # side of the square that a photo is fitted into, pixels
_GAP, _LINE = 12, 18
_CELL = (2 * _PHOTO + 3 * _GAP, _PHOTO + 3 * _LINE + 3 * _GAP)
_HEADER = 44
_PAGE, _INK, _FAINT, _FRAME, _RED = "#ffffff", "#1f2429", "#57606a", "#d5dae0", "#b3261e"


def write_contact_sheet(path: str | os.PathLike[str], worst: Sequence[WorstError], source: PhotoSource) -> None:
    """Write the errors as a PNG or JPEG file that only its owner can read, whole or not at all.

    Args:
        path: The file; its ending decides the format.
        worst: What to show, in this order.
        source: Where the photos' bytes come from.

    Raises:
        OptionError: Another ending, too many errors, or a file that cannot be written.
        EvaluationError: A photo is missing.
        ImageError: A photo is damaged.
    """
    form = require_format(path)
    if len(worst) > MAX_ERRORS:
        raise OptionError(f"{len(worst)} errors do not fit on a contact sheet: {MAX_ERRORS} are the limit")
    stream = BytesIO()
    options = {"quality": 90, "comment": _WARNING.encode()} if form == "JPEG" else {}
    _sheet(worst, source).save(stream, form, **options)
    try:
        with replacing(path, mode=0o600) as file:
            file.write(stream.getvalue())
    except (OSError, ValueError) as error:  # a zero byte in the path is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"cannot write {printable(os.fsdecode(path))}: {reason}") from error


def require_format(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format that a file's ending stands for.

    Raises:
        OptionError: Another ending than those of PNG and JPEG.
    """
    form = _FORMATS.get(Path(path).suffix.lower())
    if form is None:
        raise OptionError(f"a contact sheet is a .png, .jpg or .jpeg file, not {printable(os.fsdecode(path))!r}")
    return form


def _sheet(worst: Sequence[WorstError], source: PhotoSource) -> Pillow.Image:
    columns = 1 if len(worst) < 2 else 2
    rows = -(-len(worst) // columns)
    width, height = columns * _CELL[0], _HEADER + max(rows * _CELL[1], 3 * _LINE)
    sheet = Pillow.new("RGB", (width, height), _PAGE)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, 0, width, _HEADER - 1), fill=_RED)
    draw.text((_GAP, _HEADER / 2), _WARNING, fill=_PAGE, font=_font(18), anchor="lm")
    if not worst:
        draw.text((_GAP, _HEADER + _LINE), "no errors", fill=_INK, font=_font(14))
    for index, error in enumerate(worst):
        row, column = divmod(index, columns)
        _draw(sheet, draw, error, source, column * _CELL[0], _HEADER + row * _CELL[1])
    return sheet


def _draw(
    sheet: Pillow.Image, draw: ImageDraw.ImageDraw, error: WorstError, source: PhotoSource, left: int, top: int
) -> None:
    draw.line((left + _GAP, top + _CELL[1] - 1, left + _CELL[0] - _GAP - 1, top + _CELL[1] - 1), fill=_FRAME)
    said = "taken for one person" if error.kind == FALSE_MATCH else "taken for two people"
    title = f"{error.kind}, {said}: similarity {error.similarity:.3f}"
    draw.text((left + _GAP, top + _GAP), _fit(draw, title, 14, 2 * _PHOTO + _GAP), fill=_INK, font=_font(14))
    for place, photo in enumerate((error.a, error.b)):
        x, y = left + _GAP + place * (_PHOTO + _GAP), top + _GAP + _LINE + 4
        draw.rectangle((x, y, x + _PHOTO - 1, y + _PHOTO - 1), outline=_FRAME)
        picture = _picture(photo, source)
        sheet.paste(picture, (x + (_PHOTO - picture.width) // 2, y + (_PHOTO - picture.height) // 2))
        for line, (text, colour) in enumerate(((photo.person, _INK), (photo.path, _FAINT))):
            below = y + _PHOTO + 4 + line * _LINE
            draw.text((x, below), _fit(draw, text, 12, _PHOTO), fill=colour, font=_font(12))


def _picture(photo: Photo, source: PhotoSource) -> Pillow.Image:
    """A photo, upright, as large as fits."""
    try:
        image = Image.open(source.read(photo))
    except ImageError as error:
        raise ImageError(f"{printable(photo.path)}: {error}") from error
    picture = Pillow.fromarray(image.pixels)
    scale = _PHOTO / max(picture.size)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    return picture.resize(size, Pillow.Resampling.LANCZOS)


def _fit(draw: ImageDraw.ImageDraw, text: str, size: int, width: int) -> str:
    """As much of the beginning and the end of a text as fits into so many pixels, on one line."""
    text, font = _drawable(printable(text), size), _font(size)
    if draw.textlength(text, font) <= width:
        return text
    kept = len(text)
    while kept > 2 and draw.textlength(shown := f"{text[: kept // 2]}...{text[-(kept // 2) :]}", font) > width:
        kept -= 2
    return shown


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _drawable(text: str, size: int) -> str:
    """Pillow without FreeType draws Latin-1 alone."""
    return (
        text if isinstance(_font(size), ImageFont.FreeTypeFont) else text.encode("latin-1", "replace").decode("latin-1")
    )

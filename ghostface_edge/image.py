"""Any picture becomes RGB uint8 here, once: colour order, orientation, depth, alpha and limits are settled.

What comes in, and what it becomes:

* Files and bytes in JPEG (also the MPO of many phones), PNG, WebP, GIF, BMP, TIFF and PNM (PBM, PGM, PPM); of several
  frames or pages the first. The format is told by the first bytes, not by the file's name, and no other decoder runs.
* The EXIF orientation is applied, all eight values; one that is damaged or out of range counts as upright.
* Grey is repeated over the three channels. 16 bits become 8 by the high byte, as PIL and OpenCV do for colour.
  Integer (``I``) and float (``F``) pixels have no fixed range: grey levels 0 to 255 pass, anything else is refused.
* Alpha and transparent colours are laid on white, which is what a person sees of a cut-out portrait.
* CMYK and YCbCr by PIL's formulas. Colour profiles (ICC) are not applied.

Nothing is decoded before its size is known from the header and within the limits.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import InitVar, dataclass, field
from io import BytesIO
from typing import Any, Union

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Image import Transpose
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from .errors import ImageError, OptionError

DEFAULT_MAX_PIXELS = 50_000_000
"""Width times height that :meth:`Image.open` accepts: today's phone cameras pass, decompression bombs do not."""

MAX_SIDE = 32_766
"""Longest side of a picture: OpenCV 4 warps fewer than 32,767 rows and columns (imgproc/src/imgwarp.cpp, remap)."""

# The plugins are called directly, and not through PIL.Image.open, for two reasons: a hostile file cannot choose another
# decoder, and PIL's own limit on pixels, a global of the whole process, does not stand in the way of ours.
_FORMATS = (
    ("JPEG", re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    ("WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
    ("GIF", re.compile(rb"GIF8[79]a"), GifImageFile),
    ("BMP", re.compile(rb"BM"), BmpImageFile),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    ("PNM", re.compile(rb"P[1-6]\s"), PpmImageFile),
)
_HEIF = re.compile(rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1|avif|avis)", re.DOTALL)

# EXIF 2.32, 4.6.4 A, tag 274: where row 0 and column 0 of the stored picture lie, and what turns it upright.
_ORIENTATION = 274
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

# 16-bit RGBA needs 8 bytes a pixel; the rest is room for metadata.
_BYTES_PER_PIXEL, _METADATA_BYTES = 8, 2**24


# What the methods of Image pass to say that they know the colour order, and that nobody else has the array.
_RGB, _NEW_RGB = object(), object()
_WHICH_ORDER = (
    "an array does not tell its colour order: use Image.from_rgb(array), or Image.from_bgr(array) for what OpenCV reads"
)


@dataclass(frozen=True, eq=False)
class Image:
    """An upright RGB picture.

    Made by :meth:`open`, :meth:`from_rgb` or :meth:`from_bgr` alone: ``Image(array)`` would not tell the colour order.

    Attributes:
        pixels: (height, width, 3) uint8, red first, C-contiguous, read-only, and nobody else's to change.
        source: Where it came from, for messages: a path, or words.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    source: str = "array"
    order: InitVar[object] = None

    def __post_init__(self, order: object) -> None:
        if order is not _RGB and order is not _NEW_RGB:
            raise ImageError(_WHICH_ORDER)
        _check_array(self.pixels, self.source)
        if order is _NEW_RGB:
            self.pixels.flags.writeable = False
        elif not _immutable(self.pixels):
            copy = np.array(self.pixels, order="C")
            copy.flags.writeable = False
            object.__setattr__(self, "pixels", copy)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    def __repr__(self) -> str:
        return f"Image({self.width}x{self.height}, {self.source!r})"

    @classmethod
    def open(cls, source: ImageSource, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image:
        """Read a picture.

        Args:
            source: A path, the bytes of a file, a PIL image (its current frame), or an :class:`Image`, which is
                returned as it is. An array is refused, because it does not tell its colour order.
            max_pixels: Largest width times height to decode. For TIFF and WebP, PIL's plugins have a limit of their
                own on top: twice ``PIL.Image.MAX_IMAGE_PIXELS``, by default 179 million.

        Raises:
            ImageError: The source is no picture, is damaged or cut short, is too large, or is of an unknown kind.
            OptionError: ``max_pixels`` is not a positive whole number.
        """
        if not isinstance(max_pixels, int) or isinstance(max_pixels, bool) or max_pixels < 1:
            raise OptionError(f"max_pixels {max_pixels!r} is not a positive whole number")
        if isinstance(source, Image):
            return source
        if isinstance(source, (str, os.PathLike)):
            name = _printable(os.fsdecode(source))
            return _decode(_read(source, name, max_pixels), name, max_pixels)
        if isinstance(source, (bytes, bytearray, memoryview)):
            data = bytes(source)
            return _decode(data, f"{len(data)} bytes", max_pixels)
        if isinstance(source, PIL.Image.Image):
            return _from_pil(source, max_pixels)
        if isinstance(source, np.ndarray):
            raise ImageError(_WHICH_ORDER)
        raise ImageError(f"a picture is a path, bytes, a PIL image or an Image, not {type(source).__name__}")

    @classmethod
    def from_rgb(cls, array: NDArray[np.uint8], *, source: str = "RGB array") -> Image:
        """Take an array whose first channel is red, as PIL, imageio and matplotlib give it. The array is copied.

        Args:
            array: (height, width, 3) uint8.
            source: What to call it in messages.

        Raises:
            ImageError: Another shape or dtype, no pixels, or a side above :data:`MAX_SIDE`.
        """
        return cls(array, source, _RGB)

    @classmethod
    def from_bgr(cls, array: NDArray[np.uint8], *, source: str = "BGR array") -> Image:
        """Take an array whose first channel is blue, as OpenCV gives it. The array is copied.

        Args:
            array: (height, width, 3) uint8.
            source: What to call it in messages.

        Raises:
            ImageError: Another shape or dtype, no pixels, or a side above :data:`MAX_SIDE`.
        """
        import cv2

        _check_array(array, source)
        # NumPy takes forty times as long and more: 14 ms for 1600 x 1200 pixels.
        return cls(cv2.cvtColor(np.ascontiguousarray(array), cv2.COLOR_BGR2RGB), source, _NEW_RGB)


ImageSource = Union[str, "os.PathLike[str]", bytes, PIL.Image.Image, Image]
"""What :meth:`Image.open` takes."""


def _printable(name: str) -> str:
    """The name as one line of text, whatever bytes the file system allows."""
    return name if name.isprintable() else ascii(name)


def _reason(error: Exception) -> str:
    return _printable(str(error) or type(error).__name__)


def _check_array(array: Any, source: str) -> None:
    if not isinstance(array, np.ndarray):
        raise ImageError(f"{source}: wanted a NumPy array (height, width, 3) of uint8, got {type(array).__name__}")
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        if array.ndim == 2:
            advice = "Repeat a grey picture over three channels: np.stack([grey] * 3, axis=-1)"
        elif array.ndim == 3 and array.shape[2] == 4:
            advice = "Drop the alpha channel: array[..., :3]"
        elif array.ndim == 4:
            advice = "Pass one picture at a time"
        else:
            advice = "Scale the values to 0..255 and convert them with astype(np.uint8)"
        raise ImageError(f"{source}: wanted (height, width, 3) of uint8, got {array.shape} of {array.dtype}. {advice}")
    height, width = array.shape[:2]
    if height == 0 or width == 0:
        raise ImageError(f"{source}: the picture is empty ({width}x{height} pixels)")
    if max(height, width) > MAX_SIDE:
        raise ImageError(f"{source}: {width}x{height} pixels; a side may have at most {MAX_SIDE}. Scale it down first")


def _immutable(array: NDArray[Any]) -> bool:
    """Whether nobody can change the pixels: contiguous, read-only, and over memory that Python never changes."""
    if not array.flags.c_contiguous:
        return False
    base: Any = array
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return isinstance(base, bytes)


def _read(path: str | os.PathLike[str], name: str, max_pixels: int) -> bytes:
    """All bytes of a regular file; a FIFO or a device is refused and never waited for."""
    limit = _BYTES_PER_PIXEL * max_pixels + _METADATA_BYTES
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(f"{name}: not a regular file")
            if status.st_size > limit:
                raise ImageError(f"{name}: {status.st_size} bytes, and no picture of {max_pixels} pixels needs {limit}")
            return stream.read()
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{name}: no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ImageError(f"{name}: {getattr(error, 'strerror', None) or error}") from error


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _decode(data: bytes, source: str, max_pixels: int) -> Image:
    kind, plugin = recognise(data, source)
    exif = b""
    if kind == "JPEG":
        data, exif = _bare_jpeg(data)
    elif kind == "PNG":
        data, exif = _bare_png(data)
    try:
        # The plugins of these two warn about odd metadata; the others get none to warn about.
        with _quiet() if kind in ("TIFF", "GIF") else nullcontext():
            image = plugin(BytesIO(data))
            _check_size(image, source, max_pixels)
            image.load()
            if kind == "TIFF":
                orientation = _pil_orientation(image)
            else:
                orientation = _exif_orientation(exif or image.info.get("exif", b""))
            return _upright_rgb(image, orientation, source)
    except ImageError:
        raise
    except Exception as error:  # PIL's plugins raise whatever a damaged file makes them stumble over
        raise ImageError(f"{source}: damaged, or not a {kind} file that can be read ({_reason(error)})") from error


def _from_pil(image: PIL.Image.Image, max_pixels: int) -> Image:
    source = _printable(os.fsdecode(getattr(image, "filename", "") or "PIL image"))
    _check_size(image, source, max_pixels)
    try:
        image.load()
        return _upright_rgb(image, _pil_orientation(image), source)
    except ImageError:
        raise
    except Exception as error:  # as above: a lazy PIL image is decoded here
        raise ImageError(f"{source}: cannot be read ({_reason(error)})") from error


def recognise(data: bytes | memoryview, source: str) -> tuple[str, Any]:
    """The format of a picture's file by its first bytes, and the plugin that decodes it.

    Raises:
        ImageError: None that is supported.
    """
    for kind, signature, plugin in _FORMATS:
        if signature.match(data):
            return kind, plugin
    if not data:
        raise ImageError(f"{source}: the file is empty")
    if _HEIF.match(data):
        raise ImageError(
            f"{source}: HEIC and AVIF are not supported. Save the photo as JPEG, or decode it with pillow-heif and "
            "pass the PIL image"
        )
    raise ImageError(f"{source}: not a picture. Supported are {', '.join(kind for kind, _, _ in _FORMATS)}")


def _check_size(image: PIL.Image.Image, source: str, max_pixels: int) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"{source}: the picture is empty ({width}x{height} pixels)")
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"{source}: {width}x{height} pixels; a side may have at most {MAX_SIDE}. Scale it down first")
    if width * height > max_pixels:
        raise ImageError(
            f"{source}: {width}x{height} pixels are more than the limit of {max_pixels}. Scale the picture down, or "
            "raise max_pixels if you trust it"
        )


def _upright_rgb(image: PIL.Image.Image, orientation: int, source: str) -> Image:
    image = _rgb(image, source)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    width, height = image.size
    return Image(np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, 3), source, _RGB)


def _rgb(image: PIL.Image.Image, source: str) -> PIL.Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return PIL.Image.fromarray(_grey_levels(image, source)).convert("RGB")
    if image.has_transparency_data:
        alpha = image.convert("RGBA")
        paper = PIL.Image.new("RGB", image.size, "white")
        paper.paste(alpha, (0, 0), alpha)
        return paper
    return image.convert("RGB")


def _grey_levels(image: PIL.Image.Image, source: str) -> NDArray[np.uint8]:
    values: NDArray[Any] = np.asarray(image)
    # PIL before 11 opens a 16-bit grey PNG, and every PIL a 16-bit PGM, as mode I with values 0 to 65535.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return np.asarray(values >> 8, np.uint8)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # written so that NaN is refused, too
        raise ImageError(
            f"{source}: its pixels (PIL mode {image.mode}) go from {low} to {high}, and no standard says what is "
            "white. Scale them to 0..255 and convert the picture to mode L"
        )
    if image.mode == "F" and 0 < high <= 1:
        raise ImageError(
            f"{source}: its pixels (PIL mode F) go from {low} to {high}, which is black where 255 is white. "
            "Multiply them by 255 and convert the picture to mode L"
        )
    return np.asarray(np.rint(values), np.uint8)


def _bare_jpeg(data: bytes) -> tuple[bytes, bytes]:
    """The segments that make the picture, and the EXIF block (ITU-T T.81, annex B; EXIF 2.32, 4.7.2).

    PIL parses metadata that nobody asked for, and warns or fails where that is damaged; here it gets none. Of the
    APPn segments only JFIF (0) and Adobe (14) bear on colours. Without the MPF segment the first picture of an MPO
    file is an ordinary JPEG.
    """
    kept, exif, position = [data[:2]], b"", 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xE1 and not exif and data.startswith(b"Exif\0\0", position + 4):
            exif = data[position + 4 : end]
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            kept.append(data[position:end])
        position = end
    kept.append(data[position:])
    return b"".join(kept), exif


def _bare_png(data: bytes) -> tuple[bytes, bytes]:
    """The chunks that make the picture, and the EXIF block (PNG, third edition, 11.2 and 11.3).

    Critical chunks and tRNS are kept. The others are text and profiles, which may be damaged or bombs themselves, and
    the later frames of an animation.
    """
    kept, exif, position = [data[:8]], b"", 8
    while position + 8 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if kind == b"eXIf":
            exif = data[position + 8 : end - 4]
        elif not kind[0] & 0x20 or kind == b"tRNS":  # bit 5 of the first letter: ancillary
            kept.append(data[position:end])
        position = end
    return b"".join(kept), exif


def _exif_orientation(exif: bytes) -> int:
    """The orientation in an EXIF block (TIFF 6.0, section 2); 1, upright, where there is none or it is damaged."""
    data = exif[6:] if exif.startswith(b"Exif\0\0") else exif
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4], "")
    try:
        (directory,) = struct.unpack_from(order + "I", data, 4) if order else (len(data),)
        (count,) = struct.unpack_from(order + "H", data, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", data, entry)
            if tag == _ORIENTATION:
                (value,) = struct.unpack_from(order + ("I" if kind == 4 else "H"), data, entry + 8)
                return int(value)
    except (struct.error, OverflowError):  # OverflowError: an offset beyond a 32-bit machine's memory
        pass
    return 1


def _pil_orientation(image: PIL.Image.Image) -> int:
    """The orientation that PIL still knows of: it is none once PIL has applied it, as it does for TIFF."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - PIL's parser raises anything; damaged EXIF is no reason to refuse a picture
        return 1


# warnings.catch_warnings changes the process, so calls must not overlap.
_warnings_lock = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PIL's warnings about odd metadata to itself."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield

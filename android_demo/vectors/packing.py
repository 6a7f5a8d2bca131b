"""Bytes and pictures as JSON: base64 of zlib, which the Java class ``Golden`` reads.

What zlib writes differs between its implementations: compare what the text holds, not the text.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(values: NDArray[Any] | bytes) -> str:
    """The bytes of an array, row-major (little-endian), or plain bytes."""
    data = values if isinstance(values, bytes) else np.ascontiguousarray(values).tobytes()
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def unpacked(text: str) -> bytes:
    """What :func:`packed` took."""
    return zlib.decompress(base64.b64decode(text))


def picture(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """A (height, width, 3) RGB picture."""
    return {"width": pixels.shape[1], "height": pixels.shape[0], "zlib": packed(pixels)}

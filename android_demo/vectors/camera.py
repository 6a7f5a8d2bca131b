"""Camera frames: what the Java class ``YuvImage`` is compared with, computed in NumPy from the definition.

JFIF 1.02, section 7 (ITU-R BT.601, full range): R = Y + 1.402 V', G = Y - 0.344136 U' - 0.714136 V', B = Y + 1.772 U',
where U' and V' are the samples of chroma less 128. A sample of chroma colours the four pixels of its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from packing import packed, picture

Samples = NDArray[np.uint8]


def vectors() -> dict[str, Any]:
    """The content of ``camera.json``."""
    return {"frames": list(_frames(np.random.default_rng(8)))}


def _frames(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    turns = [(rotation, mirrored) for rotation in (0, 90, 180, 270) for mirrored in (False, True)]
    # Width, height, bytes beyond a row of luma and of chroma, pixel strides of luma and chroma, crop rectangle, turns.
    for width, height, gap, chroma_gap, step, chroma_step, crop, some in (
        (12, 8, 0, 0, 1, 1, None, turns),  # three planes
        (12, 8, 4, 5, 1, 2, None, turns),  # chroma interleaved, rows padded
        (11, 7, 5, 0, 1, 2, None, turns),  # odd sizes: the last sample of chroma colours less than four pixels
        (13, 9, 0, 3, 2, 3, None, turns[3:5]),
        (16, 12, 0, 4, 1, 2, (3, 1, 12, 10), turns),  # begins and ends within squares of chroma
        (16, 12, 2, 0, 1, 1, (4, 2, 16, 12), turns[2:4]),
        (11, 7, 0, 0, 1, 1, (10, 6, 11, 7), turns[:1]),  # one pixel
        (1, 1, 0, 0, 1, 2, None, turns[1:3]),
        (2, 40, 0, 0, 1, 2, None, turns[2:3]),
    ):
        luma, u, v = (
            rng.integers(0, 256, sides).astype(np.uint8)
            for sides in ((height, width), *[((height + 1) // 2, (width + 1) // 2)] * 2)
        )
        left, top, right, bottom = crop or (0, 0, width, height)
        rgb = _rgb(luma, u, v)[top:bottom, left:right]
        yield {
            "width": width,
            "height": height,
            "y": _plane(luma, gap, step, rng),
            "u": _plane(u, chroma_gap, chroma_step, rng),
            "v": _plane(v, chroma_gap, chroma_step, rng),
            "crop": [left, top, right, bottom],
            "results": [
                {"rotation": rotation, "mirrored": mirrored, "picture": picture(_turned(rgb, rotation, mirrored))}
                for rotation, mirrored in some
            ],
        }


def _rgb(luma: Samples, u: Samples, v: Samples) -> Samples:
    height, width = luma.shape
    y = luma.astype(np.float64)
    cb, cr = (np.kron(plane, np.ones((2, 2)))[:height, :width] - 128.0 for plane in (u, v))
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return np.asarray(np.clip(np.rint(rgb), 0, 255), np.uint8)


def _turned(rgb: Samples, rotation: int, mirrored: bool) -> Samples:
    turned = np.rot90(rgb, -rotation // 90)  # rot90 turns anticlockwise
    return turned[:, ::-1] if mirrored else turned


def _plane(samples: Samples, gap: int, step: int, rng: np.random.Generator) -> dict[str, Any]:
    """Samples as Android lays them out; what lies between them is noise, and the last row ends with its last sample."""
    rows, columns = samples.shape
    stride = columns * step + gap
    data = rng.integers(0, 256, (rows, stride)).astype(np.uint8)
    data[:, : columns * step : step] = samples
    end = (rows - 1) * stride + (columns - 1) * step + 1
    return {"bytes": packed(data.ravel()[:end]), "rowStride": stride, "pixelStride": step}

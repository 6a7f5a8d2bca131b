"""Resampling and orientation: what the Java classes ``Pictures``, ``View`` and ``FaceImage`` are compared with.

What OpenCV's ``warpAffine`` gives depends on its version (4 rounds coordinates to 1/32 of a pixel, 5 does not), so the
vectors come from a formula in NumPy, the arithmetic of 5.0, which is held against the installed OpenCV at each call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BytesIO
from typing import Any
from unittest import mock

import click
import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from packing import picture

from ghostface_edge import alignment
from ghostface_edge.detection import yunet
from ghostface_edge.detection.view import View
from ghostface_edge.image import Image

Pixels = NDArray[np.uint8]
FloatArray = NDArray[np.float64]

_opencv_warp = alignment.warp
_ROUNDS = int(cv2.__version__.split(".")[0]) < 5
_COARSE = 8
"""Grey levels by which OpenCV 4 may differ: 1/64 of a pixel in both directions, each up to a step from white to black.

On photos, where such steps are rare, 99.9 % of its values lie within 1 (measured with 4.10, 4.12 and 4.13).
"""


def painted(height: int, width: int, seed: int, *, grain: int = 0) -> Pixels:
    """A (height, width, 3) picture as smooth as a photo: random colours every 16 pixels, blended in between.

    Whole numbers alone, so that every machine paints the same.

    Args:
        height: Rows.
        width: Columns.
        seed: Another picture for each.
        grain: Largest random number of grey levels added to a pixel.
    """
    rng = np.random.default_rng(seed)
    knots = rng.integers(0, 256 - grain, (height // 16 + 2, width // 16 + 2, 3))
    (y, fy), (x, fx) = np.divmod(np.arange(height), 16), np.divmod(np.arange(width), 16)
    upper, lower = knots[y], knots[y + 1]
    down = fy[:, None, None]
    lines = upper * (16 - down) + lower * down
    right = fx[:, None]
    smooth = (lines[:, x] * (16 - right) + lines[:, x + 1] * right) >> 8
    return np.asarray(smooth + rng.integers(0, grain + 1, smooth.shape), np.uint8)


def bilinear(pixels: Pixels, matrix: FloatArray, size: int) -> Pixels:
    """What ``alignment.warp`` gives with OpenCV 5.0, in NumPy: float32, black beyond the border.

    Raises:
        AssertionError: The installed OpenCV gives another picture.
    """
    (a, b, left), (c, d, top) = alignment.inverse(matrix).astype(np.float32)
    row, column = np.mgrid[:size, :size].astype(np.float32)
    x, y = _fused(a, column, b * row + left), _fused(c, column, d * row + top)
    x0, y0 = np.floor(x), np.floor(y)
    right, down = (x - x0)[..., None], (y - y0)[..., None]
    # One black pixel around the picture; what lies farther away is black, too.
    framed: NDArray[np.float32] = np.pad(pixels, ((1, 1), (1, 1), (0, 0))).astype(np.float32)

    def at(dy: int, dx: int) -> NDArray[np.float32]:
        rows = np.clip(y0 + 1 + dy, 0, framed.shape[0] - 1).astype(int)
        columns = np.clip(x0 + 1 + dx, 0, framed.shape[1] - 1).astype(int)
        return np.asarray(framed[rows, columns])

    upper = _fused(right, at(0, 1) - at(0, 0), at(0, 0))
    lower = _fused(right, at(1, 1) - at(1, 0), at(1, 0))
    warped = np.rint(_fused(down, lower - upper, upper)).astype(np.uint8)
    away = np.abs(warped.astype(int) - _opencv_warp(pixels, matrix, size))
    if away.max() > (_COARSE if _ROUNDS else 1):
        raise AssertionError(f"OpenCV {cv2.__version__} warps otherwise: up to {away.max()} grey levels")
    return warped


def _fused(a: Any, b: Any, c: Any) -> NDArray[np.float32]:
    """The multiply-add of a CPU: a * b + c, rounded once."""
    # Not np.float64(a) * b: of a number and a float32 array, NumPy 1 computes the product in float32.
    return np.asarray(np.multiply(a, b, dtype=np.float64) + c, np.float32)


@contextmanager
def same_on_every_opencv() -> Iterator[None]:
    """Within it, alignment and YuNet warp by :func:`bilinear`."""
    with mock.patch.object(alignment, "warp", bilinear), mock.patch.object(yunet, "warp", bilinear):
        yield


def as_java_warps(what: str) -> AbstractContextManager[None]:
    """Nothing with OpenCV 5; with an older one, which rounds, :func:`same_on_every_opencv`, and a line that says so."""
    if not _ROUNDS:
        return nullcontext()
    click.echo(f"{what}: OpenCV {cv2.__version__} rounds coordinates; the arithmetic of 5.0 takes its place", err=True)
    return same_on_every_opencv()


def vectors() -> dict[str, Any]:
    """The content of ``pictures.json``."""
    return {
        "shrunk": list(_shrunk()),
        "warped": _warped(),
        "oriented": _oriented(),
        "transparent": _transparent(),
    }


def _shrunk() -> Iterator[dict[str, Any]]:
    for height, width, sides in (
        (33, 44, (22, 12, 43, 29)),  # 2, a row left out; 3.7, halved first; 1.02 and 1.5 by interpolation alone
        (39, 25, (20, 10)),  # 1.95 and 3.9: nearly two by interpolation, without and after halving
        (64, 3, (32, 5)),  # halved until one column is left, which is halved no more
        (1, 9, (4, 8)),  # a line is never halved: a factor of 2.25
    ):
        pixels = painted(height, width, height, grain=7)
        yield {
            "picture": picture(pixels),
            "results": [
                {"longest": side, "scale": list(view.scale), "picture": picture(view.pixels)}
                for side, view in ((side, View(pixels).shrunk(side)) for side in sides)
            ],
        }


def _warped() -> dict[str, Any]:
    pixels = painted(32, 48, 2)
    results = []
    for size, scale, degrees, x, y in (
        (36, 1.0, 0.0, -3.0, 5.0),  # whole pixels, partly beyond the border
        (40, 1.7, 25.0, 10.3, -22.7),
        (32, 0.4, -160.0, 25.1, 23.9),
        (24, 9.0, 90.0, 150.0, -120.0),
    ):
        a, c = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
        matrix = np.array([[a, -c, x], [c, a, y]]).round(6)  # the same on every machine
        results.append(
            {"matrix": matrix.ravel().tolist(), "size": size, "picture": picture(bilinear(pixels, matrix, size))}
        )
    return {"picture": picture(pixels), "results": results}


def _oriented() -> dict[str, Any]:
    """A picture under each EXIF orientation, as ``Image.open`` turns it."""
    pixels = painted(3, 5, 3, grain=40)
    upright = []
    for orientation in range(10):  # 0 and 9 mean nothing
        exif = PIL.Image.Exif()
        exif[274] = orientation
        file = BytesIO()
        PIL.Image.fromarray(pixels).save(file, "PNG", exif=exif)
        upright.append({"orientation": orientation, "picture": picture(Image.open(file.getvalue()).pixels)})
    return {"picture": picture(pixels), "upright": upright}


def _transparent() -> dict[str, Any]:
    rgba = np.dstack([painted(6, 8, 4, grain=40), np.arange(48).reshape(6, 8) * 255 // 47]).astype(np.uint8)
    shifts = np.array([1 << 16, 1 << 8, 1, 1 << 24])
    return {
        "argb": (rgba.astype(np.int64) @ shifts).ravel().tolist(),
        "picture": picture(Image.open(PIL.Image.fromarray(rgba)).pixels),
    }

"""Similarity transforms and aligned crops: what the Java class ``Alignment`` is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from packing import picture
from pictures import painted, same_on_every_opencv

from ghostface_edge.alignment import ARCFACE_TEMPLATE, align, inverse, mapped, similarity_transform
from ghostface_edge.errors import AlignmentError
from ghostface_edge.image import Image

FloatArray = NDArray[np.float64]


def vectors() -> dict[str, Any]:
    """The content of ``alignment.json``."""
    rng = np.random.default_rng(6)
    with same_on_every_opencv():
        return {"transforms": list(_transforms(rng)), "crops": _crops(rng), "errors": list(_errors())}


def _face(rng: np.random.Generator, side: float, degrees: float, x: float, y: float, scatter: float) -> FloatArray:
    """Landmarks of a face whose crop would have that side, turned, around (x, y), as a float32 detector gives them."""
    turn = side / 112 * np.exp(1j * np.radians(degrees))
    points = ARCFACE_TEMPLATE + rng.normal(0, scatter, (5, 2)) - 56
    numbers = (points[:, 0] + 1j * points[:, 1]) * turn + complex(x, y)
    landmarks = np.stack([numbers.real, numbers.imag], axis=1).round(3)  # the same on every machine
    return np.asarray(landmarks.astype(np.float32), np.float64)


def _transforms(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for side, degrees, x, y, scatter in (
        (112.0, 0.0, 56.0, 56.0, 0.0),
        (90.0, 12.0, 130.0, 120.0, 2.0),
        (400.0, -35.0, 1500.0, 800.0, 3.0),
        (9.0, 80.0, 3.0, 2.0, 3.0),
        (2000.0, 170.0, -600.0, 4000.0, 4.0),
        (60.0, 0.0, 31000.0, 32000.0, 2.0),
        (150.0, 5.0, 200.0, 200.0, 25.0),  # hardly a face
    ):
        landmarks = _face(rng, side, degrees, x, y, scatter)
        matrix = similarity_transform(landmarks)
        yield {
            "landmarks": landmarks.ravel().tolist(),
            "matrix": matrix.ravel().tolist(),
            "inverse": inverse(matrix).ravel().tolist(),
            "mapped": mapped(landmarks, matrix).ravel().tolist(),
        }


def _crops(rng: np.random.Generator) -> dict[str, Any]:
    pixels = painted(50, 60, 5)
    results = []
    for size, side, degrees, x, y in (
        (64, 45.0, 8.0, 30.0, 25.0),
        (40, 30.0, -130.0, 35.0, 20.0),
        (40, 100.0, 15.0, 55.0, 40.0),  # partly beyond the photo: black there
        (1, 40.0, 0.0, 30.0, 25.0),
    ):
        landmarks = _face(rng, side, degrees, x, y, 1.5)
        crop = align(Image.from_rgb(pixels), landmarks, size=size)
        results.append({"landmarks": landmarks.ravel().tolist(), "size": size, "picture": picture(crop)})
    return {"picture": picture(pixels), "results": results}


def _errors() -> Iterator[dict[str, Any]]:
    """Landmarks that cannot be aligned, with the words that say so, for a photo of 80 x 70 pixels."""
    rng = np.random.default_rng(7)
    # Turned by 45 degrees, beside the photo: only a side of the crop parts the first two from it, only the photo's
    # right side the third.
    beside = [
        points[:, 0] + 1j * points[:, 1]
        for points in (
            _face(rng, 40.0, 45.0, -15.5, -15.5, 0.0),
            _face(rng, 40.0, 45.0, 94.5, 84.5, 0.0),
            _face(rng, 200.0, -45.0, 224.5, 35.0, 0.0),
        )
    ]
    image = Image.from_rgb(painted(70, 80, 5), source="photo.jpg")
    template = ARCFACE_TEMPLATE[:, 0] + 1j * ARCFACE_TEMPLATE[:, 1]
    z = template - template.mean()
    # Perpendicular to the template (<strange, z> = 0), so that the least squares scale is 0.
    strange = z.conjugate() - np.vdot(z, z.conjugate()) / np.vdot(z, z) * z
    line = np.arange(5) * (3 + 1j) + 20
    for points in (
        np.full(5, 40 + 40j),
        line,
        line + np.array([0, 0, 2e-3j, 0, 0]),
        strange * 1000,
        template * 20000,
        template + 300,
        template - 300j,
        template * 0.01 + 5000,
        *beside,
    ):
        landmarks = np.stack([points.real, points.imag], axis=1).astype(np.float32)
        try:
            align(image, landmarks)
        except AlignmentError as error:
            yield {"landmarks": landmarks.ravel().tolist(), "message": str(error)}
        else:
            raise AssertionError(f"{landmarks.tolist()} were aligned")

"""Five landmarks to the 112x112 ArcFace crop: the one geometry that GhostFaceNets were trained on.

The similarity transform (rotation, uniform scale, translation; four degrees of freedom) that brings the landmarks
closest to the template in the least-squares sense has a closed form (S. Umeyama, "Least-squares estimation of
transformation parameters between two point patterns", IEEE TPAMI 13(4), 1991, equations 40 to 43). In two dimensions
it needs no singular value decomposition: a similarity is one complex multiplication and one addition.
"""

from __future__ import annotations

import cmath
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import AlignmentError, OptionError
from .image import Image

FloatArray = NDArray[np.float64]
Centred = tuple[list[complex], complex]
"""Points about their mean, and that mean, x + yi each."""

CROP_SIZE = 112
"""Side of the aligned crop in pixels."""

ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float64,
)
"""(5, 2) positions in the crop, in the order of :data:`~ghostface_edge.types.LANDMARK_NAMES`.

Source: ``arcface_dst`` in InsightFace, ``python-package/insightface/utils/face_align.py``.
"""
ARCFACE_TEMPLATE.flags.writeable = False

_FLATTEST = 1e-3
"""Landmarks whose narrow extent is below this share of their wide extent lie on a line; a face in profile has 0.3."""


def similarity_transform(landmarks: Any, template: Any = ARCFACE_TEMPLATE) -> FloatArray:
    """The similarity transform that maps landmarks onto a template with the least squared error.

    Args:
        landmarks: (K, 2) numbers, x and y in pixels, K >= 3.
        template: (K, 2) numbers, where the landmarks should come to lie.

    Returns:
        (2, 3) float64: a point p of the photo lies at ``M[:, :2] @ p + M[:, 2]`` in the crop.

    Raises:
        AlignmentError: Wrong shape, not finite real numbers, or points that coincide or lie on one line.
    """
    source, target = _points(landmarks, "landmarks"), _points(template, "points of the template")
    if source.shape != target.shape:
        raise AlignmentError(f"expected landmarks of shape {target.shape}, got {source.shape}")
    return _fit(source, centred(target))


def fit(landmarks: Any, target: Centred) -> FloatArray:
    """:func:`similarity_transform` onto a template that was centred before, of as many points as the landmarks."""
    return _fit(_points(landmarks, "landmarks"), target)


def _fit(source: FloatArray, target: Centred) -> FloatArray:
    # Points as complex numbers: a similarity is w = a * z + b, and least squares gives a = <z, w> / <z, z>. For five
    # points, plain numbers are several times faster than arrays.
    (z, z_mean), (w, w_mean) = centred(source), target
    # Squares of the extents (singular values) of the centred points: their sum and their difference.
    both = sum(p.real * p.real + p.imag * p.imag for p in z)
    difference = abs(sum(p * p for p in z))
    if not both > 1e-12:
        raise AlignmentError("the landmarks coincide: no similarity transform can be computed")
    if both - difference < _FLATTEST**2 * (both + difference):
        raise AlignmentError("the landmarks lie on one line: no similarity transform can be computed")
    a = sum(p.conjugate() * q for p, q in zip(z, w)) / both
    b = w_mean - a * z_mean
    if not (cmath.isfinite(a) and cmath.isfinite(b) and abs(a) > 1e-9):
        raise AlignmentError(
            "the landmarks define no invertible similarity transform: they are mirrored or too far apart"
        )
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def centred(points: FloatArray) -> Centred:
    """Points (K, 2) about their mean."""
    numbers = [complex(x, y) for x, y in points.tolist()]
    mean = sum(numbers) / len(numbers)
    return [number - mean for number in numbers], mean


@lru_cache(maxsize=8)
def _template(size: int) -> Centred:
    """Where landmarks come to lie in a crop of ``size`` pixels."""
    return centred(ARCFACE_TEMPLATE * (size / CROP_SIZE))


def align(image: Image, landmarks: Any, *, size: int = CROP_SIZE) -> NDArray[np.uint8]:
    """Warp a face to the ArcFace template, bilinearly; what lies beyond the photo is black.

    The pixels are those of InsightFace's ``norm_crop``, so that networks see what they saw in training.

    Args:
        image: The photo.
        landmarks: (5, 2) numbers, x and y in pixels, in the order of ``LANDMARK_NAMES``.
        size: Side of the crop in pixels; the template is scaled with it.

    Returns:
        (size, size, 3) uint8 RGB.

    Raises:
        AlignmentError: As :func:`similarity_transform`, or the face lies wholly outside the photo.
        OptionError: ``size`` is not a number of pixels from 1 to 4096.
    """
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 4096:
        raise OptionError(f"size={size!r} is not a number of pixels: use 1 to 4096")
    source = _points(landmarks, "landmarks")
    if source.shape != ARCFACE_TEMPLATE.shape:
        raise AlignmentError(f"expected landmarks of shape {ARCFACE_TEMPLATE.shape}, got {source.shape}")
    matrix = _fit(source, _template(size))
    crop, photo = (size, size), (image.width, image.height)
    # Two rectangles are apart where a side of one of them parts them.
    if _apart(crop, inverse(matrix), photo) or _apart(photo, matrix, crop):
        raise AlignmentError(f"the face lies outside the photo {image.source} of {image.width} x {image.height} pixels")
    return warp(image.pixels, matrix, size)


def warp(pixels: NDArray[np.uint8], matrix: FloatArray, size: int) -> NDArray[np.uint8]:
    """The square of ``size`` pixels that a (2, 3) transform cuts out of a picture; (size, size, 3) uint8."""
    import cv2

    warped: NDArray[np.uint8] = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return warped


def mapped(points: Any, matrix: FloatArray) -> FloatArray:
    """(K, 2) points after a (2, 3) transform."""
    result: FloatArray = points @ matrix[:, :2].T + matrix[:, 2]
    return result


def inverse(matrix: FloatArray) -> FloatArray:
    """The (2, 3) transform that undoes another."""
    (a, b, x), (c, d, y) = matrix.tolist()
    area = a * d - b * c  # of what a pixel becomes
    return np.array([[d / area, -b / area, (b * y - d * x) / area], [-c / area, a / area, (c * x - a * y) / area]])


def _apart(picture: tuple[int, int], matrix: FloatArray, other: tuple[int, int]) -> bool:
    """Whether a picture of (width, height), once transformed, lies wholly beyond one side of another picture."""
    (a, b, x), (c, d, y) = matrix.tolist()
    right, bottom = picture[0] - 1, picture[1] - 1
    xs = (x, a * right + x, b * bottom + x, a * right + b * bottom + x)
    ys = (y, c * right + y, d * bottom + y, c * right + d * bottom + y)
    return bool(max(xs) < 0 or min(xs) > other[0] - 1 or max(ys) < 0 or min(ys) > other[1] - 1)


def _points(values: Any, name: str) -> FloatArray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise AlignmentError(f"the {name} are not pairs of numbers: {error}") from error
    if array.dtype.kind not in "iuf":
        raise AlignmentError(f"the {name} are not real numbers, but of type {array.dtype}")
    points = array.astype(np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise AlignmentError(f"the {name} are not at least three pairs of numbers: shape {points.shape}")
    largest = np.abs(points).max()
    if not math.isfinite(largest):
        raise AlignmentError(f"the {name} hold NaN or infinity")
    if largest > 1e6:
        raise AlignmentError(f"the {name} are beyond 1,000,000 pixels")
    return points

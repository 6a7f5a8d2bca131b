"""The transform against Umeyama's own formula, the crops against a warp in NumPy and against InsightFace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ghostface_edge.alignment import ARCFACE_TEMPLATE, align, similarity_transform
from ghostface_edge.errors import AlignmentError, OptionError
from ghostface_edge.image import MAX_SIDE, Image

FloatArray = NDArray[np.float64]


def umeyama(source: FloatArray, target: FloatArray) -> FloatArray:
    """S. Umeyama, IEEE TPAMI 13(4), 1991, equations 34 to 43, as printed: by singular value decomposition."""
    count, dimensions = source.shape
    mean_x, mean_y = source.mean(axis=0), target.mean(axis=0)
    variance = ((source - mean_x) ** 2).sum() / count
    covariance = (target - mean_y).T @ (source - mean_x) / count
    u, d, vt = np.linalg.svd(covariance)
    s = np.eye(dimensions)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        s[-1, -1] = -1
    rotation = u @ s @ vt
    scale = np.trace(np.diag(d) @ s) / variance
    return np.column_stack([scale * rotation, mean_y - scale * rotation @ mean_x])


def turned(points: FloatArray, degrees: float, scale: float, shift: Sequence[float]) -> FloatArray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return scale * points @ np.array([[c, s], [-s, c]]) + np.asarray(shift, dtype=np.float64)


def bilinear(pixels: NDArray[np.uint8], matrix: FloatArray, size: int) -> FloatArray:
    """What a crop should be: every pixel of it looked up in the photo, zero outside, weighted by distance."""
    height, width = pixels.shape[:2]
    full = np.vstack([matrix, [0, 0, 1]])
    rows, columns = np.mgrid[:size, :size]
    at = np.linalg.inv(full) @ np.stack([columns.ravel(), rows.ravel(), np.ones(size * size)])
    x, y = at[0], at[1]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    result = np.zeros((size * size, 3))
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, row = left + dx, top + dy
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row))
        result[inside] += weight[inside, None] * pixels[row[inside], column[inside]]
    return result.reshape(size, size, 3)


def smooth_photo(height: int, width: int) -> Image:
    """Three channels that differ, without edges: interpolation to 1/32 pixel stays within a grey level."""
    y, x = np.mgrid[:height, :width]
    channels = [127 + 120 * np.sin(x / 37 + y / 53), 127 + 120 * np.cos(x / 41), 255 * y / max(height - 1, 1)]
    return Image.from_rgb(np.stack(channels, axis=-1).astype(np.uint8))


def close_share(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Share of the values that differ by at most one grey level."""
    return float((np.abs(a.astype(np.float64) - b) <= 1.001).mean())


# ----------------------------------------------------------------------------------------------------------------
# similarity_transform

CORNER = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ([[0, 0], [2, 0], [0, 1]], [[1, 0, 0], [0, 1, 0]]),
        ([[0, 0], [0, 2], [-1, 0]], [[0, -1, 0], [1, 0, 0]]),  # 90 degrees: x goes down, y goes left
        ([[0, 0], [-2, 0], [0, -1]], [[-1, 0, 0], [0, -1, 0]]),
        ([[0, 0], [8, 0], [0, 4]], [[4, 0, 0], [0, 4, 0]]),
        ([[5, -7], [7, -7], [5, -6]], [[1, 0, 5], [0, 1, -7]]),
        ([[3, 1], [3, 5], [1, 1]], [[0, -2, 3], [2, 0, 1]]),  # all at once
    ],
)
def test_hand_computed(target: list[list[float]], expected: list[list[float]]) -> None:
    np.testing.assert_allclose(similarity_transform(CORNER, target), expected, rtol=0, atol=1e-14)


def test_the_template_itself_is_left_alone() -> None:
    np.testing.assert_allclose(similarity_transform(ARCFACE_TEMPLATE), [[1, 0, 0], [0, 1, 0]], rtol=0, atol=1e-12)


def test_a_turned_template_is_turned_back() -> None:
    for degrees in range(-180, 181, 15):
        landmarks = turned(ARCFACE_TEMPLATE, degrees, 3.7, (200, -40))
        matrix = similarity_transform(landmarks)
        np.testing.assert_allclose(landmarks @ matrix[:, :2].T + matrix[:, 2], ARCFACE_TEMPLATE, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e2, 1e4])
def test_it_is_umeyamas(scale: float) -> None:
    rng = np.random.default_rng(7)
    for _ in range(250):
        landmarks = scale * rng.standard_normal((5, 2)) + scale * rng.standard_normal(2)
        target = 50 * rng.standard_normal((5, 2))
        expected = umeyama(landmarks, target)
        size = np.abs(expected).max()
        np.testing.assert_allclose(similarity_transform(landmarks, target) / size, expected / size, rtol=0, atol=1e-9)


def test_it_is_umeyamas_for_faces_with_noise() -> None:
    rng = np.random.default_rng(8)
    for _ in range(500):
        landmarks = turned(ARCFACE_TEMPLATE, rng.uniform(-180, 180), rng.uniform(0.2, 20), rng.uniform(0, 4000, 2))
        landmarks += rng.standard_normal((5, 2))
        np.testing.assert_allclose(
            similarity_transform(landmarks), umeyama(landmarks, ARCFACE_TEMPLATE), rtol=0, atol=1e-9
        )


def test_a_mirrored_face_is_never_mirrored_back() -> None:
    mirrored = ARCFACE_TEMPLATE * [-1, 1] + [111, 0]
    matrix = similarity_transform(mirrored)
    assert np.linalg.det(matrix[:, :2]) > 0
    np.testing.assert_allclose(matrix, umeyama(mirrored, ARCFACE_TEMPLATE), rtol=0, atol=1e-9)


LINE = [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]
WITH = ARCFACE_TEMPLATE.tolist()


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        ([[7, 7]] * 5, "coincide"),
        ([[1e5, 1e5]] * 4 + [[1e5, 1e5 + 1e-7]], "coincide"),
        (LINE, "on one line"),
        ([[0, 3], [1, 3], [2, 3], [9, 3], [4, 3]], "on one line"),
        ([[0, 0], [1000, 0], [2000, 0.1], [3000, 0], [4000, 0]], "on one line"),
        ([*WITH[:4], [math.nan, 0]], "NaN or infinity"),
        ([*WITH[:4], [0, math.inf]], "NaN or infinity"),
        ([*WITH[:4], [0, 2e6]], "beyond 1,000,000 pixels"),
        (WITH[:4], r"expected landmarks of shape \(5, 2\), got \(4, 2\)"),
        (WITH[:2], "at least three pairs"),
        ([[1, 2, 3]] * 5, "at least three pairs"),
        (np.zeros((1, 5, 2)), "at least three pairs"),
        ([], "at least three pairs"),
        (None, "not real numbers"),
        (7, "at least three pairs"),
        ("five points", "not real numbers"),
        ([["1", "2"]] * 5, "not real numbers"),
        ([[1, 2], [3]], "not pairs of numbers"),
        ([[10**400, 1]] * 5, "not real numbers"),
        (ARCFACE_TEMPLATE.astype(complex), "not real numbers"),
        (ARCFACE_TEMPLATE > 50, "not real numbers"),
    ],
)
def test_senseless_landmarks(landmarks: Any, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        similarity_transform(landmarks)
    with pytest.raises(AlignmentError, match=message):
        align(smooth_photo(112, 112), landmarks)


@pytest.mark.parametrize("template", ["text", np.full((5, 2), np.nan), [[1, 2], [3]], np.zeros((4, 3))])
def test_a_senseless_template(template: Any) -> None:
    with pytest.raises(AlignmentError, match="points of the template"):
        similarity_transform(ARCFACE_TEMPLATE, template)


def test_a_template_of_one_point_cannot_be_reached() -> None:
    with pytest.raises(AlignmentError, match="no invertible"):
        similarity_transform(ARCFACE_TEMPLATE, np.ones((5, 2)))


# ----------------------------------------------------------------------------------------------------------------
# align


def test_a_face_on_the_template_is_copied() -> None:
    image = smooth_photo(200, 180)
    crop = align(image, ARCFACE_TEMPLATE + np.array([20, 31]))
    np.testing.assert_array_equal(crop, image.pixels[31:143, 20:132])
    assert crop.dtype == np.uint8


def test_a_quarter_turn_is_exact() -> None:
    image = smooth_photo(112, 112)
    # The point (x, y) of the upright face lies at (111 - y, x): the photo was turned clockwise.
    landmarks = np.column_stack([111 - ARCFACE_TEMPLATE[:, 1], ARCFACE_TEMPLATE[:, 0]])
    np.testing.assert_array_equal(align(image, landmarks), np.rot90(image.pixels))


@pytest.mark.parametrize("scale", [0.05, 0.5, 1.3, 4, 40, 1000])
@pytest.mark.parametrize("degrees", [0, 33, 170])
def test_bilinear_at_every_scale(scale: float, degrees: float) -> None:
    image = smooth_photo(480, 640)
    landmarks = turned(ARCFACE_TEMPLATE - 56, degrees, scale, (301.3, 222.8))
    crop = align(image, landmarks)
    assert close_share(crop, bilinear(image.pixels, umeyama(landmarks, ARCFACE_TEMPLATE), 112)) >= 0.999


def test_beyond_the_photo_is_black() -> None:
    image = Image.from_rgb(np.full((112, 112, 3), 255, np.uint8))
    crop = align(image, ARCFACE_TEMPLATE + np.array([40, 0]))  # the crop starts 40 pixels into the photo
    assert (crop[:, :72] == 255).all()
    assert (crop[:, 72:] == 0).all()


def test_another_size_scales_the_template() -> None:
    image = smooth_photo(480, 640)
    landmarks = turned(ARCFACE_TEMPLATE - 56, 12, 2.1, (320, 240))
    expected = bilinear(image.pixels, umeyama(landmarks, 2 * ARCFACE_TEMPLATE), 224)
    assert close_share(align(image, landmarks, size=224), expected) >= 0.999


@pytest.mark.parametrize("size", [0, -5, 4097, 112.0, "112", None])
def test_a_senseless_size(size: Any) -> None:
    with pytest.raises(OptionError, match="not a number of pixels"):
        align(smooth_photo(112, 112), ARCFACE_TEMPLATE, size=size)


@pytest.mark.parametrize("shift", [(-112, 0), (112, 0), (0, -112), (0, 112), (5000, 5000), (-9e5, 3)])
def test_a_face_outside_the_photo(shift: tuple[float, float]) -> None:
    image = Image.open(smooth_photo(112, 112))
    with pytest.raises(AlignmentError, match="outside the photo RGB array of 112 x 112 pixels"):
        align(image, ARCFACE_TEMPLATE + shift)


def test_a_turned_face_beyond_the_corner_of_the_photo() -> None:
    # A square turned by 45 degrees, in front of the corner: its bounding box overlaps the photo, it does not.
    landmarks = turned(ARCFACE_TEMPLATE - 55.5, 45, 1, (-42, -42))
    with pytest.raises(AlignmentError, match="outside the photo"):
        align(smooth_photo(112, 112), landmarks)
    # Half a diagonal is 78.5 pixels, so a little nearer the side of the square reaches the corner pixel.
    assert align(smooth_photo(112, 112), turned(ARCFACE_TEMPLATE - 55.5, 45, 1, (-39, -39))).any()


@pytest.mark.parametrize("shift", [(-110, 0), (110, 0), (0, -110), (0, 110)])
def test_a_face_at_the_rim_is_cut(shift: tuple[float, float]) -> None:
    image = Image.from_rgb(np.full((112, 112, 3), 255, np.uint8))
    assert (align(image, ARCFACE_TEMPLATE + shift) == 255).mean() == pytest.approx(2 / 112)


def test_a_photo_of_one_pixel() -> None:
    image = Image.from_rgb(np.full((1, 1, 3), (10, 100, 200), np.uint8))
    crop = align(image, ARCFACE_TEMPLATE - 60)
    assert crop[60, 60].tolist() == [10, 100, 200]
    assert np.count_nonzero(crop.any(axis=2)) == 1


@pytest.mark.parametrize("upright", [True, False])
def test_the_longest_photo(upright: bool) -> None:
    ramp = (np.arange(MAX_SIDE) // 3 % 256).astype(np.uint8)
    pixels = np.repeat(np.repeat(ramp[:, None, None], 120, axis=1), 3, axis=2)
    image = Image.from_rgb(pixels if upright else pixels.transpose(1, 0, 2))
    far = MAX_SIDE - 112
    crop = align(image, ARCFACE_TEMPLATE + ([4, far] if upright else [far, 4]))
    expected = image.pixels[far:, 4:116] if upright else image.pixels[4:116, far:]
    np.testing.assert_array_equal(crop, expected)


def real_landmarks(rng: np.random.Generator) -> FloatArray:
    """A face about where LFW's photos have it, with a detector's scatter."""
    landmarks = turned(ARCFACE_TEMPLATE - 56, rng.uniform(-30, 30), rng.uniform(0.7, 1.3), rng.uniform(110, 140, 2))
    return landmarks + rng.standard_normal((5, 2))


def test_bilinear_on_real_photos(lfw_sample: list[Path]) -> None:
    rng = np.random.default_rng(9)
    for path in lfw_sample[:50]:
        image, landmarks = Image.open(path), real_landmarks(rng)
        expected = bilinear(image.pixels, umeyama(landmarks, ARCFACE_TEMPLATE), 112)
        assert close_share(align(image, landmarks), expected) >= 0.999


@pytest.mark.insightface
@pytest.mark.filterwarnings("ignore:.*estimate.* is deprecated:FutureWarning")  # insightface calls scikit-image so
def test_the_pixels_are_insightfaces(lfw_sample: list[Path]) -> None:
    face_align = pytest.importorskip(
        "insightface.utils.face_align", reason="the extra [insightface] is not installed: no norm_crop to compare with"
    )
    rng = np.random.default_rng(10)
    for path in lfw_sample:
        image, landmarks = Image.open(path), real_landmarks(rng)
        theirs = face_align.norm_crop(np.ascontiguousarray(image.pixels), landmarks.astype(np.float32))
        assert close_share(align(image, landmarks), theirs) >= 0.999

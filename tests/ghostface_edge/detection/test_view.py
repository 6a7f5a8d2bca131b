"""A photo made smaller: what its pixels are, and where in the photo they lie."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ghostface_edge.detection.view import View
from ghostface_edge.image import Image


def painted(height: int, width: int) -> View:
    return View(np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8))


def slope(height: int, width: int) -> View:
    """Red says how far to the right a pixel lies, green how far down."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([columns * (250 / width), rows * (250 / height), np.zeros((height, width))], axis=-1)
    return View(np.rint(pixels).astype(np.uint8))


@pytest.mark.parametrize(("height", "width"), [(8, 12), (9, 12), (8, 13), (251, 377)])
def test_half_is_the_mean_of_four(height: int, width: int) -> None:
    view = painted(height, width)
    half = view.half
    rows, columns = height // 2, width // 2
    four = view.pixels[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, 3).astype(int).sum(axis=(1, 3))
    np.testing.assert_array_equal(half.pixels, (four + 2) // 4)
    assert half.scale == (2, 2)
    assert view.half is half, "computed once"
    assert [item.pixels.shape[:2] for item in view.halved(4)][:2] == [(height, width), (rows, columns)]


def test_halving_ends_where_it_is_small_or_a_line() -> None:
    assert [view.longest for view in painted(60, 100).halved(25)] == [100, 50, 25]
    assert [view.longest for view in painted(60, 100).halved(100)] == [100]
    assert [view.pixels.shape[:2] for view in painted(3, 100).halved(10)] == [(3, 100), (1, 50)]


@pytest.mark.parametrize(
    ("height", "width", "longest", "shape"),
    [
        (541, 1000, 640, (346, 640)),
        (3000, 4000, 640, (480, 640)),  # twice by 2, and by 1.5625
        (604, 600, 160, (160, 159)),
        (811, 1280, 640, (405, 640)),  # exactly by 2; a row is left out
        (1, 4000, 100, (1, 100)),
        (5000, 3, 40, (40, 1)),
    ],
)
def test_every_pixel_keeps_its_place(height: int, width: int, longest: int, shape: tuple[int, int]) -> None:
    view = slope(height, width).shrunk(longest)
    assert view.pixels.shape[:2] == shape
    assert view.longest == longest
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    right, down = (columns + 0.5) * view.scale[0] - 0.5, (rows + 0.5) * view.scale[1] - 0.5
    for channel, place, side in ((0, right, width), (1, down, height)):
        if side > 1 and min(height, width) > 10:
            inside = (slice(1, -1), slice(1, -1))  # at the rim there is nothing to interpolate towards
            away = np.abs(view.pixels[..., channel] - place * (250 / side))[inside]
            assert away.max() <= 2, "half a grey level each from painting, from halving twice and from interpolating"
            assert np.abs((view.pixels[..., channel] - place * (250 / side))[inside].mean()) < 0.3


def test_it_never_grows() -> None:
    view = painted(30, 40)
    for longest in (40, 41, 640):
        assert view.shrunk(longest) is view


def test_ratio_is_between_views_of_one_photo() -> None:
    photo = painted(600, 800)
    small = photo.shrunk(300)
    assert photo.half.ratio(small) == pytest.approx((400 / 300, 300 / 225))
    assert small.ratio(small.half) == pytest.approx((2, 2))
    assert photo.ratio(photo) == (1, 1)


def test_a_fine_pattern_becomes_grey() -> None:
    """Lines one pixel apart, which interpolating alone turns into broad ones."""
    pixels = np.zeros((1000, 1500, 3), np.uint8)
    pixels[::2] = 255
    for longest in (640, 160):
        small = View(pixels).shrunk(longest).pixels.astype(int)
        assert np.abs(small - 128).max() <= 1
        size = small.shape[1::-1]
        assert np.ptp(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)) > 100


def test_photos_look_as_they_do_by_the_mean_over_areas(shared: Path) -> None:
    for path in sorted((shared / "photos").glob("*.jpg")):
        photo = View(Image.open(path).pixels)
        for longest in (400, 160):
            view = photo.shrunk(longest)
            size = view.pixels.shape[1::-1]
            width, height = (round(side * scale) for side, scale in zip(size, view.scale))
            shown = photo.pixels[:height, :width]  # what halving has left out would shift the rest
            areas = cv2.resize(shown, size, interpolation=cv2.INTER_AREA).astype(int)
            away = np.abs(view.pixels - areas).mean()
            assert away < 1.6
            assert longest == 400 or away < 0.75 * np.abs(cv2.resize(shown, size) - areas).mean()

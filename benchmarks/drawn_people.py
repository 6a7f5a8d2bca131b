"""A picture of three people who do not exist: no photograph, all of it from the numbers below.

For a first run on a machine without photos. YuNet finds all three; ``docs/people.jpg`` is this picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageDraw, ImageFilter

_Colour = tuple[int, int, int]
_Points = Sequence[tuple[float, float]]

_SCALE = 3  # drawn larger and shrunk, for smooth edges
_WIDTH, _HEIGHT = 900, 420

PEOPLE: tuple[tuple[float, float, float, _Colour, _Colour, _Colour, _Colour, bool], ...] = (
    # centre x, centre y, half width of the face, skin, hair, iris, lips, whether the hair is long
    (160, 215, 82, (224, 178, 150), (58, 38, 28), (70, 90, 60), (176, 88, 84), False),
    (450, 205, 92, (160, 108, 78), (24, 20, 22), (56, 34, 22), (134, 66, 62), True),
    (735, 220, 78, (240, 200, 176), (150, 96, 48), (80, 110, 140), (196, 104, 102), False),
)


def draw_people() -> NDArray[np.uint8]:
    """The picture, (420, 900, 3) uint8 RGB."""
    ramp = np.linspace(0, 1, _HEIGHT * _SCALE)[:, None, None]
    wall = np.array([206, 214, 220]) * (1 - ramp) + np.array([150, 164, 174]) * ramp
    picture = PIL.Image.fromarray(np.broadcast_to(wall, (_HEIGHT * _SCALE, _WIDTH * _SCALE, 3)).astype(np.uint8))
    for x, y, unit, *colours, long_hair in PEOPLE:
        _person(_Portrait(picture, x * _SCALE, y * _SCALE, unit * _SCALE), *colours, long_hair=long_hair)
    pixels = np.asarray(picture.resize((_WIDTH, _HEIGHT), PIL.Image.Resampling.LANCZOS)).astype(np.float64)
    grain = np.random.default_rng(7).normal(0, 3, pixels.shape[:2])[..., None]
    people: NDArray[np.uint8] = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    return people


class _Portrait:
    """One face, in units of half its width; soft shadows are drawn on a layer of their own and blurred."""

    def __init__(self, picture: PIL.Image.Image, x: float, y: float, unit: float) -> None:
        self._picture, self._x, self._y, self._unit = picture, x, y, unit

    def blob(
        self, x: float, y: float, rx: float, ry: float, colour: _Colour, *, blur: float = 0.0, strength: float = 1.0
    ) -> None:
        """An ellipse; with ``blur`` its edge fades out."""
        unit = self._unit
        left, top = self._x + (x - rx) * unit, self._y + (y - ry) * unit
        right, bottom = self._x + (x + rx) * unit, self._y + (y + ry) * unit
        level = int(255 * strength)
        self._paste(
            colour,
            (left, top, right, bottom),
            lambda draw, dx, dy: draw.ellipse((left - dx, top - dy, right - dx, bottom - dy), fill=level),
            blur,
        )

    def curve(self, points: _Points, colour: _Colour, *, width: float, blur: float = 0.0) -> None:
        """A line through points."""
        path = [(self._x + x * self._unit, self._y + y * self._unit) for x, y in points]
        (left, right), (top, bottom) = ((min(values), max(values)) for values in zip(*path))
        pixels = max(int(width * self._unit), 1)
        self._paste(
            colour,
            (left - pixels, top - pixels, right + pixels, bottom + pixels),
            lambda draw, dx, dy: draw.line([(x - dx, y - dy) for x, y in path], fill=255, width=pixels, joint="curve"),
            blur,
        )

    def _paste(
        self,
        colour: _Colour,
        around: tuple[float, float, float, float],
        paint: Callable[[ImageDraw.ImageDraw, int, int], None],
        blur: float,
    ) -> None:
        """Paint a mask as large as it must be, and the colour through it."""
        radius = blur * self._unit
        margin = 4 * radius + 2  # where the blur has faded to nothing
        (width, height), (left, top, right, bottom) = self._picture.size, around
        x, y = max(int(left - margin), 0), max(int(top - margin), 0)
        size = min(int(right + margin) + 1, width) - x, min(int(bottom + margin) + 1, height) - y
        mask = PIL.Image.new("L", size, 0)
        paint(ImageDraw.Draw(mask), x, y)
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(radius))
        self._picture.paste(colour, (x, y, x + size[0], y + size[1]), mask)


def _shade(colour: _Colour, factor: float) -> _Colour:
    """A colour made lighter or darker."""
    red, green, blue = (int(min(max(value * factor, 0), 255)) for value in colour)
    return red, green, blue


def _arc(x0: float, y0: float, x1: float, y1: float, lift: float) -> _Points:
    """Points of a parabola between two ends, ``lift`` above their line in the middle."""
    steps = np.linspace(0, 1, 24)
    return [(float(x0 + (x1 - x0) * t), float(y0 + (y1 - y0) * t - lift * 4 * t * (1 - t))) for t in steps]


def _person(face: _Portrait, skin: _Colour, hair: _Colour, iris: _Colour, lips: _Colour, *, long_hair: bool) -> None:
    """A head and shoulders, seen from the front."""
    dark, light = _shade(skin, 0.72), _shade(skin, 1.1)
    if long_hair:
        face.blob(0, 0.25, 1.28, 1.75, hair, blur=0.02)
    face.blob(0, 2.9, 2.0, 1.15, (70, 86, 110), blur=0.02)
    face.blob(0, 1.55, 0.48, 0.75, _shade(skin, 0.8), blur=0.03)
    for side in (-1, 1):
        face.blob(side * 1.0, 0.15, 0.16, 0.28, _shade(skin, 0.9))
    face.blob(0, -0.25, 1.08, 1.28, hair, blur=0.02)
    face.blob(0, 0.12, 0.96, 1.26, skin, blur=0.015)
    face.blob(0, 0.75, 0.62, 0.62, _shade(skin, 0.97), blur=0.15)
    for side in (-1, 1):
        face.blob(side * 0.52, 0.5, 0.24, 0.26, _shade(skin, 1.06), blur=0.12)
        face.blob(side * 0.74, 0.35, 0.1, 0.7, dark, blur=0.1, strength=0.45)
        face.blob(side * 0.4, -0.12, 0.3, 0.19, dark, blur=0.07, strength=0.85)
        face.blob(side * 0.4, -0.08, 0.2, 0.105, (244, 240, 236), blur=0.012)
        face.blob(side * 0.4, -0.085, 0.098, 0.1, iris)
        face.blob(side * 0.4, -0.085, 0.048, 0.05, (12, 10, 10))
        face.blob(side * 0.4 + 0.035, -0.12, 0.018, 0.018, (255, 255, 255))
        face.curve(_arc(side * 0.18, -0.07, side * 0.62, -0.09, 0.12), (38, 26, 22), width=0.045, blur=0.008)
        face.curve(_arc(side * 0.2, -0.04, side * 0.6, -0.06, -0.07), _shade(skin, 0.6), width=0.02, blur=0.01)
        face.curve(_arc(side * 0.14, -0.36, side * 0.68, -0.34, 0.11), _shade(hair, 0.9), width=0.085, blur=0.02)
        face.blob(side * 0.1, 0.44, 0.055, 0.04, _shade(skin, 0.45), blur=0.018)
        face.blob(side * 0.15, 0.38, 0.075, 0.1, dark, blur=0.05, strength=0.7)
    face.blob(0.07, 0.12, 0.05, 0.3, dark, blur=0.06, strength=0.5)
    face.blob(-0.01, 0.18, 0.045, 0.3, light, blur=0.04, strength=0.9)
    face.blob(0, 0.36, 0.1, 0.09, light, blur=0.05, strength=0.9)
    face.blob(0, 0.5, 0.14, 0.035, dark, blur=0.03, strength=0.8)
    face.blob(0, 0.76, 0.33, 0.085, lips, blur=0.015)
    face.blob(0, 0.84, 0.25, 0.075, _shade(lips, 1.12), blur=0.02)
    face.curve(_arc(-0.34, 0.75, 0.34, 0.75, -0.03), _shade(lips, 0.45), width=0.03, blur=0.008)
    face.blob(0, 0.98, 0.2, 0.05, dark, blur=0.05, strength=0.7)
    face.curve(_arc(-0.93, -0.42, 0.93, -0.42, 0.72), hair, width=0.3, blur=0.03)
    face.curve(_arc(-0.85, -0.55, 0.8, -0.62, 0.5), hair, width=0.34, blur=0.03)

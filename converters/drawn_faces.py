"""Aligned faces that this program draws: nobody's, and the same on every machine. They stand in for photos.

What a network does on noise says little about what it does on faces: other gates open, and other channels move.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostface_edge.alignment import ARCFACE_TEMPLATE, CROP_SIZE

from .faces import Crops

_FINE = 2  # drawn so many times larger and shrunk, for smooth edges
_EYES, _NOSE, _MOUTH = ARCFACE_TEMPLATE[:2], ARCFACE_TEMPLATE[2], ARCFACE_TEMPLATE[3:]
_SKINS = ((236, 198, 174), (224, 178, 150), (190, 138, 106), (150, 102, 74), (104, 70, 52))
_HAIRS = ((26, 22, 22), (58, 38, 28), (110, 74, 44), (178, 142, 90), (150, 148, 146))
_IRISES = ((56, 34, 22), (70, 90, 60), (80, 110, 140))

Colour = tuple[float, float, float]


def draw_faces(count: int, side: int = CROP_SIZE) -> Crops:
    """Different faces, (count, side, side, 3) uint8 RGB, with eyes, nose and mouth where the template has them."""
    faces = [_draw(number) for number in range(count)]
    return np.stack([cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for face in faces])


def _draw(number: int) -> Crops:
    """One face; the number settles who it is, and how the light falls."""
    random = np.random.default_rng(number)
    skin = _varied(_SKINS[number % len(_SKINS)], random)
    hair = _varied(_HAIRS[(number // 2) % len(_HAIRS)], random)
    iris, lips = _IRISES[number % len(_IRISES)], (skin[0] * 0.85, skin[1] * 0.55, skin[2] * 0.58)
    wide, long = random.uniform(0.94, 1.06, 2)
    side = CROP_SIZE * _FINE
    ramp = np.linspace(-1, 1, side)
    light = random.uniform(90, 200, 3) + random.uniform(-40, 40) * ramp[:, None, None] + np.zeros((1, side, 1))
    canvas = _Canvas(np.clip(light, 0, 255).astype(np.float32))
    x, y = float(_NOSE[0]), float(_NOSE[1])
    canvas.blob(x, y + 66, 60, 26, _varied((80, 96, 120), random), 2)  # shoulders
    canvas.blob(x, y + 40, 22, 30, _shade(skin, 0.78), 2)  # neck
    canvas.blob(x, y - 22, 45 * wide, 52 * long, hair, 1.5)
    canvas.blob(x, y - 1, 39 * wide, 51 * long, skin, 1)
    canvas.blob(x, y + 22, 25, 25, _shade(skin, 0.96), 6)
    for eye, away in zip(_EYES, (-1, 1)):
        ex, ey = (float(value) for value in eye)
        canvas.blob(ex + away * 4, ey + 22, 10, 11, _shade(skin, 1.06), 5)  # cheek
        canvas.blob(ex + away * 14, ey + 18, 5, 28, _shade(skin, 0.75), 4, 0.5)
        canvas.blob(ex, ey - 2, 12.5, 8, _shade(skin, 0.72), 3, 0.8)  # socket
        canvas.blob(ex, ey, 8, 4.2, (242, 238, 234), 0.6)
        canvas.blob(ex, ey, 4, 4.1, iris, 0.3)
        canvas.blob(ex, ey, 2, 2.1, (14, 12, 12), 0.3)
        canvas.blob(ex + 1.4, ey - 1.4, 0.8, 0.8, (255, 255, 255), 0.2)
        canvas.blob(ex, ey - 4.4, 8.4, 1.1, (40, 28, 24), 0.5)  # lid
        canvas.blob(ex + away, ey - 11, 10.5, 1.9, _shade(hair, 0.9), 0.9)  # brow
    canvas.blob(x + 3, y - 10, 2.2, 13, _shade(skin, 0.75), 2.5, 0.5)  # nose, with light from the left
    canvas.blob(x - 1, y - 9, 2, 13, _shade(skin, 1.1), 2, 0.8)
    canvas.blob(x, y, 5, 4.5, _shade(skin, 1.06), 2)
    for away in (-1, 1):
        canvas.blob(x + away * 4, y + 3.5, 2.3, 1.6, _shade(skin, 0.45), 0.8)
        canvas.blob(x + away * 6, y + 1, 3, 4, _shade(skin, 0.76), 2, 0.6)
    mouth = float(_MOUTH[:, 0].mean()), float(_MOUTH[:, 1].mean())
    half = float(_MOUTH[1, 0] - _MOUTH[0, 0]) / 2
    canvas.blob(mouth[0], mouth[1] - 0.5, half, 3.4, lips, 0.8)
    canvas.blob(mouth[0], mouth[1] + 3, half * 0.75, 3, _shade(lips, 1.15), 0.9)
    canvas.blob(mouth[0], mouth[1] + random.uniform(-0.5, 1), half * 1.02, 0.7, _shade(lips, 0.4), 0.5)
    canvas.blob(mouth[0], mouth[1] + 9, 8, 2, _shade(skin, 0.8), 2, 0.7)
    canvas.blob(x, y - 62 * long, 38 * wide, 17, hair, 2)
    pixels = cv2.resize(canvas.pixels, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    shadow = 1 + random.uniform(-0.25, 0.25) * np.linspace(-1, 1, CROP_SIZE)[None, :, None]
    grain = random.normal(0, 3, (CROP_SIZE, CROP_SIZE, 1))  # of a sensor
    crop: Crops = np.clip(np.rint(pixels * shadow + grain), 0, 255).astype(np.uint8)
    return crop


class _Canvas:
    """Soft ellipses on a background, in pixels of the crop."""

    def __init__(self, background: NDArray[np.float32]) -> None:
        self.pixels = background

    def blob(self, x: float, y: float, rx: float, ry: float, colour: Colour, blur: float, strength: float = 1) -> None:
        """An ellipse around (x, y) whose edge fades over ``blur`` pixels."""
        (x, y), (rx, ry) = ((round(_FINE * a), round(_FINE * b)) for a, b in ((x, y), (rx, ry)))
        margin = math.ceil(4 * blur * _FINE) + 2  # where the blur has faded to nothing
        left, top = max(x - rx - margin, 0), max(y - ry - margin, 0)
        part = self.pixels[top : y + ry + margin, left : x + rx + margin]
        mask = np.zeros(part.shape[:2], np.float32)
        cv2.ellipse(mask, (x - left, y - top), (rx, ry), 0, 0, 360, strength, cv2.FILLED)
        mask = cv2.GaussianBlur(mask, (0, 0), blur * _FINE)[..., None]
        part[:] = part * (1 - mask) + np.array(colour, np.float32) * mask


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(value * factor, 255.0) for value in colour)
    return red, green, blue


def _varied(colour: Colour, random: np.random.Generator) -> Colour:
    return _shade(colour, float(random.uniform(0.88, 1.1)))

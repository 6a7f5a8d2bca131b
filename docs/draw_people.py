"""Draws the people of the README's picture: nobody real, no photograph, all of it from the numbers below.

python docs/draw_people.py docs/people.jpg
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SCALE = 3  # drawn larger and shrunk, for smooth edges
WIDTH, HEIGHT = 900, 420

PEOPLE = (
    # centre x, centre y, half width of the face, skin, hair, iris, lips, hair style
    (160, 215, 82, (224, 178, 150), (58, 38, 28), (70, 90, 60), (176, 88, 84), "short"),
    (450, 205, 92, (160, 108, 78), (24, 20, 22), (56, 34, 22), (134, 66, 62), "long"),
    (735, 220, 78, (240, 200, 176), (150, 96, 48), (80, 110, 140), (196, 104, 102), "short"),
)


def shade(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    """A colour made lighter or darker."""
    return tuple(int(min(max(value * factor, 0), 255)) for value in colour)


class Portrait:
    """One face, in units of half its width; soft shadows are drawn on a layer of their own and blurred."""

    def __init__(self, picture: Image.Image, x: float, y: float, unit: float) -> None:
        self.picture, self.x, self.y, self.unit = picture, x, y, unit

    def box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        """The rectangle around an ellipse."""
        unit = self.unit
        return (
            self.x + (x - rx) * unit,
            self.y + (y - ry) * unit,
            self.x + (x + rx) * unit,
            self.y + (y + ry) * unit,
        )

    def blob(self, x, y, rx, ry, colour, *, blur: float = 0.0, strength: float = 1.0) -> None:
        """An ellipse; with ``blur`` its edge fades out."""
        mask = Image.new("L", self.picture.size, 0)
        ImageDraw.Draw(mask).ellipse(self.box(x, y, rx, ry), fill=int(255 * strength))
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur * self.unit))
        self.picture.paste(colour, mask=mask)

    def curve(self, points, colour, *, width: float, blur: float = 0.0) -> None:
        """A line through points."""
        mask = Image.new("L", self.picture.size, 0)
        path = [(self.x + x * self.unit, self.y + y * self.unit) for x, y in points]
        ImageDraw.Draw(mask).line(path, fill=255, width=max(int(width * self.unit), 1), joint="curve")
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur * self.unit))
        self.picture.paste(colour, mask=mask)


def arc(x0: float, y0: float, x1: float, y1: float, lift: float) -> list[tuple[float, float]]:
    """Points of a parabola between two ends, ``lift`` above their line in the middle."""
    steps = np.linspace(0, 1, 24)
    return [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t - lift * 4 * t * (1 - t)) for t in steps]


def draw_person(picture: Image.Image, x, y, unit, skin, hair, iris, lips, style) -> None:
    """A head and shoulders, seen from the front."""
    face = Portrait(picture, x, y, unit)
    dark, light = shade(skin, 0.72), shade(skin, 1.1)
    if style == "long":
        face.blob(0, 0.25, 1.28, 1.75, hair, blur=0.02)
    face.blob(0, 2.9, 2.0, 1.15, (70, 86, 110), blur=0.02)
    face.blob(0, 1.55, 0.48, 0.75, shade(skin, 0.8), blur=0.03)
    for side in (-1, 1):
        face.blob(side * 1.0, 0.15, 0.16, 0.28, shade(skin, 0.9))
    face.blob(0, -0.25, 1.08, 1.28, hair, blur=0.02)
    face.blob(0, 0.12, 0.96, 1.26, skin, blur=0.015)
    face.blob(0, 0.75, 0.62, 0.62, shade(skin, 0.97), blur=0.15)
    for side in (-1, 1):
        face.blob(side * 0.52, 0.5, 0.24, 0.26, shade(skin, 1.06), blur=0.12)
        face.blob(side * 0.74, 0.35, 0.1, 0.7, dark, blur=0.1, strength=0.45)
        face.blob(side * 0.4, -0.12, 0.3, 0.19, dark, blur=0.07, strength=0.85)
        face.blob(side * 0.4, -0.08, 0.2, 0.105, (244, 240, 236), blur=0.012)
        face.blob(side * 0.4, -0.085, 0.098, 0.1, iris)
        face.blob(side * 0.4, -0.085, 0.048, 0.05, (12, 10, 10))
        face.blob(side * 0.4 + 0.035, -0.12, 0.018, 0.018, (255, 255, 255))
        face.curve(arc(side * 0.18, -0.07, side * 0.62, -0.09, 0.12), (38, 26, 22), width=0.045, blur=0.008)
        face.curve(arc(side * 0.2, -0.04, side * 0.6, -0.06, -0.07), shade(skin, 0.6), width=0.02, blur=0.01)
        face.curve(arc(side * 0.14, -0.36, side * 0.68, -0.34, 0.11), shade(hair, 0.9), width=0.085, blur=0.02)
        face.blob(side * 0.1, 0.44, 0.055, 0.04, shade(skin, 0.45), blur=0.018)
        face.blob(side * 0.15, 0.38, 0.075, 0.1, dark, blur=0.05, strength=0.7)
    face.blob(0.07, 0.12, 0.05, 0.3, dark, blur=0.06, strength=0.5)
    face.blob(-0.01, 0.18, 0.045, 0.3, light, blur=0.04, strength=0.9)
    face.blob(0, 0.36, 0.1, 0.09, light, blur=0.05, strength=0.9)
    face.blob(0, 0.5, 0.14, 0.035, dark, blur=0.03, strength=0.8)
    face.blob(0, 0.76, 0.33, 0.085, lips, blur=0.015)
    face.blob(0, 0.84, 0.25, 0.075, shade(lips, 1.12), blur=0.02)
    face.curve(arc(-0.34, 0.75, 0.34, 0.75, -0.03), shade(lips, 0.45), width=0.03, blur=0.008)
    face.blob(0, 0.98, 0.2, 0.05, dark, blur=0.05, strength=0.7)
    face.curve(arc(-0.93, -0.42, 0.93, -0.42, 0.72), hair, width=0.3, blur=0.03)
    face.curve(arc(-0.85, -0.55, 0.8, -0.62, 0.5), hair, width=0.34, blur=0.03)


def main() -> None:
    """Draw the picture into the file named on the command line."""
    ramp = np.linspace(0, 1, HEIGHT * SCALE)[:, None, None]
    wall = np.array([206, 214, 220]) * (1 - ramp) + np.array([150, 164, 174]) * ramp
    picture = Image.fromarray(np.broadcast_to(wall, (HEIGHT * SCALE, WIDTH * SCALE, 3)).astype(np.uint8))
    for x, y, unit, *colours in PEOPLE:
        draw_person(picture, x * SCALE, y * SCALE, unit * SCALE, *colours)
    pixels = np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)).astype(np.float64)
    grain = np.random.default_rng(7).normal(0, 3, pixels.shape[:2])[..., None]
    Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(sys.argv[1], quality=90)


if __name__ == "__main__":
    main()

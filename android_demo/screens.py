"""Puts the screens that the app's tests drew side by side, for the README: ``android_demo/screens.jpg``.

::

    mvn -q -f android_demo verify && python android_demo/screens.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

DEMO = Path(__file__).resolve().parent
DRAWN = DEMO / "app" / "target" / "screenshots"
SHEET = DEMO / "screens.jpg"

SCREENS = ("live", "enrol", "verify", "people", "settings", "benchmark")
WIDTH, GAP = 260, 12
"""Pixels of a screen and between two."""


def sheet() -> Image.Image:
    """All screens in a row, on white.

    Raises:
        FileNotFoundError: A screen was not drawn; most need the official models.
    """
    screens = []
    for name in SCREENS:
        with Image.open(DRAWN / f"{name}.png") as drawn:
            height = WIDTH * drawn.height // drawn.width
            screens.append(drawn.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS))
    row = Image.new("RGB", (len(screens) * (WIDTH + GAP) - GAP, max(screen.height for screen in screens)), "white")
    for index, screen in enumerate(screens):
        row.paste(screen, (index * (WIDTH + GAP), 0))
    return row


if __name__ == "__main__":
    sheet().save(SHEET, quality=88)

"""Names from outside, made harmless to look at; and numbers, made short."""

from __future__ import annotations

import math


def printable(text: str) -> str:
    """The text with line breaks, control and direction marks, and what UTF-8 cannot hold, written as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def number_text(value: float, digits: int = 3) -> str:
    """A number with at least so many digits that count, and with commas; a very large or small one with its power."""
    if value == 0 or not 1e-3 <= abs(value) < 1e12:
        return f"{value:.{digits}g}"
    return f"{value:,.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"

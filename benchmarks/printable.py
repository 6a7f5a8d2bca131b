"""Names from outside, made harmless to look at."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with line breaks, control and direction marks, and what UTF-8 cannot hold, written as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)

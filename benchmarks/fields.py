"""Strict reading of JSON objects: every field is there, has its type, and is known."""

from __future__ import annotations

import math
from typing import Any

from ghostface_edge.errors import EvaluationError


class Fields:
    """The fields of one JSON object, taken one by one.

    Args:
        document: What the JSON held.
        where: What messages call the object, such as ``run.json: rows[3].summary``.

    Raises:
        EvaluationError: ``document`` is no object. All methods raise it too, naming the field.
    """

    def __init__(self, document: Any, where: str) -> None:
        if not isinstance(document, dict):
            raise EvaluationError(f"{where} is no JSON object")
        self._document = document
        self._where = where
        self._taken: set[str] = set()

    def path(self, key: str) -> str:
        """What messages call a field."""
        return f"{self._where}.{key}"

    def any(self, key: str) -> Any:
        """The field, whatever it is."""
        if key not in self._document:
            raise EvaluationError(f"{self.path(key)} is missing")
        self._taken.add(key)
        return self._document[key]

    def text(self, key: str) -> str:
        """A string."""
        value = self.any(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(key, "a list of texts")
        return tuple(values)

    def number(self, key: str, *, least: float = -math.inf) -> float:
        """A finite number."""
        value = self.any(key)
        if not _is_number(value) or value < least:
            raise self._wrong(key, "a number" if least == -math.inf else f"a number from {least:g} on")
        return float(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        values = self.items(key)
        if not all(_is_number(value) for value in values):
            raise self._wrong(key, "a list of numbers")
        return tuple(float(value) for value in values)

    def whole(self, key: str, *, least: int = 0) -> int:
        """A whole number."""
        value: int = self.any(key)
        if not _is_whole(value) or value < least:
            raise self._wrong(key, f"a whole number from {least} on")
        return value

    def wholes(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers from 0 on."""
        values = self.items(key)
        if not all(_is_whole(value) for value in values):
            raise self._wrong(key, "a list of whole numbers")
        return tuple(values)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.any(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def items(self, key: str) -> list[Any]:
        """A list."""
        value = self.any(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        """An object of any content."""
        value = self.any(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string or null."""
        return None if self.any(key) is None else self.text(key)

    def optional_number(self, key: str) -> float | None:
        """A finite number or null."""
        return None if self.any(key) is None else self.number(key)

    def optional_whole(self, key: str) -> int | None:
        """A whole number or null."""
        return None if self.any(key) is None else self.whole(key)

    def done(self) -> None:
        """Refuse fields that nobody took: they are slips of the pen, or of a later version."""
        unknown = sorted(set(self._document) - self._taken)
        if unknown:
            raise EvaluationError(f"{self.path(unknown[0])} is no known field")

    def _wrong(self, key: str, wanted: str) -> EvaluationError:
        found = repr(self._document[key])
        return EvaluationError(f"{self.path(key)} must be {wanted}, not {found[:60]}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False

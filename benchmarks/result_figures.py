"""Figures of a row in a file of results: by one name each, with their spread where they have one, and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

COUNTED = {"instructions": "instructions", "macs": "MACs"}
"""Figures that stand for a row without times, the first that it has; and what they count."""

_TOTAL = "total"
_SPREADS = (("value", "low", "high"), ("p50", "min", "max"))
_LARGEST = 1e18


@dataclass(frozen=True)
class Count:
    """Something that was counted, not timed.

    Attributes:
        unit: What was counted.
        value: How many; above 0.
        parts: By class, where the row says; not negative.
    """

    unit: str
    value: float
    parts: Mapping[str, float]


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values by name; those of objects within objects by both names, such as ``cold_start.load_ms``.

    An object that is a figure with its spread stays whole.
    """
    for key, value in values.items():
        if isinstance(value, Mapping) and value and spread(value) is None:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def spread(value: Any) -> tuple[float, float, float] | None:
    """A figure and the ends of its spread, where an object is one: an estimate and its interval, or a median."""
    for names in _SPREADS:
        if isinstance(value, Mapping) and all(_is_number(value.get(name)) for name in names):
            middle, low, high = (float(value[name]) for name in names)
            return middle, low, high
    return None


def counted(figures: Mapping[str, Any]) -> Count | None:
    """The count that stands for a row; None where there is none.

    It is a number, or an object with its ``total`` and its parts.
    """
    for name, unit in COUNTED.items():
        found = figures.get(name)
        total = found.get(_TOTAL) if isinstance(found, Mapping) else found
        if total is not None and _is_count(total) and total > 0:
            others = found.items() if isinstance(found, Mapping) else ()
            parts = {key: float(value) for key, value in others if key != _TOTAL and _is_count(value)}
            return Count(unit, float(total), parts)
    return None


def _is_count(value: Any) -> bool:
    return _is_number(value) and 0 <= value < _LARGEST


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

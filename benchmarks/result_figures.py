"""Figures of a row in a file of results: by one name each, and the count that stands for a row without times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

COUNTED = {"instructions": "instructions", "macs": "MACs"}
"""Figures that stand for a row without times, the first that it has; and what they count."""

_TOTAL = "total"
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
    """Values by name; those of objects within objects by both names, such as ``memory.peak_mb``."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def counted(figures: Mapping[str, Any]) -> Count | None:
    """The count that stands for a row; None where there is none.

    It is a number, or an object with its ``total`` and its parts.
    """
    for name, unit in COUNTED.items():
        found = figures.get(name)
        total = found.get(_TOTAL) if isinstance(found, Mapping) else found
        if _is_count(total) and total > 0:
            others = found.items() if isinstance(found, Mapping) else ()
            parts = {key: float(value) for key, value in others if key != _TOTAL and _is_count(value)}
            return Count(unit, float(total), parts)
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _LARGEST

"""Small SVG charts for the report: no scripts, no fonts, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 40


def scatter(x: Sequence[float], y: Sequence[float], x_label: str, y_label: str) -> str:
    """Points and the line on which both are equal; both axes share one scale."""
    low, high = min(*x, *y), max(*x, *y)
    frame = _Frame((low, high), (low, high), height=420, width=460)
    dots = "".join(f'<circle cx="{frame.x(a):.1f}" cy="{frame.y(b):.1f}" r="1.6"/>' for a, b in zip(x, y))
    line = f'<path class="equal" d="M{frame.x(low):.1f} {frame.y(low):.1f}L{frame.x(high):.1f} {frame.y(high):.1f}"/>'
    return frame.svg(line + f'<g class="dots">{dots}</g>', x_label, y_label)


def depth(values: Sequence[float], names: Sequence[str], x_label: str, y_label: str) -> str:
    """One value per tensor, in the order in which the network computes them; the name shows when pointed at."""
    frame = _Frame((0, max(len(values) - 1, 1)), (min(0.0, *values), max(values)))
    points = [(frame.x(index), frame.y(value)) for index, value in enumerate(values)]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"><title>{escape(name)}: {value:.1f}</title></circle>'
        for (x, y), name, value in zip(points, names, values)
    )
    return frame.svg(f'<path class="line" d="{line}"/><g class="dots">{dots}</g>', x_label, y_label)


def ranges(low: Sequence[float], high: Sequence[float], x_label: str) -> str:
    """The range of each channel of a tensor as a bar, on one scale."""
    frame = _Frame((0, len(low)), (min(0.0, *low), max(0.0, *high)), height=160)
    width = max((frame.x(1) - frame.x(0)) * 0.8, 0.5)
    bars = "".join(
        f'<rect x="{frame.x(index):.1f}" y="{frame.y(top):.1f}" width="{width:.1f}" '
        f'height="{max(frame.y(bottom) - frame.y(top), 0.5):.1f}"/>'
        for index, (bottom, top) in enumerate(zip(low, high))
    )
    return frame.svg(f'<g class="bars">{bars}</g>', x_label, "")


class _Frame:
    """Axes and the way from values to pixels."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], *, width: int = _WIDTH, height: int = _HEIGHT
    ) -> None:
        self._x, self._y = x, (y[0], y[1] if y[1] > y[0] else y[0] + 1)
        self._width, self._height = width, height

    def x(self, value: float) -> float:
        low, high = self._x
        return _LEFT + (value - low) / ((high - low) or 1) * (self._width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._y
        return self._height - _BOTTOM - (value - low) / (high - low) * (self._height - _TOP - _BOTTOM)

    def svg(self, content: str, x_label: str, y_label: str) -> str:
        bottom, middle = self._height - _BOTTOM, self._height / 2
        ticks = "".join(
            f'<text x="{_LEFT - 6}" y="{self.y(value) + 4:.1f}" class="tick">{value:.3g}</text>'
            f'<path class="grid" d="M{_LEFT} {self.y(value):.1f}H{self._width - _RIGHT}"/>'
            for value in np.linspace(*self._y, 5)
        )
        return (
            f'<svg viewBox="0 0 {self._width} {self._height}" width="{self._width}" role="img">{ticks}{content}'
            f'<text x="{(_LEFT + self._width) / 2}" y="{bottom + 30}" class="label">{escape(x_label)}</text>'
            f'<text transform="translate(12 {middle}) rotate(-90)" class="label">{escape(y_label)}</text></svg>'
        )

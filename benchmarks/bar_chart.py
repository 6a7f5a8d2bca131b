"""Bars side by side, as a drawing inside an HTML page: no package draws it, and the page's colours are its colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ghostface_edge.errors import EvaluationError

from . import page
from .printable import number_text

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8f96")
"""M. Okabe and K. Ito, "Color Universal Design" (2008): told apart with any of the common colour deficiencies."""

_WIDTH, _LEFT, _RIGHT = 800, 8, 40
_STEP, _THICK, _LETTERS = 50, 17, 15
_SHORTEST = 1e-9
"""What is shorter than that is drawn as 0."""

_LONGEST = 96
"""Letters of a label: what is longer has its end cut off, and stands in the table beside the drawing."""


@dataclass(frozen=True)
class Bar:
    """A bar that is drawn.

    Attributes:
        label: Said above it, with its length.
        parts: Lengths, one after the other, each in a colour of its own; not negative.
        interval: Drawn as a line across its end; None where there is none.
        tick: A mark further along; None for no mark.
        faint: Drawn pale, because something is wrong with the figure.
    """

    label: str
    parts: tuple[float, ...]
    interval: tuple[float, float] | None = None
    tick: float | None = None
    faint: bool = False

    @property
    def end(self) -> float:
        """Where it ends."""
        return sum(self.parts)


def to_svg(bars: Sequence[Bar], *, title: str, unit: str, names: Sequence[str] = ()) -> str:
    """The drawing.

    Args:
        bars: At least one; from top to bottom.
        title: What a screen reader says of it.
        unit: Said below the axis, which begins at 0.
        names: Of the parts of bars, for a legend; none where bars have one part.

    Raises:
        EvaluationError: A bar is infinitely long.
    """
    longest = max(max(bar.end, bar.tick or 0, bar.interval[1] if bar.interval else 0) for bar in bars)
    if not math.isfinite(longest):
        raise EvaluationError(f"{title}: a figure is beyond all numbers, and cannot be drawn")
    ticks = _ticks(longest)
    scale = (_WIDTH - _LEFT - _RIGHT) / max(longest, ticks[-1])
    top = 8 + 24 * _legend_lines(names)
    bottom = top + _STEP * len(bars) + 6
    parts = [_legend(names)]
    for value in ticks:
        x = _LEFT + scale * value
        parts.append(
            f'<path d="M{x:.1f} {top}V{bottom}" style="stroke: var(--grid)"/>'
            + _text(x, bottom + 18, f"{value:g}", anchor="start" if value == 0 else "middle", faint=True)
        )
    parts.append(_text(_WIDTH - 4, bottom + 38, unit, anchor="end", faint=True))
    for place, bar in enumerate(bars):
        parts.append(_bar(bar, top + _STEP * place, scale))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {bottom + 46}" role="img" aria-label="{page.text(title)}">{"".join(parts)}</svg>'
    )


def _bar(bar: Bar, top: float, scale: float) -> str:
    label = bar.label if len(bar.label) <= _LONGEST else f"{bar.label[: _LONGEST - 1]}…"
    parts = [_text(_LEFT, top + 18, f"{label}: {number_text(bar.end)}")]
    x, upper = float(_LEFT), top + 25
    middle = upper + _THICK / 2
    for number, length in enumerate(bar.parts):
        shade = ' fill-opacity="0.4"' if bar.faint else ""
        parts.append(
            f'<rect x="{x:.1f}" y="{upper}" width="{scale * length:.1f}" height="{_THICK}" '
            f'fill="{COLOURS[number % len(COLOURS)]}"{shade}/>'
        )
        x += scale * length
    if bar.interval is not None:
        low, high = (_LEFT + scale * value for value in bar.interval)
        parts.append(
            f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 5}v10M{high:.1f} {middle - 5}v10" '
            'fill="none" style="stroke: var(--ink); stroke-width: 1.6"/>'
        )
    if bar.tick is not None:
        at = _LEFT + scale * bar.tick
        parts.append(f'<path d="M{at:.1f} {upper}v{_THICK}" style="stroke: var(--faint); stroke-width: 2.5"/>')
    return "".join(parts)


def _ticks(longest: float) -> list[float]:
    """From 0, at most six steps of 1, 2 or 5 times a power of ten; the last is not below ``longest`` / 1.25 or so."""
    if longest < _SHORTEST:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(longest / 6))
    step = next(power * factor for factor in (1, 2, 5, 10) if longest <= 6 * power * factor)
    return [step * number for number in range(math.floor(longest / step * (1 + 1e-9)) + 1)]


def _legend_lines(names: Sequence[str]) -> int:
    return math.ceil(len(names) / 4)


def _legend(names: Sequence[str]) -> str:
    parts = []
    for number, name in enumerate(names):
        x, y = _LEFT + (number % 4) * (_WIDTH - _LEFT) / 4, 6 + 24 * (number // 4)
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="14" height="14" fill="{COLOURS[number % len(COLOURS)]}"/>'
            + _text(x + 20, y + 12, name)
        )
    return "".join(parts)


def _text(x: float, y: float, words: str, *, anchor: str = "start", faint: bool = False) -> str:
    colour = "faint" if faint else "ink"
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{_LETTERS}" '
        f'font-family="system-ui, sans-serif" style="fill: var(--{colour})">{page.text(words)}</text>'
    )

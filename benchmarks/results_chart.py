"""Rows of a run as bars: medians where times were taken, else what was counted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import bar_chart, page
from .bar_chart import Bar
from .result_figures import counted
from .result_labels import RowLabels
from .run_file import Row

_MOST_BARS = 60
"""A chart of more is no help."""


def to_html(rows: Sequence[Row], labels: RowLabels, *, title: str) -> str:
    """The chart as a part of a page; nothing where rows have neither times nor counts.

    Args:
        rows: Of one run.
        labels: What they are called.
        title: What a screen reader says of it.
    """
    bars, names, unit, caption = _times(rows, labels) or _counts(rows, labels)
    bars = [bar for bar in bars if math.isfinite(bar.end)]
    if not bars:
        return ""
    if len(bars) > _MOST_BARS:
        caption += f" The first {_MOST_BARS} of {len(bars)} rows."
    drawing = bar_chart.to_svg(bars[:_MOST_BARS], title=f"{title}: {caption}", unit=unit, names=names)
    return (
        f'<figure><div class="box" tabindex="0" role="group" aria-label="figure">{drawing}</div>'
        f"<figcaption>{page.text(caption)}</figcaption></figure>"
    )


_Bars = tuple[list[Bar], Sequence[str], str, str]
"""The bars, names of their parts, unit and caption."""


def _times(rows: Sequence[Row], labels: RowLabels) -> _Bars | None:
    bars = [
        Bar(
            ", ".join(labels.of(row.subject)),
            (times.p50,),
            (times.p50_low, times.p50_high),
            times.p90,
            faint=any(flag != "quick" for flag in times.flags),
        )
        for row in rows
        if (times := row.summary) is not None
    ]
    caption = (
        "Medians, with their 95 % intervals as lines; the grey mark is the 90th percentile. Shorter is better. Pale "
        "bars are flagged."
    )
    return (bars, (), "ms", caption) if bars else None


def _counts(rows: Sequence[Row], labels: RowLabels) -> _Bars:
    counts = [(row.subject, count) for row in rows if (count := counted(row.figures))]
    unit = counts[0][1].unit if counts else ""
    counts = [(subject, count) for subject, count in counts if count.unit == unit]
    names = list(dict.fromkeys(name for _, count in counts for name in count.parts))
    if not all(math.isclose(sum(count.parts.values()), count.value) for _, count in counts):
        names = []
    bars = [
        Bar(
            ", ".join(labels.of(subject)),
            tuple(count.parts.get(name, 0) / 1e6 for name in names) or (count.value / 1e6,),
        )
        for subject, count in counts
    ]
    return bars, names, f"million {unit}", f"Million {unit}: counts, and no times. Shorter is better."

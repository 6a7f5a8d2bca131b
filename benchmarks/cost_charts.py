"""Costs of networks as a picture: SVG or PNG.

One network is drawn layer by layer, several side by side. The same costs give the same bytes with one version of
matplotlib.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from ghostface_edge.atomic import replacing
from ghostface_edge.errors import OptionError, RuntimeMissingError

from .cost_tables import kilobytes, millions, printable
from .macs import Cost

FORMATS = (".svg", ".png")

_INK, _GRID = "#1f2429", "#d5dae0"
_COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#009e73", "#cc79a7")
"""M. Okabe and K. Ito, "Color Universal Design" (2008): told apart with any of the common colour deficiencies."""

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "font.size": 9,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "ghostface-edge",  # or the names in the file are random
    "text.color": _INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}
_DPI = 160


def check_chart(path: str) -> None:
    """Refuse a chart that cannot be drawn, before anything is counted.

    Raises:
        OptionError: The name ends in neither ``.svg`` nor ``.png``.
        RuntimeMissingError: matplotlib is not installed.
    """
    if not path.lower().endswith(FORMATS):
        raise OptionError(f"a chart is an .svg or a .png file, and {path} says neither")
    _matplotlib()


def draw_costs(costs: Sequence[Cost], path: str | os.PathLike[str]) -> None:
    """Draw one network's layers, or several networks side by side.

    Raises:
        OptionError: See :func:`check_chart`; or the file cannot be written.
        RuntimeMissingError: matplotlib is not installed.
    """
    path = os.fspath(path)
    check_chart(path)
    matplotlib = _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # of a name; an SVG has it all the same
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        height = 4.2 if len(costs) == 1 else 1.4 + 0.34 * len(costs)
        figure = Figure(figsize=(11, height), layout="constrained")
        FigureCanvasAgg(figure)
        if len(costs) == 1:
            _draw_layers(figure, costs[0])
        else:
            _draw_networks(figure, costs)
        is_svg = path.lower().endswith(".svg")
        metadata = {"Date": None, "Creator": None} if is_svg else {"Software": None}
        figure.savefig(picture, format=Path(path).suffix[1:].lower(), dpi=_DPI, metadata=metadata)
    try:
        with replacing(path) as file:
            file.write(picture.getvalue())
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror or error}") from error


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise RuntimeMissingError(
            'drawing a chart needs the package matplotlib: pip install "ghostface-edge[eval]"'
        ) from error
    return matplotlib


def _draw_networks(figure: Any, costs: Sequence[Cost]) -> None:
    """Bars: MACs, weights by precision, peak memory."""
    left, middle, right = figure.subplots(1, 3, sharey=True)
    places = range(len(costs))
    _bars(left, places, [cost.macs / 1e6 for cost in costs], [millions(cost.macs) for cost in costs])
    left.set(title="million MACs", yticks=list(places), yticklabels=[printable(cost.name) for cost in costs])
    left.invert_yaxis()
    precisions = list(dict.fromkeys(name for cost in costs for name in cost.weight_bytes))
    height = 0.8 / max(1, len(precisions))
    for number, precision in enumerate(precisions):
        offsets = [place - 0.4 + (number + 0.5) * height for place in places]
        sizes = [cost.weight_bytes.get(precision, 0) / 1e6 for cost in costs]
        middle.barh(offsets, sizes, height, color=_COLOURS[number % len(_COLOURS)], label=precision)
    middle.set(title="MB of weights")
    middle.legend(loc="upper right")
    peaks = [cost.peak_bytes / 1e3 for cost in costs]
    _bars(right, places, peaks, [kilobytes(cost.peak_bytes) for cost in costs])
    right.set(title="kB of activations at the peak, best order")
    for axes in (left, middle, right):
        axes.grid(visible=False, axis="y")


def _bars(axes: Any, places: Sequence[int], values: Sequence[float], labels: Sequence[str]) -> None:
    bars = axes.barh(places, values, 0.7, color=_COLOURS[0])
    axes.bar_label(bars, labels, padding=2)
    axes.margins(x=0.18)


def _draw_layers(figure: Any, cost: Cost) -> None:
    """Along the network: MACs of each layer, and the memory in use while it runs."""
    upper, lower = figure.subplots(2, 1, sharex=True)
    places = range(1, len(cost.layers) + 1)
    upper.bar(places, [layer.macs / 1e6 for layer in cost.layers], 0.9, color=_COLOURS[0])
    upper.margins(x=0.01)
    upper.set(title=f"{printable(cost.name)}: {millions(cost.macs)} million MACs", ylabel="million MACs")
    lower.bar(places, [layer.memory_bytes / 1e3 for layer in cost.layers], 0.9, color=_COLOURS[3])
    lower.set(
        title=f"activations in memory, in the best order: at most {kilobytes(cost.peak_bytes)} kB",
        xlabel="layer",
        ylabel="kB",
    )

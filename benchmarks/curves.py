"""Pictures of error rates: ROC, DET and histograms of similarities, as PNG or SVG.

Every picture shows the largest set of comparisons that all of its systems have: all comparisons among the photos, or
else the protocol's list of pairs. Bytes depend on the figures and on the version of matplotlib alone: no date, no
random names, none of the user's settings.

The colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008; also B. Wong, Nature Methods 8, 441,
2011), which people with any of the common colour deficiencies can tell apart; a line's marker says the same again.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.atomic import replacing
from ghostface_edge.errors import EvaluationError, OptionError, RuntimeMissingError

from .curve import Curve
from .evaluation import Evaluation
from .interval import Interval
from .metrics import ErrorRates, OperatingPoint
from .printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INK, FAINT, GRID, SHADE = "#1f2429", "#57606a", "#d5dae0", "#eceff2"
"""Of text, of lesser text, of the grid, and of the region that the data cannot support."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)
_MARKERS = "osD^vPX"
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
_GENUINE, _IMPOSTOR = _COLOURS[0], _COLOURS[1]
_DPI = 160

_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and read aloud
    "svg.hashsalt": "ghostface-edge",  # or the names of clip paths are random
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@dataclass(frozen=True)
class _Line:
    """A system as the pictures show it."""

    label: str
    curve: Curve
    rates: ErrorRates
    colour: str
    marker: str
    dash: Any


def roc_figure(evaluations: Sequence[Evaluation]) -> Figure:
    """The receiver operating characteristic: TAR over FMR, the FMR on a logarithmic axis.

    Operating points are drawn with the 95 % intervals of both rates. The region of false-match rates that the impostor
    comparisons cannot support (below 3 / N, the rule of three) is shaded.

    Args:
        evaluations: Systems on one data set.

    Raises:
        EvaluationError: No system, several data sets, or an evaluation without a curve.
        RuntimeMissingError: matplotlib is not installed.
    """
    with _style():
        lines, figure, axes = _plot(evaluations, "ROC")
        floor = _fmr_axis(axes, lines)
        axes.set_ylabel("TAR: share of genuine comparisons accepted")
        lowest = []
        for line in lines:
            fmr, tar = line.curve.fmr, 1 - line.curve.fnmr
            axes.plot(np.maximum(fmr, floor / 10), tar, **_stroke(line))
            _points(axes, line, lambda point: (point.true_matches.value, point.tar_interval), (floor, 0.0))
            lowest += [float(tar[fmr >= min(3 / line.curve.impostor, 1)].min(initial=1))]
            lowest += [point.tar_interval.low for point in line.rates.points]
        room = max(1.06 * (1 - min(lowest)), 1e-3)
        axes.set_ylim(max(1 - room, 0.0), 1 + 0.03 * room)
        axes.yaxis.set_major_formatter(_percent)
        _legend(figure, lines, lambda line: f"{line.label}; AUC {line.rates.auc:.5f}")
        _arrange(figure)
    return figure


def det_figure(evaluations: Sequence[Evaluation]) -> Figure:
    """The detection error trade-off: FNMR over FMR, both axes logarithmic (ISO/IEC 19795-1).

    Both rates are equal on the dashed diagonal (EER). What the data cannot support is shaded, for both rates.

    Args:
        evaluations: Systems on one data set.

    Raises:
        EvaluationError: No system, several data sets, or an evaluation without a curve.
        RuntimeMissingError: matplotlib is not installed.
    """
    with _style():
        lines, figure, axes = _plot(evaluations, "DET")
        floor = _fmr_axis(axes, lines)
        genuine = min(line.curve.genuine for line in lines)
        base = _least_shown(genuine)
        axes.set_yscale("log")
        _powers(axes.yaxis)
        axes.set_ylim(base, 1)
        axes.axhspan(base / 10, min(3 / genuine, 1), facecolor=SHADE, edgecolor="none", zorder=0)
        axes.set_ylabel("FNMR: share of genuine comparisons rejected (logarithmic)")
        (equal,) = axes.plot(
            (min(floor, base), 1), (min(floor, base), 1), color=FAINT, linewidth=0.8, linestyle="--", zorder=1
        )
        equal.set_label("FMR = FNMR")
        for line in lines:
            fmr, fnmr = np.maximum(line.curve.fmr, floor / 10), np.maximum(line.curve.fnmr, base / 10)
            axes.plot(fmr, fnmr, **_stroke(line))
            _points(axes, line, lambda point: (point.false_non_matches.value, point.fnmr_interval), (floor, base))
        _legend(figure, lines, lambda line: f"{line.label}; EER {line.rates.equal_error_rate:.2%}", equal)
        _arrange(figure)
    return figure


def histogram_figure(evaluations: Sequence[Evaluation]) -> Figure:
    """How the similarities of genuine and of impostor comparisons are distributed, one panel per system.

    The shares are on a logarithmic axis, because thresholds lie in the tails. Each threshold is a line with its FMR.

    Args:
        evaluations: Systems on one data set.

    Raises:
        EvaluationError: No system, several data sets, or an evaluation without a curve.
        RuntimeMissingError: matplotlib is not installed.
    """
    with _style():
        lines, kind = _lines(evaluations)
        figure = _figure(1.2 + 2.7 * len(lines))
        figure.suptitle(_title("Similarities", evaluations, kind), fontsize=11, x=0.01, ha="left")
        panels = figure.subplots(len(lines), squeeze=False, sharex=True)[:, 0]
        for line, axes in zip(lines, panels):
            _histogram(axes, line)
        panels[-1].set_xlim(min(_lowest(line.curve) for line in lines), 1)
        for line, axes in zip(lines, panels):
            _thresholds(axes, line.rates.points)
        edges = _bins(lines[0].curve)[0]
        panels[-1].set_xlabel(f"cosine similarity, in bins of {edges[1] - edges[0]:.2g}")
        figure.supylabel("share of comparisons (logarithmic)", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
        _arrange(figure)
    return figure


def cmc_figure(evaluations: Sequence[Evaluation]) -> Figure:
    """The cumulative match characteristic: the closed-set identification rate over the rank, with its intervals.

    Args:
        evaluations: Systems on one data set.

    Raises:
        EvaluationError: No system, several data sets, or an evaluation without identification.
        RuntimeMissingError: matplotlib is not installed.
    """
    check_one_data_set(evaluations)
    with _style():
        figure = _figure(4.4 + 0.2 * len(evaluations))
        axes = figure.subplots()
        axes.set_title(_title("CMC", evaluations, "everybody enrolled"), loc="left", fontsize=11, pad=10)
        axes.set_xlabel("rank")
        axes.set_ylabel("share of searches with the right person up to this rank")
        axes.set_xticks((1, 5, 10, 15, 20))
        axes.yaxis.set_major_formatter(_percent)
        for index, item in enumerate(evaluations):
            if item.identification is None:
                raise EvaluationError("an evaluation without identification has no CMC")
            points = item.identification.closed.cmc
            ranks, colour = [point.rank for point in points], _COLOURS[index % len(_COLOURS)]
            low, high = zip(*((point.interval.low, point.interval.high) for point in points))
            axes.fill_between(ranks, low, high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(
                ranks,
                [point.rate.mean for point in points],
                color=colour,
                marker=_MARKERS[index % len(_MARKERS)],
                markersize=5,
                markeredgecolor="white",
                linestyle=_DASHES[index // len(_COLOURS) % len(_DASHES)],
                label=f"{printable(item.system.label)}; rank 1 {points[0].rate.mean:.2%}",
            )
        figure.legend(loc="outside lower center", handlelength=3.2)
        _arrange(figure)
    return figure


FIGURES: dict[str, Callable[[Sequence[Evaluation]], Figure]] = {
    "roc": roc_figure,
    "det": det_figure,
    "histogram": histogram_figure,
    "cmc": cmc_figure,
}
"""Every picture by the name of its file."""


def drawable(evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
    """Names of the pictures that there are figures for."""
    curves = all(item.pair_curve or item.all_curve for item in evaluations)
    searches = all(item.identification for item in evaluations)
    return tuple(name for name in FIGURES if (searches if name == "cmc" else curves))


def write_curves(folder: str | os.PathLike[str], evaluations: Sequence[Evaluation]) -> tuple[Path, ...]:
    """Write every picture that there are figures for, as PNG and as SVG.

    Args:
        folder: Where to; it is made if need be, and files of the same names in it are replaced.
        evaluations: Systems on one data set.

    Returns:
        The files.

    Raises:
        EvaluationError: No system, or several data sets.
        OptionError: A file cannot be written.
        RuntimeMissingError: matplotlib is not installed.
    """
    check_one_data_set(evaluations)
    place = Path(os.fsdecode(folder))
    paths = []
    for name in drawable(evaluations):
        figure = FIGURES[name](evaluations)
        for write, suffix in ((write_png, "png"), (write_svg, "svg")):
            paths.append(place / f"{name}.{suffix}")
            write(paths[-1], figure)
    return tuple(paths)


def to_png(figure: Figure) -> bytes:
    """A figure as a PNG file, 160 pixels per inch."""
    return _saved(figure, "png", {"Software": None}, dpi=_DPI)


def to_svg(figure: Figure) -> bytes:
    """A figure as an SVG file; its text is text, in the viewer's own sans-serif font."""
    return _saved(figure, "svg", {"Creator": None, "Date": None, "Format": None, "Type": None})


def write_png(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write a figure as a PNG file, whole or not at all.

    Raises:
        OptionError: The file cannot be written.
    """
    _write(path, to_png(figure))


def write_svg(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write a figure as an SVG file, whole or not at all.

    Raises:
        OptionError: The file cannot be written.
    """
    _write(path, to_svg(figure))


def require_matplotlib() -> None:
    """Refuse to draw before hours are spent on measuring.

    Raises:
        RuntimeMissingError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise RuntimeMissingError(
            'pictures of error rates need the package matplotlib: pip install "ghostface-edge[eval]"'
        ) from error


@contextmanager
def _style() -> Iterator[None]:
    """Our settings in place of the user's, for the block: matplotlib keeps them for the whole process."""
    require_matplotlib()
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a box stands for the letter
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def check_one_data_set(evaluations: Sequence[Evaluation]) -> None:
    """Refuse to show figures side by side that were not measured on the same photos.

    Raises:
        EvaluationError: No system, or several data sets.
    """
    if not evaluations:
        raise EvaluationError("there is no evaluation to show")
    if len({(item.protocol, item.dataset) for item in evaluations}) > 1:
        raise EvaluationError("evaluations on different data sets do not belong in one report")


def _lines(evaluations: Sequence[Evaluation]) -> tuple[list[_Line], str]:
    """The systems, and which comparisons they are shown on."""
    check_one_data_set(evaluations)
    everything = [(item.all_curve, item.all_pairs) for item in evaluations]
    listed = [(item.pair_curve, item.pairs) for item in evaluations]
    for shown, kind in ((everything, "all comparisons"), (listed, "the protocol's pairs")):
        lines = [
            _Line(
                printable(evaluation.system.label),
                curve,
                rates,
                _COLOURS[index % len(_COLOURS)],
                _MARKERS[index % len(_MARKERS)],
                _DASHES[index // len(_COLOURS) % len(_DASHES)],
            )
            for index, (evaluation, (curve, rates)) in enumerate(zip(evaluations, shown))
            if curve is not None and rates is not None
        ]
        if len(lines) == len(evaluations):
            return lines, kind
    raise EvaluationError("an evaluation without error rates has no curve to draw")


def _figure(height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _arrange(figure: Figure) -> None:
    """Find room for everything, once: a second time moves it by a hair, and files of one figure would differ."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _plot(evaluations: Sequence[Evaluation], name: str) -> tuple[list[_Line], Figure, Axes]:
    lines, kind = _lines(evaluations)
    figure = _figure(4.6 + 0.2 * len(lines))
    axes = figure.subplots()
    axes.set_title(_title(name, evaluations, kind), loc="left", fontsize=11, pad=10)
    return lines, figure, axes


def _title(name: str, evaluations: Sequence[Evaluation], kind: str) -> str:
    first = evaluations[0]
    return f"{name}: {printable(first.protocol)}, {printable(first.dataset)}, {kind}"


def _stroke(line: _Line) -> dict[str, Any]:
    return {"color": line.colour, "linestyle": line.dash, "linewidth": 1.6, "zorder": 3}


def _fmr_axis(axes: Axes, lines: Sequence[_Line]) -> float:
    """The axis of false-match rates, with the region that the fewest impostor comparisons cannot support."""
    impostor = min(line.curve.impostor for line in lines)
    floor, limit = _least_shown(impostor), min(3 / impostor, 1)
    axes.set_xscale("log")
    _powers(axes.xaxis)
    axes.set_xlim(floor, 1)
    axes.set_xlabel("FMR: share of impostor comparisons accepted (logarithmic)")
    axes.axvspan(floor / 10, limit, facecolor=SHADE, edgecolor="none", zorder=0)
    axes.text(
        np.sqrt(floor * limit),
        0.98,
        f"below 3 / {impostor:,}:\nnot supported",
        transform=axes.get_xaxis_transform(),
        rotation=90,
        ha="center",
        va="top",
        fontsize=7.5,
        color=FAINT,
    )
    return floor


def _least_shown(count: int) -> float:
    """Where a logarithmic axis starts: a little below one event in ``count``."""
    return min(0.8 / count, 0.1)


def _powers(axis: Axis) -> None:
    """Write the ticks of a logarithmic axis as the tables do: 1e-3."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(10, numticks=20))
    axis.set_major_formatter(_power)
    axis.set_minor_formatter(NullFormatter())


def _power(value: float, _position: object = None) -> str:
    exponent = round(np.log10(value))
    return "1" if exponent == 0 else f"1e{exponent}"


def _percent(value: float, _position: object = None) -> str:
    return f"{round(100 * value, 6):g} %"


def _points(
    axes: Axes,
    line: _Line,
    height: Callable[[OperatingPoint], tuple[float, Interval]],
    least: tuple[float, float],
) -> None:
    """Operating points, with their intervals as bars; a rate of zero stands at the edge of a logarithmic axis."""
    for point in line.rates.points:
        rate, interval = height(point)
        x, y = max(point.false_matches.value, least[0]), max(rate, least[1])
        across = np.clip((point.fmr_interval.low, point.fmr_interval.high), least[0], 1)
        up = np.clip((interval.low, interval.high), least[1], 1)
        axes.plot(across, (y, y), color=line.colour, linewidth=1, alpha=0.8, zorder=4)
        axes.plot((x, x), up, color=line.colour, linewidth=1, alpha=0.8, zorder=4)
        axes.plot(
            x, y, line.marker, color=line.colour, markersize=5, markeredgecolor="white", markeredgewidth=0.7, zorder=5
        )


def _legend(figure: Figure, lines: Sequence[_Line], text: Callable[[_Line], str], *others: Line2D) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=line.marker, markersize=5, markeredgecolor="white", label=text(line), **_stroke(line))
        for line in lines
    ]
    figure.legend(handles=[*handles, *others], loc="outside lower center", handlelength=3.2)


def _bins(curve: Curve) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Edges, genuine and impostor counts, two bins of the curve in one."""
    return (
        curve.edges[::2],
        curve.genuine_counts.reshape(-1, 2).sum(axis=1),
        curve.impostor_counts.reshape(-1, 2).sum(axis=1),
    )


def _lowest(curve: Curve) -> float:
    """The lower edge of the lowest bin with a similarity of two faces; the first holds those with no face."""
    edges, genuine, impostor = _bins(curve)
    filled = np.flatnonzero(genuine[1:] + impostor[1:]) + 1
    return float(edges[filled[0]]) if len(filled) else 0.0


def _histogram(axes: Axes, line: _Line) -> None:
    edges, genuine, impostor = _bins(line.curve)
    for counts, name, colour in (
        (impostor, "impostor comparisons, of two people", _IMPOSTOR),
        (genuine, "genuine comparisons, of one person", _GENUINE),
    ):
        shares = counts / counts.sum()
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.22, zorder=2)
        axes.stairs(shares, edges, color=colour, linewidth=1.4, zorder=3, label=name)
    axes.set_yscale("log")
    _powers(axes.yaxis)
    axes.set_ylim(0.7 / max(line.curve.genuine, line.curve.impostor), 1)
    axes.set_title(line.label, loc="left", fontsize=9, pad=34)
    lost = int(genuine[0] + impostor[0])
    if lost:
        text = f"not shown: {lost:,} comparisons\nwith a photo that was not enrolled"
        axes.text(1, 1.07, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=7.5, color=FAINT)


def _thresholds(axes: Axes, points: Sequence[OperatingPoint]) -> None:
    """A line at each threshold, with its FMR above the panel; names that would overlap move apart."""
    from matplotlib.transforms import blended_transform_factory

    left, right = axes.get_xlim()
    gap = 0.026 * (right - left)
    place = left
    across_up = blended_transform_factory(axes.transData, axes.transAxes)
    points = sorted(points, key=lambda point: point.threshold)
    for index, point in enumerate(points):
        threshold = min(point.threshold, right)
        place = max(threshold, place + gap) if index else threshold
        axes.axvline(threshold, color=INK, linewidth=0.9, zorder=4)
        axes.annotate(
            f"{point.fmr:.0e}".replace("e-0", "e-"),
            (threshold, 1),
            (place, 1.07),
            xycoords=across_up,
            textcoords=across_up,
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
        )
        if not index:
            axes.text(
                threshold - gap, 1.07, "threshold at FMR", transform=across_up, ha="right", va="bottom", fontsize=8
            )


def _saved(figure: Figure, form: str, metadata: dict[str, None], **options: Any) -> bytes:
    stream = BytesIO()
    with _style():
        figure.savefig(stream, format=form, metadata=metadata, **options)
    return stream.getvalue()


def _write(path: str | os.PathLike[str], data: bytes) -> None:
    try:
        Path(os.fsdecode(path)).parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(data)
    except (OSError, ValueError) as error:  # a zero byte in the path is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"cannot write {printable(os.fsdecode(path))}: {reason}") from error

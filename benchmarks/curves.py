"""Pictures of error rates: ROC, DET and histograms of similarities, as PNG or SVG.

Every picture shows the richest set of comparisons that all of its systems have: all comparisons among the photos, or
else the protocol's list of pairs. Bytes depend on the figures and on the version of matplotlib alone: no date, no random
names, no settings of the user's.

The colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008; also B. Wong, Nature Methods 8, 441, 2011),
which people with any of the common colour deficiencies can tell apart; a line's marker and dashes say the same again.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.atomic import replacing
from ghostface_edge.errors import EvaluationError, OptionError, RuntimeMissingError

from .evaluation import Evaluation
from .metrics import ErrorRates, OperatingPoint, Scores
from .printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INK, FAINT, GRID, SHADE = "#1f2429", "#57606a", "#d5dae0", "#eceff2"
"""Of text, of lesser text, of the grid, and of the region that the data cannot support."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)
_MARKERS = "osD^vPX"
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
_GENUINE, _IMPOSTOR = _COLOURS[0], _COLOURS[1]
_BIN = 0.02  # width of a histogram's bins, in cosine similarity
_NO_FACE = -1.0  # the similarity of a comparison with a photo that was not enrolled
_DPI = 160

_STYLE: dict[str, Any] = {
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
    scores: Scores
    rates: ErrorRates
    colour: str
    marker: str
    dash: Any


def roc_figure(evaluations: Sequence[Evaluation]) -> Figure:
    """The receiver operating characteristic: TAR over FMR, the FMR on a logarithmic axis.

    Operating points are drawn with both 95 % intervals. The region of false-match rates that the impostor comparisons
    cannot support (below 3 / N, the rule of three) is shaded.

    Args:
        evaluations: Systems on one data set.

    Raises:
        EvaluationError: No system, several data sets, or an evaluation without scores.
        RuntimeMissingError: matplotlib is not installed.
    """
    with _style():
        lines, figure, axes = _plot(evaluations, "ROC")
        floor = _fmr_axis(axes, lines)
        axes.set_ylabel("TAR: share of genuine comparisons accepted")
        lowest = 1.0
        for line in lines:
            _, fmr, fnmr = line.scores.roc()
            order = np.argsort(-fmr, kind="stable")
            axes.plot(np.maximum(fmr[order], floor / 10), 1 - fnmr[order], **_stroke(line))
            _points(axes, line, lambda point: (point.true_matches.value, point.tar_interval), (floor, 0.0))
            lowest = min([lowest, 1 - line.scores.fnmr(line.scores.impostor[-_supported(line)]).value])
            lowest = min([lowest, *(point.tar_interval.low for point in line.rates.points)])
        bottom = max(lowest - 0.06 * (1 - lowest), 0.0) if lowest < 1 else 0.9
        axes.set_ylim(bottom, 1 + 0.03 * (1 - bottom))
        axes.yaxis.set_major_formatter(_percent)
        _legend(figure, lines, lambda line: f"{line.label}; AUC {line.rates.auc:.5f}")
    return figure


def det_figure(evaluations: Sequence[Evaluation]) -> Figure:
    """The detection error trade-off: FNMR over FMR, both axes logarithmic (ISO/IEC 19795-1).

    The dashed diagonal is where both are equal (EER). Regions that the data cannot support are shaded, for both rates.

    Args:
        evaluations: Systems on one data set.

    Raises:
        EvaluationError: No system, several data sets, or an evaluation without scores.
        RuntimeMissingError: matplotlib is not installed.
    """
    with _style():
        lines, figure, axes = _plot(evaluations, "DET")
        floor = _fmr_axis(axes, lines)
        genuine = min(line.rates.genuine for line in lines)
        base = _log_axis(axes.yaxis, genuine)
        axes.set_ylim(base, 1)
        axes.axhspan(base / 10, min(3 / genuine, 1), facecolor=SHADE, edgecolor="none", zorder=0)
        axes.set_ylabel("FNMR: share of genuine comparisons rejected")
        axes.plot((1e-12, 1), (1e-12, 1), color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        for line in lines:
            _, fmr, fnmr = line.scores.roc()
            order = np.argsort(-fmr, kind="stable")
            axes.plot(np.maximum(fmr[order], floor / 10), np.maximum(fnmr[order], base / 10), **_stroke(line))
            _points(axes, line, lambda point: (point.false_non_matches.value, point.fnmr_interval), (floor, base))
        _legend(figure, lines, lambda line: f"{line.label}; EER {line.rates.equal_error_rate:.2%}")
    return figure


def histogram_figure(evaluations: Sequence[Evaluation]) -> Figure:
    """How the similarities of genuine and of impostor comparisons are spread, one panel per system.

    The shares are on a logarithmic axis, because thresholds lie in the tails. Each threshold is a line with its FMR.

    Args:
        evaluations: Systems on one data set.

    Raises:
        EvaluationError: No system, several data sets, or an evaluation without scores.
        RuntimeMissingError: matplotlib is not installed.
    """
    with _style():
        lines, kind = _lines(evaluations)
        figure = _figure(1.7 + 2.6 * len(lines))
        figure.suptitle(_title("Similarities", evaluations, kind), fontsize=11, x=0.01, ha="left")
        panels = figure.subplots(len(lines), squeeze=False, sharex=True)[:, 0]
        left = min(_least(line.scores) for line in lines)
        edges = np.arange(np.floor(left / _BIN), round(1 / _BIN) + 1) * _BIN
        for line, axes in zip(lines, panels):
            _histogram(axes, line, edges)
        panels[-1].set_xlabel("cosine similarity")
        figure.supylabel(f"share of comparisons per {_BIN:g} of similarity", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


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


@contextmanager
def _style() -> Iterator[None]:
    """Our settings in place of the user's, for the block: matplotlib keeps them for the whole process."""
    try:
        import matplotlib
    except ImportError as error:
        raise RuntimeMissingError(
            'pictures of error rates need the package matplotlib: pip install "ghostface-edge[eval]"'
        ) from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a box stands for the letter
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def _lines(evaluations: Sequence[Evaluation]) -> tuple[list[_Line], str]:
    """The systems, and which comparisons they are shown on."""
    if not evaluations:
        raise EvaluationError("there is no evaluation to draw")
    if len({(item.protocol, item.dataset) for item in evaluations}) > 1:
        raise EvaluationError("curves of different data sets do not belong in one figure")
    everything = [(item.all_scores, item.all_pairs) for item in evaluations]
    listed = [(item.pair_scores, item.pairs) for item in evaluations]
    for shown, kind in ((everything, "all comparisons"), (listed, "the protocol's pairs")):
        lines = [
            _Line(
                printable(evaluation.system.label),
                scores,
                rates,
                _COLOURS[index % len(_COLOURS)],
                _MARKERS[index % len(_MARKERS)],
                _DASHES[index // len(_COLOURS) % len(_DASHES)],
            )
            for index, (evaluation, (scores, rates)) in enumerate(zip(evaluations, shown))
            if scores is not None and rates is not None
        ]
        if len(lines) == len(evaluations):
            return lines, kind
    raise EvaluationError("an evaluation without scores cannot be drawn")


def _figure(height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


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


def _supported(line: _Line) -> int:
    """How many of the highest impostor similarities must be counted before an FMR is supported."""
    return min(3, line.rates.impostor)


def _fmr_axis(axes: Axes, lines: Sequence[_Line]) -> float:
    """The axis of false-match rates, with the region that the fewest impostor comparisons cannot support."""
    impostor = min(line.rates.impostor for line in lines)
    floor = _log_axis(axes.xaxis, impostor)
    axes.set_xlim(floor, 1)
    axes.set_xlabel("FMR: share of impostor comparisons accepted (logarithmic)")
    axes.axvspan(floor / 10, min(3 / impostor, 1), facecolor=SHADE, edgecolor="none", zorder=0)
    axes.text(
        np.sqrt(floor * min(3 / impostor, 1)),
        0.03,
        f"below 3 / {impostor:,}: not supported",
        transform=axes.get_xaxis_transform(),
        rotation=90,
        ha="center",
        va="bottom",
        fontsize=7.5,
        color=FAINT,
        zorder=2,
    )
    return floor


def _log_axis(axis: Axis, count: int) -> float:
    """Make an axis logarithmic; where it starts: a little below one event in ``count``."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis._set_axes_scale("log")
    axis.set_major_locator(LogLocator(10, numticks=20))
    axis.set_minor_locator(LogLocator(10, tuple(range(2, 10)), numticks=200))
    axis.set_major_formatter(_power)
    axis.set_minor_formatter(NullFormatter())
    return min(0.8 / count, 0.1)


def _power(value: float, _position: object = None) -> str:
    exponent = round(np.log10(value))
    return "1" if exponent == 0 else f"1e{exponent}"


def _percent(value: float, _position: object = None) -> str:
    return f"{round(100 * value, 6):g} %"


def _points(
    axes: Axes,
    line: _Line,
    height: Callable[[OperatingPoint], tuple[float, Any]],
    least: tuple[float, float],
) -> None:
    """Operating points, with their intervals as bars; a rate of zero stands at the edge of a logarithmic axis."""
    for point in line.rates.points:
        rate, interval = height(point)
        x, y = max(point.false_matches.value, least[0]), max(rate, least[1])
        across, up = (np.clip((span.low, span.high), edge, 1) for span, edge in zip((point.fmr_interval, interval), least))
        axes.plot(across, (y, y), color=line.colour, linewidth=1, alpha=0.8, zorder=4)
        axes.plot((x, x), up, color=line.colour, linewidth=1, alpha=0.8, zorder=4)
        axes.plot(
            x, y, line.marker, color=line.colour, markersize=5, markeredgecolor="white", markeredgewidth=0.7, zorder=5
        )


def _legend(figure: Figure, lines: Sequence[_Line], text: Callable[[_Line], str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=line.marker, markersize=5, markeredgecolor="white", label=text(line), **_stroke(line))
        for line in lines
    ]
    figure.legend(handles=handles, loc="outside lower center", handlelength=3.2)


def _least(scores: Scores) -> float:
    """The lowest similarity of two faces."""
    lows = [values[values > _NO_FACE][:1] for values in (scores.genuine, scores.impostor)]
    return min([0.0, *(float(low[0]) for low in lows if len(low))])


def _histogram(axes: Axes, line: _Line, edges: NDArray[np.float64]) -> None:
    scores = line.scores
    least = 1.0
    for values, name, colour, hatch in (
        (scores.impostor, "impostor: two people", _IMPOSTOR, None),
        (scores.genuine, "genuine: one person", _GENUINE, "///"),
    ):
        places = np.searchsorted(values, edges)
        places[-1] = len(values)
        shares = np.diff(places) / len(values)
        least = min(least, 1 / len(values))
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.25, zorder=2, label=None)
        axes.stairs(shares, edges, color=colour, linewidth=1.4, zorder=3, label=name, hatch=hatch, alpha=0.9)
    axes.set_yscale("log")
    axes.set_xlim(edges[0], 1)
    axes.set_ylim(least * 0.7, 1)
    axes.yaxis.set_major_formatter(_power)
    axes.set_title(line.label, loc="left", fontsize=9, pad=34)
    lost = int(np.searchsorted(scores.genuine, _NO_FACE, side="right"))
    if lost:
        note = f"{lost:,} genuine comparisons with a photo that was not enrolled have no place here"
        axes.text(1, 1.07, note.replace(" that", "\nthat"), transform=axes.transAxes, ha="right", va="bottom", fontsize=7.5)
    _thresholds(axes, line.rates.points)


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
        with replacing(path) as file:
            file.write(data)
    except (OSError, ValueError) as error:  # a zero byte in the path is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"cannot write {printable(os.fsdecode(path))}: {reason}") from error

"""Choose the range that each tensor's integers cover.

Every method works on one histogram per set of tied tensors. Values of exactly 0, which most results of a ReLU are, are
left out: they are stored exactly whatever the range. The methods:

* ``minmax``: all values.
* ``percentile``: all but 1 in 20,000 on either side.
* ``mse``: least mean square error.
* ``entropy``: least Kullback-Leibler divergence between the values and their rounded form (S. Migacz, "8-bit inference
  with TensorRT", GTC 2017), for ranges that reach from a share of the smallest to the same share of the largest value.
* ``damage``: as ``mse``, each channel weighted with how much the output hangs on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import OptionError

from .graph import FloatArray, Graph, HardSigmoid, Sigmoid
from .quantization import UNIT, Affine, Quantization, tied_tensors
from .simulator import COPYING, Simulator
from .statistics import Channels, Statistics, batches

METHODS = ("minmax", "percentile", "mse", "entropy", "damage")

_BINS = 4096
_LEFT_OUT = 1 / 20_000
_SHRINKING = np.array([1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
_CLIPPING_COST = 2.0
_SIGMOID = Affine(1 / 256, -128)
"""What the integer kernels of a sigmoid demand of their result."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often values occur, weighted.

    Attributes:
        centres: (bins,) float64, equally spaced.
        mass: (bins,) float64.
    """

    centres: NDArray[np.float64]
    mass: NDArray[np.float64]

    def error(self, affine: Affine, clipping_cost: float = 1.0) -> float:
        """Weighted sum of squared errors: of a twelfth of a squared step inside the range, of the excess outside."""
        outside = self.centres - np.clip(self.centres, affine.low, affine.high)
        inside = outside == 0
        return float(self.mass[inside].sum() * affine.scale**2 / 12 + clipping_cost * (self.mass @ outside**2))


def fixed_affines(graph: Graph, picture: Affine, bits: int = 8) -> dict[str, Affine]:
    """The tensors whose affine does not depend on their values, and all that are tied to them.

    Args:
        graph: The network.
        picture: Of the input.
        bits: Of all others.
    """
    fixed = {graph.input.name: picture}
    for node in graph.nodes:
        if isinstance(node, HardSigmoid):
            fixed[node.name] = UNIT if bits == 8 else Affine(1 / 32767, 0, 16)
        elif isinstance(node, Sigmoid):
            fixed[node.name] = _SIGMOID if bits == 8 else Affine(1 / 32768, 0, 16)
    ties = tied_tensors(graph)
    by_root = {ties[name]: affine for name, affine in fixed.items()}
    return {name: by_root[root] for name, root in ties.items() if root in by_root}


def histograms(
    graph: Graph,
    pictures: FloatArray,
    statistics: Statistics,
    weights: Mapping[str, Channels] | None = None,
) -> dict[str, Histogram]:
    """One histogram for each set of tied tensors, by its representative.

    Args:
        graph: The network as it will be quantised.
        pictures: (pictures, height, width, channels) float32, as the network takes them.
        statistics: Of the same pictures in the same network.
        weights: For every tensor, the weight of each channel; by default 1, or for sets of several tensors the number
            of values per picture.
    """
    ties = tied_tensors(graph)
    nodes = graph.by_name()
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for name in statistics.low:
        root = ties[name]
        low[root] = min(low.get(root, 0.0), float(statistics.low[name].min()))
        high[root] = max(high.get(root, 0.0), float(statistics.high[name].max()))
    mass = {root: np.zeros(_BINS) for root in low}
    simulator = Simulator(graph)
    for part in batches(graph, pictures):
        for name, tensor in simulator.run(part).items():
            root = ties[name]
            width = (high[root] - low[root]) / _BINS
            if width <= 0 or isinstance(nodes[name], COPYING):
                continue
            rows = tensor.reshape(-1, tensor.shape[-1])
            bins = np.clip((rows - np.float32(low[root])) * np.float32(1 / width), 0, _BINS - 1).astype(np.intp)
            weight = np.ones(rows.shape[1]) if weights is None else weights.get(name, np.zeros(rows.shape[1]))
            spread = (rows != 0) * (weight / (len(pictures) * len(rows) / len(part)))
            mass[root] += np.bincount(bins.ravel(), spread.ravel(), _BINS)
    return {
        root: Histogram(low[root] + (np.arange(_BINS) + 0.5) * (high[root] - low[root]) / _BINS, mass[root])
        for root in low
    }


def choose_ranges(
    graph: Graph,
    found: Mapping[str, Histogram],
    statistics: Statistics,
    picture: Affine,
    method: str = "damage",
    bits: int = 8,
) -> Quantization:
    """A quantisation of every tensor.

    Args:
        graph: The network as it will be quantised.
        found: Its histograms.
        statistics: Of the same pictures.
        picture: Affine of the input.
        method: One of :data:`METHODS`; ``damage`` is ``mse`` on histograms that are weighted with the sensitivity, and
            counts clipping twice, for its errors are rare, large and have a direction.
        bits: 8 or 16.

    Raises:
        OptionError: There is no such method.
    """
    if method not in METHODS:
        raise OptionError(f"method={method!r} does not exist; choose from: {', '.join(METHODS)}")
    fixed = fixed_affines(graph, picture, bits)
    chosen = {root: _choose(histogram, method, bits) for root, histogram in found.items()}
    ties = tied_tensors(graph)
    return Quantization({name: fixed.get(name) or chosen[ties[name]] for name in statistics.low})


def _choose(histogram: Histogram, method: str, bits: int) -> Affine:
    low, high = _extremes(histogram)
    if method == "minmax" or bits == 16:
        return Affine.over(low, high, bits)
    if method == "percentile":
        return Affine.over(*_percentiles(histogram))
    if method == "entropy":
        ranges = [Affine.over(low * share, high * share) for share in _SHRINKING]
        return min(ranges, key=lambda affine: _divergence(histogram, affine))
    cost = _CLIPPING_COST if method == "damage" else 1.0
    best = Affine.over(low, high)
    # The sides are shrunk together first, then each by itself, from coarse to fine.
    left = right = 1.0
    for shares in ([(s, s) for s in _SHRINKING], _pairs(0.7, 1.3, 7), _pairs(0.92, 1.08, 5)):
        tried = [(min(left * a, 1.0), min(right * b, 1.0)) for a, b in shares]
        errors = [histogram.error(Affine.over(low * a, high * b), cost) for a, b in tried]
        left, right = tried[int(np.argmin(errors))]
        best = Affine.over(low * left, high * right)
    return best


def _pairs(first: float, last: float, count: int) -> list[tuple[float, float]]:
    line = np.linspace(first, last, count)
    return [(float(a), float(b)) for a in line for b in line]


def _extremes(histogram: Histogram) -> tuple[float, float]:
    half = (histogram.centres[1] - histogram.centres[0]) / 2
    return float(histogram.centres[0] - half), float(histogram.centres[-1] + half)


def _percentiles(histogram: Histogram) -> tuple[float, float]:
    share = np.cumsum(histogram.mass) / max(histogram.mass.sum(), 1e-300)
    low = int(np.searchsorted(share, _LEFT_OUT))
    high = min(int(np.searchsorted(share, 1 - _LEFT_OUT)), len(share) - 1)
    return float(histogram.centres[low]), float(histogram.centres[high])


def _divergence(histogram: Histogram, affine: Affine) -> float:
    """Of the values, cut to the range, from what is left of them when the numbers of each level are made alike."""
    clipped = np.clip(histogram.centres, affine.low, affine.high)
    levels = np.rint(clipped / affine.scale).astype(np.intp) + (-affine.zero_point + 128 - 128)
    levels -= levels.min()
    inside = clipped == histogram.centres
    mass = np.bincount(np.searchsorted(histogram.centres, clipped), histogram.mass, len(clipped) + 1)[:-1]
    present = histogram.mass > 0
    count = np.bincount(levels, present & inside)
    level_mass = np.bincount(levels, histogram.mass * inside)
    smooth = np.where(present & inside, (level_mass / np.maximum(count, 1))[levels], 0.0)
    p, q = mass / max(mass.sum(), 1e-300), smooth / max(smooth.sum(), 1e-300)
    used = p > 0
    return float((p[used] * np.log(p[used] / np.maximum(q[used], 1e-12))).sum())

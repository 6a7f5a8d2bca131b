"""Choose the range that each tensor's integers cover.

Every method looks at one histogram per set of tied tensors. Values of exactly 0, which most results of a ReLU are, are
left out: they are stored exactly whatever the range. The methods:

* ``minmax``: all values.
* ``percentile``: all but 1 in 20,000 on either side.
* ``mse``: least mean square error.
* ``entropy``: least Kullback-Leibler divergence of the rounded values from the values (S. Migacz, "8-bit inference with
  TensorRT", GTC 2017).
* ``gain``: as ``mse``, each channel weighted with how much the outputs hang on it, and clipping weighted up.

Official W0.5-S2 checkpoint, full int8 after :func:`.calibration.calibrate`, cosine to float on 549 other faces, mean /
smallest: ``minmax`` 0.9877 / 0.972, ``percentile`` 0.9908 / 0.935, ``mse`` 0.9910 / 0.955, ``entropy`` 0.9876 / 0.936,
``gain`` 0.9908 / 0.966. Where channels are only made alike, it matters more: ``minmax`` 0.950, ``mse`` 0.968, ``gain``
0.978. Trying ranges end to end, tensor by tensor, overfits the pictures it is tried on: 700 trials on 24 faces brought
their cosine from 0.9908 to 0.9922, and that of the 549 others from 0.9911 to 0.9904.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .channel_statistics import ChannelStatistics
from .choices import choose
from .graph import FloatArray, Graph, HardSigmoid, Sigmoid
from .quantization import COPYING, UNIT, Affine, Quantization, fused_followers, tied_tensors
from .simulator import Simulator, batches

METHODS = ("minmax", "percentile", "mse", "entropy", "gain")

_BINS = 4096
_LEFT_OUT = 1 / 20_000
_SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Of the whole range, tried for both sides at once."""
_CLIPPING = 4.0
"""Weight of clipped values beside rounded ones in ``gain``: their errors are rare, large and of one sign. On W0.5-S2,
weights of 1 to 8 give the same mean cosine; 4 gave the best smallest one."""

_SIGMOID = {8: Affine(1 / 256, -128), 16: Affine(1 / 32768, 0, 16)}
"""What the integer kernels of a sigmoid demand of their result (TensorFlow Lite's quantisation specification)."""
_GATE = {8: UNIT, 16: Affine(float(np.float32(1 / 32767)), 0, 16)}


@dataclass(frozen=True, eq=False)
class Histogram:
    """How much weight lies where.

    Attributes:
        low: Where the first bin begins, at most 0.
        high: Where the last bin ends, at least 0.
        mass: (bins,) float64: weight in bins of equal width.
    """

    low: float
    high: float
    mass: NDArray[np.float64]

    @property
    def centres(self) -> NDArray[np.float64]:
        """Middle of each bin."""
        return self.low + (np.arange(len(self.mass)) + 0.5) * (self.high - self.low) / len(self.mass)

    def error(self, affine: Affine, clipping: float = 1.0) -> float:
        """Weighted sum of squared errors: a twelfth of a squared step inside the range, the excess outside it."""
        excess = self.centres - np.clip(self.centres, affine.low, affine.high)
        return float(self.mass[excess == 0].sum() * affine.scale**2 / 12 + clipping * (self.mass @ excess**2))


def choose_ranges(
    graph: Graph,
    pictures: FloatArray,
    statistics: ChannelStatistics,
    picture: Affine,
    *,
    method: str = "gain",
    bits: int = 8,
) -> Quantization:
    """A quantisation of every tensor.

    Args:
        graph: The network as it will be quantised.
        pictures: (pictures, height, width, channels) float32, as the network takes them.
        statistics: Of these pictures, in this network.
        picture: How the input becomes integers.
        method: One of :data:`METHODS`.
        bits: 8 or 16; 16 bits are enough for all values, so they have ``minmax`` whatever the method.

    Raises:
        OptionError: There is no such method.
        ConversionError: No picture, or pictures of another shape.
    """
    choose("method", method, METHODS)
    found = _histograms(graph, pictures, statistics, weighted=method == "gain")
    chosen = {root: _choose(histogram, method, bits) for root, histogram in found.items()}
    ties = tied_tensors(graph)
    chosen.update(gate_affines(graph, bits))
    chosen[ties[graph.input.name]] = picture
    fused = fused_followers(graph)
    return Quantization({name: chosen[root] for name, root in ties.items() if name not in fused})


def gate_affines(graph: Graph, bits: int = 8) -> dict[str, Affine]:
    """What the kernels of sigmoids and hard-sigmoids demand of their results, by the representatives of these."""
    ties = tied_tensors(graph)
    return {
        ties[node.name]: (_SIGMOID if isinstance(node, Sigmoid) else _GATE)[bits]
        for node in graph.nodes
        if isinstance(node, (Sigmoid, HardSigmoid))
    }


def _histograms(
    graph: Graph, pictures: FloatArray, statistics: ChannelStatistics, *, weighted: bool
) -> dict[str, Histogram]:
    """One for each set of tied tensors, by its representative; every channel counts alike, or by its gain."""
    ties, nodes, fused = tied_tensors(graph), graph.by_name(), fused_followers(graph)
    low: dict[str, float] = dict.fromkeys(ties.values(), 0.0)
    high: dict[str, float] = dict.fromkeys(ties.values(), 0.0)
    for name, root in ties.items():
        if name not in fused:
            low[root] = min(low[root], float(statistics.low[name].min()))
            high[root] = max(high[root], float(statistics.high[name].max()))
    mass = {root: np.zeros(_BINS) for root in low}
    simulator = Simulator(graph)
    for part in batches(graph, pictures):
        for name, tensor in simulator.run(part).items():
            root = ties[name]
            if isinstance(nodes[name], COPYING) or high[root] <= low[root]:
                continue
            rows = tensor.reshape(-1, tensor.shape[-1])
            place = (rows - np.float32(low[root])) * np.float32(_BINS / (high[root] - low[root]))
            channels = statistics.gain[name] if weighted else np.ones(rows.shape[1], np.float32)
            weights = (rows != 0) * (channels * (len(part) / (len(rows) * len(pictures))))
            bins = np.clip(place, 0, _BINS - 1).astype(np.intp)
            mass[root] += np.bincount(bins.ravel(), weights.ravel(), _BINS)
    return {root: Histogram(low[root], high[root], mass[root]) for root in low}


def _choose(histogram: Histogram, method: str, bits: int) -> Affine:
    low, high = histogram.low, histogram.high
    whole = Affine.over(low, high, bits)
    if method == "minmax" or bits == 16 or not histogram.mass.any():
        return whole
    if method == "percentile":
        return Affine.over(*_percentiles(histogram))
    if method == "entropy":
        return min(
            (Affine.over(low * share, high * share) for share in _SHARES), key=lambda a: _divergence(histogram, a)
        )
    # Both sides are drawn in together first, then each by itself, from coarse to fine.
    clipping = _CLIPPING if method == "gain" else 1.0
    left = right = 1.0
    for shares in (list(zip(_SHARES, _SHARES)), _pairs(0.7, 1.3), _pairs(0.91, 1.09)):
        tried = [(min(left * down, 1.0), min(right * up, 1.0)) for down, up in shares]
        errors = [histogram.error(Affine.over(low * down, high * up), clipping) for down, up in tried]
        left, right = tried[int(np.argmin(errors))]
    return Affine.over(low * left, high * right)


def _pairs(first: float, last: float) -> list[tuple[float, float]]:
    line = np.linspace(first, last, 7).tolist()
    return [(down, up) for down in line for up in line]


def _percentiles(histogram: Histogram) -> tuple[float, float]:
    share = np.cumsum(histogram.mass) / histogram.mass.sum()
    ends = np.searchsorted(share, [_LEFT_OUT, 1 - _LEFT_OUT])
    low, high = histogram.centres[np.minimum(ends, len(share) - 1)]
    return float(low), float(high)


def _divergence(histogram: Histogram, affine: Affine) -> float:
    """Of the rounded values from the values cut to the range.

    Rounding spreads what falls on one level evenly over the bins in use there; it does not see what was cut off.
    """
    centres, mass = histogram.centres, histogram.mass
    inside = (centres >= affine.low) & (centres <= affine.high) & (mass > 0)
    if not inside.any():
        return float("inf")
    first, last = np.flatnonzero(inside)[[0, -1]]
    true = mass * inside
    true[first] += mass[:first].sum()
    true[last] += mass[last + 1 :].sum()
    levels = affine.quantize(centres).astype(np.intp) + 128
    sums, bins = np.bincount(levels, mass * inside, 256), np.bincount(levels, inside, 256)
    rounded = np.where(inside, (sums / np.maximum(bins, 1))[levels], 0.0)
    p, q = true[inside] / true.sum(), rounded[inside] / rounded.sum()
    return float((p * np.log(p / q)).sum())

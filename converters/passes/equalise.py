"""Choose the channels' scales inside a network so that rounding to 8 bits does the least harm to its outputs.

PReLU, ReLU, sums, Concat, pooling and resizing let a positive factor pass, so a channel may be multiplied by any number
before them and divided by it in the kernel of the next convolution (M. Nagel and others, "Data-Free Quantization
Through Weight Equalization and Bias Correction", ICCV 2019, section 4.1). A channel that is made larger loses less by
rounding, but once it is the largest of its tensor it makes the step of all the others coarser.

Both are known. A tensor of step D adds noise of variance D^2 / 12 to each of its numbers; for a channel multiplied by s
and of gain g (see :class:`~..channel_statistics.ChannelStatistics`) that is g D^2 / (12 s^2) at the outputs, and D grows
with the largest s r of the tensor, r being a channel's range. The sum over all channels of all tensors is convex in
log s, so it has one minimum. At the minimum every group of tied channels suffers as much as it causes: the noise that
its own numbers get is the noise that its share in the steps gives to everyone. Each round moves every group towards
that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..channel_statistics import ChannelStatistics
from ..graph import Graph
from ..quantization import fused_followers, tied_tensors
from .channels import ChannelGroups, Factors, scale_groups, scaled

LIMIT = 1e3
"""No channel is multiplied or divided by more."""

_EXPONENTS = (2, 4, 8, 16)
"""The largest of a tensor's ranges is taken as their p-norm, which is smooth; p grows from stage to stage."""

_ROUNDS = 20
_LEAST = 1e-6
"""Of the largest range of a tensor: a channel that never moves counts as one of this range."""


def equalise(graph: Graph, statistics: ChannelStatistics) -> Graph:
    """The same network with every channel in the scale that suits 8-bit integers best.

    Args:
        graph: The network, with PReLU lowered if it is going to be.
        statistics: Measured on this graph.
    """
    groups = scale_groups(graph)
    return scaled(graph, groups.factors(np.exp(_Noise(graph, groups, statistics).quietest())))


class _Noise:
    """The channels of all tensors that are stored, one after the other, those of tied tensors side by side."""

    def __init__(self, graph: Graph, groups: ChannelGroups, statistics: ChannelStatistics) -> None:
        fused, ties = fused_followers(graph), tied_tensors(graph)
        stored = [node.name for node in graph.nodes if node.name not in fused]
        stored.sort(key=ties.__getitem__)
        ranges, gains = [], []
        for name in stored:
            ranges.append(np.maximum(-statistics.low[name], statistics.high[name]).astype(np.float64))
            gains.append(statistics.gain[name].astype(np.float64))
        keys = np.concatenate([np.full(len(part), hash_) for part, hash_ in zip(ranges, _numbers(stored, ties))])
        self._segment = keys
        self._count = int(keys.max()) + 1
        self._starts = np.searchsorted(keys, np.arange(self._count))
        self._group = np.concatenate([groups.numbers[name] for name in stored])
        self._pinned = groups.pinned
        everything = np.concatenate(ranges)
        floor = np.maximum(np.maximum.reduceat(everything, self._starts) * _LEAST, np.finfo(np.float32).tiny)
        self._log_range = np.log(np.maximum(everything, floor[keys]))
        self._gain = np.concatenate(gains)

    def quietest(self) -> Factors:
        """The logarithm of each group's factor."""
        logs = np.zeros(len(self._pinned))
        for exponent in _EXPONENTS:
            for _ in range(_ROUNDS):
                suffered, caused = self._balance(logs, exponent)
                step = np.log(suffered / caused) / (exponent + 2)
                logs = np.where(self._pinned, 0.0, np.clip(logs + step, -np.log(LIMIT), np.log(LIMIT)))
        return logs

    def _balance(self, logs: Factors, exponent: float) -> tuple[Factors, Factors]:
        """For each group, the noise that its numbers get and the noise that its range gives to its tensors."""
        scales = logs[self._group]
        reach = scales + self._log_range
        top = np.maximum.reduceat(reach, self._starts)
        powers = np.exp(exponent * (reach - top[self._segment]))
        norm = np.add.reduceat(powers, self._starts)
        step = top + np.log(norm) / exponent
        noise = self._gain * np.exp(2 * (step[self._segment] - scales))
        total = np.add.reduceat(noise, self._starts)
        caused = powers * (total / norm)[self._segment]
        least = 1e-12 * total.sum() + np.finfo(np.float64).tiny
        return self._by_group(noise) + least, self._by_group(caused) + least

    def _by_group(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(self._group, values, len(self._pinned))


def _numbers(stored: list[str], ties: dict[str, str]) -> list[int]:
    order = {key: number for number, key in enumerate(sorted({ties[name] for name in stored}))}
    return [order[ties[name]] for name in stored]

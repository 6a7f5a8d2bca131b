"""Choose the channels' scales inside a network so that rounding to 8 bits does the least harm to its outputs.

PReLU, ReLU, sums, Concat, pooling and resizing let a positive factor pass, so a channel may be multiplied by any number
before them and divided by it in the kernel of the next convolution (M. Nagel and others, "Data-Free Quantization
Through Weight Equalization and Bias Correction", ICCV 2019, section 4.1). A channel that is made larger loses less by
rounding, but once it is the largest of its tensor it makes the step of all the others coarser.

Both are known. A tensor of step D adds noise of variance D^2 / 12 to each of its numbers; for a channel multiplied by s
and of gain g (:class:`~..channel_statistics.ChannelStatistics`) that is g D^2 / (12 s^2) at the outputs, and D grows
with the largest and the smallest s x of the tensor. Kernels push the other way: a channel that is made larger gets
smaller weights, which round coarser beside the others of their kernel. The sum over all channels of all tensors and
kernels is convex in log s, so it has one minimum. At the minimum every group of tied channels suffers as much as it
causes: the noise that its own numbers get is the noise that its share in the steps gives to everyone. Each round moves
every group towards that.

Official W0.5-S2 checkpoint, full int8, mean cosine to float on 549 faces, ranges and biases treated alike: 0.9903 with
symmetric ranges, the largest of all photos and no kernels; 0.9911 as it is here. (Factors that only make the ranges
alike, to the power 0.65: 0.978 before biases are corrected, 0.990 as it is here.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..channel_statistics import ChannelStatistics
from ..graph import Conv, Graph
from ..quantization import COPYING, fused_followers, tied_tensors
from .channels import ChannelGroups, Factors, scale_groups, scaled

LIMIT = 1e3
"""No channel is multiplied or divided by more."""

_EXPONENTS = (2, 4, 8, 16, 32)
"""The largest of a tensor's ranges is taken as their p-norm, which is smooth; p grows from stage to stage."""

_ROUNDS = 40
_LEAST = 1e-6
"""Of the largest range of a tensor: a channel that never moves counts as one of this range."""


def equalise(graph: Graph, statistics: ChannelStatistics) -> Graph:
    """The same network with every channel in the scale that suits 8-bit integers best.

    Args:
        graph: The network, with PReLU lowered if it is going to be.
        statistics: Measured on this graph.
    """
    groups = scale_groups(graph)
    return scaled(graph, groups.factors(best_factors(graph, groups, statistics)))


def best_factors(graph: Graph, groups: ChannelGroups, statistics: ChannelStatistics) -> Factors:
    """The factor of each group.

    Args:
        graph: The network, with PReLU lowered if it is going to be.
        groups: :func:`.channels.scale_groups` of it.
        statistics: Measured on this graph.
    """
    tensors, kernels = _tensors(graph, groups, statistics), kernel_noise(graph, groups, statistics)
    count = len(groups.pinned)
    power = np.zeros(count)
    for name, numbers in groups.numbers.items():
        np.maximum.at(power, numbers, statistics.power[name])
    still = groups.pinned | (power == 0)  # a channel that never moves is left alone
    logs = np.zeros(count)
    for exponent in _EXPONENTS:
        for _ in range(_ROUNDS):
            suffered, caused = tensors.balance(logs, exponent)
            # A kernel's weights are divided by s: what it suffers falls where it causes more, and the reverse.
            kernels_suffered, kernels_caused = kernels.balance(-logs, exponent)
            least = 1e-12 * suffered.sum() + np.finfo(np.float64).tiny
            ratio = (suffered + kernels_caused + least) / (caused + kernels_suffered + least)
            logs = np.where(still, 0.0, logs + np.log(ratio) / (exponent + 2))
            logs = np.clip(logs, -np.log(LIMIT), np.log(LIMIT))
    return np.asarray(np.exp(logs))


class _Noise:
    """Numbers that share a step, set after set; how much each suffers from the step, and how much of it it causes."""

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[np.intp], Factors, Factors, Factors]] = []

    def add(self, groups: Sequence[NDArray[np.intp]], low: Factors, high: Factors, gain: Factors) -> None:
        """Add a set of channels that share a step.

        Args:
            groups: Of its channels, one array per tensor.
            low: Minus the smallest value of each channel.
            high: The largest.
            gain: Noise at the outputs for noise of variance 1 in the channel.
        """
        least = max(float(low.max()), float(high.max())) * _LEAST
        if least > 0:
            below, above = (np.log(np.maximum(values.astype(np.float64), least)) for values in (low, high))
            self._parts.append((np.concatenate(groups), below, above, gain.astype(np.float64)))

    def balance(self, logs: Factors, exponent: float) -> tuple[Factors, Factors]:
        """For each group, the noise that its numbers get and the noise that its range gives to its sets."""
        if not self._parts:
            return np.zeros_like(logs), np.zeros_like(logs)
        group, low, high, gain = (np.concatenate(column) for column in zip(*self._parts))
        sizes = [len(part[0]) for part in self._parts]
        starts, owner = np.cumsum([0, *sizes[:-1]]), np.repeat(np.arange(len(sizes)), sizes)
        scales = logs[group]

        def norm(reach: Factors) -> tuple[Factors, Factors]:
            """The p-norm of each set, and what each channel adds to it."""
            top = np.maximum.reduceat(reach, starts)
            powers = np.exp(exponent * (reach - top[owner]))
            total = np.add.reduceat(powers, starts)
            result = np.exp(top) * total ** (1 / exponent)
            return result, powers * (result / total)[owner]

        below, from_below = norm(scales + low)
        above, from_above = norm(scales + high)
        step = below + above
        noise = gain * np.exp(-2 * scales) * (step**2)[owner]
        caused = (from_below + from_above) * (np.add.reduceat(noise, starts) / step)[owner]
        by_group = (np.bincount(group, values, len(logs)).astype(np.float64) for values in (noise, caused))
        return next(by_group), next(by_group)


def _tensors(graph: Graph, groups: ChannelGroups, statistics: ChannelStatistics) -> _Noise:
    """The tensors that are stored; what only copies its inputs has their range, and no noise of its own."""
    fused, nodes = fused_followers(graph), graph.by_name()
    sets: dict[str, list[str]] = {}
    for name, representative in tied_tensors(graph).items():
        if name not in fused:
            sets.setdefault(representative, []).append(name)
    noise = _Noise()
    for names in sets.values():
        noise.add(
            [groups.numbers[name] for name in names],
            np.concatenate([-statistics.usual_low[name] for name in names]),
            np.concatenate([statistics.usual_high[name] for name in names]),
            np.concatenate([statistics.gain[name] * (not isinstance(nodes[name], COPYING)) for name in names]),
        )
    return noise


def kernel_noise(graph: Graph, groups: ChannelGroups, statistics: ChannelStatistics) -> _Noise:
    """The kernels of dense convolutions; a depthwise kernel has one step per channel and does not care.

    Every output channel has a step of its own. They are taken together: the weights of an input channel count as one,
    of the root mean square over output channels, each weighted with the gain of what it makes. The noise of a weight is
    multiplied by the channel's numbers.
    """
    noise = _Noise()
    for node in graph.nodes:
        if isinstance(node, Conv) and not node.depthwise:
            largest = np.square(node.kernel, dtype=np.float64).max(axis=(0, 1))
            weight = np.sqrt(largest @ statistics.gain[node.name].astype(np.float64))
            power = statistics.power[node.inputs[0]] * np.float32(node.kernel.shape[0] * node.kernel.shape[1])
            noise.add([groups.numbers[node.inputs[0]]], weight, weight, power)
    return noise

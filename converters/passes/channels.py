"""Which channels of which tensors must be multiplied by the same number, and the multiplying.

A convolution can make each output channel in a scale of its own and undo the scale of each input channel: its kernel
takes both. Most other operations pass a channel's scale on, so the channel before and the channel behind are tied: they
belong to one group. What leaves the network, what enters it, and what a sigmoid takes and makes, cannot be scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..graph import (
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Maximum,
    MaxPool,
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Scale,
    Shape,
    Sigmoid,
    Upsample2x,
)

Factors = NDArray[np.float64]
"""One number per channel."""

_ABSORBING = (Conv, BatchNorm, Scale)
_LINEAR = (Add, Concat, Flatten, GlobalAveragePool, AveragePool, ResizeBilinear, Upsample2x, Mul)
_HOMOGENEOUS = (PRelu, Relu, MaxPool, Maximum)
"""f(s x) = s f(x) for s > 0 only."""


@dataclass(frozen=True, eq=False)
class ChannelGroups:
    """The channels of a graph's tensors, in groups that share one factor.

    Attributes:
        numbers: For every tensor, the group of each channel.
        pinned: (groups,), True where the factor can only be 1.
    """

    numbers: Mapping[str, NDArray[np.intp]]
    pinned: NDArray[np.bool_]

    def factors(self, values: Factors) -> dict[str, Factors]:
        """For every tensor, the factor of each channel, from one value per group; pinned groups get 1."""
        values = np.where(self.pinned, 1.0, values)
        return {name: values[numbers] for name, numbers in self.numbers.items()}


def scale_groups(graph: Graph) -> ChannelGroups:
    """The groups for positive factors, which pass everything but sigmoids."""
    return _groups(graph, tied=_LINEAR + _HOMOGENEOUS, free=_ABSORBING)


def sign_groups(graph: Graph) -> ChannelGroups:
    """The groups for factors of 1 and -1.

    A sign does not pass a maximum. What a PReLU takes and what it makes are left untied and unpinned: whether its sign
    can be changed depends on its slope.
    """
    return _groups(graph, tied=_LINEAR, free=(*_ABSORBING, PRelu))


def scaled(graph: Graph, factors: Mapping[str, Factors]) -> Graph:
    """The graph whose tensors are those of ``graph`` times the factors.

    Args:
        graph: The network.
        factors: (channels,) for every tensor; the same for tied channels, 1 for pinned ones.
    """

    def changed(node: Node) -> Node:
        out = factors[node.name]
        if isinstance(node, Conv):
            into = factors[node.inputs[0]][:, None]
            spread = (out[:, None] if node.depthwise else out) / into
            bias = None if node.bias is None else _narrow(node.bias * out)
            return replace(node, kernel=_narrow(node.kernel * spread), bias=bias)
        if isinstance(node, Scale):
            return replace(node, factor=_narrow(node.factor * out / factors[node.inputs[0]]))
        if isinstance(node, BatchNorm):
            into = factors[node.inputs[0]]
            return replace(
                node,
                gamma=_narrow(node.gamma * out / into),
                beta=_narrow(node.beta * out),
                mean=_narrow(node.mean * into),
            )
        return node

    return Graph(tuple(changed(node) for node in graph.nodes), graph.outputs)


def _narrow(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)


def _groups(graph: Graph, *, tied: tuple[type[Node], ...], free: tuple[type[Node], ...]) -> ChannelGroups:
    shapes = _shapes(graph)
    starts = np.cumsum([0, *(shapes[node.name][-1] for node in graph.nodes)])
    numbers = {node.name: np.arange(start, stop) for node, start, stop in zip(graph.nodes, starts, starts[1:])}
    fixed = [numbers[name] for name in graph.outputs]
    gates: set[str] = set()
    left, right = [np.arange(0)], [np.arange(0)]

    def tie(first: NDArray[np.intp], second: NDArray[np.intp]) -> None:
        left.append(first)
        right.append(second)

    for node in graph.nodes:
        own, sources = numbers[node.name], [numbers[name] for name in node.inputs]
        if isinstance(node, free):
            continue
        if isinstance(node, Mul):
            # One of the two passes its factor on, the other keeps 1: the gate, where one of them is a gate.
            gate = 0 if node.inputs[0] in gates and node.inputs[1] not in gates else 1
            tie(own, sources[1 - gate])
            fixed.append(sources[gate])
        elif isinstance(node, Concat):
            tie(own, np.concatenate(sources))
        elif isinstance(node, tied):
            for source in sources:
                tie(own, np.resize(source, own.shape))  # repeated for the pixels of a Flatten
        else:
            fixed += [own, *sources]
        if isinstance(node, (Sigmoid, HardSigmoid)) or (len(sources) == 1 and node.inputs[0] in gates):
            gates.add(node.name)
    labels = _components(int(starts[-1]), np.concatenate(left), np.concatenate(right))
    pinned = np.zeros(len(labels), bool)
    pinned[labels[np.concatenate(fixed)]] = True
    return ChannelGroups({name: labels[channels] for name, channels in numbers.items()}, pinned)


def _shapes(graph: Graph) -> dict[str, Shape]:
    """Shapes; where the size is left open, at any size, for the number of channels does not depend on it."""
    fixed = graph.input.height is not None and graph.input.width is not None
    return graph.shapes() if fixed else graph.shapes(640, 640)


def _components(count: int, left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.intp]:
    """For 0..count-1, the smallest number that each is connected to by the pairs.

    Every round, both ends of each pair and their present labels take the smaller label, and labels of labels are
    followed; the number of rounds grows with the logarithm of the longest chain.
    """
    labels = np.arange(count)
    while True:
        smaller = np.minimum(labels[left], labels[right])
        updated = labels.copy()
        for end in (left, right):
            np.minimum.at(updated, end, smaller)
            np.minimum.at(updated, labels[end], smaller)
        updated = updated[updated]
        if (updated == labels).all():
            return labels
        labels = updated

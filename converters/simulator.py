"""Runs a graph as its integers would, in float32: every stored tensor is rounded to the numbers that it can hold.

A tensor that has an affine is rounded and clipped as the file's would be; the kernel and bias of a convolution between
such tensors are the real numbers of :func:`quantize_conv`. Sums are exact to float32, where integer kernels round ties
their own way, and one such step early in a network changes the rounding of most numbers at its end. So embeddings are
not LiteRT's to the last digit, but they are as far from float: on the official W0.5-S2 checkpoint the mean cosine to
float is 0.9908 simulated and 0.9908 on LiteRT, over the same 549 faces, and between the two it is 0.997.

Nodes run one after the other, so that one convolution can be corrected after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from ghostface_edge.errors import ConversionError

from .convolution import Map, forward
from .graph import BatchNorm, Conv, FloatArray, Graph, Input, Node
from .interpreter import compute
from .quantization import COPYING, Affine, Quantization, fused_followers, quantize_conv

Tensors = dict[str, FloatArray]
"""Values by tensor name: (pictures, height, width, channels), or (pictures, features)."""

FLOAT = Quantization({})
"""No tensor is an integer."""

_BATCH = 16
_VALUES_AT_ONCE = 1 << 25
"""A batch has at most 16 pictures, and fewer where all their tensors together are above so many values (128 MB)."""


class Simulator:
    """One graph, run node by node. Not safe to share between threads.

    Args:
        graph: Of fixed size, with BatchNorm folded.
    """

    def __init__(self, graph: Graph) -> None:
        self.shapes = graph.shapes()
        self._nodes = graph.by_name()
        self._outputs = graph.outputs
        self._followers = fused_followers(graph)
        self._sums: dict[tuple[str, bool], tuple[FloatArray, Map]] = {}
        self._integers: dict[str, tuple[tuple[Conv, Affine, Affine], Conv]] = {}

    @property
    def graph(self) -> Graph:
        """The network, with the convolutions that were replaced."""
        return Graph(tuple(self._nodes.values()), self._outputs)

    def replace(self, conv: Conv) -> None:
        """Give a convolution, found by its name, other weights."""
        self._nodes[conv.name] = conv

    def run(self, pictures: FloatArray, quantization: Quantization = FLOAT) -> Tensors:
        """Compute every stored tensor.

        Args:
            pictures: (pictures, height, width, channels) float32, as the network takes them.
            quantization: Which tensors are integers.

        Returns:
            By name. A node whose follower is fused has no tensor: its follower has.

        Raises:
            ConversionError: A node that cannot be simulated.
            RuntimeMissingError: onnx or ONNX Runtime is not installed.
        """
        tensors: Tensors = {}
        for node in self._nodes.values():
            name = self.stored_name(node.name)
            if name in tensors:
                continue
            if isinstance(node, Input):
                tensors[name] = stored(pictures, quantization.tensors.get(name))
            else:
                tensors[name] = self.step(node, [tensors[source] for source in node.inputs], quantization)
        return tensors

    def stored_name(self, name: str) -> str:
        """The tensor that the operator of this node stores: its own, or that of its fused follower."""
        return self._followers.get(name, name)

    def step(self, node: Node, inputs: list[FloatArray], quantization: Quantization) -> FloatArray:
        """What one operator, with the follower that is fused into it, stores."""
        value = self.convolve(node, inputs[0], quantization) if isinstance(node, Conv) else _computed(node, inputs)
        return self.finish(node, value, quantization)

    def convolve(self, conv: Conv, source: FloatArray, quantization: Quantization) -> FloatArray:
        """A convolution before its follower, unrounded: with integer weights where it takes and makes integers."""
        affines = quantization.tensors
        before, after = affines.get(conv.inputs[0]), affines.get(self.stored_name(conv.name))
        is_integer = before is not None and after is not None
        if before is not None and after is not None:
            conv = self._rounded(conv, before, after)
        kernel, run = self._sums.get((conv.name, is_integer), (None, None))
        if run is None or kernel is not conv.kernel:
            run = forward(conv, self.shapes[conv.inputs[0]])
            self._sums[conv.name, is_integer] = (conv.kernel, run)
        total = run(source)
        if conv.bias is not None:
            total += conv.bias
        return total

    def finish(self, node: Node, value: FloatArray, quantization: Quantization) -> FloatArray:
        """What is stored of a node's value: after its fused follower, and rounded."""
        name = self.stored_name(node.name)
        if name != node.name:
            value = _computed(self._nodes[name], [value])
        return value if isinstance(node, COPYING) else stored(value, quantization.tensors.get(name))

    def _rounded(self, conv: Conv, source: Affine, result: Affine) -> Conv:
        """The convolution that the integers of this one stand for."""
        asked = (conv, source, result)
        cached = self._integers.get(conv.name)
        if cached is None or cached[0][0] is not conv or cached[0][1:] != asked[1:]:
            integers = quantize_conv(conv, source, result)
            kernel = integers.real_kernel()
            if cached is not None and np.array_equal(cached[1].kernel, kernel):
                kernel = cached[1].kernel  # one object, so that what runs it is not made again
            cached = (asked, replace(conv, kernel=kernel, bias=integers.real_bias()))
            self._integers[conv.name] = cached
        return cached[1]


def batches(graph: Graph, pictures: FloatArray) -> Iterator[FloatArray]:
    """The pictures, a few at a time.

    Raises:
        ConversionError: No picture, or pictures of another shape than the network takes.
    """
    shapes = graph.shapes()
    expected = shapes[graph.input.name]
    if not len(pictures) or pictures.shape[1:] != expected:
        raise ConversionError(f"the network takes some pictures of {expected}, not {pictures.shape}")
    count = min(_BATCH, max(1, _VALUES_AT_ONCE // sum(map(prod, shapes.values()))))
    for start in range(0, len(pictures), count):
        yield np.ascontiguousarray(pictures[start : start + count], np.float32)


def stored(values: FloatArray, affine: Affine | None) -> FloatArray:
    """The numbers that a tensor holds after these were written to it; the values themselves where it is float."""
    if affine is None:
        return values
    low, high = (np.float32(limit - affine.zero_point) for limit in affine.limits)
    result: FloatArray = values * np.float32(1 / affine.scale)
    np.rint(result, out=result)
    np.clip(result, low, high, out=result)
    result *= np.float32(affine.scale)
    return result


def _computed(node: Node, inputs: list[FloatArray]) -> FloatArray:
    if isinstance(node, BatchNorm):  # a writer makes a convolution of it, whose weights are rounded
        raise ConversionError(f"node {node.name!r}: BatchNorm cannot be simulated; fold it first")
    return np.asarray(compute(node, inputs), np.float32)

"""Runs a graph as its integers would, in float32: every stored tensor is rounded to the numbers that it can hold.

A tensor that has an affine is rounded and clipped as the file's would be; the kernel and bias of a convolution between
such tensors are the real numbers of :func:`quantize_conv`. Sums are exact to float32, where integer kernels round ties
their own way, and one such step early in a network changes the rounding of most numbers at its end. So embeddings are
not LiteRT's to the last digit, but they are as far from float: on the official W0.5-S2 checkpoint the mean cosine to
float is 0.9908 simulated and 0.9908 on LiteRT, over the same 549 faces, and between the two it is 0.997.

Nodes run one after the other. Since every tensor is at hand, a change of one affine or of one bias costs only what
depends on it: that makes a search over ranges, and a correction of one convolution after the other, cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from .convolution import Map, forward
from .graph import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Flatten,
    FloatArray,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Input,
    MaxPool,
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Scale,
    Sigmoid,
    Upsample2x,
)
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
        self._integers: dict[str, tuple[Conv, Affine, Conv]] = {}
        self._affected: dict[str, frozenset[str]] = {}

    @property
    def graph(self) -> Graph:
        """The network, with the convolutions that were replaced."""
        return Graph(tuple(self._nodes.values()), self._outputs)

    def replace(self, conv: Conv) -> None:
        """Give a convolution, found by its name, other weights."""
        self._nodes[conv.name] = conv

    def run(
        self, pictures: FloatArray, quantization: Quantization = FLOAT, known: Mapping[str, FloatArray] | None = None
    ) -> Tensors:
        """Compute every stored tensor.

        Args:
            pictures: (pictures, height, width, channels) float32, as the network takes them.
            quantization: Which tensors are integers.
            known: Tensors that need not be computed again.

        Returns:
            By name, ``known`` among them. A node whose follower is fused has no tensor: its follower has.

        Raises:
            ConversionError: A node that cannot be simulated.
            RuntimeMissingError: onnx or ONNX Runtime is not installed.
        """
        tensors: Tensors = dict(known or {})
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

    def affected(self, names: Iterable[str]) -> frozenset[str]:
        """These tensors and all that depend on them."""
        found: set[str] = set()
        for name in names:
            if name not in self._affected:
                reached = {name}
                for node in self._nodes.values():
                    if reached.intersection(node.inputs):
                        reached.add(node.name)
                self._affected[name] = frozenset(reached)
            found |= self._affected[name]
        return frozenset(found)

    def step(self, node: Node, inputs: list[FloatArray], quantization: Quantization) -> FloatArray:
        """What one operator, with the follower that is fused into it, stores."""
        value = self.convolve(node, inputs[0], quantization) if isinstance(node, Conv) else compute(node, inputs)
        return self.finish(node, value, quantization)

    def convolve(self, conv: Conv, source: FloatArray, quantization: Quantization) -> FloatArray:
        """A convolution before its follower, unrounded: with integer weights where it takes and makes integers."""
        affine = quantization.tensors.get(conv.inputs[0])
        is_integer = affine is not None and self.stored_name(conv.name) in quantization.tensors
        if affine is not None and is_integer:
            conv = self._rounded(conv, affine)
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
            value = compute(self._nodes[name], [value])
        return value if isinstance(node, COPYING) else stored(value, quantization.tensors.get(name))

    def _rounded(self, conv: Conv, affine: Affine) -> Conv:
        """The convolution that the integers of this one stand for."""
        cached = self._integers.get(conv.name)
        if cached is None or cached[0] is not conv or cached[1] != affine:
            integers = quantize_conv(conv, affine)
            kernel = integers.real_kernel()
            if cached is not None and np.array_equal(cached[2].kernel, kernel):
                kernel = cached[2].kernel  # one object, so that what runs it is not made again
            cached = (conv, affine, replace(conv, kernel=kernel, bias=integers.real_bias()))
            self._integers[conv.name] = cached
        return cached[2]


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


def compute(node: Node, inputs: list[FloatArray]) -> FloatArray:
    """The value of a node other than a convolution, in float32.

    Raises:
        ConversionError: A node that cannot be simulated.
    """
    x = inputs[0]
    value: NDArray[Any]
    if isinstance(node, Relu):
        value = np.maximum(x, 0)
    elif isinstance(node, HardSigmoid):
        value = np.clip(x * np.float32(node.slope) + np.float32(node.offset), 0, 1)
    elif isinstance(node, Sigmoid):
        value = 1 / (1 + np.exp(-x))
    elif isinstance(node, PRelu):
        value = np.where(x > 0, x, node.slope * x)
    elif isinstance(node, Scale):
        value = x * node.factor
    elif isinstance(node, Add):
        value = x + inputs[1]
    elif isinstance(node, Mul):
        value = x * inputs[1]
    elif isinstance(node, Concat):
        value = np.concatenate(inputs, axis=-1)
    elif isinstance(node, Flatten):
        value = x.reshape(len(x), -1)
    elif isinstance(node, GlobalAveragePool):
        value = x.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    elif isinstance(node, MaxPool):
        value = squares(x, node.size).max(axis=(2, 4))
    elif isinstance(node, AveragePool):
        value = squares(x, node.size).mean(axis=(2, 4), dtype=np.float32)
    elif isinstance(node, Upsample2x):
        value = x.repeat(2, axis=1).repeat(2, axis=2)
    elif isinstance(node, ResizeBilinear):
        rows, columns = mixing(x.shape[1], node.height), mixing(x.shape[2], node.width)
        value = np.einsum("ih,jw,nhwc->nijc", rows, columns, x, optimize=True)
    else:
        raise ConversionError(f"node {node.name!r}: {type(node).__name__} cannot be simulated")
    return np.asarray(value, np.float32)


def squares(x: FloatArray, size: int) -> FloatArray:
    """(pictures, rows, size, columns, size, channels): whole squares, cut at the right and at the bottom."""
    rows, columns = x.shape[1] // size, x.shape[2] // size
    return x[:, : rows * size, : columns * size].reshape(len(x), rows, size, columns, size, x.shape[3])


def mixing(source: int, target: int) -> FloatArray:
    """(target, source): how bilinear interpolation mixes the lines of a picture; half-pixel centres."""
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    below = np.minimum(position.astype(int), source - 1)
    above = np.minimum(below + 1, source - 1)
    matrix = np.zeros((target, source))
    np.add.at(matrix, (np.arange(target), below), 1 - (position - below))
    np.add.at(matrix, (np.arange(target), above), position - below)
    return matrix.astype(np.float32)

"""How a network's outputs depend on each of its tensors: derivatives, carried back from the outputs to the input."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ghostface_edge.errors import ConversionError

from .convolution import Map, backward
from .graph import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Flatten,
    FloatArray,
    GlobalAveragePool,
    HardSigmoid,
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
from .simulator import Simulator, Tensors, mixing, squares


class Derivatives:
    """Carries derivatives back through one network.

    Args:
        simulator: Has run the network; its convolutions must not be replaced any more.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._graph = simulator.graph
        self._shapes = simulator.shapes
        self._convolutions: dict[str, Map] = {}

    def of(self, tensors: Tensors, outputs: Mapping[str, FloatArray]) -> Tensors:
        """Derivatives of a number by every tensor, from its derivatives by the outputs.

        Args:
            tensors: As ``simulator.run`` returned them.
            outputs: For some or all outputs, in their shapes.

        Returns:
            By name, in the shapes of the tensors; a tensor that none of the outputs depends on is absent, and so may be
            the picture.
        """
        found: Tensors = dict(outputs)
        for node in reversed(self._graph.nodes):
            if node.name not in found or set(node.inputs) <= {self._graph.input.name}:
                continue
            for name, part in zip(node.inputs, self._carried(node, found[node.name], tensors)):
                found[name] = found[name] + part if name in found else part
        return found

    def _carried(self, node: Node, y: FloatArray, tensors: Tensors) -> list[FloatArray]:
        """Derivatives by each input of a node, from those by what it makes."""
        shape = self._shapes[node.inputs[0]]
        if isinstance(node, Conv):
            if node.name not in self._convolutions:
                self._convolutions[node.name] = backward(node, shape)
            return [self._convolutions[node.name](y)]
        if isinstance(node, Add):
            return [y, y]
        if isinstance(node, Mul):
            first, second = (tensors[name] for name in node.inputs)
            by_second = y * first
            if second.shape != first.shape:
                by_second = by_second.sum(axis=(1, 2), keepdims=True)
            return [y * second, by_second]
        if isinstance(node, Concat):
            ends = np.cumsum([self._shapes[name][-1] for name in node.inputs])
            return np.split(y, ends[:-1], axis=-1)
        return [self._carried_through(node, y, tensors)]

    def _carried_through(self, node: Node, y: FloatArray, tensors: Tensors) -> FloatArray:
        """The same for a node of one input."""
        shape = (len(y), *self._shapes[node.inputs[0]])
        if isinstance(node, Relu):
            return y * (tensors[node.name] > 0)
        if isinstance(node, HardSigmoid):
            made = tensors[node.name]
            return y * ((made > 0) & (made < 1)) * np.float32(node.slope)
        if isinstance(node, Sigmoid):
            made = tensors[node.name]
            return y * made * (1 - made)
        if isinstance(node, PRelu):
            return np.where(tensors[node.inputs[0]] > 0, y, y * node.slope)
        if isinstance(node, Scale):
            return y * node.factor
        if isinstance(node, Flatten):
            return y.reshape(shape)
        if isinstance(node, GlobalAveragePool):
            return np.broadcast_to(y / np.float32(shape[1] * shape[2]), shape)
        if isinstance(node, Upsample2x):
            summed: FloatArray = squares(y, 2).sum(axis=(2, 4))
            return summed
        if isinstance(node, ResizeBilinear):
            rows, columns = mixing(shape[1], node.height), mixing(shape[2], node.width)
            mixed: FloatArray = np.einsum("ih,jw,nijc->nhwc", rows, columns, y, optimize=True)
            return mixed
        if isinstance(node, (MaxPool, AveragePool)):
            result = np.zeros(shape, np.float32)
            inside = squares(result, node.size)  # a view only where nothing is cut off
            spread = np.broadcast_to(y[:, :, None, :, None], inside.shape)
            if isinstance(node, MaxPool):
                largest = tensors[node.name][:, :, None, :, None]
                spread = spread * (squares(tensors[node.inputs[0]], node.size) == largest)
            else:
                spread = spread / np.float32(node.size**2)
            rows, columns = y.shape[1] * node.size, y.shape[2] * node.size
            result[:, :rows, :columns] = spread.reshape(len(y), rows, columns, -1)
            return result
        raise ConversionError(f"node {node.name!r}: {type(node).__name__} has no derivative here")

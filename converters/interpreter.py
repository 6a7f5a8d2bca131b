"""A slow and obvious NumPy interpreter of the graph: the oracle of last resort.

It computes in float64, so that what it differs from a runtime by is the runtime's rounding. Every operation is
written from its definition; nothing is shared with the writers. :func:`compute` is also what the simulator of integers
uses, in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostface_edge.errors import ConversionError

from .graph import (
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Input,
    Maximum,
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

Tensor = NDArray[np.float64]

Numbers = NDArray[np.floating[Any]]
"""Of float64 or float32."""


def interpret(graph: Graph, pictures: ArrayLike) -> dict[str, Tensor]:
    """Run a graph.

    Args:
        graph: The network.
        pictures: (batch, height, width, channels), already normalised as the network wants it.

    Returns:
        Every tensor by its name, the outputs among them: (batch, height, width, channels) or (batch, features).

    Raises:
        ConversionError: The pictures do not fit the network, or a node is of a class not known here.
    """
    tensor = np.asarray(pictures, dtype=np.float64)
    if tensor.ndim != 4:
        raise ConversionError(f"pictures are (batch, height, width, channels), not {tensor.shape}")
    shapes = graph.shapes(*tensor.shape[1:3])
    if shapes[graph.input.name] != tensor.shape[1:]:
        raise ConversionError(f"the network takes pictures of {shapes[graph.input.name]}, not {tensor.shape[1:]}")
    tensors: dict[str, Tensor] = {}
    for node in graph.nodes:
        inputs = [tensors[name] for name in node.inputs]
        tensors[node.name] = tensor if isinstance(node, Input) else np.asarray(compute(node, inputs), np.float64)
    return tensors


def compute(node: Node, inputs: Sequence[Numbers]) -> Numbers:
    """What one node makes of its inputs, (batch, ...) each, in their dtype.

    Raises:
        ConversionError: A node of a class not known here.
    """
    x = inputs[0]
    if isinstance(node, Conv):
        return _convolve(node, x)
    if isinstance(node, BatchNorm):
        deviation = np.sqrt(node.variance.astype(x.dtype) + x.dtype.type(node.epsilon))
        return np.asarray((x - node.mean) / deviation * node.gamma + node.beta)
    if isinstance(node, PRelu):
        return np.where(x > 0, x, node.slope * x)
    if isinstance(node, Scale):
        return x * node.factor
    if isinstance(node, Relu):
        return np.maximum(x, 0.0)
    if isinstance(node, Sigmoid):
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))
    if isinstance(node, HardSigmoid):
        return np.asarray(np.clip(x.dtype.type(node.slope) * x + x.dtype.type(node.offset), 0.0, 1.0))
    if isinstance(node, GlobalAveragePool):
        return np.asarray(np.mean(x, axis=(1, 2), keepdims=True))
    if isinstance(node, MaxPool):
        return np.asarray(np.max(_corners(x, node.size), axis=0))
    if isinstance(node, AveragePool):
        return np.asarray(np.mean(_corners(x, node.size), axis=0))
    if isinstance(node, ResizeBilinear):
        rows, columns = (
            interpolation(wanted, given).astype(x.dtype)
            for wanted, given in ((node.height, x.shape[1]), (node.width, x.shape[2]))
        )
        return np.asarray(np.einsum("hr,wc,brck->bhwk", rows, columns, x, optimize=True))
    if isinstance(node, Upsample2x):
        return x.repeat(2, axis=1).repeat(2, axis=2)
    if isinstance(node, Flatten):
        return x.reshape(len(x), -1)
    if isinstance(node, Concat):
        return np.concatenate(inputs, axis=-1)
    if isinstance(node, Add):
        return x + inputs[1]
    if isinstance(node, Maximum):
        return np.asarray(np.maximum(x, inputs[1]))
    if isinstance(node, Mul):
        return x * inputs[1]
    raise ConversionError(f"node {node.name!r}: the interpreter does not know {type(node).__name__}")


def _convolve(node: Conv, x: Numbers) -> Numbers:
    """One kernel position at a time: every output pixel takes the input pixel that lies under it."""
    top, left, bottom, right = node.pads
    down, across = node.strides
    rows, columns = node.kernel.shape[:2]
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    height = (x.shape[1] - rows) // down + 1
    width = (x.shape[2] - columns) // across + 1
    total = np.zeros((len(x), height, width, node.output_channels), x.dtype)
    if node.bias is not None:
        total += node.bias
    kernel = node.kernel.astype(x.dtype)
    for row in range(rows):
        for column in range(columns):
            under = x[:, row : row + height * down : down, column : column + width * across : across]
            under = under[:, :height, :width]
            weight = kernel[row, column]
            total += under * weight[:, 0] if node.depthwise else under @ weight
    return total


def _corners(x: Numbers, size: int) -> list[Numbers]:
    """For every place in a square, the pixels of all complete squares at that place."""
    height, width = x.shape[1] // size, x.shape[2] // size
    return [
        x[:, row : height * size : size, column : width * size : size] for row in range(size) for column in range(size)
    ]


def interpolation(wanted: int, given: int) -> Tensor:
    """The matrix (wanted, given) that interpolates a line of pixels, whose centres lie half a pixel from its ends.

    Beyond the outermost centres, the outermost pixel holds.
    """
    centres = np.clip((np.arange(wanted) + 0.5) * given / wanted - 0.5, 0, given - 1)
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(centres[:, None] - np.arange(given))))

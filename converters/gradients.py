"""How strongly the outputs of a network depend on the numbers of every tensor inside it: backpropagation in NumPy.

Each rule is the transpose of the operation's derivative. The values come from a run of the network; nothing is learnt.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ghostface_edge.errors import ConversionError

from .graph import (
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    FloatArray,
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
from .interpreter import interpolation


def backpropagate(
    graph: Graph, tensors: Mapping[str, FloatArray], seeds: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """The derivative of one number with respect to every tensor.

    Args:
        graph: The network.
        tensors: Every tensor of one run, (batch, height, width, channels) or (batch, features) float32.
        seeds: For each output, the derivative of the number with respect to it, in the output's shape.

    Returns:
        For every tensor that the number depends on, an array of its shape.
    """
    gradients = dict(seeds)
    for node in reversed(graph.nodes):
        if node.name not in gradients or isinstance(node, Input):
            continue
        inputs = [tensors[name] for name in node.inputs]
        for name, part in zip(node.inputs, _transposed(node, gradients[node.name], inputs, tensors[node.name])):
            gradients[name] = gradients[name] + part if name in gradients else part
    return gradients


def _transposed(node: Node, gradient: FloatArray, inputs: list[FloatArray], made: FloatArray) -> list[FloatArray]:
    """The gradient of each input."""
    x = inputs[0]
    if isinstance(node, Conv):
        return [_convolve_back(node, gradient, x)]
    if isinstance(node, BatchNorm):
        return [gradient * (node.gamma / np.sqrt(node.variance + np.float32(node.epsilon)))]
    if isinstance(node, PRelu):
        return [np.where(x > 0, gradient, gradient * node.slope)]
    if isinstance(node, Scale):
        return [gradient * node.factor]
    if isinstance(node, Relu):
        return [gradient * (x > 0)]
    if isinstance(node, Sigmoid):
        return [gradient * made * (1 - made)]
    if isinstance(node, HardSigmoid):
        return [gradient * np.float32(node.slope) * ((made > 0) & (made < 1))]
    if isinstance(node, GlobalAveragePool):
        return [np.broadcast_to(gradient / np.float32(x.shape[1] * x.shape[2]), x.shape)]
    if isinstance(node, AveragePool):
        return [_unpool(gradient, node.size, x) / np.float32(node.size**2)]
    if isinstance(node, MaxPool):
        return [_unpool(gradient, node.size, x) * (_unpool(made, node.size, x) == x)]
    if isinstance(node, Upsample2x):
        batch, height, width, channels = x.shape
        return [gradient.reshape(batch, height, 2, width, 2, channels).sum(axis=(2, 4))]
    if isinstance(node, ResizeBilinear):
        sizes = zip(gradient.shape[1:3], x.shape[1:3])
        rows, columns = (interpolation(new, old).astype(np.float32) for new, old in sizes)
        return [np.einsum("nijc,iy,jx->nyxc", gradient, rows, columns, optimize=True)]
    if isinstance(node, Flatten):
        return [gradient.reshape(x.shape)]
    if isinstance(node, Concat):
        return np.split(gradient, np.cumsum([part.shape[-1] for part in inputs])[:-1], axis=-1)
    if isinstance(node, Add):
        return [gradient, gradient]
    if isinstance(node, Maximum):
        return [gradient * (x == made), gradient * (x != made)]
    if isinstance(node, Mul):
        second = gradient * x
        return [gradient * inputs[1], second if x.shape == inputs[1].shape else second.sum(axis=(1, 2), keepdims=True)]
    raise ConversionError(f"node {node.name!r}: the derivative of {type(node).__name__} is not known")


def _convolve_back(node: Conv, gradient: FloatArray, x: FloatArray) -> FloatArray:
    """Every output pixel hands its gradient to the input pixels that lay under the kernel."""
    top, left, bottom, right = node.pads
    down, across = node.strides
    rows, columns = node.kernel.shape[:2]
    batch, height, width, channels = x.shape
    out_height, out_width = gradient.shape[1:3]
    padded = np.zeros((batch, height + top + bottom, width + left + right, channels), np.float32)
    for row in range(rows):
        for column in range(columns):
            weight = node.kernel[row, column]
            under = padded[:, row : row + out_height * down : down, column : column + out_width * across : across]
            under += gradient * weight[:, 0] if node.depthwise else gradient @ weight.T
    inside: FloatArray = padded[:, top : top + height, left : left + width]
    return inside


def _unpool(values: FloatArray, size: int, x: FloatArray) -> FloatArray:
    """Each value for all pixels of its square; 0 for pixels in no square."""
    spread = values.repeat(size, axis=1).repeat(size, axis=2)
    rest = [(0, old - new) for old, new in zip(x.shape, spread.shape)]
    return np.asarray(np.pad(spread, rest))

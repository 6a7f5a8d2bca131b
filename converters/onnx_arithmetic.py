"""How ONNX arithmetic and activations become nodes of the graph.

Constants are added and multiplied when they meet a node that needs the result (:class:`Tensor`). A vector divided by
its length ends a network: the runtime normalises embeddings anyway, so the division is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from .graph import Add, HardSigmoid, Mul, PRelu, Relu, Scale, Sigmoid
from .onnx_file import Array, OnnxNode
from .onnx_translation import Length, Operator, Tensor, Translation, Value, Wide, affine

_UNBOUNDED = 3.4e38
"""A limit of a Clip from here on is none: exporters write the largest float32 for it."""


def _relu(work: Translation, part: OnnxNode) -> Tensor:
    return work.new(part, Relu, (work.source(part),), work.tensor(part).axes)


def _sigmoid(work: Translation, part: OnnxNode) -> Tensor:
    return work.new(part, Sigmoid, (work.source(part),), work.tensor(part).axes)


def _prelu(work: Translation, part: OnnxNode) -> Tensor:
    tensor = work.tensor(part)
    return _sloped(work, part, tensor, _per_channel(work, part, work.floats(part, 1), tensor))


def _leaky_relu(work: Translation, part: OnnxNode) -> Tensor:
    return _sloped(work, part, work.tensor(part), np.float64(part.setting("alpha", 0.01)))


def _sloped(work: Translation, part: OnnxNode, tensor: Tensor, slope: Any) -> Tensor:
    slopes = np.broadcast_to(slope, work.shapes[tensor.node][-1:]).astype(np.float32)
    return work.new(part, PRelu, (work.made(tensor),), tensor.axes, slope=slopes)


def _clip(work: Translation, part: OnnxNode) -> Value:
    limits = []
    for position, key, default in ((1, "min", -np.inf), (2, "max", np.inf)):
        if part.has(key):
            limits.append(part.setting(key, 0.0))
        else:
            limits.append(work.number(part, position) if work.given(part, position) else default)
    return _cut(work, part, work.value(part), *limits)


def _limit(work: Translation, part: OnnxNode) -> Value:
    """Min or Max with a constant."""
    position = 1 if isinstance(work.value(part, 1), np.ndarray) else 0
    limit = work.number(part, position)
    low, high = (limit, np.inf) if part.kind == "Max" else (-np.inf, limit)
    return _cut(work, part, work.value(part, 1 - position), low, high)


def _cut(work: Translation, part: OnnxNode, value: Value, low: float, high: float) -> Value:
    if isinstance(value, Length) and high > 0:
        return value
    if isinstance(value, Tensor) and value.ceiling is not None:
        high = min(high, value.ceiling)
        value = replace(value, ceiling=None)
    tensor = work.plain(part, value)
    if high >= _UNBOUNDED:
        if low <= -_UNBOUNDED:
            return tensor
        source = work.made(affine(tensor, 1, -low))
        return affine(work.new(part, Relu, (source,), tensor.axes), 1, low)
    if low <= -_UNBOUNDED:
        if not isinstance(work.nodes[tensor.node], Relu) or work.made(tensor) != tensor.node:
            return replace(tensor, ceiling=high)
        low = 0.0
    if not low < high:
        raise part.unsupported(f"cuts values to {low:g} .. {high:g}")
    span = high - low
    return affine(_zero_to_one(work, part, affine(tensor, 1 / span, -low / span)), span, low)


def _hard_sigmoid(work: Translation, part: OnnxNode) -> Tensor:
    slope, offset = part.setting("alpha", 0.2), part.setting("beta", 0.5)
    return _zero_to_one(work, part, affine(work.tensor(part), slope, offset))


def _zero_to_one(work: Translation, part: OnnxNode, tensor: Tensor) -> Tensor:
    """Cut to 0..1; one factor and offset for all channels become the hard sigmoid's own."""
    if tensor.factor.size > 1 or tensor.offset.size > 1:
        tensor = Tensor(work.made(tensor), tensor.axes)
    slope, offset = float(tensor.factor.reshape(())), float(tensor.offset.reshape(()))
    if not abs(slope) < _UNBOUNDED or not abs(offset) < _UNBOUNDED:
        raise part.unsupported("has limits beyond float32")
    return work.new(part, HardSigmoid, (tensor.node,), tensor.axes, slope=slope, offset=offset)


def _hard_swish(work: Translation, part: OnnxNode) -> Value:
    tensor = work.tensor(part)
    return _product(work, part, tensor, _zero_to_one(work, part, affine(tensor, 1 / 6, 0.5)))


def _arithmetic(work: Translation, part: OnnxNode) -> Value:
    first, second = work.value(part, 0), work.value(part, 1)
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        try:
            size = prod(np.broadcast_shapes(first.shape, second.shape))
        except ValueError as error:
            raise part.unsupported(f"has constants of {first.shape} and {second.shape}") from error
        return work.folded(part, size, _ARITHMETIC[part.kind], first, second)
    if isinstance(first, Length) or isinstance(second, Length):
        return _with_length(work, part, first, second)
    if isinstance(second, np.ndarray):
        tensor = work.plain(part, first)
        return _with_constant(work, part, tensor, _per_channel(work, part, work.floats(part, 1), tensor))
    tensor = work.plain(part, second)
    if isinstance(first, np.ndarray):
        if part.kind == "Div":
            raise part.unsupported("divides by a tensor of the network")
        tensor = affine(tensor, -1, 0) if part.kind == "Sub" else tensor
        constant = _per_channel(work, part, work.floats(part, 0), tensor)
        return affine(tensor, constant, 0) if part.kind == "Mul" else affine(tensor, 1, constant)
    if part.kind == "Div":
        raise part.unsupported("divides by a tensor of the network")
    if part.kind == "Mul":
        return _product(work, part, work.plain(part, first), tensor)
    return _sum(work, part, work.plain(part, first), affine(tensor, -1, 0) if part.kind == "Sub" else tensor)


def _with_constant(work: Translation, part: OnnxNode, tensor: Tensor, constant: Wide) -> Tensor:
    if part.kind == "Mul":
        return affine(tensor, constant, 0)
    if part.kind == "Div":
        if not constant.all():
            raise part.unsupported("divides by 0")
        return affine(tensor, 1 / constant, 0)
    return affine(tensor, 1, -constant if part.kind == "Sub" else constant)


def _with_length(work: Translation, part: OnnxNode, first: Value, second: Value) -> Value:
    """A vector divided by its length, or what comes before: 1 / length, or a small number that keeps it from 0."""
    if part.kind == "Mul" and isinstance(first, Length):
        first, second = second, first
    if isinstance(second, Length):
        if isinstance(first, np.ndarray) and part.kind == "Div" and work.number(part, 0) > 0:
            return Length(second.node, -second.power)
        if isinstance(first, Tensor) and {"Div": 1.0, "Mul": -1.0}.get(part.kind) == second.power:
            tensor = work.plain(part, first)
            if work.made(tensor) == second.node:
                return Tensor(second.node, tensor.axes, unit=True)
    elif isinstance(second, np.ndarray) and part.kind == "Add" and work.number(part, 1) >= 0:
        return first
    raise part.unsupported("uses a vector's length for something other than dividing the vector by it")


def _sum(work: Translation, part: OnnxNode, first: Tensor, second: Tensor) -> Tensor:
    prelu = _bent(work, first, second)
    if prelu is not None:
        source, slope = prelu
        return _sloped(work, part, Tensor(source, first.axes), slope)
    inputs = (work.made(first), work.made(second))
    if first.axes != second.axes:
        raise part.unsupported("adds tensors whose shapes or axes differ")
    return work.new(part, Add, inputs, first.axes)


def _bent(work: Translation, first: Tensor, second: Tensor) -> tuple[str, Wide] | None:
    """The tensor and the slopes, if a sum is a PReLU written out, as relu(x) - a relu(-x) or x + relu(b x)."""
    parts = (_slopes(work, first), _slopes(work, second))
    if parts[0] is None or parts[1] is None or parts[0][0] != parts[1][0] or first.axes != second.axes:
        return None
    above, below = parts[0][1] + parts[1][1], parts[0][2] + parts[1][2]
    return (parts[0][0], below) if np.abs(above - 1).max() < 1e-7 else None


def _slopes(work: Translation, tensor: Tensor) -> tuple[str, Wide, Wide] | None:
    """Where a tensor is p x for x > 0 and n x elsewhere: x, p and n."""
    if tensor.offset.any():
        return None
    node = work.nodes[tensor.node]
    one = np.ones(())
    if not isinstance(node, Relu):
        return (node.name, tensor.factor, tensor.factor)
    inner = work.nodes[node.inputs[0]]
    if not isinstance(inner, Scale):
        return (inner.name, one * tensor.factor, 0 * tensor.factor)
    factor = inner.factor.astype(np.float64)
    return (inner.inputs[0], np.maximum(factor, 0) * tensor.factor, np.minimum(factor, 0) * tensor.factor)


def _product(work: Translation, part: OnnxNode, first: Tensor, second: Tensor) -> Tensor:
    """Factors pass through a product; offsets do not."""
    first, second = (Tensor(work.made(each), each.axes) if each.offset.any() else each for each in (first, second))
    if work.shapes[first.node][:2] == (1, 1) != work.shapes[second.node][:2]:
        first, second = second, first
    gate = work.shapes[second.node] == (1, 1, work.shapes[first.node][-1]) and len(first.axes) == len(second.axes)
    across = [axis == "C" for axis in first.axes] == [axis == "C" for axis in second.axes]
    if first.axes != second.axes and not (gate and across):
        raise part.unsupported("multiplies tensors whose shapes or axes differ")
    made = work.new(part, Mul, (first.node, second.node), first.axes)
    return affine(made, first.factor * second.factor, 0)


def _negate(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    if isinstance(value, np.ndarray):
        return work.folded(part, value.size, np.negative, value)
    return affine(work.plain(part, value), -1, 0)


def _per_channel(work: Translation, part: OnnxNode, array: Array, tensor: Tensor) -> Wide:
    """A constant that spreads over a tensor as one number, or as one per channel."""
    rank = len(tensor.axes)
    shape = (1,) * (rank - array.ndim) + array.shape
    long = [axis for axis, size in enumerate(shape) if size > 1]
    along_channels = len(long) == 1 and tensor.axes[long[0]] == "C" and array.size == work.shapes[tensor.node][-1]
    if len(shape) > rank or (long and not along_channels):
        raise part.unsupported(f"has a constant of shape {array.shape}, which is not one value per channel")
    return array.reshape(-1 if long else ()).astype(np.float64)


def _length(work: Translation, part: OnnxNode) -> Length:
    tensor = work.tensor(part)
    _, kept = work.reduced(part, tensor)
    node = work.nodes[work.made(tensor)]
    if any(kept):
        raise part.unsupported("is supported only over all values of a vector")
    if part.kind != "ReduceSum":
        return Length(node.name, 1.0 if part.kind == "ReduceL2" else 2.0)
    if not isinstance(node, Mul) or node.inputs[0] != node.inputs[1]:
        raise part.unsupported("is supported only over the squares of a vector")
    return Length(node.inputs[0], 2.0)


def _power(work: Translation, part: OnnxNode) -> Value:
    value, exponent = work.value(part), work.number(part, 1)
    if isinstance(value, Length):
        return Length(value.node, value.power * exponent)
    if exponent != 2:
        raise part.unsupported(f"has the exponent {exponent:g}, and only 2 is supported")
    tensor = work.plain(part, value)
    return _product(work, part, tensor, tensor)


def _root(work: Translation, part: OnnxNode) -> Length:
    value = work.value(part)
    if not isinstance(value, Length):
        raise part.unsupported("is supported only of a vector's length")
    return Length(value.node, value.power * (0.5 if part.kind == "Sqrt" else -1.0))


def _lp_normalization(work: Translation, part: OnnxNode) -> Tensor:
    tensor = work.tensor(part)
    part.expect(p=2)
    axis = part.setting("axis", -1)
    others = [letters for number, letters in enumerate(tensor.axes) if number != axis % len(tensor.axes)]
    if any(others):
        raise part.unsupported("is supported only over all values of a vector")
    return Tensor(work.made(tensor), tensor.axes, unit=True)


def _divide(first: Array, second: Array) -> Array:
    if first.dtype.kind == "f":
        return np.asarray(first / second)
    if (first < 0).any() or (second <= 0).any():
        raise ValueError("a division of integers that are not positive")
    return np.asarray(first // second)


_ARITHMETIC: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
}


ARITHMETIC: dict[str, tuple[Operator, int, int]] = {
    "Add": (_arithmetic, 2, 2),
    "Clip": (_clip, 1, 3),
    "Div": (_arithmetic, 2, 2),
    "HardSigmoid": (_hard_sigmoid, 1, 1),
    "HardSwish": (_hard_swish, 1, 1),
    "LeakyRelu": (_leaky_relu, 1, 1),
    "LpNormalization": (_lp_normalization, 1, 1),
    "Max": (_limit, 2, 2),
    "Min": (_limit, 2, 2),
    "Mul": (_arithmetic, 2, 2),
    "Neg": (_negate, 1, 1),
    "PRelu": (_prelu, 2, 2),
    "Pow": (_power, 2, 2),
    "Reciprocal": (_root, 1, 1),
    "ReduceL2": (_length, 1, 2),
    "ReduceSum": (_length, 1, 2),
    "ReduceSumSquare": (_length, 1, 2),
    "Relu": (_relu, 1, 1),
    "Sigmoid": (_sigmoid, 1, 1),
    "Sqrt": (_root, 1, 1),
    "Sub": (_arithmetic, 2, 2),
}
"""Each operator's translator, and how many inputs it has at least and at most."""

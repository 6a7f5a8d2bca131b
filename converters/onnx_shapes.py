"""ONNX operators that move axes, join channels, compute constants, or change nothing."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from .graph import Concat, Shape
from .onnx_file import FLOAT_TYPES, INTEGER_TYPES, Array, OnnxNode
from .onnx_translation import CHANNELS_FIRST, CHANNELS_LAST, Length, Operator, Translation, Value

_NUMPY_TYPES: dict[int, Any] = {
    **dict.fromkeys(FLOAT_TYPES, np.float32),
    **dict.fromkeys(INTEGER_TYPES, np.int64),
}


def _transpose(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    if isinstance(value, Length):
        raise part.unsupported("moves the axes of a vector's length")
    rank = value.ndim if isinstance(value, np.ndarray) else len(value.axes)
    order = part.setting("perm", list(range(rank))[::-1])
    if sorted(order) != list(range(rank)):
        raise part.unsupported(f"has perm={order}, and its input has {rank} axes")
    if isinstance(value, np.ndarray):
        return np.asarray(value.transpose(order))
    return replace(value, axes=tuple(value.axes[axis] for axis in order))


def _reshape(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    wanted = work.integers(part, 1, "shape") or []
    zeros_stay = part.setting("allowzero", 0)
    before = work.shape_of(part, value)
    shape = [
        before[axis] if size == 0 and axis < len(before) and not zeros_stay else size
        for axis, size in enumerate(wanted)
    ]
    known = prod(size for size in shape if size != -1)
    if shape.count(-1) == 1 and known:
        shape[shape.index(-1)] = prod(before) // known
    return _view(work, part, value, tuple(shape))


def _flatten(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    shape = work.shape_of(part, value)
    axis = part.setting("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise part.unsupported(f"has axis={axis}, and its input has {len(shape)} axes")
    axis = axis if axis >= 0 else axis + len(shape)
    return _view(work, part, value, (prod(shape[:axis]), prod(shape[axis:])))


def _squeeze(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    shape = work.shape_of(part, value)
    gone = work.axes(part, len(shape))
    gone = [axis for axis, size in enumerate(shape) if size == 1] if gone is None else gone
    return _view(work, part, value, tuple(size for axis, size in enumerate(shape) if axis not in gone))


def _unsqueeze(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    axes = work.integers(part, 1, "axes") or []
    if isinstance(value, Length):
        return value
    shape = work.shape_of(part, value)
    rank = len(shape) + len(axes)
    new = work.counted(part, axes, rank)
    left = iter(shape)
    return _view(work, part, value, tuple(1 if axis in new else next(left) for axis in range(rank)))


def _view(work: Translation, part: OnnxNode, value: Value, shape: Shape) -> Value:
    """The same values in the same order, under another shape."""
    if prod(shape) != prod(work.shape_of(part, value)) or any(size < 0 for size in shape):
        raise part.unsupported(f"makes {shape} of {work.shape_of(part, value)}")
    if isinstance(value, np.ndarray):
        return value.reshape(shape)
    if isinstance(value, Length):
        return value
    sizes = work.sizes(value.node)
    letters = list("".join(value.axes))
    axes = []
    for size in shape:
        axis = ""
        while letters and prod(sizes[letter] for letter in axis) < size:
            axis += letters.pop(0)
        if prod(sizes[letter] for letter in axis) != size:
            raise part.unsupported(f"makes {shape} of {work.shape_of(part, value)}, which cuts an axis in parts")
        axes.append(axis)
    return replace(value, axes=tuple(axes))


def _concat(work: Translation, part: OnnxNode) -> Value:
    values = [work.value(part, position) for position in range(len(part.inputs))]
    axis = part.setting("axis", 1)
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    if len(arrays) == len(values):
        return work.folded(part, sum(array.size for array in arrays), np.concatenate, arrays, axis)
    tensors = [work.plain(part, value) for value in values]
    rank = len(tensors[0].axes)
    layout = {(4, 1): CHANNELS_FIRST, (4, 3): CHANNELS_LAST, (2, 1): ("", "C")}.get((rank, axis % rank))
    if layout is None or any(each.axes != work.without_ones(each.node, layout) for each in tensors):
        raise part.unsupported("joins tensors along an axis that is not the channels")
    return work.new(part, Concat, tuple(work.made(each) for each in tensors), layout)


def _shape(work: Translation, part: OnnxNode) -> Array:
    shape = work.shape_of(part, work.value(part))
    return np.array(shape[part.setting("start", 0) : part.setting("end", len(shape))], np.int64)


def _gather(work: Translation, part: OnnxNode) -> Array:
    values, indices = work.constant(part, 0), work.constant(part, 1)
    axis = part.setting("axis", 0)
    return work.folded(part, values.size * indices.size, lambda: np.take(values, indices, axis))


def _slice(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    shape = work.shape_of(part, value)
    starts, ends = work.integers(part, 1, "starts") or [], work.integers(part, 2, "ends") or []
    axes = work.axes(part, len(shape), 3) or list(range(min(len(starts), len(shape))))
    steps = work.integers(part, 4, "steps") or [1] * len(axes)
    if not len(starts) == len(ends) == len(axes) == len(steps) or not all(steps):
        raise part.unsupported(f"has {len(starts)} starts, {len(ends)} ends, {len(axes)} axes and steps {steps}")
    cuts = [slice(None)] * len(shape)
    for axis, *limits in zip(axes, starts, ends, steps):
        cuts[axis] = slice(*limits)
    if isinstance(value, np.ndarray):
        return value[tuple(cuts)]
    if any(range(size)[cut] != range(size) for size, cut in zip(shape, cuts)):
        raise part.unsupported("takes a part of a tensor, which has no counterpart")
    return value


def _constant_of_shape(work: Translation, part: OnnxNode) -> Array:
    shape = work.integers(part, 0, "") or []
    filling = part.value() if part.has("value") else np.zeros(1, np.float32)
    if filling.size != 1 or any(size < 0 for size in shape):
        raise part.unsupported("is not one value in a shape")
    return work.folded(part, prod(shape), lambda: np.full(shape, filling.reshape(())))


def _expand(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    shape = tuple(work.integers(part, 1, "") or [])
    if isinstance(value, Length) and prod(shape) in (1, prod(work.shapes[value.node])):
        return value
    if isinstance(value, np.ndarray):
        return work.folded(part, prod(shape) * value.size, lambda: value * np.ones(shape, value.dtype))
    own = work.shape_of(part, value)
    if len(shape) > len(own) or any(size not in (1, own[-place]) for place, size in enumerate(shape[::-1], 1)):
        raise part.unsupported(f"spreads {own} to {shape}, which has no counterpart")
    return value


def _cast(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    to = part.setting("to", 0)
    part.setting("saturate", 1)
    if not isinstance(value, np.ndarray):
        if to not in FLOAT_TYPES:
            raise part.unsupported("makes something other than float values of a tensor")
        return value
    kind = _NUMPY_TYPES.get(to)
    if kind is None:
        raise part.unsupported(f"makes constants of the type {to}, which is not supported")
    return work.folded(part, value.size, value.astype, kind)


def _dropout(work: Translation, part: OnnxNode) -> Value:
    part.setting("ratio", 0.5), part.setting("seed", 0)
    if work.given(part, 2) and work.number(part, 2):
        raise part.unsupported("is told that the network is in training")
    return work.value(part)


def _constant(_work: Translation, part: OnnxNode) -> Array:
    return part.value()


def _identity(work: Translation, part: OnnxNode) -> Value:
    return work.value(part)


SHAPES: dict[str, tuple[Operator, int, int]] = {
    "Cast": (_cast, 1, 1),
    "Concat": (_concat, 1, 256),
    "Constant": (_constant, 0, 0),
    "ConstantOfShape": (_constant_of_shape, 1, 1),
    "Dropout": (_dropout, 1, 3),
    "Expand": (_expand, 2, 2),
    "Flatten": (_flatten, 1, 1),
    "Gather": (_gather, 2, 2),
    "Identity": (_identity, 1, 1),
    "Reshape": (_reshape, 2, 2),
    "Shape": (_shape, 1, 1),
    "Slice": (_slice, 1, 5),
    "Squeeze": (_squeeze, 1, 2),
    "Transpose": (_transpose, 1, 1),
    "Unsqueeze": (_unsqueeze, 1, 2),
}
"""Each operator's translator, and how many inputs it has at least and at most."""

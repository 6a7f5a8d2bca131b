"""How the ONNX operators with weights, and those that pool, pad and resize, become nodes of the graph."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ghostface_edge.errors import CheckpointError

from .graph import AveragePool, BatchNorm, Conv, GlobalAveragePool, MaxPool, ResizeBilinear, Upsample2x
from .onnx_file import Array, OnnxNode
from .onnx_translation import CHANNELS_FIRST, CHANNELS_LAST, MAX_SIDE, Operator, Tensor, Translation, Value

_DOUBLING = {
    ("asymmetric", "floor"),
    ("asymmetric", "round_prefer_floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("pytorch_half_pixel", "round_prefer_floor"),
    ("pytorch_half_pixel", "round_prefer_ceil"),
    ("tf_half_pixel_for_nn", "floor"),
}
"""Coordinate and rounding modes of Resize under which, at twice the size, pixel i comes from pixel i // 2."""


def _conv(work: Translation, part: OnnxNode) -> Tensor:
    value = work.value(part)
    pads = value.pads if isinstance(value, Tensor) else (0, 0, 0, 0)
    tensor = work.plain(part, replace(value, pads=(0, 0, 0, 0)) if isinstance(value, Tensor) else value)
    height, width, _ = work.images(part, tensor)
    kernel = work.floats(part, 1, 4)
    bias = work.floats(part, 2, 1) if work.given(part, 2) else None
    outputs, inputs, rows, columns = kernel.shape
    group = part.setting("group", 1)
    depthwise = inputs == 1 and group == outputs
    if not depthwise and group != 1:
        raise part.unsupported(f"has group={group!r}; supported are dense and depthwise convolutions")
    part.expect(dilations=[1, 1], kernel_shape=[rows, columns])
    if bias is not None and bias.shape != (outputs,):
        raise part.unsupported(f"has {bias.size} bias values for {outputs} channels")
    padded = (height + pads[0] + pads[2], width + pads[1] + pads[3])
    down, across = part.sizes("strides", [1, 1], least=1)
    own = _pads(part, padded, (rows, columns), (down, across))
    top, left, bottom, right = (first + second for first, second in zip(pads, own))
    return work.new(
        part,
        Conv,
        (work.made(tensor),),
        CHANNELS_FIRST,
        kernel=np.ascontiguousarray(kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))),
        bias=bias,
        strides=(down, across),
        pads=(top, left, bottom, right),
        depthwise=depthwise,
    )


def _pad(work: Translation, part: OnnxNode) -> Value:
    value = work.value(part)
    waiting = value.pads if isinstance(value, Tensor) else (0, 0, 0, 0)
    tensor = work.plain(part, replace(value, pads=(0, 0, 0, 0)) if isinstance(value, Tensor) else value)
    part.expect(mode="constant")
    filling = work.number(part, 2) if work.given(part, 2) else part.setting("value", 0.0)
    rank = len(tensor.axes)
    axes = work.axes(part, rank, 3) or list(range(rank))
    amounts = work.integers(part, 1, "pads")
    if filling or amounts is None or len(amounts) != 2 * len(axes) or not all(0 <= each < 64 for each in amounts):
        raise part.unsupported("does not pad with a few zeros")
    layouts = (CHANNELS_FIRST, CHANNELS_LAST)
    layout = next((each for each in layouts if tensor.axes == work.without_ones(tensor.node, each)), None)
    before = dict(zip(axes, amounts))
    after = dict(zip(axes, amounts[len(axes) :]))
    padded = [axis for axis in axes if before[axis] or after[axis]]
    if padded and (layout is None or any(layout[axis] not in ("H", "W") for axis in padded)):
        raise part.unsupported("pads something other than height and width")
    row, column = (layout.index("H"), layout.index("W")) if layout else (0, 0)
    own = (before.get(row, 0), before.get(column, 0), after.get(row, 0), after.get(column, 0))
    top, left, bottom, right = (first + second for first, second in zip(waiting, own))
    return Tensor(work.made(tensor), tensor.axes, pads=(top, left, bottom, right))


def _gemm(work: Translation, part: OnnxNode) -> Tensor:
    part.expect(transA=0)
    weight = work.floats(part, 1, 2) * np.float64(part.setting("alpha", 1.0))
    weight = weight.T if part.setting("transB", 0) else weight
    bias = np.zeros(1) if not work.given(part, 2) else work.floats(part, 2).astype(np.float64)
    bias = bias * part.setting("beta", 1.0)
    tensor = work.tensor(part)
    if len(tensor.axes) != 2 or bias.shape not in ((), (1,), (1, 1), weight.shape[1:], (1, weight.shape[1])):
        raise part.unsupported("is not a row of features times a matrix, plus a bias of one value per column")
    return _dense(work, part, tensor, weight, np.broadcast_to(bias.reshape(-1), weight.shape[1:]))


def _matmul(work: Translation, part: OnnxNode) -> Tensor:
    return _dense(work, part, work.tensor(part), work.floats(part, 1, 2), None)


def _dense(work: Translation, part: OnnxNode, tensor: Tensor, weight: Array, bias: Array | None) -> Tensor:
    """The last axis times a matrix (features, outputs): a convolution over all pixels, or over each."""
    *others, last = tensor.axes
    sizes = work.sizes(tensor.node)
    features, outputs = weight.shape
    if prod(sizes[letter] for letter in last) != features:
        raise part.unsupported(f"has a matrix of {features} rows for {work.shape_of(part, tensor)}")
    if any(others) and last != "C":
        raise part.unsupported("multiplies a matrix with something other than the channels or the whole map")
    order = last + "".join(letter for letter in "HWC" if letter not in last)
    extents = [sizes[letter] if letter in last else 1 for letter in order]
    kernel = weight.reshape(*extents, outputs).transpose(*(order.index(letter) for letter in "HWC"), 3)
    kernel = np.ascontiguousarray(kernel, np.float32)
    bias = None if bias is None else bias.astype(np.float32)
    return work.new(part, Conv, (work.made(tensor),), (*others, "C"), kernel=kernel, bias=bias)


def _batch_norm(work: Translation, part: OnnxNode) -> Tensor:
    tensor = work.tensor(part)
    channels = work.shapes[tensor.node][-1]
    gamma, beta, mean, variance = (work.floats(part, position, 1) for position in range(1, 5))
    epsilon = part.setting("epsilon", 1e-5)
    part.setting("momentum", 0.9)
    part.expect(training_mode=0, spatial=1)
    if len(tensor.axes) < 2 or tensor.axes[1] != ("C" if channels > 1 else ""):
        raise part.unsupported("normalises an axis that is not the channels")
    if (variance + np.float64(epsilon) <= 0).any():
        raise CheckpointError(f"the variances {part.inputs[4]!r} are not positive")
    statistics = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance, "epsilon": epsilon}
    if any(array.shape != (channels,) for array in (gamma, beta, mean, variance)):
        raise part.unsupported(f"has statistics of other sizes than its {channels} channels")
    return work.new(part, BatchNorm, (work.made(tensor),), tensor.axes, **statistics)


def _pool(work: Translation, part: OnnxNode) -> Tensor:
    tensor = work.tensor(part)
    height, width, _ = work.images(part, tensor)
    rows, columns = part.sizes("kernel_shape", [0, 0], least=1)
    down, across = part.sizes("strides", [1, 1], least=1)
    part.expect(dilations=[1, 1], storage_order=0)
    part.setting("count_include_pad", 0)
    rounds_up = part.setting("ceil_mode", 0)
    if any(_pads(part, (height, width), (rows, columns), (down, across))):
        raise part.unsupported("pools padding, which is not supported")
    if part.kind == "AveragePool" and (rows, columns) == (height, width):
        return work.new(part, GlobalAveragePool, (work.made(tensor),), tensor.axes)
    if not rows == columns == down == across:
        raise part.unsupported("does not pool squares that lie side by side")
    if rounds_up and (height % rows or width % columns):
        raise part.unsupported(f"has ceil_mode={rounds_up}, and incomplete squares are not supported")
    kind = MaxPool if part.kind == "MaxPool" else AveragePool
    return work.new(part, kind, (work.made(tensor),), tensor.axes, size=rows)


def _global_average(work: Translation, part: OnnxNode) -> Tensor:
    tensor = work.tensor(part)
    work.images(part, tensor)
    return work.new(part, GlobalAveragePool, (work.made(tensor),), tensor.axes)


def _mean(work: Translation, part: OnnxNode) -> Tensor:
    tensor = work.tensor(part)
    reduced, axes = work.reduced(part, tensor)
    if "C" in reduced or {"H", "W"} & set("".join(axes)):
        raise part.unsupported("does not take the mean over height and width")
    return work.new(part, GlobalAveragePool, (work.made(tensor),), axes)


def _resize(work: Translation, part: OnnxNode) -> Tensor:
    tensor = work.tensor(part)
    height, width, channels = work.images(part, tensor)
    mode = part.setting("mode", "nearest")
    coordinates, rounding, scales, sizes = "asymmetric", "floor", 1, 4
    if part.kind == "Resize" and work.file.opset > 10:
        coordinates = part.setting("coordinate_transformation_mode", "half_pixel")
        rounding = part.setting("nearest_mode", "round_prefer_floor")
        scales, sizes = 2, 3
        part.expect(antialias=0, keep_aspect_ratio_policy="stretch")
        part.setting("cubic_coeff_a", -0.75), part.setting("exclude_outside", 0)
        part.setting("extrapolation_value", 0.0)
    before = (1, channels, height, width)
    axes = (part.setting("axes", [0]) if part.has("axes") else None) or [0, 1, 2, 3]
    if work.given(part, sizes):
        wanted: list[float] = [float(size) for size in work.integers(part, sizes, "sizes") or []]
    else:
        factors = work.floats(part, scales, 1).astype(np.float64)
        wanted = [size * factor for size, factor in zip((before[axis % 4] for axis in axes), factors)]
    after = {**dict(enumerate(before)), **{axis % 4: size for axis, size in zip(axes, wanted)}}
    target = (after[2], after[3])
    fits = len(wanted) == len(axes) and (after[0], after[1]) == before[:2]
    if not fits or not all(1 <= size < MAX_SIDE + 1 and size % 1 < 1e-5 for size in target):
        raise part.unsupported(f"resizes {before} to {list(after.values())}, which is not supported")
    target = (int(target[0]), int(target[1]))
    if mode == "nearest" and target == (2 * height, 2 * width) and (coordinates, rounding) in _DOUBLING:
        return work.new(part, Upsample2x, (work.made(tensor),), CHANNELS_FIRST)
    if mode == "nearest":
        raise part.unsupported(f"does not double height and width ({coordinates}, {rounding}, {target})")
    half_pixel = coordinates == "half_pixel" or (coordinates == "pytorch_half_pixel" and min(target) > 1)
    if mode != "linear" or not half_pixel:
        raise part.unsupported(f"has mode={mode!r} with {coordinates!r} coordinates; supported is 'half_pixel'")
    return work.new(part, ResizeBilinear, (work.made(tensor),), CHANNELS_FIRST, height=target[0], width=target[1])


def _pads(
    part: OnnxNode, size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Rows and columns of zeros that a node adds to an input of this size: top, left, bottom, right."""
    rule = part.setting("auto_pad", "NOTSET")
    top, left, bottom, right = part.sizes("pads", [0, 0, 0, 0], least=0)
    if rule == "NOTSET":
        return (top, left, bottom, right)
    if rule not in ("VALID", "SAME_UPPER", "SAME_LOWER") or top or left or bottom or right:
        raise part.unsupported(f"has auto_pad={rule!r} with pads {[top, left, bottom, right]}")
    if rule == "VALID":
        return (0, 0, 0, 0)
    down, across = (
        max((-(-side // stride) - 1) * stride + extent - side, 0) for side, extent, stride in zip(size, kernel, strides)
    )
    if rule == "SAME_UPPER":
        return (down // 2, across // 2, down - down // 2, across - across // 2)
    return (down - down // 2, across - across // 2, down // 2, across // 2)


LAYERS: dict[str, tuple[Operator, int, int]] = {
    "AveragePool": (_pool, 1, 1),
    "BatchNormalization": (_batch_norm, 5, 5),
    "Conv": (_conv, 2, 3),
    "Gemm": (_gemm, 2, 3),
    "GlobalAveragePool": (_global_average, 1, 1),
    "MatMul": (_matmul, 2, 2),
    "MaxPool": (_pool, 1, 1),
    "Pad": (_pad, 1, 4),
    "ReduceMean": (_mean, 1, 2),
    "Resize": (_resize, 2, 4),
    "Upsample": (_resize, 2, 2),
}
"""Each operator's translator, and how many inputs it has at least and at most."""

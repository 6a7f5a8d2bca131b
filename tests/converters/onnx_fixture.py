"""Writes small embedders as other trainers' exporters do: PyTorch's (channels first) and tf2onnx (channels last).

Checked by hand against what torch.onnx.export (2.9, TorchScript and dynamo) and tf2onnx 1.17 write: same operators,
settings and order of nodes; random weights.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
BIG = 2**63 - 1


class Builder:
    """Collects nodes and constants."""

    def __init__(self, seed: int = 0, opset: int = 17) -> None:
        self.random = np.random.default_rng(seed)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, array: object, dtype: type = np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), f"constant{len(self.constants)}"))
        return self.constants[-1].name

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        output = f"/{kind}_{len(self.nodes)}_output_0"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"/{kind}_{len(self.nodes)}", **attributes))
        return output

    def axes_node(self, kind: str, x: str, axes: list[int], since: int, **attributes: object) -> str:
        """Axes as a setting, or as an input from an opset on."""
        if self.opset < since:
            return self.node(kind, x, axes=axes, **attributes)
        return self.node(kind, x, self.constant(axes, np.int64), **attributes)

    def values(self, *shape: int, low: float = -0.5, high: float = 1.0) -> np.ndarray:
        return self.random.uniform(low, high, shape).astype(np.float32)

    def kernel(self, inputs: int, outputs: int, size: int, group: int = 1) -> str:
        fan_in = size * size * inputs // group
        return self.constant(self.random.normal(0, fan_in**-0.5, (outputs, inputs // group, size, size)))

    def conv(self, x: str, inputs: int, outputs: int, size: int, stride: int = 1, group: int = 1, **padding) -> str:
        weights = [self.kernel(inputs, outputs, size, group), self.constant(self.values(outputs))]
        padding = padding or {"pads": [size // 2] * 4}
        settings = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "dilations": [1, 1], "group": group}
        return self.node("Conv", x, *weights, **settings, **padding)

    def norm(self, x: str, channels: int) -> str:
        parts = [self.values(channels, low=0.5) for _ in range(2)] + [self.values(channels)]
        statistics = [self.constant(part) for part in (*parts, self.values(channels, low=0.5))]
        return self.node("BatchNormalization", x, *statistics, epsilon=1e-5, momentum=0.9)

    def prelu(self, x: str, channels: int, *, shared: bool = False) -> str:
        slopes = self.values(1, 1, 1) if shared else self.values(channels, 1, 1, low=-1.5, high=1.5)
        return self.node("PRelu", x, self.constant(slopes))

    def clip(self, x: str, low: float | None, high: float | None) -> str:
        if self.opset < 11:
            limits = {"min": low, "max": high}
            return self.node("Clip", x, **{key: value for key, value in limits.items() if value is not None})
        return self.node("Clip", x, *("" if value is None else self.constant(value) for value in (low, high)))

    def model(self, output: str, shape: list[object], output_shape: list[object]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "main_graph",
            [helper.make_tensor_value_info("data", FLOAT, shape)],
            [helper.make_tensor_value_info(output, FLOAT, output_shape)],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def mobilefacenet(
    *,
    head: str = "gdc",
    flatten: str = "flatten",
    length: str = "",
    opset: int = 17,
    pixels: bool = False,
    batch: object = "batch",
    seed: int = 0,
) -> onnx.ModelProto:
    """PyTorch's MobileFaceNet in miniature, pictures of 16 x 16, embeddings of 8.

    Args:
        head: gdc (a depthwise kernel as large as the map), gap, mean, pool, or flat (no pooling).
        flatten: flatten, reshape, dynamic (Shape, Gather, Unsqueeze, Concat), squeeze.
        length: How the embedding is divided by its length: see ``normalised``.
        opset: Of the operators.
        pixels: The network itself computes (x - 127.5) / 128.
        batch: Number or name.
        seed: Of the weights.
    """
    net = Builder(seed, opset)
    x = "data"
    if pixels:
        x = net.node("Div", net.node("Sub", x, net.constant(127.5)), net.constant(128.0))
    x = net.prelu(net.conv(x, 3, 6, 3, 2), 6)
    y = net.prelu(net.conv(x, 6, 6, 3, group=6), 6)
    y = net.prelu(net.conv(y, 6, 12, 1), 12)
    y = net.norm(net.conv(net.prelu(net.conv(y, 12, 12, 3, group=12), 12), 12, 6, 1), 6)
    x = net.node("Add", x, y)
    x = net.prelu(net.conv(x, 6, 10, 3, 2), 10, shared=True)
    features = 10
    if head == "gdc":
        x = net.conv(x, 10, 10, 4, group=10, pads=[0] * 4)
    elif head == "gap":
        x = net.node("GlobalAveragePool", x)
    elif head == "mean":
        x = net.axes_node("ReduceMean", x, [-1, -2], 18, keepdims=1)
    elif head == "pool":
        x = net.node("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4])
    elif head == "flat":
        features = 160
    if flatten == "flatten":
        x = net.node("Flatten", x, axis=1)
    elif flatten == "reshape":
        x = net.node("Reshape", x, net.constant([-1, features], np.int64))
    elif flatten == "dynamic":
        size = net.node("Gather", net.node("Shape", x), net.constant(0, np.int64), axis=0)
        rest = net.constant([-1], np.int64)
        size = net.node("Concat", net.axes_node("Unsqueeze", size, [0], 13), rest, axis=0)
        x = net.node("Reshape", x, size)
    elif flatten == "squeeze":
        x = net.axes_node("Squeeze", net.axes_node("Squeeze", x, [3], 13), [2], 13)
    x = net.node("Dropout", x)
    bias = net.constant(net.values(8))
    weight = net.random.normal(0, features**-0.5, (8, features))
    x = net.norm(net.node("Gemm", x, net.constant(weight), bias, alpha=1.0, beta=1.0, transB=1), 8)
    return net.model(normalised(net, x, length), [batch, 3, 16, 16], [batch, 8])


def normalised(net: Builder, x: str, how: str) -> str:
    """A vector divided by its length."""
    if how == "LpNormalization":
        return net.node("LpNormalization", x, axis=1, p=2)
    if how == "ReduceL2":
        return net.node("Div", x, net.axes_node("ReduceL2", x, [1], 18, keepdims=1))
    if how == "without keepdims":
        return net.node("Div", x, net.axes_node("Unsqueeze", net.node("ReduceL2", x, axes=[1], keepdims=0), [1], 13))
    if how == "F.normalize":
        length = net.clip(net.axes_node("ReduceL2", x, [1], 18, keepdims=1), 1e-12, None)
        return net.node("Div", x, net.node("Expand", length, net.node("Shape", x)))
    if how == "pow":
        squares = net.node("Pow", x, net.constant(2.0))
        return net.node("Div", x, net.node("Sqrt", net.axes_node("ReduceSum", squares, [1], 13, keepdims=1)))
    if how == "rsqrt":
        total = net.axes_node("ReduceSum", net.node("Mul", x, x), [-1], 13, keepdims=1)
        root = net.node("Sqrt", net.node("Add", total, net.constant(1e-12)))
        return net.node("Mul", x, net.node("Div", net.constant(1.0), root))
    if how == "tf":
        total = net.axes_node("ReduceSum", net.node("Mul", x, x), [1], 13, keepdims=1)
        root = net.node("Sqrt", net.node("Max", total, net.constant(1e-12)))
        return net.node("Mul", x, net.node("Reciprocal", root))
    return x


def ghostface(*, gate: str = "clip6", resize: str = "nearest", opset: int = 17, seed: int = 0) -> onnx.ModelProto:
    """A PyTorch port of GhostFaceNet in miniature: ghost modules, squeeze-excitation, DFC attention; 16 x 16.

    Args:
        gate: Form of the hard sigmoid: clip6, hardsigmoid, sigmoid, clip, hardswish (in place of the gate's product).
        resize: nearest or linear, of the attention.
        opset: Of the operators.
        seed: Of the weights.
    """
    net = Builder(seed, opset)

    def ghost(x: str, inputs: int, outputs: int, *, act: bool = True) -> str:
        half = outputs // 2
        first = net.conv(x, inputs, half, 1)
        first = net.node("LeakyRelu", first, alpha=0.1) if act else first
        second = net.conv(first, half, half, 3, group=half)
        joined = net.node("Concat", first, net.node("Relu", second) if act else second, axis=1)
        cut = [net.constant([number], np.int64) for number in (0, outputs, 1, 1)]
        return net.node("Slice", joined, *cut)

    def squeeze_excite(x: str, channels: int) -> str:
        y = net.node("GlobalAveragePool", x)
        y = net.conv(net.node("Relu", net.conv(y, channels, 4, 1)), 4, channels, 1)
        if gate == "clip6":
            y = net.clip(net.node("Add", y, net.constant(3.0)), 0.0, 6.0)
            y = net.node("Div", y, net.constant(6.0))
        elif gate == "clip":
            y = net.node("Add", net.node("Mul", y, net.constant(0.2)), net.constant(0.5))
            y = net.clip(y, 0.0, 1.0)
        elif gate == "hardsigmoid":
            y = net.node("HardSigmoid", y, alpha=1 / 6, beta=0.5)
        elif gate == "hardswish":
            y = net.node("HardSwish", y)
        else:
            y = net.node("Sigmoid", y)
        return net.node("Mul", y, x) if gate == "clip" else net.node("Mul", x, y)

    def attention(x: str, channels: int) -> str:
        y = net.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4, ceil_mode=0)
        y = net.node("Sigmoid", net.conv(net.conv(y, channels, channels, 1), channels, channels, 3, group=channels))
        coordinates = "asymmetric" if resize == "nearest" else "half_pixel"
        rounding = {"nearest_mode": "floor"} if resize == "nearest" else {}
        scales = net.constant([1.0, 1.0, 2.0, 2.0])
        region = net.constant([]) if opset < 13 else ""  # an optional input since opset 13
        y = net.node("Resize", y, region, scales, mode=resize, coordinate_transformation_mode=coordinates, **rounding)
        return net.node("Mul", ghost(x, channels, channels), y)

    x = net.prelu(net.conv("data", 3, 8, 3, 2), 8)
    x = attention(x, 8)
    y = squeeze_excite(net.conv(ghost(x, 8, 12), 12, 12, 3, 2, group=12), 12)
    shortcut = net.conv(net.conv(x, 8, 8, 3, 2, group=8), 8, 8, 1)
    x = net.node("Add", ghost(y, 12, 8, act=False), shortcut)
    x = net.node("Flatten", net.conv(net.conv(x, 8, 8, 4, group=8, pads=[0] * 4), 8, 6, 1))
    return net.model(net.norm(x, 6), ["b", 3, 16, 16], ["b", 6])


def tf_ghostface(*, layout: str = "NHWC", opset: int = 17, size: object = 16, seed: int = 0) -> onnx.ModelProto:
    """Keras's GhostFaceNet in miniature as tf2onnx writes it before it removes transposes.

    Every convolution stands between two transposes, PReLU and the hard sigmoid are written out, and padding is SAME or
    a Pad of channels-last maps.
    """
    net = Builder(seed, opset)

    def first(x: str) -> str:
        return net.node("Transpose", x, perm=[0, 3, 1, 2])

    def last(x: str) -> str:
        return net.node("Transpose", x, perm=[0, 2, 3, 1])

    def conv(x: str, *numbers: int, **settings) -> str:
        return last(net.conv(first(x), *numbers, **settings))

    def prelu(x: str, channels: int) -> str:
        slopes = net.constant(net.values(1, 1, channels, low=-1.5, high=1.5))
        below = net.node("Mul", net.node("Neg", slopes), net.node("Relu", net.node("Neg", x)))
        return net.node("Add", net.node("Relu", x), below)

    def ghost(x: str, inputs: int, outputs: int) -> str:
        half = outputs // 2
        y = prelu(conv(x, inputs, half, 1), half)
        return net.node("Concat", y, conv(y, half, half, 3, group=half, auto_pad="SAME_UPPER"), axis=3)

    x = "data" if layout == "NHWC" else last("data")
    x = prelu(conv(x, 3, 8, 3, 2, auto_pad="SAME_UPPER"), 8)
    x = net.node("Pad", ghost(x, 8, 8), net.constant([0, 1, 1, 0, 0, 1, 1, 0], np.int64), mode="constant")
    x = conv(x, 8, 8, 3, 2, group=8, auto_pad="VALID")
    y = net.axes_node("ReduceMean", x, [1, 2], 18, keepdims=0)
    y = net.node("Reshape", y, net.constant([-1, 1, 1, 8], np.int64))
    y = conv(y, 8, 8, 1, auto_pad="VALID")
    y = net.node("Add", net.node("Mul", y, net.constant(0.2)), net.constant(0.5))
    y = net.node("Max", net.node("Min", y, net.constant(1.0)), net.constant(0.0))
    x = net.node("Mul", x, y)
    x = net.node("Mul", x, net.constant(net.values(8)))
    x = net.node("Reshape", x, net.constant([-1, 128], np.int64))
    x = net.node("MatMul", x, net.constant(net.random.normal(0, 0.1, (128, 6))))
    x = net.node("Add", x, net.constant(net.values(6)))
    sides = [size, size]
    shape = ["b", *sides, 3] if layout == "NHWC" else ["b", 3, *sides]
    return net.model(x, shape, ["b", 6])

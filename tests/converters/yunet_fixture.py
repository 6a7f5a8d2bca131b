"""Writes a small network in the form of OpenCV Zoo's YuNet: random weights, the same operators, outputs and tail."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

SIZE = 64
STRIDES = (8, 16, 32)
BRANCHES = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


def yunet(channels: int = 6, seed: int = 0) -> onnx.ModelProto:
    """The network at a fixed input of 64 x 64, as channels-first BGR."""
    random = np.random.default_rng(seed)
    nodes, constants = [], []

    def constant(array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(array, f"constant{len(constants)}"))
        return constants[-1].name

    def node(kind: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        output = output or f"tensor{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind}_{len(nodes)}", **attributes))
        return output

    def conv(x: str, inputs: int, outputs: int, kernel: int, stride: int = 1, group: int = 1) -> str:
        fan_in = kernel * kernel * inputs // group
        weight = random.normal(0, fan_in**-0.5, (outputs, inputs // group, kernel, kernel)).astype(np.float32)
        bias = random.normal(0, 0.1, outputs).astype(np.float32)
        pad = kernel // 2
        settings = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "dilations": [1, 1]}
        return node("Conv", [x, constant(weight), constant(bias)], group=group, **settings)

    def unit(x: str, inputs: int, outputs: int) -> str:
        return node("Relu", [conv(conv(x, inputs, outputs, 1), outputs, outputs, 3, group=outputs)])

    def pool(x: str) -> str:
        return node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0], ceil_mode=0)

    x = unit(pool(node("Relu", [conv("input", 3, channels, 3, stride=2)])), channels, channels)
    levels = []
    for _ in STRIDES:
        x = unit(pool(x), channels, channels)
        levels.append(x)
    empty, factors = constant(np.zeros(0, np.float32)), constant(np.array([1, 1, 2, 2], np.float32))
    upsampling = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    levels[2] = unit(levels[2], channels, channels)
    for lower in (1, 0):
        doubled = node("Resize", [levels[lower + 1], empty, factors], **upsampling)
        levels[lower] = unit(node("Add", [levels[lower], doubled]), channels, channels)
    outputs = []
    for branch, size in BRANCHES.items():
        for level, stride in zip(levels, STRIDES):
            head = conv(conv(level, channels, size, 1), size, size, 3, group=size)
            moved = node("Transpose", [head], perm=[0, 2, 3, 1])
            name = f"{branch}_{stride}"
            shape = constant(np.array([1, -1, size], np.int64))
            if branch in ("cls", "obj"):
                node("Sigmoid", [node("Reshape", [moved, shape])], name)
            else:
                node("Reshape", [moved, shape], name)
            outputs.append(helper.make_tensor_value_info(name, 1, [1, (SIZE // stride) ** 2, size]))
    picture = helper.make_tensor_value_info("input", 1, [1, 3, SIZE, SIZE])
    graph = helper.make_graph(nodes, "yunet", [picture], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)

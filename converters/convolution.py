"""Runs convolutions on many pictures, forwards and backwards, without their bias.

Over single pixels they are products of matrices, in NumPy; over more, ONNX Runtime does the work, on one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .graph import Conv, FloatArray, Graph, Input, Shape
from .onnx_writer import write_onnx
from .requirement import missing_package

Map = Callable[[FloatArray], FloatArray]
"""From (pictures, height, width, channels) to the same with other sizes, float32."""


def forward(conv: Conv, shape: Shape) -> Map:
    """The sums of a convolution.

    Args:
        conv: The convolution; its bias is not looked at.
        shape: Of one picture that it takes.

    Raises:
        RuntimeMissingError: onnx or ONNX Runtime is not installed.
    """
    kernel = conv.kernel
    if _is_pointwise(conv):
        matrix = kernel[0, 0, :, 0] if conv.depthwise else kernel[0, 0]
        return (lambda x: x * matrix) if conv.depthwise else (lambda x: x @ matrix)
    return _session(replace(conv, bias=None), shape)


def backward(conv: Conv, shape: Shape) -> Map:
    """Derivatives by what a convolution takes, from those by what it makes.

    Args:
        conv: The convolution.
        shape: Of one picture that it takes.

    Raises:
        RuntimeMissingError: onnx or ONNX Runtime is not installed.
    """
    kernel = conv.kernel
    if _is_pointwise(conv):
        matrix = kernel[0, 0, :, 0] if conv.depthwise else kernel[0, 0].T
        return (lambda x: x * matrix) if conv.depthwise else (lambda x: x @ matrix)
    # The transpose of a convolution: the results, spread out by the strides, under the kernel turned by 180 degrees.
    rows, columns = kernel.shape[:2]
    height, width, channels = conv.shape(shape)
    spread = ((height - 1) * conv.strides[0] + 1, (width - 1) * conv.strides[1] + 1)
    top, left = rows - 1 - conv.pads[0], columns - 1 - conv.pads[1]
    bottom, right = shape[0] + rows - 1 - spread[0] - top, shape[1] + columns - 1 - spread[1] - left
    turned = kernel[::-1, ::-1] if conv.depthwise else kernel[::-1, ::-1].swapaxes(2, 3)
    transposed = replace(
        conv, kernel=np.ascontiguousarray(turned), bias=None, strides=(1, 1), pads=(top, left, bottom, right)
    )
    run = _session(transposed, (*spread, channels))
    if conv.strides == (1, 1):
        return run

    def run_spread(x: FloatArray) -> FloatArray:
        holes = np.zeros((len(x), *spread, channels), np.float32)
        holes[:, :: conv.strides[0], :: conv.strides[1]] = x
        return run(holes)

    return run_spread


def _is_pointwise(conv: Conv) -> bool:
    return conv.kernel.shape[:2] == (1, 1) and conv.strides == (1, 1) and not any(conv.pads)


def _session(conv: Conv, shape: Shape) -> Map:
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_package("simulating a model", "onnxruntime") from error
    height, width, channels = shape
    graph = Graph((Input("x", (), height, width, channels), replace(conv, name="y", inputs=("x",))), ("y",))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(write_onnx(graph, ""), options, providers=["CPUExecutionProvider"])

    def run(x: FloatArray) -> FloatArray:
        result: FloatArray = session.run(["y"], {"x": np.ascontiguousarray(x)})[0]
        return result

    return run

"""Runs convolutions on many pictures, without their bias.

Over single pixels they are products of matrices, in NumPy; over more, ONNX Runtime does the work, on one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .graph import Conv, FloatArray, Graph, Input, Shape
from .running import runner

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


def _is_pointwise(conv: Conv) -> bool:
    return conv.kernel.shape[:2] == (1, 1) and conv.strides == (1, 1) and not any(conv.pads)


def _session(conv: Conv, shape: Shape) -> Map:
    height, width, channels = shape
    graph = Graph((Input("x", (), height, width, channels), replace(conv, name="y", inputs=("x",))), ("y",))
    run = runner(graph)
    return lambda x: run(x)["y"]

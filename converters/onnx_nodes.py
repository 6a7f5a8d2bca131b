"""The ONNX nodes and constants of a file that is being written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def onnx_kernel(kernel: NDArray[Any], depthwise: bool) -> NDArray[Any]:
    """A kernel of :class:`~.graph.Conv` in ONNX's order: output channels, input channels per group, rows, columns."""
    ordered: NDArray[Any] = kernel.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    return ordered


class OnnxNodes:
    """Nodes and constants in the order in which they were made; a node has the name of the tensor that it makes.

    Args:
        onnx: The package onnx.

    Attributes:
        nodes: ``NodeProto``.
        constants: ``TensorProto``.
    """

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node; the name of its tensor."""
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Append a constant in the array's own dtype; its name."""
        self.constants.append(self._onnx.numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

"""Give a convolution of stride 2 that pads above and at the left a kernel with which that is TensorFlow's SAME padding.

Of an even side, SAME padding for a kernel of 3 and a stride of 2 is one row at the end. PyTorch's networks have it at
the start, which takes a PAD operator in a TFLite file. XNNPACK makes that a part of the convolution in float32; in
float16 it does not, and copies the picture pixel by pixel. A kernel of 4 whose last row and column are 0 computes the
same numbers, and its SAME padding is one row at either end.

Million instructions of YuNet at 640 x 640 in float16 on an emulated Cortex-A76 (LiteRT 2.3):
145.2 before, 115.9 after.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph import Conv, Graph, Node

_SMALLEST = 32
"""Side of the smallest picture of a network that leaves the size open; the others are its multiples."""


def pad_kernels(graph: Graph) -> Graph:
    """The same network with SAME padding in every dense convolution with a stride that a few zeros bring there."""
    is_open = graph.input.height is None or graph.input.width is None
    shapes = graph.shapes(_SMALLEST, _SMALLEST) if is_open else graph.shapes()

    def padded(node: Node) -> Node:
        if not isinstance(node, Conv) or node.depthwise or node.strides == (1, 1):
            return node
        starts = node.pads[:2]
        sides, made = shapes[node.inputs[0]][:2], shapes[node.name][:2]
        more = [_zeros(extent, stride, start) for extent, stride, start in zip(node.kernel.shape, node.strides, starts)]
        fits = all(
            extra is not None and side % stride == 0 and count == side // stride
            for extra, side, stride, count in zip(more, sides, node.strides, made)
        )
        if not fits or more == [0, 0]:
            return node
        rows, columns = (extra or 0 for extra in more)
        kernel = np.pad(node.kernel, ((0, rows), (0, columns), (0, 0), (0, 0)))
        bottom, right = (extent - stride - start for extent, stride, start in zip(kernel.shape, node.strides, starts))
        return replace(node, kernel=kernel, pads=(*starts, bottom, right))

    return Graph(tuple(padded(node) for node in graph.nodes), graph.outputs)


def _zeros(extent: int, stride: int, start: int) -> int | None:
    """Rows of zeros behind a kernel with which SAME padding starts with so many rows; None where none do."""
    for extra in range(stride):
        total = extent + extra - stride
        if total >= 0 and total // 2 == start:
            return extra
    return None

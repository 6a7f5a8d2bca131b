"""Writes average pooling as a convolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph import AveragePool, Conv, Graph, Node


def lower_average_pool(graph: Graph) -> Graph:
    """Every average pooling as a depthwise convolution of equal weights; exact for sides that are powers of 2.

    XNNPACK takes no average pooling of int8 tensors (LiteRT 2.3), so that one would cut the network there; it takes
    the convolution, and int8 holds its weights without rounding.
    """
    shapes = graph.shapes()

    def lowered(node: Node) -> Node:
        if not isinstance(node, AveragePool):
            return node
        kernel = np.full((node.size, node.size, shapes[node.name][2], 1), 1 / node.size**2, np.float32)
        return Conv(node.name, node.inputs, kernel, None, (node.size, node.size), depthwise=True)

    return replace(graph, nodes=tuple(lowered(node) for node in graph.nodes))

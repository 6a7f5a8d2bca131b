"""Make a network that wants BGR take RGB, and the other way round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ghostface_edge.errors import ConversionError

from ..graph import Conv, Graph, Node


def swap_colours(graph: Graph) -> Graph:
    """The same network for pictures whose three channels come in the opposite order.

    Raises:
        ConversionError: Something other than a dense convolution takes the picture.
    """
    picture = graph.input.name

    def swapped(node: Node) -> Node:
        if picture not in node.inputs:
            return node
        if not isinstance(node, Conv) or node.depthwise:
            raise ConversionError(f"node {node.name!r} takes the picture and is no dense convolution")
        return replace(node, kernel=np.ascontiguousarray(node.kernel[:, :, ::-1]))

    return Graph(tuple(swapped(node) for node in graph.nodes), graph.outputs)

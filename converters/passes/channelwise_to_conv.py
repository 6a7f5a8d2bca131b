"""Write what is left of normalisation and of products with constants as depthwise convolutions.

A BatchNorm that follows no convolution, and a Scale, multiply each channel by a number of its own. In integers a
product with constants has one scale for all of them, and a kernel has one per channel.
"""

from __future__ import annotations

import numpy as np

from ..graph import BatchNorm, Conv, Graph, Node, Scale


def channelwise_to_conv(graph: Graph) -> Graph:
    """The same network with a depthwise 1 x 1 convolution for every BatchNorm and Scale, except on flat vectors."""
    shapes = graph.shapes()
    return Graph(tuple(_conv(node) if len(shapes[node.name]) == 3 else node for node in graph.nodes), graph.outputs)


def _conv(node: Node) -> Node:
    if isinstance(node, Scale):
        factor, bias = node.factor.astype(np.float64), None
    elif isinstance(node, BatchNorm):
        factor = node.gamma / np.sqrt(node.variance.astype(np.float64) + node.epsilon)
        bias = (node.beta - factor * node.mean).astype(np.float32)
    else:
        return node
    return Conv(node.name, node.inputs, factor.astype(np.float32)[None, None, :, None], bias, depthwise=True)

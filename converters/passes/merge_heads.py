"""Merge YuNet's twelve head branches into three outputs.

At each stride YuNet has four branches (class, objectness, box, landmarks), each a pointwise convolution and a
depthwise one on the same features. Branches that lie side by side are one pointwise and one depthwise convolution
whose kernels are the branches' kernels, joined along the output channels.
"""

from __future__ import annotations

import numpy as np

from ghostface_edge.errors import ConversionError

from ..graph import Conv, Graph
from .remove_dead import remove_dead

STRIDES = (8, 16, 32)
BRANCHES = ("cls", "obj", "bbox", "kps")
"""Order of the branches in the channels of an output: 1 + 1 + 4 + 10."""


def merge_heads(graph: Graph) -> Graph:
    """The same network with the outputs ``stride8``, ``stride16``, ``stride32``.

    Args:
        graph: A network with the outputs ``cls_8`` ... ``kps_32``.

    Raises:
        ConversionError: The branches of one stride are not alike.
    """
    nodes = list(graph.nodes)
    for stride in STRIDES:
        spatial = [_conv(graph, f"{branch}_{stride}", depthwise=True) for branch in BRANCHES]
        pointwise = [_conv(graph, conv.inputs[0], depthwise=False) for conv in spatial]
        nodes.append(_joined(f"stride{stride}/pointwise", pointwise[0].inputs, pointwise))
        nodes.append(_joined(f"stride{stride}", (f"stride{stride}/pointwise",), spatial))
    return remove_dead(Graph(tuple(nodes), tuple(f"stride{stride}" for stride in STRIDES)))


def _conv(graph: Graph, name: str, *, depthwise: bool) -> Conv:
    node = graph[name]
    if not isinstance(node, Conv) or node.depthwise != depthwise or node.bias is None:
        raise ConversionError(f"head {name!r} is not a {'depthwise' if depthwise else 'dense'} convolution with bias")
    return node


def _joined(name: str, inputs: tuple[str, ...], convs: list[Conv]) -> Conv:
    """One convolution with the output channels of all."""
    first = convs[0]
    for conv in convs:
        alike = (
            conv.strides == first.strides
            and conv.pads == first.pads
            and conv.kernel.shape[:2] == first.kernel.shape[:2]
        )
        if not alike or (not first.depthwise and conv.inputs != inputs):
            raise ConversionError(f"heads {first.name!r} and {conv.name!r} are not alike and cannot be merged")
    kernel = np.concatenate([conv.kernel for conv in convs], axis=2 if first.depthwise else 3)
    bias = np.concatenate([conv.bias for conv in convs if conv.bias is not None])
    return Conv(name, inputs, kernel, bias, first.strides, first.pads, first.depthwise)

"""Make the four numbers of which a 2 x 2 maximum pooling keeps the largest with four convolutions, not with one.

Where a depthwise convolution of stride 1 feeds nothing but the pooling (a ReLU may stand between), the pixels of each
square's corner are made by the same convolution with a stride of 2 and a shifted padding: corner (a, b) of square
(i, j) is pixel (2 i + a, 2 j + b). The largest of four tensors is then taken number by number. Every product is
computed as before, and once; only the pooling is gone, for which XNNPACK has a kernel that takes nine pixels.

Million instructions of YuNet at 640 x 640 on an emulated Cortex-A76 (LiteRT 2.3), before and after: float32 191.3 and
187.1. In float16 XNNPACK does not make the paddings a part of the convolutions, and the poolings stay.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import Conv, Graph, Maximum, MaxPool, Node, Relu

_SMALLEST = 32
"""Side of the smallest picture of a network that leaves the size open; the others are its multiples."""


def pool_phases(graph: Graph) -> Graph:
    """The same network without the poolings that follow a depthwise convolution of their own."""
    users, nodes = graph.users(), graph.by_name()
    is_open = graph.input.height is None or graph.input.width is None
    shapes = graph.shapes(_SMALLEST, _SMALLEST) if is_open else graph.shapes()
    replaced: dict[str, list[Node]] = {}
    gone: set[str] = set()
    for node in graph.nodes:
        if not isinstance(node, MaxPool) or node.size != 2:
            continue
        relu = nodes[node.inputs[0]]
        conv = nodes[relu.inputs[0]] if isinstance(relu, Relu) else relu
        if not isinstance(conv, Conv) or not conv.depthwise or conv.strides != (1, 1) or min(conv.pads) < 1:
            continue
        inside = {conv.name, relu.name}
        if any(len(users[name]) > 1 or name in graph.outputs for name in inside):
            continue
        height, width, _ = shapes[conv.name]
        if height % 2 or width % 2:
            continue
        replaced[node.name] = _phases(conv, node.name, relu is not conv)
        gone |= inside
    kept: list[Node] = []
    for node in graph.nodes:
        if node.name not in gone:
            kept.extend(replaced.get(node.name, [node]))
    return Graph(tuple(kept), graph.outputs)


def _phases(conv: Conv, name: str, is_cut: bool) -> list[Node]:
    """The four corners, and the largest of them under the name of the pooling."""
    top, left, bottom, right = conv.pads
    made: list[Node] = []
    corners = []
    for row in (0, 1):
        for column in (0, 1):
            # A corner further down needs as many rows less above as it needs more below.
            pads = (top - row, left - column, bottom + row - 1, right + column - 1)
            corner = replace(conv, name=f"{name}/corner{row}{column}", strides=(2, 2), pads=pads)
            made.append(corner)
            if is_cut:
                made.append(Relu(f"{corner.name}/relu", (corner.name,)))
            corners.append(made[-1].name)
    upper, lower = Maximum(f"{name}/upper", tuple(corners[:2])), Maximum(f"{name}/lower", tuple(corners[2:]))
    return [*made, upper, lower, Maximum(name, (upper.name, lower.name))]

"""Move a hard-sigmoid's slope and offset into the convolution before it.

clip(slope conv(x) + offset, 0, 1) is clip(conv'(x), 0, 1) with the kernel and the bias of conv multiplied by the slope,
and the offset added to the bias. What is left is the unit hard-sigmoid, which saturation does in integers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph import Conv, Graph, HardSigmoid, Node


def fold_hard_sigmoid(graph: Graph) -> Graph:
    """The same network with slope 1 and offset 0 for every HardSigmoid that follows a convolution of its own."""
    users = graph.users()
    made: dict[str, Node] = {}
    for node in graph.nodes:
        made[node.name] = node
        if not isinstance(node, HardSigmoid):
            continue
        conv = made[node.inputs[0]]
        if isinstance(conv, Conv) and len(users[conv.name]) == 1 and conv.name not in graph.outputs:
            made[conv.name] = _folded(conv, node)
            made[node.name] = replace(node, slope=1.0, offset=0.0)
    return Graph(tuple(made.values()), graph.outputs)


def _folded(conv: Conv, sigmoid: HardSigmoid) -> Conv:
    bias = np.zeros(conv.output_channels) if conv.bias is None else conv.bias.astype(np.float64)
    return replace(
        conv,
        kernel=(conv.kernel.astype(np.float64) * sigmoid.slope).astype(np.float32),
        bias=(bias * sigmoid.slope + sigmoid.offset).astype(np.float32),
    )

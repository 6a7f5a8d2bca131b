"""Take the normalisation of pixels out of a network, so that the runtime does it with the numbers on the card.

A network that starts with the same x -> factor x + offset for all three channels, such as (x - 127.5) / 128, wants
pixels; without it, it wants what the card can say, and its input is near -1..1, as the int8 scheme needs it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph import BatchNorm, Graph, Scale


def lift_normalisation(graph: Graph) -> tuple[Graph, float, float]:
    """The network without a normalisation at its start, and what was taken out: factor and offset, or 1 and 0."""
    users = graph.users()[graph.input.name]
    first = users[0] if len(users) == 1 else None
    if isinstance(first, Scale):
        factor, offset = first.factor.astype(np.float64), np.zeros(len(first.factor))
    elif isinstance(first, BatchNorm):
        factor = first.gamma / np.sqrt(first.variance.astype(np.float64) + first.epsilon)
        offset = first.beta - factor * first.mean
    else:
        return graph, 1.0, 0.0
    uniform = len(np.unique(factor)) == len(np.unique(offset)) == 1 and 1e-9 < abs(factor[0]) < 1e9
    if not uniform or abs(offset[0] / factor[0]) > 1e9:
        return graph, 1.0, 0.0
    renamed = {first.name: graph.input.name}
    nodes = (
        replace(node, inputs=tuple(renamed.get(name, name) for name in node.inputs))
        for node in graph.nodes
        if node is not first
    )
    return Graph(tuple(nodes), graph.outputs), float(factor[0]), float(offset[0])

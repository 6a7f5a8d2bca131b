"""Drop the nodes that no output depends on."""

from __future__ import annotations

from ..graph import Graph, Input


def remove_dead(graph: Graph) -> Graph:
    """The same network without the nodes that no output depends on; the input stays in any case."""
    alive = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node.name in alive:
            alive.update(node.inputs)
    return Graph(tuple(node for node in graph.nodes if node.name in alive or isinstance(node, Input)), graph.outputs)

"""Bring every PReLU slope into -1..1, by scaling the convolution before it.

With f_a(x) = PReLU of slope a:

* a < -1: f_a(x) = f_(1/a)(a x);
* a > 1: f_a(x) = -f_(1/a)(-a x). The sign is carried on to the convolutions that take the result, and is multiplied
  into their kernels. On its way it passes Concat, GlobalAveragePool, Mul and Add; whatever else is added must change
  its sign too, which a convolution can and a PReLU of slope 1 or more can. Where the sign cannot be carried, the slope
  stays.

In the official checkpoint slopes go from -16 to +16; small ones are cheaper to compute and lose less when quantised.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph import Conv, Graph, Node, PRelu
from .channels import scaled, sign_groups


def normalise_slopes(graph: Graph) -> Graph:
    """The same network with PReLU slopes in -1..1 wherever the PReLU follows a convolution of its own."""
    users, nodes = graph.users(), graph.by_name()
    groups = sign_groups(graph)
    wanted, refused = np.zeros_like(groups.pinned), groups.pinned.copy()
    prelus = [node for node in graph.nodes if isinstance(node, PRelu)]
    own = {node.name for node in prelus if _is_own(nodes[node.inputs[0]], graph, users)}
    for prelu in prelus:
        made = groups.numbers[prelu.name]
        if prelu.name in own:
            wanted[made[prelu.slope > 1]] = True
            refused[made[prelu.slope < 1]] = True
        else:
            refused[made] = refused[groups.numbers[prelu.inputs[0]]] = True
    factors = groups.factors(np.where(wanted & ~refused, -1.0, 1.0))
    for prelu in prelus:
        if prelu.name not in own:
            continue
        slope = prelu.slope.astype(np.float64)
        factor = np.where(slope < -1, slope, np.where(factors[prelu.name] < 0, -slope, 1.0))
        factors[prelu.inputs[0]] = factor
        inverse = np.divide(1.0, slope, out=slope.copy(), where=factor != 1)
        nodes[prelu.name] = replace(prelu, slope=inverse.astype(np.float32))
    return scaled(Graph(tuple(nodes.values()), graph.outputs), factors)


def _is_own(source: Node, graph: Graph, users: dict[str, list[Node]]) -> bool:
    return isinstance(source, Conv) and len(users[source.name]) == 1 and source.name not in graph.outputs

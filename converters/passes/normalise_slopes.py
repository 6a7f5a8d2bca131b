"""Bring every PReLU slope into -1..1, by scaling the convolution before it.

With f_a(x) = PReLU of slope a:

* a < -1: f_a(x) = f_(1/a)(a x);
* a > 1: f_a(x) = -f_(1/a)(-a x). The sign is carried on to the convolutions that take the result, through Concat,
  GlobalAveragePool and Mul, and is multiplied into their kernels. Where it cannot be carried, such as into an Add, the
  slope stays.

In the official checkpoint slopes go from -16 to +16; small ones are cheaper to compute and lose less when quantised.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..graph import Concat, Conv, GlobalAveragePool, Graph, Mul, Node, PRelu

Factors = NDArray[np.float64]
"""One number per channel."""


def normalise_slopes(graph: Graph) -> Graph:
    """The same network with PReLU slopes in -1..1 wherever the PReLU follows a convolution of its own."""
    users = graph.users()
    nodes = graph.by_name()
    for name, prelu in nodes.items():
        if not isinstance(prelu, PRelu):
            continue
        conv = nodes[prelu.inputs[0]]
        if not isinstance(conv, Conv) or len(users[conv.name]) > 1 or conv.name in graph.outputs:
            continue
        slope = prelu.slope.astype(np.float64)
        sign = np.where(slope > 1, -1.0, 1.0)
        takers = _takers(graph, name, sign)
        if takers is None:
            sign, takers = np.ones_like(sign), {}
        factor = np.where(slope < -1, slope, np.where(sign < 0, -slope, 1.0))
        inverse = np.divide(1.0, slope, out=slope.copy(), where=factor != 1)
        nodes[conv.name] = _scale_outputs(conv, factor)
        nodes[name] = replace(prelu, slope=inverse.astype(np.float32))
        for taker, signs in takers.items():
            nodes[taker] = _scale_inputs(nodes[taker], signs)
    return Graph(tuple(nodes.values()), graph.outputs)


def _takers(graph: Graph, origin: str, sign: Factors) -> dict[str, Factors] | None:
    """The convolutions that a sign on one tensor reaches, and the sign of each of their input channels.

    None where something else takes it, which a sign cannot pass.
    """
    if (sign == 1).all():
        return {}
    shapes = graph.shapes()
    signs = {origin: sign}
    takers: dict[str, Factors] = {}
    for node in graph.nodes:
        if not signs.keys() & set(node.inputs):
            continue
        if isinstance(node, Conv):
            takers[node.name] = signs[node.inputs[0]]
        elif isinstance(node, GlobalAveragePool):
            signs[node.name] = signs[node.inputs[0]]
        elif isinstance(node, Mul):
            first, second = (signs.get(name, 1.0) for name in node.inputs)
            signs[node.name] = np.asarray(first * second)
        elif isinstance(node, Concat):
            parts = [signs.get(name, np.ones(shapes[name][-1])) for name in node.inputs]
            signs[node.name] = np.concatenate(parts)
        else:
            return None
    return None if signs.keys() & set(graph.outputs) else takers


def _scale_outputs(conv: Conv, factor: Factors) -> Conv:
    kernel = conv.kernel * (factor[:, None] if conv.depthwise else factor)
    bias = None if conv.bias is None else (conv.bias * factor).astype(np.float32)
    return replace(conv, kernel=kernel.astype(np.float32), bias=bias)


def _scale_inputs(conv: Node, factor: Factors) -> Conv:
    assert isinstance(conv, Conv)  # noqa: S101 - _takers returns nothing else
    return replace(conv, kernel=(conv.kernel * factor[:, None]).astype(np.float32))

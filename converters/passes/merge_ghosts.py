"""Make one chain of a narrow ghost module's two halves, so that nothing is left to concatenate.

A ghost module makes primary features with a dense convolution, filters them with a cheap depthwise one, and
concatenates both, each half with a PReLU of its own or without. If the dense convolution makes its features twice, one
depthwise convolution does the rest: its kernels are 1 in the middle for the first half, and the cheap ones for the
second. A PReLU behind it has the slope 1 for the first half. Nothing else is computed, to the last bit.

XNNPACK's float16 kernels compute 16 channels at once, so that the second half of the products is free, and a Concat of
two narrow tensors copies a few bytes at a time. Million instructions of W0.5-S2 in float16 on an emulated Cortex-A76
(LiteRT 2.3), by the most channels of a module's result that is merged: none 6.40, 8 6.09, 16 6.06, 24 6.16. Where such
a file is computed in float32: Cortex-A72 9.64, 9.41, 9.55, 9.79; Cortex-A53 11.56, 11.87, 12.10, 12.95.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..graph import Concat, Conv, FloatArray, Graph, Node, PRelu

MOST_CHANNELS = 8
"""Channels of a module's result that is still merged."""


@dataclass(frozen=True, eq=False)
class _Ghost:
    """A ghost module: its convolutions, and the PReLU behind each where there are any."""

    primary: Conv
    cheap: Conv
    slopes: tuple[PRelu, PRelu] | None


def merge_ghosts(graph: Graph) -> Graph:
    """The same network without the Concat of every ghost module of at most :data:`MOST_CHANNELS` channels."""
    users, nodes = graph.users(), graph.by_name()
    changed: dict[str, Node] = {}
    gone: set[str] = set()
    for node in graph.nodes:
        ghost = _ghost(node, nodes, users) if isinstance(node, Concat) else None
        if ghost is None:
            continue
        primary, cheap = ghost.primary, ghost.cheap
        names = {primary.name, cheap.name, *(slope.name for slope in ghost.slopes or ())}
        if 2 * primary.output_channels > MOST_CHANNELS or names & set(graph.outputs):
            continue
        rows, columns = cheap.kernel.shape[:2]
        centre = np.zeros_like(cheap.kernel)
        centre[rows // 2, columns // 2] = 1
        bias, none = _bias(primary), np.zeros(cheap.output_channels, np.float32)
        changed[primary.name] = replace(
            primary, kernel=np.concatenate([primary.kernel] * 2, axis=3), bias=np.concatenate([bias, bias])
        )
        last = replace(
            cheap,
            kernel=np.concatenate([centre, cheap.kernel], axis=2),
            bias=np.concatenate([none, _bias(cheap)]),
        )
        if ghost.slopes is None:
            changed[node.name] = replace(last, name=node.name)
            gone.add(cheap.name)
        else:
            first, second = ghost.slopes
            changed[first.name] = replace(first, slope=np.concatenate([first.slope] * 2))
            changed[cheap.name] = last
            slopes = np.concatenate([np.ones_like(second.slope), second.slope])
            changed[node.name] = replace(second, name=node.name, slope=slopes)
            gone.add(second.name)
    return Graph(tuple(changed.get(node.name, node) for node in graph.nodes if node.name not in gone), graph.outputs)


def _ghost(concat: Concat, nodes: Mapping[str, Node], users: Mapping[str, list[Node]]) -> _Ghost | None:
    """The module that ends in this Concat, if one does and nothing else takes what it makes inside."""
    if len(concat.inputs) != 2:
        return None
    first, second = (nodes[name] for name in concat.inputs)
    slopes = (first, second) if isinstance(first, PRelu) and isinstance(second, PRelu) else None
    primary, cheap = (nodes[item.inputs[0]] for item in slopes) if slopes else (first, second)
    if not (isinstance(primary, Conv) and isinstance(cheap, Conv) and cheap.depthwise) or primary.depthwise:
        return None
    rows, columns = cheap.kernel.shape[:2]
    same = (rows // 2, columns // 2, rows // 2, columns // 2)
    if cheap.inputs != (first.name,) or rows % 2 != 1 or columns % 2 != 1:
        return None
    if (cheap.strides, cheap.pads) != ((1, 1), same):
        return None
    inside = [(first, 2), *([(primary, 1), (cheap, 1)] if slopes else []), (second, 1)]
    return _Ghost(primary, cheap, slopes) if all(len(users[item.name]) == count for item, count in inside) else None


def _bias(conv: Conv) -> FloatArray:
    return np.zeros(conv.output_channels, np.float32) if conv.bias is None else conv.bias

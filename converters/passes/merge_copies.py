"""Make one depthwise convolution of a ghost module's copy, its cheap operation and their Concat.

A decoupled ghost module (see ``decouple.py``) makes its primary features once, copies them with a 1 x 1 depthwise
convolution, filters them with a k x k one, and concatenates the two. If the primary convolution makes its features
twice, one k x k depthwise convolution does the rest: the copy's factor stands in the middle of the kernels of the first
half. Integers stay what they are to the last bit (XNNPACK, ONNX Runtime), because the two halves were stored alike for
the Concat.

Two operators fewer, and the primary convolution's products twice: it pays where these are few. Million instructions of
int8 on an emulated Cortex-A76 (LiteRT 2.3): W0.5-S2 10.25 before, 9.67 after; float is 10.06. Time on x86-64 against
float: 0.91 before, 0.84 after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..graph import Concat, Conv, FloatArray, Graph, Node

MOST_PRODUCTS = 700
"""Input times output channels of a primary convolution that is still doubled; on wide networks more did not pay."""


def merge_copies(graph: Graph) -> tuple[Graph, frozenset[str]]:
    """The same network with small ghost modules in two operators, and the tensors that it no longer has."""
    users, nodes = graph.users(), graph.by_name()
    changed: dict[str, Node] = {}
    gone: set[str] = set()
    for node in graph.nodes:
        parts = _parts(node, nodes) if isinstance(node, Concat) else None
        if parts is None:
            continue
        primary, copy, cheap = parts
        own = len(users[primary.name]) == 2 and len(users[copy.name]) == len(users[cheap.name]) == 1
        if not own or {primary.name, copy.name, cheap.name} & set(graph.outputs):
            continue
        rows, columns = cheap.kernel.shape[:2]
        centre = np.zeros_like(cheap.kernel)
        centre[rows // 2, columns // 2] = copy.kernel[0, 0]
        bias = _bias(primary)
        changed[primary.name] = replace(
            primary, kernel=np.concatenate([primary.kernel] * 2, axis=3), bias=np.concatenate([bias, bias])
        )
        changed[node.name] = replace(
            cheap,
            name=node.name,
            kernel=np.concatenate([centre, cheap.kernel], axis=2),
            bias=np.concatenate([_bias(copy), _bias(cheap)]),
        )
        gone |= {copy.name, cheap.name}
    kept = tuple(changed.get(node.name, node) for node in graph.nodes if node.name not in gone)
    return Graph(kept, graph.outputs), frozenset(gone)


def _parts(concat: Concat, nodes: Mapping[str, Node]) -> tuple[Conv, Conv, Conv] | None:
    """Primary convolution, copy and cheap operation, where this is the Concat of a small ghost module."""
    if len(concat.inputs) != 2:
        return None
    copy, cheap = (nodes[name] for name in concat.inputs)
    if not (isinstance(copy, Conv) and isinstance(cheap, Conv) and copy.inputs == cheap.inputs):
        return None
    primary = nodes[copy.inputs[0]]
    rows, columns = cheap.kernel.shape[:2]
    fits = (
        (copy.depthwise and cheap.depthwise)
        and (copy.kernel.shape[:2], copy.strides, copy.pads) == ((1, 1), (1, 1), (0, 0, 0, 0))
        and rows % 2 == columns % 2 == 1
        and (cheap.strides, cheap.pads) == ((1, 1), (rows // 2, columns // 2, rows // 2, columns // 2))
    )
    if not (fits and isinstance(primary, Conv) and not primary.depthwise):
        return None
    return (primary, copy, cheap) if primary.kernel.shape[2] * primary.output_channels <= MOST_PRODUCTS else None


def _bias(conv: Conv) -> FloatArray:
    return np.zeros(conv.output_channels, np.float32) if conv.bias is None else conv.bias

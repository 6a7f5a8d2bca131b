"""Fold stored normalisation into the convolution before it.

With s = gamma / sqrt(variance + epsilon), s (conv(x) - mean) + beta is a convolution again: its kernel is scaled by s
per output channel, and its bias is s (bias - mean) + beta. Computed in float64 and rounded once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph import BatchNorm, Conv, Flatten, Graph, Node


def fold_batch_norm(graph: Graph) -> Graph:
    """The same network with every BatchNorm folded that directly follows a convolution of its own.

    A Flatten of 1 x 1 x channels may stand between the two. A BatchNorm that follows anything else, or a convolution
    whose result is needed elsewhere, stays.
    """
    shapes, users = graph.shapes(), graph.users()
    made: dict[str, Node] = {}

    def own(name: str) -> Node | None:
        """The node that makes this tensor, if only one node takes it."""
        return made[name] if len(users[name]) == 1 and name not in graph.outputs else None

    for node in graph.nodes:
        made[node.name] = node
        if not isinstance(node, BatchNorm):
            continue
        source = own(node.inputs[0])
        flatten = source if isinstance(source, Flatten) and shapes[source.inputs[0]][:2] == (1, 1) else None
        conv = own(flatten.inputs[0]) if flatten else source
        if isinstance(conv, Conv):
            # The node before the BatchNorm now makes its tensor, and so takes its name.
            made[conv.name] = _folded(conv, node)
            made[node.name] = replace(made.pop((flatten or conv).name), name=node.name)
    return Graph(tuple(made.values()), graph.outputs)


def _folded(conv: Conv, norm: BatchNorm) -> Conv:
    wide = np.float64
    factor = norm.gamma.astype(wide) / np.sqrt(norm.variance.astype(wide) + norm.epsilon)
    bias = -norm.mean.astype(wide) if conv.bias is None else conv.bias.astype(wide) - norm.mean
    kernel = conv.kernel.astype(wide) * (factor[:, None] if conv.depthwise else factor)
    return replace(
        conv,
        kernel=kernel.astype(np.float32),
        bias=(factor * bias + norm.beta).astype(np.float32),
    )

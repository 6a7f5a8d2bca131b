"""The passes that make a network fit for integers, in their order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ghostface_edge.errors import CheckpointError

from .graph import FloatArray, Graph
from .passes.decouple import decouple
from .passes.equalise import equalise
from .passes.fold_batch_norm import fold_batch_norm
from .passes.fold_hard_sigmoid import fold_hard_sigmoid
from .passes.lower_prelu import lower_prelu
from .passes.normalise_slopes import normalise_slopes

STRENGTH = 0.7
"""Of the equalisation."""


def levelled(checkpoint: Graph) -> Graph:
    """A network ready to be measured and equalised: folded, decoupled, with slopes in -1..1.

    Raises:
        CheckpointError: Its weights are so large that folding them overflows float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(fold_hard_sigmoid(normalise_slopes(decouple(fold_batch_norm(checkpoint)))))


def int8_graph(
    checkpoint: Graph, maxima: Mapping[str, FloatArray] | None = None, *, strength: float = STRENGTH
) -> Graph:
    """A checkpoint's network as it is quantised: every node has an integer form that runtimes delegate.

    Args:
        checkpoint: The network as it was read.
        maxima: For every tensor of ``levelled(checkpoint)``, the largest absolute value of each channel; None leaves
            the channels as they are.
        strength: How far channels are evened out, 0..1.

    Raises:
        CheckpointError: Its weights are so large that folding them overflows float32.
    """
    graph = levelled(checkpoint)
    if maxima is not None:
        graph = equalise(graph, maxima, strength)
    return _finite(lower_prelu(graph, "depthwise"))


def naive_int8_graph(checkpoint: Graph) -> Graph:
    """What a converter quantises that does nothing against unequal channels: for comparison.

    Raises:
        CheckpointError: As :func:`int8_graph`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(lower_prelu(fold_hard_sigmoid(fold_batch_norm(checkpoint)), "depthwise"))


def _finite(graph: Graph) -> Graph:
    for node in graph.nodes:
        if not all(np.isfinite(array).all() for array in node.weights().values()):
            raise CheckpointError(f"the weights of {node.name!r} are too large: they overflow float32 when folded")
    return graph

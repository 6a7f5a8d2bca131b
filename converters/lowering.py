"""The passes that make a network fit for integers, in their order."""

from __future__ import annotations

import numpy as np

from ghostface_edge.errors import CheckpointError

from .graph import Graph
from .passes.channelwise_to_conv import channelwise_to_conv
from .passes.decouple import decouple
from .passes.fold_batch_norm import fold_batch_norm
from .passes.fold_hard_sigmoid import fold_hard_sigmoid
from .passes.lower_average_pool import lower_average_pool
from .passes.lower_prelu import lower_prelu
from .passes.normalise_slopes import normalise_slopes


def int8_graph(checkpoint: Graph) -> Graph:
    """A checkpoint's network as it is quantised: every node has an integer form that runtimes delegate.

    Args:
        checkpoint: The network as it was read.

    Raises:
        CheckpointError: Its weights are so large that folding them overflows float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        graph = lower_average_pool(channelwise_to_conv(fold_batch_norm(checkpoint)))
        graph = fold_hard_sigmoid(normalise_slopes(decouple(graph)))
        return require_finite(lower_prelu(graph, "depthwise"))


def naive_int8_graph(checkpoint: Graph) -> Graph:
    """What a converter quantises that does nothing against unequal channels: for comparison.

    Raises:
        CheckpointError: As :func:`int8_graph`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        graph = lower_average_pool(channelwise_to_conv(fold_batch_norm(checkpoint)))
        return require_finite(lower_prelu(fold_hard_sigmoid(graph), "depthwise"))


def require_finite(graph: Graph) -> Graph:
    """The graph, unless folding made its weights overflow.

    Raises:
        CheckpointError: It names the node.
    """
    name = graph.overflowing()
    if name is not None:
        raise CheckpointError(f"the weights of {name!r} are too large: they overflow float32 when folded")
    return graph

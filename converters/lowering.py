"""The passes that make a network fit for integers, in their order."""

from __future__ import annotations

import numpy as np

from ghostface_edge.errors import CheckpointError

from .channel_statistics import ChannelStatistics
from .graph import Graph
from .passes.channelwise_to_conv import channelwise_to_conv
from .passes.decouple import decouple
from .passes.equalise import equalise
from .passes.fold_batch_norm import fold_batch_norm
from .passes.fold_hard_sigmoid import fold_hard_sigmoid
from .passes.lower_prelu import lower_prelu
from .passes.normalise_slopes import normalise_slopes


def int8_graph(checkpoint: Graph, statistics: ChannelStatistics | None = None) -> Graph:
    """A checkpoint's network as it is quantised: every node has an integer form that runtimes delegate.

    Args:
        checkpoint: The network as it was read.
        statistics: Measured on the graph that this function gives without them; None leaves the channels as they are.

    Raises:
        CheckpointError: Its weights are so large that folding them overflows float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        graph = channelwise_to_conv(fold_batch_norm(checkpoint))
        graph = fold_hard_sigmoid(normalise_slopes(decouple(graph)))
        graph = _finite(lower_prelu(graph, "depthwise"))
    return graph if statistics is None else _finite(equalise(graph, statistics))


def naive_int8_graph(checkpoint: Graph) -> Graph:
    """What a converter quantises that does nothing against unequal channels: for comparison.

    Raises:
        CheckpointError: As :func:`int8_graph`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(lower_prelu(fold_hard_sigmoid(channelwise_to_conv(fold_batch_norm(checkpoint))), "depthwise"))


def _finite(graph: Graph) -> Graph:
    for node in graph.nodes:
        if not all(np.isfinite(array).all() for array in node.weights().values()):
            raise CheckpointError(f"the weights of {node.name!r} are too large: they overflow float32 when folded")
    return graph

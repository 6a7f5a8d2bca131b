"""Choose the channels' scales in a float network so that rounding its weights does the least harm to its outputs.

An int8 kernel has one step for each output channel, as large as the largest weight of that channel demands. Where the
numbers of one input channel are 1000 times smaller than those of the others, its weights tend to be 1000 times larger,
and all the others round to 0. float16 has steps that follow each number, but between 6e-5 and 65,504 only: XNNPACK has
the processor take what is smaller, weights and activations, for 0.

A channel may be multiplied by any number that is divided out behind it. For float16 every group of tied channels is
brought to a root mean square of about 1, the geometric mean over the convolutions that make its tensors; the largest
alone would leave the weights of the smaller ones too small. As the scale of a whole tensor decides nothing about the
steps of int8, that is where its scales start, too. From there each round moves every group to where the noise that its
weights get is the noise that its share in the steps gives to the others: as in ``equalise.py``, which also weighs the
rounding of activations.

Mean cosine to float with int8 weights on 500 faces, before and after this pass: the official W0.5-S2 checkpoint with
its channels multiplied by random numbers between 1/32 and 32, 0.249 and 0.9993; as it was trained, 0.9995 and 0.9993.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..channel_statistics import ChannelStatistics
from ..graph import Conv, Graph
from .channels import ChannelGroups, Factors, scale_groups, scaled
from .equalise import kernel_noise

_EXPONENTS = (2, 4, 8, 16, 32)
"""As in ``equalise.py``: the largest weight of a kernel is taken as a p-norm, and p grows from stage to stage."""

_ROUNDS = 40


def even_channels(
    graph: Graph, statistics: ChannelStatistics, *, exact: bool = False
) -> tuple[Graph, Mapping[str, Factors]]:
    """The same network with its channels in the scales that suit rounded weights, and the factors of every tensor.

    Args:
        graph: The network as it is written.
        statistics: Measured on this graph.
        exact: For float16: only powers of two, so that the network computes the same to the last bit. Else for int8.
    """
    groups = scale_groups(graph)
    logs, still = _like(graph, groups, statistics)
    if not exact:
        kernels = kernel_noise(graph, groups, statistics)
        for exponent in _EXPONENTS:
            for _ in range(_ROUNDS):
                # A kernel's weights are divided by the factor: who causes more than it suffers is made larger.
                suffered, caused = kernels.balance(-logs, exponent)
                least = 1e-12 * suffered.sum() + np.finfo(np.float64).tiny
                logs = np.where(still, 0.0, logs + np.log((caused + least) / (suffered + least)) / (exponent + 2))
    factors = groups.factors(np.exp2(np.rint(logs / np.log(2))) if exact else np.exp(logs))
    return scaled(graph, factors), factors


def _like(graph: Graph, groups: ChannelGroups, statistics: ChannelStatistics) -> tuple[Factors, NDArray[np.bool_]]:
    """Logarithms of the factors that bring all groups to a root mean square of 1, and the groups that keep theirs.

    A channel that never moves is left alone.
    """
    total, count = np.zeros(len(groups.pinned)), np.zeros(len(groups.pinned))
    for node in graph.nodes:
        if isinstance(node, Conv):
            power = statistics.power[node.name].astype(np.float64)
            moving = groups.numbers[node.name][power > 0]
            np.add.at(total, moving, np.log(power[power > 0]))
            np.add.at(count, moving, 1)
    still = groups.pinned | (count == 0)
    return np.where(still, 0.0, -0.5 * total / np.maximum(count, 1)), still

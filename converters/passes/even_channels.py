"""Choose the channels' scales in a float network so that rounding its weights does the least harm to its outputs.

An int8 kernel has one step for each output channel, as large as the largest weight of that channel demands. Where the
numbers of one input channel are 1000 times smaller than those of the others, its weights tend to be 1000 times larger,
and all the others round to 0. float16 has steps that follow each weight, but between 6e-5 and 65,504 only.

A channel may be multiplied by any number that is divided out behind it. ``equalise.py`` weighs the rounding of kernels
against that of activations; here activations are not rounded. Each round moves every group of tied channels to where
the noise that its weights get is the noise that its share in the steps gives to the others. As the scale of a whole
tensor decides nothing about these steps, all channels start with a root mean square of 1.

Mean cosine to float with int8 weights on 500 faces, before and behind this pass: the official W0.5-S2 checkpoint with
its channels multiplied by random numbers between 1/32 and 32, 0.249 and 0.9993; as it was trained, 0.9995 and 0.9993.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..channel_statistics import ChannelStatistics
from ..graph import Graph
from .channels import Factors, scale_groups, scaled
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
        exact: Only powers of two, so that the network computes the same to the last bit.
    """
    groups = scale_groups(graph)
    kernels = kernel_noise(graph, groups, statistics)
    power = np.zeros(len(groups.pinned))
    for name, numbers in groups.numbers.items():
        np.maximum.at(power, numbers, statistics.power[name])
    still = groups.pinned | (power == 0)  # a channel that never moves is left alone
    logs = -0.5 * np.log(np.where(still, 1.0, power))
    for exponent in _EXPONENTS:
        for _ in range(_ROUNDS):
            # A kernel's weights are divided by the factor: a channel that causes more than it suffers is made larger.
            suffered, caused = kernels.balance(-logs, exponent)
            least = 1e-12 * suffered.sum() + np.finfo(np.float64).tiny
            logs = np.where(still, 0.0, logs + np.log((caused + least) / (suffered + least)) / (exponent + 2))
    factors = groups.factors(np.exp2(np.rint(logs / np.log(2))) if exact else np.exp(logs))
    return scaled(graph, factors), factors

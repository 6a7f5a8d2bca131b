"""Choose the channels' scales inside a network so that rounding to 8 bits does the least harm to its outputs.

PReLU, ReLU, sums, Concat, pooling and resizing let a positive factor pass, so a channel may be multiplied by any number
before them and divided by it in the kernel of the next convolution (M. Nagel and others, "Data-Free Quantization
Through Weight Equalization and Bias Correction", ICCV 2019, section 4.1). A channel that is made larger loses less by
rounding, but once it is the largest of its tensor it makes the step of all the others coarser.

Both are known. A tensor of step D adds noise of variance D^2 / 12 to each of its numbers. For a channel multiplied by s
and of gain g (see ``channel_statistics.py``) that is g D^2 / (12 s^2) at the outputs, and D is proportional to the
largest s r of the tensor, r being a channel's range. The sum over all channels of all tensors is convex in log s, so it
has one minimum. There every group of tied channels suffers as much as it causes: the noise that its own numbers get is
the noise that its share in the steps gives to all. Each round moves every group towards that.

Official W0.5-S2, statistics of 200 aligned LFW photos, figures of 200 others; weights and activations in 8 bits, ranges
by least squared error, neither search nor bias correction; cosine to float, mean:

===========================================================================  ======
slopes as they are, nothing decoupled or equalised                            0.480
slopes normalised, decoupled                                                  0.365
and equalised by (range / median range) ^ -0.65, the mean over the tensors    0.979
and equalised by this pass                                                    0.988
the same with every gain 1                                                    0.988
the same after every group was multiplied by a random number in 1/300..300    0.988
this pass, nothing decoupled                                                  0.964
this pass, slopes not normalised                                              0.982
this pass, factors rounded to powers of two                                   0.987
===========================================================================  ======

Powers of two would keep floats the same to the last bit. Without gains the result would depend on the scales in which
a checkpoint happens to hold its channels.
"""

from __future__ import annotations

import numpy as np

from ..channel_statistics import ChannelStatistics
from ..graph import Graph
from ..quantization import fused_followers, tied_tensors
from .channels import Factors, scale_groups, scaled

LIMIT = 1e3
"""No channel is multiplied or divided by more."""

_EXPONENTS = (2, 4, 8, 16)
"""The largest of a tensor's ranges is taken as their p-norm, which is smooth; p grows from stage to stage."""

_ROUNDS = 20
"""Of each stage. With 5 or with 100 the embeddings come out alike."""

_DEAD = 1e-9
"""A channel whose range is a smaller part of its tensor's has shown nothing to judge it by, and is left alone."""


def equalise(graph: Graph, statistics: ChannelStatistics) -> Graph:
    """The same network with every channel in the scale that suits 8-bit integers best.

    Args:
        graph: The network, with PReLU lowered if it is going to be.
        statistics: Measured on this graph.
    """
    groups = scale_groups(graph)
    sets = _sharing(graph)
    names = [name for shared in sets for name in shared]
    sizes = [sum(len(statistics.gain[name]) for name in shared) for shared in sets]
    starts = np.cumsum([0, *sizes[:-1]])
    member = np.concatenate([groups.numbers[name] for name in names])
    gain = np.concatenate([statistics.gain[name] for name in names]).astype(np.float64)
    reach = np.concatenate([np.maximum(-statistics.low[name], statistics.high[name]) for name in names])
    floor = np.maximum(np.repeat(np.maximum.reduceat(reach, starts), sizes) * _DEAD, np.finfo(np.float32).tiny)
    shown = reach > floor
    gain[~shown] = 0
    still = groups.pinned | (np.bincount(member, shown, len(groups.pinned)) == 0)
    log_range = np.log(np.maximum(reach, floor), dtype=np.float64)

    def by_group(noise: Factors) -> Factors:
        least = 1e-12 * noise.sum() + np.finfo(np.float64).tiny  # of a group that has no noise
        return np.asarray(np.bincount(member, noise, len(groups.pinned)) + least)

    logs = np.zeros(len(groups.pinned))
    for exponent in np.repeat(_EXPONENTS, _ROUNDS):
        own = logs[member]
        largest = np.maximum.reduceat(own + log_range, starts)
        powers = np.exp(exponent * (own + log_range - np.repeat(largest, sizes)))
        norms = np.add.reduceat(powers, starts)
        steps = np.exp(largest) * norms ** (1 / exponent)
        noise = gain * (np.repeat(steps, sizes) * np.exp(-own)) ** 2
        caused = powers * np.repeat(np.add.reduceat(noise, starts) / norms, sizes)
        # The noise of a group falls with the square of its factor, and its share grows with the power.
        logs += np.log(by_group(noise) / by_group(caused)) / (exponent + 2)
        logs = np.where(still, 0.0, np.clip(logs, -np.log(LIMIT), np.log(LIMIT)))
    return scaled(graph, groups.factors(np.exp(logs)))


def _sharing(graph: Graph) -> list[list[str]]:
    """The tensors that are stored, those with one scale together; a tensor inside an operator is not stored."""
    fused, ties = fused_followers(graph), tied_tensors(graph)
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.name not in fused:
            found.setdefault(ties[node.name], []).append(node.name)
    return list(found.values())

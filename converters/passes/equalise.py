"""Bring the channels of each tensor to similar ranges, so that one scale for all of them serves each of them.

PReLU, ReLU, sums, Concat, pooling and resizing let a positive factor pass, so a channel may be multiplied by any number
before them and divided by it in the kernel of the next convolution (M. Nagel and others, "Data-Free Quantization
Through Weight Equalization and Bias Correction", ICCV 2019, section 4.1). Here the factors come from the values that
photos cause, not from the weights, and they pass every node that they can pass.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph
from ..quantization import fused_followers
from .channels import Factors, scale_groups, scaled

LIMIT = 1e3
"""No channel is multiplied or divided by more."""

_LEAST_RANGE = 1e-6
"""Of a tensor's median range: a channel below it carries nothing that can be measured, and is left out."""


def equalise(graph: Graph, maxima: Mapping[str, NDArray[np.floating]], strength: float) -> Graph:
    """The same network with the channels of each tensor brought closer to the tensor's median range.

    A group of tied channels gets the factor r ** -strength, where r is the geometric mean, over the tensors in which
    the group appears, of the channel's range divided by the tensor's median range.

    Args:
        graph: The network.
        maxima: For every tensor, the largest absolute value of each channel, (channels,). A tensor that is absent is
            not looked at.
        strength: 0 changes nothing, 1 evens the ranges out where a channel is tied to no other.
    """
    groups = scale_groups(graph)
    total, count = np.zeros(len(groups.pinned)), np.zeros(len(groups.pinned))
    fused = fused_followers(graph)
    for name, numbers in groups.numbers.items():
        if name in fused or name not in maxima:
            continue  # a tensor inside an operator is never stored
        largest = maxima[name].astype(np.float64)
        median = np.median(largest)
        alive = largest > _LEAST_RANGE * median
        if median > 0:
            np.add.at(total, numbers[alive], np.log(largest[alive] / median))
            np.add.at(count, numbers[alive], 1)
    ratio: Factors = np.exp(total / np.maximum(count, 1))
    return scaled(graph, groups.factors(np.clip(ratio**-strength, 1 / LIMIT, LIMIT)))

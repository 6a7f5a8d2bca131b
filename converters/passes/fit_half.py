"""Keep the numbers inside a network well below the largest that float16 has, so that it can be computed in float16.

Where a channel reaches :data:`HIGHEST` on the pictures, all channels that are tied to it (see ``channels.py``) are
divided by a power of two, and the kernels behind them are multiplied by it. Dividing by a power of two changes only the
exponent of a float32 number, so the network computes the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from ..graph import Graph
from .channels import scale_groups, scaled

HIGHEST = float(np.finfo(np.float16).max) / 8
"""No number that was seen may reach it: sums on the way to a number, and other pictures, go further."""


def fit_half(graph: Graph, reach: Mapping[str, NDArray[np.float64]]) -> tuple[Graph, frozenset[str]]:
    """The same network with all numbers below :data:`HIGHEST`, and the tensors that were too large.

    Args:
        graph: The network as it is written.
        reach: For every tensor, the largest magnitude of each channel that was seen.

    Raises:
        ConversionError: A tensor is too large and cannot be rescaled, as what enters or leaves the network or a
            sigmoid; or it is not finite.
    """
    groups = scale_groups(graph)
    largest = np.zeros(len(groups.pinned))
    for name, numbers in groups.numbers.items():
        if not np.isfinite(reach[name]).all():
            raise ConversionError(f"the tensor {name!r} is not finite on the pictures: the weights are damaged")
        np.maximum.at(largest, numbers, reach[name])
    # largest / 2^exponent lies in HIGHEST / 2 .. HIGHEST, without the upper end
    exponents = np.floor(np.log2(np.maximum(largest, HIGHEST) / HIGHEST)) + 1
    factors = groups.factors(np.where(largest < HIGHEST, 1.0, 2.0**-exponents))
    for node in graph.nodes:
        top = float((reach[node.name] * factors[node.name]).max())
        if top >= HIGHEST:
            raise ConversionError(
                f"the tensor {node.name!r} reaches {top:.6g}, float16 arithmetic is safe below {HIGHEST:g} only, and "
                "its channels cannot be rescaled. Convert with fp16_storage_only (--fp16-storage-only), or to float32"
            )
    large = frozenset(name for name, values in reach.items() if values.max() >= HIGHEST)
    return (scaled(graph, factors) if large else graph), large

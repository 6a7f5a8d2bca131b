"""Which kernels of a ``dynamic`` file are int8: what each saves in bytes, and what its rounding costs.

XNNPACK widens int8 kernels once, when a file is loaded, so that an inference takes the same instructions whichever are
int8. What is traded is bytes against accuracy: a kernel that is rounded to 255 steps turns the embedding by a little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ghostface_edge.errors import OptionError

from .channel_statistics import ChannelStatistics
from .graph import Conv, Graph
from .quantization import int8_saves, quantize_kernel


@dataclass(frozen=True)
class Int8Kernel:
    """What int8 does for one dense convolution.

    Attributes:
        name: Of the convolution.
        saved: Bytes that it saves against float16.
        loss: Predicted loss of cosine if no other kernel were rounded.
        chosen: Whether the file has it in int8.
    """

    name: str
    saved: int
    loss: float
    chosen: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


def rank_kernels(graph: Graph, statistics: ChannelStatistics) -> tuple[Int8Kernel, ...]:
    """The dense convolutions that are smaller in int8, those that lose least for each byte saved first.

    An error of a weight is multiplied by the numbers of its input channel; errors of different weights add up in the
    mean square, and what noise in an output channel does to the embedding is that channel's gain.

    Args:
        graph: The network, as it is written in float.
        statistics: Measured on this graph.
    """
    found = []
    for node in graph.nodes:
        if isinstance(node, Conv) and not node.depthwise and int8_saves(node) > 0:
            integers, scales = quantize_kernel(node)
            error = np.square(integers.astype(np.float64) * scales - node.kernel).sum(axis=(0, 1))
            noise = statistics.power[node.inputs[0]].astype(np.float64) @ error
            # The gain counts squared relative error, and 1 - cosine is half of it.
            loss = float(noise @ statistics.gain[node.name]) / 2
            found.append(Int8Kernel(node.name, int8_saves(node), loss))
    return tuple(sorted(found, key=lambda item: item.loss / item.saved))


def fewest_kernels(ranked: tuple[Int8Kernel, ...], limit: int, size: Callable[[int], int]) -> int:
    """How many kernels, from the first, have to be int8 for a file to be no larger than a limit.

    Args:
        ranked: What :func:`rank_kernels` gives.
        limit: Bytes.
        size: Bytes of the file with so many.

    Raises:
        OptionError: All of them do not bring it there.
    """
    low, high = 0, len(ranked)
    least = size(high)
    if least > limit:
        raise OptionError(
            f"the file cannot be smaller than {least:,} bytes with int8 weights, and {limit:,} were asked for"
        )
    while low < high:
        middle = (low + high) // 2
        if size(middle) <= limit:
            high = middle
        else:
            low = middle + 1
    return high

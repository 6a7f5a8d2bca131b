"""Which kernels of a ``dynamic`` file are int8: what each saves in bytes, and what its rounding costs.

XNNPACK widens int8 kernels once, when a file is loaded, so that an inference takes the same instructions whichever are
int8. What is traded is bytes against accuracy: a kernel that is rounded to 255 steps turns the embedding by a little.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import OptionError

from .channel_statistics import ChannelStatistics
from .graph import Conv, Graph, Node
from .half import HALF_FADES, HALF_OVERFLOWS
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
    found = (
        Int8Kernel(node.name, int8_saves(node), _loss(node, rounded_kernel(node), statistics))
        for node in graph.nodes
        if isinstance(node, Conv) and not node.depthwise and int8_saves(node) > 0
    )
    return tuple(sorted(found, key=lambda item: item.loss / item.saved))


def rounding_loss(graph: Graph, statistics: ChannelStatistics, *, int8: bool, half: bool = False) -> float:
    """Predicted loss of cosine by the rounding of all kernels; infinite where a weight is beyond float16.

    Args:
        graph: The network, as it is written in float.
        statistics: Measured on this graph.
        int8: The kernels that are smaller so are int8; all others are float16.
        half: It is computed in float16. XNNPACK has the processor take numbers below the smallest normal one for 0,
            weights as well as activations, and every activation is rounded.
    """
    loss = _activations_loss(statistics) if half else 0.0
    for node in graph.nodes:
        if any(np.abs(values).max(initial=0.0) >= HALF_OVERFLOWS for values in node.weights().values()):
            return float("inf")
        if isinstance(node, Conv):
            whole = int8 and not node.depthwise and int8_saves(node) > 0
            kernel = rounded_kernel(node) if whole else node.kernel.astype(np.float16)
            if half:
                kernel = np.where(np.abs(kernel) < HALF_FADES, 0, kernel)
            loss += _loss(node, kernel, statistics)
    return loss


def _activations_loss(statistics: ChannelStatistics) -> float:
    """Of float16 activations: a share of 2^-11 of each number is a step, and the smallest numbers are gone."""
    loss = 0.0
    for name, gain in statistics.gain.items():
        power = statistics.power[name].astype(np.float64)
        noise = power * 2.0**-22 / 12 + np.minimum(power, HALF_FADES**2 / 3)
        loss += float(noise @ gain) / 2
    return loss


def rounded_kernel(conv: Conv) -> NDArray[np.float64]:
    """What the int8 kernel of a dense convolution stands for."""
    integers, scales = quantize_kernel(conv)
    return integers.astype(np.float64) * scales


def _loss(conv: Conv, rounded: NDArray[np.floating[Any]], statistics: ChannelStatistics) -> float:
    error = np.square(rounded.astype(np.float64) - conv.kernel).sum(axis=(0, 1))
    power = statistics.power[conv.inputs[0]].astype(np.float64)
    noise = power * error[:, 0] if conv.depthwise else power @ error
    # The gain counts squared relative error, and 1 - cosine is half of it.
    return float(noise @ statistics.gain[conv.name]) / 2


def correct_kernels(graph: Graph, statistics: ChannelStatistics, names: Collection[str] | None) -> Graph:
    """The network whose convolutions, with rounded kernels, make the same means as with their own.

    Rounded weights times the mean of their input channel shift what a convolution makes; its bias takes that off (see
    ``bias_correction.py``). That counts where channels are far from 0 on the mean, as behind PReLUs of steep slopes.

    Args:
        graph: The network, as it is written in float.
        statistics: Measured on this graph.
        names: Of the convolutions whose kernels are int8, by default all that are smaller so; the others are float16.
    """

    def corrected(node: Node) -> Node:
        if not isinstance(node, Conv):
            return node
        whole = not node.depthwise and (int8_saves(node) > 0 if names is None else node.name in names)
        error = (node.kernel - (rounded_kernel(node) if whole else node.kernel.astype(np.float16))).sum(axis=(0, 1))
        mean = statistics.mean[node.inputs[0]].astype(np.float64)
        bias = 0.0 if node.bias is None else node.bias.astype(np.float64)
        return replace(node, bias=(bias + (mean * error[:, 0] if node.depthwise else mean @ error)).astype(np.float32))

    return Graph(tuple(corrected(node) for node in graph.nodes), graph.outputs)


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

"""How many multiplications a convolution takes: the one count behind every figure of MACs."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod


def convolution_macs(made: Iterable[int], kernel: Iterable[int]) -> int:
    """Each pixel that it makes costs one multiplication per weight; zeros beyond the border count as all pixels do.

    Args:
        made: Height and width of what it makes (of what it takes, for a transposed convolution).
        kernel: All sizes of its kernel, in any order. One that belongs to groups of channels has only the input
            channels of a group, so that a depthwise kernel has as many weights as channels times its area.
    """
    return prod(int(size) for size in (*made, *kernel))

"""BatchNorm and Scale as depthwise convolutions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ghostface_edge.converters.graph import BatchNorm, Conv, Flatten, Graph, Input, Scale
from ghostface_edge.converters.passes.channelwise_to_conv import channelwise_to_conv


def numbers(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_numbers_by_hand() -> None:
    """(x - 3) / sqrt(4) * 5 + 1 is 2.5 x - 6.5."""
    norm = BatchNorm("norm", ("input",), numbers(5), numbers(1), numbers(3), numbers(4), 0.0)
    graph = channelwise_to_conv(
        Graph((Input("input", (), 2, 2, 1), norm, Scale("out", ("norm",), numbers(7))), ("out",))
    )
    first, second = graph["norm"], graph["out"]
    assert isinstance(first, Conv)
    assert isinstance(second, Conv)
    assert first.depthwise
    assert first.bias is not None
    assert (first.kernel.tolist(), first.bias.tolist()) == ([[[[2.5]]]], [-6.5])
    assert (second.kernel.tolist(), second.bias) == ([[[[7.0]]]], None)


def test_flat_vectors_stay() -> None:
    nodes = (Input("input", (), 1, 1, 2), Flatten("flat", ("input",)), Scale("out", ("flat",), numbers(2, 3)))
    assert isinstance(channelwise_to_conv(Graph(nodes, ("out",)))["out"], Scale)


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    graph = random_graph(seed)
    after = channelwise_to_conv(graph)
    assert not any(isinstance(node, (BatchNorm, Scale)) for node in after.nodes)
    assert_same(graph, after)

"""Average pooling as a convolution computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.graph import AveragePool, Conv, Graph, Input, Relu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.lower_average_pool import lower_average_pool


@pytest.mark.parametrize("sides", [(8, 6), (7, 9)])
def test_it_is_exact_also_where_the_last_row_is_left_out(sides: tuple[int, int]) -> None:
    nodes = (Input("x", (), *sides, 3), Relu("r", ("x",)), AveragePool("p", ("r",), 2), Relu("y", ("p",)))
    graph = Graph(nodes, ("y", "p"))
    lowered = lower_average_pool(graph)
    assert [type(node) for node in lowered.nodes] == [Input, Relu, Conv, Relu]
    pictures = np.random.default_rng(0).normal(size=(2, *sides, 3))
    expected, found = interpret(graph, pictures), interpret(lowered, pictures)
    for name in graph.outputs:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-15)


def test_a_version_2_has_none_left_and_computes_the_same() -> None:
    graph = architecture("ghostfacenet-v2-0.5-2")
    lowered = lower_average_pool(graph)
    assert sum(isinstance(node, AveragePool) for node in graph.nodes) == 14
    assert not any(isinstance(node, AveragePool) for node in lowered.nodes)
    pictures = np.random.default_rng(0).uniform(-1, 1, size=(1, 112, 112, 3))
    expected, found = interpret(graph, pictures)["embedding"], interpret(lowered, pictures)["embedding"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_network_without_it_stays_as_it_is() -> None:
    graph = architecture("ghostfacenet-v1-0.5-2")
    assert lower_average_pool(graph).nodes == graph.nodes

"""A normalisation of pixels at the start of a network is taken out, and only one that the card can say."""

from __future__ import annotations

import numpy as np
import pytest

from ghostface_edge.converters.graph import BatchNorm, Conv, Graph, Input, Node, Scale
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.lift_normalisation import lift_normalisation


def network(first: Node, taker: str) -> Graph:
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
    conv = Conv("conv", (taker,), kernel, None, pads=(1, 1, 1, 1))
    return Graph((Input("input", (), 6, 6, 3), first, conv), ("conv",))


def norm(mean: list[float], variance: list[float]) -> BatchNorm:
    ones = np.ones(3, np.float32)
    return BatchNorm("norm", ("input",), 2 * ones, ones, np.float32(mean), np.float32(variance), 0.0)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (norm([127.5] * 3, [128.0**2] * 3), (2 / 128, 1 - 2 * 127.5 / 128)),
        (Scale("norm", ("input",), np.full(3, 0.25, np.float32)), (0.25, 0.0)),
    ],
)
def test_one_factor_and_offset_for_all_channels(first: Node, expected: tuple[float, float]) -> None:
    graph = network(first, "norm")
    lifted, factor, offset = lift_normalisation(graph)
    assert (factor, offset) == pytest.approx(expected, rel=1e-12)
    assert [node.name for node in lifted.nodes] == ["input", "conv"]
    x = np.random.default_rng(1).uniform(0, 255, (2, 6, 6, 3))
    before, after = interpret(graph, x)["conv"], interpret(lifted, factor * x + offset)["conv"]
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "graph",
    [
        network(norm([123.7, 116.3, 103.5], [1.0] * 3), "norm"),
        network(norm([0.0] * 3, [1.0, 1.0, 2.0]), "norm"),
        network(Scale("norm", ("input",), np.zeros(3, np.float32)), "norm"),
        network(Scale("norm", ("input",), np.ones(3, np.float32)), "input"),
    ],
)
def test_anything_else_stays(graph: Graph) -> None:
    assert lift_normalisation(graph) == (graph, 1.0, 0.0)

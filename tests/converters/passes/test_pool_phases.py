"""A maximum pooling as four convolutions of stride 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.converters.graph import Add, Conv, Graph, Input, Maximum, MaxPool, Node, Relu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.pool_phases import pool_phases
from ghostface_edge.converters.preparation import detector_graph
from ghostface_edge.converters.trained_model import SourceOptions, read_trained_model


def network(*, size: int = 3, cut: bool = True, pads: tuple[int, int, int, int] | None = None, side: int = 8) -> Graph:
    random = np.random.default_rng(size)
    kernel = random.standard_normal((size, size, 5, 1)).astype(np.float32)
    bias = random.standard_normal(5).astype(np.float32)
    rim = (size // 2,) * 4 if pads is None else pads
    nodes: list[Node] = [Input("x", (), side, side + 2, 5), Conv("filter", ("x",), kernel, bias, (1, 1), rim, True)]
    if cut:
        nodes.append(Relu("cut", ("filter",)))
    return Graph((*nodes, MaxPool("pool", (nodes[-1].name,), 2)), ("pool",))


@pytest.mark.parametrize(
    ("size", "cut", "pads"),
    [(3, True, None), (3, False, None), (5, True, None), (3, True, (1, 2, 3, 2)), (4, False, (2, 1, 1, 2))],
)
def test_the_same_numbers_without_a_pooling(size: int, cut: bool, pads: tuple[int, int, int, int] | None) -> None:
    graph = network(size=size, cut=cut, pads=pads)
    phases = pool_phases(graph)
    kinds = [type(node) for node in phases.nodes]
    assert (kinds.count(MaxPool), kinds.count(Conv), kinds.count(Maximum)) == (0, 4, 3)
    pictures = np.random.default_rng(1).standard_normal((2, 8, 10, 5))
    np.testing.assert_array_equal(interpret(phases, pictures)["pool"], interpret(graph, pictures)["pool"])
    assert phases.macs() == graph.macs()


def test_what_others_need_stays() -> None:
    graph = network()
    kept = {
        "odd": network(side=7),
        "no padding": network(pads=(0, 1, 1, 1)),
        "an output": replace(graph, outputs=("pool", "cut")),
        "taken elsewhere": Graph((*graph.nodes, Add("sum", ("cut", "filter"))), ("pool", "sum")),
    }
    for what, other in kept.items():
        assert [node.name for node in pool_phases(other).nodes] == [node.name for node in other.nodes], what


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    graph = random_graph(seed)
    assert_same(graph, pool_phases(graph), tolerance=0)


def test_yunet(shared: Path) -> None:
    """Its first two poolings; the last two pool what the neck takes as well."""
    source = shared / "detectors" / "face_detection_yunet_2023mar.onnx"
    options = SourceOptions(None, None, None, None, None, None)
    graph = detector_graph(read_trained_model(source, options, licence=None, name=None).graph)
    phases = pool_phases(graph)
    kinds = [type(node) for node in phases.nodes]
    assert (kinds.count(MaxPool), kinds.count(Maximum)) == (2, 6)
    pictures = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3))
    expected, found = interpret(graph, pictures), interpret(phases, pictures)
    for name in graph.outputs:
        np.testing.assert_array_equal(found[name], expected[name])

"""A copy for the sum or Concat, so that the original can be scaled freely."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ghostface_edge.converters.graph import Add, Concat, Conv, Graph, Input, Node, Relu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.channels import scale_groups
from ghostface_edge.converters.passes.decouple import decouple
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm


def pointwise(name: str, source: str, channels: int) -> Conv:
    kernel = np.random.default_rng(len(name)).normal(size=(1, 1, channels, 2)).astype(np.float32)
    return Conv(name, (source,), kernel, np.ones(2, np.float32))


GHOST: tuple[Node, ...] = (
    Input("input", (), 4, 4, 3),
    pointwise("primary", "input", 3),
    pointwise("cheap", "primary", 2),
    Concat("both", ("primary", "cheap")),
    pointwise("last", "both", 4),
)


def copies(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes if node.name.endswith("/copy")]


def assert_identical(before: Graph, after: Graph) -> None:
    x = np.random.default_rng(1).normal(size=(2, 4, 4, 3))
    for name in before.outputs:
        assert np.array_equal(interpret(before, x)[name], interpret(after, x)[name])


def test_the_primary_convolution_of_a_linear_ghost_module() -> None:
    graph = Graph(GHOST, ("last",))
    split = decouple(graph)
    assert copies(split) == ["primary/copy"]
    assert split["both"].inputs == ("primary/copy", "cheap")
    assert split["cheap"].inputs == ("primary",)
    assert_identical(graph, split)
    tied, untied = scale_groups(graph).numbers, scale_groups(split).numbers
    assert {*tied["primary"]} <= {*tied["both"]}
    assert not {*untied["primary"]} & {*untied["both"]}


def test_a_shortcut_from_a_convolution_into_a_sum() -> None:
    graph = Graph((*GHOST[:3], Add("both", ("cheap", "primary")), pointwise("last", "both", 2)), ("last",))
    split = decouple(graph)
    assert split["both"].inputs == ("cheap", "primary/copy")
    assert_identical(graph, split)


@pytest.mark.parametrize(
    "graph",
    [
        Graph((*GHOST[:2], Relu("relu", ("primary",)), pointwise("cheap", "relu", 2), *GHOST[3:]), ("last",)),
        Graph((*GHOST[:2], Concat("both", ("primary", "primary")), GHOST[4]), ("last",)),
        Graph((*GHOST[:3], pointwise("last", "primary", 2)), ("last", "cheap")),
        Graph(GHOST, ("last", "primary")),
    ],
    ids=["no linear module", "no convolution takes it", "no Concat takes it", "it leaves the network"],
)
def test_where_nothing_is_gained_nothing_is_added(graph: Graph) -> None:
    assert copies(decouple(graph)) == []
    assert_identical(graph, decouple(graph))


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    graph = random_graph(seed)
    assert_same(graph, decouple(graph), tolerance=1e-12)


def test_the_official_checkpoint_has_sixteen(real_checkpoint: Graph) -> None:
    """One in each of the 16 bottlenecks, whose second ghost module is linear."""
    assert len(copies(decouple(fold_batch_norm(real_checkpoint)))) == 16

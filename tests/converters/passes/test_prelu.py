"""Normalised slopes and lowered PReLU change no result, whatever the slopes."""

from __future__ import annotations

import numpy as np
import pytest

from ghostface_edge.converters.graph import (
    Add,
    Concat,
    Conv,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Input,
    Mul,
    Node,
    PRelu,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.lower_prelu import lower_prelu
from ghostface_edge.converters.passes.normalise_slopes import normalise_slopes

SLOPES = np.array([-16.4, -1.0, -0.3, 0.0, 0.25, 1.0, 1.5, 15.7], np.float32)
CHANNELS = len(SLOPES)


def conv(random: np.random.Generator, name: str, source: str, inputs: int, depthwise: bool = False) -> Conv:
    kernel = random.normal(size=(3, 3, inputs, 1 if depthwise else CHANNELS)).astype(np.float32)
    return Conv(
        name, (source,), kernel, random.normal(size=CHANNELS).astype(np.float32), (1, 1), (1, 1, 1, 1), depthwise
    )


def ghost_network(seed: int) -> Graph:
    """A ghost module with squeeze-and-excite: a sign passes every node that it can pass."""
    random = np.random.default_rng(seed)

    def slopes() -> np.ndarray:
        return random.permutation(SLOPES)

    gate = Conv("gate", ("pool",), random.normal(size=(1, 1, 2 * CHANNELS, CHANNELS)).astype(np.float32), None)
    widen = Conv("widen", ("squeezed",), random.normal(size=(1, 1, CHANNELS, 2 * CHANNELS)).astype(np.float32), None)
    nodes: tuple[Node, ...] = (
        Input("input", (), 6, 7, 3),
        conv(random, "primary", "input", 3),
        PRelu("a", ("primary",), slopes()),
        conv(random, "cheap", "a", CHANNELS, depthwise=True),
        PRelu("b", ("cheap",), slopes()),
        Concat("joined", ("a", "b")),
        GlobalAveragePool("pool", ("joined",)),
        gate,
        PRelu("squeezed", ("gate",), slopes()),
        widen,
        HardSigmoid("open", ("widen",), 0.2, 0.5),
        Mul("gated", ("joined", "open")),
        conv(random, "last", "gated", 2 * CHANNELS),
    )
    return Graph(nodes, ("last",))


def residual_network(seed: int) -> Graph:
    """A PReLU whose result is added to something: a sign cannot pass."""
    random = np.random.default_rng(seed)
    nodes: tuple[Node, ...] = (
        Input("input", (), 6, 7, 3),
        conv(random, "stem", "input", 3),
        PRelu("a", ("stem",), SLOPES),
        conv(random, "branch", "a", CHANNELS),
        Add("sum", ("a", "branch")),
    )
    return Graph(nodes, ("sum",))


def slopes(graph: Graph) -> np.ndarray:
    return np.concatenate([node.slope for node in graph.nodes if isinstance(node, PRelu)])


def assert_same(before: Graph, after: Graph) -> None:
    x = np.random.default_rng(9).normal(size=(2, 6, 7, 3))
    for name in before.outputs:
        old, new = interpret(before, x)[name], interpret(after, x)[name]
        np.testing.assert_allclose(new, old, rtol=0, atol=2e-6 * np.abs(old).max())


@pytest.mark.parametrize("seed", range(8))
def test_slopes_come_into_range_and_results_stay(seed: int) -> None:
    graph = ghost_network(seed)
    normalised = normalise_slopes(graph)
    assert np.abs(slopes(graph)).max() > 15
    assert np.abs(slopes(normalised)).max() <= 1
    assert_same(graph, normalised)


@pytest.mark.parametrize("seed", range(4))
def test_a_sign_that_cannot_pass_an_addition_stays(seed: int) -> None:
    graph = residual_network(seed)
    normalised = normalise_slopes(graph)
    assert slopes(normalised).tolist() == pytest.approx([-1 / 16.4, -1, -0.3, 0, 0.25, 1, 1.5, 15.7])
    assert_same(graph, normalised)


def test_a_sign_does_not_leave_by_an_output() -> None:
    graph = residual_network(0)
    cut = Graph(graph.nodes[:4], ("a", "branch"))
    assert slopes(normalise_slopes(cut)).max() == np.float32(15.7)
    assert_same(cut, normalise_slopes(cut))


def test_the_result_of_a_shared_convolution_is_not_scaled() -> None:
    graph = residual_network(0)
    shared = Graph((*graph.nodes[:3], Add("sum", ("a", "stem"))), ("sum",))
    assert_same(shared, normalise_slopes(shared))
    assert slopes(normalise_slopes(shared)).tolist() == SLOPES.tolist()


@pytest.mark.parametrize("network", [ghost_network, residual_network])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_lowered_prelu_is_prelu(network: object, normalised: bool, seed: int) -> None:
    graph = network(seed)  # type: ignore[operator]
    lowered = lower_prelu(normalise_slopes(graph) if normalised else graph)
    left = [node.name for node in lowered.nodes if isinstance(node, PRelu)]
    assert left == (["squeezed"] if network is ghost_network else [])
    assert_same(graph, lowered)

"""Normalised slopes and lowered PReLU change no result, whatever the slopes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ghostface_edge.converters.graph import (
    Add,
    Concat,
    Conv,
    Flatten,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Input,
    Mul,
    Node,
    PRelu,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.decouple import decouple
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm
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
    """A PReLU whose result is added to something, and leaves."""
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
def test_a_sign_passes_a_sum_by_turning_what_is_added(seed: int) -> None:
    graph = residual_network(seed)
    graph = Graph((*graph.nodes, conv(np.random.default_rng(seed), "last", "sum", CHANNELS)), ("last",))
    normalised = normalise_slopes(graph)
    wanted = [-1 / 16.4, -1, -0.3, 0, 0.25, 1, 1 / 1.5, 1 / 15.7]
    assert slopes(normalised).tolist() == pytest.approx(wanted)
    before, after = graph["branch"], normalised["branch"]
    assert isinstance(before, Conv)
    assert isinstance(after, Conv)
    assert before.bias is not None
    assert after.bias is not None
    assert (after.bias / before.bias).tolist() == [1, 1, 1, 1, 1, 1, -1, -1]
    assert_same(graph, normalised)


@pytest.mark.parametrize("other", [-1.0, 0.0, 0.5, 1.0, 3.0])
def test_two_prelus_in_one_sum_agree_on_their_signs(other: float) -> None:
    """Both turn, or none: a PReLU can make its result negative if its slope is at least 1."""
    random = np.random.default_rng(0)
    nodes: tuple[Node, ...] = (
        Input("input", (), 6, 7, 3),
        conv(random, "first", "input", 3),
        PRelu("a", ("first",), np.full(CHANNELS, 4, np.float32)),
        conv(random, "second", "input", 3),
        PRelu("b", ("second",), np.full(CHANNELS, other, np.float32)),
        Add("sum", ("a", "b")),
        conv(random, "last", "sum", CHANNELS),
    )
    graph = Graph(nodes, ("last",))
    normalised = normalise_slopes(graph)
    turned = other >= 1
    wanted = [0.25, 1 / other] if turned else [4, other]
    assert [node.slope[0] for node in normalised.nodes if isinstance(node, PRelu)] == pytest.approx(wanted)
    assert_same(graph, normalised)


def test_a_sign_does_not_pass_a_sum_with_the_picture() -> None:
    random = np.random.default_rng(0)
    nodes: tuple[Node, ...] = (
        Input("input", (), 6, 7, CHANNELS),
        conv(random, "first", "input", CHANNELS),
        PRelu("a", ("first",), SLOPES),
        Add("sum", ("a", "input")),
        conv(random, "last", "sum", CHANNELS),
    )
    normalised = normalise_slopes(Graph(nodes, ("last",)))
    assert slopes(normalised).tolist() == pytest.approx([-1 / 16.4, -1, -0.3, 0, 0.25, 1, 1.5, 15.7])
    x = np.random.default_rng(9).normal(size=(2, 6, 7, CHANNELS))
    np.testing.assert_allclose(
        interpret(normalised, x)["last"], interpret(Graph(nodes, ("last",)), x)["last"], rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("seed", range(40))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    graph = random_graph(seed)
    normalised = normalise_slopes(graph)
    assert_same(graph, normalised)
    for form in ("scale", "depthwise"):
        assert_same(graph, lower_prelu(normalised, form))
        assert_same(graph, lower_prelu(graph, form))


def test_every_slope_of_the_official_checkpoint_comes_into_range(
    real_checkpoint: Graph, face_tensor: Callable[[int], np.ndarray]
) -> None:
    before, x = fold_batch_norm(real_checkpoint), face_tensor(2)
    wanted = interpret(real_checkpoint, x)["embedding"]
    assert np.abs(slopes(before)).max() > 16
    for graph in (before, decouple(before)):
        normalised = normalise_slopes(graph)
        assert np.abs(slopes(normalised)).max() <= 1
        for after in (normalised, lower_prelu(normalised), lower_prelu(normalised, "depthwise")):
            np.testing.assert_allclose(interpret(after, x)["embedding"], wanted, rtol=0, atol=1e-5)


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


def test_the_depthwise_form_keeps_no_prelu() -> None:
    """Not even on 1 x 1 maps; slopes above 1 keep their sign in one more convolution, a PReLU of zeros is a ReLU."""
    graph = ghost_network(0)
    graph = Graph(
        tuple(
            replace(node, slope=np.zeros(CHANNELS, np.float32)) if node.name == "b" else node for node in graph.nodes
        ),
        graph.outputs,
    )
    lowered = lower_prelu(graph, "depthwise")
    kinds = {node.name: type(node).__name__ for node in lowered.nodes}
    assert [kinds[f"a{part}"] for part in ("/scaled", "/relu", "/signed", "")] == ["Conv", "Relu", "Conv", "Add"]
    assert "squeezed/scaled" in kinds
    assert kinds["b"] == "Relu"
    assert "PRelu" not in kinds.values()
    assert "Scale" not in kinds.values()
    assert_same(graph, lowered)


def test_a_flat_vector_has_no_depthwise_form() -> None:
    nodes = (Input("input", (), 1, 1, CHANNELS), Flatten("flat", ("input",)), PRelu("out", ("flat",), SLOPES))
    graph = Graph(nodes, ("out",))
    lowered = lower_prelu(graph, "depthwise")
    assert not any(isinstance(node, (PRelu, Conv)) for node in lowered.nodes)
    x = np.random.default_rng(2).normal(size=(3, 1, 1, CHANNELS))
    np.testing.assert_allclose(interpret(lowered, x)["out"], interpret(graph, x)["out"], rtol=1e-6)

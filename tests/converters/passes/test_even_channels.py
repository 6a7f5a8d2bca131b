"""Channels in the scales that suit rounded weights: nothing changes in float, and unequal ranges cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.graph import Conv, Graph, Input, Node, PRelu
from ghostface_edge.converters.int8_kernels import rounded_kernel, rounding_loss
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.channels import scale_groups, scaled
from ghostface_edge.converters.passes.even_channels import even_channels
from ghostface_edge.converters.preparation import embedder_graph
from ghostface_edge.converters.quantization import int8_saves

pytest.importorskip("onnxruntime")


def pictures(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, *shape)).astype(np.float32)


def uneven(graph: Graph, spread: float, seed: int = 3) -> Graph:
    """The same network with its channels multiplied by random numbers between 1 / spread and spread."""
    groups = scale_groups(graph)
    reach = np.log(spread)
    return scaled(graph, groups.factors(np.exp(np.random.default_rng(seed).uniform(-reach, reach, len(groups.pinned)))))


@pytest.mark.parametrize("seed", range(30))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    graph = random_graph(seed)
    even, factors = even_channels(graph, channel_statistics(graph, pictures(6, 6, 7, 3)))
    assert_same(graph, even)
    x = np.random.default_rng(seed).normal(size=(2, 6, 7, 3))
    before, after = interpret(graph, x), interpret(even, x)
    for name, tensor in before.items():
        np.testing.assert_allclose(
            after[name], tensor * factors[name], rtol=1e-4, atol=1e-5 * np.abs(after[name]).max()
        )


@pytest.mark.parametrize("seed", range(10))
def test_exactly_by_powers_of_two(random_graph: Callable[..., Graph], seed: int) -> None:
    graph = random_graph(seed)
    even, factors = even_channels(graph, channel_statistics(graph, pictures(6, 6, 7, 3)), exact=True)
    assert all((np.frexp(values)[0] == 0.5).all() for values in factors.values())
    old, new = graph.by_name(), even.by_name()
    for name, node in old.items():
        for field, weights in node.weights().items():
            changed = new[name].weights()[field].astype(np.float64)
            ratio = np.divide(changed, weights, out=np.ones(weights.shape), where=weights != 0)
            assert (np.frexp(ratio)[0] == 0.5).all()


@pytest.fixture(scope="module")
def network() -> tuple[Graph, np.ndarray]:
    """One of the usual size, and pictures; in a small one nearly no kernel is int8."""
    return embedder_graph(architecture("ghostfacenet-v1-0.5-2"), "native"), pictures(4, 112, 112, 3)


@pytest.mark.parametrize("spread", [32.0, 1000.0])
def test_the_scales_in_which_a_checkpoint_holds_its_channels_do_not_matter(
    network: tuple[Graph, np.ndarray], spread: float
) -> None:
    calm, x = network
    wild = uneven(calm, spread)
    losses = []
    for graph in (calm, wild):
        statistics = channel_statistics(graph, x)
        even, factors = even_channels(graph, statistics)
        after = statistics.scaled(factors)
        losses.append([rounding_loss(graph, statistics, int8=True), rounding_loss(even, after, int8=True)])
    assert losses[1][0] > 50 * losses[0][0]  # as it is; infinite where float16 does not hold the weights
    assert losses[1][1] == pytest.approx(losses[0][1], rel=0.1)
    assert losses[0][1] < 1.1 * losses[0][0]


@pytest.mark.parametrize("int8", [True, False])
def test_the_predicted_loss_is_what_rounding_costs(network: tuple[Graph, np.ndarray], int8: bool) -> None:
    """Against the network with its rounded weights, on the pictures of the prediction and by the interpreter."""
    graph, x = network

    def rounded(node: Node) -> Node:
        if not isinstance(node, Conv):
            return node
        if int8 and not node.depthwise and int8_saves(node) > 0:
            return replace(node, kernel=rounded_kernel(node).astype(np.float32))
        return replace(node, kernel=node.kernel.astype(np.float16).astype(np.float32))

    changed = Graph(tuple(rounded(node) for node in graph.nodes), graph.outputs)
    wanted, found = (interpret(item, x)[graph.outputs[0]] for item in (graph, changed))
    lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
    loss = 1 - float(((wanted * found).sum(axis=1) / lengths).mean())
    predicted = rounding_loss(graph, channel_statistics(graph, x), int8=int8)
    assert loss / 3 < predicted < 3 * loss


def test_channels_by_hand() -> None:
    """Two channels with equal weights behind them, of which one has numbers 50 times as large.

    With factors f, the weights are 1 / f. The noise that a channel's weights get goes with f^2 x its power, and its
    share in a step, as a 32-norm, with f^-32. Both are alike where the factors' ratio is (50^2)^(1/34): nearly 1, for a
    smaller weight would have few steps. A channel that no picture moves stays as it is.
    """
    kernel = np.zeros((1, 1, 3, 4), np.float32)
    kernel[..., :2] = 1, 50
    graph = Graph(
        (
            Input("x", (), 2, 2, 3),
            Conv("first", ("x",), kernel, None),
            PRelu("bent", ("first",), np.full(4, 0.3, np.float32)),
            Conv("last", ("bent",), np.ones((1, 1, 4, 2), np.float32), None),
        ),
        ("last",),
    )
    _, factors = even_channels(graph, channel_statistics(graph, pictures(3, 2, 2, 3)))
    assert factors["first"][2:].tolist() == [1, 1]
    assert factors["first"][0] == pytest.approx(factors["first"][1] * 2500 ** (1 / 34), rel=1e-3)

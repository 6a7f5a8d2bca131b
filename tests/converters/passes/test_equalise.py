"""Equalised networks compute the same, with less noise once they are rounded to integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ghostface_edge.converters.channel_statistics import ChannelStatistics, channel_statistics
from ghostface_edge.converters.graph import Conv, Graph, Input, Node, PRelu, Relu
from ghostface_edge.converters.lowering import int8_graph
from ghostface_edge.converters.passes.channels import scale_groups, scaled
from ghostface_edge.converters.passes.equalise import LIMIT, equalise
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm
from ghostface_edge.converters.quantization import COPYING, fused_followers

pytest.importorskip("onnxruntime")


def pictures(count: int, *size: int) -> np.ndarray:
    return np.random.default_rng(4).uniform(-1, 1, (count, *size)).astype(np.float32)


def noise(graph: Graph, tensors: list[str], statistics: ChannelStatistics) -> float:
    """The variance at the outputs that rounding causes: of each number, a twelfth of its tensor's squared step."""
    total = 0.0
    for name in tensors:
        span = max(float(np.max(statistics.high[name])), 0) - min(float(np.min(statistics.low[name])), 0)
        total += (span / 255) ** 2 / 12 * float(statistics.gain[name].astype(np.float64).sum())
    return total


def kernel_noise(graph: Graph, statistics: ChannelStatistics) -> float:
    """The same of the weights of dense convolutions, of which each output channel has a step."""
    total = 0.0
    for node in graph.nodes:
        if isinstance(node, Conv) and not node.depthwise:
            steps = np.abs(node.kernel).max(axis=(0, 1, 2)).astype(np.float64) / 127
            power = float(statistics.power[node.inputs[0]].astype(np.float64).sum()) * node.kernel[..., 0, 0].size
            total += power * float((steps**2 / 12 * statistics.gain[node.name]).sum())
    return total


def spread(statistics: ChannelStatistics, name: str) -> float:
    """The largest range of a tensor's channels by their geometric mean; channels that never move are left out."""
    ranges = np.maximum(-statistics.low[name], statistics.high[name])
    ranges = ranges[ranges > 0]
    return float(ranges.max() / np.exp(np.log(ranges).mean()))


def test_two_channels_by_hand() -> None:
    """Channels of range 1 and 100 and of one relative gain become equal; a third that never moves is left alone."""
    first = Conv("first", ("input",), np.array([1, 100, 0], np.float32).reshape(1, 1, 1, 3), None)
    last = Conv("last", ("relu",), np.array([1, 0.01, 5], np.float32).reshape(1, 1, 3, 1), None)
    graph = Graph((Input("input", (), 2, 2, 1), first, Relu("relu", ("first",)), last), ("last",))
    after = equalise(graph, channel_statistics(graph, np.ones((1, 2, 2, 1), np.float32)))
    kernel = after["first"].weights()["kernel"].ravel()
    assert kernel[0] == pytest.approx(kernel[1], rel=1e-2)
    assert (kernel[2], after["last"].weights()["kernel"].ravel()[2]) == (0, 5)
    np.testing.assert_allclose(kernel * after["last"].weights()["kernel"].ravel(), [1, 1, 0], rtol=1e-6)


@pytest.mark.parametrize("seed", range(30))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    graph = random_graph(seed)
    statistics = channel_statistics(graph, pictures(6, 6, 7, 3))
    assert_same(graph, equalise(graph, statistics))


def test_factors_stay_within_the_limit() -> None:
    kernel = np.array([1, 1e12], np.float32).reshape(1, 1, 1, 2)
    nodes: tuple[Node, ...] = (
        Input("input", (), 2, 2, 1),
        Conv("first", ("input",), kernel, None),
        Conv("last", ("first",), np.ones((1, 1, 2, 1), np.float32), None),
    )
    graph = Graph(nodes, ("last",))
    after = equalise(graph, channel_statistics(graph, pictures(2, 2, 2, 1)))["first"].weights()["kernel"]
    assert (after / kernel).max() <= LIMIT * 1.001
    assert (after / kernel).min() >= 0.999 / LIMIT


def test_channels_that_no_picture_moves() -> None:
    """Statistics of a black photo: nothing is divided by zero, nothing changes."""
    nodes = (Input("input", (), 2, 2, 1), Conv("out", ("input",), np.ones((1, 1, 1, 1), np.float32), None))
    graph = Graph((*nodes, Relu("relu", ("out",)), replace(nodes[1], name="last", inputs=("relu",))), ("last",))
    after = equalise(graph, channel_statistics(graph, np.zeros((2, 2, 2, 1), np.float32)))
    assert after["out"].weights()["kernel"].tolist() == [[[[1.0]]]]


def wild_checkpoint(graph: Graph, seed: int) -> Graph:
    """The network with slopes from -16 to 16 and channels whose ranges differ by a factor of 1000 and more."""
    random = np.random.default_rng(seed)
    nodes: list[Node] = []
    for node in fold_batch_norm(graph).nodes:
        if isinstance(node, PRelu):
            node = replace(node, slope=random.uniform(-16, 16, node.slope.shape).astype(np.float32))
        elif isinstance(node, Conv) and node.bias is not None:  # so that the numbers keep their size
            node = replace(node, kernel=node.kernel / np.float32(6), bias=node.bias / np.float32(6))
        nodes.append(node)
    calm = Graph(tuple(nodes), graph.outputs)
    groups = scale_groups(calm)
    return scaled(calm, groups.factors(10 ** random.uniform(-1.5, 1.5, len(groups.pinned))))


@pytest.mark.parametrize("seed", range(3))
def test_a_wild_checkpoint(small_checkpoint_graph: Graph, assert_same: Callable[..., None], seed: int) -> None:
    checkpoint = wild_checkpoint(small_checkpoint_graph, seed)
    x = pictures(32, 32, 32, 3)
    graph = int8_graph(checkpoint)
    before = channel_statistics(graph, x)
    after_graph = equalise(graph, before)
    after = channel_statistics(after_graph, x)
    assert_same(checkpoint, after_graph)
    tensors = [node.name for node in graph.nodes if node.name.startswith(("concatenate", "add"))]
    assert len(tensors) > 10
    assert np.median([spread(before, name) for name in tensors]) > 8
    assert np.median([spread(after, name) for name in tensors]) < 2.5
    assert noise(after_graph, tensors, after) < 1e-2 * noise(graph, tensors, before)


def test_the_scales_in_which_a_checkpoint_holds_its_channels_do_not_matter(small_checkpoint_graph: Graph) -> None:
    graph = int8_graph(small_checkpoint_graph)
    groups, x = scale_groups(graph), pictures(16, 32, 32, 3)
    shifted = scaled(graph, groups.factors(10 ** np.random.default_rng(1).uniform(-1, 1, len(groups.pinned))))
    one, other = (equalise(item, channel_statistics(item, x)) for item in (graph, shifted))
    names = [node.name for node in graph.nodes if node.name.startswith(("concatenate", "add"))]
    noises = [noise(item, names, channel_statistics(item, x)) for item in (one, other)]
    assert noises[0] == pytest.approx(noises[1], rel=0.05)


def test_no_other_scales_are_quieter(small_checkpoint_graph: Graph) -> None:
    """The minimum: random changes of the factors, small and large, all make more noise."""
    graph = int8_graph(small_checkpoint_graph)
    x = pictures(16, 32, 32, 3)
    best = equalise(graph, channel_statistics(graph, x))
    fused = fused_followers(graph)
    names = [node.name for node in graph.nodes if node.name not in fused and not isinstance(node, COPYING)]

    def all_noise(network: Graph) -> float:
        statistics = channel_statistics(network, x)
        return noise(network, names, statistics) + kernel_noise(network, statistics)

    least = all_noise(best)
    groups, random = scale_groups(best), np.random.default_rng(2)
    for size in (0.1, 0.3, 1.0):
        for _ in range(3):
            other = scaled(best, groups.factors(np.exp(random.normal(0, size, len(groups.pinned)))))
            assert all_noise(other) > least


def test_the_official_checkpoint(real_checkpoint: Graph, face_tensor: Callable[[int], np.ndarray]) -> None:
    x = face_tensor(40)
    graph = int8_graph(real_checkpoint)
    before = channel_statistics(graph, x[::2])
    quiet = equalise(graph, before)
    after, held_out = channel_statistics(quiet, x[::2]), channel_statistics(quiet, x[1::2])
    names = [node.name for node in graph.nodes if node.name.startswith(("concatenate", "add"))]
    assert np.median([spread(after, name) for name in names]) < 0.6 * np.median(
        [spread(before, name) for name in names]
    )
    stored = [node.name for node in graph.nodes if node.name not in fused_followers(graph)]
    was, now = noise(graph, stored, channel_statistics(graph, x[1::2])), noise(quiet, stored, held_out)
    assert now < 0.02 * was

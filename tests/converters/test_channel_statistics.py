"""Ranges and gains of channels, against the interpreter and against noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.graph import Conv, Flatten, Graph, Input
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.errors import ConversionError

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("seed", range(6))
def test_lowest_and_highest_are_those_of_the_interpreter(random_graph: Callable[..., Graph], seed: int) -> None:
    graph = random_graph(seed)
    pictures = np.random.default_rng(seed).normal(size=(5, 6, 7, 3)).astype(np.float32)
    statistics = channel_statistics(graph, pictures)
    tensors = interpret(graph, pictures)
    assert statistics.low.keys() == statistics.high.keys() == statistics.gain.keys() == tensors.keys()
    for name, tensor in tensors.items():
        pixels = tensor.reshape(-1, tensor.shape[-1])
        size = 1e-5 * np.abs(pixels).max()
        np.testing.assert_allclose(statistics.low[name], pixels.min(axis=0), rtol=0, atol=size)
        np.testing.assert_allclose(statistics.high[name], pixels.max(axis=0), rtol=0, atol=size)


def test_a_last_batch_that_is_smaller(random_graph: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(0)
    pictures = np.random.default_rng(0).normal(size=(5, 6, 7, 3)).astype(np.float32)
    at_once = channel_statistics(graph, pictures)
    values = sum(int(np.prod(shape)) for shape in graph.shapes().values())
    monkeypatch.setattr("ghostface_edge.converters.channel_statistics._VALUES_AT_ONCE", 2 * values)
    in_batches = channel_statistics(graph, pictures)
    for name in at_once.low:
        np.testing.assert_allclose(in_batches.low[name], at_once.low[name], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(in_batches.power[name], at_once.power[name], rtol=1e-4, atol=1e-6)


def test_the_gain_by_hand() -> None:
    """Two numbers, weights 3 and 4 into one output, which is 3 x 2 + 4 x 1 = 10: (3 / 10)^2 and (4 / 10)^2."""
    kernel = np.array([3, 4], np.float32).reshape(1, 1, 2, 1)
    nodes = (Input("input", (), 1, 1, 2), Conv("conv", ("input",), kernel, None), Flatten("flat", ("conv",)))
    picture = np.array([2, 1], np.float32).reshape(1, 1, 1, 2)
    statistics = channel_statistics(Graph(nodes, ("flat",)), picture)
    assert statistics.gain["input"].tolist() == pytest.approx([0.09, 0.16])
    assert statistics.gain["flat"].tolist() == pytest.approx([0.01])
    assert statistics.high["flat"].tolist() == [10]


def test_the_gain_of_outputs_whose_squares_overflow() -> None:
    kernel = np.array([3e25, 4e25], np.float32).reshape(1, 1, 2, 1)
    nodes = (Input("input", (), 1, 1, 2), Conv("conv", ("input",), kernel, None), Flatten("flat", ("conv",)))
    picture = np.array([2, 1], np.float32).reshape(1, 1, 1, 2)
    statistics = channel_statistics(Graph(nodes, ("flat",)), picture)
    assert statistics.gain["input"].tolist() == pytest.approx([0.09, 0.16])


def test_the_gain_counts_every_pixel() -> None:
    """A 2 x 2 map of one channel, each pixel an output of 1: the relative error of each is its noise / 2."""
    kernel = np.ones((1, 1, 1, 1), np.float32)
    nodes = (Input("input", (), 2, 2, 1), Conv("conv", ("input",), kernel, None))
    statistics = channel_statistics(Graph(nodes, ("conv",)), np.ones((3, 2, 2, 1), np.float32))
    assert statistics.gain["input"].tolist() == pytest.approx([4 * 0.25])


def test_the_gain_predicts_noise(real_checkpoint: Graph, face_tensor: Callable[[int], np.ndarray]) -> None:
    """Noise on every number of a sum in the middle of the official network, through which everything passes."""
    pictures = face_tensor(8)
    gain = channel_statistics(real_checkpoint, pictures).gain["add_3"]
    place = 1 + next(number for number, node in enumerate(real_checkpoint.nodes) if node.name == "add_3")
    behind = Graph(
        (Input("add_3", (), *real_checkpoint.shapes()["add_3"]), *real_checkpoint.nodes[place:]), ("embedding",)
    )
    clean = interpret(real_checkpoint, pictures)
    random = np.random.default_rng(0)
    deviation = 1e-3 * random.uniform(0, 2, len(gain))
    errors = []
    for _ in range(4):
        noisy = clean["add_3"] + deviation * random.normal(size=clean["add_3"].shape)
        difference = interpret(behind, noisy)["embedding"] - clean["embedding"]
        errors.append((difference**2).sum(axis=1) / (clean["embedding"] ** 2).sum(axis=1))
    assert np.mean(errors) == pytest.approx((gain * deviation**2).sum(), rel=0.2)


@pytest.mark.parametrize("shape", [(0, 6, 7, 3), (2, 7, 6, 3), (6, 7, 3)])
def test_pictures_that_do_not_fit(random_graph: Callable[..., Graph], shape: tuple[int, ...]) -> None:
    with pytest.raises(ConversionError, match="takes some pictures of"):
        channel_statistics(random_graph(0), np.zeros(shape, np.float32))


def test_values_that_overflow() -> None:
    kernel = np.full((1, 1, 1, 1), 1e30, np.float32)
    nodes = (
        Input("input", (), 1, 1, 1),
        Conv("first", ("input",), kernel, None),
        Conv("out", ("first",), kernel, None),
    )
    with pytest.raises(ConversionError, match="'out' overflows float32"):
        channel_statistics(Graph(nodes, ("out",)), np.ones((1, 1, 1, 1), np.float32))

"""Folding normalisation changes no result."""

from __future__ import annotations

import numpy as np
import pytest

from ghostface_edge.converters.graph import Add, BatchNorm, Conv, Flatten, Graph, Input, Node, Relu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm


class Maker:
    """Random convolutions and normalisations."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def conv(self, name: str, source: str, inputs: int, outputs: int, *, bias: bool, depthwise: bool = False) -> Conv:
        kernel = self.random.normal(size=(3, 3, inputs, 1 if depthwise else outputs)).astype(np.float32)
        values = self.random.normal(size=outputs).astype(np.float32) if bias else None
        return Conv(name, (source,), kernel, values, (1, 1), (1, 1, 1, 1), depthwise)

    def norm(self, name: str, source: str, channels: int) -> BatchNorm:
        arrays = [self.random.normal(size=channels).astype(np.float32) for _ in range(3)]
        variance = self.random.uniform(0.1, 2, channels).astype(np.float32)
        return BatchNorm(name, (source,), arrays[0], arrays[1], arrays[2], variance, 1e-3)


def kinds(graph: Graph) -> list[str]:
    return [type(node).__name__ for node in graph.nodes]


def assert_same(before: Graph, after: Graph) -> None:
    picture = before.input
    x = np.random.default_rng(9).normal(size=(2, picture.height, picture.width, picture.channels))
    old, new = interpret(before, x), interpret(after, x)
    assert before.outputs == after.outputs
    for name in before.outputs:
        np.testing.assert_allclose(new[name], old[name], rtol=0, atol=2e-6 * np.abs(old[name]).max())


@pytest.mark.parametrize("seed", range(8))
def test_every_normalisation_after_a_convolution_goes(seed: int) -> None:
    make = Maker(seed)
    bias = bool(seed % 2)
    graph = Graph(
        (
            Input("input", (), 6, 5, 3),
            make.conv("a", "input", 3, 4, bias=bias),
            make.norm("a/norm", "a", 4),
            Relu("relu", ("a/norm",)),
            make.conv("b", "relu", 4, 4, bias=not bias, depthwise=True),
            make.norm("b/norm", "b", 4),
            make.norm("b/norm2", "b/norm", 4),
        ),
        ("b/norm2",),
    )
    folded = fold_batch_norm(graph)
    assert kinds(folded) == ["Input", "Conv", "Relu", "Conv"]
    assert_same(graph, folded)


def test_through_the_flatten_of_a_single_pixel() -> None:
    make = Maker(3)
    conv = Conv("conv", ("input",), make.random.normal(size=(4, 4, 3, 7)).astype(np.float32), None)
    nodes: tuple[Node, ...] = (
        Input("input", (), 4, 4, 3),
        conv,
        Flatten("flat", ("conv",)),
        make.norm("out", "flat", 7),
    )
    graph = Graph(nodes, ("out",))
    folded = fold_batch_norm(graph)
    assert kinds(folded) == ["Input", "Conv", "Flatten"]
    assert_same(graph, folded)


def test_one_after_the_flatten_of_a_map_stays() -> None:
    make = Maker(4)
    nodes = (Input("input", (), 2, 2, 3), make.conv("conv", "input", 3, 2, bias=True), Flatten("flat", ("conv",)))
    graph = Graph((*nodes, make.norm("out", "flat", 8)), ("out",))
    assert kinds(fold_batch_norm(graph)) == kinds(graph)


def test_a_convolution_that_is_needed_elsewhere_stays_as_it_is() -> None:
    make = Maker(5)
    shared = (
        Input("input", (), 5, 5, 3),
        make.conv("conv", "input", 3, 3, bias=True),
        make.norm("norm", "conv", 3),
        Add("sum", ("conv", "norm")),
    )
    graph = Graph(shared, ("sum",))
    assert kinds(fold_batch_norm(graph)) == kinds(graph)
    assert_same(graph, fold_batch_norm(graph))
    both = Graph(shared[:3], ("conv", "norm"))
    assert kinds(fold_batch_norm(both)) == kinds(both)
    assert_same(both, fold_batch_norm(both))


def test_one_that_follows_no_convolution_stays() -> None:
    make = Maker(6)
    graph = Graph((Input("input", (), 3, 3, 2), make.norm("norm", "input", 2)), ("norm",))
    assert kinds(fold_batch_norm(graph)) == ["Input", "BatchNorm"]

"""What is done about int8 kernels beside float activations; which are chosen is tested in test_convert.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.graph import Conv, Flatten, Graph, Input, Node, PRelu
from ghostface_edge.converters.int8_kernels import correct_kernels, rounded_kernel, rounding_loss
from ghostface_edge.converters.interpreter import compute, interpret

pytest.importorskip("onnxruntime")

RANDOM = np.random.default_rng(6)
PICTURES = RANDOM.normal(size=(8, 4, 4, 20)).astype(np.float32)
GRAPH = Graph(
    (
        Input("x", (), 4, 4, 20),
        PRelu("bent", ("x",), RANDOM.uniform(-16, 16, 20).astype(np.float32)),  # far from 0 on the mean
        Conv("whole", ("bent",), RANDOM.normal(size=(1, 1, 20, 30)).astype(np.float32), None),
        Conv("half", ("whole",), RANDOM.normal(size=(1, 1, 30, 25)).astype(np.float32), np.ones(25, np.float32)),
        Flatten("y", ("half",)),
    ),
    ("y",),
)


def rounded(graph: Graph, name: str) -> Graph:
    """The network with one int8 kernel."""

    def changed(node: Node) -> Node:
        if node.name != name or not isinstance(node, Conv):
            return node
        return replace(node, kernel=rounded_kernel(node).astype(np.float32))

    return Graph(tuple(changed(node) for node in graph.nodes), graph.outputs)


def test_means_are_kept() -> None:
    statistics = channel_statistics(GRAPH, PICTURES)
    corrected = correct_kernels(GRAPH, statistics, frozenset({"whole"}))
    wanted, before, after = (
        interpret(graph, PICTURES)["whole"] for graph in (GRAPH, rounded(GRAPH, "whole"), rounded(corrected, "whole"))
    )
    shift, left = (np.abs((found - wanted).mean(axis=(0, 1, 2))).max() for found in (before, after))
    assert left < 1e-3 * shift
    assert np.square(after - wanted).mean() < np.square(before - wanted).mean()


def test_float16_kernels_are_corrected_for_float16() -> None:
    """Of the same kernel, float16 shifts the mean some hundred times less, and the bias says so; depthwise likewise."""
    depthwise = Conv("half", ("whole",), RANDOM.normal(size=(1, 1, 30, 1)).astype(np.float32), None, depthwise=True)
    deep = Graph((*GRAPH.nodes[:3], depthwise, Flatten("y", ("half",))), ("y",))
    for graph in (GRAPH, deep):
        corrected = correct_kernels(graph, channel_statistics(graph, PICTURES), frozenset({"whole"}))
        before, after = graph["half"], corrected["half"]
        assert isinstance(before, Conv)
        assert isinstance(after, Conv)
        x = interpret(graph, PICTURES)["whole"]
        half = replace(before, kernel=before.kernel.astype(np.float16).astype(np.float32))
        wanted, shifted = (compute(node, [x]).mean(axis=(0, 1, 2)) for node in (before, half))
        kept = compute(replace(half, bias=after.bias), [x]).mean(axis=(0, 1, 2))
        assert np.abs(kept - wanted).max() < 0.01 * np.abs(shifted - wanted).max()
    # by default those are int8 that are smaller so: with 14 inputs or fewer none is, and float16 holds ones
    few = Graph((Input("x", (), 2, 2, 14), Conv("y", ("x",), np.full((1, 1, 14, 3), 0.7, np.float32), None)), ("y",))
    found = correct_kernels(few, channel_statistics(few, np.ones((1, 2, 2, 14), np.float32)), None)["y"]
    assert isinstance(found, Conv)
    np.testing.assert_allclose(found.bias, 14 * (0.7 - float(np.float16(0.7))), rtol=1e-3)


@pytest.mark.parametrize(("weight", "fits"), [(65504.0, True), (65519.9, True), (65520.0, False)])
def test_what_float16_cannot_hold_is_an_infinite_loss(weight: float, fits: bool) -> None:
    """Half a step above 65,504, the largest number, IEEE 754 rounds to infinity."""
    nodes = (Input("x", (), 2, 2, 1), Conv("y", ("x",), np.full((1, 1, 1, 1), weight, np.float32), None))
    graph = Graph(nodes, ("y",))
    loss = rounding_loss(graph, channel_statistics(graph, np.ones((1, 2, 2, 1), np.float32)), int8=False)
    assert (loss < np.inf) == fits
    with np.errstate(over="ignore"):
        assert np.isfinite(np.float32(weight).astype(np.float16)) == fits


def test_what_float16_arithmetic_takes_for_zero() -> None:
    """A weight of 2^-15 is kept by float16 and gone for a processor without its smallest numbers: all of the output."""
    nodes = (
        Input("x", (), 2, 2, 1),
        Conv("small", ("x",), np.full((1, 1, 1, 1), 2.0**-15, np.float32), None),
        Conv("y", ("small",), np.full((1, 1, 1, 1), 2.0**15, np.float32), None),
    )
    graph = Graph(nodes, ("y",))
    statistics = channel_statistics(graph, np.ones((1, 2, 2, 1), np.float32))
    assert rounding_loss(graph, statistics, int8=False) == 0
    assert rounding_loss(graph, statistics, int8=False, half=True) > 0.4  # half of a squared relative error of 1

"""Bias correction takes out the mean error that rounding and clipping cause."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ghostface_edge.converters.bias_correction import correct_biases
from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.graph import Conv, Graph, Input, Relu
from ghostface_edge.converters.lowering import int8_graph
from ghostface_edge.converters.quantization import Affine, Quantization
from ghostface_edge.converters.ranges import choose_ranges
from ghostface_edge.converters.simulator import FLOAT, Simulator

pytest.importorskip("onnxruntime")


def test_clipping_by_hand() -> None:
    """Half the pixels are 1, half 3, and 3 is clipped to 2: the mean of the convolution loses 2 x 0.5 = 1."""
    x = np.ones((2, 4, 4, 1), np.float32)
    x[1] = 3
    conv = Conv("conv", ("x",), np.full((1, 1, 1, 1), 2, np.float32), np.array([0.5], np.float32))
    graph = Graph((Input("x", (), 4, 4, 1), conv), ("conv",))
    quantization = Quantization({"x": Affine(1 / 64, -1), "conv": Affine(1, 0)})
    corrected = correct_biases(graph, quantization, x)["conv"].weights()["bias"]
    assert corrected.tolist() == pytest.approx([0.5 + 1], abs=0.02)


def test_what_a_follower_cuts_is_compared_before_the_cut() -> None:
    """All sums are below 0 and shifted by clipping: the bias is corrected although the Relu stores 0 both times."""
    x = np.full((1, 2, 2, 1), 3, np.float32)
    conv = Conv("conv", ("x",), np.full((1, 1, 1, 1), -1, np.float32), np.zeros(1, np.float32))
    graph = Graph((Input("x", (), 2, 2, 1), conv, Relu("relu", ("conv",))), ("relu",))
    quantization = Quantization({"x": Affine(1 / 64, -1), "relu": Affine(1, -128)})
    assert correct_biases(graph, quantization, x)["conv"].weights()["bias"].tolist() == pytest.approx([-1], abs=0.02)


def test_factors_of_the_passes_stay_without_bias_and_float_stays_as_it_is(small_checkpoint_graph: Graph) -> None:
    graph = int8_graph(small_checkpoint_graph)
    x = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    for node in correct_biases(graph, FLOAT, x).nodes:
        before = graph[node.name]
        assert isinstance(node, Conv) == isinstance(before, Conv)
        if isinstance(node, Conv) and isinstance(before, Conv):
            if before.bias is None and before.depthwise:
                assert node.bias is None
            elif node.bias is not None:
                np.testing.assert_allclose(node.bias, 0 if before.bias is None else before.bias, atol=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_the_means_of_every_convolution_come_back(
    small_checkpoint_graph: Graph, seed: int, assert_same: Callable[..., None]
) -> None:
    """One after the other: with all before it corrected, each convolution has the mean it has in float."""
    graph = int8_graph(small_checkpoint_graph)
    x = np.random.default_rng(seed).uniform(-1, 1, (16, 32, 32, 3)).astype(np.float32)
    statistics = channel_statistics(graph, x)
    quantization = choose_ranges(graph, x, statistics, Affine(1 / 128, -1))
    corrected = correct_biases(graph, quantization, x)

    def shift(network: Graph) -> float:
        """Root mean square, over channels, of the mean error in steps of the tensor, over all convolutions."""
        exact, rounded = Simulator(graph).run(x), Simulator(network).run(x, quantization)
        errors = [
            ((rounded[node.name] - exact[node.name]).mean(axis=(0, 1, 2)) / quantization.tensors[node.name].scale)
            for node in graph.nodes
            if isinstance(node, Conv) and node.name in exact and node.bias is not None
        ]
        return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))

    assert shift(corrected) < 0.35 * shift(graph)

"""Padding above and at the left as SAME padding of a kernel with zeros at its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.converters.graph import Conv, Graph, Input
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.pad_kernels import pad_kernels
from ghostface_edge.converters.preparation import detector_graph
from ghostface_edge.converters.trained_model import SourceOptions, read_trained_model


def network(size: int = 3, stride: int = 2, pads: tuple[int, int, int, int] = (1, 1, 1, 1), side: int = 8) -> Graph:
    random = np.random.default_rng(size)
    kernel, bias = random.standard_normal((size, size, 3, 4)), random.standard_normal(4)
    conv = Conv("y", ("x",), kernel.astype(np.float32), bias.astype(np.float32), (stride, stride), pads)
    return Graph((Input("x", (), side, 2 * side, 3), conv), ("y",))


@pytest.mark.parametrize(
    ("size", "stride", "pads", "wider"),
    [(3, 2, (1, 1, 1, 1), 4), (3, 2, (1, 1, 0, 0), 4), (5, 2, (2, 2, 2, 2), 6), (5, 4, (1, 1, 2, 2), 6)],
)
def test_the_same_numbers(size: int, stride: int, pads: tuple[int, int, int, int], wider: int) -> None:
    graph = network(size, stride, pads)
    padded = pad_kernels(graph)
    conv = padded["y"]
    assert isinstance(conv, Conv)
    assert conv.kernel.shape[:2] == (wider, wider)
    # TensorFlow's rule for SAME, https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    total = wider - stride
    assert conv.pads == (total // 2, total // 2, total - total // 2, total - total // 2)
    pictures = np.random.default_rng(1).standard_normal((2, 8, 16, 3))
    np.testing.assert_array_equal(interpret(padded, pictures)["y"], interpret(graph, pictures)["y"])


@pytest.mark.parametrize(
    "graph",
    [
        network(pads=(0, 0, 1, 1)),
        network(side=7),
        network(stride=1),
        network(pads=(3, 3, 0, 0)),
        network(2, 2, (0,) * 4),
    ],
    ids=["SAME already", "an odd side", "no stride", "too far", "no padding"],
)
def test_what_stays(graph: Graph) -> None:
    assert pad_kernels(graph)["y"] is graph["y"]


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    graph = random_graph(seed)
    assert_same(graph, pad_kernels(graph), tolerance=0)


def test_yunet(shared: Path) -> None:
    source = shared / "detectors" / "face_detection_yunet_2023mar.onnx"
    options = SourceOptions(None, None, None, None, None, None)
    graph = detector_graph(read_trained_model(source, options, licence=None, name=None).graph)
    padded = pad_kernels(graph)
    assert [node.name for node in padded.nodes if padded[node.name] is not graph[node.name]] == [graph.nodes[1].name]
    pictures = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3))
    expected, found = interpret(graph, pictures), interpret(padded, pictures)
    for name in graph.outputs:
        np.testing.assert_array_equal(found[name], expected[name])

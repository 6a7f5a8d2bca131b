"""The chain of passes for integers, on every kind of network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.graph import (
    BatchNorm,
    Conv,
    Flatten,
    Graph,
    HardSigmoid,
    Input,
    Node,
    PRelu,
    Relu,
    Scale,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.lowering import int8_graph, naive_int8_graph
from ghostface_edge.converters.passes.equalise import equalise
from ghostface_edge.errors import CheckpointError

FLOAT_ONLY = (BatchNorm, PRelu, Scale)
"""Nodes that have no integer form of their own in XNNPACK."""


def kinds(graph: Graph) -> set[str]:
    return {type(node).__name__ for node in graph.nodes}


def assert_integer_nodes(graph: Graph) -> None:
    assert not any(isinstance(node, FLOAT_ONLY) for node in graph.nodes)
    assert {(node.slope, node.offset) for node in graph.nodes if isinstance(node, HardSigmoid)} <= {(1.0, 0.0)}


def plain_network() -> Graph:
    """No ghost in it: normalisation before a convolution, ReLU, a flat head."""
    random = np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    nodes: tuple[Node, ...] = (
        Input("input", (), 8, 8, 3),
        BatchNorm("norm", ("input",), numbers(3), numbers(3), numbers(3), np.abs(numbers(3)), 1e-3),
        Conv("first", ("norm",), numbers(3, 3, 3, 8), numbers(8), (2, 2), (0, 0, 1, 1)),
        Relu("relu", ("first",)),
        Conv("second", ("relu",), numbers(4, 4, 8, 6), None),
        Flatten("flat", ("second",)),
    )
    return Graph(nodes, ("flat",))


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    pytest.importorskip("onnxruntime")
    checkpoint = random_graph(seed)
    graph = int8_graph(checkpoint)
    pictures = np.random.default_rng(seed).normal(size=(4, 6, 7, 3)).astype(np.float32)
    for after in (graph, equalise(graph, channel_statistics(graph, pictures)), naive_int8_graph(checkpoint)):
        assert_integer_nodes(after)
        assert_same(checkpoint, after)


def test_a_plain_network(assert_same: Callable[..., None]) -> None:
    pytest.importorskip("onnxruntime")
    checkpoint = plain_network()
    graph = int8_graph(checkpoint)
    assert kinds(graph) == {"Input", "Conv", "Relu", "Flatten"}
    pictures = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype(np.float32)
    assert_same(checkpoint, graph)
    assert_same(checkpoint, equalise(graph, channel_statistics(graph, pictures)))


@pytest.mark.parametrize("name", ["ghostfacenet-v1-0.5-2", "ghostfacenet-v2-0.5-2", "ghostfacenet-v1-0.5-2-relu"])
def test_architectures(name: str, on_onnxruntime: Callable[..., dict[str, np.ndarray]]) -> None:
    from ghostface_edge.converters.onnx_writer import write_onnx

    checkpoint = architecture(name)
    graph = int8_graph(checkpoint)
    x = np.random.default_rng(0).uniform(-1, 1, (4, 112, 112, 3)).astype(np.float32)
    quiet = equalise(graph, channel_statistics(graph, x))
    wanted = on_onnxruntime(write_onnx(checkpoint, "test"), x)["embedding"]
    for after in (graph, quiet, naive_int8_graph(checkpoint)):
        assert_integer_nodes(after)
        result = on_onnxruntime(write_onnx(after, "test"), x)["embedding"]
        np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_the_official_checkpoint(real_checkpoint: Graph, face_tensor: Callable[[int], np.ndarray]) -> None:
    x = face_tensor(3)
    wanted = interpret(real_checkpoint, x)["embedding"]
    graph = int8_graph(real_checkpoint)
    assert kinds(graph) == {
        "Input",
        "Conv",
        "Relu",
        "Add",
        "Concat",
        "GlobalAveragePool",
        "HardSigmoid",
        "Mul",
        "Flatten",
    }
    assert not any(node.name.endswith("/signed") for node in graph.nodes)  # no slope above 1 is left
    for after in (graph, equalise(graph, channel_statistics(graph, x)), naive_int8_graph(real_checkpoint)):
        np.testing.assert_allclose(interpret(after, x)["embedding"], wanted, rtol=0, atol=2e-5)


def test_weights_that_overflow(small_checkpoint_graph: Graph) -> None:
    def enlarged(node: Node) -> Node:
        if isinstance(node, Conv):
            return replace(node, kernel=node.kernel * np.float32(1e30))
        return replace(node, gamma=node.gamma * np.float32(1e30)) if isinstance(node, BatchNorm) else node

    broken = Graph(tuple(map(enlarged, small_checkpoint_graph.nodes)), small_checkpoint_graph.outputs)
    for lower in (int8_graph, naive_int8_graph):
        with pytest.raises(CheckpointError, match="overflow float32"):
            lower(broken)


def test_a_checkpoint_from_a_file(keras2: ModuleType, tmp_path: Path, assert_same: Callable[..., None]) -> None:
    path = keras2.ghostface(blocks=[2, 3, 4], activation="relu", head_bias=True).save(tmp_path / "relu.h5")
    checkpoint = read_keras_h5(path.read_bytes(), str(path))
    assert_same(checkpoint, int8_graph(checkpoint))

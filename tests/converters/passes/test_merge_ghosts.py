"""Narrow ghost modules without a Concat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.graph import Concat, Conv, Graph, Input, Node, PRelu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm
from ghostface_edge.converters.passes.merge_ghosts import merge_ghosts


def ghost_module(*, bent: bool, half: int = 4, size: int = 3, strides: tuple[int, int] = (1, 1)) -> Graph:
    random = np.random.default_rng(half + size)

    def values(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 5).astype(np.float32)

    rim = (size // 2,) * 4
    nodes: list[Node] = [Input("x", (), 9, 8, 6), Conv("primary", ("x",), values(1, 1, 6, half), values(half))]
    if bent:
        nodes.append(PRelu("primary/prelu", ("primary",), values(half)))
    nodes.append(Conv("cheap", (nodes[-1].name,), values(size, size, half, 1), None, strides, pads=rim, depthwise=True))
    first = nodes[2 if bent else 1].name
    if bent:
        nodes.append(PRelu("cheap/prelu", ("cheap",), values(half)))
    nodes += [Concat("both", (first, nodes[-1].name)), Conv("last", ("both",), values(1, 1, 2 * half, 5), values(5))]
    return Graph(tuple(nodes), ("last",))


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("bent", [False, True], ids=["linear", "PReLU"])
def test_the_same_numbers_without_a_concat(bent: bool, size: int) -> None:
    """Slopes go from -15 to 15, and the interpreter adds in float64."""
    graph = ghost_module(bent=bent, size=size)
    merged = merge_ghosts(graph)
    names = ["x", "primary", "primary/prelu", "cheap", "both", "last"] if bent else ["x", "primary", "both", "last"]
    assert [node.name for node in merged.nodes] == names
    pictures = np.random.default_rng(0).standard_normal((3, 9, 8, 6))
    expected, found = interpret(graph, pictures), interpret(merged, pictures)
    for name in ("both", "last"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-13, atol=1e-13)


def rewired(graph: Graph, **inputs: tuple[str, ...]) -> Graph:
    nodes = (replace(node, inputs=inputs.get(node.name, node.inputs)) for node in graph.nodes)
    return Graph(tuple(nodes), graph.outputs)


@pytest.mark.parametrize("bent", [False, True], ids=["linear", "PReLU"])
def test_what_is_no_narrow_ghost_module_stays(bent: bool) -> None:
    graph = ghost_module(bent=bent)
    first, second = graph["both"].inputs
    others = {
        "wide": ghost_module(bent=bent, half=5),
        "an inner tensor leaves the network": replace(graph, outputs=("last", second)),
        "a primary tensor leaves the network": replace(graph, outputs=("last", first)),
        "halves swapped": rewired(graph, both=(second, first)),
        "taken elsewhere": Graph(
            (*graph.nodes, Conv("more", (first,), np.ones((1, 1, 4, 1), np.float32), None)), ("last", "more")
        ),
    }
    for what, other in others.items():
        assert merge_ghosts(other) == other or [n.name for n in merge_ghosts(other).nodes] == [
            n.name for n in other.nodes
        ], what


def test_how_many_are_narrow() -> None:
    def concats(graph: Graph) -> int:
        return sum(isinstance(node, Concat) for node in graph.nodes)

    narrow, wide = (fold_batch_norm(architecture(name)) for name in ("ghostfacenet-v1-0.5-2", "ghostfacenet-v1-1.3-2"))
    assert concats(narrow) - concats(merge_ghosts(narrow)) == 2
    assert concats(merge_ghosts(wide)) == concats(wide)


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    graph = random_graph(seed)
    assert_same(graph, merge_ghosts(graph))


def test_the_official_checkpoint(shared: Path) -> None:
    source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    graph = fold_batch_norm(read_keras_h5(source.read_bytes(), "official"))
    merged = merge_ghosts(graph)
    assert len(graph.nodes) - len(merged.nodes) == 2
    pictures = np.random.default_rng(2).uniform(-1, 1, (2, 112, 112, 3)).astype(np.float32)
    expected, found = interpret(graph, pictures), interpret(merged, pictures)
    for name in ("concatenate", "concatenate_1", graph.outputs[0]):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-11, atol=1e-11)

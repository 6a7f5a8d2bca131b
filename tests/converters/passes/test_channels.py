"""Channels are tied where a factor must be shared, and scaling a network changes no output."""

from __future__ import annotations

from collections.abc import Callable

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
    MaxPool,
    Mul,
    Node,
    PRelu,
    ResizeBilinear,
    Sigmoid,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.channels import scale_groups, scaled, sign_groups


def pointwise(name: str, source: str, inputs: int, outputs: int, seed: int = 0) -> Conv:
    kernel = np.random.default_rng(seed).normal(size=(1, 1, inputs, outputs)).astype(np.float32)
    return Conv(name, (source,), kernel, None)


GHOST: tuple[Node, ...] = (
    Input("input", (), 4, 4, 3),
    pointwise("primary", "input", 3, 2),
    PRelu("active", ("primary",), np.array([2, 0.5], np.float32)),
    pointwise("cheap", "active", 2, 2),
    Concat("both", ("active", "cheap")),
    GlobalAveragePool("pool", ("both",)),
    pointwise("gate", "pool", 4, 4),
    HardSigmoid("open", ("gate",), 0.2, 0.5),
    Mul("gated", ("both", "open")),
    pointwise("last", "gated", 4, 3),
    Add("sum", ("last", "input")),
    Flatten("flat", ("sum",)),
)


def test_what_a_positive_factor_ties() -> None:
    groups = scale_groups(Graph(GHOST, ("flat",)))
    number = groups.numbers
    for name in ("both", "pool", "gated"):
        assert number[name].tolist() == [*number["primary"], *number["cheap"]]
    assert number["active"].tolist() == number["primary"].tolist()
    assert len({*number["both"]}) == 4
    # Pixel after pixel, the flat vector repeats the channels.
    assert number["flat"].tolist() == number["last"].tolist() * 16
    free = {name for name, channels in number.items() if not groups.pinned[channels].any()}
    assert free == {"primary", "active", "cheap", "both", "pool", "gated"}
    assert groups.pinned[number["gate"]].all()


def test_a_sign_stops_at_prelu_and_at_a_maximum() -> None:
    groups = sign_groups(Graph(GHOST, ("flat",)))
    assert not {*groups.numbers["primary"]} & {*groups.numbers["active"]}
    assert groups.numbers["both"].tolist() == [*groups.numbers["active"], *groups.numbers["cheap"]]
    pooled = sign_groups(Graph((*GHOST[:2], MaxPool("top", ("primary",), 2), pointwise("out", "top", 2, 2)), ("out",)))
    assert pooled.pinned[pooled.numbers["primary"]].all()
    assert pooled.pinned[pooled.numbers["top"]].all()


def test_a_gate_that_was_resized_is_still_the_gate() -> None:
    nodes: tuple[Node, ...] = (
        *GHOST[:2],
        Sigmoid("half", ("primary",)),
        ResizeBilinear("gate", ("half",), 4, 4),
        pointwise("data", "input", 3, 2, seed=1),
        Mul("gated", ("gate", "data")),
        pointwise("out", "gated", 2, 2),
    )
    groups = scale_groups(Graph(nodes, ("out",)))
    assert groups.numbers["gated"].tolist() == groups.numbers["data"].tolist()
    assert not groups.pinned[groups.numbers["data"]].any()


def test_a_square_is_pinned() -> None:
    """x times x would take the square of x's factor."""
    nodes = (*GHOST[:2], Mul("square", ("primary", "primary")), pointwise("out", "square", 2, 2))
    groups = scale_groups(Graph(nodes, ("out",)))
    assert groups.pinned[groups.numbers["primary"]].all()


def test_an_open_picture_size_is_no_obstacle() -> None:
    nodes = (Input("input", (), None, None, 3), *GHOST[1:3], pointwise("out", "active", 2, 2))
    groups = scale_groups(Graph(nodes, ("out",)))
    assert groups.numbers["active"].tolist() == groups.numbers["primary"].tolist()


def test_a_long_chain_is_one_group() -> None:
    nodes: list[Node] = [Input("input", (), 2, 2, 2), pointwise("n0", "input", 2, 2)]
    for number in range(1, 200):
        nodes.append(pointwise(f"c{number}", "n0", 2, 2))
        nodes.append(Add(f"n{number}", (f"n{number - 1}", f"c{number}")))
    groups = scale_groups(Graph((*nodes, pointwise("out", "n199", 2, 2)), ("out",)))
    assert groups.numbers["n199"].tolist() == groups.numbers["c1"].tolist() == groups.numbers["n0"].tolist()


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("kind", ["scale", "sign"])
def test_scaled_networks_compute_the_same(random_graph: Callable[..., Graph], kind: str, seed: int) -> None:
    graph = random_graph(seed)
    groups = scale_groups(graph) if kind == "scale" else sign_groups(graph)
    random = np.random.default_rng(seed)
    if kind == "scale":
        values = 10 ** random.uniform(-1.5, 1.5, len(groups.pinned))
    else:
        values = random.choice([-1.0, 1.0], len(groups.pinned))
        for node in graph.nodes:  # whether a PReLU lets a sign pass is for normalise_slopes to say
            if isinstance(node, PRelu):
                groups.pinned[groups.numbers[node.name]] = groups.pinned[groups.numbers[node.inputs[0]]] = True
    factors = groups.factors(values)
    x = random.normal(size=(2, 6, 7, 3))
    before, after = interpret(graph, x), interpret(scaled(graph, factors), x)
    for name in before:
        # Every tensor, not only the outputs, is the old one times its factors.
        wanted = before[name] * factors[name]
        size = (
            np.abs(wanted).max(axis=tuple(range(wanted.ndim - 1))) + np.abs(factors[name]) * np.abs(before[name]).max()
        )
        assert (np.abs(after[name] - wanted) <= 1e-5 * size).all(), name
    changed = sum(bool((values != 1).any()) for values in factors.values())
    assert changed > (3 if kind == "scale" else 0)

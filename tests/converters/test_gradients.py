"""Backpropagation agrees with differences of the interpreter's results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ghostface_edge.converters.gradients import backpropagate
from ghostface_edge.converters.graph import Graph, Input, Node, Scale, Shape
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.errors import ConversionError


@pytest.mark.parametrize("seed", range(40))
def test_random_networks(random_graph: Callable[..., Graph], seed: int) -> None:
    graph = random_graph(seed)
    random = np.random.default_rng(seed)
    x, along = random.normal(size=(1, 6, 7, 3)), random.normal(size=(1, 6, 7, 3))
    tensors = interpret(graph, x)
    seeds = {name: random.normal(size=tensors[name].shape) for name in graph.outputs}
    gradients = backpropagate(graph, tensors, seeds)  # type: ignore[arg-type] # in float64, to compare closely

    def number(step: float) -> float:
        run = interpret(graph, x + step * along)
        return float(sum((run[name] * seed).sum() for name, seed in seeds.items()))

    step = 1e-6
    measured = (number(step) - number(-step)) / (2 * step)
    size = np.abs(gradients["input"] * along).sum()
    assert float((gradients["input"] * along).sum()) == pytest.approx(measured, abs=1e-4 * size)


@pytest.mark.parametrize("seed", range(5))
def test_every_tensor_inside(random_graph: Callable[..., Graph], seed: int) -> None:
    """The derivative by a factor on one tensor, from differences, is the sum of gradient times value."""
    graph = random_graph(seed, steps=8)
    random = np.random.default_rng(seed)
    x = random.normal(size=(1, 6, 7, 3))
    tensors = interpret(graph, x)
    seeds = {name: random.normal(size=tensors[name].shape) for name in graph.outputs}
    gradients = backpropagate(graph, tensors, seeds)  # type: ignore[arg-type]
    for name, gradient in gradients.items():
        change = 2.0**-10
        results = [
            sum((run[_output(out, name)] * seed).sum() for out, seed in seeds.items())
            for factor in (1 + change, 1 - change)
            for run in [interpret(_with_factor(graph, name, factor), x)]
        ]
        measured = (results[0] - results[1]) / (2 * change)
        size = max(np.abs(gradient * tensors[name]).sum(), abs(sum((tensors[o] * s).sum() for o, s in seeds.items())))
        assert float((gradient * tensors[name]).sum()) == pytest.approx(measured, abs=1e-2 * size), name


def _output(output: str, scaled: str) -> str:
    return f"{scaled}/scaled" if output == scaled else output


def _with_factor(graph: Graph, name: str, factor: float) -> Graph:
    """The graph in which everyone takes ``factor`` times the tensor."""
    channels = graph.shapes()[name][-1]
    extra = Scale(f"{name}/scaled", (name,), np.full(channels, factor, np.float32))
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(_output(source, name) for source in node.inputs)
        nodes.append(replace(node, inputs=inputs))
        if node.name == name:
            nodes.append(extra)
    return Graph(tuple(nodes), tuple(_output(output, name) for output in graph.outputs))


def test_an_unknown_node() -> None:
    class Strange(Node):
        def shape(self, *inputs: Shape) -> Shape:
            return inputs[0]

    picture = np.zeros((1, 2, 2, 3), np.float32)
    graph = Graph((Input("input", (), 2, 2, 3), Strange("odd", ("input",))), ("odd",))
    with pytest.raises(ConversionError, match=r"'odd'.*Strange"):
        backpropagate(graph, {"input": picture, "odd": picture}, {"odd": picture})

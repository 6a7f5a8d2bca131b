"""Shape rules, cost figures and the checks of a graph, against hand computation."""

from __future__ import annotations

import numpy as np
import pytest

from ghostface_edge.converters.graph import (
    Add,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    GlobalAveragePool,
    Graph,
    Input,
    MaxPool,
    Mul,
    Node,
    PRelu,
    Relu,
    Upsample2x,
)
from ghostface_edge.errors import ConversionError

PICTURE = Input("input", (), 11, 9, 3)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def test_shapes_and_costs_of_a_hand_computed_network() -> None:
    graph = Graph(
        (
            PICTURE,
            # (11 + 0 + 1 - 3) // 2 + 1 = 5 rows, (9 + 1 + 1 - 3) // 2 + 1 = 5 columns
            Conv("conv", ("input",), zeros(3, 3, 3, 4), zeros(4), (2, 2), (0, 1, 1, 1)),
            Conv("depthwise", ("conv",), zeros(3, 3, 4, 1), None, (1, 1), (1, 1, 1, 1), depthwise=True),
            PRelu("prelu", ("depthwise",), zeros(4)),
            Concat("concat", ("conv", "prelu")),
            GlobalAveragePool("pool", ("concat",)),
            Mul("mul", ("concat", "pool")),
            MaxPool("max", ("mul",), 2),
            Upsample2x("up", ("max",)),
            Flatten("flat", ("up",)),
        ),
        ("flat",),
    )
    shapes = graph.shapes()
    assert shapes == {
        "input": (11, 9, 3),
        "conv": (5, 5, 4),
        "depthwise": (5, 5, 4),
        "prelu": (5, 5, 4),
        "concat": (5, 5, 8),
        "pool": (1, 1, 8),
        "mul": (5, 5, 8),
        "max": (2, 2, 8),
        "up": (4, 4, 8),
        "flat": (128,),
    }
    assert graph.macs() == 25 * 9 * 3 * 4 + 25 * 9 * 4
    assert graph.parameters() == 9 * 3 * 4 + 4 + 9 * 4 + 4


def test_an_open_size_is_given_when_it_is_needed() -> None:
    graph = Graph((Input("input", (), None, None, 3), Conv("conv", ("input",), zeros(1, 1, 3, 2), None)), ("conv",))
    assert graph.shapes(6, 4)["conv"] == (6, 4, 2)
    assert graph.macs(6, 4) == 6 * 4 * 3 * 2
    with pytest.raises(ConversionError, match="not fixed"):
        graph.shapes()


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Conv("n", ("a",), zeros(1, 1, 5, 2), None), "wants 5 channels, its input has 3"),
        (Conv("n", ("a",), zeros(9, 9, 3, 2), None), "larger than its input"),
        (Conv("n", ("a",), zeros(3, 3, 3, 2), None, depthwise=True), "more than one map"),
        (Conv("n", ("flat",), zeros(1, 1, 3, 2), None), "wants height, width, channels"),
        (PRelu("n", ("a",), zeros(4)), r"\(4,\) values for 3 channels"),
        (BatchNorm("n", ("a",), zeros(2), zeros(2), zeros(2), zeros(2), 0.1), r"\(2,\) values for 3 channels"),
        (Relu("n", ("a", "a")), "takes 1 input, not 2"),
        (Add("n", ("a", "b")), "differ in shape: 6 x 6 x 3, 3 x 3 x 3"),
        (Concat("n", ("a", "b")), "differ in size"),
        (Mul("n", ("a", "b")), "fits neither"),
        (Mul("n", ("a",)), "takes 2 inputs, not 1"),
        (MaxPool("n", ("a",), 7), "too small"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(node: Node, message: str) -> None:
    before = (Input("a", (), 6, 6, 3), MaxPool("b", ("a",), 2), Flatten("flat", ("a",)))
    with pytest.raises(ConversionError, match=message):
        Graph((*before, node), ("n",)).shapes()


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        ((PICTURE, PICTURE), ("input",), "one input"),
        ((Relu("n", ()),), ("n",), "one input"),
        ((PICTURE, Relu("n", ("input",)), Relu("n", ("input",))), ("n",), "two nodes are named 'n'"),
        ((PICTURE, Relu("n", ("m",)), Relu("m", ("n",))), ("m",), "no earlier node makes its input 'm'"),
        ((PICTURE,), ("n",), "no output 'n'"),
        ((PICTURE,), (), "no output"),
    ],
)
def test_a_graph_that_cannot_run_is_refused(nodes: tuple[Node, ...], outputs: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        Graph(nodes, outputs)

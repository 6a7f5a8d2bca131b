"""The slope and offset of a hard-sigmoid go into its convolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ghostface_edge.converters.graph import Add, Conv, Graph, HardSigmoid, Input, Node
from ghostface_edge.converters.passes.fold_hard_sigmoid import fold_hard_sigmoid


def conv(name: str, *, bias: bool = True) -> Conv:
    random = np.random.default_rng(3)
    kernel = random.normal(size=(3, 3, 3, 4)).astype(np.float32)
    values = random.normal(size=4).astype(np.float32)
    return Conv(name, ("input",), kernel, values if bias else None, (1, 1), (1, 1, 1, 1))


INPUT = Input("input", (), 5, 6, 3)


def hard_sigmoids(graph: Graph) -> list[tuple[float, float]]:
    return [(node.slope, node.offset) for node in graph.nodes if isinstance(node, HardSigmoid)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("slope", "offset"), [(0.2, 0.5), (1 / 6, 0.5), (1.0, 0.0), (-0.3, 0.1)])
def test_what_is_left_is_the_unit_hard_sigmoid(
    assert_same: Callable[..., None], slope: float, offset: float, bias: bool
) -> None:
    """Keras 2 has 0.2 x + 0.5, GhostFaceNetV2 x / 6 + 0.5."""
    graph = Graph((INPUT, conv("gate", bias=bias), HardSigmoid("open", ("gate",), slope, offset)), ("open",))
    folded = fold_hard_sigmoid(graph)
    assert hard_sigmoids(folded) == [(1.0, 0.0)]
    assert [node.name for node in folded.nodes] == ["input", "gate", "open"]
    assert_same(graph, folded)


def test_numbers_by_hand() -> None:
    gate = Conv("gate", ("input",), np.full((1, 1, 3, 1), 10, np.float32), np.array([4], np.float32))
    folded = fold_hard_sigmoid(Graph((INPUT, gate, HardSigmoid("open", ("gate",), 0.2, 0.5)), ("open",)))["gate"]
    assert isinstance(folded, Conv)
    assert folded.bias is not None
    assert folded.kernel.ravel().tolist() == [2, 2, 2]
    assert folded.bias.tolist() == pytest.approx([1.3])


@pytest.mark.parametrize(
    ("tail", "output"),
    [
        ((HardSigmoid("open", ("gate",), 0.2, 0.5), Add("sum", ("open", "gate"))), "sum"),
        ((HardSigmoid("open", ("gate",), 0.2, 0.5),), "gate"),
        ((HardSigmoid("open", ("gate",), 0.2, 0.5), HardSigmoid("again", ("gate",), 0.1, 0.5)), "open"),
    ],
    ids=["added elsewhere", "an output", "two hard-sigmoids"],
)
def test_a_convolution_that_others_need_stays(
    assert_same: Callable[..., None], tail: tuple[Node, ...], output: str
) -> None:
    graph = Graph((INPUT, conv("gate"), *tail), (output, tail[-1].name))
    folded = fold_hard_sigmoid(graph)
    assert hard_sigmoids(folded) == hard_sigmoids(graph)
    assert_same(graph, folded, tolerance=0)


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(random_graph: Callable[..., Graph], assert_same: Callable[..., None], seed: int) -> None:
    graph = random_graph(seed)
    folded = fold_hard_sigmoid(graph)
    assert {*hard_sigmoids(folded)} <= {(1.0, 0.0)}
    assert_same(graph, folded)

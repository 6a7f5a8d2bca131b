"""Merged heads, swapped colours and dropped nodes change no result."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from ghostface_edge.converters.graph import Conv, Graph, Input, MaxPool, Relu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.merge_heads import merge_heads
from ghostface_edge.converters.passes.remove_dead import remove_dead
from ghostface_edge.converters.passes.swap_colours import swap_colours
from ghostface_edge.converters.yunet_onnx import read_yunet_onnx
from ghostface_edge.errors import ConversionError


@pytest.fixture(params=range(3))
def detector(request: pytest.FixtureRequest, yunet_like: ModuleType) -> Graph:
    return read_yunet_onnx(yunet_like.yunet(seed=request.param).SerializeToString(), "yunet")


def test_merged_heads_hold_the_branches_side_by_side(detector: Graph) -> None:
    x = np.random.default_rng(0).uniform(0, 255, (2, 96, 64, 3))
    before, merged = interpret(detector, x), merge_heads(detector)
    after = interpret(merged, x)
    assert merged.outputs == ("stride8", "stride16", "stride32")
    for stride in (8, 16, 32):
        branches = [before[f"{branch}_{stride}"] for branch in ("cls", "obj", "bbox", "kps")]
        assert [branch.shape[-1] for branch in branches] == [1, 1, 4, 10]
        np.testing.assert_allclose(after[f"stride{stride}"], np.concatenate(branches, axis=-1), rtol=1e-12, atol=1e-9)
    heads = [node for node in merged.nodes if isinstance(node, Conv) and node.name.startswith("stride")]
    assert [conv.name for conv in heads] == [
        f"stride{stride}{part}" for stride in (8, 16, 32) for part in ("/pointwise", "")
    ]
    assert merged.parameters() == detector.parameters()


def test_heads_that_are_not_alike_are_refused(detector: Graph) -> None:
    def with_head(**changes: object) -> Graph:
        nodes = (replace(node, **changes) if node.name == "kps_16" else node for node in detector.nodes)  # type: ignore[arg-type]
        return Graph(tuple(nodes), detector.outputs)

    with pytest.raises(ConversionError, match="not alike"):
        merge_heads(with_head(strides=(2, 2)))
    with pytest.raises(ConversionError, match="not a depthwise convolution with bias"):
        merge_heads(with_head(bias=None))


def test_swapped_colours_take_the_picture_the_other_way_round(detector: Graph) -> None:
    x = np.random.default_rng(1).uniform(0, 255, (1, 32, 32, 3))
    before, after = interpret(detector, x), interpret(swap_colours(detector), x[..., ::-1])
    for name in detector.outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-12, atol=1e-9)
    assert not np.allclose(interpret(detector, x[..., ::-1])["kps_8"], before["kps_8"])


def test_colours_cannot_be_swapped_before_a_pooling() -> None:
    graph = Graph((Input("input", (), 4, 4, 3), MaxPool("pool", ("input",), 2)), ("pool",))
    with pytest.raises(ConversionError, match="no dense convolution"):
        swap_colours(graph)


def test_only_what_the_outputs_need_is_kept() -> None:
    nodes = (
        Input("input", (), 2, 2, 1),
        Relu("a", ("input",)),
        Relu("b", ("a",)),
        Relu("c", ("a",)),
        Relu("d", ("c",)),
    )
    assert [node.name for node in remove_dead(Graph(nodes, ("b",))).nodes] == ["input", "a", "b"]
    assert [node.name for node in remove_dead(Graph(nodes, ("b", "c"))).nodes] == ["input", "a", "b", "c"]

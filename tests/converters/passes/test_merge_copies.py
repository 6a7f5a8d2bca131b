from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.card import ModelCard, write_card
from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.calibration import apply
from ghostface_edge.converters.graph import Concat, Conv, Graph, Input
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.lowering import int8_graph
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.passes.merge_copies import merge_copies
from ghostface_edge.converters.quantization import Quantization
from ghostface_edge.converters.shipped import shipped_calibration
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.runtime import load_session

OFFICIAL = "2beca52a2aeadfa81ed5ebab35e2a58f7c79e3c1ffda80a31511861870151715"


def ghost_module(random: np.random.Generator, *, channels: int = 6, half: int = 4, size: int = 3) -> Graph:
    def values(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    rim = (size // 2,) * 4
    return Graph(
        (
            Input("x", (), 9, 8, channels),
            Conv("primary", ("x",), values(1, 1, channels, half), values(half)),
            Conv("copy", ("primary",), values(1, 1, half, 1), values(half), depthwise=True),
            Conv("cheap", ("primary",), values(size, size, half, 1), None, pads=rim, depthwise=True),
            Concat("both", ("copy", "cheap")),
            Conv("last", ("both",), values(1, 1, 2 * half, 5), values(5)),
        ),
        ("last",),
    )


@pytest.mark.parametrize("size", [3, 5])
def test_the_same_numbers_from_two_operators(size: int) -> None:
    random = np.random.default_rng(size)
    graph = ghost_module(random, size=size)
    merged, gone = merge_copies(graph)
    assert gone == {"copy", "cheap"}
    assert [node.name for node in merged.nodes] == ["x", "primary", "both", "last"]
    pictures = random.standard_normal((3, 9, 8, 6))
    expected, found = interpret(graph, pictures), interpret(merged, pictures)
    for name in ("both", "last"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-12)


def test_what_is_no_small_ghost_module_stays() -> None:
    random = np.random.default_rng(0)
    graph = ghost_module(random)
    assert merge_copies(ghost_module(random, channels=200))[1] == frozenset()  # 800 products
    looked_at = replace(graph, outputs=("last", "copy"))
    assert merge_copies(looked_at)[1] == frozenset()
    swapped = Graph(
        tuple(replace(n, inputs=("cheap", "copy")) if n.name == "both" else n for n in graph.nodes), ("last",)
    )
    assert merge_copies(swapped)[1] == frozenset()


@pytest.mark.parametrize(("name", "count"), [("ghostfacenet-v1-0.5-2", 5), ("ghostfacenet-v1-1.3-2", 1)])
def test_how_many_ghost_modules_are_small(name: str, count: int) -> None:
    assert len(merge_copies(int8_graph(architecture(name)))[1]) == 2 * count


@pytest.mark.parametrize("runtime", ["litert", "onnx"])
def test_integers_stay_the_same_to_the_last_bit(
    shared: Path, make_card: Callable[..., ModelCard], runtime: str
) -> None:
    """The official checkpoint in XNNPACK and in ONNX Runtime; LiteRT's own kernels round the two sizes differently."""
    path = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    calibration = shipped_calibration(OFFICIAL)
    assert calibration is not None
    graph, quantization = apply(read_keras_h5(path.read_bytes(), "official"), calibration)
    merged, gone = merge_copies(graph)
    assert len(gone) == 10
    card = make_card(precision="int8", embedding_size=512)

    def embeddings(network: Graph, integers: Quantization) -> np.ndarray:
        if runtime == "litert":
            pytest.importorskip("ai_edge_litert")
            data = write_tflite(network, card, integers)
        else:
            pytest.importorskip("onnxruntime")
            data = write_card(write_onnx(network, "tests", quantization=integers), card)
        pictures = np.random.default_rng(1).uniform(-1, 1, (4, 112, 112, 3)).astype(np.float32)
        return load_session(data, "ghost").run(pictures)[0]

    before, after = embeddings(graph, quantization), embeddings(merged, quantization.without(gone))
    np.testing.assert_array_equal(after, before)
    assert before.std() > 0.1

"""What a written file is said to keep, against what it keeps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ghostface_edge.card import ModelCard, write_card
from ghostface_edge.converters.calibration import calibrate
from ghostface_edge.converters.gate import Gate
from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.judging import embeddings_of, float_embeddings, judge
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.preparation import Prepared, prepare_float, prepare_integers
from ghostface_edge.converters.report import Report
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.errors import ModelError

for package in ("onnx", "onnxruntime", "ai_edge_litert"):
    pytest.importorskip(package)

CROPS = np.random.default_rng(5).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
PICTURES = (CROPS.astype(np.float32) - 127.5) / 128
Card = Callable[..., ModelCard]


@pytest.fixture
def card(make_card: Card, small_checkpoint_graph: Graph) -> Card:
    (size,) = small_checkpoint_graph.shapes()["embedding"]

    def make(**changes: Any) -> ModelCard:
        return make_card(input_height=32, input_width=32, embedding_size=size, **changes)

    return make


def judged(data: bytes, card: ModelCard, checkpoint: Graph, prepared: Prepared, **options: Any) -> Report:
    settings: dict[str, Any] = {"crops": CROPS, "faces": "20 pictures of noise", "gate": None, **options}
    return judge(
        data,
        "small",
        card,
        checkpoint=checkpoint,
        written=prepared.graph,
        quantization=prepared.quantization,
        **settings,
    )


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    result: np.ndarray = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return result


def test_float_tflite_loses_nothing_anywhere(small_checkpoint_graph: Graph, card: Card) -> None:
    prepared = prepare_float(small_checkpoint_graph, "tflite", "float32")
    data = write_tflite(prepared.graph, card())
    report = judged(data, card(), small_checkpoint_graph, prepared, gate=Gate(0.999999, 0.99999))
    assert report.parity is not None
    assert (report.passed, report.parity.faces, report.partitions) == (True, 20, 1)
    assert min(tensor.sqnr for tensor in report.tensors) > 90  # dB: float32
    assert report.tensors[-1].name == "embedding"
    assert sum(item.count for item in report.operators) > 50
    assert sum(layer.bytes for layer in report.layers) < len(data)
    assert report.damages == ()


def test_integers_are_measured_as_they_run(small_checkpoint_graph: Graph, card: Card) -> None:
    calibration = calibrate(small_checkpoint_graph, PICTURES[:16], checkpoint_sha256="0" * 64)
    prepared = prepare_integers(small_checkpoint_graph, "int8", calibration)
    whole = card(precision="int8")
    data = write_tflite(prepared.graph, whole, prepared.quantization)
    report = judged(data, whole, small_checkpoint_graph, prepared, gate=Gate(0.999999, 0.5))
    found = embeddings_of(data, "small", CROPS)
    expected = interpret(small_checkpoint_graph, PICTURES)["embedding"]
    assert report.parity is not None
    assert report.parity.cosine_mean == pytest.approx(cosines(found, expected).mean(), abs=1e-6)
    assert report.parity.cosine_min == pytest.approx(cosines(found, expected).min(), abs=1e-6)
    assert report.parity.max_abs == pytest.approx(np.abs(found - expected).max(), rel=1e-4)
    (failure,) = report.failures
    assert failure == f"mean cosine to float {report.parity.cosine_mean:.6f} is below 0.999999"
    assert {item.kind.split()[1] for item in report.operators} <= {"int8", "float32"}
    assert report.damages
    assert sum(damage.share for damage in report.damages) == pytest.approx(1, abs=1e-6)
    # pairs: the nearest other face and the next one, as float and the file see them
    unit_before, unit_after = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (expected, found))
    before, after = unit_before @ unit_before.T, unit_after @ unit_after.T
    near = {tuple(sorted((i, int(np.argmax(before[i] - 2 * np.eye(20)[i]))))) for i in range(20)}
    pairs = sorted(near | {tuple(sorted((i, (i + 1) % 20))) for i in range(20)})
    np.testing.assert_allclose(report.similarities, [(before[p], after[p]) for p in pairs], rtol=0, atol=1e-4)


def test_nothing_is_looked_into_where_nothing_is_learnt(small_checkpoint_graph: Graph, card: Card) -> None:
    prepared = prepare_float(small_checkpoint_graph, "tflite", "float32")
    data = write_tflite(prepared.graph, card())
    report = judged(data, card(), small_checkpoint_graph, prepared, inside=False)
    assert (report.tensors, report.operators, report.partitions) == ((), (), None)
    assert report.parity is not None


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_onnx_of_either_layout(layout: str, small_checkpoint_graph: Graph, card: Card) -> None:
    whole = card(input_layout=layout)
    prepared = prepare_float(small_checkpoint_graph, "onnx", "float32")
    data = write_card(write_onnx(prepared.graph, "tests", layout=layout), whole)
    report = judged(data, whole, small_checkpoint_graph, prepared)
    assert report.parity is not None
    assert report.parity.cosine_min > 0.999999
    assert report.tensors == ()


def test_another_network_is_told_apart(small_checkpoint_graph: Graph, card: Card, keras2: Any, tmp_path: Any) -> None:
    from ghostface_edge.converters.keras_h5 import read_keras_h5

    path = keras2.ghostface(blocks=[0, 1, 2, 3], seed=9).save(tmp_path / "other.h5", "embedding")
    prepared = prepare_float(read_keras_h5(path.read_bytes(), "other"), "tflite", "float32")
    report = judged(
        write_tflite(prepared.graph, card()), card(), small_checkpoint_graph, prepared, gate=Gate(0.99, 0.9)
    )
    assert report.parity is not None
    assert report.parity.cosine_mean < 0.7
    assert len(report.failures) == 2


def test_the_float_side_with_and_without_onnx_runtime(
    small_checkpoint_graph: Graph, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = interpret(small_checkpoint_graph, PICTURES)["embedding"]
    fast = float_embeddings(small_checkpoint_graph, card(), CROPS)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    slow = float_embeddings(small_checkpoint_graph, card(input_layout="NCHW"), CROPS)
    for found in (fast, slow):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_file_that_no_runtime_takes(small_checkpoint_graph: Graph, card: Card) -> None:
    prepared = prepare_float(small_checkpoint_graph, "tflite", "float32")
    data = write_tflite(prepared.graph, card())
    with pytest.raises(ModelError, match="small"):
        judged(data[: len(data) // 2], card(), small_checkpoint_graph, prepared)


def test_embeddings_whose_squares_are_beyond_float32(small_checkpoint_graph: Graph, card: Card) -> None:
    """1e30 is a number in float32 and 1e60 is not; warnings are errors here."""
    last = small_checkpoint_graph.nodes[-1]
    grown = replace(last, **{name: last.weights()[name] * np.float32(1e30) for name in ("gamma", "beta")})
    graph = Graph((*small_checkpoint_graph.nodes[:-1], grown), small_checkpoint_graph.outputs)
    made = prepare_float(graph, "tflite", "float32")
    report = judged(write_tflite(made.graph, card()), card(), graph, made)
    plain = prepare_float(small_checkpoint_graph, "tflite", "float32")
    before = judged(write_tflite(plain.graph, card()), card(), small_checkpoint_graph, plain)
    assert np.abs(embeddings_of(write_tflite(made.graph, card()), "grown", CROPS)).max() > 1e28
    np.testing.assert_allclose(report.similarities, before.similarities, atol=1e-4)

"""What writers are handed, by precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ghostface_edge.card import InputSpec
from ghostface_edge.converters.calibration import Calibration, calibrate
from ghostface_edge.converters.graph import BatchNorm, Conv, Graph, PRelu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.preparation import (
    embedder_graph,
    picture_affine,
    prepare_float,
    prepare_integers,
    prepare_mixed,
    prepare_naive,
)
from ghostface_edge.converters.simulator import Simulator
from ghostface_edge.errors import CalibrationError, CheckpointError

pytest.importorskip("onnxruntime")
PICTURES = np.random.default_rng(0).uniform(-1, 1, (24, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def calibration(small_checkpoint_graph: Graph) -> Calibration:
    return calibrate(small_checkpoint_graph, PICTURES[:16], checkpoint_sha256="0" * 64)


def spec(mean: float, scale: float) -> InputSpec:
    return InputSpec(32, 32, "NHWC", "RGB", mean, scale)


def test_float_keeps_the_function(small_checkpoint_graph: Graph, assert_same: Callable[..., None]) -> None:
    for to, prelu, native in (("onnx", None, False), ("tflite", None, True), ("onnx", "native", True)):
        prepared = prepare_float(small_checkpoint_graph, to, "float32", prelu)
        shapes = prepared.graph.shapes()
        maps = [shapes[node.name] for node in prepared.graph.nodes if isinstance(node, PRelu)]
        assert any(shape[:2] != (1, 1) for shape in maps) == native  # on vectors one operator is always best
        assert not any(isinstance(node, BatchNorm) for node in prepared.graph.nodes)
        assert (prepared.quantization, prepared.calibration, prepared.notes) == (None, None, ())
        assert_same(small_checkpoint_graph, prepared.graph)


def test_weights_that_overflow(small_checkpoint_graph: Graph) -> None:
    nodes = list(small_checkpoint_graph.nodes)
    index = next(index for index, node in enumerate(nodes) if isinstance(node, BatchNorm))
    node = nodes[index]
    assert isinstance(node, BatchNorm)
    nodes[index] = replace(node, gamma=np.full_like(node.gamma, 3e38), variance=np.zeros_like(node.variance))
    with pytest.raises(CheckpointError, match="overflow float32 when folded"):
        embedder_graph(Graph(tuple(nodes), small_checkpoint_graph.outputs))


def test_int8_keeps_all_but_the_rounding(small_checkpoint_graph: Graph, calibration: Calibration) -> None:
    prepared = prepare_integers(small_checkpoint_graph, "int8", calibration)
    assert prepared.calibration is calibration
    assert prepared.quantization is not None
    assert {affine.bits for affine in prepared.quantization.tensors.values()} == {8}
    found = Simulator(prepared.graph).run(PICTURES[16:], prepared.quantization)["embedding"]
    assert cosines(small_checkpoint_graph, found).mean() > 0.98


def test_int16x8_is_symmetric_and_needs_no_shifts(small_checkpoint_graph: Graph, calibration: Calibration) -> None:
    prepared = prepare_integers(small_checkpoint_graph, "int16x8", calibration)
    assert prepared.quantization is not None
    assert {(affine.bits, affine.zero_point) for affine in prepared.quantization.tensors.values()} == {(16, 0)}
    plain = interpret(prepared.graph, PICTURES[16:])["embedding"]
    assert cosines(small_checkpoint_graph, plain).min() > 0.999999
    narrow = prepare_integers(small_checkpoint_graph, "int8", calibration)
    shifted = interpret(narrow.graph, PICTURES[16:])["embedding"]
    assert cosines(small_checkpoint_graph, shifted).min() < 0.999999  # the shifts are in there


def test_a_calibration_that_makes_weights_overflow(small_checkpoint_graph: Graph, calibration: Calibration) -> None:
    damaged = replace(calibration, factors=(1e29, 1e-29) * (len(calibration.factors) // 2))
    for precision in ("int8", "int16x8"):
        with pytest.raises(CalibrationError, match="overflow float32: it is damaged"):
            prepare_integers(small_checkpoint_graph, precision, damaged)


def test_mixed_keeps_in_float_what_the_cosine_demands(small_checkpoint_graph: Graph, calibration: Calibration) -> None:
    easy = prepare_mixed(small_checkpoint_graph, calibration, PICTURES[16:], 0.5)
    assert easy.float_operators == ()
    assert easy.quantization == easy.narrow
    assert easy.notes == (f"0 of {len(easy.graph.nodes) - 1} operators compute in float32, the others in int8.",)
    hard = prepare_mixed(small_checkpoint_graph, calibration, PICTURES[16:], 0.998)
    assert hard.quantization is not None
    assert 0 < len(hard.float_operators) < len(hard.graph.nodes)
    assert hard.notes[0].startswith(f"{len(hard.float_operators)} of ")
    names = {node.name for node in hard.graph.nodes if isinstance(node, Conv)}
    assert names & set(hard.float_operators)
    assert hard.graph.input.name in hard.quantization.tensors


def test_the_naive_way_takes_the_extremes(small_checkpoint_graph: Graph) -> None:
    picture = picture_affine(spec(127.5, 1 / 128))
    prepared = prepare_naive(small_checkpoint_graph, "int8", PICTURES, picture)
    assert prepared.quantization is not None
    values = interpret(prepared.graph, PICTURES)
    affine = prepared.quantization.tensors["embedding"]
    low, high = values["embedding"].min(), values["embedding"].max()
    assert (affine.low, affine.high) == pytest.approx((low, high), abs=1.01 * affine.scale)
    assert prepared.quantization.tensors[prepared.graph.input.name] == picture
    assert "without any measure" in prepared.notes[0]


@pytest.mark.parametrize(
    ("mean", "scale", "zero_point"),
    [(127.5, 1 / 128, -1), (127.5, 1 / 127.5, -1), (0.0, 1.0, -128), (0.0, 1 / 255, -128), (128.0, 1 / 128, 0)],
)
def test_a_picture_is_stored_to_half_a_grey_level(mean: float, scale: float, zero_point: int) -> None:
    affine = picture_affine(spec(mean, scale))
    assert (affine.scale, affine.zero_point) == (np.float32(scale), zero_point)
    levels = (np.arange(256) - mean) * scale
    stored = affine.quantize(levels)
    if mean % 1 == 0:
        np.testing.assert_array_equal(stored, np.arange(256) - 128)
    assert np.abs(affine.dequantize(stored) - levels).max() <= 0.501 * scale


@pytest.mark.parametrize(("mean", "scale"), [(127.5, -1 / 128), (300.0, 0.01), (-40.0, 0.01)])
def test_pictures_of_other_kinds_fit_into_8_bits(mean: float, scale: float) -> None:
    affine = picture_affine(spec(mean, scale))
    levels = (np.arange(256) - mean) * scale
    assert np.abs(affine.dequantize(affine.quantize(levels)) - levels).max() <= 1.01 * affine.scale


def cosines(checkpoint: Graph, found: np.ndarray) -> np.ndarray:
    expected = interpret(checkpoint, PICTURES[16:])["embedding"]
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    result: np.ndarray = (found * expected).sum(axis=1) / lengths
    return result

"""Integers in ONNX files: exact where arithmetic can be exact, within a step of fake quantisation elsewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    Relu,
    Scale,
    Sigmoid,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.quantization import (
    UNIT,
    Affine,
    Quantization,
    fused_followers,
    quantize_conv,
    tied_tensors,
)
from ghostface_edge.errors import ConversionError

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
RANDOM = np.random.default_rng(5)


def random(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


PICTURE = Input("x", (), 9, 8, 4)

GHOST = Graph(
    (
        PICTURE,
        Conv("stem", ("x",), random(3, 3, 4, 6) / 4, random(6), (2, 2), (0, 0, 1, 1)),
        Conv("scaled", ("stem",), random(1, 1, 6, 1), None, depthwise=True),
        Relu("relu", ("scaled",)),
        Add("activation", ("stem", "relu")),
        Conv("cheap", ("activation",), random(3, 3, 6, 1) / 2, random(6), (1, 1), (1, 1, 1, 1), depthwise=True),
        Concat("ghost", ("activation", "cheap")),
        GlobalAveragePool("mean", ("ghost",)),
        Conv("squeeze", ("mean",), random(1, 1, 12, 12) / 3, random(12) / 4),
        HardSigmoid("gate", ("squeeze",), 1.0, 0.0),
        Mul("excited", ("ghost", "gate")),
        Conv("head", ("excited",), random(4, 4, 12, 1), random(12), (1, 1), depthwise=True),
        Conv("features", ("head",), random(1, 1, 12, 16) / 3, random(16)),
        Flatten("y", ("features",)),
    ),
    ("y",),
)
"""A ghost module, squeeze and excitation, and a head: every kind of node that a quantised GhostFaceNet has."""

PICTURES = RANDOM.uniform(-1, 1, (4, 9, 8, 4)).astype(np.float32)


def calibrated(graph: Graph) -> Quantization:
    """Every tensor over the range that it has on the pictures."""
    tensors, ties = interpret(graph, PICTURES), tied_tensors(graph)
    fused = fused_followers(graph)
    affines: dict[str, Affine] = {}
    for name in tensors:
        group = [other for other in tensors if ties[other] == ties[name] and other not in fused]
        values = np.concatenate([tensors[other].ravel() for other in group] or [np.zeros(1)])
        affines[name] = Affine.over(values.min(), values.max())
        if isinstance(graph[name], HardSigmoid):
            affines[name] = UNIT
    return Quantization(affines)


def faked(graph: Graph, quantization: Quantization) -> np.ndarray:
    """What the file says, in float64: each node from integers, and back to integers."""
    fused, tensors = fused_followers(graph), {}
    affines = {name: affine for name, affine in quantization.tensors.items() if name not in fused}

    def stored(name: str, values: np.ndarray) -> np.ndarray:
        affine = affines.get(name)
        return values if affine is None else affine.dequantize(affine.quantize(values)).astype(np.float64)

    for node in graph.nodes:
        inputs = [tensors[name] for name in node.inputs]
        if isinstance(node, Input):
            values = PICTURES.astype(np.float64)
        elif isinstance(node, Concat):
            values = np.concatenate(inputs, axis=-1)
        elif isinstance(node, Add):
            values = inputs[0] + inputs[1]
        elif isinstance(node, Mul):
            values = inputs[0] * inputs[1]
        else:
            alone = Input("alone", (), *inputs[0].shape[1:])
            values = interpret(Graph((alone, integer(node, affines, fused)), (node.name,)), inputs[0])[node.name]
        tensors[node.name] = stored(node.name, values)
    return tensors[graph.outputs[0]]


def integer(node: Node, affines: dict[str, Affine], fused: dict[str, str]) -> Node:
    """The node on the tensor "alone", with the weights that its integers stand for."""
    source, made = affines.get(node.inputs[0]), affines.get(fused.get(node.name, node.name))
    if isinstance(node, Conv) and source is not None and made is not None:
        quantized = quantize_conv(node, source, made)
        node = replace(node, kernel=quantized.real_kernel(), bias=quantized.real_bias())
    return replace(node, inputs=("alone",))


def run(data: bytes, pictures: np.ndarray, *, optimised: bool = True, saved: Path | None = None) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # that a saved model is for this machine only
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    # On x86-64, int8 activations run in integers only with the first, and uint8 ones are exact only with the second.
    entry = "session.qdqisint8allowed" if b"int8 activations" in data else "session.x64quantprecision"
    options.add_session_config_entry(entry, "1")
    if saved is not None:
        options.optimized_model_filepath = str(saved)
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    output: np.ndarray = session.run(None, {session.get_inputs()[0].name: pictures})[0]
    return output


def kinds(model: Any) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("activations", ["uint8", "int8"])
@pytest.mark.parametrize("optimised", [True, False])
@pytest.mark.parametrize("depthwise", [True, False])
def test_a_convolution_in_whole_numbers(activations: str, optimised: bool, depthwise: bool) -> None:
    """All scales are powers of two, so that float32 is exact and so must every result be."""
    integers = RANDOM.integers(-100, 101, (3, 3, 4, 1 if depthwise else 5))
    integers[1, 1, :, :] = 127  # the largest weight of every channel, which sets its scale
    channels = 4 if depthwise else 5
    bias = RANDOM.integers(-3000, 3000, channels)
    conv = Conv("y", ("x",), (integers / 256).astype(np.float32), (bias / 256 / 128).astype(np.float32), (1, 1))
    graph = Graph((PICTURE, replace(conv, depthwise=depthwise)), ("y",))
    source, made = Affine(1 / 128, -1), Affine(1 / 16, 7)
    quantization = Quantization({"x": source, "y": made})
    stored = RANDOM.integers(-128, 128, (2, 9, 8, 4))
    total = np.zeros((2, 7, 6, channels), np.int64) + bias
    for row in range(3):
        for column in range(3):
            under = stored[:, row : row + 7, column : column + 6] + 1
            weight = integers[row, column]
            total += under * weight[:, 0] if depthwise else under @ weight
    expected = np.clip(np.rint(total * 16 / (256 * 128)) + 7, -128, 127)
    data = write_onnx(graph, f"{activations} activations", quantization=quantization, activations=activations)
    result = run(data, ((stored + 1) / 128).astype(np.float32), optimised=optimised)
    np.testing.assert_array_equal(result * 16 + 7, expected)


@pytest.mark.parametrize("activations", ["uint8", "int8"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_every_kind_of_node(activations: str, layout: str) -> None:
    quantization = calibrated(GHOST)
    data = write_onnx(
        GHOST, f"{activations} activations", quantization=quantization, activations=activations, layout=layout
    )
    expected, step = faked(GHOST, quantization), quantization.tensors["y"].scale
    pictures = PICTURES if layout == "NHWC" else np.ascontiguousarray(PICTURES.transpose(0, 3, 1, 2))
    for optimised in (False, True):
        steps = np.abs(run(data, pictures, optimised=optimised) - expected) / step
        # Numbers in the middle between two integers go either way in float32 and in integer kernels.
        assert steps.max() < 2.5
        assert steps.mean() < (0.4 if optimised else 0.05)
    real = interpret(GHOST, PICTURES)["y"]
    assert 0.001 < np.abs(expected - real).max() / np.abs(real).max() < 0.1  # it is quantised, and not broken


def test_a_network_of_integers_runs_in_integers(tmp_path: Path) -> None:
    saved = tmp_path / "optimised.onnx"
    for activations in ("uint8", "int8"):
        data = write_onnx(GHOST, f"{activations} activations", quantization=calibrated(GHOST), activations=activations)
        run(data, PICTURES, saved=saved)
        found = kinds(onnx.load(saved))
        assert {kind: found.pop(kind) for kind in ("QuantizeLinear", "DequantizeLinear")} == {
            "QuantizeLinear": 1,
            "DequantizeLinear": 1,
        }
        assert found["QLinearConv"] == 6
        assert found["QLinearAdd"] == found["QLinearMul"] == 1
        assert found["QLinearConcat"] >= 1
        assert found["QLinearGlobalAveragePool"] == 1
        assert not found.keys() & {"Conv", "Add", "Mul", "Concat", "GlobalAveragePool", "Relu", "HardSigmoid"}


def test_weights_are_int8_per_output_channel_and_biases_int32() -> None:
    model = onnx.load_model_from_string(write_onnx(GHOST, "test", quantization=calibrated(GHOST)))
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    kernel = arrays["stem/kernel/quantized"]
    assert (kernel.dtype, kernel.shape) == (np.int8, (6, 4, 3, 3))
    assert (np.abs(kernel.astype(int)).max(axis=(1, 2, 3)) == 127).all()
    assert arrays["stem/kernel/scale"].shape == (6,)
    assert arrays["cheap/kernel/quantized"].shape == (6, 1, 3, 3)
    assert arrays["stem/bias/quantized"].dtype == np.int32
    assert arrays["x/zero_point"].dtype == np.uint8
    widened = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    assert onnx.helper.get_node_attr_value(widened["cheap/kernel"], "axis") == 0
    floats = [name for name, array in arrays.items() if array.dtype == np.float32 and not name.endswith("/scale")]
    assert floats == []


@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_saturation_is_the_hard_sigmoid(activations: str) -> None:
    conv = Conv("c", ("x",), np.ones((1, 1, 4, 1), np.float32), np.full(4, 0.5, np.float32), depthwise=True)
    graph = Graph((PICTURE, conv, HardSigmoid("y", ("c",), 1.0, 0.0)), ("y",))
    quantization = Quantization({"x": Affine(1 / 64, 0), "y": UNIT})
    data = write_onnx(graph, f"{activations} activations", quantization=quantization, activations=activations)
    assert "HardSigmoid" not in kinds(onnx.load_model_from_string(data))
    integers = RANDOM.integers(-128, 128, (2, 9, 8, 4))  # -2..2: both ends are cut
    integers[integers == 0] = 1  # 0.5 lies between two integers
    pictures = (integers / 64).astype(np.float32)
    expected = np.rint(np.clip(pictures + 0.5, 0, 1) * 255) / 255
    for optimised in (True, False):
        result = run(data, pictures, optimised=optimised)
        assert (result.min(), result.max()) == (0.0, np.float32(1 / 255) * np.float32(255))
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("affine", "kept"), [(Affine.over(0, 3), 0), (Affine.over(-3, 3), 1)], ids=["ends at 0", "goes below 0"]
)
def test_saturation_is_the_relu_where_integers_end_at_zero(affine: Affine, kept: int) -> None:
    graph = Graph((PICTURE, Conv("c", ("x",), random(1, 1, 4, 4), None), Relu("y", ("c",))), ("y",))
    data = write_onnx(graph, "test", quantization=Quantization({"x": Affine(1 / 128, -1), "y": affine}))
    assert kinds(onnx.load_model_from_string(data))["Relu"] == kept
    result, real = run(data, PICTURES), interpret(graph, PICTURES)["y"]
    assert result.min() == 0
    np.testing.assert_allclose(result, np.minimum(real, affine.high), rtol=0, atol=0.51 * affine.scale + 0.02)


@pytest.mark.parametrize(
    ("node", "affine"),
    [(HardSigmoid("y", ("x",), 0.2, 0.5), UNIT), (HardSigmoid("y", ("x",), 1.0, 0.0), Affine.over(0, 0.5))],
    ids=["another slope", "another range"],
)
def test_other_hard_sigmoids_stay(node: Node, affine: Affine) -> None:
    graph = Graph((PICTURE, node), ("y",))
    data = write_onnx(graph, "test", quantization=Quantization({"x": Affine(1 / 128, -1), "y": affine}))
    assert kinds(onnx.load_model_from_string(data))["HardSigmoid"] == 1
    expected = np.minimum(interpret(graph, PICTURES)["y"], affine.high)
    np.testing.assert_allclose(run(data, PICTURES), expected, rtol=0, atol=affine.scale + 0.004)


def test_tensors_without_an_affine_stay_float() -> None:
    quantization = calibrated(GHOST).without(["mean", "squeeze", "gate", "excited", "head"])
    data = write_onnx(GHOST, "test", quantization=quantization)
    model = onnx.load_model_from_string(data)
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    kept = {"squeeze", "head", "features"}  # what takes or makes a float tensor
    weights = {name.split("/")[0]: array.dtype for name, array in arrays.items() if "/kernel" in name}
    assert {name for name in weights if f"{name}/kernel/quantized" not in arrays} == kept
    assert kinds(model)["HardSigmoid"] == 1
    steps = np.abs(run(data, PICTURES) - faked(GHOST, quantization)) / quantization.tensors["y"].scale
    assert steps.max() < 2.5


@pytest.mark.parametrize("node", [Scale("y", ("x",), random(4)), PRelu("y", ("x",), random(4))])
def test_what_has_no_integer_form_computes_between_roundings(node: Node) -> None:
    graph = Graph((PICTURE, node), ("y",))
    source, made = Affine(1 / 128, -1), Affine(1 / 64, 3)
    data = write_onnx(graph, "test", quantization=Quantization({"x": source, "y": made}))
    rounded = source.dequantize(source.quantize(PICTURES))
    expected = made.dequantize(made.quantize(interpret(graph, rounded)["y"]))
    np.testing.assert_allclose(run(data, PICTURES), expected, rtol=0, atol=1.01 / 64)
    assert np.mean(run(data, PICTURES) != expected) < 0.02


def test_float_regions_may_have_float16_weights() -> None:
    quantization = calibrated(GHOST).without(["head", "features", "y"])
    data = write_onnx(GHOST, "test", quantization=quantization, precision="float16")
    arrays = {
        item.name: onnx.numpy_helper.to_array(item) for item in onnx.load_model_from_string(data).graph.initializer
    }
    assert arrays["features/kernel/float16"].dtype == np.float16
    assert arrays["stem/kernel/quantized"].dtype == np.int8
    np.testing.assert_allclose(run(data, PICTURES), faked(GHOST, quantization), rtol=0, atol=0.1)


def test_nothing_quantised_is_the_float_file() -> None:
    assert write_onnx(GHOST, "test", quantization=Quantization({})) == write_onnx(GHOST, "test")


def test_the_same_quantisation_gives_the_same_bytes() -> None:
    first, second = (write_onnx(GHOST, "test", quantization=calibrated(GHOST)) for _ in range(2))
    assert first == second


def test_a_map_leaves_the_network_channels_last() -> None:
    graph = Graph((PICTURE, MaxPool("m", ("x",), 2), Sigmoid("y", ("m",))), ("m", "y"))
    source = Affine(1 / 128, -1)
    data = write_onnx(graph, "test", quantization=Quantization({"x": source, "m": source, "y": UNIT}))
    outputs = [item.name for item in onnx.load_model_from_string(data).graph.output]
    assert outputs == ["m", "y"]
    expected = source.dequantize(source.quantize(interpret(graph, PICTURES)["m"]))
    np.testing.assert_allclose(run(data, PICTURES), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"x": Affine(1 / 128, 0, 16)}, "tensor 'x' has 16 bits; integers in ONNX files have 8"),
        ({"z": UNIT}, "no node makes the tensor 'z'"),
        ({"ghost": UNIT}, "must be stored alike"),
    ],
)
def test_a_quantisation_that_does_not_fit(tensors: dict[str, Affine], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        write_onnx(GHOST, "test", quantization=Quantization(tensors))

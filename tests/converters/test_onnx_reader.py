"""The ONNX reader: equal to the file on ONNX Runtime, whoever exported it, or a refusal that names the node."""

from __future__ import annotations

import copy
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ghostface_edge.card import read_card, write_card
from ghostface_edge.converters import convert
from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.onnx_file import OnnxFile, named
from ghostface_edge.converters.onnx_reader import read_embedder
from ghostface_edge.errors import CheckpointError, ConversionError, OptionError, UnsupportedLayerError

onnx = pytest.importorskip("onnx")
Runner = Callable[..., "dict[str, np.ndarray]"]
PICTURES = {"mean": 127.5, "scale": 1 / 128, "colour_order": "RGB"}


def read(model: Any, size: int | None = None) -> Graph:
    with named("model.onnx"):
        return read_embedder(OnnxFile(model.SerializeToString()), size)


def noise(batch: int = 2, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, side, side, 3)).astype(np.float32)


def as_file_wants(model: Any, pictures: np.ndarray) -> np.ndarray:
    channels = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
    return pictures if channels[3] == 3 else pictures.transpose(0, 3, 1, 2)


def same(model: Any, on_onnxruntime: Runner, *, unit: bool = False, relative: float = 1e-5, batch: int = 2) -> Graph:
    """Read a model, and hold its graph against the file on ONNX Runtime."""
    graph = read(model)
    pictures = noise(batch)
    (expected,) = on_onnxruntime(model.SerializeToString(), as_file_wants(model, pictures)).values()
    result = interpret(graph, pictures)["embedding"]
    if unit:
        result = result / np.linalg.norm(result, axis=1, keepdims=True)
    assert np.ptp(expected) > 0.01, "an output that says something"
    np.testing.assert_allclose(result, expected, rtol=0, atol=relative * np.abs(expected).max())
    return graph


def kinds(graph: Graph) -> Counter[str]:
    return Counter(type(node).__name__ for node in graph.nodes)


# -- whole networks


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 18, 23])
@pytest.mark.parametrize(
    ("head", "flatten"),
    [("gdc", "flatten"), ("gap", "dynamic"), ("mean", "squeeze"), ("pool", "reshape"), ("flat", "flatten")],
)
def test_pytorch_exports(head: str, flatten: str, opset: int, exported: ModuleType, on_onnxruntime: Runner) -> None:
    graph = same(exported.mobilefacenet(head=head, flatten=flatten, opset=opset, seed=opset), on_onnxruntime)
    found = kinds(graph)
    assert found["PRelu"] == 5
    assert found["Flatten"] == 1
    assert set(found) <= {"Input", "Conv", "PRelu", "BatchNorm", "Add", "GlobalAveragePool", "Flatten"}


@pytest.mark.parametrize("opset", [9, 11, 17])
@pytest.mark.parametrize(
    "length", ["LpNormalization", "ReduceL2", "without keepdims", "F.normalize", "pow", "rsqrt", "tf"]
)
def test_a_division_by_the_length_at_the_end_is_left_out(
    length: str, opset: int, exported: ModuleType, on_onnxruntime: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        graph = same(exported.mobilefacenet(length=length, opset=opset), on_onnxruntime, unit=True)
    assert "division of the embedding by its length is left out" in caplog.text
    assert kinds(graph) == kinds(read(exported.mobilefacenet(opset=opset)))


@pytest.mark.parametrize("opset", [11, 17, 20])
@pytest.mark.parametrize(
    ("gate", "resize", "node"),
    [
        ("clip6", "nearest", "HardSigmoid"),
        ("clip", "linear", "HardSigmoid"),
        ("hardsigmoid", "nearest", "HardSigmoid"),
        ("sigmoid", "linear", "Sigmoid"),
    ],
)
def test_ghost_modules_with_gates_and_attention(
    gate: str, resize: str, node: str, opset: int, exported: ModuleType, on_onnxruntime: Runner
) -> None:
    found = kinds(same(exported.ghostface(gate=gate, resize=resize, opset=opset), on_onnxruntime))
    assert found[node] == (2 if node == "Sigmoid" else 1)
    assert found["Upsample2x" if resize == "nearest" else "ResizeBilinear"] == 1
    # The gate, however it is written, is one node and the product another.
    assert (found["Mul"], found["Scale"], found["BatchNorm"]) == (2, 0, 1)


def test_a_hard_swish(exported: ModuleType, on_onnxruntime: Runner) -> None:
    same(exported.ghostface(gate="hardswish"), on_onnxruntime)


@pytest.mark.parametrize("opset", [11, 15, 20])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_tf2onnx_exports(layout: str, opset: int, exported: ModuleType, on_onnxruntime: Runner) -> None:
    found = kinds(same(exported.tf_ghostface(layout=layout, opset=opset), on_onnxruntime))
    # PReLU and the hard sigmoid are whole again, and no transpose left a trace.
    assert (found["PRelu"], found["HardSigmoid"], found["Relu"], found["Add"]) == (2, 1, 0, 0)


def test_half_precision(exported: ModuleType, on_onnxruntime: Runner) -> None:
    model = exported.mobilefacenet()
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    body = [onnx.helper.make_node("Cast", ["data"], ["half"], to=onnx.TensorProto.FLOAT16)]
    last = model.graph.node[-1].output[0]
    for node in model.graph.node:
        node.input[:] = ["half" if name == "data" else name for name in node.input]
    body += [*model.graph.node, onnx.helper.make_node("Cast", [last], ["out"], to=onnx.TensorProto.FLOAT)]
    del model.graph.node[:]
    model.graph.node.extend(body)
    model.graph.output[0].name = "out"
    same(model, on_onnxruntime, relative=5e-3)


def test_a_size_that_is_open_is_stated(exported: ModuleType, on_onnxruntime: Runner) -> None:
    model = exported.tf_ghostface(size="side")
    with pytest.raises(
        CheckpointError, match=r"^model.onnx: its input 'data' leaves height and width open: .*size=112"
    ):
        read(model)
    graph = read(model, 16)
    expected = on_onnxruntime(model.SerializeToString(), noise())
    np.testing.assert_allclose(interpret(graph, noise())["embedding"], *expected.values(), rtol=0, atol=1e-4)
    with pytest.raises(OptionError, match="size=20 contradicts the file, whose pictures are 16 x 16"):
        read(exported.tf_ghostface(), 20)


# -- single operators

Build = Callable[[Any, str], str]


def network(exported: ModuleType, build: Build, opset: int = 17) -> Any:
    """Picture, convolution to (6, 8, 8), the nodes under test, mean, vector."""
    net = exported.Builder(0, opset)
    x = build(net, net.conv("data", 3, 6, 3, 2))
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    return net.model(x, ["b", 3, 16, 16], ["b", "features"])


def ints(net: Any, *numbers: int) -> str:
    return str(net.constant(list(numbers), np.int64))


def resized(net: Any, x: str, *, scales: list[float] | None = None, sizes: list[int] | None = None, **settings) -> str:
    inputs = [net.constant(scales or []), *([] if sizes is None else [ints(net, *sizes)])]
    region = "" if net.opset > 11 else net.constant([])
    return str(net.node("Resize", x, region, *inputs, **settings))


def channels_last(net: Any, x: str, build: Build) -> str:
    return str(net.node("Transpose", build(net, net.node("Transpose", x, perm=[0, 2, 3, 1])), perm=[0, 3, 1, 2]))


def each(net: Any, *shape: int) -> str:
    return str(net.constant(net.values(*shape, low=0.5, high=2.0)))


OPERATORS: dict[str, tuple[int, Build]] = {
    "factor and offset": (17, lambda n, x: n.node("Add", n.node("Mul", x, each(n, 6, 1, 1)), each(n, 1, 6, 1, 1))),
    "constants first": (17, lambda n, x: n.node("Sub", each(n, 6, 1, 1), n.node("Mul", n.constant(2.0), x))),
    "divided": (17, lambda n, x: n.node("Div", n.node("Sub", x, each(n, 1)), each(n, 6, 1, 1))),
    "negated": (17, lambda n, x: n.node("Neg", x)),
    "offset before padding": (17, lambda n, x: n.conv(n.node("Add", x, each(n, 6, 1, 1)), 6, 4, 3)),
    "difference": (17, lambda n, x: n.node("Sub", x, n.conv(x, 6, 6, 1))),
    "product": (17, lambda n, x: n.node("Mul", n.node("Mul", x, n.constant(3.0)), n.conv(x, 6, 6, 1))),
    "product of offsets": (17, lambda n, x: n.node("Mul", n.node("Add", x, each(n, 1)), n.node("Relu", x))),
    "leaky relu": (17, lambda n, x: n.node("LeakyRelu", x)),
    "prelu written out": (17, lambda n, x: n.node("Add", x, n.node("Relu", n.node("Mul", x, n.constant(-0.7))))),
    "residual relu": (17, lambda n, x: n.node("Add", x, n.node("Relu", x))),
    "clip from below": (17, lambda n, x: n.clip(x, 0.25, None)),
    "clip, old": (9, lambda n, x: n.clip(x, -0.5, 0.75)),
    "clip": (17, lambda n, x: n.clip(n.node("Mul", x, each(n, 6, 1, 1)), -0.5, 0.75)),
    "relu6": (17, lambda n, x: n.node("Min", n.node("Relu", n.node("Mul", x, n.constant(9.0))), n.constant(6.0))),
    "max of min": (17, lambda n, x: n.node("Max", n.constant(-0.3), n.node("Min", n.constant(0.3), x))),
    "clip without limits": (17, lambda n, x: n.clip(x, -3.4028234663852886e38, 3.4028234663852886e38)),
    "max pool": (17, lambda n, x: n.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)),
    "average pool": (17, lambda n, x: n.node("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4], auto_pad="VALID")),
    "whole average": (17, lambda n, x: n.node("AveragePool", x, kernel_shape=[8, 8], strides=[1, 1])),
    "same upper": (17, lambda n, x: n.conv(x, 6, 6, 3, 2, group=6, auto_pad="SAME_UPPER")),
    "same lower": (17, lambda n, x: n.conv(x, 6, 4, 4, 3, auto_pad="SAME_LOWER")),
    "pad, old": (9, lambda n, x: n.conv(n.node("Pad", x, pads=[0, 0, 1, 2, 0, 0, 0, 3]), 6, 4, 3, pads=[0, 1, 1, 0])),
    "pad": (18, lambda n, x: n.conv(n.node("Pad", x, ints(n, 1, 2), "", ints(n, -1)), 6, 4, 3, auto_pad="SAME_UPPER")),
    "pads in a row": (
        13,
        lambda n, x: n.conv(
            n.node("Pad", n.node("Pad", x, ints(n, 0, 0, 1, 0, 0, 0, 0, 0)), ints(n, 0, 0, 0, 1, 0, 0, 2, 0)), 6, 4, 3
        ),
    ),
    "upsample": (9, lambda n, x: n.node("Upsample", x, n.constant([1, 1, 2, 2]), mode="nearest")),
    "resize, old": (10, lambda n, x: n.node("Resize", x, n.constant([1, 1, 2, 2]), mode="nearest")),
    "resize by half pixels": (13, lambda n, x: resized(n, x, scales=[1, 1, 2, 2])),
    "resize to sizes": (13, lambda n, x: resized(n, x, sizes=[1, 6, 11, 5], mode="linear")),
    "resize along axes": (18, lambda n, x: resized(n, x, sizes=[3, 4], axes=[2, 3], mode="linear")),
    "matrix over channels": (
        17,
        lambda n, x: channels_last(n, x, lambda n, y: n.node("MatMul", y, n.constant(n.values(6, 5)))),
    ),
    "concat, channels last": (
        17,
        lambda n, x: channels_last(n, x, lambda n, y: n.node("Concat", y, n.node("Relu", y), y, axis=-1)),
    ),
    "constant settings": (17, lambda n, x: n.node("Mul", x, n.node("Constant", value_floats=[2.5]))),
    "computed constants": (
        17,
        lambda n, x: n.node("Mul", x, n.node("Reshape", n.node("Div", each(n, 6), each(n, 1)), ints(n, 6, 1, 1))),
    ),
    "constant of a shape": (17, lambda n, x: n.node("Add", x, n.node("ConstantOfShape", ints(n, 6, 1, 1)))),
    "cast constants": (
        17,
        lambda n, x: n.node("Mul", x, n.node("Cast", n.constant([3], np.int64), to=onnx.TensorProto.FLOAT)),
    ),
    "what changes nothing": (17, lambda n, x: n.node("Identity", n.node("Cast", n.node("Dropout", x), to=1))),
    "normalised twice": (17, lambda n, x: n.norm(n.node("Mul", n.norm(x, 6), n.constant(2.0)), 6)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name: str, exported: ModuleType, on_onnxruntime: Runner) -> None:
    opset, build = OPERATORS[name]
    same(network(exported, build, opset), on_onnxruntime, batch=1)


def test_a_prelu_written_out_with_slopes_beyond_one(exported: ModuleType, on_onnxruntime: Runner) -> None:
    """Our own lowered form: x - relu((1 - a) x) for a > 1."""

    def build(net: Any, x: str) -> str:
        scaled = net.node("Relu", net.node("Mul", x, net.constant(-np.abs(net.values(6, 1, 1)))))
        return str(net.node("Add", x, net.node("Mul", scaled, net.constant(np.array([1, -1] * 3).reshape(6, 1, 1)))))

    assert kinds(same(network(exported, build), on_onnxruntime))["PRelu"] == 1


# -- refusals


def conv(net: Any, x: str, **settings: Any) -> str:
    return str(net.node("Conv", x, net.kernel(6, 6, 3), **settings))


REFUSED: dict[str, tuple[Build, str]] = {
    "unknown": (lambda n, x: n.node("Elu", x), r"node '/Elu_1' \(Elu, node 2 of 4, inputs: /Conv_0_output_0\) is not"),
    "domain": (lambda n, x: n.node("Relu", x, domain="com.microsoft"), "foreign domain 'com.microsoft'"),
    "quantised": (
        lambda n, x: n.node("QuantizeLinear", x, n.constant(0.1), n.constant(0, np.int8)),
        r"QuantizeLinear.*already quantised: convert the float model",
    ),
    "control flow": (
        lambda n, x: n.node("If", x, then_branch=onnx.helper.make_graph([], "empty", [], [])),
        r"\(If, node 2 of 4.*'then_branch', a setting that is no plain value",
    ),
    "groups": (lambda n, x: n.node("Conv", x, n.kernel(6, 6, 3, 2), group=2), "group=2; supported are dense"),
    "dilations": (lambda n, x: conv(n, x, dilations=[2, 2]), r"dilations=\[2, 2\]"),
    "unknown setting": (lambda n, x: conv(n, x, activation="Relu"), "activation='Relu', which is not supported"),
    "pads of SAME": (lambda n, x: conv(n, x, auto_pad="SAME_UPPER", pads=[1] * 4), "auto_pad='SAME_UPPER' with pads"),
    "kernel not constant": (lambda n, x: n.node("Conv", x, x), "has no constant for its input 1"),
    "constant per pixel": (lambda n, x: n.node("Mul", x, each(n, 6, 8, 8)), r"shape \(6, 8, 8\), which is not one"),
    "constant along the width": (lambda n, x: n.node("Add", x, each(n, 8)), r"shape \(8,\), which is not one value"),
    "constant of more axes": (lambda n, x: n.node("Add", x, each(n, 1, 1, 6, 1, 1)), "which is not one value"),
    "sum of a map and a vector": (
        lambda n, x: n.node("Add", x, n.node("GlobalAveragePool", x)),
        "shapes or axes differ",
    ),
    "quotient": (lambda n, x: n.node("Div", x, n.node("Relu", x)), "divides by a tensor"),
    "reciprocal": (lambda n, x: n.node("Div", n.constant(1.0), x), "divides by a tensor"),
    "division by 0": (lambda n, x: n.node("Div", x, n.constant(0.0)), "divides by 0"),
    "pool of padding": (
        lambda n, x: n.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], pads=[1] * 4),
        "pools padding",
    ),
    "overlapping pool": (lambda n, x: n.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2]), "side by side"),
    "incomplete pool": (
        lambda n, x: n.node("AveragePool", x, kernel_shape=[3, 3], strides=[3, 3], ceil_mode=1),
        "ceil_mode=1",
    ),
    "pad without convolution": (
        lambda n, x: n.node("Relu", n.node("Pad", x, ints(n, 0, 0, 1, 1, 0, 0, 1, 1))),
        "follows a Pad, which only a Conv",
    ),
    "pad of ones": (
        lambda n, x: conv(n, n.node("Pad", x, ints(n, 0, 0, 1, 1, 0, 0, 1, 1), n.constant(1.0))),
        "a few zeros",
    ),
    "reflection": (lambda n, x: n.node("Pad", x, ints(n, 0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"), "mode='reflect'"),
    "pad of channels": (
        lambda n, x: conv(n, n.node("Pad", x, ints(n, 0, 1, 0, 0, 0, 1, 0, 0))),
        "other than height and width",
    ),
    "ceiling": (lambda n, x: n.node("Relu", n.node("Min", x, n.constant(2.0))), "without a lower limit"),
    "empty range": (lambda n, x: n.clip(x, 1.0, 1.0), r"cuts values to 1 \.\. 1"),
    "align_corners": (
        lambda n, x: resized(n, x, scales=[1, 1, 2, 2], mode="linear", coordinate_transformation_mode="align_corners"),
        "mode='linear' with 'align_corners'",
    ),
    "resize by three": (lambda n, x: resized(n, x, scales=[1, 1, 3, 3]), "does not double"),
    "resize of channels": (lambda n, x: resized(n, x, scales=[1, 2, 2, 2]), r"resizes \(1, 6, 8, 8\)"),
    "resize to a fraction": (lambda n, x: resized(n, x, scales=[1, 1, 1.3, 1.3], mode="linear"), "is not supported"),
    "slice": (lambda n, x: n.node("Slice", x, ints(n, 0), ints(n, 3), ints(n, 1)), "takes a part of a tensor"),
    "channel shuffle": (lambda n, x: n.node("Reshape", x, ints(n, 1, 2, 3, 8, 8)), "cuts an axis in parts"),
    "other size": (lambda n, x: n.node("Reshape", x, ints(n, 1, 7, -1)), "makes"),
    "mean over channels": (lambda n, x: n.node("ReduceMean", x, axes=[1]), "mean over height and width"),
    "sum over pixels": (lambda n, x: n.node("ReduceSum", x, ints(n, 2, 3)), "only over all values of a vector"),
    "height and width exchanged": (
        lambda n, x: conv(n, n.node("Transpose", x, perm=[0, 1, 3, 2])),
        "axes are not batch, channels, height, width",
    ),
    "channels last into a convolution": (
        lambda n, x: n.node("Relu", conv(n, n.node("Transpose", x, perm=[0, 2, 3, 1]))),
        "axes are not batch",
    ),
    "wrong perm": (lambda n, x: n.node("Transpose", x, perm=[0, 1, 2, 2]), r"perm=\[0, 1, 2, 2\]"),
    "concat of rows": (lambda n, x: n.node("Concat", x, x, axis=2), "along an axis that is not the channels"),
    "power": (lambda n, x: n.node("Pow", x, n.constant(3.0)), "exponent 3"),
    "root": (lambda n, x: n.node("Sqrt", x), "only of a vector's length"),
    "cast to integers": (lambda n, x: n.node("Cast", x, to=7), "other than float values"),
    "training": (
        lambda n, x: n.node("Dropout", x, n.constant(0.5), n.constant(True, np.bool_)),
        "the network is in training",
    ),
    "too many inputs": (lambda n, x: n.node("Relu", x, x), "has 2 inputs instead of 1 to 1"),
    "nobody's tensor": (lambda n, x: n.node("Relu", "nowhere"), "no earlier node makes, 'nowhere'"),
    "normalised rows": (
        lambda n, x: channels_last(n, x, lambda n, y: n.norm(y, 8)),
        "an axis that is not the channels",
    ),
    "other statistics": (lambda n, x: n.norm(x, 5), "other sizes than its 6 channels"),
    "other matrix": (
        lambda n, x: channels_last(n, x, lambda n, y: n.node("MatMul", y, each(n, 5, 4))),
        "matrix of 5 rows",
    ),
    "matrix over the width": (lambda n, x: n.node("MatMul", x, each(n, 8, 4)), "other than the channels or the whole"),
    "axes out of range": (lambda n, x: n.node("Squeeze", x, ints(n, 4)), r"axes=\[4\], and its input has 4"),
    "steps of 0": (
        lambda n, x: n.node("Slice", x, ints(n, 0), ints(n, 6), ints(n, 1), ints(n, 0)),
        r"1 axes and steps \[0\]",
    ),
    "spread": (lambda n, x: n.node("Expand", x, ints(n, 2, 6, 8, 8)), r"spreads \(1, 6, 8, 8\) to"),
    "constants that do not fit": (
        lambda n, x: n.node("Mul", x, n.node("Add", each(n, 6), each(n, 5))),
        r"constants of \(6,\) and \(5,\)",
    ),
    "gather out of range": (
        lambda n, x: n.node("Mul", x, n.node("Gather", each(n, 6), ints(n, 6))),
        "cannot be computed from its constants",
    ),
    "no list": (lambda n, x: n.node("Reshape", x, each(n, 4)), "no list of integers"),
    "limits, not a limit": (lambda n, x: n.node("Max", x, each(n, 6)), "6 values for its input 1 instead of one"),
    "setting of another type": (lambda n, x: n.node("LeakyRelu", x, alpha="much"), "alpha='much', which is no float"),
    "normalised in the middle": (
        lambda n, x: n.node("Relu", n.node("LpNormalization", n.node("GlobalAveragePool", x), axis=1)),
        "division by a vector's length, which only ends",
    ),
    "length of something else": (
        lambda n, x: n.node("Div", x, n.node("ReduceL2", n.node("GlobalAveragePool", x), axes=[1])),
        "other than dividing the vector by it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(name: str, exported: ModuleType) -> None:
    build, message = REFUSED[name]
    with pytest.raises(UnsupportedLayerError, match=message) as caught:
        read(network(exported, build))
    assert re.match(r"model.onnx: node '/\w+' \(\w+, node \d of \d, inputs: [/\w]", str(caught.value))


def changed(exported: ModuleType, change: Callable[[Any], object]) -> Any:
    model = exported.mobilefacenet()
    change(model)
    return model


def external(model: Any) -> None:
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def set_weight(value: float) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        tensor = model.graph.initializer[0]
        array = onnx.numpy_helper.to_array(tensor).copy()
        array[0] = value
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))

    return change


def set_side(axis: int, value: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external, r"tensors in other files.*PyTorch: torch.onnx.export\(..., external_data=False\)"),
        (lambda m: m.functions.add(), "holds functions"),
        (lambda m: m.graph.sparse_initializer.add(), "sparse tensors"),
        (lambda m: m.opset_import[0].__setattr__("version", 8), "opset 8; read are 9 to"),
        (lambda m: m.opset_import[0].__setattr__("version", 999), "opset 999"),
        (lambda m: m.graph.input.add(name="mask"), "2 inputs instead of 1"),
        (lambda m: m.graph.output.add(name="features"), "2 outputs instead of 1, the embedding"),
        (lambda m: m.graph.output[0].__setattr__("name", "nothing"), "no node makes its output 'nothing'"),
        (lambda m: m.graph.output[0].__setattr__("name", "/Conv_0_output_0"), "is no vector"),
        (lambda m: m.graph.output[0].__setattr__("name", "constant0"), "no node makes its output"),
        (lambda m: m.graph.node[3].output.__setitem__(0, m.graph.node[0].output[0]), "is made twice"),
        (set_side(1, 1), "three channels neither second nor last"),
        (set_side(3, 3), "three channels neither second nor last"),
        (set_side(2, 1 << 40), "read are sizes from 1 to 4096"),
        (lambda m: m.graph.input[0].type.tensor_type.__setattr__("elem_type", 7), "is no batch of pictures"),
        (set_weight(np.nan), "finite float32"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, 1 << 40), "cannot be read"),
        (lambda m: m.graph.initializer[0].__setattr__("data_type", 8), "element type 8"),
    ],
)
def test_what_is_no_embedder_is_refused(change: Callable[[Any], object], message: str, exported: ModuleType) -> None:
    with pytest.raises(CheckpointError, match=f"^model.onnx: .*{message}"):
        read(changed(exported, change))


def repeated(build: Build, times: int) -> Build:
    def all_of_them(net: Any, x: str) -> str:
        for _ in range(times):
            x = build(net, x)
        return x

    return all_of_them


@pytest.mark.parametrize(
    "build",
    [
        repeated(lambda n, x: n.node("Concat", x, x, axis=1), 40),
        repeated(lambda n, x: resized(n, x, scales=[1, 1, 2, 2]), 40),
        repeated(lambda n, x: n.node("LeakyRelu", n.node("Concat", *[x] * 64, axis=1)), 4),
        lambda n, x: n.node("Mul", x, n.node("ConstantOfShape", ints(n, 1 << 30, 1 << 30))),
        lambda n, x: n.node("Mul", x, n.node("Expand", each(n, 1), ints(n, 1 << 40))),
        lambda n, x: n.node("Mul", x, n.node("Add", each(n, 30_000, 1), each(n, 1, 30_000))),
        lambda n, x: n.node("Mul", x, n.node("Gather", each(n, 9_000), n.constant(np.zeros(90_000), np.int64))),
    ],
)
def test_a_small_file_cannot_ask_for_much_memory(build: Build, exported: ModuleType) -> None:
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match="more than"):
        read(network(exported, build))
    assert time.perf_counter() - start < 5


# -- mutants


def mutant(bases: list[Any], seed: int) -> Any:
    """A network with one to three of its parts changed, most of them into something that still is ONNX."""
    choice = random.Random(seed)
    model = copy.deepcopy(choice.choice(bases))
    graph = model.graph
    names = [name for node in graph.node for name in node.output] + [tensor.name for tensor in graph.initializer]
    for _ in range(choice.choice((1, 1, 2, 3))):
        node = choice.choice(graph.node)
        kind = choice.choice(("operator", "input", "fewer", "more", "setting", "setting", "unset", "constant", "lost"))
        if kind == "operator":
            node.op_type = choice.choice(graph.node).op_type
        elif kind == "input" and node.input:
            node.input[choice.randrange(len(node.input))] = choice.choice(names)
        elif kind == "fewer" and node.input:
            del node.input[choice.randrange(len(node.input))]
        elif kind == "more":
            node.input.append(choice.choice(names))
        elif kind == "setting" and node.attribute:
            attribute = choice.choice(node.attribute)
            attribute.i += choice.choice((-1, 1))
            attribute.f *= choice.choice((-1, 2, 1e30))
            numbers = choice.sample(list(attribute.ints), len(attribute.ints))
            attribute.ints[:] = [number + choice.choice((0, 0, 0, 1, -1)) for number in numbers]
        elif kind == "unset" and node.attribute:
            node.attribute.remove(choice.choice(node.attribute))
        elif kind == "constant":
            tensor = choice.choice(graph.initializer)
            array = onnx.numpy_helper.to_array(tensor).copy()
            if array.size:
                array.reshape(-1)[choice.randrange(array.size)] = choice.choice((0, -1, 1, 2, 3))
            array = choice.choice((array, array.T, array.reshape(-1), array[None], array.astype(np.int64)))
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))
        elif kind == "lost":
            graph.node.remove(node)
    return model


@pytest.fixture(scope="module")
def bases(exported: ModuleType) -> list[Any]:
    return [
        exported.mobilefacenet(flatten="dynamic", length="F.normalize", pixels=True),
        exported.mobilefacenet(head="mean", flatten="squeeze", length="pow", opset=11),
        exported.mobilefacenet(head="flat", flatten="reshape", length="rsqrt", opset=13),
        exported.ghostface(gate="clip6"),
        exported.ghostface(gate="clip", resize="linear", opset=13),
        exported.tf_ghostface(),
    ]


def compare_mutants(bases: list[Any], seeds: range, on_onnxruntime: Runner) -> Counter[str]:
    """Each mutant is refused with an error of ours, or means to us what it means to ONNX Runtime."""
    found: Counter[str] = Counter()
    for seed in seeds:
        model = mutant(bases, seed)
        try:
            graph = read(model)
        except ConversionError as error:
            found[type(error).__name__] += 1
            continue
        try:
            (expected,) = on_onnxruntime(model.SerializeToString(), as_file_wants(model, noise(1))).values()
        except Exception:  # noqa: BLE001 - ONNX Runtime is pickier, and raises anything
            found["invalid"] += 1
            continue
        with np.errstate(all="ignore"):
            result = interpret(graph, noise(1))["embedding"]
            assert expected.size == result.size, seed
            sized = [vector.reshape(-1).astype(np.float64) for vector in (expected, result)]
            units = [vector / np.linalg.norm(vector / np.abs(vector).max()) / np.abs(vector).max() for vector in sized]
        if np.isfinite(units).all() and np.abs(sized).max() < 1e20:
            np.testing.assert_allclose(units[1], units[0], rtol=0, atol=1e-4, err_msg=f"mutant {seed}")
            found["equal"] += 1
    return found


def test_mutants_are_refused_or_mean_the_same(bases: list[Any], on_onnxruntime: Runner) -> None:
    found = compare_mutants(bases, range(400), on_onnxruntime)
    assert found["equal"] > 40
    assert found["UnsupportedLayerError"] > 80
    assert found["CheckpointError"] > 10


@pytest.mark.slow
def test_many_mutants_are_refused_or_mean_the_same(bases: list[Any], on_onnxruntime: Runner) -> None:
    assert compare_mutants(bases, range(400, 6600), on_onnxruntime)["equal"] > 1000


def test_a_thousand_damaged_files(bases: list[Any]) -> None:
    """Bytes outside the weights are changed, cut off and put in; warnings would be errors."""
    files = []
    for model in bases:
        data = model.SerializeToString()
        weights = [(data.find(tensor.raw_data), len(tensor.raw_data)) for tensor in model.graph.initializer]
        inside = {place for start, size in weights if size > 8 for place in range(start, start + size)}
        files.append((data, [place for place in range(len(data)) if place not in inside]))
    found: Counter[str] = Counter()
    for seed in range(1000):
        choice = random.Random(seed)
        data, places = choice.choice(files)
        damaged = bytearray(data)
        for _ in range(choice.choice((1, 1, 1, 16))):
            place = min(choice.choice(places), len(damaged) - 1)
            if choice.random() < 0.7:
                damaged[place] ^= 1 << choice.randrange(8)
            else:
                damaged[place : place + choice.choice((0, 1, 4))] = choice.randbytes(choice.choice((1, 4)))
        if choice.random() < 0.1:
            del damaged[choice.randrange(len(damaged)) :]
        try:
            with named("model.onnx"):
                read_embedder(OnnxFile(bytes(damaged)))
            found["read"] += 1
        except ConversionError as error:
            assert str(error).startswith("model.onnx: ")  # noqa: PT017
            found[type(error).__name__] += 1
    assert found["read"] > 20
    assert found["CheckpointError"] > 300
    assert found["UnsupportedLayerError"] > 50


# -- the whole chain


def embeddings(path: Path, pixels: np.ndarray, on_onnxruntime: Runner) -> np.ndarray:
    """What a converted file makes of pixels that are treated as its card says."""
    if path.suffix == ".onnx":
        picture = read_card(path.read_bytes()).input
        tensor = ((pixels - picture.mean) * picture.scale).astype(np.float32)
        return on_onnxruntime(path.read_bytes(), tensor)["embedding"]
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    from ghostface_edge.runtime.tflite_card import read_tflite_card

    picture = read_tflite_card(path.read_bytes()).input
    session = litert.Interpreter(str(path), num_threads=1)
    session.allocate_tensors()
    rows = []
    for tensor in ((pixels - picture.mean) * picture.scale).astype(np.float32):
        session.set_tensor(session.get_input_details()[0]["index"], tensor[None])
        session.invoke()
        rows.append(session.get_tensor(session.get_output_details()[0]["index"])[0])
    return np.stack(rows)


@pytest.mark.parametrize("to", ["onnx", "tflite"])
@pytest.mark.parametrize("source", ["pytorch", "pixels", "flat", "ghost", "tf"])
def test_converted_files_equal_the_source(
    source: str, to: str, exported: ModuleType, tmp_path: Path, on_onnxruntime: Runner
) -> None:
    model = {
        "pytorch": lambda: exported.mobilefacenet(length="F.normalize", flatten="dynamic"),
        "pixels": lambda: exported.mobilefacenet(head="gap", pixels=True),
        "flat": lambda: exported.mobilefacenet(head="flat"),
        "ghost": lambda: exported.ghostface(resize="linear"),
        "tf": exported.tf_ghostface,
    }[source]()
    path = tmp_path / "face.onnx"
    path.write_bytes(model.SerializeToString())
    stated = {"mean": 0.0, "scale": 1.0, "colour_order": "BGR"} if source == "pixels" else PICTURES
    result = convert(path, tmp_path / "out", to=to, **stated)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.float32)
    tensor = ((pixels - stated["mean"]) * stated["scale"]).astype(np.float32)
    (expected,) = on_onnxruntime(path.read_bytes(), as_file_wants(model, tensor)).values()
    found = embeddings(result.path, pixels, on_onnxruntime)
    if source == "pytorch":
        found = found / np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    card = result.card
    assert (card.kind, card.architecture, card.name, card.alignment) == ("embedder", "custom", "face", "arcface-112")
    assert card.embedding_size == expected.shape[1]
    # A network that normalises pixels itself leaves that to the card.
    assert (card.input.mean, card.input.scale) == (127.5, 1 / 128)
    assert card.input.colour_order == stated["colour_order"]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("prelu", ["lowered", "native"])
def test_our_own_files_come_back(
    prelu: str, layout: str, small_checkpoint: Path, tmp_path: Path, on_onnxruntime: Runner
) -> None:
    from ghostface_edge.converters.keras_h5 import read_keras_h5
    from ghostface_edge.converters.onnx_writer import write_onnx
    from ghostface_edge.converters.preparation import embedder_graph

    written = embedder_graph(read_keras_h5(small_checkpoint.read_bytes(), "small"), prelu)
    first = convert(small_checkpoint, tmp_path / "first", prelu=prelu, name="Ada", licence="MIT")
    path = tmp_path / "again.onnx"
    path.write_bytes(write_card(write_onnx(written, "test", layout=layout), first.card))
    pictures = noise(side=32)
    back = read_embedder(OnnxFile(path.read_bytes()))
    close = {"rtol": 0, "atol": 1e-4}  # of values up to 130
    expected = interpret(written, pictures)["embedding"]
    np.testing.assert_allclose(interpret(back, pictures)["embedding"], expected, **close)
    assert kinds(back)["PRelu"] == kinds(read_embedder(OnnxFile(first.path.read_bytes())))["PRelu"] > 0
    second = convert(path, tmp_path / "second")
    assert second.card == first.card
    assert convert(path, tmp_path / "named", name="Bob", scale=1 / 128).card.name == "Bob"
    np.testing.assert_allclose(on_onnxruntime(second.path.read_bytes(), pictures)["embedding"], expected, **close)
    with pytest.raises(OptionError, match=r"mean=0 contradicts the card in the file, which says 127\.5"):
        convert(path, tmp_path / "third", mean=0)


@pytest.fixture
def face(exported: ModuleType, tmp_path: Path) -> Path:
    path = tmp_path / "face.onnx"
    path.write_bytes(exported.mobilefacenet().SerializeToString())
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"does not say how its network wants pixels: state mean, scale, colour_order\. .*\(p - mean\) \* scale"),
        ({"mean": 127.5, "scale": 1 / 128}, r"state colour_order\."),
        ({**PICTURES, "scale": 0}, "scale=0 is no number of grey levels"),
        ({**PICTURES, "mean": float("nan")}, "mean=nan is no number"),
        ({**PICTURES, "mean": "127.5"}, r"mean='127\.5' is no number"),
        ({**PICTURES, "colour_order": "GRB"}, "colour_order='GRB' does not exist; choose from: RGB, BGR"),
        ({**PICTURES, "size": 112}, "size=112 contradicts the file, whose pictures are 16 x 16"),
    ],
)
def test_pre_processing_must_be_stated(options: dict[str, Any], message: str, face: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        convert(face, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_pre_processing_of_other_sources(
    small_checkpoint: Path, yunet_like: ModuleType, tmp_path: Path, exported: ModuleType
) -> None:
    assert convert(small_checkpoint, tmp_path, colour_order="BGR").card.input.colour_order == "BGR"
    with pytest.raises(OptionError, match=r"size=112 does not concern .*small.h5, which settles it itself"):
        convert(small_checkpoint, tmp_path, size=112)
    detector = tmp_path / "yunet.onnx"
    detector.write_bytes(yunet_like.yunet().SerializeToString())
    with pytest.raises(OptionError, match=r"mean=127\.5 does not concern .*yunet\.onnx, which settles it itself"):
        convert(detector, tmp_path / "out", **PICTURES)
    converted = convert(detector, tmp_path / "out").path
    with pytest.raises(CheckpointError, match="3 outputs instead of 1"):
        convert(converted, tmp_path / "again", **PICTURES)
    oblong = exported.mobilefacenet(head="gap")
    oblong.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 32
    (tmp_path / "oblong.onnx").write_bytes(oblong.SerializeToString())
    with pytest.raises(CheckpointError, match=r"oblong\.onnx: its pictures are 16 x 32, and aligned faces are square"):
        convert(tmp_path / "oblong.onnx", tmp_path / "out", **PICTURES)


def test_a_damaged_card_is_refused(face: Path, tmp_path: Path) -> None:
    path = convert(face, tmp_path / "out", **PICTURES).path
    data = bytearray(path.read_bytes())
    data[data.index(b"float32")] ^= 1
    (tmp_path / "damaged.onnx").write_bytes(data)
    with pytest.raises(CheckpointError, match="do not match its seal"):
        convert(tmp_path / "damaged.onnx", tmp_path / "again")

"""Written files compute on ONNX Runtime what the interpreter computes, operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.converters.graph import (
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Input,
    Maximum,
    MaxPool,
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Scale,
    Shape,
    Sigmoid,
    Upsample2x,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.onnx_writer import IR_VERSION, OPSET, write_onnx
from ghostface_edge.converters.preparation import embedder_graph
from ghostface_edge.errors import ConversionError, OptionError

onnx = pytest.importorskip("onnx")
RANDOM = np.random.default_rng(0)
Runner = Callable[..., "dict[str, np.ndarray]"]


def random(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


PICTURE = Input("x", (), 9, 8, 3)
VECTOR = (PICTURE, Flatten("v", ("x",)))
STATISTICS = (random(3), random(3), random(3), np.abs(random(3)) + 0.1)


@pytest.mark.parametrize(
    "nodes",
    [
        (PICTURE, Conv("y", ("x",), random(3, 5, 3, 4), random(4), (2, 1), (0, 1, 2, 3))),
        (PICTURE, Conv("y", ("x",), random(3, 3, 3, 1), None, (2, 2), (0, 0, 1, 1), depthwise=True)),
        (PICTURE, BatchNorm("y", ("x",), *STATISTICS, epsilon=1e-3)),
        (PICTURE, PRelu("y", ("x",), np.array([-3.0, 0.5, 7.0], np.float32))),
        (PICTURE, Scale("y", ("x",), random(3))),
        (PICTURE, Relu("y", ("x",))),
        (PICTURE, Sigmoid("y", ("x",))),
        (PICTURE, HardSigmoid("y", ("x",), 0.2, 0.5)),
        (PICTURE, GlobalAveragePool("y", ("x",))),
        (PICTURE, MaxPool("y", ("x",), 2)),
        (PICTURE, AveragePool("y", ("x",), 2)),
        (PICTURE, Upsample2x("y", ("x",))),
        (PICTURE, ResizeBilinear("y", ("x",), 18, 16)),
        (PICTURE, ResizeBilinear("y", ("x",), 4, 3)),
        (PICTURE, Flatten("y", ("x",))),
        (PICTURE, GlobalAveragePool("p", ("x",)), Flatten("y", ("p",))),
        (PICTURE, Relu("r", ("x",)), Concat("y", ("r", "x", "r"))),
        (PICTURE, Relu("r", ("x",)), Add("y", ("r", "x"))),
        (PICTURE, Scale("s", ("x",), random(3)), Maximum("y", ("s", "x"))),
        (PICTURE, Sigmoid("s", ("x",)), GlobalAveragePool("p", ("s",)), Mul("y", ("x", "p"))),
        (*VECTOR, PRelu("y", ("v",), random(216))),
        (*VECTOR, BatchNorm("y", ("v",), *(np.abs(random(216)) + 0.1 for _ in range(4)), epsilon=1e-3)),
    ],
    ids=lambda nodes: " ".join(type(node).__name__ for node in nodes[1:]),
)
def test_every_operator(nodes: tuple[Node, ...], on_onnxruntime: Runner) -> None:
    graph = Graph(nodes, ("y",))
    pictures = RANDOM.normal(size=(2, 9, 8, 3))
    expected = interpret(graph, pictures.astype(np.float32))["y"]
    result = on_onnxruntime(write_onnx(graph, "test"), pictures)["y"]
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_an_open_size_takes_any_size(on_onnxruntime: Runner) -> None:
    nodes = (
        Input("x", (), None, None, 3),
        Conv("down", ("x",), random(3, 3, 3, 4), random(4), (2, 2), (1, 1, 1, 1)),
        Upsample2x("up", ("down",)),
        Conv("same", ("x",), random(1, 1, 3, 4), None),
        Add("sum", ("up", "same")),
    )
    graph = Graph(nodes, ("sum", "down"))
    data = write_onnx(graph, "test")
    for height, width in ((32, 64), (96, 32)):
        pictures = RANDOM.normal(size=(1, height, width, 3)).astype(np.float32)
        expected, result = interpret(graph, pictures), on_onnxruntime(data, pictures)
        assert list(result) == ["sum", "down"]
        for name in graph.outputs:
            assert result[name].shape == expected[name].shape
            np.testing.assert_allclose(result[name], expected[name], rtol=0, atol=1e-5 * np.abs(expected[name]).max())


@pytest.mark.parametrize("given", range(1, 24))
def test_a_resize_gives_every_wanted_size(given: int, on_onnxruntime: Runner) -> None:
    """GhostFaceNetV2 goes from 3 to 7 pixels, and 3 x float32(7 / 3) is below 7."""
    picture = RANDOM.normal(size=(2, given, given, 1)).astype(np.float32)
    for wanted in (1, 7, 14, 19, 56):
        nodes = (Input("x", (), given, given, 1), ResizeBilinear("y", ("x",), wanted, 61))
        graph = Graph(nodes, ("y",))
        result = on_onnxruntime(write_onnx(graph, "test"), picture)["y"]
        np.testing.assert_allclose(result, interpret(graph, picture)["y"], rtol=0, atol=1e-4)


ATTENTION = (AveragePool("half", ("x",), 2), ResizeBilinear("back", ("half",), 7, 7), Mul("y", ("x", "back")))
EXCITATION = (GlobalAveragePool("p", ("x",)), HardSigmoid("h", ("p",), 1 / 6, 0.5), Mul("y", ("x", "h")))


@pytest.mark.parametrize("nodes", [ATTENTION, EXCITATION])
def test_attention_and_excitation_in_opencv(nodes: tuple[Node, ...]) -> None:
    """OpenCV takes the second, written plainly, for a hard swish."""
    cv2 = pytest.importorskip("cv2")
    graph = Graph((Input("x", (), 7, 7, 3), *nodes, Flatten("v", ("y",))), ("v",))
    net = cv2.dnn.readNetFromONNX(np.frombuffer(write_onnx(graph, "test", layout="NCHW"), np.uint8))
    pictures = RANDOM.normal(size=(2, 7, 7, 3)).astype(np.float32)
    for picture in pictures:
        net.setInput(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
        np.testing.assert_allclose(net.forward(), interpret(graph, picture[None])["v"], rtol=0, atol=1e-5)


def dims(value: object) -> list[object]:
    shape = value.type.tensor_type.shape.dim  # type: ignore[attr-defined]
    return [dim.dim_value or dim.dim_param for dim in shape]


def test_header_and_interface() -> None:
    graph = Graph((Input("input", (), None, None, 3), MaxPool("y", ("input",), 2)), ("y",))
    model = onnx.load_model_from_string(write_onnx(graph, "ghostface-edge 1"))
    assert (model.ir_version, model.opset_import[0].version) == (IR_VERSION, OPSET) == (8, 17)
    assert model.producer_name == "ghostface-edge 1"
    assert dims(model.graph.input[0]) == ["batch", "height", "width", 3]
    assert dims(model.graph.output[0]) == ["batch", "y_height", "y_width", 3]
    assert [node.op_type for node in model.graph.node] == ["Transpose", "MaxPool", "Transpose"]


def test_the_same_graph_gives_the_same_bytes() -> None:
    graph = Graph((PICTURE, Scale("y", ("x",), random(3))), ("y",))
    assert write_onnx(graph, "test") == write_onnx(graph, "test")


def test_a_node_without_an_onnx_form_is_refused() -> None:
    class Strange(Node):
        def shape(self, *inputs: Shape) -> Shape:
            return inputs[0]

    with pytest.raises(ConversionError, match="Strange has no ONNX form"):
        write_onnx(Graph((PICTURE, Strange("y", ("x",))), ("y",)), "test")


# -- layout, batch, precision

NETWORK = Graph(
    (
        PICTURE,
        Conv("c", ("x",), random(3, 3, 3, 4), random(4), (2, 2), (1, 1, 1, 1)),
        PRelu("p", ("c",), random(4)),
        Scale("s", ("p",), random(4)),
        Conv("d", ("s",), random(5, 4, 4, 1), random(4), depthwise=True),
        Flatten("y", ("d",)),
    ),
    ("y",),
)


def test_channels_first(on_onnxruntime: Runner) -> None:
    pictures = RANDOM.normal(size=(2, 9, 8, 3)).astype(np.float32)
    data = write_onnx(NETWORK, "test", layout="NCHW")
    model = onnx.load_model_from_string(data)
    assert dims(model.graph.input[0]) == ["batch", 3, 9, 8]
    assert "Transpose" not in {node.op_type for node in model.graph.node}
    expected = interpret(NETWORK, pictures)["y"]
    np.testing.assert_allclose(
        on_onnxruntime(data, pictures.transpose(0, 3, 1, 2))["y"], expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize(("layout", "shape"), [("NHWC", [3, 9, 8, 3]), ("NCHW", [3, 3, 9, 8])])
def test_a_fixed_batch(layout: str, shape: list[int], on_onnxruntime: Runner) -> None:
    data = write_onnx(NETWORK, "test", layout=layout, batch=3)
    graph = onnx.load_model_from_string(data).graph
    assert dims(graph.input[0]) == shape
    assert dims(graph.output[0]) == [3, 4]
    pictures = RANDOM.normal(size=(3, 9, 8, 3)).astype(np.float32)
    expected = interpret(NETWORK, pictures)["y"]
    result = on_onnxruntime(data, pictures if layout == "NHWC" else pictures.transpose(0, 3, 1, 2))["y"]
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def halved(graph: Graph) -> Graph:
    """Every weight rounded to float16."""
    nodes = [
        replace(node, **{name: array.astype(np.float16).astype(np.float32) for name, array in node.weights().items()})
        for node in graph.nodes
    ]
    return Graph(tuple(nodes), graph.outputs)


def test_float16_rounds_the_weights_and_nothing_else(on_onnxruntime: Runner) -> None:
    statistics = tuple(np.abs(random(4)) + 0.1 for _ in range(4))
    nodes = (*NETWORK.nodes[:-1], BatchNorm("b", ("d",), *statistics, epsilon=1e-3), Flatten("y", ("b",)))
    graph = Graph(nodes, ("y",))
    data = write_onnx(graph, "test", precision="float16")
    model = onnx.load_model_from_string(data)
    float16, float32 = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    assert {item.data_type for item in model.graph.initializer} == {float16}
    assert len(model.graph.initializer) == 10
    assert {item.type.tensor_type.elem_type for item in (*model.graph.input, *model.graph.output)} == {float32}
    pictures = RANDOM.normal(size=(2, 9, 8, 3)).astype(np.float32)
    expected, exact = interpret(halved(graph), pictures)["y"], interpret(graph, pictures)["y"]
    assert np.abs(expected - exact).max() > 1e-4 * np.abs(exact).max()
    result = on_onnxruntime(data, pictures)["y"]
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_onnx_runtime_widens_float16_once(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    kinds = []
    for precision in ("float32", "float16"):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        onnxruntime.InferenceSession(
            write_onnx(NETWORK, "test", precision=precision), options, providers=["CPUExecutionProvider"]
        )
        kinds.append([node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node])
    assert kinds[0] == kinds[1]


def test_a_weight_beyond_float16_is_named() -> None:
    graph = Graph((PICTURE, Scale("gain", ("x",), np.array([1, 2, 70_000], np.float32))), ("gain",))
    with pytest.raises(ConversionError, match="the weights 'gain/factor' go up to 70000, which float16 cannot hold"):
        write_onnx(graph, "test", precision="float16")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "CHWN"}, "layout='CHWN' does not exist; choose from: NHWC, NCHW"),
        ({"precision": "int8"}, "precision='int8' does not exist"),
        ({"activations": "int16"}, "activations='int16' does not exist"),
        ({"batch": 0}, "batch=0 is not a number of pictures"),
    ],
)
def test_senseless_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        write_onnx(NETWORK, "test", **options)


# -- other programs that read the files


def in_opencv(data: bytes, pictures: np.ndarray) -> np.ndarray:
    cv2 = pytest.importorskip("cv2")
    network = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    network.setInput(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    result: np.ndarray = network.forward()
    return result


@pytest.mark.parametrize("prelu", ["lowered", "native"])
@pytest.mark.parametrize("batch", [None, 1])
def test_opencv_computes_the_same(small_checkpoint: Path, prelu: str, batch: int | None) -> None:
    graph = embedder_graph(read_keras_h5(small_checkpoint.read_bytes(), "small"), prelu)
    pictures = RANDOM.normal(size=(1 if batch else 3, 32, 32, 3)).astype(np.float32)
    for precision, network in (("float32", graph), ("float16", halved(graph))):
        expected = interpret(network, pictures)["embedding"]
        result = in_opencv(write_onnx(graph, "test", layout="NCHW", batch=batch, precision=precision), pictures)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_opencv_runs_the_official_checkpoint(shared: Path, on_onnxruntime: Runner) -> None:
    source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    graph = embedder_graph(read_keras_h5(source.read_bytes(), "official"))
    pictures = RANDOM.uniform(-1, 1, (2, 112, 112, 3)).astype(np.float32)
    expected = on_onnxruntime(write_onnx(graph, "test"), pictures)["embedding"]
    result = in_opencv(write_onnx(graph, "test", layout="NCHW"), pictures)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)


@pytest.mark.insightface
def test_insightface_takes_it_for_an_arcface_model(shared: Path, tmp_path: Path, on_onnxruntime: Runner) -> None:
    """Its loader knows models by their input, (batch, 3, 112, 112), and feeds (p - 127.5) / 127.5 instead of / 128."""
    model_zoo = pytest.importorskip("insightface.model_zoo", reason="the extra [insightface] is not installed")
    source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    graph = embedder_graph(read_keras_h5(source.read_bytes(), "official"))
    path = tmp_path / "face.onnx"
    path.write_bytes(write_onnx(graph, "test", layout="NCHW"))
    model = model_zoo.get_model(str(path), providers=["CPUExecutionProvider"])
    assert type(model).__name__ == "ArcFaceONNX"
    assert (model.input_mean, model.input_std, tuple(model.input_size)) == (127.5, 127.5, (112, 112))
    crops = RANDOM.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    theirs = model.get_feat([np.ascontiguousarray(crop[..., ::-1]) for crop in crops])
    reference = write_onnx(graph, "test")
    same_input = on_onnxruntime(reference, (crops - 127.5) / 127.5)["embedding"]
    np.testing.assert_allclose(theirs, same_input, rtol=0, atol=1e-4)
    ours = on_onnxruntime(reference, (crops - 127.5) / 128)["embedding"]
    cosines = (theirs * ours).sum(axis=1) / np.linalg.norm(theirs, axis=1) / np.linalg.norm(ours, axis=1)
    assert cosines.min() > 0.9999

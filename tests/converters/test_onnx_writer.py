"""Written files compute on ONNX Runtime what the interpreter computes, operator by operator."""

from __future__ import annotations

from collections.abc import Callable

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
from ghostface_edge.converters.onnx_writer import IR_VERSION, OPSET, write_onnx
from ghostface_edge.errors import ConversionError

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

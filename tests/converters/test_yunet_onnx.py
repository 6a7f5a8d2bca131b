"""The YuNet reader: equal to the file on ONNX Runtime, and picky about what it accepts."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.yunet_onnx import read_yunet_onnx
from ghostface_edge.errors import CheckpointError, UnsupportedLayerError

onnx = pytest.importorskip("onnx")
Runner = Callable[..., "dict[str, np.ndarray]"]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_the_file_before_its_tail(seed: int, yunet_like: ModuleType, on_onnxruntime: Runner) -> None:
    data = yunet_like.yunet(seed=seed).SerializeToString()
    graph = read_yunet_onnx(data, "yunet")
    bgr = np.random.default_rng(seed).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    expected = on_onnxruntime(data, bgr.transpose(0, 3, 1, 2))
    result = interpret(graph, bgr)
    assert sorted(graph.outputs) == sorted(expected)
    for name, reference in expected.items():
        flat = result[name].reshape(1, -1, reference.shape[-1])
        flat = sigmoid(flat) if name.startswith(("cls", "obj")) else flat
        np.testing.assert_allclose(flat, reference, rtol=0, atol=1e-5 * np.abs(reference).max())


def find(model: Any, kind: str) -> Any:
    return next(node for node in model.graph.node if node.op_type == kind)


def attribute(kind: str, name: str, value: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        node = find(model, kind)
        kept = [item for item in node.attribute if item.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])

    return change


def kind(old: str, new: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        find(model, old).op_type = new

    return change


def constant(number: int, array: np.ndarray) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        tensor = model.graph.initializer[number]
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))

    return change


def truncated_weights(model: Any) -> None:
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]


def external_weights(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def two_inputs(model: Any) -> None:
    model.graph.input.add().CopyFrom(onnx.helper.make_tensor_value_info("other", 1, [1]))


def no_output(model: Any) -> None:
    del model.graph.output[0]


def unfed(model: Any) -> None:
    find(model, "Relu").input[0] = "nowhere"


def constant_lost(model: Any) -> None:
    find(model, "Conv").input[1] = "nowhere"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (kind("Relu", "Elu"), UnsupportedLayerError, r"node 'Relu_1' \(Elu, node 2 of \d+, inputs: tensor0\) is not"),
        (kind("Sigmoid", "Tanh"), CheckpointError, "does not end in Sigmoid, so it is not YuNet"),
        (kind("Transpose", "Identity"), CheckpointError, "does not end in Transpose"),
        (no_output, CheckpointError, "no output 'cls_8', so it is not YuNet"),
        (two_inputs, CheckpointError, "2 inputs instead of 1"),
        (unfed, UnsupportedLayerError, "takes a tensor that no earlier node makes"),
        (constant_lost, UnsupportedLayerError, "no earlier node makes, 'nowhere'"),
        (truncated_weights, CheckpointError, "cannot be read"),
        (external_weights, CheckpointError, "tensors in other files"),
        (attribute("Conv", "group", 3), UnsupportedLayerError, "group=3"),
        (attribute("Conv", "dilations", [2, 2]), UnsupportedLayerError, "dilations"),
        (attribute("Conv", "strides", [0, 0]), UnsupportedLayerError, "no 2 sizes"),
        (attribute("Conv", "pads", [1, 1, 1, -1]), UnsupportedLayerError, "no 4 sizes"),
        (attribute("Conv", "auto_pad", "SAME_UPPER"), UnsupportedLayerError, "auto_pad='SAME_UPPER' with pads"),
        (attribute("Conv", "fused", 1), UnsupportedLayerError, "fused=1, which is not supported"),
        (attribute("MaxPool", "strides", [1, 1]), UnsupportedLayerError, "side by side"),
        (attribute("MaxPool", "storage_order", 1), UnsupportedLayerError, "storage_order=1"),
        (attribute("Resize", "mode", "linear"), UnsupportedLayerError, "mode='linear'"),
        (constant(0, np.full((6, 3, 3, 3), np.nan, np.float32)), CheckpointError, "finite float32"),
        (constant(0, np.ones((6, 3, 3, 3), np.int64)), CheckpointError, "finite float32"),
        (constant(1, np.ones(5, np.float32)), UnsupportedLayerError, "5 bias values for 6 channels"),
        (constant(0, np.ones((6, 4, 3, 3), np.float32)), CheckpointError, "wants 4 channels, its input has 3"),
    ],
)
def test_what_is_not_yunet_is_refused(
    change: Callable[[Any], None], error: type[Exception], message: str, yunet_like: ModuleType
) -> None:
    model = yunet_like.yunet()
    change(model)
    with pytest.raises(error, match=f"^model.onnx.*{message}"):
        read_yunet_onnx(model.SerializeToString(), "model.onnx")


def test_a_factor_other_than_two_is_refused(yunet_like: ModuleType) -> None:
    model = yunet_like.yunet()
    name = find(model, "Resize").input[2]
    number = [tensor.name for tensor in model.graph.initializer].index(name)
    constant(number, np.array([1, 1, 3, 3], np.float32))(model)
    with pytest.raises(UnsupportedLayerError, match="does not double"):
        read_yunet_onnx(model.SerializeToString(), "model.onnx")


@pytest.mark.parametrize("data", [b"", b"\x08", b"\xff" * 64, b"nonsense", bytes(100)])
def test_what_is_no_onnx_file_is_refused(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        read_yunet_onnx(data, "model.onnx")

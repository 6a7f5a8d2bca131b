"""What the layers of GhostFaceNetV2, and others outside V1, become; expected numbers are computed with NumPy alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ghostface_edge.converters.graph import AveragePool, Conv, GlobalAveragePool, Graph, ResizeBilinear
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_config import read_config
from ghostface_edge.converters.keras_h5 import read_h5
from ghostface_edge.converters.keras_zip import read_keras_zip
from ghostface_edge.errors import CheckpointError, UnsupportedLayerError

pytest.importorskip("h5py")

ZEROS = {"padding": [[1, 1], [1, 1]], "data_format": "channels_last"}
POOL = {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid", "data_format": "channels_last"}
RESIZING = {"height": 9, "width": 7, "interpolation": "bilinear", "crop_to_aspect_ratio": False}


class Small:
    """Builds a network of a picture of 6 x 6 and a few layers."""

    def __init__(self, keras2: ModuleType, keras3: ModuleType, folder: Path) -> None:
        self.model = keras2.Keras2Model()
        self.keras3 = keras3
        self.folder = folder
        self.model.layer("InputLayer", [], {"batch_input_shape": [None, 6, 6, 3]}, name="image")

    def add(self, kind: str, source: str | list[str], config: dict[str, Any], **weights: np.ndarray) -> str:
        sources = [source] if isinstance(source, str) else source
        return str(self.model.layer(kind, sources, config, weights, name=f"layer{len(self.model.layers)}"))

    def function(self, name: str, source: str, kind: str = "TFOpLambda", **arguments: Any) -> str:
        layer = self.add(kind, source, {"function": name})
        self.model.layers[-1]["inbound_nodes"] = [[source, 0, 0, arguments]]
        return layer

    def conv(self, source: str, channels: int, filters: int, kernel: int = 1, **config: Any) -> str:
        return str(self.model.conv(source, channels, filters, kernel, name=f"layer{len(self.model.layers)}", **config))

    def read(self, output: str | None = None) -> Graph:
        output = output or self.model.layers[-1]["name"]
        return read_h5(self.model.save(self.folder / "m.h5", output).read_bytes(), "m.h5").graph

    def read_3(self, edit: Any = lambda layers: None) -> Graph:
        """As a Keras 3 archive."""
        config = self.keras3.description(self.model, self.model.layers[-1]["name"])
        edit(config["config"]["layers"])
        path = self.keras3.save_keras(self.model, self.folder / "m.keras", config=config)
        return read_keras_zip(path.read_bytes(), "m.keras").graph


@pytest.fixture
def small(keras2: ModuleType, keras3: ModuleType, tmp_path: Path) -> Small:
    return Small(keras2, keras3, tmp_path)


def run(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3))
    return x, interpret(graph, x)["embedding"]


# -- padding


def test_zero_padding_becomes_the_pads_of_each_convolution_behind_it(small: Small) -> None:
    padded = small.add("ZeroPadding2D", "image", {"padding": [[2, 1], [0, 3]]})
    a = small.conv(padded, 3, 4, 3, padding="valid", strides=[2, 2])
    b = small.conv(padded, 3, 4, 3, padding="valid", strides=[2, 2])
    small.add("Flatten", small.add("Add", [a, b], {}), {})
    graph = small.read()
    convs = [node for node in graph.nodes if isinstance(node, Conv)]
    assert [node.pads for node in convs] == [(2, 0, 1, 3)] * 2
    assert {node.inputs for node in convs} == {("input",)}
    x, found = run(graph)
    wide = np.pad(x, ((0, 0), (2, 1), (0, 3), (0, 0)))
    kernel = sum(node.kernel.astype(np.float64) for node in convs)
    windows = [[wide[:, i : i + 3, j : j + 3] for j in (0, 2, 4, 6)] for i in (0, 2, 4, 6)]
    expected = np.stack([np.stack([np.einsum("nijk,ijkl->nl", w, kernel) for w in row], 1) for row in windows], 1)
    np.testing.assert_allclose(found, expected.reshape(2, -1), rtol=1e-10)


def test_zero_padding_elsewhere_is_refused(small: Small) -> None:
    padded = small.add("ZeroPadding2D", "image", ZEROS)
    small.add("Flatten", padded, {})
    with pytest.raises(UnsupportedLayerError, match=r"'layer2' \(Flatten.* takes the zeros of 'layer1'; padding is"):
        small.read()
    small.conv(padded, 3, 2, padding="same")
    with pytest.raises(UnsupportedLayerError, match="takes the zeros of 'layer1'"):
        small.read()
    with pytest.raises(CheckpointError, match="its output 'layer1' is no vector, but a padding or a size"):
        small.read("layer1")


@pytest.mark.parametrize("padding", [None, 1, [1, 1], [[1, 1], [1]], [[1, 1], [1, -1]], [[1, 1], [1, 64]], []])
def test_paddings_that_make_no_sense(padding: Any, small: Small) -> None:
    small.conv(small.add("ZeroPadding2D", "image", {"padding": padding}), 3, 2, padding="valid")
    with pytest.raises(CheckpointError, match="which is no two pairs of rows and columns"):
        small.read()


# -- attention


def attention(small: Small) -> str:
    """The branch of GhostFaceNetV2: half the size, then back to that of the picture, by TensorFlow's functions."""
    size = small.function("__operators__.getitem", small.function("compat.v1.shape", "image", out_type="int32"))
    small.model.layers[-1]["class_name"] = "SlicingOpLambda"
    small.model.layers[-1]["inbound_nodes"][0][3]["slice_spec"] = {"start": 1, "stop": -1, "step": None}
    half = small.add("AveragePooling2D", "image", POOL)
    return small.function("image.resize", half, size=[size, 0, 0], antialias=False, method="bilinear")


def test_resizing_to_the_size_of_another_tensor(small: Small) -> None:
    small.add("Flatten", small.add("Multiply", [attention(small), "image"], {}), {})
    graph = small.read()
    kinds = [type(node).__name__ for node in graph.nodes]
    assert kinds == ["Input", "AveragePool", "ResizeBilinear", "Mul", "Flatten"]
    resize = next(node for node in graph.nodes if isinstance(node, ResizeBilinear))
    assert (resize.height, resize.width) == (6, 6)
    x, found = run(graph)
    half = x.reshape(2, 3, 2, 3, 2, 3).mean(axis=(2, 4))
    # 3 to 6 with half-pixel centres: at -0.25, 0.25, 0.75, ... of the small picture
    weights = np.array([[1, 0, 0], [0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0.75, 0.25], [0, 0.25, 0.75], [0, 0, 1]])
    expected = np.einsum("ij,njkc,lk->nilc", weights, half, weights) * x
    np.testing.assert_allclose(found, expected.reshape(2, -1), rtol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [{"size": [9, 7]}, {"size": [9, 7], "method": "bilinear", "antialias": False, "preserve_aspect_ratio": False}],
)
def test_resizing_to_fixed_sizes(arguments: dict[str, Any], small: Small) -> None:
    small.add("Flatten", small.function("image.resize", "image", **arguments), {})
    graph = small.read()
    assert graph.shapes()["layer1"] == (9, 7, 3)
    other = Small.__new__(Small)
    other.__dict__.update(small.__dict__, model=type(small.model)())
    other.model.layer("InputLayer", [], {"batch_input_shape": [None, 6, 6, 3]}, name="image")
    other.add("Flatten", other.add("Resizing", "image", RESIZING), {})
    np.testing.assert_array_equal(run(other.read())[1], run(graph)[1])


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("image.resize", {"size": [9, 7], "method": "nearest"}, "calls 'image.resize' with .*method='bilinear'"),
        ("image.resize", {"size": [9, 7], "antialias": True}, "calls 'image.resize' with"),
        ("image.resize", {"size": [9]}, "resizes to"),
        ("image.resize", {"size": [9, 4000]}, "resizes to"),
        ("image.resize", {"size": ["image", 0, 0]}, "resizes to None"),
        ("image.resize", {}, "resizes to None"),
        ("math.reduce_mean", {"axis": [1]}, "takes a mean with"),
        ("math.reduce_mean", {"axis": [1, 2], "keepdims": True, "reduction_indices": 1}, "takes a mean"),
        ("math.exp", {}, "calls 'math.exp' with {}, which is not supported"),
        ("compat.v1.shape", {"optimize": False}, "calls 'compat.v1.shape'"),
        ("image.resize", {"size": ["image", 1, 0]}, "output of a shared layer"),
    ],
)
def test_functions_that_are_refused(name: str, arguments: dict[str, Any], message: str, small: Small) -> None:
    small.add("Flatten", small.function(name, "image", **arguments), {})
    with pytest.raises(
        UnsupportedLayerError, match=rf"'layer1' \(TFOpLambda, layer 2 of 3, inputs: image\) .*{message}"
    ):
        small.read()


@pytest.mark.parametrize(
    "spec", [None, 3, {"start": "1"}, {"start": 1, "stop": -1, "step": 0}, [{"start": 1}, {"start": 1}]]
)
def test_slices_that_are_refused(spec: Any, small: Small) -> None:
    attention(small)
    small.model.layers[2]["inbound_nodes"][0][3]["slice_spec"] = spec
    small.add("Flatten", "layer4", {})
    with pytest.raises(UnsupportedLayerError, match="only parts of a shape are supported"):
        small.read()


def test_a_slice_of_a_tensor_and_a_size_as_a_tensor_are_refused(small: Small) -> None:
    small.function("__operators__.getitem", "image", "SlicingOpLambda", slice_spec={"start": 1})
    with pytest.raises(UnsupportedLayerError, match="of a tensor; only parts of a shape"):
        small.read()
    small.add("Flatten", small.function("compat.v1.shape", "image"), {})
    with pytest.raises(UnsupportedLayerError, match="takes 'layer2', which is a size"):
        small.read()


def test_a_mean_over_the_picture_is_pooling(small: Small) -> None:
    mean = small.function("math.reduce_mean", "image", axis=[1, 2], keepdims=True)
    small.add("Flatten", small.add("Multiply", ["image", mean], {}), {})
    graph = small.read()
    assert isinstance(graph.nodes[1], GlobalAveragePool)
    x, found = run(graph)
    np.testing.assert_allclose(found, (x * x.mean(axis=(1, 2), keepdims=True)).reshape(2, -1), rtol=1e-12)


def operations(layers: list[dict[str, Any]]) -> None:
    """What Keras 3 makes of its own functions: operations, which are no layers."""
    for layer in layers:
        if layer["class_name"] in ("Mean", "Resize"):
            layer["module"] = "keras.src.ops.numpy"
            layer["registered_name"] = layer["class_name"]
            layer["config"].pop("dtype")
            layer["config"].pop("trainable")


def test_operations_of_keras_3(small: Small) -> None:
    mean = small.add("Mean", "image", {"axis": [1, 2], "keepdims": True})
    size = {"size": [6, 6], "interpolation": "bilinear", "antialias": False, "crop_to_aspect_ratio": False}
    half = small.add("AveragePooling2D", "image", POOL)
    back = small.add("Resize", half, {**size, "pad_to_aspect_ratio": False, "data_format": None})
    small.add("Flatten", small.add("Multiply", [small.add("Multiply", [back, "image"], {}), mean], {}), {})
    graph = small.read_3(operations)
    x, found = run(graph)
    tensors = interpret(graph, x)
    expected = tensors[back] * x * x.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, expected.reshape(2, -1), rtol=1e-12)


@pytest.mark.parametrize("setting", [{"interpolation": "nearest"}, {"crop_to_aspect_ratio": True}, {"antialias": True}])
def test_resizing_with_other_settings_is_refused(setting: dict[str, Any], small: Small) -> None:
    small.add("Flatten", small.add("Resizing", "image", {**RESIZING, **setting}), {})
    with pytest.raises(UnsupportedLayerError, match=f"has {next(iter(setting))}="):
        small.read()


# -- pooling, activations, the end


def test_average_pooling(small: Small) -> None:
    small.add("Flatten", small.add("AveragePooling2D", "image", {**POOL, "padding": "same"}), {})  # pads nothing: 6 / 2
    graph = small.read()
    assert isinstance(graph.nodes[1], AveragePool)
    x, found = run(graph)
    np.testing.assert_allclose(found, x.reshape(2, 3, 2, 3, 2, 3).mean(axis=(2, 4)).reshape(2, -1), rtol=1e-12)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"strides": [1, 1]}, "squares that do not overlap"),
        ({"pool_size": [2, 3], "strides": [2, 3]}, "squares that do not overlap"),
        ({"pool_size": [4, 4], "strides": [4, 4], "padding": "same"}, "padding='same', and only 'valid'"),
    ],
)
def test_pooling_that_is_refused(setting: dict[str, Any], message: str, small: Small) -> None:
    small.add("Flatten", small.add("AveragePooling2D", "image", {**POOL, **setting}), {})
    with pytest.raises(UnsupportedLayerError, match=message):
        small.read()


@pytest.mark.parametrize(
    ("kind", "config"), [("ReLU", {"max_value": 6.0, "negative_slope": 0.0}), ("Activation", {"activation": "relu6"})]
)
def test_relu6(kind: str, config: dict[str, Any], small: Small) -> None:
    conv = small.conv("image", 3, 4)
    small.model.weights[conv]["kernel"] *= 9
    small.add("Flatten", small.add(kind, conv, config), {})
    x, found = run(small.read())
    expected = np.clip(x @ small.model.weights[conv]["kernel"][0, 0].astype(np.float64), 0, 6).reshape(2, -1)
    assert (expected == 6).any()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "activation",
    [
        "kecamCommon>hard_sigmoid_torch",
        {"module": "builtins", "class_name": "function", "config": "hard_sigmoid_torch", "registered_name": "function"},
    ],
)
def test_hard_sigmoid_torch_is_that_of_pytorch_in_either_keras(activation: Any, small: Small) -> None:
    small.add("Flatten", small.add("Activation", "image", {"activation": activation}), {})
    for graph in (small.read(), small.read_3()):
        x, found = run(graph)
        np.testing.assert_allclose(found, np.clip(x / 6 + 0.5, 0, 1).reshape(2, -1), rtol=1e-12)


@pytest.mark.parametrize("activation", ["mine>hard_sigmoid_torch", "hard_swish", "kecamCommon>mish"])
def test_other_registered_functions_are_refused_by_name(activation: str, small: Small) -> None:
    small.add("Flatten", small.add("Activation", "image", {"activation": activation}), {})
    with pytest.raises(UnsupportedLayerError, match=f"has the activation '{activation}'; supported"):
        small.read()


@pytest.mark.parametrize("last", ["pool", "pixel", "reshape"])
def test_a_backbone_that_ends_in_a_single_pixel(last: str, small: Small) -> None:
    """Keras calls the first a vector, too."""
    end = small.add("GlobalAveragePooling2D", "image", {})
    if last == "pixel":
        end = small.add("Reshape", end, {"target_shape": [1, 1, 3]})
    if last == "reshape":
        end = small.add("Reshape", end, {"target_shape": [-1]})
    graph = small.read()
    assert graph.shapes()["embedding"] == (3,)
    x, found = run(graph)
    np.testing.assert_allclose(found, x.mean(axis=(1, 2)), rtol=1e-12)


def test_normalising_a_pooled_vector(small: Small) -> None:
    """Keras counts the channels of a vector as axis 1."""
    pooled = small.add("GlobalAveragePooling2D", "image", {})
    small.model.norm(pooled, 3, axis=1, name="norm")
    graph = small.read()
    weights = {key: value.astype(np.float64) for key, value in small.model.weights["norm"].items()}
    x, found = run(graph)
    deviation = np.sqrt(weights["moving_variance"] + 1e-5)
    expected = (x.mean(axis=(1, 2)) - weights["moving_mean"]) / deviation * weights["gamma"] + weights["beta"]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_long_chain_is_walked_in_good_time() -> None:
    count = 50_000
    layers: list[dict[str, Any]] = [{"class_name": "Dropout", "config": {"name": "0"}, "inbound_nodes": []}]
    for number in range(1, count):
        call = [[[str(number - 1), 0, 0, {}]]]
        layers.append({"class_name": "Dropout", "config": {"name": str(number)}, "inbound_nodes": call})
    config = {"layers": layers, "output_layers": [[str(count - 1), 0, 0]]}
    start = time.perf_counter()
    needed = read_config(json.dumps({"class_name": "Model", "config": config}), "config").needed()
    assert [layer.name for layer in needed] == [str(number) for number in range(count)]
    assert time.perf_counter() - start < 20

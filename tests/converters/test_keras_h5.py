"""The Keras 2 reader: what it translates, and how it refuses what it cannot."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ghostface_edge.converters.graph import BatchNorm, Conv, Graph, HardSigmoid, PRelu, Relu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.errors import CheckpointError, UnsupportedLayerError

h5py = pytest.importorskip("h5py")


def read(path: Path) -> Graph:
    return read_keras_h5(path.read_bytes(), path.name)


def of(graph: Graph, kind: type) -> list[Any]:
    return [node for node in graph.nodes if isinstance(node, kind)]


@pytest.mark.parametrize(
    ("width", "stride", "parameters", "macs"),
    [
        # TensorFlow's own count of these networks, and convolution MACs from its profiler
        (0.5, 2, 722_364, 10.72),
        (0.5, 1, 730_812, 38.69),
        (1.0, 2, 2_496_336, 36.70),
        (1.0, 1, 2_513_232, 131.48),
        (1.3, 2, 4_066_388, 59.32),
        (1.3, 1, 4_088_300, 211.91),
        (2.0, 2, 9_203_344, 134.47),
        (2.0, 1, 9_237_136, 479.34),
    ],
)
def test_every_width_and_stride(
    width: float, stride: int, parameters: int, macs: float, keras2: ModuleType, tmp_path: Path
) -> None:
    model = keras2.ghostface(size=112, width=width, stride=stride, embedding=512)
    graph = read(model.save(tmp_path / "model.h5", "embedding"))
    assert graph.outputs == ("embedding",)
    assert graph.shapes()["embedding"] == (512,)
    assert graph.parameters() == parameters
    assert graph.macs() / 1e6 == pytest.approx(macs, abs=0.005)


def test_the_stem_reads_the_pixels_that_tensorflow_reads(keras2: ModuleType, tmp_path: Path) -> None:
    """SAME at stride 2 on an even size pads below and to the right only."""
    graph = read(keras2.ghostface(blocks=[0, 1]).save(tmp_path / "m.h5", "embedding"))
    stem = of(graph, Conv)[0]
    assert stem.pads == (0, 0, 1, 1)
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3))
    corner = np.einsum("ijk,ijkl->l", x[0, :3, :3], stem.kernel.astype(np.float64))
    np.testing.assert_allclose(interpret(graph, x)[stem.name][0, 0, 0], corner, rtol=1e-12)


def test_hard_sigmoid_is_that_of_keras_2(small_checkpoint: Path) -> None:
    gates = of(read(small_checkpoint), HardSigmoid)
    assert [(gate.slope, gate.offset) for gate in gates] == [(0.2, 0.5)]


def test_weights_are_those_of_the_file(small_checkpoint: Path) -> None:
    graph = read(small_checkpoint)
    with h5py.File(small_checkpoint) as file:
        weights = file["model_weights"]
        total = 0
        for name in weights:
            arrays = {key[:-2]: np.array(value) for key, value in weights[name].get(name, {}).items()}
            total += sum(array.size for array in arrays.values())
            # The last node has the name of the output.
            node = graph.by_name().get({"pre_embedding": "embedding", "embedding": ""}.get(name, name))
            if isinstance(node, PRelu):
                np.testing.assert_array_equal(node.slope, arrays["alpha"].ravel())
            elif isinstance(node, BatchNorm):
                stored = [arrays[key] for key in ("gamma", "beta", "moving_mean", "moving_variance")]
                for mine, theirs in zip((node.gamma, node.beta, node.mean, node.variance), stored):
                    np.testing.assert_array_equal(mine, theirs)
            elif isinstance(node, Conv):
                np.testing.assert_array_equal(node.kernel, arrays["depthwise_kernel" if node.depthwise else "kernel"])
    assert graph.parameters() == total


@pytest.mark.parametrize("activation", ["relu", "relu layer"])
def test_relu_in_both_forms(activation: str, keras2: ModuleType, tmp_path: Path) -> None:
    graph = read(keras2.ghostface(blocks=[0, 3], activation=activation).save(tmp_path / "m.h5", "embedding"))
    # the stem, two in each ghost module of two bottlenecks, one in squeeze-and-excite, one before the head
    assert len(of(graph, Relu)) == 1 + 4 + 1 + 1
    assert not of(graph, PRelu)


def outputs(model: Any, path: Path) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3))
    return interpret(read(model.save(path, "embedding")), x)["embedding"]


@pytest.mark.parametrize("options", [{"dropout": True}, {"dtype": "float32"}, {"dtype": "mixed_float16"}])
def test_what_concerns_training_changes_nothing(options: dict[str, Any], keras2: ModuleType, tmp_path: Path) -> None:
    plain = outputs(keras2.ghostface(blocks=[0]), tmp_path / "a.h5")
    np.testing.assert_array_equal(outputs(keras2.ghostface(blocks=[0], **options), tmp_path / "b.h5"), plain)


def test_bias_and_missing_scale_of_the_head(keras2: ModuleType, tmp_path: Path) -> None:
    graph = read(keras2.ghostface(blocks=[0], head_bias=True, scale=False).save(tmp_path / "m.h5", "embedding"))
    assert of(graph, Conv)[-1].bias is not None
    np.testing.assert_array_equal(of(graph, BatchNorm)[-1].gamma, np.ones(16))


def test_a_training_head_is_cut_off_and_said_so(
    keras2: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = outputs(keras2.ghostface(blocks=[0]), tmp_path / "a.h5")
    model = keras2.ghostface(blocks=[0])
    model.layer("NormDense", ["embedding"], {"units": 85742}, {"kernel": np.zeros((16, 3))}, name="arcface")
    with caplog.at_level(logging.INFO, "ghostface_edge"):
        cut = outputs(model, tmp_path / "b.h5")
    np.testing.assert_array_equal(cut, plain)
    assert "arcface" in caplog.text


def test_a_model_without_the_usual_name_ends_at_its_only_output(keras2: ModuleType, tmp_path: Path) -> None:
    model = keras2.ghostface(blocks=[0])
    model.layers.pop()
    graph = read(model.save(tmp_path / "m.h5", "pre_embedding"))
    assert graph.outputs == ("embedding",)
    assert graph.nodes[-1].name == "embedding"


def test_layers_are_put_in_order(keras2: ModuleType, tmp_path: Path) -> None:
    model = keras2.ghostface(blocks=[0])
    plain = outputs(model, tmp_path / "a.h5")
    model.layers.reverse()
    np.testing.assert_array_equal(outputs(model, tmp_path / "b.h5"), plain)


def test_an_activation_inside_a_convolution(keras2: ModuleType, tmp_path: Path) -> None:
    model = keras2.ghostface(blocks=[0])
    model.layers[1]["config"]["activation"] = "sigmoid"
    graph = read(model.save(tmp_path / "m.h5", "embedding"))
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3))
    tensors = interpret(graph, x)
    stem = tensors["conv2d_0"]
    np.testing.assert_allclose(tensors["conv2d_0/activation"], 1 / (1 + np.exp(-stem)), rtol=1e-12)
    assert graph["batchnormalization_0"].inputs == ("conv2d_0/activation",)


# -- refusals


@pytest.mark.parametrize("kind", ["Lambda", "TFOpLambda", "MyAttention", "Dense", "Functional"])
def test_an_unknown_layer_is_named_with_class_position_and_inputs(
    kind: str, keras2: ModuleType, tmp_path: Path
) -> None:
    model = keras2.ghostface(blocks=[0])
    model.layers[2]["class_name"] = kind
    message = rf"m.h5: layer 'batchnormalization_0' \({kind}, layer 3 of 26, inputs: conv2d_0\).* not supported"
    with pytest.raises(UnsupportedLayerError, match=message):
        read(model.save(tmp_path / "m.h5", "embedding"))


@pytest.mark.parametrize(
    ("position", "config", "message"),
    [
        (1, {"data_format": "channels_first"}, "data_format='channels_first', and only 'channels_last'"),
        (1, {"dilation_rate": [2, 2]}, "dilation_rate"),
        (1, {"groups": 2}, "groups=2"),
        (1, {"padding": "causal"}, "padding='causal'"),
        (1, {"activation": "swish"}, "activation 'swish'"),
        (1, {"activation": {"class_name": "Lambda"}}, "activation function of its own"),
        (2, {"axis": [1]}, "normalises axis"),
        (3, {"shared_axes": [1]}, "shared_axes"),
        (-2, {"axis": [3]}, "normalises axis"),
    ],
)
def test_settings_that_are_not_supported(
    position: int, config: dict[str, Any], message: str, keras2: ModuleType, tmp_path: Path
) -> None:
    model = keras2.ghostface(blocks=[0])
    model.layers[position]["config"].update(config)
    with pytest.raises(UnsupportedLayerError, match=message):
        read(model.save(tmp_path / "m.h5", "embedding"))


@pytest.mark.parametrize(
    ("position", "config", "message"),
    [
        (0, {"batch_input_shape": [None, None, None, 3]}, "must be fixed"),
        (0, {"batch_input_shape": [None, 32, 32, 1]}, "no RGB picture"),
        (0, {"batch_input_shape": [None, 10**9, 10**9, 3]}, "must be fixed, up to 1024"),
        (1, {"kernel_size": [3, 0]}, "no pair of sizes"),
        (1, {"strides": "2"}, "no pair of sizes"),
        (1, {"filters": -1}, "no number of channels"),
        (1, {"filters": 5}, r"kernel of shape \(3, 3, 3, 4\) where its place in the network wants \(3, 3, 3, 5\)"),
        (1, {"use_bias": True}, "0 weights named 'bias'"),
        (2, {"epsilon": "small"}, "epsilon='small'"),
    ],
)
def test_settings_that_make_no_sense(
    position: int, config: dict[str, Any], message: str, keras2: ModuleType, tmp_path: Path
) -> None:
    model = keras2.ghostface(blocks=[0])
    model.layers[position]["config"].update(config)
    with pytest.raises(CheckpointError, match=message):
        read(model.save(tmp_path / "m.h5", "embedding"))


def test_a_negative_variance_is_refused(keras2: ModuleType, tmp_path: Path) -> None:
    model = keras2.ghostface(blocks=[0])
    model.weights["batchnormalization_0"]["moving_variance"][0] = -1
    with pytest.raises(CheckpointError, match="moving_variance that is negative"):
        read(model.save(tmp_path / "m.h5", "embedding"))


@pytest.mark.parametrize(
    ("calls", "error", "message"),
    [
        ([[["conv2d_0", 0, 0, {}]], [["conv2d_0", 0, 0, {}]]], UnsupportedLayerError, "used 2 times"),
        ([[["conv2d_0", 1, 0, {}]]], UnsupportedLayerError, "shared layer"),
        ([[["conv2d_0", 0, 0, {"training": True}]]], UnsupportedLayerError, "keyword arguments"),
        ([3], UnsupportedLayerError, "form that is not supported"),
        ([[["nowhere", 0, 0, {}]]], CheckpointError, "takes 'nowhere', which is missing"),
        ([[["prelu_0", 0, 0, {}]]], CheckpointError, "which is missing or depends on it"),
        ([[["conv2d_0", 0, 0, {}], ["conv2d_0", 0, 0, {}]]], CheckpointError, "2 inputs instead of 1"),
        ([], CheckpointError, "0 inputs instead of 1"),
    ],
)
def test_calls_that_are_not_plain(
    calls: list[Any], error: type[Exception], message: str, keras2: ModuleType, tmp_path: Path
) -> None:
    model = keras2.ghostface(blocks=[0])
    model.layers[2]["inbound_nodes"] = calls
    with pytest.raises(error, match=message):
        read(model.save(tmp_path / "m.h5", "embedding"))


def edited(path: Path, edit: Callable[[h5py.File], None]) -> Path:
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


@pytest.fixture
def checkpoint(keras2: ModuleType, tmp_path: Path) -> Path:
    return keras2.ghostface(blocks=[0]).save(tmp_path / "m.h5", "embedding")


def without_weights(file: h5py.File) -> None:
    del file["model_weights/conv2d_0/conv2d_0"]


def with_scope(file: h5py.File) -> None:
    file.move("model_weights/conv2d_0/conv2d_0", "model_weights/conv2d_0/conv2d_0_1")


def twice(file: h5py.File) -> None:
    file.copy("model_weights/conv2d_0/conv2d_0", "model_weights/conv2d_0/copy")


def test_weights_are_found_in_any_scope_but_once(checkpoint: Path) -> None:
    before = read(checkpoint)
    after = read(edited(checkpoint, with_scope))
    np.testing.assert_array_equal(of(after, Conv)[0].kernel, of(before, Conv)[0].kernel)
    with pytest.raises(CheckpointError, match="0 weights named 'kernel'"):
        read(edited(checkpoint, lambda file: file.move("model_weights/conv2d_0", "model_weights/other")))


def test_missing_and_ambiguous_weights(checkpoint: Path) -> None:
    edited(checkpoint, twice)
    with pytest.raises(CheckpointError, match=r"m.h5: layer 'conv2d_0' .* has 2 weights named 'kernel'"):
        read(checkpoint)
    with pytest.raises(CheckpointError, match="0 weights named 'kernel'"):
        read(edited(edited(checkpoint, without_weights), lambda file: file.pop("model_weights/conv2d_0/copy")))


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("keras_version", "1.2.0", "written by Keras 1.2.0; files of Keras 2 and Keras 3"),
        ("model_config", "{", "not JSON"),
        ("model_config", "[" * 100_000, "not JSON"),
        ("model_config", "[]", "no functional Keras model"),
        ("model_config", json.dumps({"class_name": "Sequential", "config": {"layers": []}}), "no functional"),
        ("model_config", json.dumps({"class_name": "Functional", "config": {"layers": []}}), "lists no layers"),
        (
            "model_config",
            json.dumps({"class_name": "Functional", "config": {"layers": [3]}}),
            "layer 1 of 1 has no config",
        ),
        (
            "model_config",
            json.dumps({"class_name": "Functional", "config": {"layers": [{"config": {}}]}}),
            "has no name, class or inputs",
        ),
    ],
)
def test_descriptions_that_are_no_keras_2_model(attribute: str, value: str, message: str, checkpoint: Path) -> None:
    def edit(file: h5py.File) -> None:
        file.attrs[attribute] = value

    with pytest.raises(CheckpointError, match=message):
        read(edited(checkpoint, edit))


def test_a_file_of_weights_only_is_said_to_be_one(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="a file of weights only"):
        read(edited(checkpoint, lambda file: file.attrs.pop("model_config")))


def test_two_outputs_and_two_layers_of_one_name(keras2: ModuleType, tmp_path: Path) -> None:
    model = keras2.ghostface(blocks=[0])
    model.layers.append(model.layers[2])
    with pytest.raises(CheckpointError, match="two layers are named"):
        read(model.save(tmp_path / "m.h5", "embedding"))
    model = keras2.ghostface(blocks=[0])
    model.layers.pop()
    with pytest.raises(CheckpointError, match="no layer 'embedding' and no single output"):
        read(model.save(tmp_path / "m.h5", "nowhere"))


def test_an_output_that_is_a_map_is_refused(keras2: ModuleType, tmp_path: Path) -> None:
    model = keras2.ghostface(blocks=[0])
    model.layers[-1]["inbound_nodes"] = [[["add_0", 0, 0, {}]]]
    message = r"its output 'embedding' is no vector, but a map of 16 x 16 x 4. End the network with .*GlobalAverage"
    with pytest.raises(CheckpointError, match=message):
        read(model.save(tmp_path / "m.h5", "embedding"))


def small_head(keras2: ModuleType, *layers: tuple[str, list[str], dict[str, Any]]) -> Any:
    """A picture of 4 x 4 and these layers."""
    model = keras2.Keras2Model()
    model.layer("InputLayer", [], {"batch_input_shape": [None, 4, 4, 3]}, name="image")
    for number, (kind, inputs, config) in enumerate(layers):
        model.layer(kind, inputs, config, name=f"layer{number}")
    return model


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([("Reshape", ["image"], {"target_shape": [48]})], UnsupportedLayerError, "no reshape of a pooled vector"),
        ([("Concatenate", ["image", "image"], {"axis": 1})], UnsupportedLayerError, "joins axis 1"),
        (
            [("Flatten", ["image"], {}), ("Concatenate", ["layer0", "layer0"], {"axis": -1})],
            UnsupportedLayerError,
            "joins vectors",
        ),
        (
            [("Flatten", ["image"], {}), ("Flatten", ["layer0"], {})],
            CheckpointError,
            "wants height, width and channels",
        ),
        ([("Add", ["image"], {})], CheckpointError, "differ in shape"),
        ([("Add", [], {})], CheckpointError, "differ in shape"),
        ([("InputLayer", [], {"batch_input_shape": [None, 4, 4, 3]})], CheckpointError, "is no vector"),
        (
            [("Concatenate", ["image" if i == 0 else f"layer{i - 1}"] * 2, {"axis": -1}) for i in range(30)],
            CheckpointError,
            "which is absurd",
        ),
    ],
)
def test_small_networks_that_cannot_be_translated(
    layers: list[Any], error: type[Exception], message: str, keras2: ModuleType, tmp_path: Path
) -> None:
    model = small_head(keras2, *layers)
    with pytest.raises(error, match=message):
        read(model.save(tmp_path / "m.h5", f"layer{len(layers) - 1}"))


def test_a_product_takes_its_factors_in_any_order(keras2: ModuleType, tmp_path: Path) -> None:
    layers = [
        ("GlobalAveragePooling2D", ["image"], {}),
        ("Multiply", ["layer0", "image"], {}),
        ("Flatten", ["layer1"], {}),
    ]
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3))
    graph = read(small_head(keras2, *layers).save(tmp_path / "m.h5", "layer2"))
    expected = (x * x.mean(axis=(1, 2), keepdims=True)).reshape(2, -1)
    np.testing.assert_allclose(interpret(graph, x)["embedding"], expected, rtol=1e-12)


def test_settings_are_quoted_shortly_however_deep_they_are(keras2: ModuleType, tmp_path: Path) -> None:
    model = keras2.ghostface(blocks=[0])
    model.layers[1]["config"]["padding"] = json.loads("[" * 900 + "]" * 900)
    with pytest.raises(UnsupportedLayerError, match="has padding=") as caught:
        read(model.save(tmp_path / "m.h5"))
    assert len(str(caught.value)) < 300


def test_a_layer_that_takes_the_name_of_the_input(keras2: ModuleType, tmp_path: Path) -> None:
    layers = [("Flatten", ["image"], {}), ("Activation", ["layer0"], {"activation": "relu"})]
    model = small_head(keras2, *layers)
    model.layers[1]["name"] = "input"
    model.layers[2]["inbound_nodes"] = [[["input", 0, 0, {}]]]
    model.weights["input"] = {}
    with pytest.raises(CheckpointError, match="two layers are named 'input'"):
        read(model.save(tmp_path / "m.h5", "layer1"))

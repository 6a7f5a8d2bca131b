"""Files of weights alone, laid onto a network that is named."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.checkpoint import Checkpoint
from ghostface_edge.converters.graph import Graph, HardSigmoid
from ghostface_edge.converters.keras_h5 import read_h5, read_keras_h5
from ghostface_edge.converters.weights_only import keras_order
from ghostface_edge.errors import CheckpointError, OptionError

h5py = pytest.importorskip("h5py")

NAME = "ghostfacenet-v1-0.1-2"
SECOND_AND_THIRD = [
    *("conv2d_3", "batch_normalization_5", "activation_3", "depthwise_conv2d_2", "batch_normalization_6"),
    *("activation_4", "concatenate_2", "depthwise_conv2d_3", "batch_normalization_7", "conv2d_4"),
    *("depthwise_conv2d_5", "batch_normalization_8", "batch_normalization_10", "depthwise_conv2d_4", "conv2d_5"),
    *("batch_normalization_9", "batch_normalization_11", "concatenate_3", "add_1", "conv2d_6"),
    *("batch_normalization_12", "activation_5", "depthwise_conv2d_6"),
]
"""The second bottleneck and the start of the third in ``layer_names`` of the official checkpoint."""

OFFICIAL = "GN_W0.5_S2_ArcFace_epoch16.h5"


def read(data: bytes, name: str | None = NAME, **options: Any) -> Checkpoint:
    return read_h5(data, "w.h5", architecture=name, **options)


def same_weights(a: Graph, b: Graph) -> None:
    assert len(a.nodes) == len(b.nodes)
    for mine, theirs in zip(a.nodes, b.nodes):
        for name, array in mine.weights().items():
            np.testing.assert_array_equal(array, theirs.weights()[name], err_msg=f"{mine.name} {name}")


@pytest.fixture(scope="module")
def trained() -> Graph:
    """The network with other weights than :func:`architecture` gives it by default."""
    return architecture(NAME, seed=7)


@pytest.fixture
def model(trained: Graph, keras2: ModuleType, keras3: ModuleType) -> Any:
    """Its layers in Keras' order."""
    return keras3.weights_of(trained, keras_order(trained), keras2)


def test_keras_order_is_that_of_the_official_checkpoint() -> None:
    graph = architecture("ghostfacenet-v1-0.5-2")
    order = [node.name for node in keras_order(graph)]
    start = order.index("conv2d_3")
    assert order[start : start + len(SECOND_AND_THIRD)] == SECOND_AND_THIRD
    assert order[0] == "input"
    assert order[-5:] == ["GDC_dw", "GDC_batchnorm", "GDC_conv", "GDC_flatten", "embedding"]


def without_description(data: bytes) -> bytes:
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        del file.attrs["model_config"]
    return buffer.getvalue()


def test_the_official_weights_without_their_description(shared: Path) -> None:
    """Written by Keras 2.10, in its own order; the description says where each belongs."""
    data = (shared / "models" / OFFICIAL).read_bytes()
    found = read(without_description(data), "ghostfacenet-v1-0.5-2")
    by_description = read_keras_h5(data, OFFICIAL).by_name()
    weights = [node for node in found.graph.nodes if node.weights()]
    assert len(weights) > 200
    for node in weights:
        for key, array in node.weights().items():
            np.testing.assert_array_equal(array, by_description[node.name].weights()[key], err_msg=node.name)
    assert found.left_out == ()


@pytest.mark.parametrize("layout", ["named", "numbered"])
def test_both_layouts(layout: str, model: Any, trained: Graph, keras3: ModuleType) -> None:
    found = read(getattr(keras3, layout)(model))
    same_weights(found.graph, trained)
    assert found.graph.outputs == ("embedding",)


def slopes(checkpoint: Checkpoint) -> set[float]:
    return {node.slope for node in checkpoint.graph.nodes if isinstance(node, HardSigmoid)}


def test_whose_hard_sigmoid_it_is(model: Any, keras3: ModuleType) -> None:
    assert slopes(read(keras3.named(model))) == {0.2}  # it says Keras 2
    assert slopes(read(keras3.numbered(model))) == {1 / 6}  # it has the names that Keras 3 notes
    for unsaid in (keras3.named(model, version=None), keras3.numbered(model, names=False)):
        with pytest.raises(CheckpointError, match=r"w.h5: the network uses hard_sigmoid, and the file does not say"):
            read(unsaid)
        assert slopes(read(unsaid, hard_sigmoid="keras2")) == {0.2}
        assert slopes(read(unsaid, hard_sigmoid="keras3")) == {1 / 6}
    with pytest.raises(OptionError, match="contradicts the file"):
        read(keras3.named(model), hard_sigmoid="keras3")


def test_v2_has_one_hard_sigmoid_whoever_wrote_the_file(keras2: ModuleType, keras3: ModuleType) -> None:
    graph = architecture("ghostfacenet-v2-0.1-1", seed=3)
    model = keras3.weights_of(graph, keras_order(graph), keras2)
    found = read(keras3.numbered(model, names=False), "ghostfacenet-v2-0.1-1")
    same_weights(found.graph, graph)
    assert slopes(found) == {1 / 6}


def test_names_do_not_matter(model: Any, trained: Graph, keras3: ModuleType) -> None:
    renamed = {layer["name"]: f"other_{number}" for number, layer in enumerate(model.layers)}
    model.weights = {renamed[name]: weights for name, weights in model.weights.items()}
    for layer in model.layers:
        layer["name"] = renamed[layer["name"]]
    same_weights(read(keras3.named(model)).graph, trained)


def test_a_training_head_is_left_out_and_said_so(
    model: Any, trained: Graph, keras3: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    model.layer("NormDense", [], {}, {"norm_dense_w": np.zeros((512, 9))}, "arcface")
    model.layer("Dense", [], {}, {"kernel": np.zeros((512, 9))}, "softmax_logits")
    with caplog.at_level(logging.INFO, "ghostface_edge"):
        found = read(keras3.named(model))
    same_weights(found.graph, trained)
    assert found.left_out == ("arcface", "softmax_logits")
    assert "arcface" in caplog.text
    assert read(keras3.numbered(model)).left_out == ("dense", "normdense")


def test_a_head_without_gamma(model: Any, keras3: ModuleType) -> None:
    del model.weights["embedding"]["gamma"]
    node = read(keras3.named(model)).graph["embedding"]
    np.testing.assert_array_equal(node.weights()["gamma"], np.ones(512))
    with pytest.raises(CheckpointError, match=r"has 3 weights; a BatchNormalization has 4: gamma, beta"):
        read(keras3.numbered(model))


def test_without_a_name_the_error_says_what_to_do(model: Any, keras3: ModuleType) -> None:
    with pytest.raises(CheckpointError, match=r"w.h5: it holds no description .* file of weights only.*\(--arch\)"):
        read(keras3.named(model), None)
    with pytest.raises(OptionError, match="a name is ghostfacenet-VERSION-WIDTH-STRIDE"):
        read(keras3.named(model), "mobilefacenet")


def test_a_name_for_a_file_that_describes_itself(small_checkpoint: Path) -> None:
    with pytest.raises(OptionError, match=r"is for a file of weights only, and w\.h5 describes its own network"):
        read(small_checkpoint.read_bytes())


def change_shape(model: Any) -> None:
    model.weights["conv2d_2"]["kernel"] = np.zeros((1, 1, 4, 99), np.float32)


def drop(model: Any) -> None:
    model.layers.remove(next(layer for layer in model.layers if layer["name"] == "GDC_conv"))


def drop_slope(model: Any) -> None:
    model.layers.remove([layer for layer in model.layers if layer["class_name"] == "PReLU"][-1])


def double(model: Any) -> None:
    model.layer("Conv2D", [], {}, {"kernel": np.zeros((1, 1, 4, 4))}, "pw_conv")
    model.layers.insert(0, model.layers.pop())


def extra(model: Any) -> None:
    model.layer("PReLU", [], {}, {"alpha": np.zeros((1, 1, 4))}, "more")
    model.layers.insert(-1, model.layers.pop())


def bias(model: Any) -> None:
    model.weights["GDC_conv"]["bias"] = np.zeros(512, np.float32)


def negative(model: Any) -> None:
    model.weights["GDC_batchnorm"]["moving_variance"][3] = -1


@pytest.mark.parametrize("layout", ["named", "numbered"])
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            change_shape,
            r"its layer 'conv2d_2' \(Conv2D\) has kernel of shape .*'conv2d_2' has \(1, 1, 4, 99\)",
        ),
        (drop, r"its layer 'GDC_conv' is one Conv2D more than the file's \d+"),
        (drop_slope, "is one PReLU more than the file's"),
        (double, "its layer 'conv2d' .* has kernel of shape"),
        (extra, "it has no layer for the file's '(more|p_re_lu_.*)'"),
        (bias, "its layer 'GDC_conv' .* has no bias, and the file's '.*' has one"),
    ],
)
def test_weights_that_do_not_fit(
    edit: Callable[[Any], None], message: str, layout: str, model: Any, keras3: ModuleType
) -> None:
    edit(model)
    with pytest.raises(CheckpointError, match=rf"w.h5: the weights do not fit architecture='{NAME}': .*{message}"):
        read(getattr(keras3, layout)(model))


def test_a_missing_bias(model: Any, keras3: ModuleType) -> None:
    layer = next(name for name, weights in model.weights.items() if "bias" in weights)
    del model.weights[layer]["bias"]
    with pytest.raises(CheckpointError, match=rf"has a bias, and the file's '{layer}' has none"):
        read(keras3.named(model))


def test_a_negative_variance(model: Any, keras3: ModuleType) -> None:
    negative(model)
    with pytest.raises(CheckpointError, match="'GDC_batchnorm' has a moving_variance that is negative"):
        read(keras3.named(model))


def test_files_without_weights(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(CheckpointError, match="holds no weights in a layout of Keras"):
        read((tmp_path / "w.h5").read_bytes())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["nowhere"], "is one Conv2D more than the file's 0"),
        ([], "is one Conv2D more than the file's 0"),
        (3, "its attribute 'layer_names' is no text"),
        ("text", "its attribute 'layer_names' is no list of names"),
        (np.array([["a"], ["b"]], dtype="S1"), "is no list of names"),
        (np.array([b"\xff"]), "is no text"),
        (["a"] * 10_001, "is no text"),
    ],
)
def test_lists_of_layers_that_make_no_sense(names: Any, message: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w", libver="latest") as file:
        file.attrs["keras_version"] = "2.10.0"
        file.attrs["layer_names"] = names
    with pytest.raises(CheckpointError, match=message):
        read((tmp_path / "w.h5").read_bytes())


def test_a_name_that_declares_more_than_the_file_holds(model: Any, keras3: ModuleType) -> None:
    """The library would allocate 4 GB for it."""
    data = bytearray(keras3.named(model))
    at = data.index(b"layer_names\0")
    length = len(model.layers[0]["name"])
    found = data.index(length.to_bytes(4, "little"), at + 12 + 16)
    data[found : found + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(CheckpointError, match=r"w\.h5: it is damaged: attribute 'layer_names' is longer than the file"):
        read(bytes(data))

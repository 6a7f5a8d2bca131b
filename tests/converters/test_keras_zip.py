"""Keras 3 files and ``.keras`` archives: the same network as in Keras 2's form, and what is refused."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ghostface_edge.converters.checkpoint import Checkpoint
from ghostface_edge.converters.graph import Graph, HardSigmoid
from ghostface_edge.converters.keras_h5 import read_h5, read_keras_h5
from ghostface_edge.converters.keras_zip import read_keras_zip
from ghostface_edge.errors import CheckpointError, OptionError, UnsupportedLayerError

pytest.importorskip("h5py")


def read(path: Path, **options: Any) -> Checkpoint:
    reader = read_keras_zip if path.suffix == ".keras" else read_h5
    return reader(path.read_bytes(), path.name, **options)


def hard_sigmoids(graph: Graph) -> set[tuple[float, float]]:
    return {(node.slope, node.offset) for node in graph.nodes if isinstance(node, HardSigmoid)}


def same(a: Graph, b: Graph) -> None:
    assert [(type(node), node.name, node.inputs) for node in a.nodes] == [
        (type(node), node.name, node.inputs) for node in b.nodes
    ]
    for mine, theirs in zip(a.nodes, b.nodes):
        for name, array in mine.weights().items():
            np.testing.assert_array_equal(array, theirs.weights()[name])


@pytest.fixture
def model(keras2: ModuleType) -> Any:
    """Bottlenecks with and without squeeze and excitation, dropout, a head with bias, no last gamma."""
    return keras2.ghostface(blocks=[0, 3], dropout=True, head_bias=True, scale=False)


@pytest.mark.parametrize("form", ["h5", "keras", "deflated"])
def test_keras_3_describes_the_same_network(
    form: str, model: Any, keras2: ModuleType, keras3: ModuleType, tmp_path: Path
) -> None:
    expected = read_keras_h5(model.save(tmp_path / "k2.h5").read_bytes(), "k2.h5")
    if form == "h5":
        path = keras3.save_h5(model, tmp_path / "k3.h5")
    else:
        compression = zipfile.ZIP_DEFLATED if form == "deflated" else zipfile.ZIP_STORED
        path = keras3.save_keras(model, tmp_path / "k3.keras", compression=compression)
    found = read(path)
    same(found.graph, expected)
    assert hard_sigmoids(expected) == {(0.2, 0.5)}
    assert hard_sigmoids(found.graph) == {(1 / 6, 0.5)}
    assert found.left_out == ()


def test_a_keras_archive_of_keras_2(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    """tf_keras 2.13 and newer write .keras, too, with the layers described as in their .h5."""
    layers = [{**layer, "module": "keras.layers", "registered_name": None} for layer in model.layers]
    config = {"name": "model", "layers": layers, "output_layers": [["embedding", 0, 0]]}
    described = {"module": "tf_keras.src.engine.functional", "class_name": "Functional", "config": config}
    graph = read(keras3.save_keras(model, tmp_path / "m.keras", version="2.21.0", config=described)).graph
    same(graph, read_keras_h5(model.save(tmp_path / "k2.h5").read_bytes(), "k2.h5"))
    assert hard_sigmoids(graph) == {(0.2, 0.5)}


# -- hard sigmoid


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_a_file_that_does_not_say_whose_hard_sigmoid_it_means(
    suffix: str, model: Any, keras3: ModuleType, tmp_path: Path
) -> None:
    save = keras3.save_h5 if suffix == "h5" else keras3.save_keras
    path = save(model, tmp_path / f"m.{suffix}", version=None)
    message = rf"m.{suffix}: layer 'activation_0' .* uses hard_sigmoid, and the file does not say .*--hard-sigmoid"
    with pytest.raises(CheckpointError, match=message):
        read(path)
    assert hard_sigmoids(read(path, hard_sigmoid="keras2").graph) == {(0.2, 0.5)}
    assert hard_sigmoids(read(path, hard_sigmoid="keras3").graph) == {(1 / 6, 0.5)}
    with pytest.raises(OptionError, match="hard_sigmoid='torch' does not exist; choose from: keras2, keras3"):
        read(path, hard_sigmoid="torch")


def test_what_is_stated_must_not_contradict_the_file(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    path = keras3.save_keras(model, tmp_path / "m.keras")
    assert hard_sigmoids(read(path, hard_sigmoid="keras3").graph) == {(1 / 6, 0.5)}
    with pytest.raises(OptionError, match=r"contradicts the file, which was written by Keras 3.15.1"):
        read(path, hard_sigmoid="keras2")


def test_a_network_without_hard_sigmoid_need_not_say(keras2: ModuleType, keras3: ModuleType, tmp_path: Path) -> None:
    path = keras3.save_keras(keras2.ghostface(blocks=[0]), tmp_path / "m.keras", version=None)
    assert not hard_sigmoids(read(path).graph)


def test_another_keras_is_refused(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"written by Keras 4\.0\.0; files of Keras 2 and Keras 3 are read"):
        read(keras3.save_keras(model, tmp_path / "m.keras", version="4.0.0"))


# -- layers that are not Keras' own


def changed(keras3: ModuleType, model: Any, number: int, **entries: Any) -> dict[str, Any]:
    config: dict[str, Any] = keras3.description(model)
    config["config"]["layers"][number].update(entries)
    return config


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ({"module": "mine.layers"}, "mine.layers.Conv2D"),
        ({"module": None, "registered_name": "mine>Conv2D"}, "mine>Conv2D"),
        ({"class_name": "Lambda"}, "Lambda"),
        ({"class_name": "Dense"}, "Dense"),
    ],
)
def test_a_layer_is_what_it_is_registered_as(
    entries: dict[str, Any], kind: str, model: Any, keras3: ModuleType, tmp_path: Path
) -> None:
    path = keras3.save_keras(model, tmp_path / "m.keras", config=changed(keras3, model, 1, **entries))
    message = rf"m.keras: layer 'conv2d_0' \({kind}, layer 2 of \d+, inputs: inputlayer_0\) is of a class that is not"
    with pytest.raises(UnsupportedLayerError, match=message):
        read(path)


def test_a_lambda_is_never_executed(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    """Its code is a marshalled string in the config; nothing looks at it."""
    config = {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None}}}
    described = changed(keras3, model, 2, class_name="Lambda", config=config)
    with pytest.raises(UnsupportedLayerError, match=r"\(Lambda, .* is of a class that is not supported"):
        read(keras3.save_keras(model, tmp_path / "m.keras", config=described))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"args": 3}, "form that is not supported"),
        ({"args": [[1.0]], "kwargs": {}}, "takes a constant"),
        ({"args": [{"class_name": "__keras_tensor__"}]}, "form that is not supported"),
        (
            {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["conv2d_0", 1, 0]}}]},
            "output of a shared layer",
        ),
    ],
)
def test_calls_that_are_not_plain(call: Any, message: str, model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    described = changed(keras3, model, 2, inbound_nodes=[call])
    with pytest.raises(UnsupportedLayerError, match=message):
        read(keras3.save_keras(model, tmp_path / "m.keras", config=described))


def test_a_layer_that_always_trains_is_refused(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    described = keras3.description(model)
    dropout = next(layer for layer in described["config"]["layers"] if layer["class_name"] == "Dropout")
    dropout["inbound_nodes"][0]["kwargs"] = {"training": True}
    with pytest.raises(UnsupportedLayerError, match=r"is called with {'training': True}, which is not supported"):
        read(keras3.save_keras(model, tmp_path / "m.keras", config=described))


def test_a_training_head_is_cut_off(keras2: ModuleType, keras3: ModuleType, tmp_path: Path) -> None:
    model = keras2.ghostface(blocks=[0])
    plain = read(keras3.save_keras(model, tmp_path / "a.keras")).graph
    model.layer("NormDense", ["embedding"], {"units": 8}, {"norm_dense_w": np.zeros((16, 8))}, name="arcface")
    described = keras3.description(model, "arcface")
    described["config"]["layers"][-1].update(module="models", registered_name="keras_insightface>NormDense")
    found = read(keras3.save_keras(model, tmp_path / "b.keras", config=described))
    same(found.graph, plain)
    assert found.left_out == ("arcface",)


# -- weights in the archive


def test_weights_that_are_missing_or_too_many(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    del model.weights["batchnormalization_0"]["gamma"]
    message = (
        r"'batchnormalization_0' .* has 3 weights in the file \(layers/batch_normalization/vars\) instead of 4: gamma"
    )
    with pytest.raises(CheckpointError, match=message):
        read(keras3.save_keras(model, tmp_path / "m.keras"))
    del model.weights["conv2d_0"]["kernel"]
    with pytest.raises(CheckpointError, match=r"'conv2d_0' .* has 0 weights in the file"):
        read(keras3.save_keras(model, tmp_path / "m.keras"))


def test_weights_of_another_shape(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    model.weights["conv2d_0"]["kernel"] = np.zeros((3, 3, 3, 5), np.float32)
    with pytest.raises(CheckpointError, match=r"has a kernel of shape \(3, 3, 3, 5\) where its place .* wants"):
        read(keras3.save_keras(model, tmp_path / "m.keras"))


# -- the zip file


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../../evil": b"x"}, "points out of it"),
        ({"/etc/evil": b"x"}, "points out of it"),
        ({"assets\\..\\evil": b"x"}, "points out of it"),
        ({"C:evil": b"x"}, "points out of it"),
        ({"archive/data.pkl": b"\x80\x02."}, "pickled Python objects, such as a PyTorch checkpoint"),
        ({"config.json": b"{"}, "its config.json is not JSON"),
        ({"config.json": b"\xff\xfe\xff"}, "its config.json is not JSON"),
        ({"metadata.json": b"]"}, "its metadata.json is not JSON"),
        ({"metadata.json": b" " * (2 << 20)}, "'metadata.json' declares 2097152 bytes; 1048576 are allowed"),
        ({"model.weights.h5": b"nothing"}, "the HDF5 file cannot be opened"),
        ({f"assets/{number}": b"" for number in range(1001)}, "more than 1000 members"),
        ({"config.json": json.dumps({"class_name": "Sequential", "config": {}}).encode()}, "but a 'Sequential'"),
    ],
)
def test_archives_that_are_refused(
    members: dict[str, bytes], message: str, model: Any, keras3: ModuleType, tmp_path: Path
) -> None:
    path = keras3.save_keras(model, tmp_path / "m.keras", members=members)
    with pytest.raises(CheckpointError, match=f"m.keras: .*{message}"):
        read(path)
    assert list(tmp_path.iterdir()) == [path]


def test_other_zip_files(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photo.jpg", b"x")
    with pytest.raises(CheckpointError, match=r"no Keras archive: it holds 0 members 'metadata.json' instead of 1"):
        read(path)
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(CheckpointError, match="the zip file cannot be read"):
        read(path)


def test_a_member_that_is_there_twice(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    path = keras3.save_keras(model, tmp_path / "m.keras")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", b"{}")
    with pytest.raises(CheckpointError, match=r"holds 2 members 'config.json' instead of 1"):
        read(path)


def test_a_bomb_is_refused_by_its_declared_size(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    """A member of 17 MB of spaces takes 17 kB in the file."""
    path = keras3.save_keras(
        model, tmp_path / "m.keras", members={"config.json": b" " * (17 << 20)}, compression=zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 1 << 20
    with pytest.raises(CheckpointError, match=r"'config.json' declares 17825792 bytes; 16777216 are allowed"):
        read(path)


def test_a_bomb_that_lies_about_its_size(model: Any, keras3: ModuleType, tmp_path: Path) -> None:
    """The directory says 100 bytes: no more are unpacked, and their checksum is wrong."""
    path = keras3.save_keras(
        model, tmp_path / "m.keras", members={"config.json": b" " * (17 << 20)}, compression=zipfile.ZIP_DEFLATED
    )
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"config.json"))
    struct.pack_into("<I", data, entry + 24, 100)
    with pytest.raises(CheckpointError, match="the zip file cannot be read"):
        read_keras_zip(bytes(data), "m.keras")


@pytest.mark.parametrize(("offset", "value"), [(8, 1), (10, zipfile.ZIP_LZMA)])
def test_encryption_and_strange_compression(
    offset: int, value: int, model: Any, keras3: ModuleType, tmp_path: Path
) -> None:
    data = bytearray(keras3.save_keras(model, tmp_path / "m.keras").read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"config.json"))
    struct.pack_into("<H", data, entry + offset, value)
    with pytest.raises(CheckpointError, match="encrypted, or compressed in a way that Keras does not use"):
        read_keras_zip(bytes(data), "m.keras")

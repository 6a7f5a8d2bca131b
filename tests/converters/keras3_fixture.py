"""Writes a model of keras2_fixture.py in the other forms of Keras, with h5py and zipfile alone.

The layouts are those of files written by Keras 3.15 and tf_keras 2.21 (tests/converters/oracle/save_forms.py makes real
ones): the calls and names of Keras 3, ``.keras`` archives, and the two layouts of weights alone.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import h5py

SNAKE_CASE = {"BatchNormalization": "batch_normalization", "PReLU": "p_re_lu", "InputLayer": "input_layer"}
POLICY = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "mixed_float16"},
    "registered_name": None,
}


def description(model: Any, output: str = "embedding") -> dict[str, Any]:
    """The model as Keras 3 describes it."""
    layers = []
    for layer in model.layers:
        config = {**layer["config"], "dtype": POLICY}
        if layer["class_name"] == "InputLayer":
            config["batch_shape"] = config.pop("batch_input_shape")
        if layer["class_name"] == "BatchNormalization":
            config["axis"] = -1
        calls = []
        for call in layer["inbound_nodes"]:
            tensors = [tensor(reference[0]) for reference in call]
            calls.append({"args": [tensors] if len(tensors) > 1 else tensors, "kwargs": noted(layer["class_name"])})
        plain = {"module": "keras.layers", "registered_name": None, "class_name": layer["class_name"]}
        layers.append({**plain, "config": config, "name": layer["name"], "inbound_nodes": calls})
    config = {"name": "functional", "trainable": True, "layers": layers}
    config |= {"input_layers": [layers[0]["name"], 0, 0], "output_layers": [output, 0, 0]}
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config}


def tensor(name: str) -> dict[str, Any]:
    """An argument."""
    return {"class_name": "__keras_tensor__", "config": {"shape": [None], "keras_history": [name, 0, 0]}}


def noted(kind: str) -> dict[str, Any]:
    """What Keras 3 notes of a call besides its tensors."""
    return {"BatchNormalization": {"mask": None}, "Dropout": {"training": False}, "Resizing": {"training": True}}.get(
        kind, {}
    )


def save_h5(model: Any, path: Path, version: str | None = "3.15.1") -> Path:
    """A whole model in ``.h5``."""
    plain = deepcopy(description(model))
    for layer in plain["config"]["layers"]:
        del layer["module"], layer["registered_name"]
    with h5py.File(path, "w") as file:
        if version:
            file.attrs["keras_version"] = version
        file.attrs["model_config"] = json.dumps(plain)
        for name, weights in model.weights.items():
            for key, value in weights.items():
                short = "kernel" if key == "depthwise_kernel" else key
                file[f"model_weights/{name}/{name}/{short}"] = value
    return path


def save_keras(
    model: Any,
    path: Path,
    *,
    version: str | None = "3.15.1",
    config: Mapping[str, Any] | None = None,
    members: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """An archive; ``members`` come on top or instead."""
    contents = {
        "metadata.json": json.dumps({"keras_version": version} if version else {}).encode(),
        "config.json": json.dumps(config or description(model)).encode(),
        "model.weights.h5": numbered(model),
        **(members or {}),
    }
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def numbered(model: Any, *, names: bool = True) -> bytes:
    """Weights as ``layers/conv2d_7/vars/0``, with the names of the layers that Keras 3 notes."""
    buffer = io.BytesIO()
    counts: Counter[str] = Counter()
    with h5py.File(buffer, "w") as file:
        for layer in model.layers:
            kind = layer["class_name"]
            snake = SNAKE_CASE.get(kind, "depthwise_conv2d" if kind == "DepthwiseConv2D" else kind.lower())
            number = counts[kind]
            counts[kind] += 1
            group = file.create_group(f"layers/{snake}{f'_{number}' if number else ''}/vars")
            if names:
                group.attrs["name"] = layer["name"]
            for position, value in enumerate(model.weights[layer["name"]].values()):
                group.create_dataset(str(position), data=value)
    return buffer.getvalue()


def named(model: Any, version: str | None = "2.21.0") -> bytes:
    """Weights under the names of their layers, as ``save_weights("x.h5")`` of Keras 2 writes them."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if version:
            file.attrs["keras_version"] = version
        file.attrs["layer_names"] = [layer["name"] for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer["name"])
            for key, value in model.weights[layer["name"]].items():
                group.create_dataset(f"{layer['name']}/{key}:0", data=value)
    return buffer.getvalue()


def weights_of(graph: Any, order: list[Any], keras2: Any) -> Any:
    """A model of the weighted nodes of a graph alone, in this order, so that they can be saved as above."""
    model = keras2.Keras2Model()
    for node in order:
        kind = type(node).__name__
        if kind == "Conv":
            key = "depthwise_kernel" if node.depthwise else "kernel"
            weights = {key: node.kernel, **({} if node.bias is None else {"bias": node.bias})}
            kind = "DepthwiseConv2D" if node.depthwise else "Conv2D"
        elif kind == "BatchNorm":
            weights = {"gamma": node.gamma, "beta": node.beta}
            weights |= {"moving_mean": node.mean, "moving_variance": node.variance}
            kind = "BatchNormalization"
        elif kind == "PRelu":
            kind, weights = "PReLU", {"alpha": node.slope.reshape(1, 1, -1)}
        else:
            continue
        model.layer(kind, [], {}, weights, node.name)
    return model

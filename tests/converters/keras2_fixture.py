"""Writes small checkpoints in the official format: a whole Keras 2 model in an ``.h5`` file, made with h5py alone.

The layout (attributes, groups, JSON) is that of files written by Keras 2.10; the network is that of upstream
``backbones/ghost_model.py`` with the head of ``GhostFaceNets.py``, at any width, stem stride, size and depth.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# Upstream's table: kernel, stride, expansion, output, squeeze-and-excite.
BLOCKS = list(
    zip(
        [3, 3, 3, 5, 5, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5],
        [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1],
        [16, 48, 72, 72, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960, 960, 512],
        [16, 24, 24, 40, 40, 80, 80, 80, 80, 112, 112, 160, 160, 160, 160, 160],
        [0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1, 0, 1],
    )
)
MIXED = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
L2 = {"class_name": "L2", "config": {"l2": 0.00025}}


def divisible(value: float) -> int:
    """Nearest multiple of 4 that does not lose more than a tenth (upstream ``_make_divisible``)."""
    result = max(4, int(value + 2) // 4 * 4)
    return result + 4 if result < 0.9 * value else result


class Keras2Model:
    """A functional model under construction: layers as JSON, weights as arrays."""

    def __init__(self, seed: int = 0, dtype: Any = MIXED) -> None:
        self.random = np.random.default_rng(seed)
        self.dtype = dtype
        self.layers: list[dict[str, Any]] = []
        self.weights: dict[str, dict[str, np.ndarray]] = {}

    def layer(
        self,
        kind: str,
        inputs: list[str],
        config: dict[str, Any] | None = None,
        weights: dict[str, np.ndarray] | None = None,
        name: str | None = None,
    ) -> str:
        """Append any layer; its name."""
        number = sum(layer["class_name"] == kind for layer in self.layers)
        name = name or f"{kind.lower()}_{number}"
        calls = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
        full = {"name": name, "trainable": True, "dtype": self.dtype, **(config or {})}
        self.layers.append({"class_name": kind, "config": full, "name": name, "inbound_nodes": calls})
        self.weights[name] = {key: value.astype(np.float32) for key, value in (weights or {}).items()}
        return name

    def input(self, size: int) -> str:
        return self.layer("InputLayer", [], {"batch_input_shape": [None, size, size, 3], "dtype": "float32"})

    def conv(self, source: str, channels: int, filters: int, kernel: int = 1, **config: Any) -> str:
        name = config.pop("name", None)
        weights = {
            "kernel": self.random.normal(0, (kernel * kernel * channels) ** -0.5, (kernel, kernel, channels, filters))
        }
        if config.get("use_bias"):
            weights["bias"] = self.random.normal(0, 0.1, filters)
        base = {"filters": filters, "kernel_size": [kernel, kernel], "strides": [1, 1], "padding": "same"}
        base |= {"data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1, "activation": "linear"}
        base |= {"use_bias": False, "kernel_regularizer": L2}
        return self.layer("Conv2D", [source], {**base, **config}, weights, name)

    def depthwise(self, source: str, channels: int, kernel: int, stride: int = 1, **config: Any) -> str:
        name = config.pop("name", None)
        weights = {"depthwise_kernel": self.random.normal(0, 1 / kernel, (kernel, kernel, channels, 1))}
        base = {"kernel_size": [kernel, kernel], "strides": [stride, stride], "padding": "same", "use_bias": False}
        base |= {"data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1, "activation": "linear"}
        base |= {"depth_multiplier": 1, "depthwise_regularizer": L2}
        return self.layer("DepthwiseConv2D", [source], {**base, **config}, weights, name)

    def norm(self, source: str, channels: int, axis: int = 3, **config: Any) -> str:
        name = config.pop("name", None)
        weights = {
            "gamma": self.random.uniform(0.5, 1.5, channels),
            "beta": self.random.normal(0, 0.2, channels),
            "moving_mean": self.random.normal(0, 0.3, channels),
            "moving_variance": self.random.uniform(0.5, 1.5, channels),
        }
        if config.get("scale") is False:
            del weights["gamma"]
        base = {"axis": [axis], "momentum": 0.9, "epsilon": 1e-5, "center": True, "scale": True}
        return self.layer("BatchNormalization", [source], {**base, **config}, weights, name)

    def activation(self, source: str, channels: int, kind: str) -> str:
        if kind == "relu":
            return self.layer("Activation", [source], {"activation": "relu"})
        if kind == "relu layer":
            return self.layer("ReLU", [source], {"max_value": None, "negative_slope": 0.0, "threshold": 0.0})
        slopes = self.random.uniform(-4, 4, (1, 1, channels))
        return self.layer("PReLU", [source], {"shared_axes": [1, 2]}, {"alpha": slopes})

    def save(self, path: Path, output: str = "embedding") -> Path:
        """Write the file as Keras 2.10 does."""
        names = list(dict.fromkeys(layer["name"] for layer in self.layers))
        config = {
            "name": "GhostNet",
            "layers": self.layers,
            "input_layers": [[names[0], 0, 0]],
            "output_layers": [[output, 0, 0]],
        }
        with h5py.File(path, "w") as file:
            file.attrs["keras_version"] = "2.10.0"
            file.attrs["backend"] = "tensorflow"
            file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
            root = file.create_group("model_weights")
            root.attrs["layer_names"] = [name.encode() for name in names]
            for name in names:
                group = root.create_group(name)
                group.attrs["weight_names"] = [f"{name}/{key}:0".encode() for key in self.weights[name]]
                for key, value in self.weights[name].items():
                    group.create_dataset(f"{name}/{key}:0", data=value)
        return path


def ghostface(
    *,
    size: int = 32,
    width: float = 0.25,
    stride: int = 2,
    blocks: list[int] | None = None,
    embedding: int = 16,
    activation: str = "prelu",
    dropout: bool = False,
    head_bias: bool = False,
    scale: bool = True,
    dtype: Any = MIXED,
    seed: int = 0,
) -> Keras2Model:
    """A GhostFaceNetV1 with random weights; ``blocks`` picks bottlenecks of upstream's table (default: all)."""
    model = Keras2Model(seed, dtype)

    def ghost(x: str, channels: int, out: int, active: bool) -> str:
        half = out // 2
        primary = model.norm(model.conv(x, channels, half), half)
        primary = model.activation(primary, half, activation) if active else primary
        cheap = model.norm(model.depthwise(primary, half, 3), half)
        cheap = model.activation(cheap, half, activation) if active else cheap
        return model.layer("Concatenate", [primary, cheap], {"axis": -1})

    def excite(x: str, channels: int) -> str:
        reduced = divisible(channels * 0.25)
        y = model.layer("GlobalAveragePooling2D", [x], {"data_format": "channels_last", "keepdims": False})
        y = model.layer("Reshape", [y], {"target_shape": [1, 1, channels]})
        y = model.conv(y, channels, reduced, use_bias=True, padding="valid")
        y = model.activation(y, reduced, activation)
        y = model.conv(y, reduced, channels, use_bias=True, padding="valid")
        y = model.layer("Activation", [y], {"activation": "hard_sigmoid"})
        return model.layer("Multiply", [x, y])

    image = model.input(size)
    channels = divisible(16 * width)
    x = model.conv(image, 3, channels, 3, strides=[stride, stride])
    x = model.activation(model.norm(x, channels), channels, activation)
    size = -(-size // stride)
    for number in blocks if blocks is not None else range(len(BLOCKS)):
        kernel, step, expansion, out, squeezed = BLOCKS[number]
        expansion, out = divisible(expansion * width), divisible(out * width)
        y = ghost(x, channels, expansion, active=True)
        if step > 1:
            y = model.norm(model.depthwise(y, expansion, kernel, step), expansion)
        if squeezed:
            y = excite(y, expansion)
        y = ghost(y, expansion, out, active=False)
        if out != channels or step > 1:
            x = model.norm(model.depthwise(x, channels, kernel, step), channels)
            x = model.norm(model.conv(x, channels, out, padding="valid"), out)
        x = model.layer("Add", [x, y])
        channels, size = out, -(-size // step)
    last = divisible(512 * width)
    x = model.activation(model.norm(model.conv(x, channels, last, padding="valid"), last), last, activation)
    x = model.norm(model.depthwise(x, last, size, padding="valid", name="GDC_dw"), last, name="GDC_batchnorm")
    if dropout:
        x = model.layer("Dropout", [x], {"rate": 0.2})
    x = model.conv(x, last, embedding, padding="valid", use_bias=head_bias, name="GDC_conv")
    x = model.layer("Flatten", [x], {"data_format": "channels_last"}, name="GDC_flatten")
    x = model.norm(x, embedding, axis=1, scale=scale, name="pre_embedding")
    model.layer("Activation", [x], {"activation": "linear", "dtype": "float32"}, name="embedding")
    return model

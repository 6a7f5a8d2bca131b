"""Reads the official checkpoints: a whole Keras 2 model in one ``.h5`` file, by its JSON description and its arrays.

Nothing in the file is executed and Keras is not needed: the layers that GhostFaceNetV1 is made of (upstream
HamadYA/GhostFaceNets, ``backbones/ghost_model.py`` and ``GhostFaceNets.py``) are translated one by one, and any other
layer is refused by name. What concerns training alone is ignored: dtype policies, regularisers, initialisers, dropout.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from math import prod
from reprlib import repr as short
from typing import Any

import numpy as np

from ghostface_edge.errors import CheckpointError, ConversionError, UnsupportedLayerError

from .graph import (
    Add,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    FloatArray,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Input,
    Mul,
    Node,
    PRelu,
    Relu,
    Shape,
    Sigmoid,
    same_padding,
)
from .hdf5 import Hdf5File

_log = logging.getLogger(__name__)

EMBEDDING = "embedding"
"""Upstream's name of the last layer of the network; a training head stands behind it."""

_MAX_SIDE = 1024
_MAX_VALUES = 1 << 28
_WEIGHTS = "model_weights"


def read_keras_h5(data: bytes, label: str) -> Graph:
    """Translate a Keras 2 checkpoint.

    Args:
        data: The whole ``.h5`` file.
        label: What to call the file in messages.

    Returns:
        The network, from the node ``input`` to the output ``embedding``, as it is in the checkpoint.

    Raises:
        CheckpointError: Not such a file, a damaged one, or one that contradicts itself.
        UnsupportedLayerError: A layer that cannot be translated.
        RuntimeMissingError: The package h5py is not installed.
    """
    try:
        with closing(Hdf5File(data)) as file:
            return _Reader(file).graph()
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(f"{label}: {error}") from error
    except ConversionError as error:
        raise CheckpointError(f"{label}: {error}") from error


@dataclass(frozen=True)
class _Layer:
    """One layer of the JSON description, checked as far as every layer must be alike."""

    name: str
    kind: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    position: str

    def unsupported(self, what: str) -> UnsupportedLayerError:
        """The error for a layer that cannot be translated."""
        inputs = ", ".join(self.inputs) or "none"
        return UnsupportedLayerError(f"layer {self.name!r} ({self.kind}, {self.position}, inputs: {inputs}) {what}")

    def damaged(self, what: str) -> CheckpointError:
        """The error for a layer that contradicts itself or its weights."""
        return CheckpointError(f"layer {self.name!r} ({self.kind}, {self.position}) {what}")

    def expect(self, **wanted: Any) -> None:
        """Refuse settings other than these; one that is absent has the wanted value."""
        for key, value in wanted.items():
            found = self.config.get(key, value)
            if found != value:
                raise self.unsupported(f"has {key}={short(found)}, and only {value!r} is supported")

    def pair(self, key: str) -> tuple[int, int]:
        """A setting of two small positive numbers."""
        value = self.config.get(key)
        good = (
            isinstance(value, list) and len(value) == 2 and all(type(item) is int and 0 < item < 64 for item in value)
        )
        if not good or value is None:
            raise self.damaged(f"has {key}={short(value)}, which is no pair of sizes")
        return value[0], value[1]

    def activation(self) -> str:
        """Name of the activation function."""
        value = self.config.get("activation", "linear")
        if not isinstance(value, str):
            raise self.unsupported("has an activation function of its own, which is not supported")
        return value


class _Reader:
    """Translates one file; its state is the nodes made so far and their shapes."""

    def __init__(self, file: Hdf5File) -> None:
        self._file = file
        self._nodes: list[Node] = []
        self._shapes: dict[str, Shape] = {}
        self._made: dict[str, str] = {}

    def graph(self) -> Graph:
        layers, output = self._description()
        order = _needed(layers, output)
        left_out = sorted(set(layers) - set(order))
        if left_out:
            _log.info("layers that %r does not need, such as a training head, are left out: %s", output, left_out)
        for name in order:
            self._made[name] = self._translate(layers[name])
        last = self._made[output]
        return _finish(self._nodes, last, self._shapes[last])

    # -- the description

    def _description(self) -> tuple[dict[str, _Layer], str]:
        """All layers by name, and the name of the one that gives the embedding."""
        version = self._file.text("keras_version") or "2"
        if not version.startswith("2."):
            raise CheckpointError(
                f"it was written by Keras {version}; only whole Keras 2 models are read. "
                "Save it with tf_keras (Keras 2): model.save('model.h5')"
            )
        text = self._file.text("model_config")
        if text is None:
            raise CheckpointError(
                "it holds no description of the network (model_config): a file of weights only, or no "
                "Keras file. Save the whole model: model.save('model.h5')"
            )
        try:
            model = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"it is damaged: its model_config is not JSON ({error})") from error
        config = model.get("config") if isinstance(model, dict) else None
        if not isinstance(config, dict) or model.get("class_name") not in ("Functional", "Model"):
            raise CheckpointError("its model_config describes no functional Keras model")
        entries = config.get("layers")
        if not isinstance(entries, list) or not entries:
            raise CheckpointError("its model_config lists no layers")
        layers: dict[str, _Layer] = {}
        for number, entry in enumerate(entries, 1):
            layer = self._layer(entry, f"layer {number} of {len(entries)}")
            if layer.name in layers:
                raise CheckpointError(f"two layers are named {layer.name!r}")
            layers[layer.name] = layer
        if EMBEDDING in layers:
            return layers, EMBEDDING
        outputs = config.get("output_layers")
        if isinstance(outputs, list) and len(outputs) == 1 and isinstance(outputs[0], list) and outputs[0]:
            name = outputs[0][0]
            if isinstance(name, str) and name in layers:
                return layers, name
        raise CheckpointError(f"the model has no layer {EMBEDDING!r} and no single output")

    def _layer(self, entry: Any, position: str) -> _Layer:
        config = entry.get("config") if isinstance(entry, dict) else None
        if not isinstance(config, dict):
            raise CheckpointError(f"{position} has no config")
        name = entry.get("name", config.get("name"))
        kind = entry.get("class_name")
        calls = entry.get("inbound_nodes")
        if not isinstance(name, str) or not isinstance(kind, str) or not isinstance(calls, list):
            raise CheckpointError(f"{position} has no name, class or inputs")
        layer = _Layer(name, kind, config, (), position)
        if len(calls) > 1:
            raise layer.unsupported(f"is used {len(calls)} times, and shared layers are not supported")
        return replace(layer, inputs=_inputs(layer, calls[0]) if calls else ())

    # -- the layers

    def _translate(self, layer: _Layer) -> str:
        """Append the nodes of one layer; the name of the tensor that it gives."""
        translators: dict[str, Callable[[_Layer], str]] = {
            "InputLayer": self._input,
            "Conv2D": self._convolution,
            "DepthwiseConv2D": self._convolution,
            "BatchNormalization": self._batch_normalization,
            "PReLU": self._prelu,
            "ReLU": self._relu,
            "Activation": lambda layer: self._activation(layer, self._source(layer), layer.name),
            "GlobalAveragePooling2D": self._average,
            "Reshape": self._reshape,
            "Flatten": self._flatten,
            "Dropout": self._source,
            "Add": lambda layer: self._append(Add(layer.name, self._sources(layer))),
            "Multiply": self._multiply,
            "Concatenate": self._concatenate,
        }
        if layer.kind not in translators:
            raise layer.unsupported(f"is of a class that is not supported; supported are {', '.join(translators)}")
        return translators[layer.kind](layer)

    def _append(self, node: Node) -> str:
        if node.name in self._shapes:
            raise ConversionError(f"two layers are named {node.name!r}")
        shape = node.shape(*(self._shapes[name] for name in node.inputs))
        if prod(shape) > _MAX_VALUES:
            raise ConversionError(
                f"layer {node.name!r} makes a tensor of {' x '.join(map(str, shape))}, which is absurd"
            )
        self._shapes[node.name] = shape
        self._nodes.append(node)
        return node.name

    def _sources(self, layer: _Layer) -> tuple[str, ...]:
        return tuple(self._made[name] for name in layer.inputs)

    def _source(self, layer: _Layer) -> str:
        if len(layer.inputs) != 1:
            raise layer.damaged(f"has {len(layer.inputs)} inputs instead of 1")
        return self._made[layer.inputs[0]]

    def _image(self, layer: _Layer) -> tuple[str, Shape]:
        source = self._source(layer)
        if len(self._shapes[source]) != 3:
            raise layer.damaged(f"wants height, width and channels, not {self._shapes[source]}")
        return source, self._shapes[source]

    def _weight(self, layer: _Layer, name: str, shape: Shape) -> FloatArray:
        """The weight of this name, which must have this shape.

        Keras writes it as ``model_weights/LAYER/SCOPE/NAME:0``, where the scope is mostly the layer's name again.
        """
        paths = self._file.arrays(f"{_WEIGHTS}/{layer.name}")
        matches = [path for path in paths if path.rsplit("/", 1)[-1].split(":", 1)[0] == name]
        if len(matches) != 1:
            raise layer.damaged(f"has {len(matches)} weights named {name!r} in the file instead of 1")
        array = self._file.array(matches[0])
        if array.shape != shape:
            raise layer.damaged(f"has a {name} of shape {array.shape} where its place in the network wants {shape}")
        return array

    def _input(self, layer: _Layer) -> str:
        shape = layer.config.get("batch_input_shape")
        if not isinstance(shape, list) or len(shape) != 4 or shape[3] != 3:
            raise layer.damaged(f"has the shape {short(shape)}, which is no RGB picture")
        height, width = shape[1:3]
        if not all(type(side) is int and 0 < side <= _MAX_SIDE for side in (height, width)):
            raise layer.damaged(f"has the shape {short(shape)}; height and width must be fixed, up to {_MAX_SIDE}")
        return self._append(Input("input", (), height, width, 3))

    def _convolution(self, layer: _Layer) -> str:
        depthwise = layer.kind == "DepthwiseConv2D"
        layer.expect(data_format="channels_last", dilation_rate=[1, 1], groups=1)
        if depthwise:
            layer.expect(depth_multiplier=1)
        source, (height, width, channels) = self._image(layer)
        size, strides = layer.pair("kernel_size"), layer.pair("strides")
        filters = channels if depthwise else layer.config.get("filters")
        if type(filters) is not int or not 0 < filters < 1 << 16:
            raise layer.damaged(f"has filters={short(filters)}, which is no number of channels")
        kernel_name = "depthwise_kernel" if depthwise else "kernel"
        kernel = self._weight(layer, kernel_name, (*size, channels, 1 if depthwise else filters))
        bias = self._weight(layer, "bias", (filters,)) if layer.config.get("use_bias", True) else None
        padding = layer.config.get("padding")
        if padding == "same":
            top, bottom = same_padding(height, size[0], strides[0])
            left, right = same_padding(width, size[1], strides[1])
            pads = (top, left, bottom, right)
        elif padding == "valid":
            pads = (0, 0, 0, 0)
        else:
            raise layer.unsupported(f"has padding={short(padding)}, and only 'same' and 'valid' are supported")
        conv = self._append(Conv(layer.name, (source,), kernel, bias, strides, pads, depthwise))
        return self._activation(layer, conv, f"{layer.name}/activation")

    def _batch_normalization(self, layer: _Layer) -> str:
        source = self._source(layer)
        shape = self._shapes[source]
        axis = layer.config.get("axis", -1)
        if (axis[0] if isinstance(axis, list) and len(axis) == 1 else axis) not in (-1, len(shape)):
            raise layer.unsupported(f"normalises axis {short(axis)}, and only the channels are supported")
        epsilon = layer.config.get("epsilon")
        if not isinstance(epsilon, (int, float)) or not 0 <= epsilon < 1:
            raise layer.damaged(f"has epsilon={short(epsilon)}")
        channels = shape[-1:]
        variance = self._weight(layer, "moving_variance", channels)
        if not (variance + epsilon > 0).all():
            raise layer.damaged("has a moving_variance that is negative")
        scale, center = layer.config.get("scale", True), layer.config.get("center", True)
        return self._append(
            BatchNorm(
                layer.name,
                (source,),
                gamma=self._weight(layer, "gamma", channels) if scale else np.ones(channels, np.float32),
                beta=self._weight(layer, "beta", channels) if center else np.zeros(channels, np.float32),
                mean=self._weight(layer, "moving_mean", channels),
                variance=variance,
                epsilon=float(epsilon),
            )
        )

    def _prelu(self, layer: _Layer) -> str:
        layer.expect(shared_axes=[1, 2])
        source, shape = self._image(layer)
        slope = self._weight(layer, "alpha", (1, 1, shape[2]))
        return self._append(PRelu(layer.name, (source,), slope.reshape(-1)))

    def _relu(self, layer: _Layer) -> str:
        layer.expect(max_value=None, negative_slope=0.0, threshold=0.0)
        return self._append(Relu(layer.name, (self._source(layer),)))

    def _activation(self, layer: _Layer, source: str, name: str) -> str:
        function = layer.activation()
        if function == "linear":
            return source
        if function == "relu":
            return self._append(Relu(name, (source,)))
        if function == "sigmoid":
            return self._append(Sigmoid(name, (source,)))
        if function == "hard_sigmoid":
            # Keras 2: clip(0.2 x + 0.5, 0, 1), keras/backend.py. Keras 3 has x / 6 + 0.5 under the same name.
            return self._append(HardSigmoid(name, (source,), 0.2, 0.5))
        raise layer.unsupported(f"has the activation {short(function)}; supported: linear, relu, sigmoid, hard_sigmoid")

    def _average(self, layer: _Layer) -> str:
        layer.expect(data_format="channels_last")
        source, _ = self._image(layer)
        return self._append(GlobalAveragePool(layer.name, (source,)))

    def _reshape(self, layer: _Layer) -> str:
        """Of a pooled vector to 1 x 1 x channels, which it already is in the graph."""
        source, shape = self._image(layer)
        if shape[:2] != (1, 1) or layer.config.get("target_shape") != list(shape):
            raise layer.unsupported("is no reshape of a pooled vector to 1 x 1 x channels, and no other is supported")
        return source

    def _flatten(self, layer: _Layer) -> str:
        layer.expect(data_format="channels_last")
        source, _ = self._image(layer)
        return self._append(Flatten(layer.name, (source,)))

    def _multiply(self, layer: _Layer) -> str:
        sources = self._sources(layer)
        larger_first = sorted(sources, key=lambda name: -prod(self._shapes[name]))
        return self._append(Mul(layer.name, tuple(larger_first)))

    def _concatenate(self, layer: _Layer) -> str:
        sources = self._sources(layer)
        if layer.config.get("axis", -1) not in (-1, 3):
            raise layer.unsupported(
                f"joins axis {short(layer.config.get('axis'))}, and only the channels are supported"
            )
        if any(len(self._shapes[name]) != 3 for name in sources):
            raise layer.unsupported("joins vectors, which is not supported")
        return self._append(Concat(layer.name, sources))


def _inputs(layer: _Layer, call: Any) -> tuple[str, ...]:
    """Names of the layers that a call takes: [[name, node index, tensor index, keyword arguments], ...]."""
    if not isinstance(call, list):
        raise layer.unsupported("takes its inputs in a form that is not supported")
    names = []
    for reference in call:
        if not isinstance(reference, list) or len(reference) not in (3, 4) or not isinstance(reference[0], str):
            raise layer.unsupported("takes its inputs in a form that is not supported")
        names.append(reference[0])
    layer = replace(layer, inputs=tuple(names))
    for reference in call:
        if reference[1:3] != [0, 0] or any(reference[3:]):
            raise layer.unsupported("takes an output of a shared layer, or keyword arguments, which is not supported")
    return layer.inputs


def _needed(layers: dict[str, _Layer], output: str) -> list[str]:
    """Names of the layers that the output depends on, each after its inputs."""
    order: list[str] = []
    open_layers: set[str] = set()
    done: set[str] = set()
    stack = [output]
    while stack:
        layer = layers[stack[-1]]
        waiting = [name for name in layer.inputs if name not in done]
        if layer.name in done or not waiting:
            stack.pop()
            if layer.name not in done:
                done.add(layer.name)
                order.append(layer.name)
            continue
        open_layers.add(layer.name)
        for name in waiting:
            if name not in layers or name in open_layers:
                raise layer.damaged(f"takes {name!r}, which is missing or depends on it")
        stack.append(waiting[0])
    return order


def _finish(nodes: list[Node], output: str, shape: Shape) -> Graph:
    """The graph, with its output named ``embedding``."""
    if len(shape) != 1:
        raise CheckpointError(f"its output {output!r} has the shape {shape} and is no vector")
    nodes = [replace(node, name=EMBEDDING) if node.name == output else node for node in nodes]
    return Graph(tuple(nodes), (EMBEDDING,))

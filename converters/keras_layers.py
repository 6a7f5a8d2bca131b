"""The layers of GhostFaceNets and of their training, translated one by one from Keras' description to a graph.

Layers: upstream HamadYA/GhostFaceNets, ``backbones/ghost_model.py``, ``backbones/ghostv2.py``, ``GhostFaceNets.py``,
as Keras 2 and Keras 3 describe them. Any other is refused by name. What concerns training alone is ignored: number
formats, regularisers, initialisers, dropout, and all that stands behind the embedding.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from reprlib import repr as short
from typing import Any

import numpy as np

from ghostface_edge.errors import CheckpointError, ConversionError

from .checkpoint import HARD_SIGMOIDS, UNKNOWN_HARD_SIGMOID, Checkpoint
from .graph import (
    Add,
    AveragePool,
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
    ResizeBilinear,
    Scale,
    Shape,
    Sigmoid,
    same_padding,
)
from .keras_config import EMBEDDING, KerasLayer, KerasModel, Reference
from .keras_weights import Weights

_log = logging.getLogger(__name__)

_MAX_SIDE = 1024
_MAX_VALUES = 1 << 28
_MAX_PADDING = 64

_HARD_SIGMOID_TORCH = ("hard_sigmoid_torch", "kecamCommon>hard_sigmoid_torch")
"""V2's x / 6 + 0.5 (leondgarse/keras_cv_attention_models, ``common_layers.py``), not registered or registered."""


def translate(model: KerasModel, weights: Weights, hard_sigmoid: tuple[float, float] | None) -> Checkpoint:
    """Translate a description and its weights.

    Args:
        model: The description.
        weights: Where the weights are.
        hard_sigmoid: What the activation of that name means in this file: slope and offset, or None where nothing says.

    Raises:
        CheckpointError: The description or the weights contradict themselves or each other.
        UnsupportedLayerError: A layer that cannot be translated.
    """
    needed = model.needed()
    used = {layer.name for layer in needed}
    left_out = tuple(name for name in model.layers if name not in used)
    if left_out:
        _log.info("layers that %r does not need, such as a training head, are left out: %s", model.output, left_out)
    translator = _Translator(weights, hard_sigmoid)
    for layer in needed:
        translator.add(layer)
    return Checkpoint(translator.graph(model.output), left_out)


class _Translator:
    """Its state is the nodes made so far and their shapes."""

    def __init__(self, weights: Weights, hard_sigmoid: tuple[float, float] | None) -> None:
        self._source_of_weights = weights
        self._hard_sigmoid = hard_sigmoid
        self._nodes: list[Node] = []
        self._shapes: dict[str, Shape] = {}
        self._made: dict[str, str] = {}
        self._padded: dict[str, tuple[str, tuple[int, int, int, int]]] = {}
        self._sizes: dict[str, tuple[int, ...]] = {}

    def add(self, layer: KerasLayer) -> None:
        """Append the nodes of one layer."""
        made = self._translate(layer)
        if made is not None:
            self._made[layer.name] = made

    # -- the layers

    def graph(self, output: str) -> Graph:
        """The network, its output a vector named ``embedding``."""
        if output not in self._made:
            raise CheckpointError(f"its output {output!r} is no vector, but a padding or a size")
        last = self._made[output]
        shape = self._shapes[last]
        flat = len(shape) == 1
        if not flat and shape[:2] != (1, 1):
            raise CheckpointError(
                f"its output {output!r} is no vector, but a map of {' x '.join(map(str, shape))}. End the network with "
                "layers that make one, such as GlobalAveragePooling2D or Flatten, and save it again"
            )
        name = EMBEDDING if flat else f"{EMBEDDING}/pixel"
        nodes = [replace(node, name=name) if node.name == last else node for node in self._nodes]
        if not flat:
            nodes.append(Flatten(EMBEDDING, (name,)))
        return Graph(tuple(nodes), (EMBEDDING,))

    # -- the layers

    def _translate(self, layer: KerasLayer) -> str | None:
        """Append the nodes of one layer; the name of the tensor that it gives, if it gives one."""
        translators: dict[str, Callable[[KerasLayer], str | None]] = {
            "InputLayer": self._input,
            "Conv2D": self._convolution,
            "DepthwiseConv2D": self._convolution,
            "ZeroPadding2D": self._padding,
            "BatchNormalization": self._batch_normalization,
            "PReLU": self._prelu,
            "ReLU": self._relu,
            "Activation": lambda layer: self._activation(layer, self._source(layer), layer.name),
            "GlobalAveragePooling2D": self._average,
            "AveragePooling2D": self._pool,
            "Resizing": self._resizing,
            "Reshape": self._reshape,
            "Flatten": self._flatten,
            "Dropout": self._source,
            "Add": lambda layer: self._append(Add(layer.name, self._sources(layer))),
            "Multiply": self._multiply,
            "Concatenate": self._concatenate,
        }
        functions: dict[str, Callable[[KerasLayer], str | None]] = {
            "Mean": lambda layer: self._mean(layer, layer.config),
            "Resize": self._resizing,
            "TFOpLambda": self._function,
            "SlicingOpLambda": self._slice,
        }
        if layer.kind in functions:
            return functions[layer.kind](layer)
        if layer.kind not in translators:
            raise layer.unsupported(f"is of a class that is not supported; supported are {', '.join(translators)}")
        if any(value is not True for value in (layer.arguments or {}).values()) or (
            layer.arguments and layer.kind != "Resizing"  # Keras 3 notes training=True there, which changes nothing
        ):
            raise layer.unsupported(f"is called with {short(dict(layer.arguments or {}))}, which is not supported")
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

    def _tensor(self, layer: KerasLayer, name: str) -> str:
        """The tensor of a layer that this one takes."""
        if name in self._padded:
            raise layer.unsupported(
                f"takes the zeros of {name!r}; padding is supported where it feeds a convolution with padding='valid'"
            )
        if name not in self._made:
            raise layer.unsupported(f"takes {name!r}, which is a size; sizes are supported in image.resize alone")
        return self._made[name]

    def _sources(self, layer: KerasLayer) -> tuple[str, ...]:
        return tuple(self._tensor(layer, name) for name in layer.inputs)

    def _only_input(self, layer: KerasLayer) -> str:
        if len(layer.inputs) != 1:
            raise layer.damaged(f"has {len(layer.inputs)} inputs instead of 1")
        return layer.inputs[0]

    def _source(self, layer: KerasLayer) -> str:
        return self._tensor(layer, self._only_input(layer))

    def _image(self, layer: KerasLayer) -> tuple[str, Shape]:
        source = self._source(layer)
        if len(self._shapes[source]) != 3:
            raise layer.damaged(f"wants height, width and channels, not {self._shapes[source]}")
        return source, self._shapes[source]

    def _weights(self, layer: KerasLayer, **shapes: Shape) -> dict[str, FloatArray]:
        """All weights of a layer, given in Keras' order; each must have the shape that its place in the network has."""
        arrays = dict(zip(shapes, self._source_of_weights.arrays(layer, tuple(shapes))))
        for name, array in arrays.items():
            if array.shape != shapes[name]:
                raise layer.damaged(
                    f"has a {name} of shape {array.shape} where its place in the network wants {shapes[name]}"
                )
        return arrays

    def _input(self, layer: KerasLayer) -> str:
        shape = layer.config.get("batch_input_shape", layer.config.get("batch_shape"))  # Keras 2, Keras 3
        if not isinstance(shape, list) or len(shape) != 4 or shape[3] != 3:
            raise layer.damaged(f"has the shape {short(shape)}, which is no RGB picture")
        height, width = shape[1:3]
        if not all(type(side) is int and 0 < side <= _MAX_SIDE for side in (height, width)):
            raise layer.damaged(f"has the shape {short(shape)}; height and width must be fixed, up to {_MAX_SIDE}")
        return self._append(Input("input", (), height, width, 3))

    def _padding(self, layer: KerasLayer) -> None:
        """Kept for the convolution behind it."""
        layer.expect(data_format="channels_last")
        source, _ = self._image(layer)
        padding = layer.config.get("padding")
        pairs = isinstance(padding, list) and all(isinstance(pair, list) for pair in padding)
        sides = [side for pair in padding for side in pair] if pairs and padding else []
        if not all(type(side) is int and 0 <= side < _MAX_PADDING for side in sides) or len(sides) != 4:
            raise layer.damaged(f"has padding={short(padding)}, which is no two pairs of rows and columns")
        top, bottom, left, right = sides
        self._padded[layer.name] = (source, (top, left, bottom, right))

    def _convolution(self, layer: KerasLayer) -> str:
        depthwise = layer.kind == "DepthwiseConv2D"
        layer.expect(data_format="channels_last", dilation_rate=[1, 1], groups=1)
        if depthwise:
            layer.expect(depth_multiplier=1)
        zeros = (0, 0, 0, 0)
        padding = layer.config.get("padding")
        if padding == "valid" and self._only_input(layer) in self._padded:
            source, zeros = self._padded[layer.inputs[0]]
        else:
            source, _ = self._image(layer)
        height, width, channels = self._shapes[source]
        size, strides = layer.pair("kernel_size"), layer.pair("strides")
        filters = channels if depthwise else layer.config.get("filters")
        if type(filters) is not int or not 0 < filters < 1 << 16:
            raise layer.damaged(f"has filters={short(filters)}, which is no number of channels")
        kernel = "depthwise_kernel" if depthwise else "kernel"
        shapes: dict[str, Shape] = {kernel: (*size, channels, 1 if depthwise else filters)}
        if layer.config.get("use_bias", True):
            shapes["bias"] = (filters,)
        weights = self._weights(layer, **shapes)
        if padding == "same":
            top, bottom = same_padding(height, size[0], strides[0])
            left, right = same_padding(width, size[1], strides[1])
            zeros = (top, left, bottom, right)
        elif padding != "valid":
            raise layer.unsupported(f"has padding={short(padding)}, and only 'same' and 'valid' are supported")
        node = Conv(layer.name, (source,), weights[kernel], weights.get("bias"), strides, zeros, depthwise)
        return self._activation(layer, self._append(node), f"{layer.name}/activation")

    def _batch_normalization(self, layer: KerasLayer) -> str:
        source = self._source(layer)
        shape = self._shapes[source]
        axis = layer.config.get("axis", -1)
        axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
        # A vector that was pooled is 1 x 1 x channels here, and Keras counts its channels as axis 1.
        if axis not in (-1, len(shape)) and not (axis == 1 and shape[:2] == (1, 1)):
            raise layer.unsupported(f"normalises axis {short(axis)}, and only the channels are supported")
        epsilon = layer.config.get("epsilon")
        if not isinstance(epsilon, (int, float)) or not 0 <= epsilon < 1:
            raise layer.damaged(f"has epsilon={short(epsilon)}")
        channels = shape[-1:]
        names = [name for name, key in (("gamma", "scale"), ("beta", "center")) if layer.config.get(key, True)]
        weights = self._weights(layer, **dict.fromkeys([*names, "moving_mean", "moving_variance"], channels))
        variance = weights["moving_variance"]
        if not (variance + epsilon > 0).all():
            raise layer.damaged("has a moving_variance that is negative")
        return self._append(
            BatchNorm(
                layer.name,
                (source,),
                gamma=weights.get("gamma", np.ones(channels, np.float32)),
                beta=weights.get("beta", np.zeros(channels, np.float32)),
                mean=weights["moving_mean"],
                variance=variance,
                epsilon=float(epsilon),
            )
        )

    def _prelu(self, layer: KerasLayer) -> str:
        layer.expect(shared_axes=[1, 2])
        source, shape = self._image(layer)
        slope = self._weights(layer, alpha=(1, 1, shape[2]))["alpha"]
        return self._append(PRelu(layer.name, (source,), slope.reshape(-1)))

    def _relu(self, layer: KerasLayer) -> str:
        layer.expect(negative_slope=0.0, threshold=0.0)
        source = self._source(layer)
        if layer.config.get("max_value") == 6:
            return self._relu6(source, layer.name)
        layer.expect(max_value=None)
        return self._append(Relu(layer.name, (source,)))

    def _relu6(self, source: str, name: str) -> str:
        """min(max(x, 0), 6) = 6 min(max(x / 6, 0), 1)."""
        unit = self._append(HardSigmoid(f"{name}/unit", (source,), 1 / 6, 0.0))
        return self._append(Scale(name, (unit,), np.full(self._shapes[unit][-1:], 6, np.float32)))

    def _activation(self, layer: KerasLayer, source: str, name: str) -> str:
        function = layer.activation()
        if function == "linear":
            return source
        if function == "relu":
            return self._append(Relu(name, (source,)))
        if function == "relu6":
            return self._relu6(source, name)
        if function == "sigmoid":
            return self._append(Sigmoid(name, (source,)))
        if function == "hard_sigmoid":
            if self._hard_sigmoid is None:
                raise layer.damaged(UNKNOWN_HARD_SIGMOID)
            return self._append(HardSigmoid(name, (source,), *self._hard_sigmoid))
        if function in _HARD_SIGMOID_TORCH:
            return self._append(HardSigmoid(name, (source,), *HARD_SIGMOIDS["keras3"]))
        raise layer.unsupported(
            f"has the activation {short(function)}; supported: linear, relu, relu6, sigmoid, hard_sigmoid, "
            f"{_HARD_SIGMOID_TORCH[0]}"
        )

    def _average(self, layer: KerasLayer) -> str:
        layer.expect(data_format="channels_last")
        source, _ = self._image(layer)
        return self._append(GlobalAveragePool(layer.name, (source,)))

    def _mean(self, layer: KerasLayer, settings: Mapping[str, Any]) -> str:
        """Over height and width; whether they are kept is the same to a graph."""
        source, _ = self._image(layer)
        if settings.get("axis") not in ([1, 2], [-3, -2]) or set(settings) - {"axis", "keepdims", "name"}:
            raise layer.unsupported(f"takes a mean with {short(dict(settings))}; supported is axis=[1, 2]")
        return self._append(GlobalAveragePool(layer.name, (source,)))

    def _pool(self, layer: KerasLayer) -> str:
        layer.expect(data_format="channels_last")
        source, (height, width, _) = self._image(layer)
        size, strides = layer.pair("pool_size"), layer.pair("strides")
        if size != strides or size[0] != size[1]:
            raise layer.unsupported(f"pools {size} in steps of {strides}; supported are squares that do not overlap")
        if height % size[0] or width % size[0]:  # else "same" pads nothing
            layer.expect(padding="valid")
        return self._append(AveragePool(layer.name, (source,), size[0]))

    def _resizing(self, layer: KerasLayer) -> str:
        """The layer ``Resizing`` and the operation ``Resize`` of Keras 3."""
        for key in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
            layer.expect(**{key: False})
        layer.expect(interpolation="bilinear")
        if layer.config.get("data_format") is not None:
            layer.expect(data_format="channels_last")
        config = layer.config
        return self._resize(layer, config["size"] if "size" in config else [config.get("height"), config.get("width")])

    def _resize(self, layer: KerasLayer, size: Any) -> str:
        source, _ = self._image(layer)
        good = isinstance(size, (list, tuple)) and len(size) == 2
        if not good or not all(type(side) is int and 0 < side <= _MAX_SIDE for side in size):
            raise layer.unsupported(f"resizes to {short(size)}; supported are two sizes of 1 to {_MAX_SIDE}")
        return self._append(ResizeBilinear(layer.name, (source,), *size))

    def _function(self, layer: KerasLayer) -> str | None:
        """A function of TensorFlow that Keras 2 noted by its name."""
        name, arguments = layer.config.get("function"), dict(layer.arguments or {})
        if name == "math.reduce_mean":
            return self._mean(layer, arguments)
        if name == "compat.v1.shape" and set(arguments) <= {"out_type"}:
            source = self._source(layer)
            self._sizes[layer.name] = (-1, *self._shapes[source])  # the batch is open
            return None
        if name == "image.resize":
            size = arguments.pop("size", None)
            settings = {"antialias": False, "preserve_aspect_ratio": False, "method": "bilinear", **arguments}
            if settings == {"antialias": False, "preserve_aspect_ratio": False, "method": "bilinear"}:
                known = self._sizes.get(size.layer) if isinstance(size, Reference) else size
                return self._resize(layer, known)
        raise layer.unsupported(
            f"calls {short(name)} with {short(dict(layer.arguments or {}))}, which is not supported; supported are "
            "math.reduce_mean, compat.v1.shape, and image.resize with method='bilinear' and antialias=False"
        )

    def _slice(self, layer: KerasLayer) -> None:
        """``shape[1:-1]``: a part of a size."""
        size = self._sizes.get(self._only_input(layer))
        spec = (layer.arguments or {}).get("slice_spec")
        spec = spec[0] if isinstance(spec, list) and len(spec) == 1 else spec
        bounds = [spec.get(key) for key in ("start", "stop", "step")] if isinstance(spec, dict) else [""]
        if size is None or not all(bound is None or type(bound) is int for bound in bounds) or bounds[2:] == [0]:
            raise layer.unsupported(f"takes the part {short(spec)} of a tensor; only parts of a shape are supported")
        self._sizes[layer.name] = size[slice(*bounds)]

    def _reshape(self, layer: KerasLayer) -> str:
        """Of a pooled vector: to 1 x 1 x channels, which it already is in the graph, or to a vector."""
        source, shape = self._image(layer)
        target = layer.config.get("target_shape")
        if shape[:2] == (1, 1) and target == list(shape):
            return source
        if shape[:2] == (1, 1) and target in ([shape[2]], [-1]):
            return self._append(Flatten(layer.name, (source,)))
        raise layer.unsupported("is no reshape of a pooled vector to 1 x 1 x channels, and no other is supported")

    def _flatten(self, layer: KerasLayer) -> str:
        layer.expect(data_format="channels_last")
        source, _ = self._image(layer)
        return self._append(Flatten(layer.name, (source,)))

    def _multiply(self, layer: KerasLayer) -> str:
        sources = self._sources(layer)
        larger_first = sorted(sources, key=lambda name: -prod(self._shapes[name]))
        return self._append(Mul(layer.name, tuple(larger_first)))

    def _concatenate(self, layer: KerasLayer) -> str:
        sources = self._sources(layer)
        if layer.config.get("axis", -1) not in (-1, 3):
            raise layer.unsupported(
                f"joins axis {short(layer.config.get('axis'))}, and only the channels are supported"
            )
        if any(len(self._shapes[name]) != 3 for name in sources):
            raise layer.unsupported("joins vectors, which is not supported")
        return self._append(Concat(layer.name, sources))

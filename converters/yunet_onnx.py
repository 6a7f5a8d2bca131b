"""Reads YuNet, the face detector of OpenCV Zoo (``face_detection_yunet_2023mar.onnx``).

The network is cut at its head convolutions: the sigmoids, transposes and reshapes behind them, which have the fixed
input size 640 x 640 built in, are checked and left out. The decoder applies the sigmoid itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from ghostface_edge.card import refuse_external_data
from ghostface_edge.errors import (
    CheckpointError,
    ConversionError,
    ModelFileError,
    UnsupportedLayerError,
)

from .graph import Add, Conv, FloatArray, Graph, Input, MaxPool, Node, Relu, Upsample2x
from .passes.merge_heads import BRANCHES, STRIDES
from .requirement import missing_package

_TAILS = {
    "cls": ("Sigmoid", "Reshape", "Transpose"),
    "obj": ("Sigmoid", "Reshape", "Transpose"),
    "bbox": ("Reshape", "Transpose"),
    "kps": ("Reshape", "Transpose"),
}
"""What stands behind each head convolution, last first."""


def read_yunet_onnx(data: bytes, label: str) -> Graph:
    """Translate YuNet.

    Args:
        data: The whole ``.onnx`` file.
        label: What to call the file in messages.

    Returns:
        The network from the node ``input`` (BGR, 0..255, height and width open) to the outputs ``cls_8``, ``obj_8``,
        ``bbox_8``, ``kps_8`` ... ``kps_32``, before any sigmoid.

    Raises:
        CheckpointError: Not an ONNX file, a damaged one, or not YuNet.
        UnsupportedLayerError: A node that cannot be translated.
        RuntimeMissingError: The package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_package("reading a .onnx checkpoint", "onnx") from error
    try:
        refuse_external_data(data)
        model = onnx.load_model_from_string(data)
    except ModelFileError as error:
        raise CheckpointError(f"{label}: {error}") from error
    except Exception as error:
        raise CheckpointError(f"{label} is no ONNX file, or is damaged: {error}") from error
    try:
        return _Reader(onnx, model.graph).graph()
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(f"{label}: {error}") from error
    except ConversionError as error:
        raise CheckpointError(f"{label}: {error}") from error


class _Reader:
    """Translates one file; its state is the nodes made so far."""

    def __init__(self, onnx: Any, graph: Any) -> None:
        if not all(isinstance(text, str) for text in _texts(graph)):
            raise CheckpointError("it is damaged: a name in it is not text")
        self._onnx = onnx
        self._graph = graph
        self._arrays = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._made: dict[str, str] = {}

    def graph(self) -> Graph:
        heads = {
            self._head(f"{branch}_{stride}", branch): f"{branch}_{stride}" for stride in STRIDES for branch in BRANCHES
        }
        needed = self._ancestors(heads)
        nodes: list[Node] = [self._input()]
        for position, node in enumerate(self._graph.node, 1):
            name = next(iter(node.output), "")
            if name in needed:
                part = _Part(node, f"node {position} of {len(self._graph.node)}")
                nodes.append(self._translate(part, heads.get(name, name)))
                self._made[name] = nodes[-1].name
        graph = Graph(tuple(nodes), tuple(heads.values()))
        graph.shapes(640, 640)
        return graph

    def _head(self, output: str, branch: str) -> str:
        """The tensor before the tail of an output."""
        if output not in {item.name for item in self._graph.output}:
            raise CheckpointError(f"it has no output {output!r}, so it is not YuNet 2023mar")
        name = output
        for expected in _TAILS[branch]:
            maker = self._makers.get(name)
            if maker is None or maker.op_type != expected or not maker.input:
                raise CheckpointError(f"its output {output!r} does not end in {expected}, so it is not YuNet 2023mar")
            name = maker.input[0]
        return name

    def _ancestors(self, heads: Iterable[str]) -> set[str]:
        """Every tensor that the heads depend on."""
        found: set[str] = set()
        waiting = list(heads)
        while waiting:
            name = waiting.pop()
            if name not in found and name in self._makers:
                found.add(name)
                waiting.extend(self._makers[name].input)
        return found

    def _input(self) -> Input:
        names = [item.name for item in self._graph.input if item.name not in self._arrays]
        if len(names) != 1:
            raise CheckpointError(f"it has {len(names)} inputs instead of 1")
        self._made[names[0]] = "input"
        return Input("input", (), None, None, 3)

    def _translate(self, part: _Part, name: str) -> Node:
        translators: dict[str, Callable[[_Part, str], Node]] = {
            "Conv": self._conv,
            "Relu": lambda part, name: Relu(name, self._sources(part, 1)),
            "Add": lambda part, name: Add(name, self._sources(part, 2)),
            "MaxPool": self._pool,
            "Resize": self._upsample,
        }
        if part.node.op_type not in translators:
            raise part.unsupported(f"is not supported; supported are {', '.join(translators)}")
        return translators[part.node.op_type](part, name)

    def _sources(self, part: _Part, count: int) -> tuple[str, ...]:
        """Names of the first inputs, as the graph calls them."""
        names = part.node.input[:count]
        if len(names) < count or any(name not in self._made for name in names):
            raise part.unsupported("takes a tensor that no earlier node makes")
        return tuple(self._made[name] for name in names)

    def _array(self, part: _Part, position: int, dimensions: int) -> FloatArray:
        """A constant input: finite float32 of this many dimensions."""
        name = part.node.input[position] if position < len(part.node.input) else ""
        tensor = self._arrays.get(name)
        if tensor is None:
            raise part.unsupported(f"has no constant for its input {position}")
        try:
            array = self._onnx.numpy_helper.to_array(tensor)
        except Exception as error:
            raise CheckpointError(f"it is damaged: the weights {name!r} cannot be read ({error})") from error
        if array.dtype != np.float32 or array.ndim != dimensions or not array.size or not np.isfinite(array).all():
            raise CheckpointError(f"the weights {name!r} are not {dimensions}-dimensional, finite float32 values")
        return array  # type: ignore[no-any-return]

    def _conv(self, part: _Part, name: str) -> Conv:
        kernel = self._array(part, 1, 4)
        bias = self._array(part, 2, 1)
        outputs, inputs, height, width = kernel.shape
        group = part.settings.get("group", 1)
        depthwise = inputs == 1 and group == outputs
        if not depthwise and group != 1:
            raise part.unsupported(f"has group={group!r}; supported are dense and depthwise convolutions")
        part.expect(auto_pad="NOTSET", dilations=[1, 1], kernel_shape=[height, width])
        if bias.shape != (outputs,):
            raise part.unsupported(f"has {bias.size} bias values for {outputs} channels")
        top, left, bottom, right = part.sizes("pads", [0, 0, 0, 0], least=0)
        down, across = part.sizes("strides", [1, 1], least=1)
        kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)
        pads, strides = (top, left, bottom, right), (down, across)
        return Conv(name, self._sources(part, 1), np.ascontiguousarray(kernel), bias, strides, pads, depthwise)

    def _pool(self, part: _Part, name: str) -> MaxPool:
        size, _ = part.sizes("kernel_shape", [0, 0], least=1)
        part.expect(auto_pad="NOTSET", ceil_mode=0, dilations=[1, 1], pads=[0, 0, 0, 0], storage_order=0)
        if part.settings.get("kernel_shape") != [size, size] or part.settings.get("strides") != [size, size]:
            raise part.unsupported("does not pool squares that lie side by side")
        return MaxPool(name, self._sources(part, 1), size)

    def _upsample(self, part: _Part, name: str) -> Upsample2x:
        part.expect(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        if self._array(part, 2, 1).tolist() != [1, 1, 2, 2]:
            raise part.unsupported("does not double height and width")
        return Upsample2x(name, self._sources(part, 1))


def _texts(graph: Any) -> Iterator[Any]:
    """Every name in the file; protobuf gives bytes for one that is not UTF-8."""
    for item in chain(graph.initializer, graph.input, graph.output):
        yield item.name
    for node in graph.node:
        yield from (node.name, node.op_type, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


class _Part:
    """A node of the file with its settings as plain values."""

    def __init__(self, node: Any, position: str) -> None:
        self.node = node
        self._position = position
        self.settings: dict[str, Any] = {}
        for attribute in node.attribute:
            value: Any = {2: attribute.i, 3: attribute.s, 7: list(attribute.ints)}.get(attribute.type)
            self.settings[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value

    def unsupported(self, what: str) -> UnsupportedLayerError:
        """The error for a node that cannot be translated."""
        inputs = ", ".join(self.node.input) or "none"
        return UnsupportedLayerError(
            f"node {self.node.name!r} ({self.node.op_type}, {self._position}, inputs: {inputs}) {what}"
        )

    def expect(self, **wanted: Any) -> None:
        """Refuse settings other than these; one that is absent has the wanted value."""
        for key, value in wanted.items():
            found = self.settings.get(key, value)
            if found != value:
                raise self.unsupported(f"has {key}={found!r}, and only {value!r} is supported")

    def sizes(self, key: str, default: list[int], *, least: int) -> list[int]:
        """A setting of small numbers, as many as the default has."""
        value = self.settings.get(key, default)
        if not isinstance(value, list) or len(value) != len(default) or not all(least <= item < 64 for item in value):
            raise self.unsupported(f"has {key}={value!r}, which are no {len(default)} sizes")
        return value

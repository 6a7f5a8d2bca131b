"""An ONNX file as the readers see it: parsed and checked, its nodes with their settings and constants.

Nothing in a file is executed or followed: tensors in other files, functions, sparse tensors, operators of foreign
domains and subgraphs are refused. Every setting of a node must be asked for by the reader that translates it; one that
nobody asked for is refused too, so that nothing is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.card import CARD_KEY, ModelCard, read_card, refuse_external_data
from ghostface_edge.errors import CheckpointError, ConversionError, ModelError, UnsupportedLayerError

from .requirement import missing_package

Array = NDArray[Any]
Setting = TypeVar("Setting", int, float, str, "list[int]")

OLDEST_OPSET = 9
_MAX_NODES = 20_000
_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinear", "MatMulInteger", "ConvInteger")

_FLOAT, _UINT8, _INT32, _INT64, _BOOL, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 2, 6, 7, 9, 10, 11, 16
FLOAT_TYPES = (_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16)
"""Element types (``TensorProto.DataType``) that become float32."""
INTEGER_TYPES = (_INT32, _INT64)
PICTURE_TYPES = (*FLOAT_TYPES, _UINT8)
_CONSTANT_TYPES = (*FLOAT_TYPES, *INTEGER_TYPES, _UINT8, _BOOL)


@contextmanager
def named(label: str) -> Iterator[None]:
    """Put the name of the file before every message, and call whatever is wrong with the file a CheckpointError."""
    try:
        yield
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(f"{label}: {error}") from error
    except ConversionError as error:
        raise CheckpointError(f"{label}: {error}") from error


class OnnxFile:
    """One parsed file.

    Args:
        data: The whole file.

    Attributes:
        inputs: The tensors that are fed when it runs, as onnx.ValueInfoProto by their names.
        outputs: Names of the tensors that leave it.
        opset: Version of the operators.
        card: Our model card, where the file carries one.

    Raises:
        CheckpointError: Not an ONNX file, a damaged one, or one that needs other files or functions.
        RuntimeMissingError: The package onnx is not installed.
    """

    def __init__(self, data: bytes) -> None:
        try:
            import onnx
        except ImportError as error:
            raise missing_package("reading a .onnx checkpoint", "onnx") from error
        self._onnx = onnx
        try:
            refuse_external_data(data)
            model = onnx.load_model_from_string(data)
            carried = any(entry.key == CARD_KEY for entry in model.metadata_props)
            self.card: ModelCard | None = read_card(data) if carried else None
        except ModelError as error:
            hint = "; PyTorch: torch.onnx.export(..., external_data=False)" if "other files" in str(error) else ""
            raise CheckpointError(f"{error}{hint}") from error
        except Exception as error:
            raise CheckpointError(f"it is no ONNX file, or is damaged: {error}") from error
        graph = model.graph
        if not all(isinstance(text, str) for text in _texts(model)):
            raise CheckpointError("it is damaged: a name in it is not text")
        if model.functions or graph.sparse_initializer:
            raise CheckpointError("it holds functions or sparse tensors, which are not read: export it without them")
        if len(graph.node) > _MAX_NODES:
            raise CheckpointError(f"it has {len(graph.node)} nodes, more than the {_MAX_NODES} that are read")
        self.opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
        newest = onnx.defs.onnx_opset_version()
        if not OLDEST_OPSET <= self.opset <= newest:
            raise CheckpointError(f"its operators are of opset {self.opset}; read are {OLDEST_OPSET} to {newest}")
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = {item.name: item for item in graph.input if item.name not in self._tensors}
        self.outputs: tuple[str, ...] = tuple(item.name for item in graph.output)
        self._nodes = [OnnxNode(self, node, number) for number, node in enumerate(graph.node, 1)]
        self._makers: dict[str, OnnxNode] = {}
        for node in self._nodes:
            for name in filter(None, node.outputs):
                if name in self._makers or name in self._tensors or name in self.inputs:
                    raise CheckpointError(f"it is damaged: the tensor {name!r} is made twice")
                self._makers[name] = node

    def __len__(self) -> int:
        return len(self._nodes)

    def maker(self, name: str) -> OnnxNode | None:
        """The node that makes a tensor."""
        return self._makers.get(name)

    def needed(self, outputs: Iterable[str]) -> list[OnnxNode]:
        """The nodes that these tensors depend on, in the order of the file."""
        found: set[str] = set()
        waiting = list(outputs)
        while waiting:
            name = waiting.pop()
            if name not in found and name in self._makers:
                node = self._makers[name]
                found.update(node.outputs)
                waiting.extend(node.inputs)
        return [node for node in self._nodes if not found.isdisjoint(node.outputs)]

    def initialiser(self, name: str) -> Array | None:
        """A stored tensor; None where the file has none of this name."""
        tensor = self._tensors.get(name)
        return None if tensor is None else self.array(tensor, name)

    def array(self, tensor: Any, name: str) -> Array:
        """The values of an onnx.TensorProto; those of any float type as float32."""
        if tensor.data_type not in _CONSTANT_TYPES:
            raise CheckpointError(f"the constant {name!r} has the element type {tensor.data_type}, which is not read")
        try:
            array: Array = self._onnx.numpy_helper.to_array(tensor)
        except Exception as error:
            raise CheckpointError(f"it is damaged: the constant {name!r} cannot be read ({error})") from error
        return self.as_float32(array) if tensor.data_type in FLOAT_TYPES else array

    @staticmethod
    def as_float32(array: Array) -> Array:
        """The same values; those beyond the range of float32 become infinite, which is refused where they are used."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(array, dtype=np.float32)


class OnnxNode:
    """A node with its settings as plain values.

    Attributes:
        kind: The operator.
        inputs: Names of the tensors that it takes; an empty one stands for an optional input left out.
        outputs: Names of the tensors that it makes.
    """

    def __init__(self, file: OnnxFile, node: Any, number: int) -> None:
        self._file = file
        self._node = node
        self._number = number
        self.kind: str = node.op_type
        self.inputs: tuple[str, ...] = tuple(node.input)
        self.outputs: tuple[str, ...] = tuple(node.output)
        self._settings: dict[str, Any] = {}

    def open(self) -> None:
        """Read the settings.

        Raises:
            UnsupportedLayerError: The node is of no kind that any reader knows, or has settings that are no values.
        """
        if self._node.domain not in ("", "ai.onnx"):
            raise self.unsupported(f"is of the foreign domain {self._node.domain!r}")
        if self.kind.startswith(_QUANTISED):
            raise self.unsupported("shows that the network is already quantised: convert the float model instead")
        if not self.outputs or not self.outputs[0]:
            raise self.unsupported("makes no tensor")
        readers = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints"}  # AttributeProto.AttributeType
        for attribute in self._node.attribute:
            if attribute.type not in readers or attribute.ref_attr_name or attribute.name in self._settings:
                raise self.unsupported(f"has {attribute.name!r}, a setting that is no plain value")
            value = getattr(attribute, readers[attribute.type])
            if attribute.type == 4:
                value = self._file.array(value, attribute.name)
            elif attribute.type == 3:
                value = value.decode(errors="replace")
            elif attribute.type in (6, 7):
                value = list(value)
            self._settings[attribute.name] = value

    def close(self) -> None:
        """Refuse the settings that nobody asked for."""
        for key, value in self._settings.items():
            raise self.unsupported(f"has {key}={value!r}, which is not supported")

    def unsupported(self, what: str) -> UnsupportedLayerError:
        """The error for a node that cannot be translated."""
        inputs = ", ".join(self.inputs) or "none"
        where = f"node {self._number} of {len(self._file)}"
        return UnsupportedLayerError(f"node {self._node.name!r} ({self.kind}, {where}, inputs: {inputs}) {what}")

    def has(self, key: str) -> bool:
        """Whether a setting is there and was not asked for yet."""
        return key in self._settings

    def setting(self, key: str, default: Setting) -> Setting:
        """A setting of the default's type."""
        value = self._settings.pop(key, default)
        if not isinstance(value, type(default)) or (isinstance(value, float) and not np.isfinite(value)):
            raise self.unsupported(f"has {key}={value!r}, which is no {type(default).__name__}")
        return value

    def value(self) -> Array:
        """The one setting of a Constant, whatever its name says of its type."""
        if len(self._settings) != 1:
            raise self.unsupported(f"has {len(self._settings)} values instead of 1")
        key, value = self._settings.popitem()
        if key not in ("value", "value_float", "value_floats", "value_int", "value_ints"):
            raise self.unsupported(f"has {key!r}, which is not supported")
        return np.asarray(value, np.float32 if "float" in key else np.int64 if "int" in key else None)

    def expect(self, **wanted: Any) -> None:
        """Refuse settings other than these; one that is absent has the wanted value."""
        for key, value in wanted.items():
            found = self._settings.pop(key, value)
            if type(found) is not type(value) or found != value:
                raise self.unsupported(f"has {key}={found!r}, and only {value!r} is supported")

    def sizes(self, key: str, default: list[int], *, least: int) -> list[int]:
        """A setting of small numbers, as many as the default has."""
        value = self.setting(key, default)
        if len(value) != len(default) or not all(least <= item < 4096 for item in value):
            raise self.unsupported(f"has {key}={value!r}, which are no {len(default)} sizes")
        return value


def _texts(model: Any) -> Iterator[Any]:
    """Every name in the file; protobuf gives bytes for one that is not UTF-8."""
    graph = model.graph
    for entry in model.opset_import:
        yield entry.domain
    for item in chain(graph.initializer, graph.input, graph.output):
        yield item.name
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)

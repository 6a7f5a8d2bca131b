"""What is in a model file."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

from .. import signatures
from ..card import ModelCard, refuse_external_data
from ..errors import ModelCardError, ModelFileError, RuntimeMissingError
from ..models import ModelStore
from ..runtime.opening import read_model_card
from ..runtime.session import LARGEST_FILE, read_model
from ..runtime.tflite_card import is_tflite
from ..types import Threshold
from .output import table

_log = logging.getLogger(__name__)


_UNKNOWN = ("?",) * 4

Shape = tuple[Any, ...]
"""Sizes; a text where a size is open."""


@dataclass(frozen=True)
class Network:
    """The network in a model file.

    Attributes:
        inputs: Shape of each input, by its name.
        outputs: Likewise.
        operators: How many there are of each type, most frequent first.
        parameters: Number of stored values.
        macs: Multiplications of all convolutions for one picture; None where the size of the picture is open.
        dtypes: How many tensors there are of each type; of a .tflite file only.
        partitions: In how many parts XNNPACK runs the network; likewise.
        outside: The operators that XNNPACK does not run, by type; likewise.
    """

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    operators: dict[str, int]
    parameters: int
    macs: int | None
    dtypes: dict[str, int] | None = None
    partitions: int | None = None
    outside: dict[str, int] | None = None


@dataclass(frozen=True)
class Inspection:
    """A model file.

    Attributes:
        path: The file.
        size: Bytes.
        sha256: Lower-case hexadecimal.
        format: ``onnx``, ``tflite`` or ``h5`` (a Keras checkpoint).
        card: The model card; None where the file has none.
        network: None where what reads it is not there: the package onnx or ai-edge-litert; and for a .tflite file
            without a card, whose seal would prove it undamaged.
    """

    path: str
    size: int
    sha256: str
    format: str
    card: ModelCard | None
    network: Network | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **vars(self),
            "card": None if self.card is None else self.card.to_dict(),
            "network": None if self.network is None else dict(vars(self.network)),
        }

    def to_text(self) -> str:
        """For people."""
        rows: list[tuple[str, object]] = [
            ("file", self.path),
            ("format", f"{self.format}, {self.size:,} bytes"),
            ("sha256", self.sha256),
        ]
        rows += _card_rows(self.card) if self.card else [("model card", "none")]
        rows += _network_rows(self.network) if self.network else [("network", _unread(self.format, self.card))]
        lines = [table(rows[0], rows[1:])]
        if self.card and self.card.thresholds:
            lines += ["", table(_THRESHOLDS, map(_threshold_cells, self.card.thresholds))]
        return "\n".join(lines)


def inspection(model: str) -> Inspection:
    """Look into a model file, or that of a known model.

    Raises:
        MissingModelError: No such file, or not on this machine.
        ModelFileError: Damaged, or no model.
        CheckpointError: A damaged checkpoint.
        UnsupportedLayerError: A checkpoint of another network.
    """
    path = Path(model) if os.path.exists(model) else ModelStore().choose(model).path
    card: ModelCard | None = None
    network: Network | None = None
    if _is_checkpoint(path):
        data, format = path.read_bytes(), "h5"
        network = _keras_network(data, str(path))
    else:
        data = read_model(path)
        format = "tflite" if is_tflite(data) else "onnx"
        card = _card(data, path)
        if format == "onnx":
            network = _onnx_network(data, path, sealed=card is not None)
        elif card is not None:
            network = _tflite_network(data)
    return Inspection(str(path), len(data), hashlib.sha256(data).hexdigest(), format, card, network)


def _is_checkpoint(path: Path) -> bool:
    with suppress(OSError):  # read_model says what is wrong with it
        if path.is_file() and path.stat().st_size <= LARGEST_FILE:
            with path.open("rb") as file:
                return file.read(len(signatures.HDF5)) == signatures.HDF5
    return False


def _card(data: bytes, path: Path) -> ModelCard | None:
    try:
        return read_model_card(data, str(path))
    except ModelCardError as error:
        _log.info("%s", error)
        return None


def _keras_network(data: bytes, label: str) -> Network:
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    graph = import_module("ghostface_edge.converters.keras_h5").read_keras_h5(data, label)
    shapes = graph.shapes()
    return Network(
        inputs={graph.input.name: shapes[graph.input.name]},
        outputs={name: shapes[name] for name in graph.outputs},
        operators=dict(Counter(type(node).__name__ for node in graph.nodes[1:]).most_common()),
        parameters=graph.parameters(),
        macs=graph.macs(),
    )


def _onnx_network(data: bytes, path: Path, *, sealed: bool) -> Network | None:
    """The network of an ONNX file; shapes are inferred, by native code, only where a seal proves it undamaged."""
    try:
        import onnx
    except ImportError:
        return None
    refuse_external_data(data)
    try:
        model = onnx.load_model_from_string(data)
        network = _network((onnx.shape_inference.infer_shapes(model) if sealed else model).graph)
    except Exception as error:  # protobuf and onnx raise classes of their own
        raise ModelFileError(f"{path} is damaged or is not an ONNX model: {error}") from error
    if not network.operators:
        raise ModelFileError(f"{path} is not an ONNX model: it holds no network")
    return network


def _tflite_network(data: bytes) -> Network | None:
    """The network of a TFLite file whose seal was checked."""
    try:
        file = import_module("ghostface_edge.converters.tflite_inspection").inspect_tflite(data)
    except RuntimeMissingError:
        return None
    return Network(
        inputs={tensor.name: _open(tensor.shape) for tensor in file.inputs},
        outputs={tensor.name: _open(tensor.shape) for tensor in file.outputs},
        operators=file.kinds,
        parameters=file.parameters,
        macs=file.macs,
        dtypes=file.dtypes,
        partitions=file.partitions,
        outside=dict(Counter(operator.kind for operator in file.outside)),
    )


def _network(graph: Any) -> Network:
    weights = {item.name: tuple(item.dims) for item in graph.initializer}
    shapes = {item.name: _shape(item) for item in (*graph.input, *graph.output, *graph.value_info)}
    macs = [
        _macs(shapes.get(node.output[0], _UNKNOWN)[2:], weights.get(node.input[1], _UNKNOWN))
        for node in graph.node
        if node.op_type == "Conv"
    ]
    return Network(
        inputs={_text(item.name): shapes[item.name] for item in graph.input if item.name not in weights},
        outputs={_text(item.name): shapes[item.name] for item in graph.output},
        operators=dict(Counter(_text(node.op_type) for node in graph.node).most_common()),
        parameters=sum(prod(dims) for dims in weights.values()),
        macs=None if None in macs else sum(number for number in macs if number is not None),
    )


def _open(shape: Shape) -> Shape:
    return tuple("?" if size is None else size for size in shape)


def _shape(item: Any) -> Shape:
    return tuple(size.dim_value or _text(size.dim_param) or "?" for size in item.type.tensor_type.shape.dim)


def _text(value: str | bytes) -> str:
    """A name; protobuf gives bytes for one that is not UTF-8."""
    return value if isinstance(value, str) else value.decode(errors="backslashreplace")


def _macs(made: Shape, kernel: Shape) -> int | None:
    """None where a size is open."""
    if not all(isinstance(size, int) for size in (*made, *kernel)):
        return None
    macs: int = import_module("ghostface_edge.converters.multiplications").convolution_macs(made, kernel)
    return macs


def _card_rows(card: ModelCard) -> list[tuple[str, object]]:
    spec = card.input
    size = "any multiple of 32" if spec.height is None else f"{spec.height} x {spec.width}"
    rows: list[tuple[str, object]] = [
        ("kind", card.kind),
        ("name", card.name),
        ("model id", card.model_id),
        ("architecture", card.architecture),
        ("precision", card.arithmetic),
        ("input", f"{size}, {spec.layout}, {spec.colour_order}, (p - {spec.mean:g}) * {spec.scale:g}"),
        ("source", f"{card.source.file}, {card.source.size:,} bytes, sha256 {card.source.sha256}"),
        ("converter", card.converter),
        ("licence", card.licence),
    ]
    if card.kind == "embedder":
        rows += [("alignment", card.alignment), ("embedding", f"{card.embedding_size} numbers")]
        rows += [] if card.thresholds else [("thresholds", "none measured")]
    return rows


_THRESHOLDS = (
    "detector",
    "FMR",
    "FMR at most",
    "threshold",
    "95 % interval",
    "FNMR",
    "impostor pairs",
    "genuine pairs",
    "people",
    "measured on",
)


def _threshold_cells(item: Threshold) -> tuple[str, ...]:
    low, high = item.similarity_low, item.similarity_high
    return (
        item.detector,
        f"{item.fmr:g}",
        "?" if item.fmr_high is None else f"{item.fmr_high:.2g}",
        f"{item.similarity:.3f}",
        "?" if low is None or high is None else f"{low:.3f} to {high:.3f}",
        f"{item.fnmr:.4f}",
        f"{item.impostor_pairs:,}",
        f"{item.genuine_pairs:,}",
        "?" if item.people is None else f"{item.people:,}",
        item.dataset,
    )


def _network_rows(network: Network) -> list[tuple[str, object]]:
    total = sum(network.operators.values())
    rows: list[tuple[str, object]] = [
        *((f"input {name}", " x ".join(map(str, shape))) for name, shape in network.inputs.items()),
        *((f"output {name}", " x ".join(map(str, shape))) for name, shape in network.outputs.items()),
        ("operators", f"{total}: {_counts(network.operators)}"),
        ("parameters", f"{network.parameters:,}"),
        ("MACs", "unknown" if network.macs is None else f"{network.macs / 1e6:.2f} million in convolutions"),
    ]
    if network.dtypes is not None and network.outside is not None:
        outside = f"outside it: {_counts(network.outside)}" if network.outside else "nothing outside it"
        rows += [
            ("tensors", _counts(network.dtypes)),
            ("XNNPACK", f"{network.partitions} partition{'' if network.partitions == 1 else 's'}, {outside}"),
        ]
    return rows


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items())


def _unread(format: str, card: ModelCard | None) -> str:
    if format == "onnx":
        return "install the package onnx to see it"
    return "shown for files with a model card only" if card is None else "install the package ai-edge-litert to see it"

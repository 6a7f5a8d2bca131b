"""What a network costs, counted and not measured: MACs, FLOPs, parameters, weight bytes, memory.

A network is counted as it stands in what is named. An architecture or a checkpoint is the network that was trained, in
float32, with its batch normalisations as layers. A converted file is what the converter made of it: batch
normalisations are gone, into the weights of convolutions; and a convolution that the converter put in, such as the
identity that decouples scales or the one that does the work of an int8 PReLU, is a convolution like all others.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ghostface_edge import signatures
from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.onnx_file import OnnxFile, named
from ghostface_edge.converters.onnx_reader import read_embedder
from ghostface_edge.converters.trained_model import SourceOptions, read_trained_model
from ghostface_edge.converters.yunet_onnx import is_yunet, read_yunet_onnx
from ghostface_edge.errors import ModelCardError, OptionError
from ghostface_edge.runtime.opening import read_model_card
from ghostface_edge.runtime.session import naming, read_model
from ghostface_edge.runtime.tflite_card import is_tflite

from .onnx_workload import onnx_workload
from .operation import Shape
from .schedule import Step, best_schedule, given_schedule
from .tensorflow_profile import notebook_flops
from .tflite_workload import tflite_workload
from .weight_bytes import detector_weight_bytes, embedder_weight_bytes
from .workload import Workload, graph_workload

OFFICIAL = tuple(
    f"ghostfacenet-v{version}-{width}-{stride}"
    for version, widths in ((1, ("0.5", "1.0", "1.3", "2.0")), (2, ("1.0", "1.3")))
    for width in widths
    for stride in (2, 1)
)
"""The variants that upstream trained or published figures of (README and ``Flops.ipynb`` of HamadYA/GhostFaceNets)."""

LARGEST_SIDE = 4096
"""Pixels of a picture whose size is open."""

_YUNET_SIDE = 640
"""Height and width of the picture that ``face_detection_yunet_2023mar.onnx`` takes."""

_GHOSTFACENET = "ghostfacenet-"
_KERAS = (signatures.HDF5, signatures.ZIP)


@dataclass(frozen=True)
class Layer:
    """One operation of a network, for one picture.

    Attributes:
        name: Of the operation or of the tensor that it makes.
        kind: As its file calls it.
        shape: Of what it makes, without the batch.
        parameters: Values of its weights.
        macs: Multiplications of a convolution or of a product of matrices.
        flops: All arithmetic; 0 for a kind that nobody has counted.
        moved_bytes: Of the tensors that it takes and makes.
        memory_bytes: In use while it runs, in the best order.
        intensity: MACs for each byte of its weights and of the tensors that it takes and makes.
    """

    name: str
    kind: str
    shape: Shape
    parameters: int
    macs: int
    flops: int
    moved_bytes: int
    memory_bytes: int
    intensity: float


@dataclass(frozen=True)
class Cost:
    """What a network costs for one picture.

    Attributes:
        name: The file, or the architecture.
        format: ``architecture``, ``checkpoint``, ``onnx`` or ``tflite``.
        picture: Shape of the picture, without the batch.
        parameters: Values of all weights.
        macs: Multiplications of convolutions and of products of matrices: what papers on small networks call FLOPs.
        flops: All arithmetic: twice the MACs, and all else; see :mod:`.operation`.
        notebook_flops: What upstream's notebook prints as FLOPs, which are MACs and a little more; None for what is not
            a GhostFaceNet as it was trained. See :mod:`.tensorflow_profile`.
        weight_bytes: By precision: of the file; or of the files that the converter would make.
        peak_bytes: The least memory for activations in which the network can run: in the best order of its operations,
            without writing over inputs, without gaps; for an architecture or checkpoint in float32, for a file in the
            types of its tensors. See :mod:`.schedule`.
        peak_in_order_bytes: The same in the order in which the operations stand, which is how runtimes run them.
        peak_proved: Whether no order needs less than ``peak_bytes``.
        moved_bytes: What all layers take and make, were each to read and write memory.
        intensity: MACs for each byte of weights and of moved tensors, in the same types as ``peak_bytes``.
        layers: One by one, in the order of the network.
        uncounted: Kinds of operations whose arithmetic nobody has counted, and how many there are of each; ``flops``
            leaves them out.
    """

    name: str
    format: str
    picture: Shape
    parameters: int
    macs: int
    flops: int
    notebook_flops: int | None
    weight_bytes: Mapping[str, int]
    peak_bytes: int
    peak_in_order_bytes: int
    peak_proved: bool
    moved_bytes: int
    intensity: float
    layers: tuple[Layer, ...]
    uncounted: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def count(what: str, *, size: int | None = None) -> Cost:
    """Count a file, or an architecture by its name.

    Args:
        what: An ``.h5``, ``.keras``, ``.onnx`` or ``.tflite`` file, or a name such as ``ghostfacenet-v2-1.3-1``.
        size: Height and width of the picture, for an ``.onnx`` file that leaves them open.

    Raises:
        OptionError: Neither a file nor the name of an architecture; a senseless size, or one that is missing.
        ModelFileError: A file that is damaged or no model.
        ConversionError: A checkpoint or an ``.onnx`` file without a model card that cannot be read.
        RuntimeMissingError: What reads the file is not installed: h5py, onnx or ai-edge-litert.
    """
    if size is not None and not 1 <= size <= LARGEST_SIDE:
        raise OptionError(f"size={size} is no side of a picture: use 1 to {LARGEST_SIDE}")
    if not os.path.exists(what):
        return _of_architecture(what, size)
    path = Path(what)
    if _is_checkpoint(path):
        _refuse_size(path.name, size)
        model = read_trained_model(path, SourceOptions())
        return count_graph(
            path.name, model.graph, format="checkpoint", is_ours=model.card.architecture.startswith(_GHOSTFACENET)
        )
    return _of_file(path, size)


def count_graph(name: str, graph: Graph, *, format: str, is_ours: bool, size: int | None = None) -> Cost:
    """Count a network.

    Args:
        name: What to call it.
        graph: As it was trained.
        format: See :attr:`Cost.format`.
        is_ours: Whether it is a GhostFaceNet.
        size: Height and width of the picture, for a network that leaves them open.

    Raises:
        ConversionError: The network cannot be converted, or the picture has no size.
    """
    detects = len(graph.outputs) > 1
    stored = detector_weight_bytes(graph) if detects else embedder_weight_bytes(graph)
    return _cost(name, format, graph_workload(graph, size), stored, notebook_flops(graph) if is_ours else None)


def _of_architecture(name: str, size: int | None) -> Cost:
    try:
        graph = architecture(name)
    except OptionError as error:
        raise OptionError(f"there is no file {name!r}, and {error}") from error
    _refuse_size(name, size)
    return count_graph(name, graph, format="architecture", is_ours=True)


def _refuse_size(name: str, size: int | None) -> None:
    if size is not None:
        raise OptionError(f"size={size} does not concern {name}, whose size is fixed: leave it out")


def _is_checkpoint(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(max(map(len, _KERAS))).startswith(_KERAS)
    except OSError:  # read_model says what is wrong with it
        return False


def _of_file(path: Path, size: int | None) -> Cost:
    data = read_model(path)
    precision = "as stored"
    sealed = True
    try:
        precision = read_model_card(data, str(path)).precision
    except ModelCardError:  # another program's file
        sealed = False
    if is_tflite(data):
        _refuse_size(path.name, size)
        with naming(str(path)):
            work = tflite_workload(data)
    elif sealed:
        with naming(str(path)):
            work = onnx_workload(data, size)
    else:
        return _of_source(path.name, data, str(path), size)
    stored = {precision: sum(operation.weight_bytes for operation in work.operations)}
    return _cost(path.name, "tflite" if is_tflite(data) else "onnx", work, stored, None)


def _of_source(name: str, data: bytes, label: str, size: int | None) -> Cost:
    """An ``.onnx`` file without a model card, which is read as the converter reads it."""
    if is_yunet(data):
        _refuse_size(name, size)
        return count_graph(name, read_yunet_onnx(data, label), format="onnx", is_ours=False, size=_YUNET_SIDE)
    with named(label):
        graph = read_embedder(OnnxFile(data), size)
    return count_graph(name, graph, format="onnx", is_ours=False)


def _cost(name: str, format: str, work: Workload, weight_bytes: Mapping[str, int], notebook: int | None) -> Cost:
    steps = [Step(operation.inputs, operation.outputs) for operation in work.operations]
    best = best_schedule(steps, work.sizes, work.inputs, work.outputs)
    in_order = given_schedule(steps, work.sizes, work.inputs, work.outputs)
    memory = dict(zip(best.order, best.memory))
    layers = []
    for number, operation in enumerate(work.operations):
        moved = work.moved(operation)
        layers.append(
            Layer(
                name=operation.name,
                kind=operation.kind,
                shape=operation.shape,
                parameters=operation.parameters,
                macs=operation.macs,
                flops=operation.flops or 0,
                moved_bytes=moved,
                memory_bytes=memory[number],
                intensity=_ratio(operation.macs, operation.weight_bytes + moved),
            )
        )
    macs = sum(layer.macs for layer in layers)
    moved = sum(layer.moved_bytes for layer in layers)
    weights = sum(operation.weight_bytes for operation in work.operations)
    return Cost(
        name=name,
        format=format,
        picture=work.picture,
        parameters=sum(layer.parameters for layer in layers),
        macs=macs,
        flops=sum(layer.flops for layer in layers),
        notebook_flops=notebook,
        weight_bytes=dict(weight_bytes),
        peak_bytes=best.peak,
        peak_in_order_bytes=in_order.peak,
        peak_proved=best.proved,
        moved_bytes=moved,
        intensity=_ratio(macs, weights + moved),
        layers=tuple(layers),
        uncounted=dict(Counter(operation.kind for operation in work.operations if operation.flops is None)),
    )


def _ratio(macs: int, size: int) -> float:
    return macs / size if size else 0.0

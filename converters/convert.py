"""One checkpoint in, one runnable model out: reader, passes, writer, model card, in that order.

Needs numpy, h5py or onnx for the format that is read, and onnx or LiteRT for the one that is written; nothing in a
checkpoint is executed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ghostface_edge import signatures
from ghostface_edge._version import __version__
from ghostface_edge.atomic import replacing
from ghostface_edge.card import ARCFACE_ALIGNMENT, InputSpec, ModelCard, Source, write_card
from ghostface_edge.catalog import KNOWN_MODELS
from ghostface_edge.errors import CheckpointError, ConversionError, OptionError
from ghostface_edge.thresholds import measured_thresholds

from .graph import Add, Conv, Graph
from .keras_h5 import EMBEDDING, read_keras_h5
from .onnx_writer import write_onnx
from .passes.fold_batch_norm import fold_batch_norm
from .passes.lower_prelu import lower_prelu
from .passes.merge_heads import merge_heads
from .passes.normalise_slopes import normalise_slopes
from .passes.swap_colours import swap_colours
from .tflite_writer import write_tflite
from .yunet_onnx import read_yunet_onnx

_log = logging.getLogger(__name__)

PRECISIONS = {"onnx": ("float32",), "tflite": ("float32", "float16")}
"""The file formats, and the numerical forms of each."""

PRELU_FORMS = ("lowered", "native")
_FASTEST_PRELU = {"onnx": "lowered", "tflite": "native"}
"""ONNX Runtime: see ``passes/lower_prelu.py``. XNNPACK's own PRELU is as fast as any sum, and one operator less.

LiteRT 2.3, x86-64, one thread, forms in random turn, median ms of native / lowered: width 0.5, stem stride 2: 0.95 /
0.97, as float16: 0.94 / 0.97; width 1.3, stride 2: 2.71 / 2.86; width 1.3, stride 1: 7.54 / 7.94.
"""

_DETECTOR_LAYOUT = {"onnx": "NCHW", "tflite": "NHWC"}
"""What each format computes in. Transposing 640 x 640 pixels inside ONNX Runtime takes 0.5 ms, splitting bytes 0.1."""

_UNKNOWN_LICENCE = "unknown: ask the source of the checkpoint"
_MAX_BYTES = 512 << 20
_ZIP = b"PK\x03\x04"
_ONNX = b"\x08"
"""Key of the first field of every ONNX file: ``ModelProto.ir_version``."""
_YUNET_2023MAR_PARAMETERS = 53_104
_PRODUCER = f"ghostface-edge {__version__}"


@dataclass(frozen=True)
class Conversion:
    """What a conversion made.

    Attributes:
        path: The model file.
        card: The card in it.
        nodes: Nodes of the network as it was written.
        parameters: Values stored in the checkpoint's network, the normalisation statistics among them.
        macs: Multiplications of all convolutions for one picture; at 640 x 640 where the size is open.
        seconds: Time it took.
    """

    path: Path
    card: ModelCard
    nodes: int
    parameters: int
    macs: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "path": str(self.path), "card": self.card.to_dict(), "seconds": round(self.seconds, 3)}


def convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    to: str = "onnx",
    precision: str = "float32",
    prelu: str | None = None,
    licence: str | None = None,
    name: str | None = None,
) -> Conversion:
    """Convert a checkpoint.

    Args:
        source: A GhostFaceNetV1 as a whole Keras 2 model (``.h5``), or OpenCV Zoo's YuNet (``.onnx``). What it is, is
            decided by its content.
        output: Folder for ``<stem of the source>.<to>``; created if absent. A file of that name is replaced.
        to: File format: ``onnx`` or ``tflite``.
        precision: Numerical form, one of those that :data:`PRECISIONS` lists for the format.
        prelu: ``lowered`` to several operations, or ``native`` as one PRelu operator; by default what runs faster in
            this format.
        licence: Terms of the weights, in words, for the model card; by default those of a known checkpoint.
        name: What people call the model; by default the stem of the source.

    Returns:
        The conversion. The same source and options give the same bytes.

    Raises:
        OptionError: A format, precision or form that does not exist, or an output that would replace the source.
        CheckpointError: The source is no such checkpoint, is damaged or cannot be read.
        UnsupportedLayerError: The network has a layer that cannot be translated.
        ConversionError: The model cannot be written.
        RuntimeMissingError: h5py, onnx or LiteRT is needed and not installed.
    """
    start = time.perf_counter()
    _choose("to", to, PRECISIONS)
    _choose("precision", precision, PRECISIONS[to], f" for to={to!r}")
    prelu = _FASTEST_PRELU[to] if prelu is None else prelu
    _choose("prelu", prelu, PRELU_FORMS)
    source = Path(source)
    path = Path(output) / f"{source.stem}.{to}"
    data = _read(source)
    if os.path.exists(path) and os.path.samefile(path, source):
        raise OptionError(f"output={str(output)!r} would replace the source {source}: choose another folder")
    origin = Source(_printable(source.name), hashlib.sha256(data).hexdigest(), len(data))
    if licence is None:
        licence = next((known.licence for known in KNOWN_MODELS if known.sha256 == origin.sha256), _UNKNOWN_LICENCE)
    name = _printable(source.stem) if name is None else name
    if data.startswith(signatures.HDF5):
        checkpoint = read_keras_h5(data, str(source))
        graph = embedder_graph(checkpoint, prelu)
        card = _embedder_card(checkpoint, origin, precision, licence, name)
    else:
        checkpoint = read_yunet_onnx(data, str(source))
        graph = detector_graph(checkpoint)
        card = _detector_card(checkpoint, origin, _DETECTOR_LAYOUT[to], precision, licence, name)
    if to == "onnx":
        model = write_card(write_onnx(graph, card.converter, layout=card.input.layout), card)
    else:
        model = write_tflite(graph, card)
    _write(path, model)
    result = Conversion(
        path=path,
        card=card,
        nodes=len(graph.nodes),
        parameters=checkpoint.parameters(),
        macs=_macs(checkpoint),
        seconds=time.perf_counter() - start,
    )
    _log.info("%s: %s, %d nodes, %.2f s", path, card.model_id, result.nodes, result.seconds)
    return result


def embedder_graph(checkpoint: Graph, prelu: str = "lowered") -> Graph:
    """The network of a checkpoint as it is written.

    Raises:
        CheckpointError: Its weights are so large that folding them overflows float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        graph = fold_batch_norm(checkpoint)
        if prelu == "lowered":
            graph = lower_prelu(normalise_slopes(graph))
    for node in graph.nodes:
        if not all(np.isfinite(array).all() for array in node.weights().values()):
            raise CheckpointError(f"the weights of {node.name!r} are too large: they overflow float32 when folded")
    return graph


def detector_graph(checkpoint: Graph) -> Graph:
    """YuNet as it is written: RGB in, one output per stride."""
    return merge_heads(swap_colours(checkpoint))


def _printable(text: str) -> str:
    """A file name as text that can be written down; bytes that are no UTF-8 become question marks."""
    return text.encode(errors="replace").decode()


def _choose(argument: str, value: str, choices: Iterable[str], where: str = "") -> None:
    if value not in choices:
        raise OptionError(f"{argument}={value!r} does not exist{where}; choose from: {', '.join(choices)}")


def _read(source: Path) -> bytes:
    """The whole file, once, so that what is hashed is what is parsed."""
    try:
        if not source.is_file():
            raise CheckpointError(f"{source} is no file" if source.exists() else f"there is no file {source}")
        size = source.stat().st_size
        if size > _MAX_BYTES:
            raise CheckpointError(f"{source} has {size} bytes, more than the {_MAX_BYTES} that a checkpoint may have")
        data = source.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{source} cannot be read: {error.strerror}") from error
    if not data:
        raise CheckpointError(f"{source} is empty")
    if data.startswith(signatures.GIT_LFS):
        raise CheckpointError(f"{source} is a Git LFS pointer, not the checkpoint itself. Fetch it: git lfs pull")
    if data.startswith(_ZIP):
        raise CheckpointError(
            f"{source} is a zip file, perhaps a Keras 3 .keras file; only whole Keras 2 models (.h5) are read. "
            "Save it with tf_keras (Keras 2): model.save('model.h5')"
        )
    if not data.startswith((signatures.HDF5, _ONNX)):
        raise CheckpointError(f"{source} is neither a Keras .h5 checkpoint nor an ONNX file")
    return data


def _embedder_card(checkpoint: Graph, origin: Source, precision: str, licence: str, name: str) -> ModelCard:
    architecture = _embedder_architecture(checkpoint)
    picture = checkpoint.input
    return ModelCard(
        kind="embedder",
        model_id=f"{architecture}-{origin.sha256[:8]}",
        name=name,
        architecture=architecture,
        precision=precision,
        # Upstream data.py and evals.py: (picture - 127.5) * 0.0078125, RGB.
        input=InputSpec(picture.height, picture.width, "NHWC", "RGB", mean=127.5, scale=1 / 128),
        source=origin,
        converter=_PRODUCER,
        licence=licence,
        alignment=ARCFACE_ALIGNMENT,
        embedding_size=checkpoint.shapes()[EMBEDDING][0],
        # Measured in float32. A float16 file has them too: tests hold its embeddings within cosine 0.9999 of float32's,
        # or 0.9998 where the processor computes in float16.
        thresholds=measured_thresholds(origin.sha256),
    )


def _detector_card(
    checkpoint: Graph, origin: Source, layout: str, precision: str, licence: str, name: str
) -> ModelCard:
    architecture = "yunet-2023mar" if checkpoint.parameters() == _YUNET_2023MAR_PARAMETERS else "yunet"
    return ModelCard(
        kind="detector",
        model_id=f"{architecture}-{origin.sha256[:8]}",
        name=name,
        architecture=architecture,
        precision=precision,
        input=InputSpec(None, None, layout, "RGB", mean=0.0, scale=1.0),
        source=origin,
        converter=_PRODUCER,
        licence=licence,
    )


def _embedder_architecture(checkpoint: Graph) -> str:
    """Such as ``ghostfacenet-v1-0.5-2``: version, width and stride of the stem; ``custom`` for another network.

    GhostFaceNetV1 has 16 bottlenecks, each with one Add, and its last convolution before the head makes
    512 x width channels, rounded to a multiple of 4 (upstream ``backbones/ghost_model.py``).
    """
    convs = [node for node in checkpoint.nodes if isinstance(node, Conv)]
    bottlenecks = sum(isinstance(node, Add) for node in checkpoint.nodes)
    if bottlenecks != 16 or len(convs) < 3:
        return "custom"
    width = round(convs[-2].output_channels / 512, 2)
    return f"ghostfacenet-v1-{width}-{convs[0].strides[0]}"


def _macs(checkpoint: Graph) -> int:
    fixed = checkpoint.input.height is not None
    return checkpoint.macs() if fixed else checkpoint.macs(640, 640)


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(data)
    except (OSError, ValueError) as error:
        raise ConversionError(f"{path} cannot be written: {error}") from error

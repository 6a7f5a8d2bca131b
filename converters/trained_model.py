"""Reads the file that a training left behind, whatever its form, and says what is known about it.

What a file is, is decided by its content. Nothing in it is executed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ghostface_edge import signatures
from ghostface_edge._version import __version__
from ghostface_edge.card import ARCFACE_ALIGNMENT, COLOUR_ORDERS, InputSpec, ModelCard, Source
from ghostface_edge.catalog import KNOWN_MODELS
from ghostface_edge.errors import CheckpointError, OptionError
from ghostface_edge.thresholds import measured_thresholds

from .checkpoint import Checkpoint
from .graph import Add, Concat, Conv, Graph, ResizeBilinear
from .keras_config import EMBEDDING
from .keras_h5 import read_h5
from .keras_zip import read_keras_zip
from .onnx_file import OnnxFile, named
from .onnx_reader import read_embedder
from .passes.lift_normalisation import lift_normalisation
from .yunet_onnx import is_yunet, read_yunet_onnx

PRODUCER = f"ghostface-edge {__version__}"

_UNKNOWN_LICENCE = "unknown: ask the source of the checkpoint"
_MAX_BYTES = 512 << 20
_ONNX = b"\x08"
"""Key of the first field of every ONNX file: ``ModelProto.ir_version``."""
_YUNET_2023MAR_PARAMETERS = 53_104
_PIXELS = ("mean", "scale", "colour_order")


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network with its weights, and its card.

    Attributes:
        graph: The network as it was read.
        card: For a float32 model of it that takes channels last.
        left_out: Layers of the file that the embedding does not need, such as a training head.
    """

    graph: Graph
    card: ModelCard
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceOptions:
    """What a caller states about a source that does not say it itself; see :func:`~.convert.convert`."""

    architecture: str | None = None
    hard_sigmoid: str | None = None
    mean: float | None = None
    scale: float | None = None
    colour_order: str | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        for key, least in (("mean", 0.0), ("scale", 1e-9)):
            number = getattr(self, key)
            if number is not None and not (isinstance(number, (int, float)) and least <= abs(number) <= 1e9):
                raise OptionError(f"{key}={number!r} is no number of grey levels")
        if self.colour_order not in (None, *COLOUR_ORDERS):
            raise OptionError(
                f"colour_order={self.colour_order!r} does not exist; choose from: {', '.join(COLOUR_ORDERS)}"
            )

    def pixels(self) -> dict[str, Any]:
        """The pre-processing that is stated, by the fields of the card."""
        return {key: value for key in _PIXELS if (value := getattr(self, key)) is not None}

    def refuse(self, label: str, names: Iterable[str]) -> None:
        """Refuse options that a source of this kind settles itself."""
        for name in names:
            if getattr(self, name) is not None:
                raise OptionError(
                    f"{name}={getattr(self, name)!r} does not concern {label}, which settles it itself: leave it out"
                )


def read_trained_model(
    path: Path, options: SourceOptions, *, licence: str | None = None, name: str | None = None
) -> TrainedModel:
    """Read a checkpoint, an ONNX embedder or YuNet.

    Args:
        path: The file.
        options: What it does not say itself.
        licence: Terms of the weights; by default those of a known checkpoint.
        name: What people call the model; by default the stem of the file.

    Raises:
        OptionError: An option that is missing, or that the source settles itself.
        CheckpointError: No such checkpoint, a damaged one, or one that cannot be read.
        UnsupportedLayerError: The network has a layer that cannot be translated.
        RuntimeMissingError: h5py or onnx is needed and not installed.
    """
    data, label = _content(path), str(path)
    origin = Source(_printable(path.name), hashlib.sha256(data).hexdigest(), len(data))
    stated = {key: text for key, text in (("licence", licence), ("name", name)) if text is not None}
    known = next((entry.licence for entry in KNOWN_MODELS if entry.sha256 == origin.sha256), _UNKNOWN_LICENCE)
    labels = {"licence": known, "name": _printable(path.stem), **stated}
    if data.startswith((signatures.HDF5, signatures.ZIP)):
        checkpoint = _keras(data, label, options)
        card = _embedder_card(checkpoint.graph, origin, **labels)
        card = replace(card, input=replace(card.input, **options.pixels()))
        return TrainedModel(checkpoint.graph, card, checkpoint.left_out)
    options.refuse(label, ("architecture", "hard_sigmoid"))
    if is_yunet(data):
        options.refuse(label, (*_PIXELS, "size"))
        graph = read_yunet_onnx(data, label)
        return TrainedModel(graph, _detector_card(graph, origin, **labels))
    with named(label):
        file = OnnxFile(data)
        graph, picture = _onnx_pictures(read_embedder(file, options.size), file.card, options.pixels())
    card = _embedder_card(graph, origin, **labels)
    if file.card is not None:
        card = replace(file.card, precision=card.precision, converter=card.converter, **stated)
    return TrainedModel(graph, replace(card, input=picture))


def _content(path: Path) -> bytes:
    """The whole file, once, so that what is hashed is what is parsed."""
    try:
        if not path.is_file():
            raise CheckpointError(f"{path} is no file" if path.exists() else f"there is no file {path}")
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise CheckpointError(f"{path} has {size} bytes, more than the {_MAX_BYTES} that a checkpoint may have")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not data:
        raise CheckpointError(f"{path} is empty")
    if data.startswith(signatures.GIT_LFS):
        raise CheckpointError(f"{path} is a Git LFS pointer, not the checkpoint itself. Fetch it: git lfs pull")
    if data.startswith(signatures.PICKLE):
        raise CheckpointError(
            f"{path} is a pickle, which runs code when it is read: refused. Export the network as ONNX"
        )
    if not data.startswith((signatures.HDF5, signatures.ZIP, _ONNX)):
        raise CheckpointError(f"{path} is neither a Keras checkpoint (.h5, .keras) nor an ONNX file")
    return data


def _keras(data: bytes, label: str, options: SourceOptions) -> Checkpoint:
    options.refuse(label, ("size",))
    if data.startswith(signatures.HDF5):
        return read_h5(data, label, architecture=options.architecture, hard_sigmoid=options.hard_sigmoid)
    options.refuse(label, ("architecture",))
    return read_keras_zip(data, label, hard_sigmoid=options.hard_sigmoid)


def _onnx_pictures(graph: Graph, carried: ModelCard | None, stated: dict[str, Any]) -> tuple[Graph, InputSpec]:
    """The network without a normalisation of its own, and the pictures that it then takes.

    Raises:
        CheckpointError: The file says that it is a detector.
        OptionError: The pre-processing is neither stated nor in a card, or is stated against the card.
    """
    if carried is not None and carried.kind != "embedder":
        raise CheckpointError(f"it is a {carried.kind} that was converted already: convert its source instead")
    known = {} if carried is None else {key: getattr(carried.input, key) for key in _PIXELS}
    for key, value in stated.items():
        if known.get(key, value) != value:
            raise OptionError(f"{key}={value!r} contradicts the card in the file, which says {known[key]!r}")
    known.update(stated)
    missing = [key for key in _PIXELS if key not in known]
    if missing:
        raise OptionError(
            f"an ONNX file does not say how its network wants pixels: state {', '.join(missing)}. A pixel p in 0..255 "
            "enters as (p - mean) * scale; ArcFace trainers mostly use mean=127.5, scale=1/127.5, colour_order='RGB', "
            "and a network that normalises pixels itself takes mean=0, scale=1"
        )
    graph, factor, offset = lift_normalisation(graph)
    scale = known["scale"] * factor
    mean = known["mean"] - offset / scale
    side, width, _ = graph.shapes()[graph.input.name]
    if side != width:
        raise CheckpointError(f"its pictures are {side} x {width}, and aligned faces are square")
    return graph, InputSpec(side, side, "NHWC", known["colour_order"], mean, scale)


def _embedder_card(graph: Graph, origin: Source, *, licence: str, name: str) -> ModelCard:
    architecture = _embedder_architecture(graph)
    picture = graph.input
    return ModelCard(
        kind="embedder",
        model_id=f"{architecture}-{origin.sha256[:8]}",
        name=name,
        architecture=architecture,
        precision="float32",
        # Upstream data.py and evals.py: (picture - 127.5) * 0.0078125, RGB.
        input=InputSpec(picture.height, picture.width, "NHWC", "RGB", mean=127.5, scale=1 / 128),
        source=origin,
        converter=PRODUCER,
        licence=licence,
        alignment=ARCFACE_ALIGNMENT,
        embedding_size=graph.shapes()[EMBEDDING][0],
        thresholds=measured_thresholds(origin.sha256),
    )


def _detector_card(graph: Graph, origin: Source, *, licence: str, name: str) -> ModelCard:
    architecture = "yunet-2023mar" if graph.parameters() == _YUNET_2023MAR_PARAMETERS else "yunet"
    return ModelCard(
        kind="detector",
        model_id=f"{architecture}-{origin.sha256[:8]}",
        name=name,
        architecture=architecture,
        precision="float32",
        input=InputSpec(None, None, "NHWC", "RGB", mean=0.0, scale=1.0),
        source=origin,
        converter=PRODUCER,
        licence=licence,
    )


def _embedder_architecture(graph: Graph) -> str:
    """Such as ``ghostfacenet-v1-0.5-2``: version, width and stride of the stem; ``custom`` for another network.

    A GhostFaceNet has 16 bottlenecks, each with one Add and two Concats, and the convolution behind the last of them
    makes 512 x width channels (V1) or 960 x width (V2, which alone resizes), rounded to a multiple of 4.
    """
    counts = Counter(type(node) for node in graph.nodes)
    if (counts[Add], counts[Concat]) != (16, 32):
        return "custom"
    last = [node.name for node in graph.nodes if isinstance(node, Add)][-1]
    convs = [node for node in graph.nodes if isinstance(node, Conv)]
    channels = next((node.output_channels for node in convs if node.inputs == (last,)), 0)
    version, at_width_1 = (2, 960) if counts[ResizeBilinear] else (1, 512)
    return f"ghostfacenet-v{version}-{round(channels / at_width_1, 2)}-{convs[0].strides[0]}" if channels else "custom"


def _printable(text: str) -> str:
    """A file name as text that can be written down; bytes that are no UTF-8 become question marks."""
    return text.encode(errors="replace").decode()

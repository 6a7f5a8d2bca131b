"""YuNet: what the writers are handed, in float and in integers, and the judgement of what was written.

A detector is calibrated on what it looks at in use, views of photos and canvases of faces, and judged by what it finds.
Its integers are simpler than an embedder's. Its channels are alike already: equalising them makes the kernels' rounding
worse (landmarks with int8 weights alone, mean on 112 photos: 0.16 px of the aligned crop off as they are, 0.28
equalised). And the means of whole pictures say little about the few cells that see a face, so correcting biases by them
harms (0.38 without, 0.47 with; 248 photos that are in no calibration).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ghostface_edge.card import ModelCard, write_card
from ghostface_edge.detection.yunet import YuNet
from ghostface_edge.errors import CalibrationError, RuntimeMissingError
from ghostface_edge.runtime import Session, load_session
from ghostface_edge.runtime.tflite_card import is_tflite

from .channel_statistics import channel_statistics
from .detector_gate import DetectorGate
from .detector_parity import SCORE, SLACK, DetectorParity
from .graph import FloatArray, Graph
from .judging import anatomy, inner_tensors
from .onnx_writer import write_onnx
from .passes.pad_kernels import pad_kernels
from .passes.pool_phases import pool_phases
from .photos import Photos
from .preparation import Prepared, detector_graph, prepare_half
from .quantization import Affine
from .ranges import choose_ranges
from .report import Report
from .tflite_writer import write_tflite

DETECTOR_PRECISIONS = {"onnx": ("float32", "float16"), "tflite": ("float32", "float16", "int8")}
"""By file format. YuNet in int8 takes 0.7 of its time in float (LiteRT 2.3, x86-64, one thread: 0.43 for 0.57 ms at
160 x 160, 1.8 for 2.5 at 320, 7.1 for 10.3 at 640), and half of the bytes.
"""

DETECTOR_LAYOUT = {"onnx": "NCHW", "tflite": "NHWC"}
"""What each format computes in. Transposing 640 x 640 pixels inside ONNX Runtime takes 0.5 ms, splitting bytes 0.1."""

_SIDE = 320
"""Side of the pictures that are measured. With 160 small faces are too rare among them; landmarks are worse."""

_VIEWS = 96
"""Of some 40 photos with a face each, which is seen whole and in a closer look."""

_PIXELS = Affine(1.0, -128)
"""YuNet takes grey levels as they are, and each is an integer."""

_PROBED = 2


class _Watched:
    """A session that keeps what goes into it, up to a number of pictures."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.card = session.card
        self.file, self.sha256 = session.file, session.sha256
        self.runtime = session.runtime
        self.version = session.version
        self.threads = session.threads
        self.views: list[FloatArray] = []

    def run(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        pictures = tensor.transpose(0, 2, 3, 1) if self.card.input.layout == "NCHW" else tensor
        self.views.extend(_on_canvas(picture) for picture in pictures if max(picture.shape[:2]) <= _SIDE)
        return self._session.run(tensor)


def prepare_detector(checkpoint: Graph, card: ModelCard, photos: Photos | None) -> Prepared:
    """A detector as it is written.

    Args:
        checkpoint: The network as it was read.
        card: Of the model that is made; its precision decides.
        photos: To calibrate integers on; None for float.

    Raises:
        CalibrationError: No faces in the photos.
        RuntimeMissingError: Integers, and neither ONNX Runtime nor LiteRT is installed.
    """
    graph = detector_graph(checkpoint)
    if card.precision != "int8" and card.input.layout == DETECTOR_LAYOUT["tflite"]:
        # What each does without is a part of another operator in the other arithmetic, or dear.
        graph = pad_kernels(graph) if card.compute == "float16" else pool_phases(graph)
    if card.compute == "float16":
        pictures = _synthetic() if photos is None else _views(graph, card, photos)
        return prepare_half(Prepared(graph), pictures)
    if card.precision != "int8" or photos is None:
        return Prepared(graph)
    views = _views(graph, card, photos)
    fixed = _sized(graph, _SIDE)
    quantization = choose_ranges(fixed, views, channel_statistics(fixed, views), _PIXELS)
    note = f"Ranges from {len(views)} views of photos, as the detector sees them."
    return Prepared(graph, quantization, notes=(note,))


def judge_detector(
    model: bytes,
    name: str,
    card: ModelCard,
    *,
    prepared: Prepared,
    photos: Photos,
    gate: DetectorGate | None,
) -> Report:
    """Look at photos with a written detector and with the float network, and say how far they are apart.

    Args:
        model: The file's bytes.
        name: The file's name.
        card: The card in it.
        prepared: What the writer was handed; its graph is the float network.
        photos: That it was not calibrated on.
        gate: What it has to keep, or None.

    Raises:
        RuntimeMissingError: The runtime of the format is not installed.
        ModelError: The runtime cannot run the file.
        ConversionError: The float network finds no face, or the file none of those that it finds.
    """
    least = SCORE - SLACK
    exact = YuNet(_float_session(prepared.graph, card), score=least)
    written = YuNet(load_session(model, name, threads=1), score=least)
    parity = DetectorParity.of((exact.detect(image), written.detect(image)) for image in photos.images())
    report = Report(
        file=name,
        size=len(model),
        card=card,
        gate=gate,
        failures=() if gate is None else gate.failures(parity),
        parity=parity,
        faces=f"{parity.faces} faces in {len(photos)} photos that it was not calibrated on",
        notes=prepared.notes,
    )
    if prepared.quantization is None or not is_tflite(model):
        return report
    fixed = _sized(prepared.graph, _SIDE)
    views = _views(prepared.graph, card, photos)[:_PROBED].astype(np.uint8)
    tensors, ranges = inner_tensors(write_tflite(fixed, card, prepared.quantization), card, fixed, views)
    operators, partitions, layers = anatomy(model)
    return replace(report, tensors=tensors, ranges=ranges, operators=operators, partitions=partitions, layers=layers)


def _views(graph: Graph, card: ModelCard, photos: Photos) -> FloatArray:
    """(N, side, side, 3): what the float detector looks at in the photos that have faces."""
    watched = _Watched(_float_session(graph, card))
    detector = YuNet(watched, max_size=_SIDE)
    kept: list[FloatArray] = []
    for image in photos.images():
        watched.views = []
        if detector.detect(image):
            kept.extend(watched.views)
        if len(kept) >= _VIEWS:
            break
    if not kept:
        raise CalibrationError(f"no face was found in any of the {len(photos)} photos in {photos.folder}")
    return np.stack(kept[:_VIEWS])


def _float_session(graph: Graph, card: ModelCard) -> Session:
    """The float network on ONNX Runtime, which is not what TFLite files run on; on LiteRT where that is missing."""
    card = replace(card, precision="float32")
    on_onnx, on_tflite = (replace(card, input=replace(card.input, layout=layout)) for layout in ("NCHW", "NHWC"))
    try:
        data = write_card(write_onnx(graph, card.converter, layout="NCHW"), on_onnx)
        return load_session(data, "the float network", threads=1)
    except RuntimeMissingError:
        return load_session(write_tflite(graph, on_tflite), "the float network", threads=1)


def _sized(graph: Graph, side: int) -> Graph:
    return Graph((replace(graph.input, height=side, width=side), *graph.nodes[1:]), graph.outputs)


def _synthetic() -> FloatArray:
    """A few canvases of noise, coarse and fine, in place of photos; always the same."""
    random = np.random.default_rng(0)
    cells = [random.integers(0, 256, (side, side, 3)).astype(np.float32) for side in (4, 16, 64, _SIDE)]
    return np.stack([np.kron(cell, np.ones((_SIDE // len(cell),) * 2 + (1,), np.float32)) for cell in cells])


def _on_canvas(picture: FloatArray) -> FloatArray:
    """A picture with black at the right and at the bottom."""
    canvas = np.zeros((_SIDE, _SIDE, 3), np.float32)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas

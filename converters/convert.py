"""One checkpoint in, one runnable model out, with the proof of what it kept.

The chain: reader, passes, writer with the model card, and then the written bytes against the float network, on faces
that the model was not calibrated on. A model that misses its gate is not put in place; its report is.

Needs numpy, h5py or onnx for the format that is read, and onnx or LiteRT for the one that is written. Nothing in a
checkpoint is executed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ghostface_edge.atomic import replacing
from ghostface_edge.card import LAYOUTS, ModelCard, write_card
from ghostface_edge.embedding import input_tensor
from ghostface_edge.errors import ConversionError, GateError, ModelError, OptionError, RuntimeMissingError
from ghostface_edge.thresholds import ALIKE, measured_thresholds
from ghostface_edge.types import Threshold

from .calibration import Calibration, calibrate
from .choices import choose
from .detector_gate import DetectorGate
from .detector_parity import DetectorParity
from .detectors import DETECTOR_LAYOUT, DETECTOR_PRECISIONS, judge_detector, prepare_detector
from .drawn_faces import draw_faces
from .faces import Faces, read_faces
from .gate import DEFAULT_GATES, Gate
from .graph import FloatArray, Graph
from .judging import judge, time_ratio
from .manifest import read_manifest, tool_versions, write_manifest
from .onnx_writer import write_onnx
from .parity import Parity
from .photos import Photos, read_photos
from .preparation import (
    CALIBRATED,
    PRELU_FORMS,
    SPARE,
    Prepared,
    picture_affine,
    prepare_float,
    prepare_half,
    prepare_integers,
    prepare_means,
    prepare_mixed,
    prepare_naive,
    prepare_sensitive,
    prepare_small,
    prepare_weights,
)
from .report import Report
from .shipped import read_calibration, require_checkpoint, shipped_calibration
from .tflite_writer import write_tflite
from .trained_model import SourceOptions, TrainedModel, read_trained_model

_log = logging.getLogger(__name__)

PRECISIONS = {
    "onnx": ("float32", "float16", "int8"),
    "tflite": ("float32", "float16", "dynamic", "int8", "int16x8", "mixed"),
}
"""The file formats, and the numerical forms of each.

``dynamic`` has int8 weights and float activations and needs no faces; ``int8`` and ``int16x8`` are integers throughout;
``mixed`` is int8 with as many operators in float as its gate demands.
"""

HELD_OUT = 500
"""Faces that a model is judged by; where it is calibrated, at most half of the faces are held out."""

_ENOUGH_FACES = 100
"""Of a detector in integers. YuNet's worst landmark was within a pixel on 12 faces, and 8 pixels off on hundreds."""

_DRAWN, _SEEN = 4, 1
_NAIVE = 200
_MIXED = 64
_WATCHED = 64
"""Faces that are drawn where none are given, to measure a network on and to judge a file by; that the naive way takes
its extremes from, that mixed precision is chosen by, and int8 kernels."""


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
        size: Bytes of the file.
        left_out: Layers of the checkpoint that the model does not have, such as a training head behind the embedding.
        parity: The written file against the float network; None where it was not measured.
        notes: What else there is to know, a sentence each.
        float_operators: Nodes that compute in float32 in a file of mixed precision.
        report: The report for people, HTML, with the same as ``.json`` beside it; None for a detector
            without photos to judge it by.
        calibration: The statistics that a calibrated model was made from, for the same conversion without faces.
    """

    path: Path
    card: ModelCard
    nodes: int
    parameters: int
    macs: int
    seconds: float
    size: int
    left_out: tuple[str, ...] = ()
    parity: Parity | DetectorParity | None = None
    notes: tuple[str, ...] = ()
    float_operators: tuple[str, ...] = ()
    report: Path | None = None
    calibration: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **vars(self),
            "path": str(self.path),
            "card": self.card.to_dict(),
            "seconds": round(self.seconds, 3),
            "left_out": list(self.left_out),
            "parity": self.parity and self.parity.to_dict(),
            "notes": list(self.notes),
            "float_operators": list(self.float_operators),
            "report": self.report and str(self.report),
            "calibration": self.calibration and str(self.calibration),
        }


@dataclass(frozen=True)
class _Writing:
    """Options that decide about the numbers in the file, and how they lie there."""

    to: str
    precision: str
    equalise: bool
    prelu: str | None
    layout: str | None
    batch: int | None
    integer_io: bool
    weights_below: int | None
    fp16_storage_only: bool


@dataclass(frozen=True)
class _Made:
    """A file's bytes and what is known of them.

    Attributes:
        card: The card in it.
        prepared: What the writer was handed.
        data: The bytes.
        gate: What it had to keep.
        report: What it keeps; None where that was not measured.
        given: The pictures that the user gave.
        judged_by: Those of them that it was judged by.
    """

    card: ModelCard
    prepared: Prepared
    data: bytes
    gate: Gate | DetectorGate | None
    report: Report | None
    given: Faces | Photos | None
    judged_by: Faces | Photos | None


def convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    to: str = "onnx",
    precision: str = "float32",
    faces: str | os.PathLike[str] | Faces | None = None,
    calibration: str | os.PathLike[str] | Calibration | None = None,
    gate: Gate | DetectorGate | str = "default",
    equalise: bool = True,
    integer_io: bool = False,
    weights_below: int | None = None,
    fp16_storage_only: bool = False,
    layout: str | None = None,
    batch: int | None = None,
    prelu: str | None = None,
    licence: str | None = None,
    name: str | None = None,
    architecture: str | None = None,
    hard_sigmoid: str | None = None,
    mean: float | None = None,
    scale: float | None = None,
    colour_order: str | None = None,
    size: int | None = None,
) -> Conversion:
    """Convert a checkpoint.

    Args:
        source: A GhostFaceNet as a whole model of Keras 2 or Keras 3 (``.h5``, ``.keras``) or as weights alone
            (``.h5``), an embedder that another trainer exported (``.onnx``), or OpenCV Zoo's YuNet (``.onnx``). What it
            is, is decided by its content.
        output: Folder for the model, ``manifest.json`` and the report; created if absent. A file of a model's name is
            replaced: ``<stem of the source>.<to>``, with ``_<precision>`` before the dot where that is not float32.
        to: File format: ``onnx`` or ``tflite``.
        precision: Numerical form, one of those that :data:`PRECISIONS` lists for the format.
        faces: A folder of photos or of aligned crops. The precisions in :data:`CALIBRATED` take their ranges from one
            part of it; every precision is judged by the rest. For a detector photos, not crops.
        calibration: Statistics that an earlier conversion saved, in place of faces; by default those that ship with
            this package for a known checkpoint.
        gate: What the model must keep of float: a :class:`Gate` (of a detector a :class:`DetectorGate`), a text such as
            ``cosine=0.985`` (``landmarks=0.5,landmarks_max=5``), ``default`` or ``off``. It applies where there are
            faces to judge by; embedders of float32 and float16 are held to it in any case.
        equalise: False quantises the network as other converters do, for comparison: nothing against unequal channels,
            and the plain extremes as ranges.
        integer_io: The picture goes in and the embedding comes out as integers (TFLite int8 and int16x8).
        weights_below: Bytes that the file of an embedder in ``dynamic`` may have. As few weights as that takes become
            int8, those first whose rounding costs least; the others stay float16. By default all that are smaller so.
        fp16_storage_only: A TFLite ``float16`` or ``dynamic`` file is computed in float32 on every processor.
        layout: Of an ONNX embedder's input: ``NHWC`` (the default), or ``NCHW`` for OpenCV and InsightFace.
        batch: 1 for an ONNX embedder that takes one picture per run; by default any number.
        prelu: ``lowered`` to several operations, or ``native`` as one PRelu operator, in float embedders; by default
            what runs faster in this format.
        licence: Terms of the weights, in words, for the model card; by default those of a known checkpoint.
        name: What people call the model; by default the stem of the source.
        architecture: The network that a file of weights alone belongs to, such as ``ghostfacenet-v1-1.3-2``; see
            :func:`~ghostface_edge.converters.architectures.architecture`.
        hard_sigmoid: Whose ``hard_sigmoid`` is meant, ``keras2`` or ``keras3``, for a file that does not say which
            Keras wrote it.
        mean: Grey level that an embedder's network wants subtracted from pixels in 0..255. Needed for an ``.onnx``
            embedder, as scale and colour order are, unless the file carries our model card; by default upstream's.
        scale: Factor after the subtraction.
        colour_order: ``RGB`` or ``BGR``.
        size: Height and width of the picture, for an ``.onnx`` embedder that leaves them open.

    Returns:
        The conversion. The same source, faces and options give the same bytes.

    Raises:
        OptionError: An option that does not exist, does not fit the source, the format or the precision, or is missing;
            or an output that would replace the source.
        CheckpointError: The source is no such checkpoint, is damaged or cannot be read.
        UnsupportedLayerError: The network has a layer that cannot be translated.
        CalibrationError: Faces or statistics that cannot be used.
        GateError: The model lost more than the gate allows. It is not written; its report is, with ``.refused`` in its
            name.
        ConversionError: The model cannot be written.
        RuntimeMissingError: h5py, onnx, ONNX Runtime or LiteRT is needed and not installed.
    """
    start = time.perf_counter()
    choose("to", to, PRECISIONS)
    choose("precision", precision, PRECISIONS[to], f" for to={to!r}")
    if layout is not None:
        choose("layout", layout, LAYOUTS)
    if prelu is not None:
        choose("prelu", prelu, PRELU_FORMS)
    if to != "onnx" and (layout, batch) != (None, None):
        raise OptionError(f"layout and batch are choices for to='onnx'; a .{to} file has one form")
    if batch is not None and (isinstance(batch, bool) or batch != 1):
        raise OptionError(f"batch={batch!r}: a file is for 1 picture per run, or for any number where this is left out")
    if not os.fspath(output) or faces == "":
        raise OptionError("output and faces are folders: an empty text names none ('.' is the current folder)")
    if integer_io and (to, precision) not in (("tflite", "int8"), ("tflite", "int16x8")):
        raise OptionError(f"integer_io is for TFLite int8 and int16x8, not for to={to!r}, precision={precision!r}")
    if weights_below is not None and (to, precision) != ("tflite", "dynamic"):
        raise OptionError(f"weights_below is for TFLite dynamic, not for to={to!r}, precision={precision!r}")
    if weights_below is not None and (isinstance(weights_below, bool) or weights_below < 1):
        raise OptionError(f"weights_below={weights_below!r} is no number of bytes")
    if fp16_storage_only and (to, precision) not in (("tflite", "float16"), ("tflite", "dynamic")):
        raise OptionError(
            f"fp16_storage_only is for TFLite float16 and dynamic, not for to={to!r}, precision={precision!r}"
        )
    source = Path(source)
    folder = Path(output)
    path = folder / f"{source.stem}{'' if precision == 'float32' else '_' + precision}.{to}"
    if _same_file(path, source):
        raise OptionError(f"output={str(output)!r} would replace the source {source}: choose another folder")
    options = SourceOptions(architecture, hard_sigmoid, mean, scale, colour_order, size)
    model = read_trained_model(source, options, licence=licence, name=name)
    read_manifest(folder)  # a foreign file of that name is found before the work is done
    writing = _Writing(to, precision, equalise, prelu, layout, batch, integer_io, weights_below, fp16_storage_only)
    if model.card.kind == "detector":
        made = _detector(model, path, writing, gate, faces, calibration)
    else:
        made = _embedder(model, path, writing, gate, faces, calibration)
    card, prepared, data, report = made.card, made.prepared, made.data, made.report
    # On drawings, integers say little about photos; only float is held to them.
    told = report is not None and (made.judged_by is not None or precision in ALIKE)
    parity = report.parity if report is not None and told else None
    if report is not None and not report.passed:
        page = _save_report(path.with_name(f"{path.name}.refused"), report)
        on_drawings = made.judged_by is None and model.card.kind != "detector"
        hint = " That was measured on drawn faces: give photos to judge it by." if on_drawings else ""
        raise GateError(f"{path.name} was not written: {'; '.join(report.failures)}.{hint} The report: {page}")
    pages = None
    if report is not None and made.judged_by is not None:
        pages = _save_report(path, report)
    _write(path, data)
    if pages is None:
        _remove_report(path)
    _remove_report(path.with_name(f"{path.name}.refused"))
    statistics = None
    if prepared.calibration is not None:
        statistics = path.with_name(f"{path.name}.calibration.json")
        _write(statistics, prepared.calibration.to_json().encode())
    write_manifest(
        folder,
        path.name,
        {
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "source": dict(vars(card.source)),
            "tools": {"ghostface-edge": card.converter, **tool_versions()},
            "options": {
                "gate": None if made.gate is None or not told else made.gate.to_dict(),
                "licence": licence,
                "name": name,
                **vars(writing),
                **vars(options),
            },
            "faces": None if made.given is None else made.given.to_dict(),
            "held_out": [] if made.judged_by is None else sorted(made.judged_by.files),
            "calibration": None if prepared.calibration is None else _summary(prepared.calibration),
            "parity": None if parity is None else parity.to_dict(),
            "notes": list(prepared.notes),
            "float_operators": list(prepared.float_operators),
        },
    )
    result = Conversion(
        path=path,
        card=card,
        nodes=len(prepared.graph.nodes),
        parameters=model.graph.parameters(),
        macs=_macs(model.graph),
        seconds=time.perf_counter() - start,
        size=len(data),
        left_out=model.left_out,
        parity=parity,
        notes=prepared.notes,
        float_operators=prepared.float_operators,
        report=pages,
        calibration=statistics,
    )
    _log.info("%s: %s, %d nodes, %.2f s", path, card.model_id, result.nodes, result.seconds)
    return result


def _detector(
    model: TrainedModel,
    path: Path,
    writing: _Writing,
    gate: Gate | DetectorGate | str,
    photos: str | os.PathLike[str] | Faces | None,
    calibration: object,
) -> _Made:
    file, precision = model.card.source.file, writing.precision
    for key, value in (
        ("calibration", calibration),
        ("layout", writing.layout),
        ("batch", writing.batch),
        ("prelu", writing.prelu),
        ("integer_io", writing.integer_io or None),
        ("equalise", None if writing.equalise else False),
    ):
        if value is not None:
            raise OptionError(f"{key} is for embedders, and {file} is a detector: leave it out")
    choose("precision", precision, DETECTOR_PRECISIONS[writing.to], f" for a detector and to={writing.to!r}")
    limits = gate if isinstance(gate, (Gate, DetectorGate)) else DetectorGate.parse(gate, precision)
    if isinstance(limits, Gate) or isinstance(photos, Faces):
        raise OptionError(f"{file} is a detector: it takes a DetectorGate and a folder of photos, not a Gate or Faces")
    if photos is None and precision in CALIBRATED:
        raise OptionError(
            "integers need to see faces: give a folder of a hundred photos or more with faces= (--faces), not of crops"
        )
    given = None if photos is None else read_photos(photos)
    calibrating, judging = (None, None) if given is None else given.split(HELD_OUT)
    spec = replace(model.card.input, layout=DETECTOR_LAYOUT[writing.to])
    card = replace(model.card, precision=precision, input=spec, compute=_compute(writing))
    prepared = prepare_detector(model.graph, card, calibrating)
    data = _written(prepared, card, writing)
    report = None
    if judging is not None:
        report = judge_detector(data, path.name, card, prepared=prepared, photos=judging, gate=limits)
        seen = report.parity.faces if isinstance(report.parity, DetectorParity) else 0
        if precision in CALIBRATED and seen < _ENOUGH_FACES:
            note = (
                f"Judged on {seen} faces, which say little about the worst one in use: give {2 * _ENOUGH_FACES} photos."
            )
            prepared = replace(prepared, notes=(*prepared.notes, note))
            report = replace(report, notes=prepared.notes)
    return _Made(card, prepared, data, limits, report, given, judging)


def _embedder(
    model: TrainedModel,
    path: Path,
    writing: _Writing,
    gate: Gate | DetectorGate | str,
    faces: str | os.PathLike[str] | Faces | None,
    calibration: str | os.PathLike[str] | Calibration | None,
) -> _Made:
    limits = gate if isinstance(gate, (Gate, DetectorGate)) else Gate.parse(gate, writing.precision)
    if isinstance(limits, DetectorGate):
        raise OptionError(f"{model.card.source.file} is an embedder: it takes a Gate, not a DetectorGate")
    card = replace(
        model.card,
        precision=writing.precision,
        input=replace(model.card.input, layout=writing.layout or "NHWC"),
        compute=_compute(writing),
    )
    given = faces if faces is None or isinstance(faces, Faces) else read_faces(faces)
    made = _attempt(model, path, writing, limits, given, calibration, card, SPARE)
    parity = None if made.report is None else made.report.parity
    if writing.precision == "mixed" and limits is not None and isinstance(parity, Parity):
        short = limits.cosine - parity.cosine_mean
        if short > 0:  # the faces that it was chosen by were easier than those that it is judged by
            made = _attempt(model, path, writing, limits, given, calibration, card, 2 * SPARE + short)
    return made


def _attempt(
    model: TrainedModel,
    path: Path,
    writing: _Writing,
    limits: Gate | None,
    faces: Faces | None,
    calibration: str | os.PathLike[str] | Calibration | None,
    card: ModelCard,
    spare: float,
) -> _Made:
    prepared, judging = _prepared(model, writing, limits, faces, calibration, spare, card)
    if judging is None and writing.precision not in ALIKE:
        notes = [*prepared.notes, "Not judged: no faces were given to compare it with float on."]
        usual = DEFAULT_GATES[writing.precision].cosine
        if prepared.loss > 1 - usual:
            notes.append(
                "On drawn faces the rounding of weights is predicted to cost more than the usual gate allows, a "
                f"mean cosine of {usual:g}: judge it by faces before use, or take float16."
            )
        prepared = replace(prepared, notes=tuple(notes))
    card = replace(card, thresholds=_thresholds(model.card, writing.precision, prepared))
    data = _written(prepared, card, writing)
    if prepared.narrow is not None and judging is not None:
        prepared = replace(prepared, notes=(*prepared.notes, _cost_of_float(data, prepared, card, judging)))
    report = _judged(data, path.name, card, model, prepared, judging, limits)
    return _Made(card, prepared, data, limits, report, faces, judging)


def _prepared(
    model: TrainedModel,
    asked: _Writing,
    gate: Gate | None,
    faces: Faces | None,
    calibration: str | os.PathLike[str] | Calibration | None,
    spare: float,
    card: ModelCard,
) -> tuple[Prepared, Faces | None]:
    """What to write, and the faces to judge it by."""
    precision = asked.precision
    calibrating, judging = (None, None) if faces is None else faces.split(HELD_OUT)
    if precision not in CALIBRATED:
        if calibration is not None or not asked.equalise:
            raise OptionError(f"calibration and equalise are for {', '.join(CALIBRATED)}, not for {precision}")
        prepared = prepare_float(model.graph, asked.to, precision, asked.prelu)
        if precision == "float32":
            return prepared, judging
        crops = draw_faces(_DRAWN, card.crop_size) if calibrating is None else calibrating.crops[:_WATCHED]
        watched = input_tensor(crops, replace(card.input, layout="NHWC"))
        if card.compute == "float16":
            prepared = prepare_half(prepared, watched)

        def size(tried: Prepared) -> int:
            thresholds = _thresholds(model.card, precision, tried)
            return len(_written(tried, replace(card, thresholds=thresholds), asked))

        int8, half = precision == "dynamic", card.compute == "float16"
        prepared = prepare_weights(prepared, watched, int8=int8, half=half)
        if asked.weights_below is not None:
            prepared = prepare_small(prepared, watched, asked.weights_below, size)
        elif int8:
            prepared = prepare_sensitive(prepared)
        return prepare_means(prepared, int8=int8), judging
    if asked.prelu is not None:
        raise OptionError(f"prelu is for float models: {precision} has its own form")
    spec = model.card.input
    pictures = None if calibrating is None else input_tensor(calibrating.crops, spec)
    if not asked.equalise:
        if pictures is None or precision == "mixed":
            raise OptionError("equalise=False needs faces to take ranges from, and is for int8 and int16x8")
        return prepare_naive(model.graph, precision, pictures[:_NAIVE], picture_affine(spec)), judging
    calibration = _calibration(model, calibration, pictures)
    if precision == "mixed":
        if pictures is None:
            raise OptionError("mixed needs faces to choose by: give a folder with faces= (--faces)")
        cosine = (gate or DEFAULT_GATES[precision]).cosine
        return prepare_mixed(model.graph, calibration, pictures[:_MIXED], cosine, spare), judging
    return prepare_integers(model.graph, precision, calibration), judging


def _calibration(
    model: TrainedModel,
    calibration: str | os.PathLike[str] | Calibration | None,
    pictures: FloatArray | None,
) -> Calibration:
    """The calibration that was given, a new one from faces, or the one that ships for a known checkpoint."""
    checkpoint = model.card.source.sha256
    if isinstance(calibration, Calibration):
        return require_checkpoint(calibration, checkpoint, "the calibration")
    if calibration is not None:
        return read_calibration(calibration, checkpoint)
    if pictures is not None:
        affine = picture_affine(model.card.input)
        return calibrate(model.graph, pictures, checkpoint_sha256=checkpoint, picture=affine)
    shipped = shipped_calibration(checkpoint)
    if shipped is None:
        raise OptionError(
            "integers need to see faces: give a folder of a few hundred photos or aligned crops with faces= (--faces), "
            "or what an earlier conversion saved with calibration= (--calibration)"
        )
    return shipped


def _written(prepared: Prepared, card: ModelCard, asked: _Writing) -> bytes:
    if asked.to == "tflite":
        return write_tflite(
            prepared.graph,
            card,
            prepared.quantization,
            integer_io=asked.integer_io,
            int8_kernels=prepared.int8_kernels,
        )
    content = write_onnx(
        prepared.graph,
        card.converter,
        layout=card.input.layout,
        batch=asked.batch,
        precision="float16" if card.precision == "float16" else "float32",
        quantization=prepared.quantization,
    )
    return write_card(content, card)


def _cost_of_float(data: bytes, prepared: Prepared, card: ModelCard, faces: Faces) -> str:
    """What the float operators of a mixed file cost, in words."""
    whole = write_tflite(prepared.graph, replace(card, precision="int8"), prepared.narrow)
    ratio, more = time_ratio(data, whole, faces.crops), len(data) - len(whole)
    return f"Against the whole network in int8: {more:+,} bytes, {ratio:.2f} of its time on this machine."


def _judged(
    data: bytes,
    name: str,
    card: ModelCard,
    model: TrainedModel,
    prepared: Prepared,
    faces: Faces | None,
    gate: Gate | None,
) -> Report:
    if faces is not None:
        crops, what = faces.crops, f"{len(faces)} faces that it was not calibrated on"
    else:
        crops, what = draw_faces(_SEEN, card.crop_size), "a drawn face: no photos were given"
        gate = gate if card.precision in ALIKE else None
    try:
        return judge(
            data,
            name,
            card,
            checkpoint=model.graph,
            written=prepared.graph,
            quantization=prepared.quantization,
            crops=crops,
            faces=what,
            gate=gate,
            notes=(*prepared.notes, *_named(prepared)),
            inside=faces is not None,
            kernels=prepared.kernels,
        )
    except ModelError as error:
        raise ConversionError(f"{name} was not written, for its runtime does not take it: {error}") from error
    except RuntimeMissingError as error:
        if faces is not None:
            raise
        _log.warning("%s was written and not run: %s", name, error)
        what = "nothing: its runtime is not installed"
        return Report(name, len(data), card, None, (), None, what, notes=prepared.notes)


def _compute(asked: _Writing) -> str:
    """What the card says about arithmetic: only TFLite files of float16 weights have a choice."""
    if asked.to != "tflite" or asked.precision not in ("float16", "dynamic"):
        return ""
    return "float32" if asked.fp16_storage_only else "float16"


def _named(prepared: Prepared) -> tuple[str, ...]:
    return (f"In float: {', '.join(prepared.float_operators)}.",) if prepared.float_operators else ()


def _thresholds(card: ModelCard, precision: str, prepared: Prepared) -> tuple[Threshold, ...]:
    """Those that were measured of this very network; what is calibrated otherwise has none."""
    if precision in ALIKE:
        return card.thresholds
    checkpoint = card.source.sha256
    if precision in CALIBRATED and (
        prepared.calibration is None or prepared.calibration != shipped_calibration(checkpoint)
    ):
        return ()
    return measured_thresholds(checkpoint, precision)


def _summary(calibration: Calibration) -> dict[str, Any]:
    content = calibration.to_json().encode()
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "pictures": calibration.pictures,
        "digest": calibration.digest,
    }


def _save_report(path: Path, report: Report) -> Path:
    page, document = _report_places(path)
    _write(page, report.to_html().encode())
    _write(document, report.to_json().encode())
    return page


def _remove_report(path: Path) -> None:
    """Remove a report that is not about the file in this place, where there is one."""
    for stale in _report_places(path):
        try:
            stale.unlink(missing_ok=True)
        except OSError as error:
            raise ConversionError(f"{stale} is of an earlier file and cannot be removed: {error}") from error


def _report_places(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}.report.html"), path.with_name(f"{path.name}.report.json")


def _same_file(path: Path, source: Path) -> bool:
    try:
        return path.exists() and source.exists() and path.samefile(source)
    except (OSError, ValueError):
        return False


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

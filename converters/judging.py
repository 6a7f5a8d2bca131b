"""A written model against the float network that it was made from: the evidence for its report."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.card import ModelCard
from ghostface_edge.embedding import input_tensor
from ghostface_edge.errors import RuntimeMissingError
from ghostface_edge.runtime import load_session
from ghostface_edge.runtime.session import usable_cpus
from ghostface_edge.runtime.tflite_card import is_tflite

from .channel_statistics import channel_statistics
from .faces import Crops
from .gate import Gate
from .graph import FloatArray, Graph
from .int8_kernels import Int8Kernel
from .interpreter import interpret
from .parity import Parity, TensorParity, tensor_parity
from .probing import probe_tflite
from .quantization import Quantization
from .report import OperatorCount, RangeChart, Report, StoredLayer, worst_tensors
from .running import Run, runner
from .sensitivity import Damage, damages
from .tflite_inspection import inspect_tflite

_BATCH = 16
_PROBED = 8
"""Faces whose inner tensors are compared: a tensor has thousands of values per face, so few faces are many samples."""

_WATCHED = 16
"""Faces that the damage of each tensor is predicted on."""

_PAIRED = 400
"""Faces whose similarities are drawn, two pairs each."""


def judge(
    model: bytes,
    name: str,
    card: ModelCard,
    *,
    checkpoint: Graph,
    written: Graph,
    quantization: Quantization | None,
    crops: Crops,
    faces: str,
    gate: Gate | None,
    notes: tuple[str, ...] = (),
    inside: bool = True,
    kernels: tuple[Int8Kernel, ...] = (),
) -> Report:
    """Run a written embedder on faces and say what it lost.

    Args:
        model: The file's bytes.
        name: The file's name.
        card: The card in it.
        checkpoint: The float network as it was read.
        written: The network as it was handed to the writer.
        quantization: Its integers, likewise.
        crops: (N, height, width, 3) uint8 RGB; faces that the model was not calibrated on.
        faces: What kind of pictures they are, in words.
        gate: What it has to keep, or None.
        notes: What else a reader should know.
        inside: Look inside the file too, at every tensor and operator.
        kernels: What int8 does for each kernel, where some were chosen.

    Raises:
        RuntimeMissingError: The runtime of the format is not installed.
        ModelError: The runtime cannot run the file.
        ConversionError: An embedding is zero or not finite.
    """
    before = float_embeddings(checkpoint, card, crops)
    after = embeddings_of(model, name, crops)
    parity = Parity.of(before, after)
    report = Report(
        file=name,
        size=len(model),
        card=card,
        gate=gate,
        failures=() if gate is None else gate.failures(parity),
        parity=parity,
        faces=faces,
        similarities=_similarities(before[:_PAIRED], after[:_PAIRED]),
        notes=notes,
        kernels=kernels,
    )
    if not inside:
        return report
    if quantization is not None:
        report = replace(report, damages=_damages(card, written, quantization, crops[:_WATCHED]))
    if not is_tflite(model):  # ONNX Runtime fuses tensors away, and decides about operators at load
        return report
    tensors, ranges = inner_tensors(model, card, written, crops[:_PROBED])
    operators, partitions, layers = anatomy(model)
    return replace(report, tensors=tensors, ranges=ranges, operators=operators, partitions=partitions, layers=layers)


def time_ratio(model: bytes, other: bytes, crops: Crops, *, rounds: int = 60) -> float:
    """Median time of one model over that of another, one thread, a face at a time, in alternating order.

    Raises:
        RuntimeMissingError: The runtime of the format is not installed.
        ModelError: The runtime cannot run a file.
    """
    sessions = [load_session(data, "a model to time", threads=1) for data in (model, other)]
    tensor = input_tensor(crops[:1], sessions[0].card.input)
    seconds: list[list[float]] = [[], []]
    for turn in range(rounds + 5):
        for index in (0, 1) if turn % 2 else (1, 0):
            start = time.perf_counter()
            sessions[index].run(tensor)
            if turn >= 5:  # the first runs warm up
                seconds[index].append(time.perf_counter() - start)
    return float(np.median(seconds[0]) / np.median(seconds[1]))


def embeddings_of(model: bytes, name: str, crops: Crops) -> FloatArray:
    """The embeddings that a model file gives in its own runtime, (N, D) float32, as they leave the network.

    Args:
        model: The file's bytes.
        name: What messages call it.
        crops: (N, height, width, 3) uint8 RGB.

    Raises:
        RuntimeMissingError: The runtime of the format is not installed.
        ModelError: The runtime cannot run the file.
    """
    session = load_session(model, name, threads=_threads())
    tensor = input_tensor(crops, session.card.input)
    parts = [session.run(tensor[start : start + _BATCH])[0] for start in range(0, len(tensor), _BATCH)]
    return np.concatenate(parts)


def float_embeddings(checkpoint: Graph, card: ModelCard, crops: Crops) -> FloatArray:
    """The embeddings of the network as it was read, in float32 by ONNX Runtime, or in float64 without it."""
    pictures = input_tensor(crops, replace(card.input, layout="NHWC"))
    try:
        run = runner(checkpoint, threads=_threads())
    except RuntimeMissingError:
        run = _interpreted(checkpoint)
    output = checkpoint.outputs[0]
    return np.concatenate([run(pictures[start : start + _BATCH])[output] for start in range(0, len(pictures), _BATCH)])


def _interpreted(graph: Graph) -> Run:
    def run(pictures: FloatArray) -> dict[str, FloatArray]:
        return {name: tensor.astype(np.float32) for name, tensor in interpret(graph, pictures).items()}

    return run


def _threads() -> int:
    return min(usable_cpus(), 4)


def inner_tensors(
    model: bytes, card: ModelCard, written: Graph, crops: Crops
) -> tuple[tuple[TensorParity, ...], tuple[RangeChart, ...]]:
    """Every tensor inside a TFLite file against float."""
    pictures = input_tensor(crops, replace(card.input, layout="NHWC"))
    reference = interpret(written, pictures)
    found = tensor_parity(reference, probe_tflite(model, pictures, reference))
    charts = []
    for name in worst_tensors(found):
        values = reference[name].reshape(-1, reference[name].shape[-1])
        charts.append(RangeChart(name, tuple(values.min(axis=0).tolist()), tuple(values.max(axis=0).tolist())))
    return found, tuple(charts)


def _damages(card: ModelCard, written: Graph, quantization: Quantization, crops: Crops) -> tuple[Damage, ...]:
    """What the rounding of each tensor costs, by how much the embedding hangs on it."""
    pictures = input_tensor(crops, replace(card.input, layout="NHWC"))
    return damages(written, quantization, pictures, channel_statistics(written, pictures))


def anatomy(model: bytes) -> tuple[tuple[OperatorCount, ...], int, tuple[StoredLayer, ...]]:
    """What a TFLite file is made of, and what of it XNNPACK runs."""
    found = inspect_tflite(model)
    delegated = Counter(f"{item.kind} {item.dtype}" for item in found.operators if item.partition is not None)
    operators = tuple(OperatorCount(kind, count, delegated[kind]) for kind, count in found.kinds.items())
    stored = sorted((item for item in found.tensors if item.stored), key=lambda item: (-item.stored, item.name))
    return operators, found.partitions, tuple(StoredLayer(item.name, item.dtype, item.stored) for item in stored)


def _similarities(before: FloatArray, after: FloatArray) -> tuple[tuple[float, float], ...]:
    """Of each face with its nearest other one, where decisions are made, and with the next one in the list."""
    count = len(before)
    if count < 2:
        return ()
    float_matrix, matrix = (unit @ unit.T for unit in (_unit(before), _unit(after)))
    others = float_matrix - 2 * np.eye(count)
    rows = np.arange(count)
    chosen = {(int(row), int(column)) for row, column in zip(rows, others.argmax(axis=1))}
    chosen |= {(int(row), int((row + 1) % count)) for row in rows}
    pairs = sorted({(min(pair), max(pair)) for pair in chosen})
    return tuple((round(float(float_matrix[pair]), 4), round(float(matrix[pair]), 4)) for pair in pairs)


def _unit(embeddings: FloatArray) -> NDArray[np.float64]:
    wide = embeddings.astype(np.float64)  # the squares of float32 numbers may be beyond float32
    result: NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return result

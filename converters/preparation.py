"""From a checkpoint to what a writer is handed: the passes of each precision, and for integers the ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ghostface_edge.card import InputSpec
from ghostface_edge.errors import CalibrationError

from .calibration import Calibration, apply
from .channel_statistics import ChannelStatistics, channel_statistics
from .graph import FloatArray, Graph
from .int8_kernels import Int8Kernel, correct_kernels, fewest_kernels, rank_kernels, rounding_loss
from .lowering import naive_int8_graph, require_finite
from .passes.even_channels import even_channels
from .passes.fit_half import fit_half
from .passes.fold_batch_norm import fold_batch_norm
from .passes.fold_hard_sigmoid import fold_hard_sigmoid
from .passes.lower_prelu import lower_prelu
from .passes.merge_copies import merge_copies
from .passes.merge_ghosts import merge_ghosts
from .passes.merge_heads import merge_heads
from .passes.normalise_slopes import normalise_slopes
from .passes.swap_colours import swap_colours
from .quantization import Affine, Quantization, tied_tensors
from .ranges import choose_ranges, gate_affines
from .running import reaches
from .sensitivity import mixed

CALIBRATED = ("int8", "int16x8", "mixed")
"""Precisions that need to know the ranges of activations."""

PRELU_FORMS = ("lowered", "native")
_FASTEST_PRELU = {"onnx": "lowered", "tflite": "native"}
"""ONNX Runtime: see ``passes/lower_prelu.py``. XNNPACK's own PRELU is as fast as any sum, and one operator less.

LiteRT 2.3, x86-64, one thread, forms in random turn, median ms of native / lowered: width 0.5, stem stride 2: 0.95 /
0.97, as float16: 0.94 / 0.97; width 1.3, stride 2: 2.71 / 2.86; width 1.3, stride 1: 7.54 / 7.94.
"""


_WORTH_RESCALING = 2 / 3
"""Of the predicted loss of cosine by the rounding of weights. On the official W0.5-S2 checkpoint, whose channels are
even, rescaling promises 0.93 on drawn faces and costs 1.3 on photos; on a network of unequal channels it promises
1/3000."""

_NEGLIGIBLE = 5e-4
"""Predicted loss of cosine up to which every kernel is int8 that is smaller so. The official W0.5-S2 checkpoint's is
2.8e-4 on drawn faces and 4.7e-4 on photos."""

SPARE = 0.001
"""Of cosine: the simulation and the runtime agree within it."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a writer is handed.

    Attributes:
        graph: The network.
        quantization: Its integer tensors; None for a float precision.
        calibration: What the ranges were taken from; None for a float precision and for the naive way.
        notes: What a reader of the report should know, a sentence each.
        float_operators: Nodes that compute in float32 in a file of mixed precision.
        narrow: The quantisation of a file of mixed precision if all of it were int8.
        kernels: What int8 does for each kernel, where some that would be smaller in int8 may be float16; else empty.
        loss: Predicted loss of cosine by the rounding of weights, where there are int8 ones and activations are float.
        statistics: What pictures do in a float network to which the rounding of weights matters; None in another.
    """

    graph: Graph
    quantization: Quantization | None = None
    calibration: Calibration | None = None
    notes: tuple[str, ...] = ()
    float_operators: tuple[str, ...] = ()
    narrow: Quantization | None = None
    kernels: tuple[Int8Kernel, ...] = ()
    loss: float = 0.0
    statistics: ChannelStatistics | None = None

    @property
    def int8_kernels(self) -> frozenset[str] | None:
        """Names of the chosen kernels; None where all are int8 that are smaller so."""
        return frozenset(item.name for item in self.kernels if item.chosen) if self.kernels else None


def prepare_float(checkpoint: Graph, to: str, precision: str, prelu: str | None = None) -> Prepared:
    """An embedder in float, or with int8 weights and float activations.

    Raises:
        CheckpointError: Its weights are so large that folding them overflows float32.
    """
    graph = embedder_graph(checkpoint, prelu or _FASTEST_PRELU[to])
    if to == "tflite":
        with np.errstate(over="ignore", invalid="ignore"):
            graph = require_finite(fold_hard_sigmoid(graph))
        if precision in ("float16", "dynamic"):
            graph = merge_ghosts(graph)
    return Prepared(graph)


def prepare_weights(prepared: Prepared, pictures: FloatArray, *, int8: bool, half: bool) -> Prepared:
    """The same network fit for weights in float16 or int8; with a note where that took rescaling.

    Channels of unequal ranges are given other scales where that takes away a third of the predicted loss or more: what
    is predicted on a few pictures is not surer.

    Args:
        prepared: Of a float precision.
        pictures: (N, height, width, channels) float32, as the network takes them.
        int8: Kernels that are smaller so are int8.
        half: It is computed in float16, and has to stay fit for that.

    Raises:
        ConversionError: A tensor is not finite on the pictures; or it is too large for float16, and cannot be rescaled.
    """
    before = channel_statistics(prepared.graph, pictures, anywhere=True)
    graph, factors = even_channels(prepared.graph, before, exact=not int8)
    after = before.scaled(factors)
    loss = rounding_loss(prepared.graph, before, int8=int8, half=half)
    least = rounding_loss(graph, after, int8=int8, half=half)
    if not least < loss * _WORTH_RESCALING:
        return replace(prepared, loss=loss, statistics=before if _NEGLIGIBLE < loss < np.inf else None)
    if half:
        reach = {name: np.maximum(-after.low[name], high).astype(np.float64) for name, high in after.high.items()}
        graph, large = fit_half(graph, reach)
        if large:
            after = channel_statistics(graph, pictures, anywhere=True)
    note = "Channels of unequal ranges were rescaled for the rounding of weights; in float that changes nothing."
    return replace(prepared, graph=graph, notes=(*prepared.notes, note), loss=least, statistics=after)


def prepare_means(prepared: Prepared, *, int8: bool) -> Prepared:
    """The same network with the shifts taken off that rounded kernels cause on the mean, where their rounding matters.

    Args:
        prepared: With its int8 kernels chosen.
        int8: It has such kernels; else all are float16.
    """
    if prepared.statistics is None:
        return prepared
    names = prepared.int8_kernels if int8 else frozenset[str]()
    return replace(prepared, graph=correct_kernels(prepared.graph, prepared.statistics, names))


def prepare_half(prepared: Prepared, pictures: FloatArray) -> Prepared:
    """The same network fit for float16 arithmetic, with a note where that took rescaling.

    Args:
        prepared: Of a float precision.
        pictures: (N, height, width, channels) float32, as the network takes them.

    Raises:
        ConversionError: A tensor is too large for float16, and cannot be rescaled; the message names it.
    """
    graph, large = fit_half(prepared.graph, reaches(prepared.graph, pictures))
    if not large:
        return prepared
    note = f"Rescaled for float16 arithmetic, without any change of what it computes: {', '.join(sorted(large))}."
    return replace(prepared, graph=graph, notes=(*prepared.notes, note))


def prepare_sensitive(prepared: Prepared) -> Prepared:
    """An embedder with as many int8 weights as cost next to nothing, with a note where these are not all.

    A few small kernels, the first of the network among them, hold most of the loss. The official W0.5-S2 checkpoint
    with 30 % of its slopes random between -16 and 16 and its normalisation measured anew, three seeds, 100 faces: mean
    cosine 0.990 to 0.996 with all kernels int8, and 0.9992 to 0.9995 with 8 to 21 in float16, which take 4 to 38 kB.

    Args:
        prepared: With all int8 weights that are smaller so.
    """
    if prepared.statistics is None or prepared.loss <= _NEGLIGIBLE:
        return prepared
    ranked = rank_kernels(prepared.graph, prepared.statistics)
    count = int(np.searchsorted(np.cumsum([item.loss for item in ranked]), _NEGLIGIBLE, side="right"))
    if count == len(ranked):
        return prepared
    kept = len(ranked) - count
    note = f"The network is sensitive to the rounding of weights: {kept} of {len(ranked)} kernels stay float16."
    return _with_int8(replace(prepared, notes=(*prepared.notes, note)), ranked, count)


def prepare_small(prepared: Prepared, pictures: FloatArray, limit: int, size: Callable[[Prepared], int]) -> Prepared:
    """An embedder with as few int8 weights as make its ``dynamic`` file no larger than a limit.

    Args:
        prepared: With all int8 weights that are smaller so.
        pictures: (N, height, width, channels) float32, as the network takes them, to see which weights matter.
        limit: Bytes.
        size: Bytes of the file that is written from what is handed to it.

    Raises:
        OptionError: The smallest file is larger.
    """
    ranked = rank_kernels(prepared.graph, channel_statistics(prepared.graph, pictures, anywhere=True))
    return _with_int8(
        prepared, ranked, fewest_kernels(ranked, limit, lambda count: size(_with_int8(prepared, ranked, count)))
    )


def _with_int8(prepared: Prepared, ranked: tuple[Int8Kernel, ...], count: int) -> Prepared:
    """With the first of the kernels in int8, and the others in float16."""
    kernels = tuple(replace(item, chosen=position < count) for position, item in enumerate(ranked))
    return replace(prepared, kernels=kernels, loss=sum(item.loss for item in kernels if item.chosen))


def embedder_graph(checkpoint: Graph, prelu: str = "lowered") -> Graph:
    """The network of a checkpoint as it is written in float.

    Raises:
        CheckpointError: Its weights are so large that folding them overflows float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        graph = fold_batch_norm(checkpoint)
        if prelu == "lowered":
            graph = lower_prelu(normalise_slopes(graph))
    return require_finite(graph)


def _applied(checkpoint: Graph, calibration: Calibration) -> tuple[Graph, Quantization]:
    with np.errstate(over="ignore", invalid="ignore"):
        graph, quantization = apply(checkpoint, calibration)
    overflowing = graph.overflowing()
    if overflowing is not None:
        raise CalibrationError(f"the calibration makes the weights of {overflowing!r} overflow float32: it is damaged")
    return graph, quantization


def prepare_integers(checkpoint: Graph, precision: str, calibration: Calibration) -> Prepared:
    """An embedder in integers, by the decisions of a calibration.

    Args:
        checkpoint: The network as it was read.
        precision: ``int8`` or ``int16x8``.
        calibration: Of this checkpoint.

    Raises:
        ConversionError: The calibration is of another network, or damaged.
        CheckpointError: The weights overflow float32 when folded.
    """
    if precision == "int8":
        graph, quantization = _applied(checkpoint, calibration)
        graph, gone = merge_copies(graph)
        return Prepared(graph, quantization.without(gone), calibration)
    # The shifts of biases make up for what rounding to 8 bits does; rounding to 16 bits does 1/256 of it.
    graph, narrow = _applied(checkpoint, replace(calibration, shifts={}))
    ties, gates = tied_tensors(graph), gate_affines(graph, 16)
    wide = {name: gates.get(ties[name]) or _wide(affine) for name, affine in narrow.tensors.items()}
    return Prepared(graph, Quantization(wide), calibration)


def _wide(affine: Affine) -> Affine:
    """16 bits over twice the range: what 8 bits had to cut off costs nothing now."""
    return Affine.over(2 * affine.low, 2 * affine.high, 16)


def prepare_mixed(
    checkpoint: Graph, calibration: Calibration, pictures: FloatArray, cosine: float, spare: float = SPARE
) -> Prepared:
    """An embedder in int8 with as many operators in float as a mean cosine demands.

    Args:
        checkpoint: The network as it was read.
        calibration: Of this checkpoint.
        pictures: (N, height, width, channels) float32, as the network takes them; other ones than it is judged by.
        cosine: To reach.
        spare: How much more to reach in the simulation, for what it does not see.

    Raises:
        ConversionError: The calibration is of another network, or damaged.
        CheckpointError: The weights overflow float32 when folded.
    """
    graph, quantization = _applied(checkpoint, calibration)
    statistics = channel_statistics(graph, pictures)
    result = mixed(graph, quantization, pictures, statistics, min(cosine + spare, 1 - SPARE / 10))
    kept = result.float_operators
    note = f"{len(kept)} of {len(graph.nodes) - 1} operators compute in float32, the others in int8"
    if not result.is_met:
        note += f"; even so the simulated cosine is {result.cosine:.5f} only"
    return Prepared(graph, result.quantization, calibration, (f"{note}.",), kept, quantization)


def prepare_naive(checkpoint: Graph, precision: str, pictures: FloatArray, picture: Affine) -> Prepared:
    """An embedder in integers as other converters make it: channels as they are, ranges from the plain extremes."""
    bits = 16 if precision == "int16x8" else 8
    graph = naive_int8_graph(checkpoint)
    statistics = channel_statistics(graph, pictures)
    picture = picture if bits == 8 else _wide(picture)
    quantization = choose_ranges(graph, pictures, statistics, picture, method="minmax", bits=bits)
    return Prepared(graph, quantization, notes=("Quantised without any measure against unequal channels.",))


def picture_affine(spec: InputSpec) -> Affine:
    """How 8-bit pictures are stored: a step is one grey level, as near to p - 128 as a whole zero point allows.

    With a mean of 127.5 all levels are half-way between two integers and round to the even one. Steps that are a little
    larger or smaller keep neighbours apart: 0.9902 and 0.9903 of cosine instead of 0.9901 on W0.5-S2, not worth it.
    """
    zero_point = int(np.floor(spec.mean)) - 128
    if spec.scale > 0 and -128 <= zero_point <= 127:
        return Affine(float(np.float32(spec.scale)), zero_point)
    ends = ((0 - spec.mean) * spec.scale, (255 - spec.mean) * spec.scale)
    return Affine.over(min(ends), max(ends))


def detector_graph(checkpoint: Graph) -> Graph:
    """YuNet as it is written: RGB in, one output per stride."""
    return merge_heads(swap_colours(checkpoint))

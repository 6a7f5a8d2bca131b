"""What it takes to turn one checkpoint into integers: found on photos once, kept as JSON, applied without any photo.

:func:`calibrate` measures and decides, :func:`apply` rebuilds the integer network from a checkpoint and the decisions.
Both go through the same numbers, rounded as the JSON holds them, so that they give the same weights to the last bit.
No photo can be recovered from a calibration: it holds channel factors, ranges, shifts of biases, and a digest.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from .bias_correction import correct_biases
from .channel_statistics import channel_statistics
from .graph import Conv, FloatArray, Graph
from .lowering import int8_graph
from .passes.channels import ChannelGroups, scale_groups, scaled
from .passes.equalise import best_factors
from .quantization import Affine, Quantization, check_quantization, fused_followers, tied_tensors
from .ranges import choose_ranges, gate_affines

_log = logging.getLogger(__name__)

FORMAT = 1
"""Of the JSON."""

PICTURE = Affine(1 / 128, -1)
"""The affine of a picture (p - 127.5) / 128: one integer per grey level, rounded from halves (``picture_affine``)."""

PICTURES = 256
"""As many pictures at most are measured, evenly spaced among those given: more did not improve W0.5-S2."""

CORRECTION_PICTURES = 128
"""Of these, so many correct the biases, which holds tensors of all of them in memory."""

_CORRECTION_VALUES = 1 << 24
"""Fewer pictures do (but 16) where the largest tensor of all would have more values than this (64 MB)."""

_DIGITS = 5
"""Significant digits of the numbers kept."""

_MAX_BYTES = 64 << 20
_MAGNITUDES = (1e-12, 1e12)
"""Factors and scales lie between these."""


@dataclass(frozen=True)
class Calibration:
    """The decisions.

    Attributes:
        checkpoint: sha256 of the checkpoint, hexadecimal.
        pictures: Number of pictures measured.
        digest: sha256 over the sha256 of each of them, as float32 values that the network takes; hexadecimal.
        factors: What each group of tied channels is multiplied with, in the order of the groups that are free.
        affines: (scale, zero point) of each set of tied tensors, by its representative.
        shifts: What is added to the bias of each convolution, by its name, in units of the scaled network.
    """

    checkpoint: str
    pictures: int
    digest: str
    factors: tuple[float, ...]
    affines: Mapping[str, tuple[float, int]]
    shifts: Mapping[str, tuple[float, ...]]

    def to_json(self) -> str:
        """One line of JSON; the same calibration gives the same text."""
        return json.dumps({"format": FORMAT, **vars(self)}, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Calibration:
        """Read :meth:`to_json`'s text.

        Raises:
            ConversionError: It is something else, or says what cannot be.
        """
        try:
            if len(text) > _MAX_BYTES:
                raise ConversionError(f"a calibration has at most {_MAX_BYTES} bytes, not {len(text)}")
            return cls._from(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ConversionError(f"the calibration is not JSON: {error}") from error

    @classmethod
    def _from(cls, values: Any) -> Calibration:
        fields = {"format", *cls.__dataclass_fields__}
        if not isinstance(values, dict) or values.get("format") != FORMAT or set(values) != fields:
            raise ConversionError(f"the calibration is none of format {FORMAT}, with the fields {sorted(fields)}")
        for name in ("checkpoint", "digest"):
            text = values[name]
            if not isinstance(text, str) or len(text) != 64 or set(text) - set("0123456789abcdef"):
                raise ConversionError(f"the calibration's {name} is {text!r:.80}, not a sha256")
        pictures = values["pictures"]
        _require(type(pictures) is int and pictures > 0, "pictures", pictures)
        _require(_is_numbers(values["factors"]) and _is_positive(values["factors"]), "factors", values["factors"])
        for name in ("affines", "shifts"):
            _require(isinstance(values[name], dict), name, values[name])
        for name, pair in values["affines"].items():
            fits = _is_numbers(pair) and len(pair) == 2 and _is_positive(pair[:1]) and pair[1] in range(-128, 128)
            _require(fits, f"affine of {name!r:.80}", pair)
        for name, shift in values["shifts"].items():
            _require(_is_numbers(shift), f"shift of {name!r:.80}", shift)
        return cls(
            checkpoint=values["checkpoint"],
            pictures=pictures,
            digest=values["digest"],
            factors=tuple(float(factor) for factor in values["factors"]),
            affines={name: (float(scale), int(zero)) for name, (scale, zero) in values["affines"].items()},
            shifts={name: tuple(float(value) for value in shift) for name, shift in values["shifts"].items()},
        )


def calibrate(
    checkpoint: Graph, pictures: FloatArray, *, checkpoint_sha256: str, picture: Affine = PICTURE, method: str = "gain"
) -> Calibration:
    """Decide how a checkpoint becomes integers, from what pictures do in it.

    Takes about 15 seconds for W0.5-S2 and 256 pictures, on one core.

    Args:
        checkpoint: The network as it was read.
        pictures: (pictures, height, width, channels) float32, as the network takes them: aligned faces of many people.
            At most :data:`PICTURES` are looked at.
        checkpoint_sha256: Of the file, hexadecimal.
        picture: How the input becomes integers.
        method: How ranges are chosen, one of :data:`.ranges.METHODS`.

    Raises:
        OptionError: There is no such method.
        ConversionError: No picture, or pictures of another shape; a node that cannot be simulated.
        CheckpointError: The weights overflow float32 when folded.
        RuntimeMissingError: onnx or ONNX Runtime is not installed.
    """
    pictures = _spread(pictures, PICTURES)
    graph = int8_graph(checkpoint)
    statistics = channel_statistics(graph, pictures)
    groups = scale_groups(graph)
    factors = _digits(best_factors(graph, groups, statistics)[_free(groups)])
    by_tensor = _factors(groups, factors)
    graph, statistics = scaled(graph, by_tensor), statistics.scaled(by_tensor)
    ranges = choose_ranges(graph, pictures, statistics, picture, method=method)
    ties = tied_tensors(graph)
    affines = {ties[name]: (_digits([affine.scale])[0], affine.zero_point) for name, affine in ranges.tensors.items()}
    quantization = _quantization(graph, affines)
    largest = max(prod(shape) for shape in graph.shapes().values())
    count = min(CORRECTION_PICTURES, max(16, _CORRECTION_VALUES // largest))
    corrected = correct_biases(graph, quantization, _spread(pictures, count))
    shifts = {
        before.name: _digits(after.bias - (0 if before.bias is None else before.bias))
        for before, after in zip(graph.nodes, corrected.nodes)
        if isinstance(before, Conv) and isinstance(after, Conv) and after is not before and after.bias is not None
    }
    _log.info("calibrated on %d pictures: %d factors, %d ranges", len(pictures), len(factors), len(affines))
    return Calibration(checkpoint_sha256, len(pictures), _digest(pictures), factors, affines, shifts)


def apply(checkpoint: Graph, calibration: Calibration) -> tuple[Graph, Quantization]:
    """The integer network of a checkpoint: what the writers take.

    Args:
        checkpoint: The network as it was read, from the file that was calibrated.
        calibration: Its decisions.

    Raises:
        ConversionError: The calibration is of another network.
        CheckpointError: The weights overflow float32 when folded.
    """
    graph = int8_graph(checkpoint)
    groups = scale_groups(graph)
    if len(calibration.factors) != len(_free(groups)):
        raise ConversionError(
            f"the calibration has {len(calibration.factors)} factors and the network {len(_free(groups))} groups of "
            "channels: it is of another checkpoint or made by another version. Calibrate again"
        )
    graph = scaled(graph, _factors(groups, calibration.factors))
    shifts = dict(calibration.shifts)
    nodes = []
    for node in graph.nodes:
        shift = shifts.pop(node.name, None)
        if shift is not None:
            if not isinstance(node, Conv) or len(shift) != node.output_channels:
                raise ConversionError(f"the calibration's shift of {node.name!r} fits no convolution of that name")
            bias = np.zeros(len(shift)) if node.bias is None else node.bias
            node = replace(node, bias=(bias + np.array(shift)).astype(np.float32))
        nodes.append(node)
    if shifts:
        raise ConversionError(f"the calibration names {next(iter(shifts))!r}, which the network does not have")
    graph = Graph(tuple(nodes), graph.outputs)
    return graph, _quantization(graph, calibration.affines)


def _quantization(graph: Graph, affines: Mapping[str, tuple[float, int]]) -> Quantization:
    ties = tied_tensors(graph)
    stored = {root: Affine(float(np.float32(scale)), zero) for root, (scale, zero) in affines.items()}
    stored.update(gate_affines(graph))  # exactly, whatever digits were kept
    quantization = Quantization({name: stored[root] for name, root in ties.items() if root in stored})
    fused = fused_followers(graph)
    lacking = {root for name, root in ties.items() if name not in fused} - set(stored)
    if lacking:
        raise ConversionError(
            f"the calibration has no range of {min(lacking)!r}: it is of another checkpoint, or damaged"
        )
    absent = set(affines) - set(ties.values())
    if absent:
        raise ConversionError(f"the calibration names {min(absent)!r}, which the network does not have")
    check_quantization(graph, quantization)
    return quantization


def _free(groups: ChannelGroups) -> NDArray[np.intp]:
    """The groups that have a factor, in the order of their numbers."""
    used = np.unique(np.concatenate(list(groups.numbers.values())))
    return cast("NDArray[np.intp]", used[~groups.pinned[used]])


def _factors(groups: ChannelGroups, values: tuple[float, ...]) -> dict[str, NDArray[np.float64]]:
    """For every tensor, the factor of each channel."""
    spread = np.ones(len(groups.pinned))
    spread[_free(groups)] = values
    return groups.factors(spread)


def _digits(values: Any) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in np.asarray(values, np.float64).tolist())


def _spread(pictures: FloatArray, count: int) -> FloatArray:
    """So many pictures, evenly spaced."""
    if not len(pictures):
        raise ConversionError("a calibration needs pictures, and there is none")
    chosen: FloatArray = pictures[np.linspace(0, len(pictures) - 1, min(count, len(pictures))).astype(int)]
    return chosen


def _digest(pictures: FloatArray) -> str:
    whole = hashlib.sha256()
    for picture in pictures:
        whole.update(hashlib.sha256(np.ascontiguousarray(picture, "<f4").tobytes()).digest())
    return whole.hexdigest()


def _is_numbers(values: Any) -> bool:
    """Whether these are finite numbers in a list."""
    return isinstance(values, list) and all(type(v) in (int, float) and abs(v) < 1e30 for v in values)


def _is_positive(values: list[float]) -> bool:
    return all(_MAGNITUDES[0] < value < _MAGNITUDES[1] for value in values)


def _require(condition: bool, name: str, value: Any) -> None:
    if not condition:
        raise ConversionError(f"the calibration's {name} is {value!r:.80}, which cannot be")

"""What photos cause inside a network: per channel of every tensor, its range, its size, and how much the output hangs
on it.

The last, the sensitivity, is what the quantiser steers by. An error of mean square m in channel c of tensor t, of no
mean and independent from pixel to pixel, moves the output by about m x sensitivity[t][c]; errors of different tensors
add up. On the official W0.5-S2 checkpoint the sum over all tensors, each with the error of its int8 numbers, predicts
the loss of cosine within a fifth, from derivatives that take two seconds to measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from .derivatives import Derivatives
from .graph import FloatArray, Graph
from .simulator import Simulator

Channels = NDArray[np.float64]
"""(channels,): one number per channel."""

BATCH = 16
"""Pictures at once: their tensors stay within 100 MB for the widest GhostFaceNet of stem stride 2."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of every tensor that is stored, by name, and per channel.

    Attributes:
        low: Smallest value, at most 0.
        high: Largest value, at least 0.
        usual_low: Smallest value among 16 pictures, on average: one odd picture hardly moves it.
        usual_high: Likewise, the largest.
        power: Mean square.
    """

    low: Mapping[str, Channels]
    high: Mapping[str, Channels]
    usual_low: Mapping[str, Channels]
    usual_high: Mapping[str, Channels]
    power: Mapping[str, Channels]

    def scaled(self, factors: Mapping[str, Channels]) -> Statistics:
        """Those of the network whose tensors are multiplied by positive factors."""

        def times(values: Mapping[str, Channels], exponent: int = 1) -> dict[str, Channels]:
            return {name: value * factors[name] ** exponent for name, value in values.items()}

        return Statistics(
            times(self.low), times(self.high), times(self.usual_low), times(self.usual_high), times(self.power, 2)
        )


def measure(graph: Graph, pictures: FloatArray) -> Statistics:
    """Run a network and watch every stored tensor.

    Args:
        graph: Of fixed size, with BatchNorm folded.
        pictures: (pictures, height, width, channels) float32, as the network takes them.

    Raises:
        ConversionError: No picture, or pictures of another shape.
    """
    simulator = Simulator(graph)
    low: dict[str, list[Channels]] = {}
    high: dict[str, list[Channels]] = {}
    power: dict[str, Channels] = {}
    for part in batches(graph, pictures):
        for name, tensor in simulator.run(part).items():
            rows = tensor.reshape(-1, tensor.shape[-1])
            low.setdefault(name, []).append(np.minimum(rows.min(axis=0), 0).astype(np.float64))
            high.setdefault(name, []).append(np.maximum(rows.max(axis=0), 0).astype(np.float64))
            square = np.einsum("nc,nc->c", rows, rows).astype(np.float64) * (len(part) / len(rows))
            power[name] = power.get(name, 0.0) + square / len(pictures)
    return Statistics(
        low={name: np.min(values, axis=0) for name, values in low.items()},
        high={name: np.max(values, axis=0) for name, values in high.items()},
        usual_low={name: np.mean(values, axis=0) for name, values in low.items()},
        usual_high={name: np.mean(values, axis=0) for name, values in high.items()},
        power=power,
    )


def sensitivity(graph: Graph, pictures: FloatArray, *, rounds: int = 2, seed: int = 0) -> dict[str, Channels]:
    """How much an error in each channel of each tensor moves the output.

    The outputs are nudged in random directions, and what that means for every tensor is carried back by derivatives.

    Args:
        graph: Of fixed size, with BatchNorm folded. If all it makes is one vector, only its direction counts, as in the
            cosine; else the sum over outputs of squared error / squared output.
        pictures: (pictures, height, width, channels) float32, as the network takes them.
        rounds: Random directions per picture.
        seed: Of the directions.

    Returns:
        By tensor name, inner tensors of fused operators among them; (channels,). For a vector: loss of cosine per mean
        square error. Tensors that no output depends on, and the picture, are absent.

    Raises:
        ConversionError: No picture, pictures of another shape, or a node that has no derivative.
    """
    simulator = Simulator(graph)
    derivatives = Derivatives(simulator)
    random = np.random.default_rng(seed)
    total: dict[str, Channels] = {}
    for part in batches(graph, pictures):
        tensors = simulator.run(part)
        for _ in range(rounds):
            nudges = {name: _nudge(tensors[name], random, len(graph.outputs) == 1) for name in graph.outputs}
            for name, derivative in derivatives.of(tensors, nudges).items():
                rows = derivative.reshape(-1, derivative.shape[-1])
                square = np.einsum("nc,nc->c", rows, rows).astype(np.float64)
                total[name] = total.get(name, 0.0) + square / (2 * rounds * len(pictures))
    return total


def _nudge(output: FloatArray, random: np.random.Generator, is_only: bool) -> FloatArray:
    """A random direction in units of the output's length; for the only vector, at right angles to it."""
    values = output.reshape(len(output), -1)
    lengths = np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.float32(1e-12))
    direction = random.standard_normal(values.shape, np.float32)
    if is_only and output.ndim == 2:
        unit = values / lengths
        direction -= (direction * unit).sum(axis=1, keepdims=True) * unit
    nudge: FloatArray = (direction / lengths).reshape(output.shape)
    return nudge


def batches(graph: Graph, pictures: FloatArray) -> Iterator[FloatArray]:
    """The pictures, :data:`BATCH` at a time.

    Raises:
        ConversionError: No picture, or pictures of another shape than the network takes.
    """
    expected = graph.shapes()[graph.input.name]
    if pictures.ndim != 4 or pictures.shape[1:] != expected or not len(pictures):
        raise ConversionError(f"the network takes pictures of (any number, {expected}), not {pictures.shape}")
    for start in range(0, len(pictures), BATCH):
        yield np.ascontiguousarray(pictures[start : start + BATCH], np.float32)

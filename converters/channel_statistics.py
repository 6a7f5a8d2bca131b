"""What pictures do to every channel inside a network: its range, its size, and how much it matters.

The gain is what the quantiser steers by. Errors of different tensors add up, so gain x mean squared error, summed over
all channels of all tensors, predicts what integers cost: on the official W0.5-S2 checkpoint within a fifth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from .gradients import backpropagate
from .graph import FloatArray, Graph
from .running import Run, run_inside, run_inside_anywhere

_VALUES_AT_ONCE = 1 << 24
"""A batch is as large as keeps all its tensors together below this many float32 values (64 MB)."""

SOME = 16
"""Pictures in a set whose extremes are called usual."""

_WATCHED = 8
"""Pictures whose gradients are taken, spread evenly. With 64 the official checkpoint's int8 cosine is the same."""


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """Measured values of each channel of each tensor; every array is (channels,) float32.

    Attributes:
        low: Smallest value, by the tensor's name.
        high: Largest value.
        usual_low: Smallest value among :data:`SOME` pictures, the mean over all such sets. One odd picture hardly moves
            it.
        usual_high: Likewise, the largest.
        mean: Mean value.
        power: Mean square.
        gain: By how much, in the mean over pictures, the sum of the squared relative errors of the network's outputs
            grows when noise of variance 1 is added to each number of the channel.
    """

    low: Mapping[str, FloatArray]
    high: Mapping[str, FloatArray]
    usual_low: Mapping[str, FloatArray]
    usual_high: Mapping[str, FloatArray]
    mean: Mapping[str, FloatArray]
    power: Mapping[str, FloatArray]
    gain: Mapping[str, FloatArray]

    def scaled(self, factors: Mapping[str, NDArray[np.float64]]) -> ChannelStatistics:
        """Those of the network whose tensors are multiplied by these positive factors, (channels,) for each."""

        def times(values: Mapping[str, FloatArray], exponent: int) -> dict[str, FloatArray]:
            return {name: (value * factors[name] ** exponent).astype(np.float32) for name, value in values.items()}

        return ChannelStatistics(
            low=times(self.low, 1),
            high=times(self.high, 1),
            usual_low=times(self.usual_low, 1),
            usual_high=times(self.usual_high, 1),
            mean=times(self.mean, 1),
            power=times(self.power, 2),
            gain=times(self.gain, -2),
        )


def channel_statistics(
    graph: Graph, pictures: FloatArray, *, threads: int = 1, anywhere: bool = False
) -> ChannelStatistics:
    """Run a network and watch every tensor.

    Args:
        graph: The network, of a fixed input size.
        pictures: (batch, height, width, channels) float32, already normalised as the network wants it.
        threads: Of ONNX Runtime.
        anywhere: Where ONNX Runtime is not installed, use the interpreter, which takes a second for some pictures.

    Raises:
        ConversionError: No picture, or of another shape than the network's input.
        RuntimeMissingError: ONNX or ONNX Runtime is not installed.
    """
    shapes = graph.shapes()
    if not len(pictures) or pictures.shape[1:] != shapes[graph.input.name]:
        raise ConversionError(f"the network takes some pictures of {shapes[graph.input.name]}, not {pictures.shape}")
    run = (run_inside_anywhere if anywhere else run_inside)(graph, threads=threads)
    low: dict[str, list[FloatArray]] = {}
    high: dict[str, list[FloatArray]] = {}
    mean = {name: np.zeros(shape[-1]) for name, shape in shapes.items()}
    power = {name: np.zeros(shape[-1], np.float32) for name, shape in shapes.items()}
    for tensors in _runs(run, graph, pictures, max(1, _VALUES_AT_ONCE // sum(map(prod, shapes.values())))):
        for name, tensor in tensors.items():
            values = tensor.reshape(len(tensor), -1, tensor.shape[-1])
            low.setdefault(name, []).append(values.min(axis=1))
            high.setdefault(name, []).append(values.max(axis=1))
            mean[name] += values.mean(axis=1, dtype=np.float64).sum(axis=0) / len(pictures)
            square = np.einsum("npc,npc->c", values, values) / np.float32(values.shape[1] * len(pictures))
            power[name] = np.minimum(power[name] + square, np.finfo(np.float32).max)
    lows, highs = ({name: np.concatenate(parts) for name, parts in found.items()} for found in (low, high))
    for name in lows:
        if not np.isfinite([lows[name], highs[name]]).all():
            raise ConversionError(f"the tensor {name!r} overflows float32 on these pictures: the weights are damaged")
    return ChannelStatistics(
        low={name: values.min(axis=0) for name, values in lows.items()},
        high={name: values.max(axis=0) for name, values in highs.items()},
        usual_low={name: _usual(values, np.minimum) for name, values in lows.items()},
        usual_high={name: _usual(values, np.maximum) for name, values in highs.items()},
        mean={name: values.astype(np.float32) for name, values in mean.items()},
        power=power,
        gain=_gains(run, graph, pictures),
    )


def _usual(values: FloatArray, extreme: np.ufunc) -> FloatArray:
    """(channels,) from the extremes of each picture, (pictures, channels)."""
    usual: FloatArray = extreme.reduceat(values, np.arange(0, len(values), SOME), axis=0).mean(axis=0)
    return usual


def _gains(run: Run, graph: Graph, pictures: FloatArray) -> dict[str, FloatArray]:
    watched = pictures[np.linspace(0, len(pictures) - 1, min(_WATCHED, len(pictures))).astype(int)]
    random = np.random.default_rng(0)
    total = {name: np.zeros(shape[-1]) for name, shape in graph.shapes().items()}
    for tensors in _runs(run, graph, watched, 1):
        # The mean of (signs . derivative)^2 over random signs is the sum of the squares.
        seeds = {name: _relative(tensors[name], random) for name in graph.outputs}
        for name, gradient in backpropagate(graph, tensors, seeds).items():
            total[name] += np.square(gradient, dtype=np.float64).reshape(-1, gradient.shape[-1]).sum(axis=0)
    return {name: (values / len(watched)).astype(np.float32) for name, values in total.items()}


def _relative(output: FloatArray, random: np.random.Generator) -> FloatArray:
    """Random signs, divided by the output's length; nothing where that is 0."""
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(output))
    if np.isinf(length):  # squares are beyond float32 where the numbers themselves are not
        length = float(np.linalg.norm(output.astype(np.float64)))
    return (random.choice([-1.0, 1.0], output.shape) / (length or np.inf)).astype(np.float32)


def _runs(run: Run, graph: Graph, pictures: FloatArray, batch: int) -> Iterator[dict[str, FloatArray]]:
    """Every tensor, for one batch after the other."""
    for start in range(0, len(pictures), batch):
        part = np.ascontiguousarray(pictures[start : start + batch], np.float32)
        yield {graph.input.name: part, **run(part)}

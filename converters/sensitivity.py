"""Which tensors do the damage when a network becomes integers, and which parts to keep in float32.

A single float tensor hardly helps: its neighbours are rounded all the same. A whole stretch does, between two places
where everything passes through one tensor, such as a bottleneck of a GhostFaceNet.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ghostface_edge.errors import OptionError

from .channel_statistics import ChannelStatistics
from .graph import FloatArray, Graph
from .quantization import COPYING, Quantization, fused_followers, tied_tensors
from .simulator import FLOAT, Simulator, batches, stored

_log = logging.getLogger(__name__)

_SHORTEST = 8
"""Tensors of a stretch: shorter ones are joined with the next, for changing from integers to float and back costs."""


@dataclass(frozen=True)
class Damage:
    """What the rounding of one tensor costs.

    Attributes:
        tensor: Its name.
        operator: Kind of the node that makes it.
        loss: Predicted loss of cosine if all else were float.
        share: Of the sum over all tensors.
    """

    tensor: str
    operator: str
    loss: float
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


def damages(
    graph: Graph, quantization: Quantization, pictures: FloatArray, statistics: ChannelStatistics
) -> tuple[Damage, ...]:
    """All tensors that are rounded, the most harmful first.

    Args:
        graph: The network as it is quantised.
        quantization: Of its tensors.
        pictures: (pictures, height, width, channels) float32, as the network takes them.
        statistics: Of this network; the gains are looked at.
    """
    simulator, nodes = Simulator(graph), graph.by_name()
    losses: dict[str, float] = {}
    for part in batches(graph, pictures):
        for name, tensor in simulator.run(part).items():
            affine = quantization.tensors.get(name)
            if affine is None or isinstance(nodes[name], COPYING):
                continue
            error = (stored(tensor, affine) - tensor).reshape(-1, tensor.shape[-1])
            square = np.einsum("nc,nc->c", error, error).astype(np.float64) / len(error)
            # The gain counts squared relative error, and 1 - cosine is half of it.
            loss = float(square @ statistics.gain[name]) / 2 * len(part) / len(pictures)
            losses[name] = losses.get(name, 0.0) + loss
    total = max(sum(losses.values()), np.finfo(np.float64).tiny)
    makers = {follower: name for name, follower in fused_followers(graph).items()}
    ranked = sorted(losses, key=lambda name: -losses[name])
    return tuple(
        Damage(name, type(nodes[makers.get(name, name)]).__name__, losses[name], losses[name] / total)
        for name in ranked
    )


def stretches(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """The stored tensors in their order, cut where everything passes through the tensor before the cut."""
    fused = fused_followers(graph)
    last_use = {node.name: index for index, node in enumerate(graph.nodes)}
    for index, node in enumerate(graph.nodes):
        last_use.update(dict.fromkeys(node.inputs, index))
    last_use.update(dict.fromkeys(graph.outputs, len(graph.nodes)))
    found: list[tuple[str, ...]] = []
    names: list[str] = []
    waiting: set[str] = set()
    for index, node in enumerate(graph.nodes):
        if node.name not in fused:
            names.append(node.name)
        waiting = {name for name in waiting if last_use[name] > index}
        if not waiting and node.name not in fused and len(names) >= _SHORTEST:
            found.append(tuple(names))
            names = []
        waiting.add(node.name)
    return (*found, tuple(names)) if names else tuple(found)


@dataclass(frozen=True)
class Mixed:
    """A network of integers with float stretches.

    Attributes:
        quantization: Its integers.
        float_operators: Nodes that compute in float32.
        cosine: To float, mean over the pictures that it was measured on, simulated.
        is_met: Whether that is the cosine that was asked for.
    """

    quantization: Quantization
    float_operators: tuple[str, ...]
    cosine: float
    is_met: bool


def mixed(
    graph: Graph,
    quantization: Quantization,
    pictures: FloatArray,
    statistics: ChannelStatistics,
    cosine: float,
) -> Mixed:
    """Keep little in float32, and reach a cosine.

    The stretch that does the most damage per tensor becomes float first, then the next; the cosine is measured each
    time. What goes in and what comes out stay integers. Where everything else in float does not reach the cosine, the
    result says so.

    Args:
        graph: The network as it is quantised, with one output.
        quantization: Of all its tensors.
        pictures: To measure on, not those of the calibration: (pictures, height, width, channels) float32.
        statistics: Of this network; the gains are looked at.
        cosine: To reach.

    Raises:
        OptionError: A cosine outside -1..1.
    """
    if not -1 <= cosine <= 1:
        raise OptionError(f"cosine={cosine!r} is none: it lies between -1 and 1")
    loss = {damage.tensor: damage.loss for damage in damages(graph, quantization, pictures, statistics)}
    ranked = sorted(stretches(graph), key=lambda names: sum(loss.get(name, 0.0) for name in names) / len(names))
    reference = _embed(graph, FLOAT, pictures)
    ends = _with_ties(graph, {graph.input.name, *graph.outputs})
    chosen: set[str] = set()
    while True:
        trial = quantization.without(_with_ties(graph, chosen) - ends)
        reached = _mean_cosine(_embed(graph, trial, pictures), reference)
        operators = _float_operators(graph, trial)
        _log.info("%d operators in float: cosine %.5f", len(operators), reached)
        if reached >= cosine or not ranked:
            return Mixed(trial, operators, reached, reached >= cosine)
        chosen.update(ranked.pop())


def _with_ties(graph: Graph, names: Iterable[str]) -> set[str]:
    ties = tied_tensors(graph)
    roots = {ties[name] for name in names}
    return {name for name, root in ties.items() if root in roots}


def _float_operators(graph: Graph, quantization: Quantization) -> tuple[str, ...]:
    """An operator computes in float where it takes or makes a float tensor."""
    fused = fused_followers(graph)
    followers = set(fused.values())
    return tuple(
        node.name
        for node in graph.nodes[1:]
        if node.name not in followers
        and not {*node.inputs, fused.get(node.name, node.name)} <= quantization.tensors.keys()
    )


def _embed(graph: Graph, quantization: Quantization, pictures: FloatArray) -> FloatArray:
    """(pictures, features)."""
    simulator, output = Simulator(graph), graph.outputs[0]
    parts = [simulator.run(part, quantization)[output] for part in batches(graph, pictures)]
    return np.concatenate(parts).reshape(len(pictures), -1)


def _mean_cosine(first: FloatArray, second: FloatArray) -> float:
    """Over the rows."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    products = np.einsum("nc,nc->n", first, second)
    return float((products / np.maximum(lengths, np.finfo(np.float32).tiny)).mean(dtype=np.float64))

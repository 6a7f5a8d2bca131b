"""Which tensors do the damage when a network becomes integers, and which parts to keep in float32.

A single float tensor hardly helps: its neighbours round all the same. What helps is a whole stretch between two places
where everything passes through one tensor, such as a bottleneck of a GhostFaceNet.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ghostface_edge.errors import OptionError

from .graph import FloatArray, Graph
from .quantization import Quantization, fused_followers
from .simulator import COPYING, FLOAT, Simulator, stored
from .statistics import Channels, batches

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Damage:
    """What the rounding of one tensor costs.

    Attributes:
        tensor: Its name.
        operator: Kind of the node that makes it.
        loss: Predicted loss of cosine, if all else were float.
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
    graph: Graph, quantization: Quantization, pictures: FloatArray, sensitivity: Mapping[str, Channels]
) -> tuple[Damage, ...]:
    """All tensors that are rounded, the most harmful first.

    Args:
        graph: The network as it is quantised.
        quantization: Of its tensors.
        pictures: (pictures, height, width, channels) float32, as the network takes them.
        sensitivity: Of the output to its tensors (:func:`.statistics.sensitivity`).
    """
    simulator = Simulator(graph)
    nodes = graph.by_name()
    losses: dict[str, float] = {}
    for part in batches(graph, pictures):
        for name, tensor in simulator.run(part).items():
            affine = quantization.tensors.get(name)
            if affine is None or name not in sensitivity or isinstance(nodes[name], COPYING):
                continue
            error = (stored(tensor, affine) - tensor).reshape(-1, tensor.shape[-1])
            square = np.einsum("nc,nc->c", error, error).astype(np.float64) / len(error)
            loss = float(square @ sensitivity[name]) * len(part) / len(pictures)
            losses[name] = losses.get(name, 0.0) + loss
    total = max(sum(losses.values()), 1e-300)
    kinds = {name: type(nodes[name]).__name__ for name in losses}
    kinds.update({follower: type(nodes[name]).__name__ for name, follower in fused_followers(graph).items()})
    ranked = sorted(losses, key=lambda name: -losses[name])
    return tuple(Damage(name, kinds[name], losses[name], losses[name] / total) for name in ranked)


@dataclass(frozen=True)
class Region:
    """A stretch of a network between two tensors through which everything passes.

    Attributes:
        source: The tensor before it.
        target: The tensor that it ends with.
        inner: All between them, and fused tensors among them; neither of the two.
    """

    source: str
    target: str
    inner: tuple[str, ...]


def regions(graph: Graph) -> tuple[Region, ...]:
    """The stretches, in order: in a GhostFaceNet the stem, the bottlenecks and the head."""
    last_use = {node.name: index for index, node in enumerate(graph.nodes)}
    for index, node in enumerate(graph.nodes):
        for source in node.inputs:
            last_use[source] = index
    for name in graph.outputs:
        last_use[name] = len(graph.nodes)
    fused = fused_followers(graph)
    found: list[Region] = []
    start = 0
    waiting: set[str] = set()
    for index, node in enumerate(graph.nodes):
        waiting = {name for name in waiting if last_use[name] > index}
        if not waiting and node.name not in fused and index > start:
            names = [other.name for other in graph.nodes[start : index + 1]]
            found.append(Region(names[0], names[-1], tuple(names[1:-1])))
            start = index
        waiting.add(node.name)
    return tuple(region for region in _joined(found, graph) if region.inner)


def _joined(found: list[Region], graph: Graph) -> list[Region]:
    """Stretches of single operators together with what follows them, up to the next with branches."""
    result: list[Region] = []
    for region in found:
        before = result[-1] if result else None
        is_chain = not region.inner or (before is not None and not _branches(before, graph))
        if before is not None and is_chain and not (_branches(before, graph) and _branches(region, graph)):
            result[-1] = Region(before.source, region.target, (*before.inner, before.target, *region.inner))
        else:
            result.append(region)
    return result


def _branches(region: Region, graph: Graph) -> bool:
    """Whether some inner tensor is joined with another."""
    nodes = graph.by_name()
    return any(len(nodes[name].inputs) > 1 for name in (*region.inner, region.target))


@dataclass(frozen=True)
class Mixed:
    """A network of integers with float stretches.

    Attributes:
        quantization: Its integers.
        float_operators: Nodes that compute in float32.
        cosine: To float, mean over the pictures it was measured on, simulated.
        met: Whether that is the cosine that was asked for.
    """

    quantization: Quantization
    float_operators: tuple[str, ...]
    cosine: float
    met: bool


def mixed(
    graph: Graph,
    quantization: Quantization,
    pictures: FloatArray,
    sensitivity: Mapping[str, Channels],
    cosine: float,
) -> Mixed:
    """Keep as little as needed in float32 to reach a cosine.

    The stretch that does the most damage per operator becomes float first, and so on; the cosine is measured each time.
    Where all stretches together do not reach it, the result says so.

    Args:
        graph: The network as it is quantised; one output.
        quantization: Of all its tensors.
        pictures: To measure on, other ones than those of the calibration: (pictures, height, width, channels) float32.
        sensitivity: Of the output to its tensors.
        cosine: To reach, below 1.

    Raises:
        OptionError: A cosine outside -1..1.
    """
    if not -1 <= cosine < 1:
        raise OptionError(f"cosine={cosine}: a cosine to reach is at least -1 and below 1")
    loss = {damage.tensor: damage.loss for damage in damages(graph, quantization, pictures, sensitivity)}
    ranked = sorted(
        regions(graph), key=lambda region: -sum(loss.get(name, 0.0) for name in region.inner) / len(region.inner)
    )
    reference = embed(graph, FLOAT, pictures)
    chosen: set[str] = set()
    ends = [graph.input.name, *graph.outputs]
    while True:
        trial = quantization.without(_with_ties(graph, chosen, keep=ends))
        reached = mean_cosine(embed(graph, trial, pictures), reference)
        _log.info("%d tensors in float: cosine %.5f", len(quantization.tensors) - len(trial.tensors), reached)
        if reached >= cosine or not ranked:
            return Mixed(trial, _float_operators(graph, trial), reached, reached >= cosine)
        region = ranked.pop(0)
        chosen.update(region.inner)
        # A tensor between two float stretches needs no rounding either.
        edges = {end for other in regions(graph) for end in (other.source, other.target)}
        takers = graph.users()
        makers = graph.by_name()
        for edge in edges - chosen - set(ends):
            around = {*(user.name for user in takers[edge]), *makers[edge].inputs}
            if around <= chosen | edges and around & chosen and not around - chosen:
                chosen.add(edge)


def embed(graph: Graph, quantization: Quantization, pictures: FloatArray) -> FloatArray:
    """(pictures, features): what the simulated network makes of them."""
    simulator = Simulator(graph)
    output = graph.outputs[0]
    return np.concatenate([simulator.run(part, quantization)[output] for part in batches(graph, pictures)])


def mean_cosine(first: FloatArray, second: FloatArray) -> float:
    """Mean over the rows."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((np.einsum("nc,nc->n", first, second) / np.maximum(lengths, 1e-12)).mean(dtype=np.float64))

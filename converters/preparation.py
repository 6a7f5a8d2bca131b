"""From a checkpoint to what a writer is handed: the passes of each precision, and for integers the ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ghostface_edge.errors import CheckpointError

from .calibration import Calibration
from .graph import Graph
from .passes.fold_batch_norm import fold_batch_norm
from .passes.lower_prelu import lower_prelu
from .passes.merge_heads import merge_heads
from .passes.normalise_slopes import normalise_slopes
from .passes.swap_colours import swap_colours
from .quantization import Quantization

PRELU_FORMS = ("lowered", "native")
_FASTEST_PRELU = {"onnx": "lowered", "tflite": "native"}
"""ONNX Runtime: see ``passes/lower_prelu.py``. XNNPACK's own PRELU is as fast as any sum, and one operator less.

LiteRT 2.3, x86-64, one thread, forms in random turn, median ms of native / lowered: width 0.5, stem stride 2: 0.95 /
0.97, as float16: 0.94 / 0.97; width 1.3, stride 2: 2.71 / 2.86; width 1.3, stride 1: 7.54 / 7.94.
"""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a writer is handed.

    Attributes:
        graph: The network.
        quantization: Its integer tensors; None for a float precision.
        calibration: What the ranges were taken from; None for a float precision and for the naive way.
        notes: What a reader of the report should know, a sentence each.
    """

    graph: Graph
    quantization: Quantization | None = None
    calibration: Calibration | None = None
    notes: tuple[str, ...] = ()


def prepare_float(checkpoint: Graph, to: str, prelu: str | None = None) -> Prepared:
    """An embedder in float, or with int8 weights and float activations.

    Raises:
        CheckpointError: Its weights are so large that folding them overflows float32.
    """
    return Prepared(embedder_graph(checkpoint, prelu or _FASTEST_PRELU[to]))


def embedder_graph(checkpoint: Graph, prelu: str = "lowered") -> Graph:
    """The network of a checkpoint as it is written in float.

    Raises:
        CheckpointError: Its weights are so large that folding them overflows float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        graph = fold_batch_norm(checkpoint)
        if prelu == "lowered":
            graph = lower_prelu(normalise_slopes(graph))
    for node in graph.nodes:
        if not all(np.isfinite(array).all() for array in node.weights().values()):
            raise CheckpointError(f"the weights of {node.name!r} are too large: they overflow float32 when folded")
    return graph


def detector_graph(checkpoint: Graph) -> Graph:
    """YuNet as it is written: RGB in, one output per stride."""
    return merge_heads(swap_colours(checkpoint))

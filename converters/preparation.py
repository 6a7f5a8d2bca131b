"""From a checkpoint's network to what a writer is handed: the passes, and for integers the ranges, of each precision."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ghostface_edge.errors import CheckpointError, OptionError

from .activations import channel_ranges
from .calibration import Calibration, calibrate
from .gate import Gate
from .graph import FloatArray, Graph
from .lowering import naive_int8_graph
from .passes.fold_batch_norm import fold_batch_norm
from .passes.lower_prelu import lower_prelu
from .passes.normalise_slopes import normalise_slopes
from .quantization import Quantization
from .ranges import quantization_over
from .sensitivity import mix

CALIBRATED = ("int8", "int16x8", "mixed")
"""Precisions that need to know the ranges of activations."""

FASTEST_PRELU = {"onnx": "lowered", "tflite": "native"}
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

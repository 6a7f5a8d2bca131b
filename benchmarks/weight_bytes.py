"""What the weights of a network take at each precision, in the form that the converter writes."""

from __future__ import annotations

import logging

from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.lowering import int8_graph
from ghostface_edge.converters.passes.merge_copies import merge_copies
from ghostface_edge.converters.passes.pool_phases import pool_phases
from ghostface_edge.converters.preparation import detector_graph, prepare_float
from ghostface_edge.converters.quantization import Affine, Quantization
from ghostface_edge.converters.tflite_writer import constant_bytes
from ghostface_edge.errors import ConversionError

_log = logging.getLogger(__name__)

_ANY = Affine(1 / 256, -128)
"""Integers of some scale: the number of bytes does not depend on it. This one suits sigmoids, which have no choice."""


def embedder_weight_bytes(checkpoint: Graph) -> dict[str, int]:
    """Bytes of the constants in the ``.tflite`` file of an embedder, by precision.

    Batch normalisations are folded into the convolutions before them; int8 has the convolutions that integers need
    instead of PReLU, and int32 biases. The scales of integers come on top: 4 bytes for a channel of a kernel or bias.

    Returns:
        A network of another trainer may have no integer form; int8 is then not among the keys, and the log says why.

    Raises:
        ConversionError: The network has no form in float, or its weights overflow when folded.
    """
    found = {
        precision: constant_bytes(prepare_float(checkpoint, "tflite", precision).graph, precision)
        for precision in ("float32", "float16", "dynamic")
    }
    try:
        integers, _ = merge_copies(int8_graph(checkpoint))
        every = Quantization({node.name: _ANY for node in integers.nodes})
        found["int8"] = constant_bytes(integers, "int8", every)
    except ConversionError as error:
        _log.info("It has no int8 form: %s", error)
    return found


def detector_weight_bytes(checkpoint: Graph) -> dict[str, int]:
    """The same for YuNet, whose heads are merged, in the precisions that detectors are converted to."""
    written = pool_phases(detector_graph(checkpoint))
    return {precision: constant_bytes(written, precision) for precision in ("float32", "float16")}

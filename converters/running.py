"""Runs a graph on ONNX Runtime, where many pictures make the interpreter too slow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .graph import FloatArray, Graph
from .onnx_writer import write_onnx
from .requirement import missing_package

Run = Callable[[FloatArray], dict[str, FloatArray]]
"""From pictures, (N, height, width, channels) float32, to the outputs by their names."""


def runner(graph: Graph, *, threads: int = 1) -> Run:
    """What runs a network in float32.

    Raises:
        ConversionError: A node that has no ONNX form.
        RuntimeMissingError: onnx or ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_package("running a network", "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(write_onnx(graph, ""), options, providers=["CPUExecutionProvider"])
    names = list(graph.outputs)

    def run(pictures: FloatArray) -> dict[str, FloatArray]:
        return dict(zip(names, session.run(names, {graph.input.name: np.ascontiguousarray(pictures, np.float32)})))

    return run

"""Runs a graph on ONNX Runtime, where many pictures make the interpreter too slow, and watches its tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import RuntimeMissingError

from .graph import FloatArray, Graph
from .interpreter import interpret
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


def reaches(graph: Graph, pictures: FloatArray) -> dict[str, NDArray[np.float64]]:
    """For every tensor, the largest magnitude of each channel on some pictures.

    Args:
        graph: The network.
        pictures: (N, height, width, channels) float32, as the network takes them.
    """
    largest = {graph.input.name: np.abs(pictures).max(axis=(0, 1, 2)).astype(np.float64)}
    run = run_inside_anywhere(graph)
    for picture in pictures:
        for name, tensor in run(picture[None]).items():
            top = np.abs(tensor.astype(np.float64)).reshape(-1, tensor.shape[-1]).max(axis=0)
            largest[name] = np.maximum(largest[name], top) if name in largest else top
    return largest


def run_inside(graph: Graph, *, threads: int = 1) -> Run:
    """What runs a network in float32 and gives every tensor that it computes.

    Raises:
        ConversionError: A node that has no ONNX form.
        RuntimeMissingError: onnx or ONNX Runtime is not installed.
    """
    return runner(replace(graph, outputs=tuple(node.name for node in graph.nodes[1:])), threads=threads)


def run_inside_anywhere(graph: Graph, *, threads: int = 1) -> Run:
    """As :func:`run_inside`, or with the interpreter where ONNX Runtime is not installed: for a few pictures."""
    try:
        return run_inside(graph, threads=threads)
    except RuntimeMissingError:
        return lambda pictures: {name: x.astype(np.float32) for name, x in interpret(graph, pictures).items()}

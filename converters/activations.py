"""The values that pictures cause in every tensor of a network: per channel, the smallest and the largest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ghostface_edge.errors import ConversionError, RuntimeMissingError

from .graph import FloatArray, Graph
from .onnx_writer import write_onnx

_VALUES_AT_ONCE = 1 << 24
"""A batch is as large as keeps all its tensors together below this many float32 values (64 MB)."""


@dataclass(frozen=True, eq=False)
class ChannelRanges:
    """The smallest and largest value of each channel of each tensor.

    Attributes:
        low: (channels,) float32 for every tensor of the graph, by its name.
        high: Likewise.
    """

    low: Mapping[str, FloatArray]
    high: Mapping[str, FloatArray]

    def maxima(self) -> dict[str, FloatArray]:
        """For every tensor, the largest absolute value of each channel."""
        return {name: np.maximum(-low, self.high[name]) for name, low in self.low.items()}


def channel_ranges(graph: Graph, pictures: FloatArray, *, threads: int = 1) -> ChannelRanges:
    """Run a network and watch every tensor.

    Args:
        graph: The network, of a fixed input size.
        pictures: (batch, height, width, channels) float32, already normalised as the network wants it.
        threads: Of ONNX Runtime.

    Raises:
        ConversionError: No picture, or of another shape than the network's input.
        RuntimeMissingError: ONNX or ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeMissingError('calibration needs ONNX Runtime: pip install "ghostface-edge[onnx]"') from error
    shapes = graph.shapes()
    expected = shapes[graph.input.name]
    if pictures.ndim != 4 or pictures.shape[1:] != expected or not len(pictures):
        raise ConversionError(f"the network takes pictures of (any number, {expected}), not {pictures.shape}")
    names = [node.name for node in graph.nodes[1:]]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    model = write_onnx(replace(graph, outputs=tuple(names)), "ghostface-edge")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    batch = max(1, _VALUES_AT_ONCE // sum(int(np.prod(shape)) for shape in shapes.values()))
    low: dict[str, FloatArray] = {}
    high: dict[str, FloatArray] = {}
    for start in range(0, len(pictures), batch):
        part = np.ascontiguousarray(pictures[start : start + batch], np.float32)
        tensors = [part, *session.run(names, {session.get_inputs()[0].name: part})]
        for name, tensor in zip((graph.input.name, *names), tensors):
            values = tensor.reshape(-1, tensor.shape[-1])
            smallest, largest = values.min(axis=0), values.max(axis=0)
            low[name] = np.minimum(low.get(name, smallest), smallest)
            high[name] = np.maximum(high.get(name, largest), largest)
    return ChannelRanges(low, high)

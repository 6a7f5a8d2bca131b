"""Reads YuNet, the face detector of OpenCV Zoo (``face_detection_yunet_2023mar.onnx``).

The network is cut at its head convolutions: the sigmoids, transposes and reshapes behind them, which have the fixed
input size 640 x 640 built in, are checked and left out. The decoder applies the sigmoid itself.
"""

from __future__ import annotations

from dataclasses import replace

from ghostface_edge.errors import CheckpointError

from .graph import Graph
from .onnx_file import OnnxFile, named
from .onnx_reader import read_network
from .passes.merge_heads import BRANCHES, STRIDES

_TAILS = {
    "cls": ("Sigmoid", "Reshape", "Transpose"),
    "obj": ("Sigmoid", "Reshape", "Transpose"),
    "bbox": ("Reshape", "Transpose"),
    "kps": ("Reshape", "Transpose"),
}
"""What stands behind each head convolution, last first."""


def is_yunet(data: bytes) -> bool:
    """Whether an ONNX file has an output that only YuNet has; False also for what is no ONNX file."""
    output = f"{BRANCHES[0]}_{STRIDES[0]}"
    try:
        return output.encode() in data and output in OnnxFile(data).outputs
    except CheckpointError:
        return False


def read_yunet_onnx(data: bytes, label: str) -> Graph:
    """Translate YuNet.

    Args:
        data: The whole ``.onnx`` file.
        label: What to call the file in messages.

    Returns:
        The network from the node ``input`` (BGR, 0..255, height and width open) to the outputs ``cls_8``, ``obj_8``,
        ``bbox_8``, ``kps_8`` ... ``kps_32``, before any sigmoid.

    Raises:
        CheckpointError: Not an ONNX file, a damaged one, or not YuNet.
        UnsupportedLayerError: A node that cannot be translated.
        RuntimeMissingError: The package onnx is not installed.
    """
    with named(label):
        file = OnnxFile(data)
        heads = {
            _head(file, f"{branch}_{stride}", branch): f"{branch}_{stride}" for stride in STRIDES for branch in BRANCHES
        }
        graph = read_network(file, heads)
        opened = Graph((replace(graph.input, height=None, width=None), *graph.nodes[1:]), graph.outputs)
        opened.shapes(640, 640)
        return opened


def _head(file: OnnxFile, output: str, branch: str) -> str:
    """The tensor before the tail of an output."""
    if output not in file.outputs:
        raise CheckpointError(f"it has no output {output!r}, so it is not YuNet 2023mar")
    name = output
    for expected in _TAILS[branch]:
        maker = file.maker(name)
        if maker is None or maker.kind != expected or not maker.inputs:
            raise CheckpointError(f"its output {output!r} does not end in {expected}, so it is not YuNet 2023mar")
        name = maker.inputs[0]
    return name

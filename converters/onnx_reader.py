"""Reads an embedder that another trainer exported as ONNX: PyTorch's exporters, tf2onnx, and our own writer.

Whatever has no exact counterpart in the graph is refused, by name and position.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from ghostface_edge.errors import CheckpointError

from .graph import Flatten, Graph
from .keras_h5 import EMBEDDING
from .onnx_arithmetic import ARITHMETIC
from .onnx_file import OnnxFile
from .onnx_layers import LAYERS
from .onnx_shapes import SHAPES
from .onnx_translation import Tensor, Translation
from .passes.remove_dead import remove_dead

_log = logging.getLogger(__name__)

_OPERATORS = {**LAYERS, **ARITHMETIC, **SHAPES}


@np.errstate(all="ignore")  # weights that go beyond float32 are refused where they are stored
def read_embedder(file: OnnxFile, size: int | None = None) -> Graph:
    """Translate an embedder.

    Args:
        file: The parsed file. One input, a picture of three channels, channels first or last; one output, a vector.
        size: Height and width of the picture, for a file that leaves them open.

    Returns:
        The network from the node ``input`` to the output ``embedding``, before any division by the vector's length.

    Raises:
        CheckpointError: The file is damaged, or no such network.
        UnsupportedLayerError: A node that has no exact counterpart.
        OptionError: The size contradicts the file.
    """
    if len(file.outputs) != 1:
        raise CheckpointError(f"it has {len(file.outputs)} outputs instead of 1, the embedding")
    work = Translation(file, size)
    work.walk(file.outputs, _OPERATORS)
    tensor = work.values[file.outputs[0]]
    if not isinstance(tensor, Tensor) or "".join(tensor.axes) not in ("", "C"):
        raise CheckpointError(f"its output {file.outputs[0]!r} is no vector computed from the picture")
    if any(tensor.pads) or tensor.ceiling is not None:
        raise CheckpointError(f"its output {file.outputs[0]!r} is padded or cut off, which has no counterpart")
    if tensor.unit:
        _log.info("The division of the embedding by its length is left out: the runtime normalises embeddings")
    work.append(Flatten(EMBEDDING, (work.made(tensor),)))
    return remove_dead(Graph(tuple(work.nodes.values()), (EMBEDDING,)))


@np.errstate(all="ignore")  # weights that go beyond float32 are refused where they are stored
def read_network(file: OnnxFile, outputs: Mapping[str, str]) -> Graph:
    """Translate the part of a file that some of its tensors depend on.

    Args:
        file: The parsed file, with one input, a picture of three channels and of a fixed size.
        outputs: Names of tensors in the file, and what the graph's outputs are called.

    Raises:
        CheckpointError: The file is damaged, or a tensor is a constant.
        UnsupportedLayerError: A node that has no exact counterpart.
    """
    work = Translation(file, names=outputs)
    work.walk(outputs, _OPERATORS)
    for tensor, name in outputs.items():
        value = work.values[tensor]
        if not isinstance(value, Tensor) or not value.plain or work.made(value) != name:
            raise CheckpointError(f"its tensor {tensor!r} is not made by one operator of the network")
    return remove_dead(Graph(tuple(work.nodes.values()), tuple(outputs.values())))

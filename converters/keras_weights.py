"""Where the layers of a Keras file have their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .graph import FloatArray
from .hdf5 import Hdf5File
from .keras_config import KerasLayer

SNAKE_CASE = {
    "Conv2D": "conv2d",
    "DepthwiseConv2D": "depthwise_conv2d",
    "BatchNormalization": "batch_normalization",
    "PReLU": "p_re_lu",
}
"""Classes that have weights, as the numbered layout names them (Keras 3, ``to_snake_case``)."""

_ALSO = {"depthwise_kernel": "kernel"}
"""Keras 3 has one name for both kernels."""


class Weights(Protocol):
    """A place of weights."""

    def arrays(self, layer: KerasLayer, names: Sequence[str]) -> list[FloatArray]:
        """A layer's weights.

        Args:
            layer: The layer.
            names: All the weights that it has, in Keras' order.

        Raises:
            CheckpointError: One is missing, or cannot be read.
        """
        ...


class NamedWeights:
    """By name: ``GROUP/LAYER/SCOPE/NAME:0`` (Keras 2) or ``GROUP/LAYER/SCOPE/NAME`` (Keras 3), as in ``.h5``.

    The scope is mostly the layer's name again.

    Args:
        file: The file.
        group: That of all layers.
    """

    def __init__(self, file: Hdf5File, group: str) -> None:
        self._file = file
        self._group = group

    def arrays(self, layer: KerasLayer, names: Sequence[str]) -> list[FloatArray]:
        """See :class:`Weights`."""
        paths = [(path, weight_name(path)) for path in self._file.arrays(f"{self._group}/{layer.name}")]
        found = []
        for name in names:
            matches = [path for path, stored in paths if stored in (name, _ALSO.get(name))]
            if len(matches) != 1:
                raise layer.damaged(f"has {len(matches)} weights named {name!r} in the file instead of 1")
            found.append(self._file.array(matches[0]))
        return found


class NumberedWeights:
    """By number: ``layers/conv2d_7/vars/0``, as in ``.keras`` and ``.weights.h5``."""

    def __init__(self, file: Hdf5File) -> None:
        self._file = file

    def arrays(self, layer: KerasLayer, names: Sequence[str]) -> list[FloatArray]:
        """See :class:`Weights`."""
        group = variables(layer.kind, layer.number)
        stored = self._file.members(group)
        if len(stored) != len(names):
            raise layer.damaged(
                f"has {len(stored)} weights in the file ({group}) instead of {len(names)}: {', '.join(names)}"
            )
        return [self._file.array(f"{group}/{number}") for number in range(len(names))]


def weight_name(path: str) -> str:
    """``kernel`` of ``model_weights/conv2d/conv2d/kernel:0``."""
    return path.rsplit("/", 1)[-1].split(":", 1)[0]


def variables(kind: str, number: int) -> str:
    """The group of a layer's weights in the numbered layout."""
    return f"layers/{SNAKE_CASE[kind]}{f'_{number}' if number else ''}/vars"

"""How many bytes the weights of a network take in a ``.tflite`` file, without making one: LiteRT is not needed."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .graph import FloatArray, Shape
from .quantization import Affine
from .tflite_file import TFLiteFile


class TFLiteTally(TFLiteFile):
    """Takes what a writer appends and keeps only the size of the constants.

    Attributes:
        constant_bytes: Bytes of all numbers stored so far, without the scales of integers.
    """

    def __init__(self) -> None:
        self.constant_bytes = 0
        self._count = 0

    def tensor(self, name: str, shape: Shape, affine: Affine | None = None) -> int:
        """Number the tensor."""
        self._count += 1
        return self._count - 1

    def leave_open(self, number: int, signature: Shape) -> None:
        """Sizes that are chosen at run time take no bytes."""

    def constant(self, name: str, values: NDArray[Any], scales: FloatArray | None = None, axis: int = 0) -> int:
        """Add an array."""
        self.constant_bytes += values.nbytes
        return self.tensor(name, values.shape)

    def operator(
        self, kind: str, version: int, inputs: list[int], output: int, options: str = "", **values: Any
    ) -> int:
        """Pass over it."""
        return output

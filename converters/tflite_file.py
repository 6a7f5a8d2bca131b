"""A ``.tflite`` file in the making: its tensors, operators and buffers, by the schema of TensorFlow Lite.

What operators mean, and which of them a network needs, is the business of ``tflite_writer.py``. Tensors are known by
their number. The same calls give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import RuntimeMissingError
from ghostface_edge.runtime.tflite_card import ALIGNMENT, IDENTIFIER

from .graph import FloatArray, Shape
from .quantization import Affine

_VERSION = 3  # of schema.fbs
_ENUMERATIONS = {"padding": "Padding", "fusedActivationFunction": "ActivationFunctionType"}
"""Options whose values have names."""


class TFLiteFile:
    """Collects tensors and operators, in the order in which they run.

    Raises:
        RuntimeMissingError: LiteRT, whose package holds the schema, is not installed.
    """

    def __init__(self) -> None:
        try:
            import flatbuffers
            from ai_edge_litert import schema_py_generated as schema
        except ImportError as error:
            raise RuntimeMissingError(
                'writing a .tflite model needs LiteRT: pip install "ghostface-edge[litert]"'
            ) from error

        class Builder(flatbuffers.Builder):  # type: ignore[misc]
            """Aligns the data of buffers, which the schema demands and the generated classes leave out."""

            def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802
                self.Prep(ALIGNMENT, x.nbytes)
                return int(super().CreateNumpyVector(x))

        self._builder = Builder
        self._schema: Any = schema
        self._codes: dict[tuple[str, int], int] = {}
        self._operators: list[Any] = []
        self._tensors: list[Any] = []
        self._buffers = [schema.BufferT()]  # number 0 is the empty one, by convention

    def tensor(self, name: str, shape: Shape, affine: Affine | None = None) -> int:
        """Declare a tensor of float32, or of integers that stand for numbers as ``affine`` says; its number."""
        if affine is None:
            return self._tensor(name, shape, "FLOAT32")
        number = self._tensor(name, shape, affine.dtype.name.upper())
        self._quantise(number, np.array([affine.scale], np.float32), affine.zero_point)
        return number

    def leave_open(self, number: int, signature: Shape) -> None:
        """Say which sizes of a tensor are chosen at run time: those that ``signature`` has as -1."""
        self._tensors[number].shapeSignature = list(signature)

    def constant(self, name: str, values: NDArray[Any], scales: FloatArray | None = None, axis: int = 0) -> int:
        """Store an array of numbers; the number of its tensor.

        Args:
            name: Name of the tensor.
            values: The numbers, or integers that stand for them.
            scales: What one step of the integers stands for: one number, or one for each slice along ``axis``.
            axis: See ``scales``.
        """
        number = self._tensor(name, values.shape, values.dtype.name.upper(), self._buffer(values.tobytes()))
        if scales is not None:
            self._quantise(number, scales, 0, axis)
        return number

    def operator(
        self, kind: str, version: int, inputs: list[int], output: int, options: str = "", **values: Any
    ) -> int:
        """Append an operator.

        Args:
            kind: Its name in the schema, such as ``CONV_2D``.
            version: The oldest version of the operator that can do what is asked of it.
            inputs: Numbers of the tensors that it takes.
            output: Number of the tensor that it makes.
            options: Name of its table of options without ``Options``, such as ``Conv2D``, if it has one.
            **values: Fields of that table; those of enumerations by their names.

        Returns:
            The output.
        """
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault((kind, version), len(self._codes))
        operator.inputs, operator.outputs = inputs, [output]
        if options:
            table = getattr(self._schema, f"{options}OptionsT")()
            for field, value in values.items():
                enumeration = _ENUMERATIONS.get(field)
                setattr(table, field, getattr(getattr(self._schema, enumeration), value) if enumeration else value)
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, f"{options}Options")
            operator.builtinOptions = table
        self._operators.append(operator)
        return output

    def content(
        self, inputs: Iterable[int], outputs: Iterable[int], description: str, metadata: Mapping[str, bytes]
    ) -> bytes:
        """The bytes of the file.

        Args:
            inputs: Tensors that are fed to the network.
            outputs: Tensors that leave it.
            description: What made the file.
            metadata: Other content by its name.
        """
        network = self._schema.SubGraphT()
        network.name = "network"
        network.tensors, network.operators = self._tensors, self._operators
        network.inputs, network.outputs = list(inputs), list(outputs)
        model = self._schema.ModelT()
        model.version, model.description = _VERSION, description
        model.subgraphs = [network]
        model.operatorCodes = [self._code(*code) for code in self._codes]
        model.metadata = [self._entry(name, content) for name, content in metadata.items()]
        model.buffers = self._buffers
        builder = self._builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(self, name: str, shape: Shape, kind: str, buffer: int = 0) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
        tensor.type = getattr(self._schema.TensorType, kind)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _quantise(self, number: int, scales: FloatArray, zero_point: int, axis: int = 0) -> None:
        parameters = self._schema.QuantizationParametersT()
        parameters.scale = np.asarray(scales, np.float32)
        parameters.zeroPoint = np.full(len(scales), zero_point, np.int64)
        parameters.quantizedDimension = axis
        self._tensors[number].quantization = parameters

    def _buffer(self, content: bytes) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def _code(self, kind: str, version: int) -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)  # a byte, for readers older than schema 3a
        code.version = version
        return code

    def _entry(self, name: str, content: bytes) -> Any:
        entry = self._schema.MetadataT()
        entry.name, entry.buffer = name, self._buffer(content)
        return entry

"""What is in a ``.tflite`` file, and how LiteRT is going to run it.

LiteRT hands the operators that XNNPACK knows over to it, in partitions: each runs as a whole. What XNNPACK does not
know runs in LiteRT's own, mostly slower, kernels between them, so one partition and nothing beside it is the aim.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np

from ghostface_edge.errors import ModelFileError, RuntimeMissingError

from .multiplications import convolution_macs

_INTEGERS = frozenset({"int8", "int32"})
_CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})


@dataclass(frozen=True)
class TFLiteTensor:
    """A tensor of the file.

    Attributes:
        name: Its name.
        dtype: Such as ``int8``.
        shape: With the batch; None for a size that follows the picture's.
        stored: Bytes of its numbers in the file; 0 for one that is computed.
        scales: In how many ways its integers stand for numbers: 0 for plain ones, else 1, or one for each channel.
        scale: What one step of its integers stands for; None where ``scales`` is not 1.
        zero_point: The integer that stands for 0; likewise.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    stored: int
    scales: int
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class TFLiteOperator:
    """An operator of the file.

    Attributes:
        kind: Such as ``CONV_2D``.
        version: Version of its kind.
        output: Name of the tensor that it makes.
        dtype: That tensor's.
        macs: Multiplications of a convolution, at the size that the file starts with; 0 for other kinds.
        partition: Which of XNNPACK's partitions it runs in, from 0; None where LiteRT runs it by itself.
    """

    kind: str
    version: int
    output: str
    dtype: str
    macs: int
    partition: int | None


@dataclass(frozen=True)
class TFLiteInspection:
    """A ``.tflite`` file.

    Attributes:
        inputs: What it takes.
        outputs: What it gives.
        operators: In the order in which they run.
        tensors: All, constants among them.
        partitions: How many partitions XNNPACK runs.
    """

    inputs: tuple[TFLiteTensor, ...]
    outputs: tuple[TFLiteTensor, ...]
    operators: tuple[TFLiteOperator, ...]
    tensors: tuple[TFLiteTensor, ...]
    partitions: int

    @property
    def is_integer(self) -> bool:
        """Whether all tensors, constants among them, are int8 or int32; what goes in and comes out may be float32."""
        border = {*self.inputs, *self.outputs}
        return all(tensor.dtype in _INTEGERS for tensor in self.tensors if tensor not in border)

    @property
    def outside(self) -> tuple[TFLiteOperator, ...]:
        """The operators that XNNPACK does not run."""
        return tuple(operator for operator in self.operators if operator.partition is None)

    @property
    def kinds(self) -> dict[str, int]:
        """Number of operators by kind and dtype, such as ``CONV_2D int8``; most frequent first."""
        return dict(Counter(f"{operator.kind} {operator.dtype}" for operator in self.operators).most_common())

    @property
    def dtypes(self) -> dict[str, int]:
        """Number of tensors by dtype, most frequent first."""
        return dict(Counter(tensor.dtype for tensor in self.tensors).most_common())

    @property
    def parameters(self) -> int:
        """Number of stored values, without the plain integers that are an operator's axes, sizes or shapes."""
        return sum(
            prod(size or 1 for size in tensor.shape)
            for tensor in self.tensors
            if tensor.stored and (tensor.dtype != "int32" or tensor.scales)
        )

    @property
    def macs(self) -> int | None:
        """Multiplications of all convolutions for one picture; None where its size is open."""
        if any(None in tensor.shape for tensor in self.inputs):
            return None
        return sum(operator.macs for operator in self.operators)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **asdict(self),
            "is_integer": self.is_integer,
            "outside": [asdict(operator) for operator in self.outside],
            "kinds": self.kinds,
            "dtypes": self.dtypes,
            "parameters": self.parameters,
            "macs": self.macs,
        }


def inspect_tflite(data: bytes) -> TFLiteInspection:
    """Look into a file, and have LiteRT prepare it for one thread without running it.

    Native code reads the file: look only into files whose seal was checked (``read_tflite_card``).

    Raises:
        ModelFileError: Not a TFLite file, or one that LiteRT does not load.
        RuntimeMissingError: ai-edge-litert, which has the schema, is not installed.
    """
    try:
        from ai_edge_litert import interpreter as litert
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise RuntimeMissingError(
            'looking into a .tflite model needs LiteRT: pip install "ghostface-edge[litert]"'
        ) from error
    try:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        interpreter = litert.Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
        # Private, but the only place that says what was delegated; LiteRT 2.1 to 2.3 have it.
        running = interpreter._get_ops_details()
    except Exception as error:  # the generated classes raise whatever a damaged file makes of them
        raise ModelFileError(f"the file is damaged or is not a TFLite model: {error}") from error
    (network,) = model.subgraphs
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    types = {value: name.lower() for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
    tensors = [_tensor(tensor, model.buffers, types) for tensor in network.tensors]
    partitions = [detail for detail in running if detail["op_name"] == "DELEGATE"]
    places = _places(network.operators, partitions)
    operators = []
    for operator, place in zip(network.operators, places):
        code, output = model.operatorCodes[operator.opcodeIndex], tensors[operator.outputs[0]]
        kind = names[code.builtinCode]
        macs = 0
        if kind in _CONVOLUTIONS:
            kernel, made = (network.tensors[number].shape for number in (operator.inputs[1], operator.outputs[0]))
            macs = convolution_macs(made[1:3], kernel)
        operators.append(TFLiteOperator(kind, code.version, output.name, output.dtype, macs, place))
    return TFLiteInspection(
        inputs=tuple(tensors[number] for number in network.inputs),
        outputs=tuple(tensors[number] for number in network.outputs),
        operators=tuple(operators),
        tensors=tuple(tensors),
        partitions=len(partitions),
    )


def _tensor(tensor: Any, buffers: list[Any], types: dict[int, str]) -> TFLiteTensor:
    content = buffers[tensor.buffer].data
    scales = None if tensor.quantization is None else tensor.quantization.scale
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    number = 0 if scales is None else len(scales)
    whole = tensor.quantization if number == 1 else None
    return TFLiteTensor(
        name=tensor.name.decode(),
        dtype=types[tensor.type],
        shape=() if shape is None else tuple(None if size < 0 else int(size) for size in shape),
        stored=0 if content is None else len(content),
        scales=number,
        scale=float(np.float32(whole.scale[0])) if whole else None,
        zero_point=int(whole.zeroPoint[0]) if whole else None,
    )


def _places(operators: list[Any], partitions: list[dict[str, Any]]) -> list[int | None]:
    """The partition of each operator: LiteRT tells what goes into one and comes out of it, not what is between."""
    makers = {int(output): number for number, operator in enumerate(operators) for output in operator.outputs}
    places: list[int | None] = [None] * len(operators)
    for place, partition in enumerate(partitions):
        entering = set(partition["inputs"])
        waiting = [int(number) for number in partition["outputs"]]
        while waiting:
            maker = makers.get(waiting.pop())
            if maker is not None and places[maker] is None:
                places[maker] = place
                waiting.extend(int(number) for number in operators[maker].inputs if number not in entering)
    return places

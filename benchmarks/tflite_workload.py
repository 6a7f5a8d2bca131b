"""The work that a ``.tflite`` file describes, operator by operator.

Only Python reads the file, table by table and without believing its sizes, so that it need not be sealed. Operators
whose inputs are all constant, such as the DEQUANTIZE behind a float16 weight, are done once when a file is loaded and
are no work; their results count as the weights of whatever takes them.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ghostface_edge.converters.multiplications import convolution_macs
from ghostface_edge.errors import ModelFileError, RuntimeMissingError

from .operation import Operation, Shape, elementwise_flops
from .workload import Workload

_MOST = 10_000
"""Tensors or operators that are read."""
_MOST_ENDS = 64
"""Tensors of one operator, and sizes of one tensor."""

_BYTES = {
    "BOOL": 1,
    "FLOAT16": 2,
    "FLOAT32": 4,
    "FLOAT64": 8,
    "INT16": 2,
    "INT32": 4,
    "INT64": 8,
    "INT8": 1,
    "UINT8": 1,
}
_CUT = {"RELU": 1, "RELU6": 2, "RELU_N1_TO_1": 2}
_FUSING = {
    "ADD": "Add",
    "AVERAGE_POOL_2D": "Pool2D",
    "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "DIV": "Div",
    "FULLY_CONNECTED": "FullyConnected",
    "MAX_POOL_2D": "Pool2D",
    "MUL": "Mul",
    "SUB": "Sub",
}
"""Kinds of operators that can cut off what they make, and the names of their tables of options."""


class _DamagedError(Exception):
    """What is wrong with the file."""


def tflite_workload(data: bytes) -> Workload:
    """Read a file.

    Raises:
        ModelFileError: Not a TFLite file, a damaged one, or one whose picture has no fixed size.
        RuntimeMissingError: ai-edge-litert, which has the schema, is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise RuntimeMissingError(
            'looking into a .tflite model needs LiteRT: pip install "ghostface-edge[litert]"'
        ) from error
    try:
        return _Reader(schema, data).workload()
    except _DamagedError as error:
        raise ModelFileError(f"the file cannot be counted: {error}") from error
    except Exception as error:  # the generated classes raise whatever a damaged file makes of them
        raise ModelFileError(f"the file is damaged or is not a TFLite model: {error}") from error


class _Reader:
    """Reads one file."""

    def __init__(self, schema: Any, data: bytes) -> None:
        self._schema = schema
        self._kinds = _names(schema.BuiltinOperator)
        self._types = _names(schema.TensorType)
        self._activations = _names(schema.ActivationFunctionType)
        self._model = schema.Model.GetRootAs(data, 0)
        if self._model.SubgraphsLength() != 1:
            raise _DamagedError(f"it holds {self._model.SubgraphsLength()} networks instead of 1")
        self._network = self._model.Subgraphs(0)
        self._limit = len(data)
        self._shapes: list[Shape] = []
        self._names: list[str] = []
        self._bytes: list[int] = []
        self._stored: list[int] = []
        self._plain_integers: set[int] = set()
        self._roots: dict[int, int] = {}

    def workload(self) -> Workload:
        for number in range(_length(self._network.TensorsLength())):
            self._tensor(self._network.Tensors(number))
        inputs = _numbers(self._network.InputsAsNumpy())
        outputs = _numbers(self._network.OutputsAsNumpy())
        if not inputs or not outputs:
            raise _DamagedError("its network has no input or no output")
        for number in inputs:
            self._require_fixed(number)
        made = set(inputs)
        operations = []
        for number in range(_length(self._network.OperatorsLength())):
            operation = self._operator(self._network.Operators(number), made)
            if operation is not None:
                operations.append(operation)
        missing = [self._names[number] for number in outputs if number not in made]
        if missing:
            raise _DamagedError(f"no operator makes its output {missing[0]!r}")
        return Workload(
            tuple(operations),
            {self._label(number): self._bytes[number] for number in sorted(made)},
            tuple(map(self._label, inputs)),
            tuple(map(self._label, outputs)),
            self._picture(inputs[0]),
        )

    # -- tensors

    def _tensor(self, tensor: Any) -> None:
        number = len(self._names)
        kind = self._types[tensor.Type()]
        shape = tuple(_numbers(tensor.ShapeAsNumpy()))
        if len(shape) > _MOST_ENDS or any(size < 0 for size in shape):
            raise _DamagedError(f"tensor {number} has an impossible shape")
        self._names.append(tensor.Name().decode(errors="replace") if tensor.Name() else "")
        self._shapes.append(shape)
        self._bytes.append(prod(shape) * _BYTES.get(kind, 0))
        stored = 0
        if tensor.Buffer():
            if tensor.Buffer() >= self._model.BuffersLength():
                raise _DamagedError(f"tensor {number} refers to a buffer that is not there")
            stored = int(self._model.Buffers(tensor.Buffer()).DataLength())
        if stored > self._limit or (stored and stored != self._bytes[number]):
            raise _DamagedError(f"tensor {number} has {stored} bytes of content instead of {self._bytes[number]}")
        self._stored.append(stored)
        if stored:
            self._roots[number] = number
            quantization = tensor.Quantization()
            if kind in ("INT32", "INT64") and (quantization is None or not quantization.ScaleLength()):
                self._plain_integers.add(number)

    def _label(self, number: int) -> str:
        """A name that no other tensor has."""
        return f"{self._names[number]}#{number}"

    def _picture(self, number: int) -> Shape:
        return self._shapes[number][1:]

    def _require_fixed(self, number: int) -> None:
        signature = _numbers(self._network.Tensors(number).ShapeSignatureAsNumpy())
        if any(size < 0 for size in signature):
            raise _DamagedError("the size of its picture is open; count the checkpoint that it was converted from")
        if self._shapes[number][:1] != (1,):
            raise _DamagedError(f"its input {self._names[number]!r} is not a single picture")

    # -- operators

    def _operator(self, operator: Any, made: set[int]) -> Operation | None:
        """None for one that is done when the file is loaded."""
        inputs = [number for number in _numbers(operator.InputsAsNumpy()) if number != -1]
        outputs = _numbers(operator.OutputsAsNumpy())
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        kind = self._kinds[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        if not outputs or max(len(inputs), len(outputs)) > _MOST_ENDS:
            raise _DamagedError(f"an operator {kind} has {len(inputs)} inputs and {len(outputs)} outputs")
        for number in (*inputs, *outputs):
            if not 0 <= number < len(self._names):
                raise _DamagedError(f"an operator {kind} refers to a tensor that is not there")
        if any(number in made or number in self._roots for number in outputs):
            raise _DamagedError(f"an operator {kind} makes a tensor that is there already")
        computed = [number for number in inputs if number in made]
        constant = [number for number in inputs if number in self._roots]
        if len(computed) + len(constant) < len(inputs):
            raise _DamagedError(f"an operator {kind} takes a tensor that nothing has made")
        if inputs and not computed:
            self._roots.update(dict.fromkeys(outputs, self._roots[constant[0]]))
            return None
        made.update(outputs)
        weights = [self._roots[number] for number in constant]
        macs, flops = self._work(kind, operator, inputs, outputs[0])
        operation = Operation(
            name=self._names[outputs[0]],
            kind=kind,
            inputs=tuple(dict.fromkeys(map(self._label, computed))),
            outputs=tuple(dict.fromkeys(map(self._label, outputs))),
            shape=self._shapes[outputs[0]][1:],
            macs=macs,
            flops=flops,
            parameters=sum(prod(self._shapes[root]) for root in weights if root not in self._plain_integers),
            weight_bytes=sum(self._stored[root] for root in weights),
        )
        for root in weights:  # whoever shares them pays no second time
            self._stored[root] = 0
            self._plain_integers.add(root)
        return operation

    def _work(self, kind: str, operator: Any, inputs: list[int], output: int) -> tuple[int, int | None]:
        """MACs and FLOPs."""
        made = self._shapes[output]
        taken = self._shapes[inputs[0]] if inputs else ()
        cut = prod(made) * _CUT.get(self._activation(kind, operator), 0)
        macs = None
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            macs = convolution_macs(made[1:3], self._shapes[inputs[1]])
        elif kind == "TRANSPOSE_CONV":
            macs = convolution_macs(self._shapes[inputs[2]][1:3], self._shapes[inputs[1]])
        elif kind == "FULLY_CONNECTED":
            macs = prod(made[:-1]) * prod(self._shapes[inputs[1]])
        if macs is not None:
            biases = 4 if kind == "TRANSPOSE_CONV" else 3
            return macs, 2 * macs + (prod(made) if len(inputs) >= biases else 0) + cut
        window = 1
        if kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
            options = self._options(operator, "Pool2D")
            window = options.FilterHeight() * options.FilterWidth()
        flops = elementwise_flops(kind, made, taken, window)
        return 0, None if flops is None else flops + cut

    def _activation(self, kind: str, operator: Any) -> str:
        if kind not in _FUSING:
            return "NONE"
        options = self._options(operator, _FUSING[kind])
        return "NONE" if options is None else self._activations[options.FusedActivationFunction()]

    def _options(self, operator: Any, name: str) -> Any:
        table = operator.BuiltinOptions()
        if table is None:
            return None
        options = getattr(self._schema, f"{name}Options")()
        options.Init(table.Bytes, table.Pos)
        return options


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


def _length(number: int) -> int:
    if number > _MOST:
        raise _DamagedError(f"it has {number} tensors or operators, more than the {_MOST} that are read")
    return number


def _numbers(array: Any) -> list[int]:
    """A vector; the generated classes give 0 for one that is absent."""
    return [] if isinstance(array, int) else [int(item) for item in array[: _MOST_ENDS + 1]]

"""The work that an ``.onnx`` file describes, node by node.

Native code infers the shapes: look only into files whose seal was checked. Nodes whose inputs are all constant, such
as the Cast behind a float16 weight, are done once when a file is loaded and are no work; their results count as the
weights of whatever takes them. A tensor that is rounded to integers is in memory twice, as a float and as integers, as
the file has it; runtimes merge these.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ghostface_edge.card import refuse_external_data
from ghostface_edge.converters.multiplications import convolution_macs
from ghostface_edge.converters.requirement import missing_package
from ghostface_edge.errors import ModelFileError, OptionError

from .operation import Operation, Shape, elementwise_flops
from .workload import Workload

_WITH_WEIGHTS = frozenset(
    {
        "Add",
        "BatchNormalization",
        "Conv",
        "ConvTranspose",
        "Div",
        "Gemm",
        "MatMul",
        "Max",
        "Min",
        "Mul",
        "PRelu",
        "Sub",
    }
)
"""Kinds whose constant inputs are weights; those of others are sizes, axes, limits or scales."""


@dataclass(frozen=True)
class _Constant:
    """A stored tensor.

    Attributes:
        shape: Its sizes.
        bytes: What it takes.
    """

    shape: Shape
    bytes: int


def onnx_workload(data: bytes, size: int | None = None) -> Workload:
    """Read a file whose seal was checked.

    Args:
        data: The whole file.
        size: Height and width of the picture, where the file leaves them open.

    Raises:
        ModelFileError: Not an ONNX file, or one whose shapes cannot be inferred.
        OptionError: The file leaves the size of the picture open and none is given.
        RuntimeMissingError: The package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_package("counting an .onnx model", "onnx") from error
    refuse_external_data(data)
    try:
        model = onnx.load_model_from_string(data)
        del model.graph.value_info[:]
        for item in model.graph.output:
            item.type.tensor_type.ClearField("shape")
        _fix(model.graph, size)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        return _Reader(onnx, model.graph).workload()
    except (ModelFileError, OptionError):
        raise
    except Exception as error:  # protobuf and onnx raise classes of their own
        raise ModelFileError(f"the file is damaged or is not an ONNX model: {error}") from error


def _fix(graph: Any, size: int | None) -> None:
    """Give the picture a size, and a batch of 1."""
    stored = {item.name for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in stored]
    if len(inputs) != 1:
        raise ModelFileError(f"the file has {len(inputs)} inputs instead of 1, the picture")
    for number, item in enumerate(inputs[0].type.tensor_type.shape.dim):
        if number == 0 and item.dim_value > 1:
            raise ModelFileError(f"the file takes {item.dim_value} pictures at once: count one that takes any number")
        if not item.dim_value:
            if number and size is None:
                raise OptionError("the file leaves the size of its picture open: state it, such as size=640 (--size)")
            item.dim_value = size if number and size else 1


class _Reader:
    """Reads one network whose shapes are known."""

    def __init__(self, onnx: Any, graph: Any) -> None:
        self._onnx = onnx
        self._graph = graph
        self._constants = {
            item.name: _Constant(tuple(item.dims), prod(item.dims) * self._width(item.data_type))
            for item in graph.initializer
        }
        self._types = {item.name: item.type.tensor_type for item in (*graph.input, *graph.output, *graph.value_info)}

    def workload(self) -> Workload:
        inputs = tuple(item.name for item in self._graph.input if item.name not in self._constants)
        outputs = tuple(item.name for item in self._graph.output)
        operations = [found for node in self._graph.node if (found := self._operation(node)) is not None]
        made = [*inputs, *(name for operation in operations for name in operation.outputs)]
        return Workload(
            tuple(operations), {name: self._bytes(name) for name in made}, inputs, outputs, self._shape(inputs[0])[1:]
        )

    def _operation(self, node: Any) -> Operation | None:
        """None for one that is done when the file is loaded."""
        inputs = [name for name in node.input if name]
        outputs = [name for name in node.output if name]
        settings = {item.name: self._onnx.helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type == "Constant":
            (value,) = settings.values()
            shape = tuple(getattr(value, "dims", ()))
            data_type = getattr(value, "data_type", self._onnx.TensorProto.FLOAT)
            self._constants[outputs[0]] = _Constant(shape, prod(shape) * self._width(data_type))
            return None
        constant = [self._constants[name] for name in inputs if name in self._constants]
        if inputs and len(constant) == len(inputs):
            self._constants.update(dict.fromkeys(outputs, constant[0]))
            return None
        made = self._shape(outputs[0])
        weights = constant if node.op_type in _WITH_WEIGHTS else []
        kind, macs, flops = self._work(node.op_type, settings, inputs, made)
        return Operation(
            name=_text(node.name or outputs[0]),
            kind=kind,
            inputs=tuple(dict.fromkeys(name for name in inputs if name not in self._constants)),
            outputs=tuple(outputs),
            shape=made[1:],
            macs=macs,
            flops=flops,
            parameters=sum(prod(item.shape) for item in weights),
            weight_bytes=sum(item.bytes for item in weights),
        )

    def _work(self, kind: str, settings: dict[str, Any], inputs: list[str], made: Shape) -> tuple[str, int, int | None]:
        """Kind, MACs and FLOPs."""
        taken = self._shape(inputs[0])
        biased = len(inputs) > 2
        macs = None
        if kind == "Conv":
            macs = convolution_macs(made[2:], self._shape(inputs[1]))
        elif kind == "ConvTranspose":
            macs = convolution_macs(taken[2:], self._shape(inputs[1]))
        elif kind in ("Gemm", "MatMul"):
            summed = taken[-2] if settings.get("transA") else taken[-1]
            macs = prod(made) * summed
        if macs is not None:
            return kind, macs, 2 * macs + (prod(made) if biased else 0)
        if kind == "Resize":
            mode = settings.get("mode", b"nearest")
            kind = {b"linear": "ResizeBilinear", b"nearest": "ResizeNearest"}.get(mode, kind)
        window = prod(settings.get("kernel_shape", (1,)))
        return kind, 0, elementwise_flops(kind, made, taken, window)

    def _width(self, data_type: int) -> int:
        return int(self._onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize)

    def _shape(self, name: str) -> Shape:
        if name in self._constants:
            return self._constants[name].shape
        if name not in self._types or any(not size.dim_value for size in self._types[name].shape.dim):
            raise ModelFileError(f"the shape of the tensor {name!r} cannot be inferred")
        return tuple(size.dim_value for size in self._types[name].shape.dim)

    def _bytes(self, name: str) -> int:
        return prod(self._shape(name)) * self._width(self._types[name].elem_type)


def _text(value: str | bytes) -> str:
    """A name; protobuf gives bytes for one that is not UTF-8."""
    return value if isinstance(value, str) else value.decode(errors="backslashreplace")

"""Writes a graph as a ``.tflite`` file, directly: the schema of TensorFlow Lite, without TensorFlow.

The picture is (1, height, width, channels), and so is every map: TFLite files have a fixed batch. Every operation is
written in a form that XNNPACK takes, so that the whole network runs in it; a ReLU becomes part of the operator before
it. The same graph and card give the same bytes.

A float16 file holds its weights as float16, with a DEQUANTIZE operator behind each, and the metadata entry
``reduced_precision_support``. Where the processor has float16 arithmetic (ARMv8.2 and later), XNNPACK then computes in
float16; elsewhere it widens the weights once, when the file is loaded, and computes in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.card import CARD_KEY, SEAL_KEY, ModelCard
from ghostface_edge.errors import ConversionError, RuntimeMissingError
from ghostface_edge.runtime.tflite_card import IDENTIFIER, SEAL_LENGTH, seal_tflite

from .graph import (
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    FloatArray,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Input,
    MaxPool,
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Scale,
    Shape,
    Sigmoid,
)

_VERSION = 3  # of schema.fbs
_ALIGNMENT = 16  # of a buffer's data: force_align in schema.fbs

_HALF_PRECISION = {"reduced_precision_support": b"fp16accfp16"}
"""Allows float16 products and float16 sums (tensorflow/lite/tools/optimize/reduced_precision_support.h)."""

_VERSIONS = {"DEQUANTIZE": 3, "RESIZE_BILINEAR": 3}
"""Operators that need more than version 1: the first that takes float16, and that has half-pixel centres."""

_FUSING = (Conv, BatchNorm, Scale, Add, Mul)
"""Nodes whose operator can apply a ReLU to its result."""


def write_tflite(graph: Graph, card: ModelCard) -> bytes:
    """Serialise a graph, with its card and seal.

    Args:
        graph: The network, for pictures of a fixed size.
        card: What the file says about itself; weights are stored in its precision, ``float32`` or ``float16``.

    Returns:
        The bytes of a TFLite file with the graph's input and outputs, all float32 with a batch of 1.

    Raises:
        ConversionError: A node that has no TFLite form, an open size, or a weight beyond the range of float16.
        RuntimeMissingError: LiteRT, whose package holds the schema, is not installed.
    """
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
            self.Prep(_ALIGNMENT, x.nbytes)
            return int(super().CreateNumpyVector(x))

    model = _Writer(schema, graph, half=card.precision == "float16").model(card)
    builder = Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return seal_tflite(bytes(builder.Output()))


class _Writer:
    """Writes one graph; its state is the operators, tensors and buffers made so far."""

    def __init__(self, schema: Any, graph: Graph, *, half: bool) -> None:
        self._schema = schema
        self._graph = graph
        self._half = half
        self._shapes = graph.shapes()
        self._relus = _fused_relus(graph)
        self._codes: dict[str, int] = {}
        self._operators: list[Any] = []
        self._tensors: list[Any] = []
        self._buffers = [schema.BufferT()]  # number 0 is the empty one, by convention
        self._numbers: dict[str, int] = {}

    def model(self, card: ModelCard) -> Any:
        schema = self._schema
        for node in self._graph.nodes:
            self._write(node)
        network = schema.SubGraphT()
        network.name = "network"
        network.tensors, network.operators = self._tensors, self._operators
        network.inputs = [self._numbers[self._graph.input.name]]
        network.outputs = [self._numbers[name] for name in self._graph.outputs]
        model = schema.ModelT()
        model.version, model.description = _VERSION, card.converter
        model.subgraphs = [network]
        model.operatorCodes = [self._code(kind) for kind in self._codes]
        entries = {CARD_KEY: card.to_json().encode(), SEAL_KEY: bytes(SEAL_LENGTH)}
        model.metadata = [
            self._metadata(name, content)
            for name, content in {**entries, **(_HALF_PRECISION if self._half else {})}.items()
        ]
        model.buffers = self._buffers
        return model

    def _code(self, kind: str) -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)  # a byte, for readers older than schema 3a
        code.version = _VERSIONS.get(kind, 1)
        return code

    def _metadata(self, name: str, content: bytes) -> Any:
        entry = self._schema.MetadataT()
        entry.name, entry.buffer = name, self._buffer(content)
        return entry

    def _buffer(self, content: bytes) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def _tensor(self, name: str, shape: Shape, kind: str = "FLOAT32", buffer: int = 0) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
        tensor.type = getattr(self._schema.TensorType, kind)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _constant(self, name: str, values: NDArray[Any]) -> int:
        return self._tensor(name, values.shape, values.dtype.name.upper(), self._buffer(values.tobytes()))

    def _weights(self, name: str, values: FloatArray) -> int:
        """A constant in the precision of the file, seen by operators as float32."""
        if not self._half:
            return self._constant(name, values)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            raise ConversionError(f"the weights {name!r} go up to {np.abs(values).max():g}, which float16 cannot hold")
        return self._operator("DEQUANTIZE", [self._constant(f"{name}/float16", half)], name, values.shape)

    def _operator(self, kind: str, inputs: list[int], output: str, shape: Shape, options: Any = None) -> int:
        """Append an operator and the tensor that it makes; the tensor's number."""
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault(kind, len(self._codes))
        operator.inputs = inputs
        operator.outputs = [self._tensor(output, shape)]
        if options is not None:
            name = type(options).__name__[: -len("T")]
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, name)
            operator.builtinOptions = options
        self._operators.append(operator)
        return int(operator.outputs[0])

    def _options(self, name: str, **values: Any) -> Any:
        options = getattr(self._schema, f"{name}OptionsT")()
        vars(options).update(values)
        return options

    def _write(self, node: Node) -> None:
        if node.name in self._numbers:
            return  # a ReLU that the operator before it applies
        name = self._relus.get(node.name, node.name)
        activation = self._schema.ActivationFunctionType.RELU if name != node.name else 0
        shape = (1, *self._shapes[node.name])
        inputs = [self._numbers[source] for source in node.inputs]
        self._numbers[name] = self._written(node, inputs, name, shape, activation)

    def _written(self, node: Node, inputs: list[int], name: str, shape: Shape, activation: int) -> int:
        """Append the operators of a node; the number of the tensor that they make."""
        if isinstance(node, Input):
            return self._tensor(name, shape)
        if isinstance(node, Conv):
            return self._conv(node, inputs[0], name, shape, activation)
        if isinstance(node, BatchNorm):
            factor = node.gamma / np.sqrt(node.variance.astype(np.float64) + node.epsilon)
            rest = self._weights(f"{name}/offset", (node.beta - factor * node.mean).astype(np.float32))
            scale = self._weights(f"{name}/factor", factor.astype(np.float32))
            scaled = self._arithmetic("MUL", [*inputs, scale], f"{name}/scaled", shape)
            return self._arithmetic("ADD", [scaled, rest], name, shape, activation)
        if isinstance(node, PRelu):
            slope = node.slope.reshape((1,) * (len(shape) - 2) + (-1,))
            return self._operator("PRELU", [*inputs, self._weights(f"{name}/slope", slope)], name, shape)
        if isinstance(node, Scale):
            factors = self._weights(f"{name}/factor", node.factor)
            return self._arithmetic("MUL", [*inputs, factors], name, shape, activation)
        if isinstance(node, HardSigmoid):
            return self._hard_sigmoid(node, inputs[0], name, shape)
        if isinstance(node, GlobalAveragePool):
            axes = self._constant(f"{name}/axes", np.array([1, 2], np.int32))
            return self._operator("MEAN", [*inputs, axes], name, shape, self._options("Reducer", keepDims=True))
        if isinstance(node, (MaxPool, AveragePool)):
            sides = dict.fromkeys(("strideH", "strideW", "filterHeight", "filterWidth"), node.size)
            options = self._options("Pool2D", padding=self._schema.Padding.VALID, **sides)
            kind = "MAX_POOL_2D" if isinstance(node, MaxPool) else "AVERAGE_POOL_2D"
            return self._operator(kind, inputs, name, shape, options)
        if isinstance(node, ResizeBilinear):
            sizes = self._constant(f"{name}/size", np.array(shape[1:3], np.int32))
            options = self._options("ResizeBilinear", halfPixelCenters=True)
            return self._operator("RESIZE_BILINEAR", [*inputs, sizes], name, shape, options)
        if isinstance(node, Flatten):
            sizes = self._constant(f"{name}/shape", np.array(shape, np.int32))
            options = self._options("Reshape", newShape=list(shape))
            return self._operator("RESHAPE", [*inputs, sizes], name, shape, options)
        if isinstance(node, Concat):
            options = self._options("Concatenation", axis=len(shape) - 1)
            return self._operator("CONCATENATION", inputs, name, shape, options)
        if isinstance(node, Add):
            return self._arithmetic("ADD", inputs, name, shape, activation)
        if isinstance(node, Mul):
            return self._arithmetic("MUL", inputs, name, shape, activation)
        if isinstance(node, Relu):
            return self._operator("RELU", inputs, name, shape)
        if isinstance(node, Sigmoid):
            return self._operator("LOGISTIC", inputs, name, shape)
        raise ConversionError(f"node {node.name!r}: {type(node).__name__} has no TFLite form")

    def _arithmetic(self, kind: str, inputs: list[int], name: str, shape: Shape, activation: int = 0) -> int:
        options = self._options(kind.capitalize(), fusedActivationFunction=activation)
        return self._operator(kind, inputs, name, shape, options)

    def _hard_sigmoid(self, node: HardSigmoid, source: int, name: str, shape: Shape) -> int:
        """clip(a x + b, 0, 1) = relu6(6 a x + 6 b) / 6."""

        def number(value: float, what: str) -> int:
            return self._constant(f"{name}/{what}", np.array([value], np.float32))

        relu6 = self._schema.ActivationFunctionType.RELU6
        scaled = self._arithmetic("MUL", [source, number(6 * node.slope, "slope")], f"{name}/scaled", shape)
        cut = self._arithmetic("ADD", [scaled, number(6 * node.offset, "offset")], f"{name}/cut", shape, relu6)
        return self._arithmetic("MUL", [cut, number(1 / 6, "sixth")], name, shape)

    def _conv(self, node: Conv, source: int, name: str, shape: Shape, activation: int) -> int:
        height, width, channels = self._shapes[node.inputs[0]]
        top, left, bottom, right = node.pads
        padding = self._schema.Padding.SAME
        if node.pads != _same_pads((height, width), node):
            padding = self._schema.Padding.VALID
            if any(node.pads):
                rims = self._constant(
                    f"{name}/pads", np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
                )
                padded = (1, height + top + bottom, width + left + right, channels)
                source = self._operator("PAD", [source, rims], f"{name}/padded", padded, self._options("Pad"))
        # (1, height, width, channels) where depthwise, else (output channels, height, width, input channels)
        kernel = node.kernel.transpose(3, 0, 1, 2)
        bias = np.zeros(node.output_channels, np.float32) if node.bias is None else node.bias
        inputs = [source, self._weights(f"{name}/kernel", kernel), self._weights(f"{name}/bias", bias)]
        settings = {
            "padding": padding,
            "strideH": node.strides[0],
            "strideW": node.strides[1],
            "fusedActivationFunction": activation,
        }
        if node.depthwise:
            options = self._options("DepthwiseConv2D", depthMultiplier=1, **settings)
            return self._operator("DEPTHWISE_CONV_2D", inputs, name, shape, options)
        return self._operator("CONV_2D", inputs, name, shape, self._options("Conv2D", **settings))


def _fused_relus(graph: Graph) -> dict[str, str]:
    """For every node whose operator applies the ReLU behind it, that ReLU."""
    users, nodes = graph.users(), graph.by_name()
    relus = (node for node in graph.nodes if isinstance(node, Relu))
    return {
        relu.inputs[0]: relu.name
        for relu in relus
        if isinstance(nodes[relu.inputs[0]], _FUSING)
        and len(users[relu.inputs[0]]) == 1
        and relu.inputs[0] not in graph.outputs
    }


def _same_pads(size: tuple[int, int], conv: Conv) -> tuple[int, ...]:
    """Top, left, bottom, right of TensorFlow's SAME padding: as many outputs as strides, the odd row at the end.

    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    kernel = conv.kernel.shape[:2]
    totals = [
        max((-(-side // stride) - 1) * stride + extent - side, 0)
        for side, stride, extent in zip(size, conv.strides, kernel)
    ]
    return (*(total // 2 for total in totals), *(total - total // 2 for total in totals))

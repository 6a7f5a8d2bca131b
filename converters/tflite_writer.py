"""Writes a graph as a ``.tflite`` file, directly: the schema of TensorFlow Lite, without TensorFlow.

The picture is (1, height, width, channels), and so is every map: TFLite files have a fixed batch. Every operation is
written in a form that XNNPACK takes, so that the whole network runs in it; a ReLU becomes part of the operator before
it. The same graph, card and quantisation give the same bytes.

Where a graph leaves the size of the picture open, no operator has a size built in. The file says ``-1`` for height and
width (``Tensor.shape_signature``) and starts at the smallest picture; a runtime resizes the input
(``resize_tensor_input``) and allocates again, and XNNPACK takes the whole network at the new size.

A float16 file holds its weights as float16, with a DEQUANTIZE operator behind each, and the metadata entry
``reduced_precision_support``. Where the processor has float16 arithmetic (ARMv8.2 and later), XNNPACK then computes in
float16; elsewhere it widens the weights once, when the file is loaded, and computes in float32.

A dynamic file holds kernels of dense convolutions as int8, with a scale for each output channel and a DEQUANTIZE
operator behind each, and the other weights as float16, with the same metadata. XNNPACK widens these kernels, too, once,
when the file is loaded, so that they cost no instruction of an inference. (An int8 kernel without DEQUANTIZE has its
activations quantised at each inference: on an emulated Cortex-A76 that is 10.6 to 16.4 million instructions of W0.5-S2
instead of 7.0, and float16 arithmetic ends at the first of them.) Depthwise kernels are few bytes, and stay float16.

A :class:`~ghostface_edge.converters.quantization.Quantization` makes tensors integers. An operator computes in the
widest form among the tensors that it takes and makes: int8, int16 or float32. What is narrower is widened before it,
without loss and once for all its users, and its result is narrowed behind it. So a tensor holds what the quantisation
says, whoever makes it or takes it. In integers, what works on each channel by itself is written as a 1 x 1 depthwise
convolution: its kernel has a scale for each channel, where the factors of a product would share one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ghostface_edge.card import CARD_KEY, SEAL_KEY, ModelCard
from ghostface_edge.errors import ConversionError
from ghostface_edge.runtime.tflite_card import SEAL_LENGTH, seal_tflite

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
    Maximum,
    MaxPool,
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Scale,
    Shape,
    Sigmoid,
    Upsample2x,
)
from .half import to_half
from .quantization import (
    Affine,
    Quantization,
    check_quantization,
    fused_followers,
    int8_saves,
    quantize_conv,
    quantize_kernel,
)
from .tflite_file import TFLiteFile
from .tflite_tally import TFLiteTally

_HALF_PRECISION = {"reduced_precision_support": b"fp16accfp16"}
"""Allows float16 products and float16 sums (tensorflow/lite/tools/optimize/reduced_precision_support.h)."""

_HALF = ("float16", "dynamic")
"""Precisions whose weights are float16, as far as they are not int8."""

_FORMS = {8: "int8", 16: "int16", 32: "float32"}
"""What a tensor can be, by its bits."""

_SMALLEST = 32
"""Side at which a file of open size is written: what YuNet's coarsest stride, 32, turns into one cell."""

_PRECISIONS = {"float32": 32, "float16": 32, "dynamic": 32, "int8": 8, "int16x8": 16, "mixed": None}
"""Bits of every tensor, by the precision of the file; None where each has its own."""

_VERSIONS = {
    "ADD": {8: 2, 16: 3},
    "AVERAGE_POOL_2D": {8: 2, 16: 3},
    "CONCATENATION": {8: 2, 16: 3},
    "CONV_2D": {8: 3, 16: 4},
    "DEPTH_TO_SPACE": {8: 2},
    "DEPTHWISE_CONV_2D": {8: 3, 16: 5},
    "LOGISTIC": {8: 2, 16: 3},
    "MAX_POOL_2D": {8: 2, 16: 3},
    "MEAN": {8: 2, 16: 3},
    "MUL": {8: 3, 16: 4},  # 8 bits have 2 as well, for products whose scale is finer than the output's
    "PAD": {8: 2, 16: 3},
    "QUANTIZE": {16: 2},
    "RELU": {8: 2, 16: 3},
    "RESIZE_BILINEAR": {8: 3, 16: 4, 32: 3},  # 3: the first with half-pixel centres
}
"""Version of an operator by the bits of its output, where it is not 1 (``tflite/tools/versioning/op_version.cc``)."""
_DEQUANTIZE_CHANNELS = 5  # DEQUANTIZE of int8 with a scale for each channel
_DEQUANTIZE = {8: 2, 16: 3}  # version by the bits of what is widened, of integers or float16

_SIGMOIDS = (Affine(1 / 256, -128), Affine(1 / 32768, 0, 16))
"""What the kernels of LOGISTIC demand of their output."""


def write_tflite(
    graph: Graph,
    card: ModelCard,
    quantization: Quantization | None = None,
    *,
    integer_io: bool = False,
    int8_kernels: Collection[str] | None = None,
) -> bytes:
    """Serialise a graph, with its card and seal.

    Args:
        graph: The network; one that leaves the size of the picture open is for multiples of 32 pixels.
        card: What the file says about itself. Its precision is ``float32``, ``float16`` or ``dynamic``; or, with a
            quantisation, ``int8`` (of all tensors), ``int16x8`` (likewise) or ``mixed``. Where it says that a file
            of float16 weights computes in float32, the file does not allow float16 arithmetic.
        quantization: The tensors that are integers.
        integer_io: The picture goes in and the outputs come out as the integers that they are inside the network, else
            as float32.
        int8_kernels: Names of the dense convolutions whose kernels are int8 in a ``dynamic`` file; by default all that
            are smaller so.

    Returns:
        The bytes of a TFLite file with the graph's input and outputs, with a batch of 1.

    Raises:
        ConversionError: A node that has no TFLite form, or none for an open size; a weight beyond the range of float16;
            or a quantisation that does not fit the specification, the graph or the precision.
        RuntimeMissingError: LiteRT, whose package holds the schema, is not installed.
    """
    quantization = Quantization({}) if quantization is None else quantization
    check_quantization(graph, quantization)
    file = TFLiteFile()
    writer = _Writer(file, graph, quantization, card.precision, integer_io=integer_io, int8_kernels=int8_kernels)
    inputs, outputs = writer.write()
    metadata = {CARD_KEY: card.to_json().encode(), SEAL_KEY: bytes(SEAL_LENGTH)}
    if card.precision in _HALF and card.compute != "float32":
        metadata.update(_HALF_PRECISION)
    return seal_tflite(file.content(inputs, outputs, card.converter, metadata))


def constant_bytes(graph: Graph, precision: str, quantization: Quantization | None = None) -> int:
    """Bytes of all constants that :func:`write_tflite` stores for a graph; needs no LiteRT.

    Args:
        graph: The network, as it is written.
        precision: As in the card of a file.
        quantization: The tensors that are integers.

    Raises:
        ConversionError: As :func:`write_tflite`.
    """
    tally = TFLiteTally()
    _Writer(tally, graph, quantization or Quantization({}), precision, integer_io=False).write()
    return tally.constant_bytes


@dataclass(frozen=True)
class _Result:
    """The tensor that a node's operators are to make.

    Attributes:
        name: Its name in the file.
        shape: With the batch.
        affine: What its integers stand for; None where it is float32. It is the form that the operators compute in.
        relu: They also cut it off below 0.
    """

    name: str
    shape: Shape
    affine: Affine | None = None
    relu: bool = False

    def step(self, name: str) -> _Result:
        """A tensor on the way to this one."""
        return replace(self, name=f"{self.name}/{name}", relu=False)


class _Writer:
    """Writes one graph; its state is the tensors made so far, by name and bits."""

    def __init__(
        self,
        file: TFLiteFile,
        graph: Graph,
        quantization: Quantization,
        precision: str,
        *,
        integer_io: bool,
        int8_kernels: Collection[str] | None = None,
    ) -> None:
        self._file = file
        self._graph = graph
        self._nodes = graph.by_name()
        self._open = graph.input.height is None or graph.input.width is None
        self._shapes = graph.shapes(_SMALLEST, _SMALLEST) if self._open else graph.shapes()
        self._affines = quantization.tensors
        self._precision = precision
        self._integer_io = integer_io
        self._int8_kernels = int8_kernels
        self._outside = {graph.input.name, *graph.outputs}
        self._followers = fused_followers(graph)
        self._numbers: dict[tuple[str, int], int] = {}
        self._constants: dict[str, int] = {}
        self._check()

    def write(self) -> tuple[list[int], list[int]]:
        """Append all operators; the numbers of the inputs and of the outputs."""
        name, *others = self._nodes
        picture = replace(self._result(name, self._outer_bits(name)), name=name)
        number = self._file.tensor(picture.name, picture.shape, picture.affine)
        self._keep(name, number, picture.affine)
        for other in others:
            if other not in self._followers.values():
                self._write(self._nodes[other])
        outputs = [self._in_bits(output, self._outer_bits(output)) for output in self._graph.outputs]
        if self._open:
            self._sign([number, *outputs])
        return [number], outputs

    def _sign(self, numbers: list[int]) -> None:
        """Say which sizes of the input and of the outputs follow the picture's."""
        larger = self._graph.shapes(2 * _SMALLEST, 2 * _SMALLEST)
        for name, number in zip((self._graph.input.name, *self._graph.outputs), numbers):
            sizes = [here if here == there else -1 for here, there in zip(self._shapes[name], larger[name])]
            self._file.leave_open(number, (1, *sizes))

    def _check(self) -> None:
        wanted = _PRECISIONS.get(self._precision)
        for name in self._nodes:
            bits = self._bits(name)
            if wanted not in (None, bits) and name not in self._followers:
                raise ConversionError(
                    f"the tensor {name!r} is {_FORMS[bits]}: no part of a file of precision {self._precision!r}"
                )
            if self._integer_io and bits == 32 and name in self._outside:
                raise ConversionError(f"the tensor {name!r} is float32, so it cannot go in or out as integers")

    def _write(self, node: Node) -> None:
        """Append the operators of a node and of the follower that is fused into them."""
        name = self._followers.get(node.name, node.name)
        bits = max(map(self._bits, (*node.inputs, name)))
        inputs = [self._in_bits(source, bits) for source in node.inputs]
        result = replace(self._result(name, bits), relu=name != node.name)
        if bits != self._bits(name):
            stored = self._affines[name]
            wide = None if bits == 32 else Affine.over(stored.low, stored.high, bits)
            result = replace(result, name=f"{name}/wide", affine=wide)
        if isinstance(node, Conv) and isinstance(self._nodes[name], HardSigmoid):
            number = self._clipped_conv(node, inputs[0], result)
        else:
            number = self._written(node, inputs, result)
        self._keep(name, number, result.affine)

    def _written(self, node: Node, inputs: list[int], result: _Result) -> int:
        """Append the operators of a node; the number of the tensor that they make."""
        name, shape = result.name, result.shape
        if isinstance(node, Conv):
            return self._conv(node, inputs[0], result)
        if isinstance(node, BatchNorm):
            factor = node.gamma / np.sqrt(node.variance.astype(np.float64) + node.epsilon)
            offset = (node.beta - factor * node.mean).astype(np.float32)
            return self._by_channel(node, inputs[0], factor.astype(np.float32), offset, result)
        if isinstance(node, Scale):
            return self._by_channel(node, inputs[0], node.factor, None, result)
        if isinstance(node, PRelu):
            return self._prelu(node, inputs[0], result)
        if isinstance(node, Relu):
            return self._relu(node, inputs[0], result)
        if isinstance(node, HardSigmoid):
            return self._hard_sigmoid(node, inputs[0], result)
        if isinstance(node, Sigmoid):
            if result.affine not in (None, *_SIGMOIDS):
                raise ConversionError(f"node {node.name!r}: a sigmoid is stored as {_SIGMOIDS[0]} or {_SIGMOIDS[1]}")
            return self._operator("LOGISTIC", inputs, result)
        if isinstance(node, GlobalAveragePool):
            axes = self._shared("height and width", np.array([1, 2], np.int32))
            return self._operator("MEAN", [*inputs, axes], result, "Reducer", keepDims=True)
        if isinstance(node, (MaxPool, AveragePool)):
            sides = dict.fromkeys(("strideH", "strideW", "filterHeight", "filterWidth"), node.size)
            kind = "MAX_POOL_2D" if isinstance(node, MaxPool) else "AVERAGE_POOL_2D"
            return self._operator(kind, inputs, result, "Pool2D", padding="VALID", **sides)
        if isinstance(node, Upsample2x):
            return self._upsample(inputs[0], result)
        if isinstance(node, ResizeBilinear):
            sizes = self._file.constant(f"{name}/size", np.array(shape[1:3], np.int32))
            return self._operator("RESIZE_BILINEAR", [*inputs, sizes], result, "ResizeBilinear", halfPixelCenters=True)
        if isinstance(node, Flatten):
            if self._open:
                raise ConversionError(f"node {name!r}: Flatten has no TFLite form where the picture's size is open")
            sizes = self._file.constant(f"{name}/shape", np.array(shape, np.int32))
            return self._operator("RESHAPE", [*inputs, sizes], result, "Reshape", newShape=list(shape))
        if isinstance(node, Concat):
            return self._operator("CONCATENATION", inputs, result, "Concatenation", axis=len(shape) - 1)
        if isinstance(node, Add):
            return self._arithmetic("ADD", inputs, result)
        if isinstance(node, Mul):
            return self._arithmetic("MUL", inputs, result)
        if isinstance(node, Maximum) and result.affine is None:
            return self._operator("MAXIMUM", inputs, result, "MaximumMinimum")
        raise ConversionError(f"node {node.name!r}: {type(node).__name__} has no TFLite form")

    # -- tensors and their forms

    def _bits(self, name: str) -> int:
        """In which form the quantisation stores a tensor."""
        return _bits(self._affines.get(name))

    def _outer_bits(self, name: str) -> int:
        """In which form a tensor goes in or comes out."""
        return self._bits(name) if self._integer_io else 32

    def _affine_in(self, name: str, bits: int) -> Affine | None:
        """What a tensor's integers stand for in the stored form or a wider one, where they are the same numbers."""
        affine = self._affines.get(name)
        if affine is None or bits == 32:
            return None
        return affine if bits == affine.bits else Affine(affine.scale, 0, bits)

    def _result(self, name: str, bits: int) -> _Result:
        """A tensor in one of its forms. What goes in or comes out, else the stored form, bears the bare name."""
        is_bare = bits == (self._outer_bits(name) if name in self._outside else self._bits(name))
        is_again = (name, bits) == (self._graph.input.name, 32) and name in self._affines
        label = name if is_bare and not is_again else f"{name}/{_FORMS[bits]}"
        return _Result(label, (1, *self._shapes[name]), self._affine_in(name, bits))

    def _in_bits(self, name: str, bits: int) -> int:
        """The number of a tensor in its stored form or a wider one."""
        if (name, bits) not in self._numbers:
            # tflite-runtime 2.14 has no QUANTIZE from int8 to int16, so that goes through float32.
            origin = self._bits(name) if bits == 32 else 32
            self._numbers[name, bits] = self._converted(self._in_bits(name, origin), origin, self._result(name, bits))
        return self._numbers[name, bits]

    def _keep(self, name: str, number: int, affine: Affine | None) -> None:
        """Bring a tensor that was made into its stored form."""
        if affine != self._affines.get(name):
            number = self._converted(number, _bits(affine), self._result(name, self._bits(name)))
        self._numbers[name, self._bits(name)] = number

    def _converted(self, source: int, bits: int, result: _Result) -> int:
        if result.affine is None:
            return self._operator("DEQUANTIZE", [source], result, version=_DEQUANTIZE[bits])
        return self._operator("QUANTIZE", [source], result)

    def _weights(self, name: str, values: FloatArray) -> int:
        """A constant in the precision of the file, seen by operators as float32."""
        if self._precision not in _HALF:
            return self._file.constant(name, values)
        half = self._file.constant(f"{name}/float16", to_half(name, values))
        return self._converted(half, 16, _Result(name, values.shape))

    def _shared(self, name: str, values: np.ndarray[Any, Any]) -> int:
        """A constant that many operators take, stored once."""
        if name not in self._constants:
            self._constants[name] = self._file.constant(name, values)
        return self._constants[name]

    # -- operators

    def _operator(
        self, kind: str, inputs: list[int], result: _Result, options: str = "", version: int = 0, **values: Any
    ) -> int:
        """Append an operator and the tensor that it makes; the tensor's number."""
        version = version or _VERSIONS.get(kind, {}).get(_bits(result.affine), 1)
        output = self._file.tensor(result.name, result.shape, result.affine)
        return self._file.operator(kind, version, inputs, output, options, **values)

    def _arithmetic(self, kind: str, inputs: list[int], result: _Result, activation: str = "") -> int:
        values: dict[str, Any] = {"fusedActivationFunction": activation or ("RELU" if result.relu else "NONE")}
        if kind == "ADD" and _bits(result.affine) == 16:
            values["potScaleInt16"] = False  # else its scales have to be powers of two
        return self._operator(kind, inputs, result, kind.capitalize(), **values)

    def _by_channel(
        self, node: Node, source: int, factor: FloatArray, offset: FloatArray | None, result: _Result
    ) -> int:
        """Each channel times its factor, plus its offset."""
        if result.affine is not None:
            if len(result.shape) != 4:
                raise ConversionError(f"node {node.name!r}: {type(node).__name__} of a vector has no integer form")
            conv = Conv(node.name, node.inputs, factor.reshape(1, 1, -1, 1), offset, depthwise=True)
            return self._conv(conv, source, result)
        factors = self._weights(f"{result.name}/factor", factor)
        if offset is None:
            return self._arithmetic("MUL", [source, factors], result)
        offsets = self._weights(f"{result.name}/offset", offset)
        return self._arithmetic(
            "ADD", [self._arithmetic("MUL", [source, factors], result.step("scaled")), offsets], result
        )

    def _prelu(self, node: PRelu, source: int, result: _Result) -> int:
        slope = node.slope.reshape((1,) * (len(result.shape) - 2) + (-1,))
        if result.affine is None:
            if len(result.shape) == 4 and result.shape[2] > 1 and result.shape[1] >= result.shape[3]:
                return self._prelu_by_rows(node, source, result)
            return self._operator("PRELU", [source, self._weights(f"{result.name}/slope", slope)], result)
        if result.affine.bits == 16:
            raise ConversionError(
                f"node {node.name!r}: PRelu has no int16 form; lower it first (passes/lower_prelu.py)"
            )
        scale = np.maximum(np.abs(slope).max(keepdims=True).ravel() / 127, 1e-12).astype(np.float32)
        integers = np.rint(slope / scale).astype(np.int8)
        return self._operator("PRELU", [source, self._file.constant(f"{result.name}/slope", integers, scale)], result)

    def _prelu_by_rows(self, node: PRelu, source: int, result: _Result) -> int:
        """PReLU of a large map of few channels: each row as one pixel, whose channels are those of all its pixels.

        XNNPACK calls its kernel for every pixel, and on few channels most instructions are the call's. The slopes are
        stored once for each pixel of a row. (A slope that is broadcast over the rows alone would do without reshaping,
        but XNNPACK of before 2024, in tflite-runtime and in TensorFlow Lite for Android, does not take it.)
        """
        _, height, width, channels = result.shape
        slope = self._weights(f"{result.name}/slope", np.tile(node.slope, width).reshape(1, 1, -1))
        flat = replace(result.step("rows"), shape=(1, height, 1, width * channels))
        rows = self._reshaped(source, flat)
        return self._reshaped(self._operator("PRELU", [rows, slope], replace(flat, name=f"{flat.name}/prelu")), result)

    def _reshaped(self, source: int, result: _Result) -> int:
        return self._operator("RESHAPE", [source], result, "Reshape", newShape=list(result.shape))

    def _upsample(self, source: int, result: _Result) -> int:
        """Each pixel four times along its channels, which then become the pixels of a 2 x 2 square.

        XNNPACK does not take RESIZE_NEAREST_NEIGHBOR: it cuts YuNet into three partitions. This form needs no size and
        no multiplication. At 640 x 640, one x86 thread, forms in random turn: 10.14 ms, RESIZE_NEAREST_NEIGHBOR 10.45,
        TRANSPOSE_CONV 11.29, a convolution in place of the concatenation 10.91.
        """
        _, height, width, channels = result.shape
        four = replace(result.step("copies"), shape=(1, height // 2, width // 2, 4 * channels))
        copies = self._operator("CONCATENATION", [source] * 4, four, "Concatenation", axis=3)
        return self._operator("DEPTH_TO_SPACE", [copies], result, "DepthToSpace", blockSize=2)

    def _relu(self, node: Relu, source: int, result: _Result) -> int:
        if result.affine is None:
            return self._operator("RELU", [source], result)
        # XNNPACK takes RELU as part of another operator only.
        ones = np.ones(result.shape[-1], np.float32)
        return self._by_channel(node, source, ones, None, replace(result, relu=True))

    def _hard_sigmoid(self, node: HardSigmoid, source: int, result: _Result) -> int:
        """clip(a x + b, 0, 1), in float32 as relu6(6 a x + 6 b) / 6."""
        if result.affine is not None:
            _check_saturation(node, result)
            slope, offset = (np.full(result.shape[-1], value, np.float32) for value in (node.slope, node.offset))
            return self._by_channel(node, source, slope, offset, replace(result, relu=True))
        if (node.slope, node.offset) == (1.0, 0.0):
            return self._at_most_one(self._operator("RELU", [source], result.step("relu")), result)

        def number(value: float, what: str) -> int:
            return self._file.constant(f"{result.name}/{what}", np.array([value], np.float32))

        scaled = self._arithmetic("MUL", [source, number(6 * node.slope, "slope")], result.step("scaled"))
        cut = self._arithmetic("ADD", [scaled, number(6 * node.offset, "offset")], result.step("cut"), "RELU6")
        return self._arithmetic("MUL", [cut, number(1 / 6, "sixth")], result)

    def _clipped_conv(self, node: Conv, source: int, result: _Result) -> int:
        """clip(conv(x), 0, 1)."""
        if result.affine is not None:
            _check_saturation(node, result)
            return self._conv(node, source, result)
        return self._at_most_one(self._conv(node, source, replace(result.step("relu"), relu=True)), result)

    def _at_most_one(self, source: int, result: _Result) -> int:
        # XNNPACK does not take RELU_0_TO_1.
        one = self._shared("one", np.ones(1, np.float32))
        return self._operator("MINIMUM", [source, one], result, "MaximumMinimum")

    def _conv(self, node: Conv, source: int, result: _Result) -> int:
        height, width, channels = self._shapes[node.inputs[0]]
        affine = self._affine_in(node.inputs[0], _bits(result.affine))
        top, left, bottom, right = node.pads
        padding = "SAME"
        # With a stride, what SAME means depends on the size, but for its multiples.
        is_multiple = height % node.strides[0] == width % node.strides[1] == 0
        if node.pads != _same_pads((height, width), node) or (self._open and not is_multiple):
            padding = "VALID"
            if any(node.pads):
                rims = np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
                rims_number = self._file.constant(f"{result.name}/pads", rims)
                shape = (1, height + top + bottom, width + left + right, channels)
                padded = _Result(f"{result.name}/padded", shape, affine)
                source = self._operator("PAD", [source, rims_number], padded, "Pad")
        inputs = [source, *self._conv_weights(node, affine, result)]
        settings: dict[str, Any] = {
            "padding": padding,
            "strideH": node.strides[0],
            "strideW": node.strides[1],
            "fusedActivationFunction": "RELU" if result.relu else "NONE",
        }
        if node.depthwise:
            settings["depthMultiplier"] = 1
            return self._operator("DEPTHWISE_CONV_2D", inputs, result, "DepthwiseConv2D", **settings)
        return self._operator("CONV_2D", inputs, result, "Conv2D", **settings)

    def _conv_weights(self, node: Conv, source: Affine | None, result: _Result) -> tuple[int, int]:
        """The numbers of kernel and bias, for a source of integers or of float32.

        A kernel is (1, height, width, channels) where depthwise, else (output channels, height, width, input channels).
        """
        name = result.name

        def kernel(integers: np.ndarray[Any, Any], scales: FloatArray, label: str = "kernel") -> int:
            axis = 3 if node.depthwise else 0
            return self._file.constant(f"{name}/{label}", integers.transpose(3, 0, 1, 2), scales, axis)

        if source is not None and result.affine is not None:
            stored = quantize_conv(node, source, result.affine)
            bias = self._file.constant(f"{name}/bias", stored.bias, stored.bias_scales)
            return kernel(stored.kernel, stored.kernel_scales), bias
        zeros = np.zeros(node.output_channels, np.float32)
        offsets = zeros if node.bias is None else node.bias
        values = node.kernel.transpose(3, 0, 1, 2)
        if self._has_int8_kernel(node):
            wide = _Result(f"{name}/kernel", values.shape)
            narrow = kernel(*quantize_kernel(node), "kernel/int8")
            number = self._operator("DEQUANTIZE", [narrow], wide, version=_DEQUANTIZE_CHANNELS)
            # XNNPACK refuses a float16 bias beside a kernel that is not float16.
            return number, self._file.constant(f"{name}/bias", offsets)
        return self._weights(f"{name}/kernel", values), self._weights(f"{name}/bias", offsets)

    def _has_int8_kernel(self, node: Conv) -> bool:
        """Whether a convolution that computes in float has a kernel of int8 in the file."""
        if self._precision != "dynamic" or node.depthwise:
            return False
        return int8_saves(node) > 0 if self._int8_kernels is None else node.name in self._int8_kernels


def _bits(affine: Affine | None) -> int:
    return 32 if affine is None else affine.bits


def _check_saturation(node: Node, result: _Result) -> None:
    """Refuse integers that do not cut a hard-sigmoid off at 1."""
    assert result.affine is not None  # noqa: S101 - asked for integers only
    if result.affine.high > 1 + result.affine.scale / 2:
        raise ConversionError(f"node {node.name!r}: the integers of a hard-sigmoid must not go beyond 1")


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

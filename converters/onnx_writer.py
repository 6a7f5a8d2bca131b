"""Writes a graph as an ONNX file.

The picture comes in as (batch, height, width, channels), which is how decoded photos lie in memory, and one Transpose
brings it to the channels-first order that ONNX operators want; or it comes in channels first, which OpenCV and
InsightFace demand. Outputs that are maps leave as (batch, height, width, channels).
Sizes that the graph leaves open become the symbolic dimensions ``height`` and ``width``, which ONNX Runtime can fix
when it loads the file (free dimension overrides). The same graph gives the same bytes.

A float16 file stores its weights as float16, with a Cast to float32 behind each, and computes in float32. Runtimes fold
the Casts when they load it: ONNX Runtime then runs it as it runs a float32 file of twice the bytes, and OpenCV reads it
too. Computing in float16 would gain nothing on ONNX Runtime's x86-64 kernels: version 1.32 widens such a network again
when it loads it (official W0.5-S2 checkpoint: cosine to float32 0.999995 either way, and times within 6 % of those of
float32 on a shared machine). On ARM it was not measured.

Integers are written by ``onnx_qdq.py``.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ghostface_edge.card import LAYOUTS
from ghostface_edge.errors import ConversionError, OptionError

from .choices import choose
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
from .onnx_nodes import OnnxNodes, onnx_kernel
from .onnx_qdq import ACTIVATIONS, Qdq
from .quantization import Quantization
from .requirement import missing_package

OPSET = 17
IR_VERSION = 8
"""Opset 17 and IR 8 belong to ONNX 1.12: every ONNX Runtime from 1.12 on reads them."""

PRECISIONS = ("float32", "float16")
"""How the weights of float operators may be stored."""

_TO_CHANNELS_FIRST = [0, 3, 1, 2]
_TO_CHANNELS_LAST = [0, 2, 3, 1]


def write_onnx(
    graph: Graph,
    producer: str,
    *,
    layout: str = "NHWC",
    batch: int | None = None,
    precision: str = "float32",
    quantization: Quantization | None = None,
    activations: str = "uint8",
) -> bytes:
    """Serialise a graph.

    Args:
        graph: The network.
        producer: Program and version, for the file's header.
        layout: Of the input: ``NHWC`` or ``NCHW``.
        batch: Pictures per run; by default any number, a symbolic dimension ``batch``.
        precision: Of the weights of float operators: ``float32`` or ``float16``.
        quantization: The tensors that are integers; none by default.
        activations: How these are stored: ``uint8`` or ``int8``.

    Returns:
        The bytes of an ONNX file with the input ``input`` and the graph's outputs, all float32; checked by
        ``onnx.checker``.

    Raises:
        OptionError: A layout, batch, precision or kind of integer that does not exist.
        ConversionError: A node that has no ONNX form, a weight beyond the range of float16, a quantisation that does
            not fit, or a file that ONNX finds invalid.
        RuntimeMissingError: The package onnx is not installed.
    """
    choose("layout", layout, LAYOUTS)
    choose("precision", precision, PRECISIONS)
    choose("activations", activations, ACTIVATIONS)
    if batch is not None and batch < 1:
        raise OptionError(f"batch={batch!r} is not a number of pictures: use 1 or more")
    try:
        import onnx
    except ImportError as error:
        raise missing_package("writing an .onnx model", "onnx") from error
    body = OnnxNodes(onnx)
    qdq = Qdq(body, graph, quantization or Quantization({}), activations)
    model = _Writer(onnx, graph, body, qdq, layout, batch, precision).model(producer)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"the converted model is not valid ONNX: {error}") from error
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _Writer:
    """Writes one graph."""

    def __init__(
        self, onnx: Any, graph: Graph, body: OnnxNodes, qdq: Qdq, layout: str, batch: int | None, precision: str
    ) -> None:
        self._onnx = onnx
        self._graph = graph
        self._body = body
        self._qdq = qdq
        self._channels_first = layout == "NCHW"
        self._batch: int | str = "batch" if batch is None else batch
        self._half = precision == "float16"
        fixed = graph.input.height is not None and graph.input.width is not None
        self._shapes = graph.shapes() if fixed else graph.shapes(640, 640)
        self._fixed = fixed

    def model(self, producer: str) -> Any:
        helper = self._onnx.helper
        picture = self._graph.input.name
        maps = {name for name in self._graph.outputs if len(self._shapes[name]) == 3}
        # A map leaves the network under its own name only after it was transposed.
        self._renamed = {name: f"{name}/channels_first" for name in maps}
        if not self._channels_first or self._qdq.affine(picture):
            self._renamed[picture] = f"{picture}/channels_first"
        for node in self._graph.nodes:
            self._write(node)
        for name in self._graph.outputs:
            if name in maps:
                self._body.add("Transpose", [self._tensor(name)], name, perm=_TO_CHANNELS_LAST)
        graph = helper.make_graph(
            self._body.nodes,
            "network",
            [self._value(picture)],
            [self._value(name) for name in self._graph.outputs],
            self._body.constants,
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=producer,
        )

    def _value(self, name: str) -> Any:
        """Declares an input or output; open sizes get names."""
        shape: tuple[int | str, ...] = self._shapes[name]
        if not self._fixed and len(shape) == 3:
            sides = ("height", "width") if name == self._graph.input.name else (f"{name}_height", f"{name}_width")
            shape = (*sides, shape[2])
        if self._channels_first and name == self._graph.input.name:
            shape = (shape[2], *shape[:2])
        helper = self._onnx.helper
        return helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, [self._batch, *shape])

    def _tensor(self, name: str) -> str:
        return self._renamed.get(name, name)

    def _weights(self, name: str, array: FloatArray) -> str:
        """A constant in the precision of the file, seen by operators as float32."""
        if not self._half:
            return self._body.constant(name, array)
        half = self._body.constant(f"{name}/float16", to_half(name, array))
        return self._body.add("Cast", [half], name, to=self._onnx.TensorProto.FLOAT)

    def _per_channel(self, node: Node, field: str) -> str:
        """A weight of one value per channel, in the shape that spreads over (channels, height, width)."""
        array = node.weights()[field]
        spatial = len(self._shapes[node.name]) == 3
        return self._weights(f"{node.name}/{field}", array.reshape(-1, 1, 1) if spatial else array)

    def _write(self, node: Node) -> None:
        """Append the operator of a node, and round what it makes where that is stored in integers."""
        inputs = [self._tensor(name) for name in node.inputs]
        output = self._tensor(node.name)
        if self._qdq.affine(node.name) is None:
            self._operator(node, inputs, output)
        elif self._qdq.saturates(node):
            self._qdq.round_trip(node.name, inputs[0], output)
        else:
            self._qdq.round_trip(node.name, self._operator(node, inputs, f"{output}/real"), output)

    def _operator(self, node: Node, inputs: list[str], output: str) -> str:
        """Append the operator of a node; the name of what it makes."""
        add = self._body.add
        plain = {
            Relu: "Relu",
            Sigmoid: "Sigmoid",
            GlobalAveragePool: "GlobalAveragePool",
            Add: "Add",
            Mul: "Mul",
            Maximum: "Max",
        }
        if isinstance(node, Input):
            if self._channels_first:
                return node.name
            return add("Transpose", [node.name], output, perm=_TO_CHANNELS_FIRST)
        if isinstance(node, Conv):
            return self._conv(node, inputs, output)
        if isinstance(node, BatchNorm):
            fields = ("gamma", "beta", "mean", "variance")
            statistics = [self._weights(f"{node.name}/{field}", node.weights()[field]) for field in fields]
            return add("BatchNormalization", inputs + statistics, output, epsilon=node.epsilon)
        if isinstance(node, PRelu):
            return add("PRelu", [*inputs, self._per_channel(node, "slope")], output)
        if isinstance(node, Scale):
            return add("Mul", [*inputs, self._per_channel(node, "factor")], output)
        if isinstance(node, HardSigmoid):
            return add("HardSigmoid", inputs, output, alpha=node.slope, beta=_hard_sigmoid_offset(node))
        if isinstance(node, MaxPool):
            return add("MaxPool", inputs, output, kernel_shape=[node.size] * 2, strides=[node.size] * 2)
        if isinstance(node, AveragePool):
            return add("AveragePool", inputs, output, kernel_shape=[node.size] * 2, strides=[node.size] * 2)
        if isinstance(node, Upsample2x):
            return self._upsample(inputs, output)
        if isinstance(node, ResizeBilinear):
            return self._resize(node, inputs, output)
        if isinstance(node, Concat):
            return add("Concat", inputs, output, axis=1)
        if isinstance(node, Flatten):
            return self._flatten(self._shapes[node.inputs[0]], inputs, output)
        if type(node) in plain:
            return add(plain[type(node)], inputs, output)
        raise ConversionError(f"node {node.name!r}: {type(node).__name__} has no ONNX form")

    def _conv(self, node: Conv, inputs: list[str], output: str) -> str:
        return self._body.add(
            "Conv",
            inputs + (self._qdq.weights(node) or self._float_weights(node)),
            output,
            group=node.output_channels if node.depthwise else 1,
            kernel_shape=list(node.kernel.shape[:2]),
            strides=list(node.strides),
            pads=list(node.pads),
        )

    def _float_weights(self, node: Conv) -> list[str]:
        names = [self._weights(f"{node.name}/kernel", onnx_kernel(node.kernel, node.depthwise))]
        if node.bias is not None:
            names.append(self._weights(f"{node.name}/bias", node.bias))
        return names

    def _upsample(self, inputs: list[str], output: str) -> str:
        factors = self._body.constant(f"{output}/factors", np.array([1, 1, 2, 2], np.float32))
        return self._body.add(
            "Resize",
            [*inputs, "", factors],
            output,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def _resize(self, node: ResizeBilinear, inputs: list[str], output: str) -> str:
        """By factors, because sizes would fix the batch (opset 18 could name axes, but OpenCV does not read those)."""
        height, width, _ = self._shapes[node.inputs[0]]
        factors = np.array([1, 1, _factor(node.height, height), _factor(node.width, width)], np.float32)
        return self._body.add(
            "Resize",
            [*inputs, "", self._body.constant(f"{output}/factors", factors)],
            output,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def _flatten(self, shape: Shape, inputs: list[str], output: str) -> str:
        """In the order row, column, channel; a single pixel has only one order."""
        if prod(shape[:2]) > 1:
            inputs = [self._body.add("Transpose", inputs, f"{output}/channels_last", perm=_TO_CHANNELS_LAST)]
        return self._body.add("Flatten", inputs, output)


def _hard_sigmoid_offset(node: HardSigmoid) -> float:
    """The offset, or for x / 6 + 1/2 one off by 1.2e-7, the rounding of numbers around 1.

    OpenCV (4.8 to 5.0) takes exactly that function with a Mul behind it for a hard swish, even where the Mul scales
    another tensor, as in GhostFaceNetV2's squeeze and excitation, and computes nonsense.
    """
    swish = np.float32(node.slope) == np.float32(1 / 6) and node.offset == 0.5
    return 0.5 + float(np.finfo(np.float32).eps) if swish else node.offset


def _factor(wanted: int, given: int) -> float:
    """The float32 by which Resize makes one size of another as floor(given x factor): 3 x float32(7 / 3) is below 7."""
    factor = np.float32(wanted / given)
    return float(factor if float(factor) * given >= wanted else np.nextafter(factor, np.float32(np.inf)))

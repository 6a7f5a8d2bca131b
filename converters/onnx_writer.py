"""Writes a graph as an ONNX file.

The picture comes in as (batch, height, width, channels), which is how decoded photos lie in memory, and one Transpose
brings it to the channels-first order that ONNX operators want; or it comes in channels first. Outputs that are maps
leave as (batch, height, width, channels).
Sizes that the graph leaves open become the symbolic dimensions ``height`` and ``width``, which ONNX Runtime can fix
when it loads the file (free dimension overrides). The same graph gives the same bytes.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from .graph import (
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
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
    Upsample2x,
)
from .requirement import missing_package

OPSET = 17
IR_VERSION = 8
"""Opset 17 and IR 8 belong to ONNX 1.12: every ONNX Runtime from 1.12 on reads them."""

_TO_CHANNELS_FIRST = [0, 3, 1, 2]
_TO_CHANNELS_LAST = [0, 2, 3, 1]


def write_onnx(graph: Graph, producer: str, *, layout: str = "NHWC") -> bytes:
    """Serialise a graph.

    Args:
        graph: The network.
        producer: Program and version, for the file's header.
        layout: Of the input: ``NHWC`` or ``NCHW``.

    Returns:
        The bytes of an ONNX file with the input ``input`` and the graph's outputs, all float32 with a symbolic batch;
        checked by ``onnx.checker``.

    Raises:
        ConversionError: A node that has no ONNX form, or a file that ONNX finds invalid.
        RuntimeMissingError: The package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_package("writing an .onnx model", "onnx") from error
    writer = _Writer(onnx, graph, layout)
    model = writer.model(producer)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"the converted model is not valid ONNX: {error}") from error
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _Writer:
    """Writes one graph; its state is the ONNX nodes and constants made so far."""

    def __init__(self, onnx: Any, graph: Graph, layout: str) -> None:
        self._onnx = onnx
        self._graph = graph
        self._channels_first = layout == "NCHW"
        fixed = graph.input.height is not None and graph.input.width is not None
        self._shapes = graph.shapes() if fixed else graph.shapes(640, 640)
        self._fixed = fixed
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def model(self, producer: str) -> Any:
        helper = self._onnx.helper
        maps = {name for name in self._graph.outputs if len(self._shapes[name]) == 3}
        # A map leaves the network under its own name only after it was transposed.
        self._renamed = {name: f"{name}/channels_first" for name in maps}
        if not self._channels_first:
            self._renamed[self._graph.input.name] = f"{self._graph.input.name}/channels_first"
        for node in self._graph.nodes:
            self._write(node)
        for name in self._graph.outputs:
            if name in maps:
                self._transpose(self._tensor(name), name, _TO_CHANNELS_LAST)
        graph = helper.make_graph(
            self._nodes,
            "network",
            [self._value(self._graph.input.name)],
            [self._value(name) for name in self._graph.outputs],
            self._constants,
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
        return helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, ["batch", *shape])

    def _tensor(self, name: str) -> str:
        return self._renamed.get(name, name)

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _per_channel(self, node: Node, field: str) -> str:
        """A weight of one value per channel, in the shape that spreads over (channels, height, width)."""
        array = node.weights()[field]
        spatial = len(self._shapes[node.name]) == 3
        return self._constant(f"{node.name}/{field}", array.reshape(-1, 1, 1) if spatial else array)

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))

    def _transpose(self, source: str, output: str, order: list[int]) -> None:
        self._add("Transpose", [source], output, perm=order)

    def _write(self, node: Node) -> None:
        output = self._tensor(node.name)
        inputs = [self._tensor(name) for name in node.inputs]
        plain = {Relu: "Relu", Sigmoid: "Sigmoid", GlobalAveragePool: "GlobalAveragePool", Add: "Add", Mul: "Mul"}
        if isinstance(node, Input):
            if not self._channels_first:
                self._transpose(node.name, output, _TO_CHANNELS_FIRST)
        elif isinstance(node, Conv):
            self._conv(node, inputs, output)
        elif isinstance(node, BatchNorm):
            statistics = [
                self._constant(f"{node.name}/{field}", node.weights()[field])
                for field in ("gamma", "beta", "mean", "variance")
            ]
            self._add("BatchNormalization", inputs + statistics, output, epsilon=node.epsilon)
        elif isinstance(node, PRelu):
            self._add("PRelu", [*inputs, self._per_channel(node, "slope")], output)
        elif isinstance(node, Scale):
            self._add("Mul", [*inputs, self._per_channel(node, "factor")], output)
        elif isinstance(node, HardSigmoid):
            self._add("HardSigmoid", inputs, output, alpha=node.slope, beta=_hard_sigmoid_offset(node))
        elif isinstance(node, MaxPool):
            self._add("MaxPool", inputs, output, kernel_shape=[node.size] * 2, strides=[node.size] * 2)
        elif isinstance(node, AveragePool):
            self._add("AveragePool", inputs, output, kernel_shape=[node.size] * 2, strides=[node.size] * 2)
        elif isinstance(node, Upsample2x):
            self._upsample(inputs, output)
        elif isinstance(node, ResizeBilinear):
            self._resize(node, inputs, output)
        elif isinstance(node, Concat):
            self._add("Concat", inputs, output, axis=1)
        elif isinstance(node, Flatten):
            self._flatten(self._shapes[node.inputs[0]], inputs, output)
        elif type(node) in plain:
            self._add(plain[type(node)], inputs, output)
        else:
            raise ConversionError(f"node {node.name!r}: {type(node).__name__} has no ONNX form")

    def _conv(self, node: Conv, inputs: list[str], output: str) -> None:
        order = (2, 3, 0, 1) if node.depthwise else (3, 2, 0, 1)
        constants = [self._constant(f"{node.name}/kernel", node.kernel.transpose(order))]
        if node.bias is not None:
            constants.append(self._constant(f"{node.name}/bias", node.bias))
        self._add(
            "Conv",
            inputs + constants,
            output,
            group=node.output_channels if node.depthwise else 1,
            kernel_shape=list(node.kernel.shape[:2]),
            strides=list(node.strides),
            pads=list(node.pads),
        )

    def _upsample(self, inputs: list[str], output: str) -> None:
        factors = self._constant(f"{output}/factors", np.array([1, 1, 2, 2], np.float32))
        self._add(
            "Resize",
            [*inputs, "", factors],
            output,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def _resize(self, node: ResizeBilinear, inputs: list[str], output: str) -> None:
        """By factors, because sizes would fix the batch (opset 18 could name axes, but OpenCV does not read those)."""
        height, width, _ = self._shapes[node.inputs[0]]
        factors = np.array([1, 1, _factor(node.height, height), _factor(node.width, width)], np.float32)
        self._add(
            "Resize",
            [*inputs, "", self._constant(f"{output}/factors", factors)],
            output,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def _flatten(self, shape: Shape, inputs: list[str], output: str) -> None:
        """In the order row, column, channel; a single pixel has only one order."""
        if prod(shape[:2]) > 1:
            self._transpose(inputs[0], f"{output}/channels_last", _TO_CHANNELS_LAST)
            inputs = [f"{output}/channels_last"]
        self._add("Flatten", inputs, output)


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

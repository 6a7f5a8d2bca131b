"""The one network that every reader makes, every pass rewrites and every writer writes.

A :class:`Graph` is a tuple of nodes in an order in which they can run. Each node makes one tensor, and the tensor has
the node's name. A tensor is (height, width, channels), or (features,) after :class:`Flatten`; the batch is left out.
A vector that has not been flattened is 1 x 1 x channels, so that it multiplies or feeds a convolution as it is.

Nodes and graphs are never changed: a pass builds new ones. Weights are float32 arrays and are shared between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from .multiplications import convolution_macs

FloatArray = NDArray[np.float32]
Shape = tuple[int, ...]
"""(height, width, channels), or (features,)."""


@dataclass(frozen=True, eq=False)
class Node(ABC):
    """One operation and the tensor that it makes.

    Attributes:
        name: Name of the node and of its tensor.
        inputs: Names of the tensors that it takes.
    """

    name: str
    inputs: tuple[str, ...]

    @abstractmethod
    def shape(self, *inputs: Shape) -> Shape:
        """Shape of the tensor made from inputs of these shapes.

        Raises:
            ConversionError: The inputs do not fit the operation.
        """

    def weights(self) -> dict[str, FloatArray]:
        """The arrays that the node holds, by the names of its fields."""
        values = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: value for name, value in values if isinstance(value, np.ndarray)}

    def _require(self, condition: bool, what: str) -> None:
        if not condition:
            raise ConversionError(f"node {self.name!r} ({type(self).__name__}): {what}")

    def _image(self, inputs: tuple[Shape, ...]) -> Shape:
        self._require(len(inputs) == 1, f"takes 1 input, not {len(inputs)}")
        self._require(len(inputs[0]) == 3, f"wants height, width, channels, not {inputs[0]}")
        return inputs[0]


@dataclass(frozen=True, eq=False)
class Input(Node):
    """The picture. None stands for a size that is chosen at run time."""

    height: int | None
    width: int | None
    channels: int

    def shape(self, *inputs: Shape) -> Shape:
        """The declared shape; only for a fixed size."""
        if self.height is None or self.width is None:
            raise ConversionError(f"node {self.name!r} (Input): its height and width are not fixed")
        return (self.height, self.width, self.channels)


@dataclass(frozen=True, eq=False)
class Conv(Node):
    """A convolution (cross-correlation, as in Keras and ONNX) with zero padding.

    Attributes:
        kernel: (kernel height, kernel width, input channels, output channels); the last is 1 where depthwise.
        bias: (output channels,), or None.
        strides: Down, across.
        pads: Rows and columns of zeros: top, left, bottom, right.
        depthwise: Each channel has a filter of its own.
    """

    kernel: FloatArray
    bias: FloatArray | None
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    depthwise: bool = False

    @property
    def output_channels(self) -> int:
        """Number of channels that it makes."""
        return int(self.kernel.shape[2 if self.depthwise else 3])

    def shape(self, *inputs: Shape) -> Shape:
        """Output size by the usual rule: floor((size + padding - kernel) / stride) + 1."""
        height, width, channels = self._image(inputs)
        rows, columns, expected, per_channel = self.kernel.shape
        self._require(channels == expected, f"its kernel wants {expected} channels, its input has {channels}")
        self._require(not self.depthwise or per_channel == 1, "a depthwise kernel makes more than one map per channel")
        top, left, bottom, right = self.pads
        out_height = (height + top + bottom - rows) // self.strides[0] + 1
        out_width = (width + left + right - columns) // self.strides[1] + 1
        self._require(out_height > 0 and out_width > 0, f"its kernel is larger than its input, {height} x {width}")
        return (out_height, out_width, self.output_channels)


@dataclass(frozen=True, eq=False)
class BatchNorm(Node):
    """Normalisation with stored statistics: gamma (x - mean) / sqrt(variance + epsilon) + beta, each (channels,)."""

    gamma: FloatArray
    beta: FloatArray
    mean: FloatArray
    variance: FloatArray
    epsilon: float

    def shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _per_channel(self, inputs, self.gamma)


@dataclass(frozen=True, eq=False)
class PRelu(Node):
    """X where x > 0, slope x elsewhere; slope is (channels,)."""

    slope: FloatArray

    def shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _per_channel(self, inputs, self.slope)


@dataclass(frozen=True, eq=False)
class Scale(Node):
    """Each channel times a factor of its own, (channels,)."""

    factor: FloatArray

    def shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _per_channel(self, inputs, self.factor)


@dataclass(frozen=True, eq=False)
class Relu(Node):
    """max(x, 0)."""

    def shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _one(self, inputs)


@dataclass(frozen=True, eq=False)
class Sigmoid(Node):
    """1 / (1 + exp(-x))."""

    def shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _one(self, inputs)


@dataclass(frozen=True, eq=False)
class HardSigmoid(Node):
    """Slope x + offset, cut to 0..1."""

    slope: float
    offset: float

    def shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _one(self, inputs)


@dataclass(frozen=True, eq=False)
class GlobalAveragePool(Node):
    """Mean over height and width, which become 1."""

    def shape(self, *inputs: Shape) -> Shape:
        """1 x 1 x channels."""
        return (1, 1, self._image(inputs)[2])


@dataclass(frozen=True, eq=False)
class MaxPool(Node):
    """Largest value in each square of ``size`` x ``size``; the squares do not overlap."""

    size: int

    def shape(self, *inputs: Shape) -> Shape:
        """Height and width divided by the size, rounded down."""
        return _pooled(self, inputs, self.size)


@dataclass(frozen=True, eq=False)
class AveragePool(Node):
    """Mean over each square of ``size`` x ``size``; squares do not overlap, and incomplete ones are left out."""

    size: int

    def shape(self, *inputs: Shape) -> Shape:
        """Height and width divided by the size, rounded down."""
        return _pooled(self, inputs, self.size)


@dataclass(frozen=True, eq=False)
class Upsample2x(Node):
    """Each pixel becomes 2 x 2 equal pixels."""

    def shape(self, *inputs: Shape) -> Shape:
        """Height and width doubled."""
        height, width, channels = self._image(inputs)
        return (2 * height, 2 * width, channels)


@dataclass(frozen=True, eq=False)
class ResizeBilinear(Node):
    """Bilinear interpolation to a fixed size: half-pixel centres, no antialiasing, as ``tf.image.resize``."""

    height: int
    width: int

    def shape(self, *inputs: Shape) -> Shape:
        """The fixed height and width."""
        return (self.height, self.width, self._image(inputs)[2])


@dataclass(frozen=True, eq=False)
class Flatten(Node):
    """A vector, in the order row, column, channel."""

    def shape(self, *inputs: Shape) -> Shape:
        """(features,)."""
        return (prod(self._image(inputs)),)


@dataclass(frozen=True, eq=False)
class Concat(Node):
    """The channels of all inputs, one input after the other."""

    def shape(self, *inputs: Shape) -> Shape:
        """Same height and width, channels summed."""
        self._require(len({shape[:-1] for shape in inputs}) == 1, f"its inputs differ in size: {_list(inputs)}")
        return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))


@dataclass(frozen=True, eq=False)
class Add(Node):
    """Sum of two tensors of one shape."""

    def shape(self, *inputs: Shape) -> Shape:
        """As each input."""
        self._require(len(inputs) == 2 and inputs[0] == inputs[1], f"its inputs differ in shape: {_list(inputs)}")
        return inputs[0]


@dataclass(frozen=True, eq=False)
class Maximum(Node):
    """The larger number of two tensors of one shape, place by place."""

    def shape(self, *inputs: Shape) -> Shape:
        """As each input."""
        self._require(len(inputs) == 2 and inputs[0] == inputs[1], f"its inputs differ in shape: {_list(inputs)}")
        return inputs[0]


@dataclass(frozen=True, eq=False)
class Mul(Node):
    """Product of a tensor and a second one of its shape or of 1 x 1 x its channels."""

    def shape(self, *inputs: Shape) -> Shape:
        """As the first input."""
        self._require(len(inputs) == 2, f"takes 2 inputs, not {len(inputs)}")
        first, second = inputs
        fits = second in (first, (1, 1, first[-1]))
        self._require(fits, f"its second input fits neither size nor channels of the first: {_list(inputs)}")
        return first


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, so that the output has ceil(size / stride) pixels; an odd one goes after.

    Source: TensorFlow, ``tf.nn`` documentation, "Notes on padding", SAME.
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _list(shapes: Iterable[Shape]) -> str:
    return ", ".join(" x ".join(map(str, shape)) for shape in shapes)


def _one(node: Node, inputs: tuple[Shape, ...]) -> Shape:
    node._require(len(inputs) == 1, f"takes 1 input, not {len(inputs)}")
    return inputs[0]


def _pooled(node: Node, inputs: tuple[Shape, ...], size: int) -> Shape:
    height, width, channels = node._image(inputs)
    node._require(height >= size and width >= size, f"its input, {height} x {width}, is too small")
    return (height // size, width // size, channels)


def _per_channel(node: Node, inputs: tuple[Shape, ...], values: FloatArray) -> Shape:
    shape = _one(node, inputs)
    node._require(values.shape == (shape[-1],), f"has {values.shape} values for {shape[-1]} channels")
    return shape


@dataclass(frozen=True, eq=False)
class Graph:
    """A network.

    Attributes:
        nodes: In an order in which they can run; the first is the only :class:`Input`.
        outputs: Names of the tensors that leave the network.

    Raises:
        ConversionError: Two nodes of one name, an input that no earlier node makes, an output that no node makes.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        made: set[str] = set()
        for position, node in enumerate(self.nodes):
            if isinstance(node, Input) != (position == 0):
                raise ConversionError(f"node {node.name!r}: a network has one input, and it comes first")
            if node.name in made:
                raise ConversionError(f"two nodes are named {node.name!r}")
            missing = [name for name in node.inputs if name not in made]
            if missing:
                raise ConversionError(f"node {node.name!r}: no earlier node makes its input {missing[0]!r}")
            made.add(node.name)
        absent = [name for name in self.outputs if name not in made]
        if absent or not self.outputs:
            raise ConversionError(f"the network has no output{f' {absent[0]!r}' if absent else ''}")

    @property
    def input(self) -> Input:
        """The picture's node."""
        node = self.nodes[0]
        assert isinstance(node, Input)  # noqa: S101 - checked in __post_init__
        return node

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def by_name(self) -> dict[str, Node]:
        """Every node, by its name."""
        return {node.name: node for node in self.nodes}

    def users(self) -> dict[str, list[Node]]:
        """For every tensor, the nodes that take it."""
        found: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                found[name].append(node)
        return found

    def shapes(self, height: int | None = None, width: int | None = None) -> dict[str, Shape]:
        """Shape of every tensor.

        Args:
            height: Rows of the picture, for a network that leaves them open.
            width: Columns, likewise.

        Raises:
            ConversionError: A node's inputs do not fit it.
        """
        shapes: dict[str, Shape] = {}
        for node in self.nodes:
            if isinstance(node, Input):
                node = replace(node, height=node.height or height, width=node.width or width)
            shapes[node.name] = node.shape(*(shapes[name] for name in node.inputs))
        return shapes

    def overflowing(self) -> str | None:
        """Name of the first node whose weights are not all finite; None where all are."""
        for node in self.nodes:
            if not all(np.isfinite(array).all() for array in node.weights().values()):
                return node.name
        return None

    def parameters(self) -> int:
        """Number of stored values: weights, biases, slopes and normalisation statistics."""
        return sum(array.size for node in self.nodes for array in node.weights().values())

    def macs(self, height: int | None = None, width: int | None = None) -> int:
        """Multiplications of all convolutions for one picture; takes the size as :meth:`shapes` does."""
        shapes = self.shapes(height, width)
        convolutions = (node for node in self.nodes if isinstance(node, Conv))
        return sum(convolution_macs(shapes[node.name][:2], node.kernel.shape) for node in convolutions)

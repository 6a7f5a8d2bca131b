"""A walk over the nodes of an ONNX file: what its tensors are in the graph, and the graph's nodes made so far.

The nodes are walked in the order of the file, for one picture (a batch of 1). Each of the file's tensors becomes one
of:

* a constant, computed at once, such as the sizes that a Reshape is given;
* a :class:`Tensor`: a tensor of the graph, with the order in which the file lays out its axes. Transposes and reshapes
  change that order and nothing else, so channels-first and channels-last files need no rules of their own. Factors and
  offsets wait at the tensor too, until a node needs the result: (x + 3) cut to 0..6 and divided by 6 is one
  :class:`HardSigmoid`;
* a :class:`Length`: a power of a vector's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import CheckpointError, OptionError

from .graph import BatchNorm, FloatArray, Input, Node, Scale, Shape
from .keras_h5 import EMBEDDING
from .onnx_file import PICTURE_TYPES, Array, OnnxFile, OnnxNode

MAX_SIDE = 4096
_MAX_VALUES = 1 << 26
"""Of one tensor, so that a small file cannot ask for a huge network."""
_MAX_STORED = 1 << 27
"""Weights of all nodes and computed constants together: as many as the largest file that is read can hold once."""
CHANNELS_FIRST = ("", "C", "H", "W")
CHANNELS_LAST = ("", "H", "W", "C")
"""Layouts, as :attr:`Tensor.axes` has them before sizes of 1 are left out."""

Wide = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tensor:
    """What the file computes: a tensor of the graph times a factor plus an offset, in the file's order of axes.

    Attributes:
        node: Name of the graph's tensor.
        axes: For each axis of the file, the graph's axes in it, as letters of "HWC"; those of size 1 are left out.
            Channels first are ("", "C", "H", "W"), their flattened vector is ("", "CHW").
        factor: One number, or one per channel.
        offset: Likewise.
        pads: Zeros around it, which the next convolution adds: top, left, bottom, right.
        ceiling: Its values are cut off above; the lower limit is still to come.
        unit: It is a vector divided by its length; the graph's tensor is not.
    """

    node: str
    axes: tuple[str, ...]
    factor: Wide = field(default_factory=lambda: np.ones(()))
    offset: Wide = field(default_factory=lambda: np.zeros(()))
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    ceiling: float | None = None
    unit: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is the graph's tensor times the factor plus the offset, and nothing else waits."""
        return not any(self.pads) and self.ceiling is None and not self.unit


@dataclass(frozen=True)
class Length:
    """A positive power of the length of the vector that a tensor of the graph is, or anything positive near it."""

    node: str
    power: float


Value = Union[Array, Tensor, Length]

Operator = Callable[["Translation", OnnxNode], Value]
"""Translates a node; with it goes how many inputs the node has at least and at most."""


class Translation:
    """The state of a walk, and what the translators of operators ask it for.

    Args:
        file: The file.
        size: Height and width of the picture, where the file leaves them open.
        names: What to call the tensors that have another name in the file.

    Attributes:
        file: The file.
        values: What the file's tensors are, by their names.
        nodes: The graph's nodes, by their names, in order.
        shapes: The shapes of the graph's tensors.

    Raises:
        CheckpointError: The file has not one input, a picture of three channels and of a known size.
        OptionError: The size contradicts the file.
    """

    def __init__(self, file: OnnxFile, size: int | None = None, names: Mapping[str, str] | None = None) -> None:
        self.file = file
        self.values: dict[str, Value] = {}
        self.nodes: dict[str, Node] = {}
        self.shapes: dict[str, Shape] = {}
        self._names = names or {}
        self._affine: dict[tuple[str, bytes, bytes], str] = {}
        self._stored = 0
        if len(file.inputs) != 1:
            raise CheckpointError(f"it has {len(file.inputs)} inputs instead of 1")
        ((name, item),) = file.inputs.items()
        height, width, layout = _picture(item, size)
        self.append(Input("input", (), height, width, 3))
        self.values[name] = Tensor("input", self.without_ones("input", layout))

    def walk(self, outputs: Iterable[str], operators: Mapping[str, tuple[Operator, int, int]]) -> None:
        """Translate every node that these tensors depend on."""
        outputs = tuple(outputs)
        for part in self.file.needed(outputs):
            part.open()
            if part.kind not in operators:
                raise part.unsupported(f"is not supported; supported are {', '.join(operators)}")
            translate, least, most = operators[part.kind]
            if not least <= len(part.inputs) <= most:
                raise part.unsupported(f"has {len(part.inputs)} inputs instead of {least} to {most}")
            self.values[part.outputs[0]] = translate(self, part)
            part.close()
        for name in outputs:
            if name not in self.values:
                raise CheckpointError(f"no node makes its output {name!r}")

    def append(self, node: Node) -> str:
        """Add a node to the graph; its name."""
        shape = node.shape(*(self.shapes[name] for name in node.inputs))
        if prod(shape) > _MAX_VALUES:
            raise CheckpointError(f"its tensor {node.name!r} has {prod(shape)} values, more than {_MAX_VALUES}")
        for array in node.weights().values():
            self.store(array.size)
            if not np.isfinite(array).all():
                raise CheckpointError(f"the weights of {node.name!r} go beyond float32")
        self.nodes[node.name] = node
        self.shapes[node.name] = shape
        return node.name

    def store(self, values: int) -> None:
        """Count values that a node or a constant keeps, and refuse too many."""
        self._stored += values
        if self._stored > _MAX_STORED:
            raise CheckpointError(f"it asks for more than {_MAX_STORED} weights")

    def new(
        self, part: OnnxNode, kind: type[Node], inputs: tuple[str, ...], axes: tuple[str, ...], **settings: Any
    ) -> Tensor:
        """Append a node that makes the tensor of a node of the file."""
        tensor = part.outputs[0]
        name = self.append(kind(self.fresh(self._names.get(tensor, tensor)), inputs, **settings))
        return Tensor(name, self.without_ones(name, axes))

    def fresh(self, name: str) -> str:
        """A name that no node has yet."""
        while name in self.nodes or name == EMBEDDING:
            name += "_"
        return name

    def made(self, tensor: Tensor) -> str:
        """Name of the graph's tensor with factor and offset applied."""
        factor, offset = tensor.factor.astype(np.float32), tensor.offset.astype(np.float32)
        if (factor == 1).all() and not offset.any():
            return tensor.node
        key = (tensor.node, factor.tobytes(), offset.tobytes())
        if key not in self._affine:
            channels = (self.shapes[tensor.node][-1],)
            gamma, beta = (np.broadcast_to(values, channels).copy() for values in (factor, offset))
            name = self.fresh(f"{tensor.node}/affine")
            if offset.any():
                zeros, ones = np.zeros(channels, np.float32), np.ones(channels, np.float32)
                self.append(BatchNorm(name, (tensor.node,), gamma, beta, zeros, ones, 0.0))
            else:
                self.append(Scale(name, (tensor.node,), gamma))
            self._affine[key] = name
        return self._affine[key]

    def without_ones(self, node: str, axes: tuple[str, ...]) -> tuple[str, ...]:
        """Axes without the letters whose size is 1 in a tensor of the graph."""
        sizes = self.sizes(node)
        return tuple("".join(letter for letter in axis if sizes[letter] > 1) for axis in axes)

    def sizes(self, node: str) -> dict[str, int]:
        """Height, width and channels of a tensor of the graph, by letter."""
        return dict(zip("HWC", self.shapes[node]))

    def value(self, part: OnnxNode, position: int = 0) -> Value:
        """What an input of a node is."""
        name = part.inputs[position]
        if name not in self.values:
            constant = self.file.initialiser(name)
            if constant is None:
                raise part.unsupported(f"takes a tensor that no earlier node makes, {name!r}")
            self.values[name] = constant
        return self.values[name]

    def given(self, part: OnnxNode, position: int) -> bool:
        """Whether an optional input is there."""
        return position < len(part.inputs) and part.inputs[position] != ""

    def tensor(self, part: OnnxNode, position: int = 0) -> Tensor:
        """An input that must be a tensor of the network, on which at most a factor and an offset wait."""
        return self.plain(part, self.value(part, position))

    def plain(self, part: OnnxNode, value: Value) -> Tensor:
        """A value that must be such a tensor."""
        if not isinstance(value, Tensor):
            raise part.unsupported("takes a constant, or a vector's length, where a tensor of the network is supported")
        if any(value.pads):
            raise part.unsupported("follows a Pad, which only a Conv may")
        if value.ceiling is not None:
            raise part.unsupported("follows a Min or Clip without a lower limit, which only a Max may")
        if value.unit:
            raise part.unsupported("follows a division by a vector's length, which only ends a network")
        return value

    def source(self, part: OnnxNode, position: int = 0) -> str:
        """Name of the graph's tensor that an input is, factor and offset applied."""
        return self.made(self.tensor(part, position))

    def images(self, part: OnnxNode, tensor: Tensor) -> Shape:
        """Height, width and channels of a tensor that is laid out as batch, channels, height, width."""
        if tensor.axes != self.without_ones(tensor.node, CHANNELS_FIRST):
            raise part.unsupported("takes a tensor whose axes are not batch, channels, height, width")
        return self.shapes[tensor.node]

    def constant(self, part: OnnxNode, position: int) -> Array:
        """An input that must be a constant."""
        value = self.value(part, position) if self.given(part, position) else None
        if not isinstance(value, np.ndarray):
            raise part.unsupported(f"has no constant for its input {position}")
        return value

    def floats(self, part: OnnxNode, position: int, dimensions: int | None = None) -> FloatArray:
        """A constant input of finite float values, of this many dimensions."""
        array = self.constant(part, position)
        fits = dimensions is None or array.ndim == dimensions
        if array.dtype != np.float32 or not fits or not array.size or not np.isfinite(array).all():
            wanted = "" if dimensions is None else f"{dimensions}-dimensional, "
            raise CheckpointError(f"the weights {part.inputs[position]!r} are not {wanted}finite float32 values")
        return array

    def number(self, part: OnnxNode, position: int) -> float:
        """A constant input of one value."""
        array = self.constant(part, position)
        if array.size != 1 or np.isnan(array).any():
            raise part.unsupported(f"has {array.size} values for its input {position} instead of one number")
        return float(array.reshape(()))

    def integers(self, part: OnnxNode, position: int, key: str) -> list[int] | None:
        """Integers that are an input in newer opsets and a setting in older ones; None where they are left out."""
        if part.has(key):
            return part.setting(key, [0])
        if not self.given(part, position):
            return None
        array = self.constant(part, position)
        if array.dtype.kind != "i" or array.ndim > 1 or array.size > 16:
            raise part.unsupported(f"has no list of integers for its input {position}")
        return [int(item) for item in array.reshape(-1)]

    def axes(self, part: OnnxNode, rank: int, position: int = 1) -> list[int] | None:
        """The axes that a node is told to work on, counted from 0; None for all."""
        axes = self.integers(part, position, "axes")
        return None if axes is None else self.counted(part, axes, rank)

    def counted(self, part: OnnxNode, axes: list[int], rank: int) -> list[int]:
        """Axes counted from 0; in a file negative ones count from the end."""
        if not all(-rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) != len(axes):
            raise part.unsupported(f"has axes={axes}, and its input has {rank}")
        return [axis % rank for axis in axes]

    def shape_of(self, part: OnnxNode, value: Value) -> Shape:
        """As the file sees it, for one picture."""
        if isinstance(value, np.ndarray):
            return value.shape
        if isinstance(value, Length) or any(value.pads):
            raise part.unsupported("takes a padded tensor or a vector's length, which is not supported")
        sizes = self.sizes(value.node)
        return tuple(prod(sizes[letter] for letter in axis) for axis in value.axes)

    def folded(self, part: OnnxNode, size: int, function: Callable[..., Any], *values: Any) -> Array:
        """A constant of ``size`` values computed from constants."""
        self.store(size)
        try:
            return np.asarray(function(*values))
        except (ValueError, IndexError, TypeError) as error:
            raise part.unsupported(f"cannot be computed from its constants: {error}") from error

    def reduced(self, part: OnnxNode, tensor: Tensor) -> tuple[str, tuple[str, ...]]:
        """The graph's axes that a reduction takes away, and the axes of its result."""
        rank = len(tensor.axes)
        gone = self.axes(part, rank) or []
        if part.setting("noop_with_empty_axes", 0) and not gone:
            raise part.unsupported("reduces no axis")
        gone = gone or list(range(rank))
        kept = part.setting("keepdims", 1)
        reduced = "".join(tensor.axes[axis] for axis in gone)
        axes = ("" if axis in gone else letters for axis, letters in enumerate(tensor.axes) if kept or axis not in gone)
        return reduced, tuple(axes)


def affine(tensor: Tensor, factor: Any, offset: Any) -> Tensor:
    """A tensor times a factor plus an offset."""
    return replace(
        tensor, factor=np.asarray(tensor.factor * factor), offset=np.asarray(tensor.offset * factor + offset)
    )


def _picture(item: Any, size: int | None) -> tuple[int, int, tuple[str, ...]]:
    """Height, width and layout of an input (onnx.ValueInfoProto)."""
    declared = item.type.tensor_type
    sides = [side.dim_value if side.WhichOneof("value") == "dim_value" else None for side in declared.shape.dim]
    if declared.elem_type not in PICTURE_TYPES or len(sides) != 4:
        raise CheckpointError(f"its input {item.name!r} is no batch of pictures: {sides}")
    if (sides[1] == 3) == (sides[3] == 3):
        raise CheckpointError(f"its input {item.name!r} {sides} has three channels neither second nor last")
    layout = CHANNELS_FIRST if sides[1] == 3 else CHANNELS_LAST
    height, width = (size if sides[layout.index(side)] is None else sides[layout.index(side)] for side in "HW")
    if height is None or width is None:
        raise CheckpointError(f"its input {item.name!r} leaves height and width open: state them, such as size=112")
    if size is not None and (height, width) != (size, size):
        raise OptionError(f"size={size} contradicts the file, whose pictures are {height} x {width}")
    if not 1 <= min(height, width) <= max(height, width) <= MAX_SIDE:
        raise CheckpointError(f"its pictures are {height} x {width}; read are sizes from 1 to {MAX_SIDE}")
    return height, width, layout

"""The integer scheme: how real numbers are stored in eight or sixteen bits, for every writer and for the simulator.

A tensor stores the real number ``scale * (q - zero_point)`` as the integer q. The scheme is TensorFlow Lite's
quantisation specification (https://ai.google.dev/edge/litert/models/quantization_spec):

* a kernel is int8 in -127..127 with zero point 0 and one scale per output channel;
* a bias has the scale (scale of the input) x (scale of the kernel's channel) and zero point 0, as int32 beside int8
  activations and as int64 beside int16 ones;
* activations are int8 in -128..127, or int16 with zero point 0 (int16x8);
* Concat, Flatten, pooling by maximum and mean over squares, resizing and upsampling only move numbers: all that they
  take and make share one scale and zero point.

A :class:`Quantization` says which tensors are integers. A tensor that it does not name stays float32, so that a part of
a network can be float ("mixed precision").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
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
    FloatArray,
    Graph,
    HardSigmoid,
    MaxPool,
    Mul,
    Relu,
    ResizeBilinear,
    Scale,
    Upsample2x,
)

BITS = (8, 16)

_KERNEL_LIMIT = 127
_LEAST_SCALE = 1e-9
_BIAS_HEADROOM = 2.0**28
"""A bias in units of its scale stays below this, so that sums in int32 have three bits left for the products.

The int64 sums beside int16 need it too: TFLite takes a factor below 2^-32 between sum and output for 0, bias and all.
"""

COPYING = (Concat, Flatten, MaxPool, Upsample2x)
"""Nodes that make only numbers that they take: storing these rounds nothing."""

_MOST_RESCALING = 200.0
"""Below XNNPACK's limit of 256, with room for what rounding to float32 moves."""

_CHANNEL_BYTES = 14
"""What a file stores for each output channel of an int8 kernel beyond what it stores for a float16 one: a float32
scale, an int64 zero point, and a bias of float32 instead of float16.
"""

_MOVING = (*COPYING, AveragePool, ResizeBilinear)
_FUSING = (Conv, BatchNorm, Scale, Add, Mul)


@dataclass(frozen=True)
class Affine:
    """How one tensor's real numbers are stored.

    Attributes:
        scale: Distance between neighbouring numbers, a float32 value.
        zero_point: The integer that stands for 0; 0 for 16 bits.
        bits: 8 or 16; always signed.
    """

    scale: float
    zero_point: int
    bits: int = 8

    @classmethod
    def over(cls, low: float, high: float, bits: int = 8) -> Affine:
        """The finest affine that holds low..high and 0 exactly.

        For 16 bits the range is made symmetric and the zero point is 0.
        """
        low, high = min(float(low), 0.0), max(float(high), 0.0)
        if bits == 16:
            return cls(float(np.float32(max(-low, high, _LEAST_SCALE) / 32767)), 0, 16)
        scale = float(np.float32(max((high - low) / 255, _LEAST_SCALE)))
        return cls(scale, int(np.clip(round(-128 - low / scale), -128, 127)))

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest integer."""
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    @property
    def low(self) -> float:
        """Smallest real number."""
        return (self.limits[0] - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        """Largest real number."""
        return (self.limits[1] - self.zero_point) * self.scale

    @property
    def dtype(self) -> np.dtype[Any]:
        """The integers' dtype."""
        return np.dtype(f"int{self.bits}")

    def quantize(self, values: NDArray[np.floating[Any]]) -> NDArray[np.signedinteger[Any]]:
        """The integers for real numbers: rounded to the nearest (halves to even) and clipped."""
        integers = np.rint(np.asarray(values, np.float64) / self.scale) + self.zero_point
        stored: NDArray[np.signedinteger[Any]] = np.clip(integers, *self.limits).astype(self.dtype)
        return stored

    def dequantize(self, integers: NDArray[np.signedinteger[Any]]) -> FloatArray:
        """The real numbers that integers stand for."""
        return ((integers.astype(np.float64) - self.zero_point) * self.scale).astype(np.float32)


UNIT = Affine(float(np.float32(1 / 255)), -128)
"""0..1 in 8 bits. A unit hard-sigmoid whose tensor has this affine costs nothing: saturation clips."""


@dataclass(frozen=True)
class Quantization:
    """The tensors of one graph that are integers.

    Attributes:
        tensors: By tensor name. A tensor that is absent is float32. The tensor of a node whose follower is fused into
            it (:func:`fused_followers`) does not exist in the file and is never looked up.
    """

    tensors: Mapping[str, Affine]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))

    def without(self, names: Iterable[str]) -> Quantization:
        """The same with some tensors left float32."""
        left_out = set(names)
        return Quantization({name: affine for name, affine in self.tensors.items() if name not in left_out})


@dataclass(frozen=True, eq=False)
class QuantizedConv:
    """The integers of a convolution's weights.

    Attributes:
        kernel: int8, in the shape of :attr:`Conv.kernel`.
        kernel_scales: float32, (output channels,); the zero points are 0.
        bias: int32 (int64 beside 16-bit activations), (output channels,).
        bias_scales: float32, (output channels,).
        depthwise: As the convolution.
    """

    kernel: NDArray[np.int8]
    kernel_scales: FloatArray
    bias: NDArray[np.signedinteger[Any]]
    bias_scales: FloatArray
    depthwise: bool

    def real_kernel(self) -> FloatArray:
        """The kernel that the integers stand for."""
        spread = self.kernel_scales[:, None] if self.depthwise else self.kernel_scales
        return (self.kernel * spread).astype(np.float32)

    def real_bias(self) -> FloatArray:
        """The bias that the integers stand for."""
        return (self.bias * self.bias_scales.astype(np.float64)).astype(np.float32)


def quantize_conv(conv: Conv, source: Affine, result: Affine) -> QuantizedConv:
    """Quantise a convolution's weights for an input and an output that are stored so.

    A channel's scale is its largest weight / 127, but

    * no smaller than |bias| / (input scale x 2^28): a channel of tiny weights and a large bias would otherwise overflow
      the sum;
    * no larger than 200 x output scale / input scale: XNNPACK takes a convolution only where input scale x kernel scale
      / output scale is below 256 in every channel. A channel is beyond where one step of its weights moves the output
      by most of its range, as when its inputs were 0 in all calibration pictures. Its largest weights are cut.
    """
    kernel, natural = quantize_kernel(conv)
    bias = np.zeros(conv.output_channels) if conv.bias is None else conv.bias.astype(np.float64)
    least = (np.abs(bias) / (source.scale * _BIAS_HEADROOM)).astype(np.float32)
    scales = np.maximum(np.minimum(natural, np.float32(_MOST_RESCALING * result.scale / source.scale)), least)
    if (scales != natural).any():
        kernel = _rounded(conv, scales)
    bias_scales = (scales * np.float32(source.scale)).astype(np.float32)
    dtype = np.int64 if source.bits == 16 else np.int32
    integers = np.rint(bias / bias_scales.astype(np.float64)).astype(dtype)
    return QuantizedConv(kernel, scales, integers, bias_scales, conv.depthwise)


def quantize_kernel(conv: Conv) -> tuple[NDArray[np.int8], FloatArray]:
    """The kernel as int8 and one float32 scale per output channel."""
    axes = (0, 1, 3) if conv.depthwise else (0, 1, 2)
    scales = np.maximum(np.abs(conv.kernel).max(axis=axes) / _KERNEL_LIMIT, 1e-12).astype(np.float32)
    return _rounded(conv, scales), scales


def int8_saves(conv: Conv) -> int:
    """Bytes that a TFLite file saves with this kernel in int8 instead of float16; negative where int8 takes more."""
    return int(conv.kernel.size) - _CHANNEL_BYTES * conv.output_channels


def _rounded(conv: Conv, scales: FloatArray) -> NDArray[np.int8]:
    spread = scales[:, None] if conv.depthwise else scales
    integers = np.rint(conv.kernel.astype(np.float64) / spread)
    return np.clip(integers, -_KERNEL_LIMIT, _KERNEL_LIMIT).astype(np.int8)


def fused_followers(graph: Graph) -> dict[str, str]:
    """For every node whose operator also does the work of the node behind it, that follower.

    A Relu is the fused activation of a convolution, sum or product. A unit hard-sigmoid (clip(x, 0, 1)) behind a
    convolution is done by the saturation of its 8-bit output. In both cases the first node's own tensor does not exist.
    """
    users, nodes = graph.users(), graph.by_name()
    found: dict[str, str] = {}
    for follower in graph.nodes:
        if not isinstance(follower, (Relu, HardSigmoid)):
            continue
        source = nodes[follower.inputs[0]]
        if len(users[source.name]) > 1 or source.name in graph.outputs:
            continue
        if isinstance(follower, Relu):
            fits = isinstance(source, _FUSING)
        else:
            fits = isinstance(source, Conv) and (follower.slope, follower.offset) == (1.0, 0.0)
        if fits:
            found[source.name] = follower.name
    return found


def tied_tensors(graph: Graph) -> dict[str, str]:
    """For every tensor, the one whose affine it shares; most share only with themselves.

    The representative is the last tensor of the group, in the order of the graph.
    """
    parent = {node.name: node.name for node in graph.nodes}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for node in graph.nodes:
        if isinstance(node, _MOVING):
            for source in node.inputs:
                parent[root(source)] = root(node.name)
    return {name: root(name) for name in parent}


def check_quantization(graph: Graph, quantization: Quantization) -> None:
    """Refuse a quantisation that the specification does not allow.

    Raises:
        ConversionError: A name that no node has, tied tensors stored differently, or 16 bits with a zero point.
    """
    names = {node.name for node in graph.nodes}
    for name, affine in quantization.tensors.items():
        if name not in names:
            raise ConversionError(f"no node makes the tensor {name!r}")
        if affine.bits not in BITS or (affine.bits == 16 and affine.zero_point):
            raise ConversionError(f"tensor {name!r}: {affine} is neither int8 nor symmetric int16")
    ties = tied_tensors(graph)
    for name, representative in ties.items():
        if quantization.tensors.get(name) != quantization.tensors.get(representative):
            raise ConversionError(f"tensors {name!r} and {representative!r} must be stored alike")

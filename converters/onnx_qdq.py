"""int8 in ONNX: QuantizeLinear and DequantizeLinear ("QDQ") around float operators.

A QDQ file says what a network computes without saying how: every operator is a float one, and each tensor that is an
integer is rounded by a QuantizeLinear and widened again by a DequantizeLinear. A runtime that has integer kernels puts
them where it finds the pattern, and any other computes the same in float. Of a network that is all integers, ONNX
Runtime runs everything but the first rounding and the last widening in integers (Conv, Add, Mul, Concat,
GlobalAveragePool, Sigmoid; what only moves numbers loses its pairs).

Weights are int8 per output channel. Activations are uint8 (the affine's integers + 128) or int8, which say the same;
which is faster, and whether it is exact, depends on the processor:

* x86-64 with VNNI: uint8. ONNX Runtime leaves convolutions of int8 in float unless its session option
  ``session.qdqisint8allowed`` is 1, and is slower either way.
* x86-64 without VNNI: uint8, and **only with the session option** ``session.x64quantprecision`` = 1. The fast kernel
  there adds two products in 16 bits, which overflow. Under an emulated Haswell the embeddings of the official W0.5-S2
  checkpoint had a cosine of 0.83 to the right ones without the option, and were the very same with it. Our own sessions
  set it.
* ARM: int8 is taken as it is (``QDQIsInt8Allowed`` in ONNX Runtime's source; not measured).

Integers buy bytes here, not time. CPU time of one inference of the official W0.5-S2 checkpoint (ONNX Runtime 1.32,
x86-64 with VNNI, one thread, forms in random turn, 450 runs each, a shared machine), ms, median and least: float32 1.69
and 1.08; uint8 2.63 and 1.88 (without the session option 2.54 and 1.88); int8 4.76 and 3.61.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from .graph import Conv, Graph, HardSigmoid, Node, Relu
from .onnx_nodes import OnnxNodes, onnx_kernel
from .quantization import UNIT, Affine, Quantization, check_quantization, fused_followers, quantize_conv

ACTIVATIONS: Mapping[str, int] = {"uint8": 128, "int8": 0}
"""How activations may be stored, and what is then added to the integers of an :class:`Affine`."""


class Qdq:
    """Writes what is quantised about one graph.

    Args:
        body: Takes the nodes and constants.
        graph: The network.
        quantization: Its tensors that are integers.
        activations: A key of :data:`ACTIVATIONS`.

    Raises:
        ConversionError: A quantisation that does not fit the graph or the format.
    """

    def __init__(self, body: OnnxNodes, graph: Graph, quantization: Quantization, activations: str) -> None:
        check_quantization(graph, quantization)
        for name, affine in quantization.tensors.items():
            if affine.bits != 8:
                raise ConversionError(f"tensor {name!r} has {affine.bits} bits; integers in ONNX files have 8")
        self._body = body
        self._followers = fused_followers(graph)
        self._affines = quantization.tensors
        self._dtype, self._shift = np.dtype(activations), ACTIVATIONS[activations]

    def affine(self, name: str) -> Affine | None:
        """How the tensor of a node is stored; None where it is float, or exists only inside a fused operator."""
        return None if name in self._followers else self._affines.get(name)

    def saturates(self, node: Node) -> bool:
        """Whether rounding the node's input to the node's own affine already does the node's work.

        The smallest integer of a ReLU's affine stands for 0, so that negative numbers become 0; the integers of UNIT
        end at 0 and 1, where a unit hard-sigmoid cuts.
        """
        affine = self.affine(node.name)
        if affine is None:
            return False
        if isinstance(node, HardSigmoid):
            return (node.slope, node.offset) == (1.0, 0.0) and affine == UNIT
        return isinstance(node, Relu) and affine.zero_point == UNIT.zero_point

    def round_trip(self, name: str, source: str, target: str) -> None:
        """Round the tensor of a node from ``source``, and widen it to ``target``."""
        affine = self._affines[name]
        scale = self._body.constant(f"{name}/scale", np.array(affine.scale, np.float32))
        zero = self._body.constant(f"{name}/zero_point", np.array(affine.zero_point + self._shift, self._dtype))
        integers = self._body.add("QuantizeLinear", [source, scale, zero], f"{name}/quantized")
        self._body.add("DequantizeLinear", [integers, scale, zero], target)

    def weights(self, conv: Conv) -> list[str] | None:
        """Kernel and bias of a convolution from one integer tensor to another; None for a float convolution."""
        source, result = self.affine(conv.inputs[0]), self.affine(self._followers.get(conv.name, conv.name))
        if source is None or result is None:
            return None
        quantized = quantize_conv(conv, source, result)
        kernel = onnx_kernel(quantized.kernel, conv.depthwise)
        names = [self._widened(f"{conv.name}/kernel", kernel, quantized.kernel_scales)]
        if conv.bias is not None:
            names.append(self._widened(f"{conv.name}/bias", quantized.bias, quantized.bias_scales))
        return names

    def _widened(self, name: str, integers: NDArray[np.signedinteger[Any]], scales: NDArray[np.float32]) -> str:
        zeros = self._body.constant(f"{name}/zero_point", np.zeros(scales.shape, integers.dtype))
        inputs = [
            self._body.constant(f"{name}/quantized", integers),
            self._body.constant(f"{name}/scale", scales),
            zeros,
        ]
        return self._body.add("DequantizeLinear", inputs, name, axis=0)

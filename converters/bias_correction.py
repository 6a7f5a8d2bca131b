"""Take the mean error out of every convolution.

Rounding and clipping do not only add noise: they shift the mean of what a convolution makes, and the shifts add up
through the network. The mean shift of each output channel, measured on photos, is taken off its bias (M. Nagel and
others, "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2), one
convolution after the other, each with all before it corrected. All at once over-corrects.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .graph import Conv, FloatArray, Graph, Input
from .quantization import Quantization
from .simulator import FLOAT, Simulator, Tensors, stored


def correct_biases(graph: Graph, quantization: Quantization, pictures: FloatArray) -> Graph:
    """The network whose convolutions, in integers, make the same means as ``graph`` in float.

    A depthwise convolution without bias is left alone: it is an identity or a factor of the passes. A convolution with
    a fused follower is compared before the follower cuts.

    Args:
        graph: The network as it will be quantised.
        quantization: Of its tensors.
        pictures: (pictures, height, width, channels) float32, as the network takes them; held in memory with all
            tensors that are still needed.
    """
    simulator, exact = Simulator(graph), Simulator(graph)
    integers: Tensors = {}
    floats: Tensors = {}
    waiting = {name: len(users) for name, users in graph.users().items()}
    for node in graph.nodes:
        name = simulator.stored_name(node.name)
        if name in integers:
            continue
        if isinstance(node, Input):
            integers[name], floats[name] = stored(pictures, quantization.tensors.get(name)), pictures
            continue
        if isinstance(node, Conv):
            wanted = exact.convolve(node, floats[node.inputs[0]], FLOAT)
            made = simulator.convolve(node, integers[node.inputs[0]], quantization)
            if node.bias is not None or not node.depthwise:
                shift = (wanted - made).mean(axis=(0, 1, 2), dtype=np.float64)
                old = np.zeros(len(shift)) if node.bias is None else node.bias
                node = replace(node, bias=(old + shift).astype(np.float32))
                simulator.replace(node)
                made = simulator.convolve(node, integers[node.inputs[0]], quantization)
            integers[name] = simulator.finish(node, made, quantization)
            floats[name] = exact.finish(node, wanted, FLOAT)
        else:
            integers[name] = simulator.step(node, [integers[source] for source in node.inputs], quantization)
            floats[name] = exact.step(node, [floats[source] for source in node.inputs], FLOAT)
        for source in node.inputs:
            waiting[source] -= 1
            if not waiting[source]:
                integers[source] = floats[source] = _SPENT
    return simulator.graph


_SPENT: FloatArray = np.zeros(0, np.float32)
"""Stands for a tensor that nothing needs any more."""

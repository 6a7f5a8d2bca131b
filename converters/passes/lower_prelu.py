"""Write PReLU with the operations that a runtime is fast at, or has at all.

PReLU of slope a is x + relu((a - 1) x) for a <= 1 and x - relu((1 - a) x) for a > 1. Of all exact forms this one was
the fastest on the official W0.5-S2 checkpoint (ONNX Runtime 1.32, x86-64, one thread, forms interleaved, median ms):

=========================================================  ====
native PRelu operator                                      2.43
a x + (1 - a) relu(x)                                      1.83
max(x, a x), slopes normalised                             1.83
x + sign relu(-abs(1 - a) x)                               1.74
this form, slopes normalised                               1.76
this form, slopes normalised, PRelu kept on 1 x 1 maps     1.67
=========================================================  ====

At width 1.3 it takes 3.6 ms instead of 5.8 (stem stride 2) and 9.5 instead of 17.0 (stride 1). On an emulated
Cortex-A76 the forms lie between 21.7 and 23.5 million instructions: 22.8 with the operator, 22.3 with this form.

For integers the factors are written as depthwise 1 x 1 convolutions: their kernels have one scale per channel, so that
every factor is a whole number of steps, where a product with constants has one scale for all of them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..graph import Add, Conv, FloatArray, Graph, Node, PRelu, Relu, Scale

Form = Literal["scale", "depthwise"]


def lower_prelu(graph: Graph, form: Form = "scale") -> Graph:
    """The same network without PReLU nodes.

    Args:
        graph: The network.
        form: ``scale`` multiplies by constants, and keeps PReLU on 1 x 1 maps, where one operator costs least;
            ``depthwise`` multiplies by depthwise convolutions (a flat vector still by constants) and keeps none, for
            XNNPACK has no PReLU of integers.
    """
    shapes = graph.shapes()
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node, PRelu) and (form == "depthwise" or shapes[node.name][:2] != (1, 1)):
            nodes.extend(_lowered(node, form if len(shapes[node.name]) == 3 else "scale"))
        else:
            nodes.append(node)
    return Graph(tuple(nodes), graph.outputs)


def _lowered(prelu: PRelu, form: Form) -> list[Node]:
    """The sum in three nodes, or in four where a slope is above 1 and its part is subtracted."""
    name, source, slope = prelu.name, prelu.inputs[0], prelu.slope
    if not slope.any():
        return [Relu(name, (source,))]
    nodes = [_times(f"{name}/scaled", source, -np.abs(1 - slope), form), Relu(f"{name}/relu", (f"{name}/scaled",))]
    if (slope > 1).any():
        sign = np.where(slope > 1, -1, 1).astype(np.float32)
        nodes.append(_times(f"{name}/signed", nodes[-1].name, sign, form))
    return [*nodes, Add(name, (source, nodes[-1].name))]


def _times(name: str, source: str, factor: FloatArray, form: Form) -> Node:
    if form == "scale":
        return Scale(name, (source,), factor)
    return Conv(name, (source,), factor[None, None, :, None], None, depthwise=True)

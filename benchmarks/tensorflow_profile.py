"""What TensorFlow's profiler says of a GhostFaceNet, without TensorFlow.

The official notebook (HamadYA/GhostFaceNets, ``Flops.ipynb``) prints "FLOPs: 272,105,108" and 6,880,288 parameters for
GhostFaceNetV2 of width 1.3 and stride 1. It calls ``model_surgery.get_flops`` of keras_cv_attention_models, which
halves what ``tf.compat.v1.profiler`` counts. The profiler (``tensorflow/python/profiler/internal/flops_registry.py``
and the statistics in ``nn_ops.py``) counts two for a multiplication of a convolution, so the half is MACs and a little
more: one half for every elementwise operation that it knows. The paper's "MFLOPs" are these: its plots
(``plot_parameters.py``) have V1 of width 1.3 at 60.3 (stride 2) and 215.7 (stride 1).

The profiler of that TensorFlow did not know AddV2 (tensorflow/tensorflow, pull request 37378), which is every sum that
is no bias: the last step of a PReLU, the shortcuts, the offset of a hard sigmoid, and two steps of the normalisation
of the embedding. That of a TensorFlow that knows it says 0.7 % more, 274,051,570.
"""

from __future__ import annotations

from collections import Counter
from math import isclose, prod

from ghostface_edge.converters.graph import (
    Add,
    AveragePool,
    BatchNorm,
    Conv,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Mul,
    PRelu,
)

SUMS = "AddV2"
"""What the profiler behind the official figures did not count."""


def tensorflow_profile(graph: Graph) -> dict[str, int]:
    """FLOPs of a checkpoint's network as Keras builds it, by TensorFlow's operations.

    Activations are relu(x) - a relu(-x), and relu costs nothing; a hard sigmoid is a product or a division, a sum and
    two cuts; a batch normalisation of maps is one fused operation, which the profiler takes for nothing, and one of
    vectors seven.
    """
    shapes = graph.shapes()
    flops: Counter[str] = Counter()
    for node in graph.nodes:
        made = prod(shapes[node.name])
        if isinstance(node, Conv):
            pixels = prod(shapes[node.name][:2])
            flops["DepthwiseConv2dNative" if node.depthwise else "Conv2D"] += 2 * pixels * node.kernel.size
            flops["BiasAdd"] += 0 if node.bias is None else made
        elif isinstance(node, PRelu):
            flops["Neg"] += made + node.slope.size
            flops["Mul"] += made
            flops[SUMS] += made
        elif isinstance(node, HardSigmoid):
            scaling = "RealDiv" if isclose(node.slope, 1 / 6, rel_tol=1e-6) else "Mul"  # x / 6 in V2, 0.2 x in V1
            flops.update(dict.fromkeys((scaling, SUMS, "Minimum", "Maximum"), made))
        elif isinstance(node, BatchNorm) and len(shapes[node.name]) == 1:
            # scale = gamma rsqrt(variance + epsilon); x scale + (beta - mean scale)
            flops.update({SUMS: 2 * made, "Rsqrt": 2 * made, "Mul": 3 * made, "Sub": made})
        elif isinstance(node, Mul):
            flops["Mul"] += made
        elif isinstance(node, Add):
            flops[SUMS] += made
        elif isinstance(node, GlobalAveragePool):
            flops["Mean"] += prod(shapes[node.inputs[0]])
        elif isinstance(node, AveragePool):
            flops["AvgPool"] += made * node.size**2
    return dict(flops)


def notebook_flops(graph: Graph) -> int:
    """What the official notebook prints as FLOPs: half of the profile, without sums."""
    return sum(count for kind, count in tensorflow_profile(graph).items() if kind != SUMS) // 2

"""One operation of a network, and what it costs.

A MAC is a multiplication of a convolution or of a product of matrices, with the addition of its result. FLOPs are all
arithmetic: two for a MAC, and for everything else one for each addition, multiplication, division, comparison or
exponential function of one value, as the tables below have it. They are the same for integers. What only moves values,
such as a concatenation, costs none.

Papers on small networks mostly print MACs and call them FLOPs; see :mod:`.tensorflow_profile`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]
"""Of a tensor, without the batch unless something else is said."""

_PER_VALUE = {
    "abs": 1,
    "add": 1,
    "batchnorm": 2,
    "batchnormalization": 2,
    "clip": 2,
    "dequantize": 2,
    "dequantizelinear": 2,
    "div": 1,
    "hardsigmoid": 4,
    "leakyrelu": 2,
    "logistic": 4,
    "max": 1,
    "maximum": 1,
    "min": 1,
    "minimum": 1,
    "mul": 1,
    "neg": 1,
    "prelu": 2,
    "quantize": 2,
    "quantizelinear": 2,
    "relu": 1,
    "relu6": 2,
    "resizebilinear": 9,
    "scale": 1,
    "sigmoid": 4,
    "sub": 1,
}
"""Operations for each value made, by kind, in lower case and without underscores.

A batch normalisation is a factor and an offset; PReLU a comparison and a product; the logistic function a negation, an
exponential, a sum and a division; a hard sigmoid a product, a sum and two cuts; a bilinear pixel three interpolations
a + t (b - a); what is cut to integers a product and a sum.
"""

_MOVING = frozenset(
    {
        "cast",
        "concat",
        "concatenation",
        "depthtospace",
        "dropout",
        "expand",
        "expanddims",
        "flatten",
        "gather",
        "identity",
        "input",
        "pad",
        "padv2",
        "reshape",
        "resizenearest",
        "resizenearestneighbor",
        "shape",
        "slice",
        "split",
        "squeeze",
        "stridedslice",
        "transpose",
        "unsqueeze",
        "upsample2x",
    }
)
_SUMMING = frozenset({"globalaveragepool", "mean", "reducemean"})


@dataclass(frozen=True)
class Operation:
    """An operation of a network, for one picture.

    Attributes:
        name: Of the operation, or of the tensor that it makes.
        kind: As its file calls it, such as ``Conv`` or ``CONV_2D``.
        inputs: Names of the computed tensors that it takes; constants are not among them.
        outputs: Names of the tensors that it makes.
        shape: Of the first of them, without the batch.
        macs: Multiplications of a convolution or of a product of matrices.
        flops: All arithmetic; None for a kind that nobody has counted.
        parameters: Values of its weights.
        weight_bytes: What they take where they are stored.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shape: Shape
    macs: int
    flops: int | None
    parameters: int
    weight_bytes: int


def elementwise_flops(kind: str, made: Shape, taken: Shape, window: int = 1) -> int | None:
    """What an operation without MACs costs; None for a kind that nobody has counted.

    Args:
        kind: In any of the three spellings: ``AveragePool``, ``AVERAGE_POOL_2D``.
        made: Shape of what it makes.
        taken: Shape of what it takes.
        window: Pixels that a pooling looks at for each value.
    """
    plain = kind.replace("_", "").lower()
    if plain in _MOVING:
        return 0
    if plain in _SUMMING:
        return prod(taken)  # one sum less than values, and one division
    if plain in ("averagepool", "averagepool2d"):
        return prod(made) * window
    if plain in ("maxpool", "maxpool2d"):
        return prod(made) * (window - 1)
    return prod(made) * _PER_VALUE[plain] if plain in _PER_VALUE else None

"""float16, which every writer stores weights in where it is asked to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from .graph import FloatArray

HALF_OVERFLOWS = 65520.0
"""The smallest number that IEEE 754 binary16 rounds to infinity: half a step above its largest, 65,504."""

HALF_FADES = 2.0**-14
"""The smallest normal number of binary16: below it, fewer than 11 bits are left."""


def to_half(name: str, values: FloatArray) -> NDArray[np.float16]:
    """Weights as float16.

    Raises:
        ConversionError: One is beyond its range; the message names the weights.
    """
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        raise ConversionError(f"the weights {name!r} go up to {np.abs(values).max():g}, which float16 cannot hold")
    return half

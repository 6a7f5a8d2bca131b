"""float16, which every writer stores weights in where it is asked to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import ConversionError

from .graph import FloatArray


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

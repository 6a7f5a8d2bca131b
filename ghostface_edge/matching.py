"""How alike two faces are, and whether that is enough."""

from __future__ import annotations

from numbers import Real
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from .errors import ModelMismatchError, OptionError
from .types import Face, Template, Threshold, Verification

Comparable = Union[Face, Template]
"""What carries an embedding and the identity of its model."""


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of the angle between vectors along the last axis, in float64, within -1 and 1.

    The result for one pair does not depend on what else is in the arrays, as it would with a matrix product. So equal
    templates get equal similarities, and a gallery search reports the same number as :func:`similarity`.
    """
    result: NDArray[np.float64] = _dot(a, b) / np.sqrt(_dot(a, a) * _dot(b, b))
    return np.minimum(np.maximum(result, -1.0), 1.0)


def _dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    # np.add.reduce is .sum() without its detour through Python, which counts for the few rows of a search.
    total: NDArray[np.float64] = np.add.reduce(np.multiply(a, b, dtype=np.float64), axis=-1)
    return total


def similarity(a: Comparable, b: Comparable) -> float:
    """Cosine similarity of two faces or templates, -1 to 1.

    Raises:
        ModelMismatchError: Their embeddings come from different models.
        OptionError: Not a face or template, or an embedding that is zero or not finite.
    """
    for item in (a, b):
        if not isinstance(item, (Face, Template)):
            raise OptionError(
                f"a comparison takes faces or templates, not {type(item).__name__}: an embedding alone does not tell "
                "its model. Use Template(embedding, model)"
            )
    if a.model.model_id != b.model.model_id or a.embedding.shape != b.embedding.shape:
        raise ModelMismatchError(f"embeddings of different models do not compare: {_origin(a)} and {_origin(b)}")
    for item in (a, b):
        if not (np.isfinite(item.embedding).all() and item.embedding.any()):
            raise OptionError(f"an embedding of model {item.model.model_id!r} is zero or not finite")
    return float(cosine(a.embedding, b.embedding))


def cutoff(threshold: Threshold | float) -> float:
    """The similarity from which on two faces count as the same person.

    Raises:
        OptionError: Not a similarity.
    """
    value: Any = threshold.similarity if isinstance(threshold, Threshold) else threshold
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and -1 <= value <= 1):
        raise OptionError(f"threshold {value!r} is not a similarity between -1 and 1")
    return float(value)


def decide(similarity: float, threshold: Threshold | float) -> Verification:
    """Say whether a similarity is enough.

    Args:
        similarity: Cosine similarity of two faces.
        threshold: A measured threshold, or a similarity of the caller's own, whose false-match rate nobody knows.

    Raises:
        OptionError: The threshold is not a similarity.
    """
    value = cutoff(threshold)
    fmr = threshold.fmr if isinstance(threshold, Threshold) else None
    return Verification(similarity, value, fmr, similarity >= value)


def _origin(item: Comparable) -> str:
    return f"{item.model.model_id!r} ({'x'.join(map(str, item.embedding.shape))} numbers)"

"""How far a written model is from the float network that it was made from, on faces that it was not calibrated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostface_edge.errors import ConversionError


@dataclass(frozen=True)
class Parity:
    """Two models' embeddings of the same faces, compared face by face.

    Attributes:
        faces: Number of faces.
        cosine_mean: Mean over the faces of the cosine between the two embeddings.
        cosine_min: The worst face.
        cosine_p5: The fifth percentile: one face in twenty is below.
        max_abs: Largest difference of one number of an embedding, before normalisation.
    """

    faces: int
    cosine_mean: float
    cosine_min: float
    cosine_p5: float
    max_abs: float

    @classmethod
    def of(cls, reference: ArrayLike, candidate: ArrayLike) -> Parity:
        """Compare embeddings, (N, D) each, before or after normalisation.

        Raises:
            ConversionError: They differ in shape, or there are none, or one is zero, NaN or infinite.
        """
        a, b = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
        if a.shape != b.shape or a.ndim != 2 or not a.size:
            raise ConversionError(f"embeddings of shapes {a.shape} and {b.shape} cannot be compared")
        cosines = cosines_between(a, b)
        if not np.isfinite(cosines).all():
            raise ConversionError("an embedding is zero, NaN or infinite")
        return cls(
            faces=len(cosines),
            cosine_mean=float(cosines.mean()),
            cosine_min=float(cosines.min()),
            cosine_p5=float(np.percentile(cosines, 5)),
            max_abs=float(np.abs(a - b).max()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    def to_text(self) -> str:
        """One line for people."""
        return (
            f"cosine to float on {self.faces} faces: mean {self.cosine_mean:.6f}, 5 % below {self.cosine_p5:.6f}, "
            f"least {self.cosine_min:.6f}; max abs {self.max_abs:.2g}"
        )

    def facts(self) -> dict[str, str]:
        """Rows of the report."""
        return {
            "Cosine to float": (
                f"mean {self.cosine_mean:.6f}; one face in twenty below {self.cosine_p5:.6f}; "
                f"worst {self.cosine_min:.6f}"
            ),
            "Largest difference": f"{self.max_abs:.3g} in one number of an embedding",
        }


@dataclass(frozen=True)
class TensorParity:
    """One tensor of the network, float against integer.

    Attributes:
        name: The tensor.
        sqnr: Signal to quantisation noise, 10 log10(sum x^2 / sum (x - y)^2), in dB, of everything up to here.
        low: Smallest value in float.
        high: Largest value in float.
        channel_spread: Largest range of a channel divided by the median one: what one scale for all has to span.
    """

    name: str
    sqnr: float
    low: float
    high: float
    channel_spread: float

    @classmethod
    def of(cls, name: str, reference: NDArray[Any], candidate: NDArray[Any]) -> TensorParity:
        """Compare one tensor's values, (N, ..., channels)."""
        x, y = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
        noise, signal = np.square(x - y).sum(), np.square(x).sum()
        sqnr = 10 * np.log10(max(signal, 1e-30) / max(noise, 1e-30))
        ranges = np.abs(x).reshape(-1, x.shape[-1]).max(axis=0)
        spread = ranges.max() / max(float(np.median(ranges)), 1e-12)
        return cls(name, float(min(sqnr, 200.0)), float(x.min()), float(x.max()), float(min(spread, 1e9)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


def tensor_parity(
    reference: Mapping[str, NDArray[Any]], candidate: Mapping[str, NDArray[Any]]
) -> tuple[TensorParity, ...]:
    """Compare the tensors that both have, in the order of the reference."""
    return tuple(
        TensorParity.of(name, values, candidate[name]) for name, values in reference.items() if name in candidate
    )


def cosines_between(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of each row of one with the same row of the other, (N,); NaN where a row is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: NDArray[np.float64] = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return result

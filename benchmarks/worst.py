"""The worst errors: what one looks at to find wrong labels, bad photos and look-alikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .enrolment import Enrolment
from .pairs import Pairs
from .photos import Photo

FALSE_MATCH = "false match"
FALSE_NON_MATCH = "false non-match"

_ROWS = 256  # of the similarity matrix at a time


@dataclass(frozen=True)
class WorstError:
    """A comparison that goes wrong at the threshold of a report.

    Attributes:
        kind: :data:`FALSE_MATCH` or :data:`FALSE_NON_MATCH`.
        a: One photo.
        b: The other.
        similarity: Their cosine similarity.
    """

    kind: str
    a: Photo
    b: Photo
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"kind": self.kind, "a": self.a.path, "b": self.b.path, "similarity": self.similarity}


def worst_of_pairs(
    similarities: NDArray[np.float64], pairs: Pairs, enrolled: NDArray[np.bool_], threshold: float, count: int
) -> tuple[WorstError, ...]:
    """The worst errors of a list of pairs; pairs with a photo that was not enrolled are none.

    Args:
        similarities: (P,) one for each pair.
        pairs: The pairs.
        enrolled: (N,) for each photo of the pairs.
        threshold: From which similarity on a comparison says "same person".
        count: How many of each kind, at most.
    """
    compared = enrolled[pairs.a] & enrolled[pairs.b]
    matches = np.flatnonzero(compared & ~pairs.same & (similarities >= threshold))
    misses = np.flatnonzero(compared & pairs.same & (similarities < threshold))
    matches = matches[np.argsort(-similarities[matches], kind="stable")[:count]]
    misses = misses[np.argsort(similarities[misses], kind="stable")[:count]]
    return tuple(
        WorstError(kind, pairs.photos[pairs.a[row]], pairs.photos[pairs.b[row]], float(similarities[row]))
        for kind, rows in ((FALSE_MATCH, matches), (FALSE_NON_MATCH, misses))
        for row in rows
    )


def worst_of_all(faces: Enrolment, threshold: float, count: int) -> tuple[WorstError, ...]:
    """The worst errors among all comparisons of enrolled photos.

    Args:
        faces: The photos.
        threshold: From which similarity on a comparison says "same person".
        count: How many of each kind, at most.
    """
    rows = np.flatnonzero(faces.enrolled)
    photos = [faces.photos[row] for row in rows]
    _, person = np.unique([photo.person for photo in photos], return_inverse=True)
    unit = faces.embeddings[rows].astype(np.float64)
    found: dict[str, list[tuple[float, int, int]]] = {FALSE_MATCH: [], FALSE_NON_MATCH: []}
    for start in range(0, len(photos), _ROWS):
        block = unit[start : start + _ROWS] @ unit[start:].T
        same = person[start : start + _ROWS, None] == person[start:]
        once = np.triu(np.ones(block.shape, dtype=bool), k=1)
        for kind, wrong in (
            (FALSE_MATCH, once & ~same & (block >= threshold)),
            (FALSE_NON_MATCH, once & same & (block < threshold)),
        ):
            a, b = np.nonzero(wrong)
            found[kind] += zip(block[a, b].tolist(), (a + start).tolist(), (b + start).tolist())
            found[kind] = sorted(found[kind], reverse=kind == FALSE_MATCH)[:count]
    return tuple(
        WorstError(kind, photos[a], photos[b], similarity)
        for kind, errors in found.items()
        for similarity, a, b in errors
    )

"""What a reader of trained checkpoints gives, and what all of them share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ghostface_edge.errors import CheckpointError, ConversionError, OptionError, UnsupportedLayerError

from .graph import Graph

HARD_SIGMOIDS = {"keras2": (0.2, 0.5), "keras3": (1 / 6, 0.5)}
"""Slope and offset of what Keras calls ``hard_sigmoid``: clip(slope x + offset, 0, 1).

Keras 2: ``keras/backend.py``, ``hard_sigmoid``. Keras 3: ``keras/src/activations/activations.py``, the same name.
"""


@dataclass(frozen=True)
class Checkpoint:
    """A network as it is in a file.

    Attributes:
        graph: From the node ``input`` to the output ``embedding``.
        left_out: Layers of the file that the embedding does not need, such as a training head.
    """

    graph: Graph
    left_out: tuple[str, ...] = ()


def plain_hard_sigmoid(keras_version: str | None, stated: str | None) -> tuple[float, float] | None:
    """What ``hard_sigmoid`` means in a file: slope and offset, or None where nothing says it.

    Args:
        keras_version: The version of Keras that the file names.
        stated: ``keras2`` or ``keras3``, for a file that names none.

    Raises:
        CheckpointError: A version of Keras that is not read.
        OptionError: ``stated`` does not exist, or contradicts the file.
    """
    if stated is not None and stated not in HARD_SIGMOIDS:
        raise OptionError(f"hard_sigmoid={stated!r} does not exist; choose from: {', '.join(HARD_SIGMOIDS)}")
    if keras_version is None:
        return None if stated is None else HARD_SIGMOIDS[stated]
    said = f"keras{keras_version.split('.', 1)[0]}"
    if said not in HARD_SIGMOIDS:
        raise CheckpointError(f"it was written by Keras {keras_version}; files of Keras 2 and Keras 3 are read")
    if stated not in (None, said):
        raise OptionError(
            f"hard_sigmoid={stated!r} contradicts the file, which was written by Keras {keras_version}: leave it out"
        )
    return HARD_SIGMOIDS[said]


UNKNOWN_HARD_SIGMOID = (
    "uses hard_sigmoid, and the file does not say which Keras wrote it: Keras 2 computes 0.2 x + 0.5, Keras 3 "
    "x / 6 + 0.5. State it: hard_sigmoid='keras2' or 'keras3' (--hard-sigmoid)"
)


@contextmanager
def named_in_errors(label: str) -> Iterator[None]:
    """Puts the name of the file in front of every message, and makes what is wrong with it a CheckpointError."""
    try:
        yield
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(f"{label}: {error}") from error
    except ConversionError as error:
        raise CheckpointError(f"{label}: {error}") from error

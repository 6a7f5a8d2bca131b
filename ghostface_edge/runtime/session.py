"""The ``Session`` protocol, and the checks that every runtime makes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import signatures
from ..card import ModelCard
from ..errors import ModelCardError, ModelFileError, ModelInputError, OptionError

FloatArray = NDArray[np.float32]

LARGEST_FILE = 1 << 30
"""A model file beyond 1 GiB is no face network; refusing it keeps a wrong path from filling the memory."""

MOST_THREADS = 256
"""More threads than any of these networks can use; a hundred thousand would hang the machine."""


class Session(Protocol):
    """A loaded model. Safe to share between threads.

    Attributes:
        card: The card that travels in the model's file.
        file: Name of the file, without folders.
        sha256: Of the file's bytes, hexadecimal.
        runtime: Name of the runtime, one of :data:`~ghostface_edge.runtime.RUNTIMES`.
        version: The runtime library and its version, for reports.
        threads: Number of threads that one call may use.
    """

    card: ModelCard
    file: str
    sha256: str
    runtime: str
    version: str
    threads: int

    def run(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        """Run the model on one float32 tensor in the card's layout; outputs are float32 in the model's order.

        Raises:
            ModelInputError: The tensor has the wrong dtype or shape.
            InferenceError: The runtime failed.
        """
        ...


def read_model(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a model file, refused where they cannot be one.

    Raises:
        ModelFileError: Missing, unreadable, empty, too large, a Git LFS pointer or a Keras checkpoint.
    """
    path = Path(os.fsdecode(path))
    try:
        if not path.is_file():
            raise ModelFileError(f"no model file at {path}")
        if path.stat().st_size > LARGEST_FILE:
            raise ModelFileError(f"{path} is larger than 1 GiB: that is no face model")
        data = path.read_bytes()
    except ModelFileError:
        raise
    except (OSError, ValueError) as error:
        raise ModelFileError(f"cannot read the model file {path}: {error}") from error
    if not data:
        raise ModelFileError(f"the model file {path} is empty")
    if data.startswith(signatures.GIT_LFS):
        raise ModelFileError(
            f"{path} is a Git LFS pointer, not the model itself: run 'git lfs pull' where it came from"
        )
    if data.startswith(signatures.HDF5):
        raise ModelFileError(
            f"{path} is a training checkpoint; convert it first: ghostface-edge convert {path.name} -o DIR"
        )
    return data


@contextmanager
def naming(model: str) -> Iterator[None]:
    """Put the model's name before what is wrong with it."""
    try:
        yield
    except (ModelFileError, ModelCardError) as error:
        raise type(error)(f"{model}: {error}") from error


def thread_count(threads: int | None) -> int:
    """The number of threads that was asked for, or the default.

    Raises:
        OptionError: Not a whole number from 1 to :data:`MOST_THREADS`.
    """
    if threads is None:
        return default_threads()
    if not isinstance(threads, Integral) or isinstance(threads, bool) or not 1 <= threads <= MOST_THREADS:
        raise OptionError(f"threads={threads!r} is not a number of threads: use 1 to {MOST_THREADS}")
    return int(threads)


def default_threads() -> int:
    """The CPUs that this process may use, at most 4: these networks are too small to gain from more."""
    return min(usable_cpus(), 4)


def usable_cpus() -> int:
    """The CPUs that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def check_input(tensor: Any, shape: tuple[int | None, ...], name: str) -> None:
    """Refuse a tensor that a model does not take; None in ``shape`` stands for any size of at least 1.

    Raises:
        ModelInputError: Wrong type, dtype or shape.
    """
    if not isinstance(tensor, np.ndarray) or tensor.dtype != np.float32:
        found = tensor.dtype if isinstance(tensor, np.ndarray) else type(tensor).__name__
        raise ModelInputError(f"{name} takes a float32 array, got {found}")
    fits = tensor.ndim == len(shape) and all(
        have >= 1 and want in (None, have) for have, want in zip(tensor.shape, shape)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ModelInputError(f"{name} takes an input of shape ({wanted}), got {tensor.shape}")

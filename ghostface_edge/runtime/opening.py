"""How a model file finds the runtime that runs it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from ..card import ModelCard, read_card, write_card
from ..errors import OptionError
from .session import Session, naming, read_model, thread_count
from .tflite_card import is_tflite, read_tflite_card, write_tflite_card

RUNTIMES = {"onnx": "onnx", "litert": "tflite"}
"""Names that ``--runtime`` takes, and the file format that each runs: ONNX Runtime, and LiteRT or tflite-runtime."""

MODEL_ENDINGS = tuple(f".{format}" for format in RUNTIMES.values())
"""Of files that run as they are, if a model card is in them."""

_PREFERENCE = {"ai_edge_litert": "litert", "onnxruntime": "onnx", "tflite_runtime": "litert"}
"""Packages, best first, and the runtime that each is.

LiteRT runs GhostFaceNets in 0.6 of ONNX Runtime's time, and YuNet in 0.8 of its instructions on a Cortex-A76; for YuNet
on a CPU with AVX-512, see :mod:`ghostface_edge.choice`. tflite-runtime comes last, because it cannot write the files
that it runs.
"""


def installed_runtimes() -> tuple[str, ...]:
    """The runtimes that are installed, the best first; ``litert`` where there is none, so that an error names it."""
    found = [runtime for package, runtime in _PREFERENCE.items() if find_spec(package) is not None]
    return tuple(dict.fromkeys(found)) or ("litert",)


def default_runtime() -> str:
    """What runs a model where neither the user nor a file says: the best runtime that is installed."""
    return installed_runtimes()[0]


def file_format(runtime: str | None) -> str:
    """The file format for a runtime, by default for :func:`default_runtime`.

    Raises:
        OptionError: An unknown runtime.
    """
    runtime = default_runtime() if runtime is None else runtime
    if runtime not in RUNTIMES:
        raise OptionError(f"runtime {runtime!r} is none of {', '.join(RUNTIMES)}")
    return RUNTIMES[runtime]


def open_session(path: str | os.PathLike[str], *, runtime: str | None = None, threads: int | None = None) -> Session:
    """Open a model file with the runtime for its format.

    Args:
        path: An ``.onnx`` or ``.tflite`` file with a model card in it.
        runtime: ``onnx`` or ``litert``; by default the one that the file's format needs.
        threads: Threads of one inference; by default :func:`default_threads`.

    Raises:
        ModelFileError: Missing, unreadable, damaged, a Git LFS pointer, or no model.
        ModelCardError: The file holds no model card.
        RuntimeMissingError: The runtime is not installed.
        OptionError: An unknown runtime, one that cannot run this format, or a senseless number of threads.
    """
    if runtime is not None:
        file_format(runtime)  # a wrong name is said before a file is read
    threads = thread_count(threads)
    return load_session(read_model(path), Path(path).name, runtime=runtime, threads=threads)


def load_session(data: bytes, name: str, *, runtime: str | None = None, threads: int | None = None) -> Session:
    """Open a model that is in memory; otherwise as :func:`open_session`. Messages begin with ``name``."""
    threads = thread_count(threads)
    required = None if runtime is None else file_format(runtime)
    wanted = "litert" if is_tflite(data) else "onnx"
    if required not in (None, RUNTIMES[wanted]):
        raise OptionError(
            f"runtime {runtime!r} does not run {name}, {'a TFLite' if is_tflite(data) else 'an ONNX'} file"
        )
    if wanted == "litert":
        from .litert import LiteRTSession

        return LiteRTSession(data, threads=threads, name=name)
    from .onnx import OnnxSession

    return OnnxSession(data, threads=threads, name=name)


def read_model_card(data: bytes, name: str) -> ModelCard:
    """The card of a model file of either format, after its seal was checked; messages begin with ``name``.

    Raises:
        ModelFileError: No model, or its bytes are not the ones that were sealed.
        ModelCardError: The file has no card, or a senseless one.
    """
    with naming(name):
        return read_tflite_card(data) if is_tflite(data) else read_card(data)


def replace_model_card(data: bytes, card: ModelCard, name: str) -> bytes:
    """A model file of either format with another card, sealed anew; every byte of the network stays.

    Raises:
        ModelFileError: No model, or its bytes are not the ones that were sealed; the message begins with ``name``.
        ModelCardError: The file has no card that could be replaced, or a senseless one.
    """
    read_model_card(data, name)  # a new seal must not make a damaged file a good one
    with naming(name):
        return write_tflite_card(data, card) if is_tflite(data) else write_card(data, card)

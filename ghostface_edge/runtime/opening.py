"""How a model file finds the runtime that runs it."""

from __future__ import annotations

import os
from pathlib import Path

from ..card import ModelCard, read_card
from ..errors import OptionError
from .session import Session, naming, read_model, thread_count
from .tflite_card import is_tflite, read_tflite_card

RUNTIMES = {"onnx": "onnx", "litert": "tflite"}
"""Names that ``--runtime`` takes, and the file format that each runs: ONNX Runtime, and LiteRT or tflite-runtime."""


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
    _check_runtime(runtime)
    threads = thread_count(threads)
    return load_session(read_model(path), Path(path).name, runtime=runtime, threads=threads)


def load_session(data: bytes, name: str, *, runtime: str | None = None, threads: int | None = None) -> Session:
    """Open a model that is in memory; otherwise as :func:`open_session`. Messages begin with ``name``."""
    _check_runtime(runtime)
    threads = thread_count(threads)
    wanted = "litert" if is_tflite(data) else "onnx"
    if runtime not in (None, wanted):
        raise OptionError(
            f"runtime {runtime!r} does not run {name}, {'a TFLite' if is_tflite(data) else 'an ONNX'} file"
        )
    if wanted == "litert":
        from .litert import LiteRTSession

        return LiteRTSession(data, threads=threads, name=name)
    from .onnx import OnnxSession

    return OnnxSession(data, threads=threads, name=name)


def _check_runtime(runtime: str | None) -> None:
    if runtime is not None and runtime not in RUNTIMES:
        raise OptionError(f"runtime {runtime!r} is none of {', '.join(RUNTIMES)}")


def read_model_card(data: bytes, name: str) -> ModelCard:
    """The card of a model file of either format, after its seal was checked; messages begin with ``name``.

    Raises:
        ModelFileError: No model, or its bytes are not the ones that were sealed.
        ModelCardError: The file has no card, or a senseless one.
    """
    with naming(name):
        return read_tflite_card(data) if is_tflite(data) else read_card(data)

"""LiteRT, or its predecessor tflite-runtime, as a :class:`~ghostface_edge.runtime.Session`."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from importlib import import_module
from math import prod
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InferenceError, ModelFileError, RuntimeMissingError
from .session import FloatArray, check_input, naming
from .tflite_card import read_tflite_card

_DTYPES = (np.float32, np.int8, np.uint8, np.int16)
"""What may go in and come out; the integers are quantised numbers."""

_PACKAGES = ("ai_edge_litert", "tflite_runtime")
"""In order of preference; tflite-runtime is the only one for 32-bit ARM."""

_KEPT, _KEPT_PIXELS = 32, 2 * 1280 * 960
"""Interpreters that a session keeps between calls, and the pixels that their inputs have together.

Preparing YuNet for a size takes two to five times as long as running it once (LiteRT 2.3, x86-64: 0.6 ms for 96 x 96
pixels, 30 for 640 x 640), and its memory grows with the pixels (30 MB for 640 x 640). So all small sizes are kept that
the photos of a folder lead to, and of the large ones those of one camera: the frame, and twice that where it shows no
face.
"""


class LiteRTSession:
    """A ``.tflite`` file on LiteRT with XNNPACK.

    Quantised inputs and outputs are converted here: callers see float32. An interpreter holds the tensors of one call
    at one picture size; each call takes one for itself, so that threads do not wait for each other and the sizes that
    were used last, of a network that leaves height and width open, need no preparation.

    Args:
        data: The file's bytes.
        threads: Threads of one inference.
        name: What messages call the model.

    Raises:
        RuntimeMissingError: Neither ai-edge-litert nor tflite-runtime is installed.
        ModelFileError: The bytes are damaged, no TFLite model, or one with several inputs, or with numbers going in or
            out that are neither float32 nor quantised.
        ModelCardError: The file holds no model card.
    """

    runtime = "litert"

    def __init__(self, data: bytes, *, threads: int, name: str) -> None:
        package, interpreter = _interpreter(name)
        with naming(name):
            self.card = read_tflite_card(data)
        self.file, self.sha256 = name, hashlib.sha256(data).hexdigest()
        self.threads = threads
        self.version = f"{package.__name__} {getattr(package, '__version__', 'of unknown version')}"
        self._lock = threading.Lock()
        self._new = partial(interpreter.Interpreter, model_content=data, num_threads=threads)
        try:
            first = self._new()
            first.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"LiteRT cannot load {name}: {error}") from error
        inputs = first.get_input_details()
        if len(inputs) != 1:
            raise ModelFileError(f"{name} has {len(inputs)} inputs; a face model has one")
        self._input, self._outputs = inputs[0], first.get_output_details()
        for tensor in (*inputs, *self._outputs):
            _check_tensor(tensor, name)
        batch, *sides = (int(size) for size in self._input["shape"])
        if batch != 1:
            raise ModelFileError(f"{name} is built for batches of {batch}; a face model takes one picture at a time")
        _, *declared = (int(size) for size in self._input["shape_signature"])
        self._shape = (None, *(None if size < 0 else size for size in declared))
        # Each with the shape of its input; oldest first.
        self._idle: list[tuple[tuple[int, ...], Any]] = [((batch, *sides), first)]

    def run(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        """Run the model; see :meth:`ghostface_edge.runtime.Session.run`. A batch runs picture by picture."""
        check_input(tensor, self._shape, self.file)
        shape = (1, *tensor.shape[1:])
        try:
            interpreter = self._take(shape)
            rows = [self._one(interpreter, tensor[index : index + 1]) for index in range(len(tensor))]
        except (ValueError, RuntimeError) as error:  # an interpreter that failed is not kept
            raise InferenceError(f"LiteRT failed on {self.file}: {error}") from error
        with self._lock:
            self._idle.append((shape, interpreter))
            while len(self._idle) > 1 and self._is_full():
                del self._idle[0]
        return tuple(rows[0] if len(rows) == 1 else map(np.concatenate, zip(*rows)))

    def _take(self, shape: tuple[int, ...]) -> Any:
        """An interpreter for inputs of this shape, idle or made ready; the caller's alone."""
        with self._lock:
            fitting = [index for index, (ready, _) in enumerate(self._idle) if ready == shape]
            if fitting:
                return self._idle.pop(fitting[-1])[1]
            oldest = self._idle.pop(0)[1] if self._idle and self._is_full(shape) else None
        interpreter = self._new() if oldest is None else oldest
        interpreter.resize_tensor_input(self._input["index"], shape)
        interpreter.allocate_tensors()
        return interpreter

    def _is_full(self, *more: tuple[int, ...]) -> bool:
        """Whether idle interpreters, and one more, are more than are kept."""
        shapes = [*(shape for shape, _ in self._idle), *more]
        return len(shapes) > _KEPT or sum(prod(shape[1:3]) for shape in shapes) > _KEPT_PIXELS

    def _one(self, interpreter: Any, tensor: FloatArray) -> list[FloatArray]:
        interpreter.set_tensor(self._input["index"], quantised(tensor, self._input))
        interpreter.invoke()
        return [dequantised(interpreter.get_tensor(output["index"]), output) for output in self._outputs]


def _check_tensor(detail: dict[str, Any], name: str) -> None:
    """Refuse an input or output that cannot be converted from or to float32."""
    dtype, (scale, _) = np.dtype(detail["dtype"]), detail["quantization"]
    if dtype not in _DTYPES:
        raise ModelFileError(f"{name} takes or gives {dtype} ({detail['name']}), which no face model does")
    if dtype != np.float32 and not scale > 0:
        raise ModelFileError(f"{name} does not say what the {dtype} numbers of {detail['name']} stand for")


def quantised(tensor: FloatArray, detail: dict[str, Any]) -> NDArray[Any]:
    """A float32 tensor in the type that a model's input has.

    ``q = round(x / scale) + zero_point``, clipped to the type (TFLite 8-bit quantisation specification).
    """
    dtype = np.dtype(detail["dtype"])
    if dtype == np.float32:
        return tensor
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(dtype)
    steps = np.rint(tensor / np.float32(scale)) + zero_point
    result: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(dtype)
    return result


def dequantised(values: NDArray[Any], detail: dict[str, Any]) -> FloatArray:
    """The float32 numbers that a model's output stands for: ``(q - zero_point) * scale``."""
    if values.dtype == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    result: FloatArray = (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
    return result


def _interpreter(name: str) -> tuple[ModuleType, ModuleType]:
    for package in _PACKAGES:
        try:
            return import_module(package), import_module(f"{package}.interpreter")
        except ImportError:
            continue
    raise RuntimeMissingError(
        f'{name} needs LiteRT, which is not installed: pip install "ghostface-edge[litert]", '
        'or "ghostface-edge[tflite]" on a 32-bit Raspberry Pi'
    )

"""LiteRT, or its predecessor tflite-runtime, as a :class:`~ghostface_edge.runtime.Session`."""

from __future__ import annotations

import threading
from importlib import import_module
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


class LiteRTSession:
    """A ``.tflite`` file on LiteRT with XNNPACK.

    Quantised inputs and outputs are converted here: callers see float32. The interpreter holds the tensors of a call,
    so calls from several threads wait for each other.

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
        self.threads = threads
        self.version = f"{package.__name__} {getattr(package, '__version__', 'of unknown version')}"
        self._name = name
        self._lock = threading.Lock()
        try:
            self._interpreter = interpreter.Interpreter(model_content=data, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"LiteRT cannot load {name}: {error}") from error
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1:
            raise ModelFileError(f"{name} has {len(inputs)} inputs; a face model has one")
        self._input, self._outputs = inputs[0], self._interpreter.get_output_details()
        for tensor in (*inputs, *self._outputs):
            _check_tensor(tensor, name)
        batch, *rest = (int(size) for size in self._input["shape"])
        if batch != 1:
            raise ModelFileError(f"{name} is built for batches of {batch}; a face model takes one picture at a time")
        self._shape = (None, *rest)

    def run(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        """Run the model; see :meth:`ghostface_edge.runtime.Session.run`. A batch runs picture by picture."""
        check_input(tensor, self._shape, self._name)
        with self._lock:
            rows = [self._one(tensor[index : index + 1]) for index in range(len(tensor))]
        return tuple(np.concatenate(parts) for parts in zip(*rows))

    def _one(self, tensor: FloatArray) -> list[FloatArray]:
        try:
            self._interpreter.set_tensor(self._input["index"], quantised(tensor, self._input))
            self._interpreter.invoke()
            raw = [self._interpreter.get_tensor(output["index"]) for output in self._outputs]
        except (ValueError, RuntimeError) as error:
            raise InferenceError(f"LiteRT failed on {self._name}: {error}") from error
        return [dequantised(values, output) for values, output in zip(raw, self._outputs)]


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

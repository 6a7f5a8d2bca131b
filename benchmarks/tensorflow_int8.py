"""TensorFlow's own int8 conversion of a checkpoint, for comparison with ours: as its documentation shows it.

"Post-training integer quantization" (tensorflow.org/lite): ``Optimize.DEFAULT`` with a representative data set. It runs
in a process of its own, so that TensorFlow's threads and memory are gone when the result is timed.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.catalog import KNOWN_MODELS
from ghostface_edge.errors import ConversionError, RuntimeMissingError

MISSING = (
    "TensorFlow and tf_keras (Keras 2, in which the checkpoints were written) are not installed: "
    "pip install tensorflow-cpu tf_keras"
)

_PACKAGES = ("tensorflow", "tf_keras", "h5py")
_SECONDS = 900.0

# -I: nothing from the current folder or the environment; the child sees exactly the packages that its parent sees.
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from ghostface_edge.benchmarks.tensorflow_int8 import convert_here; convert_here(*sys.argv[2:])"
)


def tensorflow_int8(source: Path, pictures: NDArray[np.float32], output: Path) -> Path:
    """Convert a published checkpoint with TensorFlow.

    Args:
        source: A Keras 2 checkpoint. Only the published ones: Keras executes code that a checkpoint holds.
        pictures: (N, height, width, 3) float32, as the network takes them: the representative data set.
        output: Where the ``.tflite`` file is written. Float goes in and comes out; within it is int8.

    Raises:
        RuntimeMissingError: TensorFlow is not installed.
        ConversionError: Another checkpoint, or TensorFlow fails.
    """
    if any(find_spec(package) is None for package in _PACKAGES):
        raise RuntimeMissingError(MISSING)
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    if source.suffix != ".h5" or sha256 not in {entry.sha256 for entry in KNOWN_MODELS}:
        raise ConversionError(f"{source.name} is no published checkpoint, and Keras executes code that a file holds")
    np.save(output.with_suffix(".npy"), pictures)
    words = (json.dumps(sys.path), str(source), str(output.with_suffix(".npy")), str(output))
    try:
        done = subprocess.run(  # noqa: S603 - this very interpreter, and code of this file
            [sys.executable, "-I", "-c", _CHILD, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConversionError(f"TensorFlow's converter did not run to its end: {error}") from error
    if done.returncode or not output.is_file():
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ConversionError(f"TensorFlow's converter failed: {last}")
    return output


def convert_here(source: str, pictures: str, output: str) -> None:
    """The conversion, in this process."""
    os.environ.update(TF_USE_LEGACY_KERAS="1", CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")
    tf, tf_keras, h5py = (import_module(package) for package in _PACKAGES)
    with h5py.File(source) as file:
        description = json.loads(file.attrs["model_config"])
    # In float32, whatever policy it was saved with.
    model = tf_keras.models.model_from_json(json.dumps(_without_policy(description)))
    model.load_weights(source)
    model = tf_keras.Model(model.inputs, model.get_layer("embedding").output)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture[None]] for picture in np.load(pictures))
    Path(output).write_bytes(converter.convert())


def _without_policy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "float32" if key == "dtype" else _without_policy(item) for key, item in value.items()}
    return [_without_policy(item) for item in value] if isinstance(value, list) else value

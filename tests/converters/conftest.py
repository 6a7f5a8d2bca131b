"""Generators of checkpoints, and a helper that runs a model on ONNX Runtime."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

HERE = Path(__file__).parent


def _module(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def keras2() -> ModuleType:
    """The module that writes Keras 2 checkpoints."""
    pytest.importorskip("h5py")
    return _module("keras2_fixture")


@pytest.fixture(scope="session")
def keras3() -> ModuleType:
    """The module that writes the other forms of Keras."""
    pytest.importorskip("h5py")
    return _module("keras3_fixture")


@pytest.fixture(scope="session")
def yunet_like() -> ModuleType:
    """The module that writes YuNet-like ONNX files."""
    pytest.importorskip("onnx")
    return _module("yunet_fixture")


@pytest.fixture(scope="session")
def small_checkpoint(keras2: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GhostFaceNetV1 of four bottlenecks with every kind of layer, 32 x 32, random weights."""
    path = tmp_path_factory.mktemp("checkpoint") / "small.h5"
    return keras2.ghostface(blocks=[0, 1, 2, 3]).save(path, "embedding")


@pytest.fixture(scope="session")
def on_onnxruntime() -> Callable[..., dict[str, np.ndarray]]:
    """Runs the bytes of an ONNX model on one thread; outputs by name."""
    onnxruntime = pytest.importorskip("onnxruntime")

    def run(model: bytes, tensor: np.ndarray) -> dict[str, np.ndarray]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_outputs()]
        return dict(zip(names, session.run(names, {session.get_inputs()[0].name: tensor.astype(np.float32)})))

    return run

"""Generators of checkpoints, and a helper that runs a model on ONNX Runtime."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ghostface_edge.alignment import align
from ghostface_edge.converters.faces import Faces, read_faces
from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.engine import FaceEngine
from ghostface_edge.image import Image

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
def random_graph() -> Callable[..., Graph]:
    """Makes a random network of every kind of node, from a seed."""
    make: Callable[..., Graph] = _module("random_graph").random_graph
    return make


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """Asserts that two networks compute the same outputs, by the interpreter; ``tolerance`` is relative."""

    def check(before: Graph, after: Graph, tolerance: float = 1e-5, batch: int = 2) -> None:
        picture = before.input
        x = np.random.default_rng(9).normal(size=(batch, picture.height, picture.width, picture.channels))
        old, new = interpret(before, x), interpret(after, x)
        assert before.outputs == after.outputs
        for name in before.outputs:
            np.testing.assert_allclose(new[name], old[name], rtol=0, atol=tolerance * np.abs(old[name]).max())

    return check


@pytest.fixture(scope="session")
def face_tensor(shared: Path) -> Callable[[int], np.ndarray]:
    """The middle 112 x 112 pixels of so many photos of the calibration folder, as a network takes them."""

    def load(count: int) -> np.ndarray:
        paths = sorted((shared / "calibration").glob("*.jpg"))[::7][:count]
        crops = np.stack([Image.open(path).pixels[69:181, 69:181] for path in paths])
        return (crops.astype(np.float32) - 127.5) / 128

    return load


@pytest.fixture(scope="session")
def aligned_faces(shared: Path, real_engine: FaceEngine) -> np.ndarray:
    """The faces of every third photo of the calibration folder, aligned, as a network takes them."""
    crops = []
    for path in sorted((shared / "calibration").glob("*.jpg"))[::3]:
        photo = Image.open(path)
        found = real_engine.detect(photo)
        if found:
            crops.append(align(photo, found[0].landmarks))
    return (np.stack(crops).astype(np.float32) - 127.5) / 128


@pytest.fixture(scope="session")
def real_checkpoint(shared: Path) -> Graph:
    """The network of the official W0.5-S2 checkpoint as it is read."""
    path = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    return read_keras_h5(path.read_bytes(), str(path))


@pytest.fixture(scope="session")
def small_checkpoint(keras2: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GhostFaceNetV1 of four bottlenecks with every kind of layer, 32 x 32, random weights."""
    path = tmp_path_factory.mktemp("checkpoint") / "small.h5"
    return keras2.ghostface(blocks=[0, 1, 2, 3]).save(path, "embedding")


@pytest.fixture(scope="session")
def small_checkpoint_graph(small_checkpoint: Path) -> Graph:
    """The network of the small checkpoint as it is read."""
    return read_keras_h5(small_checkpoint.read_bytes(), str(small_checkpoint))


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


@pytest.fixture(scope="session")
def exported() -> ModuleType:
    """The module that writes ONNX embedders as other exporters do."""
    pytest.importorskip("onnx")
    return _module("onnx_fixture")


@pytest.fixture(scope="session")
def face_folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 192 photos of people, for calibration."""
    folder = tmp_path_factory.mktemp("photos")
    for path in sorted((shared / "calibration").glob("*.jpg"))[::8][:192]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def some_faces(face_folder: Path, real_engine: FaceEngine) -> Faces:
    """The aligned faces of that folder."""
    return read_faces(face_folder, detector=real_engine.detector)

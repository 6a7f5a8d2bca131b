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
from ghostface_edge.card import ModelCard
from ghostface_edge.converters import convert
from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.faces import Faces, read_faces
from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.lowering import int8_graph
from ghostface_edge.converters.preparation import embedder_graph
from ghostface_edge.converters.quantization import Affine, Quantization
from ghostface_edge.converters.ranges import choose_ranges
from ghostface_edge.converters.tflite_writer import write_tflite
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


# -- written files, for other runtimes than the one that is installed here

Models = dict[str, tuple[bytes, np.ndarray]]
"""By a name that ends in the precision: a TFLite file, and pictures for it."""

FLOAT, INTEGER = ("float32", "float16"), ("dynamic", "int8", "int16x8")


@pytest.fixture(scope="session")
def random_models(
    make_card: Callable[..., ModelCard], yunet_like: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Models:
    """Networks with random weights: both versions of GhostFaceNet, and a small YuNet of open size."""
    random, models = np.random.default_rng(5), {}
    pictures = random.uniform(-1, 1, (4, 112, 112, 3)).astype(np.float32)

    def write(name: str, graph: Graph, precision: str, quantization: Quantization | None = None) -> None:
        card = make_card(embedding_size=512, precision=precision)
        models[f"{name}_{precision}"] = write_tflite(graph, card, quantization), pictures

    version_1 = architecture("ghostfacenet-v1-0.5-2")
    for precision in (*FLOAT, "dynamic"):
        write("v1", embedder_graph(version_1, "native"), precision)
    integers = int8_graph(version_1)
    statistics = channel_statistics(integers, pictures)
    for precision, bits in (("int8", 8), ("int16x8", 16)):
        ranges = choose_ranges(integers, pictures, statistics, Affine.over(-1, 1, bits), bits=bits)
        write("v1", integers, precision, ranges)
    write("v2", embedder_graph(architecture("ghostfacenet-v2-1.0-2"), "native"), "float32")
    source = tmp_path_factory.mktemp("yunet_like") / "yunet.onnx"
    source.write_bytes(yunet_like.yunet().SerializeToString())
    for precision in FLOAT:
        made = convert(source, source.parent, to="tflite", precision=precision)
        photo = random.uniform(0, 255, (1, 96, 160, 3)).astype(np.float32)
        models[f"yunet_{precision}"] = made.path.read_bytes(), photo
    return models


@pytest.fixture(scope="session")
def official_models(
    shared: Path, face_tensor: Callable[[int], np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Models:
    """The official GhostFaceNet with eight faces, and YuNet with a photo."""
    folder, models = tmp_path_factory.mktemp("official"), {}
    photo = Image.open(min((shared / "calibration").glob("*.jpg"))).pixels[None, :224, :192].astype(np.float32)
    for name, precisions, source, pictures in (
        ("w0.5_s2", (*FLOAT, *INTEGER), "models/GN_W0.5_S2_ArcFace_epoch16.h5", face_tensor(8)),
        ("yunet", FLOAT, "detectors/face_detection_yunet_2023mar.onnx", photo),
    ):
        for precision in precisions:
            made = convert(shared / source, folder, to="tflite", precision=precision)
            models[f"{name}_{precision}"] = made.path.read_bytes(), pictures
    return models


@pytest.fixture
def compare(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Asserts that the outputs of a file are as near as its precision allows, and says past pytest how near they are.

    Float: the largest difference as a share of the largest number. Integers: the least cosine of all pictures.
    """

    def check(name: str, wanted: list[np.ndarray], found: list[np.ndarray], float_limit: float, cosine: float) -> None:
        assert [array.shape for array in found] == [array.shape for array in wanted]
        pairs = list(zip(wanted, found))
        if name.endswith(INTEGER):
            least = min(
                np.min((a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))) for a, b in pairs
            )
            line, is_near = f"least cosine {least:.4f}", least >= cosine
        else:
            largest = max(np.abs(a - b).max() / np.abs(a).max() for a, b in pairs)
            line, is_near = f"apart by {largest:.1e}", largest <= float_limit
        with capsys.disabled():
            sys.stdout.write(f"\n    {name}: {line}")
        assert is_near, f"{name}: {line}"

    return check

"""What is evaluated, and what reports say of it."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest

from ghostface_edge.benchmarks.system import System, SystemInfo
from ghostface_edge.errors import OptionError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.types import Detection, ModelIdentity


class Blind:
    """Finds nothing."""

    name = "blind"

    def detect(self, image: Image) -> list[Detection]:
        return []


def test_an_engine_is_made_as_the_system_says(tiny_embedder: Path) -> None:
    system = System(str(tiny_embedder), runtime="onnx", flip=True, max_pixels=99)
    engine = pickle.loads(pickle.dumps(system)).engine(threads=1, detector=Blind())  # noqa: S301 - our own bytes
    assert engine.model == ModelIdentity("linear-1", "float32", "blind+flip")
    assert (engine.embedder.session.threads, engine.max_pixels) == (1, 99)
    with pytest.raises(OptionError, match="precision='int8'"):
        System(str(tiny_embedder), precision="int8").engine(detector=Blind())
    with pytest.raises(OptionError, match="detector 'nosuch' is none of"):
        System(str(tiny_embedder), "nosuch").engine()


def test_what_ran_is_told_with_the_hash_of_its_file(tiny_embedder: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    info = SystemInfo.of(System(str(tiny_embedder)).engine(detector=Blind()))
    assert info.to_dict() == {
        "model": {"model_id": "linear-1", "precision": "float32", "detector": "blind"},
        "name": "linear",
        "source_sha256": "0" * 64,
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "file": "tiny.onnx",
        "file_sha256": hashlib.sha256(tiny_embedder.read_bytes()).hexdigest(),
        "detector": "",
    }
    assert info.label == f"linear float32, blind, onnxruntime {onnxruntime.__version__}"


@pytest.mark.parametrize(
    ("detector", "said"), [("yunet+flip", "yunet+flip"), ("", "aligned"), ("+flip", "aligned+flip")]
)
def test_labels(detector: str, said: str) -> None:
    info = SystemInfo(ModelIdentity("id", "int8", detector), "net", "0" * 64, "LiteRT 2", "net.tflite", "1" * 64)
    assert info.label == f"net int8, {said}, LiteRT 2"


@pytest.mark.parametrize(
    ("asked", "ran", "said"),
    [
        ("yunet:1280", "yunet", "yunet:1280"),
        ("scrfd:/some/where/scrfd_kps.onnx", "scrfd+flip", "scrfd:scrfd_kps.onnx+flip"),
        ("yunet", "yunet", "yunet"),
        ("yunet:1280", "yunet-opencv", "yunet-opencv"),  # what it falls back to
        ("yunet:1280", "", "aligned"),
        ("yunet:1280", "given landmarks", "given landmarks"),
    ],
)
def test_labels_say_the_size_or_the_file_of_a_detector(asked: str, ran: str, said: str) -> None:
    info = SystemInfo(ModelIdentity("id", "int8", ran), "net", "0" * 64, "LiteRT 2", "net.tflite", "1" * 64)
    assert info.asked(System(detector=asked)).label == f"net int8, {said}, LiteRT 2"


@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_real_files_are_told_by_name_and_hash(real_store: ModelStore, runtime: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime", "litert": "ai_edge_litert"}[runtime])
    engine = System(runtime=runtime).engine(threads=1)
    info = SystemInfo.of(engine)
    path = real_store.resolve("ghostfacenet-w0.5-s2", format={"onnx": "onnx", "litert": "tflite"}[runtime])
    assert info.file == path.name
    assert info.file_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert info.source_sha256 == "2beca52a2aeadfa81ed5ebab35e2a58f7c79e3c1ffda80a31511861870151715"
    assert info.label.startswith("ghostfacenet-w0.5-s2 float32, yunet, ")

"""Who takes part embeds the same face and finds the same faces; who is missing says what to do. Nothing is timed."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.alignment import align
from ghostface_edge.benchmarks import embedding_peers as embedding_module
from ghostface_edge.benchmarks import tensorflow_int8 as tensorflow_module
from ghostface_edge.benchmarks.contenders import Absent, Contender, Peer
from ghostface_edge.benchmarks.embedding_peers import BareTFLiteSession, OpenCVSession
from ghostface_edge.benchmarks.peers import load_peers
from ghostface_edge.benchmarks.tensorflow_int8 import MISSING, tensorflow_int8
from ghostface_edge.converters.convert import convert
from ghostface_edge.detection.view import View
from ghostface_edge.embedding import Embedder
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import (
    ConversionError,
    ImageError,
    InferenceError,
    ModelFileError,
    NoFaceError,
    OptionError,
    RuntimeMissingError,
)
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore

FORMS = ("(tflite)", "(onnx, PReLU lowered)", "(onnx, PRelu operator)", "(onnx, channels first)")


@pytest.fixture
def checkpoint(shared: Path) -> Path:
    return shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"


@pytest.fixture
def photo(shared: Path) -> Path:
    return shared / "photos" / "img14.jpg"


def _parted(peers: tuple[Peer, ...]) -> tuple[dict[str, Contender], dict[str, str]]:
    """Contenders by name and runtime, and the reasons of the absent."""
    contenders = {
        f"{peer.subject.name}, {peer.subject.runtime.split()[0]}": peer for peer in peers if isinstance(peer, Contender)
    }
    return contenders, {peer.name: peer.reason for peer in peers if isinstance(peer, Absent)}


def _hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Make packages look as if they were not installed."""
    for package in packages:
        for module in (package, *(name for name in sys.modules if name.startswith(f"{package}."))):
            monkeypatch.setitem(sys.modules, module, None)


def test_the_same_network_on_every_runtime(
    real_models: ModelStore, real_engine: FaceEngine, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    contest = load_peers(photo, groups=["embed"], threads=1, store=real_models)
    contenders, absent = _parted(contest.peers)
    assert [name.partition(" ")[2] for name in contenders] == [
        f"{form}, {runtime}" for form, runtime in zip(FORMS, ("ai_edge_litert", "onnxruntime", "onnxruntime", "OpenCV"))
    ]
    assert set(absent) == {"tflite-runtime", "TensorFlow's int8 conversion"}
    # What a contender is timed at is the embedding of the photo's face as the engine has it.
    image = Image.from_rgb(View(Image.open(photo).pixels).shrunk(640).pixels)
    (face,) = real_engine.faces(image)
    for name, peer in contenders.items():
        (embedding,) = peer.call()  # type: ignore[misc]
        assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5), name
        assert float(embedding @ face.embedding) > 0.9999, name
        assert peer.figures["cosine"] == pytest.approx(1, abs=1e-6), name
        assert peer.subject.threads == 1
    assert len({peer.subject.file_sha256 for peer in contenders.values()}) == 4  # each has a file of its own


def test_forms_differ_in_their_operators(checkpoint: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    kinds = {}
    for form, options in embedding_module._OURS[1:]:
        made = convert(checkpoint, tmp_path / form, **options)
        kinds[form] = [node.op_type for node in onnx.load(made.path).graph.node]
    native, lowered = kinds["onnx, PRelu operator"], kinds["onnx, PReLU lowered"]
    assert native.count("PRelu") == 41  # one for each activation of the checkpoint
    assert "Relu" not in native
    # All but those of single pixels, in front of squeeze-and-excite.
    assert (lowered.count("PRelu"), lowered.count("Relu")) == (7, 34)


def test_detectors(real_models: ModelStore, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert")
    contenders, absent = _parted(load_peers(photo, groups=["detect"], threads=1, store=real_models).peers)
    ours = [f"{name}, {runtime}" for runtime in ("ai_edge_litert", "onnxruntime") for name in
            ("yunet", "yunet-fast", "yunet-plain")]  # fmt: skip
    assert list(contenders) == [*ours, "OpenCV FaceDetectorYN, OpenCV"]
    assert absent == {"InsightFace SCRFD": "no model file was given: --scrfd FILE, such as scrfd_500m_kps.onnx"}
    assert {peer.figures["faces"] for peer in contenders.values()} == {1}
    # Timed is the photo as all see it, at most 640 pixels wide: the plain mode finds OpenCV's landmarks there.
    _, rows = contenders["OpenCV FaceDetectorYN, OpenCV"].call()  # type: ignore[misc]
    (face,) = contenders["yunet-plain, onnxruntime"].call()  # type: ignore[misc]
    assert np.abs(rows[0, 4:14].reshape(5, 2) - face.landmarks).max() < 0.5


def test_the_drawn_people(real_models: ModelStore) -> None:
    contest = load_peers(groups=["faces"], threads=1, store=real_models, insightface="/nowhere")
    contenders, absent = _parted(contest.peers)
    assert [peer.figures["faces"] for peer in contenders.values()] == [3]
    assert (contest.settings["photo"], contest.settings["width"]) == ("drawn people", 640)
    assert "nothing is downloaded" in absent["InsightFace FaceAnalysis"]


def test_runtimes_that_are_missing(
    real_models: ModelStore, checkpoint: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ONNX Runtime the others go on; its rows say how to install it."""
    pytest.importorskip("ai_edge_litert")
    contest = load_peers(photo, groups=["detect"], threads=1, store=real_models)  # converts what is needed
    assert len(contest.peers) == 8
    _hide(monkeypatch, "onnxruntime")
    contenders, absent = _parted(load_peers(photo, groups=["embed", "detect"], threads=1, store=real_models).peers)
    assert [name.partition(" ")[2].partition(")")[0] + ")" for name in list(contenders)[:2]] == [FORMS[0], FORMS[3]]
    assert "yunet, onnxruntime" not in contenders
    for name in ("onnx, PReLU lowered", "onnx, PRelu operator", "yunet on onnx"):
        assert 'pip install "ghostface-edge[onnx]"' in absent[name], name


def test_the_main_face(real_models: ModelStore, real_engine: FaceEngine, photo: Path) -> None:
    contenders, absent = _parted(load_peers(photo, groups=["main"], threads=1, store=real_models).peers)
    assert not absent
    ours, as_it_is, larger = contenders.values()
    assert [peer.figures["faces"] for peer in contenders.values()] == [1, 1, 1]
    face = real_engine.face(Image.from_rgb(View(Image.open(photo).pixels).shrunk(640).pixels))
    assert np.array_equal(ours.call().embedding, face.embedding)  # type: ignore[attr-defined]
    for peer in (as_it_is, larger):  # the photo is 640 pixels wide, so both see the same
        assert float(peer.call() @ face.embedding) > 0.85  # type: ignore[operator]


def test_what_all_of_a_group_need(
    real_models: ModelStore, shared: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model or a package that is missing takes its group out; the others go on."""
    yunet_alone = ModelStore(tmp_path, [shared / "detectors"])
    contenders, absent = _parted(load_peers(photo, threads=1, store=yunet_alone, insightface=tmp_path).peers)
    assert {peer.subject.stage for peer in contenders.values()} == {"detect"}
    for name in ("ghostfacenet-w0.5-s2", "FaceEngine"):
        assert "models pull ghostfacenet-w0.5-s2" in absent[name]
    _hide(monkeypatch, "h5py")
    contenders, absent = _parted(load_peers(photo, threads=1, store=real_models, insightface=tmp_path).peers)
    assert 'pip install "ghostface-edge[convert]"' in absent["ghostfacenet-w0.5-s2"]
    assert {peer.subject.stage for peer in contenders.values()} == {"detect", "faces", "main"}


def test_tflite_runtime_says_why_it_has_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    there: set[str] = set()
    monkeypatch.setattr(embedding_module, "find_spec", lambda name: name if name in there else None)
    monkeypatch.setattr(embedding_module.metadata, "version", lambda name: "2.14.0")
    assert 'pip install "ghostface-edge[tflite]"' in embedding_module._why_not_tflite_runtime()
    there.add("tflite_runtime")
    assert embedding_module._why_not_tflite_runtime() == "it runs the tflite row: version 2.14.0"
    there.add("ai_edge_litert")
    assert "in an environment without LiteRT" in embedding_module._why_not_tflite_runtime()


def test_tensorflow_that_is_missing(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorflow_module, "find_spec", lambda name: None)
    with pytest.raises(RuntimeMissingError, match="pip install tensorflow-cpu tf_keras"):
        tensorflow_int8(checkpoint, np.zeros((1, 112, 112, 3), np.float32), tmp_path / "x.tflite")
    assert MISSING.count("\n") == 0


def test_keras_gets_no_checkpoint_of_a_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras executes code that a checkpoint holds."""
    monkeypatch.setattr(tensorflow_module, "find_spec", lambda name: name)
    monkeypatch.setattr(tensorflow_module.subprocess, "run", lambda *a, **k: pytest.fail("TensorFlow was started"))
    (tmp_path / "mine.h5").write_bytes(b"\x89HDF\r\n\x1a\nwith a Lambda layer")
    with pytest.raises(ConversionError, match=r"mine\.h5 is no published checkpoint"):
        tensorflow_int8(tmp_path / "mine.h5", np.zeros((1, 112, 112, 3), np.float32), tmp_path / "x.tflite")


def test_tensorflow_that_fails(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own process, whose last line is the reason."""
    if importlib.util.find_spec("tensorflow") is not None:
        pytest.skip("TensorFlow is installed, and does not fail")
    monkeypatch.setattr(tensorflow_module, "find_spec", lambda name: name)
    with pytest.raises(ConversionError, match=r"converter failed: ModuleNotFoundError: .*tensorflow"):
        tensorflow_int8(checkpoint, np.zeros((1, 112, 112, 3), np.float32), tmp_path / "x.tflite")


def test_a_bare_tflite_file_runs_as_one_with_a_card(
    checkpoint: Path, photo: Path, tmp_path: Path, real_engine: FaceEngine
) -> None:
    pytest.importorskip("ai_edge_litert")
    made = convert(checkpoint, tmp_path, to="tflite")
    session = BareTFLiteSession(made.path, made.card, 1)
    image = Image.open(photo)
    crop = align(image, real_engine.detect(image)[0].landmarks)[None]
    assert np.array_equal(Embedder(session).embed(crop), real_engine.embedder.embed(crop))
    assert session.card.precision == "int8"
    with pytest.raises(InferenceError, match="LiteRT failed"):
        session.run(np.zeros((1, 3, 5, 5), np.float32))
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    with pytest.raises(ModelFileError, match=r"LiteRT cannot load bad\.tflite"):
        BareTFLiteSession(tmp_path / "bad.tflite", made.card, 1)


def test_opencv_that_fails(checkpoint: Path, tmp_path: Path, make_card: Callable[..., Any]) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ModelFileError, match=r"OpenCV cannot load bad\.onnx"):
        OpenCVSession(tmp_path / "bad.onnx", make_card(), 1)
    made = convert(checkpoint, tmp_path, to="onnx", layout="NCHW", batch=1, prelu="native")
    session = OpenCVSession(made.path, made.card, 1)
    with pytest.raises(InferenceError, match="OpenCV failed"):
        session.run(np.zeros((1, 3), np.float32))


def test_what_cannot_be_compared(real_models: ModelStore, shared: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="group='fly' does not exist"):
        load_peers(groups=["fly"], store=real_models)
    with pytest.raises(OptionError, match="yunet' is a detector"):
        load_peers(groups=["embed"], model="yunet", store=real_models)
    with pytest.raises(OptionError, match="threads=0"):
        load_peers(threads=0, store=real_models)
    with pytest.raises(ImageError, match=r"nothing\.jpg"):
        load_peers(tmp_path / "nothing.jpg", store=real_models)
    grey = Image.from_rgb(np.full((200, 200, 3), 127, np.uint8), source="a wall")
    with pytest.raises(NoFaceError, match="no face found in a wall"):
        load_peers(grey, groups=["embed"], store=real_models)


def test_a_missing_scrfd(real_models: ModelStore, photo: Path, tmp_path: Path) -> None:
    contest = load_peers(photo, groups=["detect"], threads=1, store=real_models, scrfd=tmp_path / "none.onnx")
    assert "no model file" in _parted(contest.peers)[1]["InsightFace SCRFD"]


# ----------------------------------------------------------------------------------------------------------------
# InsightFace


@pytest.fixture
def packs(shared: Path, checkpoint: Path, tmp_path: Path) -> Path:
    """A folder as InsightFace keeps it: SCRFD with our embedder, and a pack without a detector."""
    for name in ("mixed", "headless"):
        (tmp_path / "models" / name).mkdir(parents=True)
    made = convert(checkpoint, tmp_path / "made", to="onnx", layout="NCHW", prelu="native")
    shutil.copy(made.path, tmp_path / "models" / "headless" / "embedder.onnx")
    shutil.copy(made.path, tmp_path / "models" / "mixed" / "embedder.onnx")
    shutil.copyfile(shared / "detectors" / "scrfd_500m_kps.onnx", tmp_path / "models" / "mixed" / "det.onnx")
    return tmp_path


def test_insightface_that_is_missing(
    packs: Path, shared: Path, real_models: ModelStore, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hide(monkeypatch, "insightface")
    scrfd = shared / "detectors" / "scrfd_500m_kps.onnx"
    contest = load_peers(
        photo, groups=["detect", "faces"], threads=1, store=real_models, scrfd=scrfd, insightface=packs
    )
    absent = _parted(contest.peers)[1]
    assert set(absent) == {
        "InsightFace SCRFD",
        "InsightFace FaceAnalysis mixed",
        "InsightFace FaceAnalysis headless",
    }
    assert all('pip install "ghostface-edge[insightface]"' in reason for reason in absent.values())


@pytest.mark.insightface
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_insightface(
    packs: Path, shared: Path, real_models: ModelStore, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("insightface", reason="the extra [insightface] is not installed")
    importlib.import_module("insightface.app")
    before = sorted(packs.rglob("*"))
    monkeypatch.setattr(socket.socket, "connect", lambda *a: pytest.fail("the network was used"))
    scrfd = shared / "detectors" / "scrfd_500m_kps.onnx"
    contest = load_peers(
        photo, groups=["detect", "faces"], threads=1, store=real_models, scrfd=scrfd, insightface=packs
    )
    contenders, absent = _parted(contest.peers)
    without_litert = [] if importlib.util.find_spec("ai_edge_litert") else ["yunet on litert"]
    assert list(absent) == [*without_litert, "InsightFace FaceAnalysis headless"]
    assert "AssertionError" in absent["InsightFace FaceAnalysis headless"]
    assert contenders["scrfd_500m_kps, insightface"].figures["faces"] == 1
    mixed = contenders["InsightFace FaceAnalysis mixed, insightface"]
    (theirs,) = mixed.call()  # type: ignore[misc]
    (ours,) = next(peer for name, peer in contenders.items() if name.startswith("FaceEngine")).call()  # type: ignore[misc]
    assert float(theirs.normed_embedding @ ours.embedding) > 0.8  # one network, the landmarks of two detectors
    assert sorted(packs.rglob("*")) == before

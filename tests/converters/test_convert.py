"""The whole chain: checkpoints in, sealed models out, nothing left behind on failure."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ghostface_edge import __version__
from ghostface_edge.card import ModelCard, read_card, write_card
from ghostface_edge.cli import main
from ghostface_edge.converters import CONVERTER_VERSION, Conversion, convert
from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.graph import Graph, PRelu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.keras_zip import read_keras_zip
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.passes.channels import scale_groups, scaled
from ghostface_edge.converters.preparation import embedder_graph, prepare_float
from ghostface_edge.converters.tflite_inspection import inspect_tflite
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.converters.weights_only import keras_order
from ghostface_edge.converters.yunet_onnx import read_yunet_onnx
from ghostface_edge.embedding import Embedder
from ghostface_edge.errors import (
    CheckpointError,
    ConversionError,
    GateError,
    OptionError,
    RuntimeMissingError,
)
from ghostface_edge.runtime import open_session
from ghostface_edge.types import Threshold

pytest.importorskip("h5py")
onnx = pytest.importorskip("onnx")
Runner = Callable[..., "dict[str, np.ndarray]"]


def close(result: np.ndarray, expected: np.ndarray, relative: float) -> None:
    np.testing.assert_allclose(result, expected, rtol=0, atol=relative * np.abs(expected).max())


# -- embedder


@pytest.mark.parametrize("prelu", ["lowered", "native"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activation": "relu"},
        {"dropout": True, "head_bias": True, "scale": False},
        {"stride": 1, "width": 0.5, "size": 24},
        {"blocks": None, "size": 64},
        {"seed": 1, "dtype": "float32"},
    ],
    ids=str,
)
def test_the_model_computes_what_the_checkpoint_says(
    options: dict[str, Any], prelu: str, keras2: ModuleType, tmp_path: Path, on_onnxruntime: Runner
) -> None:
    options = {"blocks": [0, 1, 2, 3], "size": 32, **options}
    source = keras2.ghostface(**options).save(tmp_path / "face.h5")
    result = convert(source, tmp_path / "out", prelu=prelu)
    pictures = np.random.default_rng(0).normal(size=(3, options["size"], options["size"], 3)).astype(np.float32)
    expected = interpret(read_keras_h5(source.read_bytes(), "face"), pictures)["embedding"]
    close(on_onnxruntime(result.path.read_bytes(), pictures)["embedding"], expected, 1e-5)


def test_card_and_figures_of_an_embedder(keras2: ModuleType, tmp_path: Path) -> None:
    source = keras2.ghostface(size=112, width=1.3, stride=1, embedding=64).save(tmp_path / "some face.h5")
    result = convert(source, tmp_path / "new" / "out", licence="MIT")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert result.path == tmp_path / "new" / "out" / "some face.onnx"
    assert read_card(result.path.read_bytes()) == result.card
    assert result.card.to_dict() == {
        "schema": 1,
        "kind": "embedder",
        "model_id": f"ghostfacenet-v1-1.3-1-{digest[:8]}",
        "name": "some face",
        "architecture": "ghostfacenet-v1-1.3-1",
        "precision": "float32",
        "input": {
            "height": 112,
            "width": 112,
            "layout": "NHWC",
            "colour_order": "RGB",
            "mean": 127.5,
            "scale": 0.0078125,
        },
        "source": {"file": "some face.h5", "sha256": digest, "size": source.stat().st_size},
        "converter": f"ghostface-edge {__version__}",
        "licence": "MIT",
        "alignment": "arcface-112",
        "embedding_size": 64,
        "thresholds": [],
    }
    figures = result.to_dict()
    assert json.loads(json.dumps(figures))["card"] == result.card.to_dict()
    assert figures["path"] == str(result.path)
    assert 200 < result.nodes < 300
    assert result.seconds > 0


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("batch", [None, 1])
def test_every_layout_and_batch_runs(layout: str, batch: int | None, small_checkpoint: Path, tmp_path: Path) -> None:
    """A file for one picture takes five, and the card says how its input lies."""
    pytest.importorskip("onnxruntime")
    crops = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    made = convert(small_checkpoint, tmp_path, layout=layout, batch=batch)
    assert made.card.input.layout == layout
    embeddings = Embedder(open_session(made.path, threads=1)).embed(crops)
    pictures = (crops.astype(np.float64) - 127.5) / 128
    expected = interpret(read_keras_h5(small_checkpoint.read_bytes(), "small"), pictures)["embedding"]
    close(embeddings, expected / np.linalg.norm(expected, axis=1, keepdims=True), 1e-5)


def test_another_network_is_called_custom_and_can_be_named(small_checkpoint: Path, tmp_path: Path) -> None:
    card = convert(small_checkpoint, tmp_path, name="mine").card
    assert (card.architecture, card.name) == ("custom", "mine")
    assert card.model_id == f"custom-{card.source.sha256[:8]}"


def test_measured_thresholds_travel_in_the_card(
    small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threshold = Threshold(1e-3, 0.23, "yunet", 0.05, 29_600_000, 8_101, "LFW")
    digest = hashlib.sha256(small_checkpoint.read_bytes()).hexdigest()
    table = tmp_path / "thresholds.json"
    table.write_text(json.dumps({digest: [threshold.to_dict()]}), encoding="utf-8")
    monkeypatch.setattr("ghostface_edge.thresholds.MEASURED", table)
    path = convert(small_checkpoint, tmp_path).path
    assert read_card(path.read_bytes()).threshold(1e-3, "yunet") == threshold


def test_the_same_bytes_every_time(small_checkpoint: Path, tmp_path: Path) -> None:
    first = convert(small_checkpoint, tmp_path / "a").path.read_bytes()
    assert convert(small_checkpoint, tmp_path / "b").path.read_bytes() == first
    # in another process, with another hash seed
    code = "import sys; from ghostface_edge.converters import convert; convert(*sys.argv[1:])"
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code, str(small_checkpoint), str(tmp_path / seed)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        assert (tmp_path / seed / "small.onnx").read_bytes() == first


# -- detector


@pytest.fixture
def detector_file(yunet_like: ModuleType, tmp_path: Path) -> Path:
    path = tmp_path / "face_detection_yunet_like.onnx"
    path.write_bytes(yunet_like.yunet().SerializeToString())
    return path


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (160, 128)])
def test_the_detector_takes_rgb_of_any_size(
    height: int, width: int, detector_file: Path, tmp_path: Path, on_onnxruntime: Runner
) -> None:
    result = convert(detector_file, tmp_path / "out")
    graph = read_yunet_onnx(detector_file.read_bytes(), "yunet")
    rgb = np.random.default_rng(0).integers(0, 256, (1, height, width, 3)).astype(np.float32)
    expected = interpret(graph, rgb[..., ::-1])
    outputs = on_onnxruntime(result.path.read_bytes(), rgb.transpose(0, 3, 1, 2))
    assert list(outputs) == ["stride8", "stride16", "stride32"]
    for stride in (8, 16, 32):
        branches = [expected[f"{branch}_{stride}"] for branch in ("cls", "obj", "bbox", "kps")]
        assert outputs[f"stride{stride}"].shape == (1, height // stride, width // stride, 16)
        close(outputs[f"stride{stride}"], np.concatenate(branches, axis=-1), 1e-5)


def test_card_of_a_detector(detector_file: Path, tmp_path: Path) -> None:
    card = convert(detector_file, tmp_path / "out").card
    assert (card.kind, card.architecture, card.alignment, card.embedding_size) == ("detector", "yunet", "", 0)
    assert vars(card.input) == {
        "height": None,
        "width": None,
        "layout": "NCHW",
        "colour_order": "RGB",
        "mean": 0.0,
        "scale": 1.0,
    }


# -- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "coreml"}, "to='coreml' does not exist; choose from: onnx, tflite"),
        ({"precision": "int4"}, "precision='int4' does not exist for to='onnx'; choose from: float32, float16, int8$"),
        ({"precision": "dynamic"}, "precision='dynamic' does not exist for to='onnx'"),
        ({"prelu": "fast"}, "prelu='fast' does not exist; choose from: lowered, native"),
    ],
)
def test_options_that_do_not_exist(
    options: dict[str, str], message: str, small_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=message):
        convert(small_checkpoint, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_leaves_out(
    keras2: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = keras2.ghostface(blocks=[0, 3])
    model.layer("Dense", ["embedding"], {"units": 3}, {"kernel": np.zeros((16, 3))}, name="logits")
    source = model.save(tmp_path / "face.h5", "logits")
    assert main(["convert", str(source), "-o", str(tmp_path / "out")]) == 0
    assert "left out, for the embedding does not need it: logits\n" in capsys.readouterr().out


def test_a_keras_archive(keras2: ModuleType, keras3: ModuleType, tmp_path: Path, on_onnxruntime: Runner) -> None:
    model = keras2.ghostface(blocks=[0, 3])
    model.layer("Dense", ["embedding"], {"units": 3}, {"kernel": np.zeros((16, 3))}, name="logits")
    source = keras3.save_keras(model, tmp_path / "face.keras")
    result = convert(source, tmp_path / "out")
    assert result.path == tmp_path / "out" / "face.onnx"
    assert (result.left_out, result.to_dict()["left_out"]) == (("logits",), ["logits"])
    pictures = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    expected = interpret(read_keras_zip(source.read_bytes(), "face").graph, pictures)["embedding"]
    close(on_onnxruntime(result.path.read_bytes(), pictures)["embedding"], expected, 1e-5)


@pytest.mark.parametrize("name", ["ghostfacenet-v1-0.25-2", "ghostfacenet-v1-0.25-1", "ghostfacenet-v2-0.25-2"])
def test_weights_of_a_network_that_is_named(
    name: str, keras2: ModuleType, keras3: ModuleType, tmp_path: Path, on_onnxruntime: Runner
) -> None:
    graph = architecture(name, seed=4)
    source = tmp_path / "weights.h5"
    source.write_bytes(keras3.named(keras3.weights_of(graph, keras_order(graph), keras2)))
    result = convert(source, tmp_path / "out", architecture=name)
    assert result.card.architecture == name
    pictures = np.random.default_rng(0).normal(size=(2, 112, 112, 3)).astype(np.float32)
    found = on_onnxruntime(result.path.read_bytes(), pictures)["embedding"]
    close(found, interpret(graph, pictures)["embedding"], 1e-4)
    with pytest.raises(CheckpointError, match=r"file of weights only.*\(--arch\)"):
        convert(source, tmp_path / "out")


def test_an_extra_convolution_does_not_change_the_name(keras2: ModuleType, keras3: ModuleType, tmp_path: Path) -> None:
    graph = architecture("ghostfacenet-v1-0.25-2-pointwise32")
    source = tmp_path / "weights.h5"
    source.write_bytes(keras3.named(keras3.weights_of(graph, keras_order(graph), keras2)))
    result = convert(source, tmp_path / "out", architecture="ghostfacenet-v1-0.25-2-pointwise32")
    assert result.card.architecture == "ghostfacenet-v1-0.25-2"


def test_options_for_a_source_that_settles_them(
    small_checkpoint: Path, yunet_like: ModuleType, keras2: ModuleType, keras3: ModuleType, tmp_path: Path
) -> None:
    archive = keras3.save_keras(keras2.ghostface(blocks=[0]), tmp_path / "face.keras")
    detector = tmp_path / "yunet.onnx"
    detector.write_bytes(yunet_like.yunet(channels=3).SerializeToString())
    for source, options in (
        (small_checkpoint, {"architecture": "ghostfacenet-v1-0.5-2"}),
        (archive, {"architecture": "ghostfacenet-v1-0.5-2"}),
        (detector, {"architecture": "ghostfacenet-v1-0.5-2"}),
        (detector, {"hard_sigmoid": "keras2"}),
        (small_checkpoint, {"hard_sigmoid": "keras3"}),
    ):
        with pytest.raises(OptionError, match="leave it out"):
            convert(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3833672\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (LFS, "Git LFS pointer.*git lfs pull"),
        (b"PK\x03\x04" + bytes(100), "the zip file cannot be read"),
        (b"\x80\x04\x95" + bytes(100), "is a pickle, which runs code when it is read: refused"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "cannot be opened"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "neither a Keras checkpoint .* nor an ONNX file"),
        (b"\x08 hello", "damaged or is not an ONNX model"),
    ],
)
def test_files_that_are_no_checkpoint(content: bytes, message: str, tmp_path: Path) -> None:
    source = tmp_path / "model.h5"
    source.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"model.h5.*{message}"):
        convert(source, tmp_path / "out")
    assert os.listdir(tmp_path) == ["model.h5"]


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for source, message in (
        (tmp_path / "nowhere.h5", "there is no file .*nowhere.h5"),
        (tmp_path / "nul\0.h5", "there is no file"),
        (tmp_path, "is no file"),
        (pipe, "pipe is no file"),
        (Path("/dev/zero"), "zero is no file"),
    ):
        with pytest.raises(CheckpointError, match=message):
            convert(source, tmp_path / "out")


def test_an_output_folder_of_an_impossible_name(small_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="cannot be written"):
        convert(small_checkpoint, tmp_path / "nul\0")


def test_a_file_name_that_is_no_utf8(small_checkpoint: Path, tmp_path: Path) -> None:
    source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.h5"))
    source.write_bytes(small_checkpoint.read_bytes())
    result = convert(source, tmp_path / "out")
    card = read_card(result.path.read_bytes())
    assert (card.name, card.source.file) == ("caf?", "caf?.h5")


def test_a_huge_file_is_not_even_read(tmp_path: Path) -> None:
    source = tmp_path / "huge.h5"
    with source.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match="more than the"):
        convert(source, tmp_path)


def test_the_source_is_never_replaced(detector_file: Path) -> None:
    before = detector_file.read_bytes()
    with pytest.raises(OptionError, match="would replace the source"):
        convert(detector_file, detector_file.parent)
    assert detector_file.read_bytes() == before


def test_weights_that_overflow_when_folded(keras2: ModuleType, tmp_path: Path) -> None:
    model = keras2.ghostface(blocks=[0])
    model.weights["batchnormalization_0"]["gamma"][:] = 3e38
    model.weights["batchnormalization_0"]["moving_variance"][:] = 0
    with pytest.raises(CheckpointError, match="overflow float32 when folded"):
        convert(model.save(tmp_path / "m.h5"), tmp_path / "out")


def test_an_output_that_cannot_be_written_leaves_nothing(
    small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(ConversionError, match="cannot be written"):
        convert(small_checkpoint, blocked)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConversionError, match="No space left on device"):
        convert(small_checkpoint, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []


def test_an_older_model_is_replaced_as_a_whole(small_checkpoint: Path, tmp_path: Path) -> None:
    old = tmp_path / "small.onnx"
    old.write_bytes(b"old")
    convert(small_checkpoint, tmp_path)
    assert read_card(old.read_bytes()).kind == "embedder"
    assert sorted(os.listdir(tmp_path)) == ["manifest.json", "small.onnx"]


@pytest.mark.parametrize("missing", ["h5py", "onnx"])
def test_missing_packages_are_named_with_their_command(
    missing: str, small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(RuntimeMissingError, match=rf"{missing}.*pip install \"ghostface-edge\[convert\]\""):
        convert(small_checkpoint, tmp_path / "out")


def test_for_onnx_no_other_extra_is_needed(small_checkpoint: Path, tmp_path: Path) -> None:
    """Not even the runtime: then the file is written and not run, and a warning says so."""
    code = """
import sys
for name in ("tensorflow", "keras", "tf_keras", "onnxruntime", "ai_edge_litert", "scipy", "requests"):
    sys.modules[name] = None
from ghostface_edge.converters import convert
assert not {"h5py", "onnx"} & set(sys.modules)
convert(*sys.argv[1:])
"""
    command = [sys.executable, "-c", code, str(small_checkpoint), str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "small.onnx was written and not run" in done.stderr
    assert json.loads((tmp_path / "manifest.json").read_bytes())["models"]["small.onnx"]["parity"] is None


def test_the_version_names_the_package() -> None:
    assert CONVERTER_VERSION.startswith(f"{__version__}+")


# -- the real files


@pytest.fixture(scope="module")
def official(shared: Path) -> Path:
    return shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"


@pytest.fixture(scope="module")
def converted(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    return convert(official, tmp_path_factory.mktemp("converted"))


@pytest.fixture(scope="module")
def real_crops(shared: Path) -> np.ndarray:
    """The middle of 12 photos of faces, (12, 112, 112, 3) uint8 RGB; not aligned."""
    import cv2

    photos = sorted((shared / "calibration").glob("*.jpg"))[:12]
    return np.stack([cv2.imread(str(photo))[69:181, 69:181, ::-1] for photo in photos])


def test_figures_of_the_official_checkpoint(official: Path, converted: Conversion, tmp_path: Path) -> None:
    assert converted.parameters == 722_364
    assert converted.macs / 1e6 == pytest.approx(10.72, abs=0.005)
    nodes = onnx.load_model_from_string(converted.path.read_bytes()).graph.node
    assert len(nodes) == converted.nodes < 300
    assert sum(node.op_type == "Transpose" for node in nodes) == 1
    assert {"BatchNormalization", "Reshape", "Squeeze"}.isdisjoint(node.op_type for node in nodes)
    assert converted.card.model_id == "ghostfacenet-v1-0.5-2-2beca52a"
    assert convert(official, tmp_path).path.read_bytes() == converted.path.read_bytes()


def test_the_official_checkpoint_in_a_fresh_process_under_two_seconds(official: Path, tmp_path: Path) -> None:
    """Processor time of the whole process, which other work on the machine does not stretch much."""
    code = """
import sys, time
from ghostface_edge.converters import convert
convert(*sys.argv[1:])
print(time.process_time())
"""
    command = [sys.executable, "-c", code, str(official), str(tmp_path)]
    times = [float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(3)]
    assert min(times) < 2


@pytest.mark.parametrize("prelu", ["lowered", "native"])
def test_the_official_model_on_real_faces(
    prelu: str, official: Path, real_crops: np.ndarray, tmp_path: Path, on_onnxruntime: Runner
) -> None:
    pictures = ((real_crops.astype(np.float32) - 127.5) / 128).astype(np.float32)
    expected = interpret(read_keras_h5(official.read_bytes(), "official"), pictures)["embedding"]
    result = on_onnxruntime(convert(official, tmp_path, prelu=prelu).path.read_bytes(), pictures)["embedding"]
    close(result, expected, 1e-5)
    cosine = (result * expected).sum(1) / np.linalg.norm(result, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > 0.999_999


def test_float16_in_half_the_bytes(
    official: Path, converted: Conversion, real_crops: np.ndarray, tmp_path: Path
) -> None:
    made = convert(official, tmp_path, precision="float16")
    assert made.card == replace(converted.card, precision="float16")
    assert made.path.stat().st_size < 0.53 * converted.path.stat().st_size
    half, whole = (Embedder(open_session(result.path, threads=1)).embed(real_crops) for result in (made, converted))
    assert (half * whole).sum(axis=1).min() > 0.9999


@pytest.fixture(scope="module")
def yunet(shared: Path) -> Path:
    return shared / "detectors" / "face_detection_yunet_2023mar.onnx"


def photo_of(shared: Path, height: int, width: int) -> np.ndarray:
    """A real photo as (1, height, width, 3) float32 RGB."""
    import cv2

    bgr = cv2.imread(str(shared / "photos" / "img13.jpg"))
    return cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)[None, :, :, ::-1].astype(np.float32)


def test_the_converted_yunet_equals_the_original(
    yunet: Path, shared: Path, tmp_path: Path, on_onnxruntime: Runner
) -> None:
    result = convert(yunet, tmp_path)
    assert result.card.architecture == "yunet-2023mar"
    assert result.macs / 1e6 == pytest.approx(344, abs=0.5)
    rgb = photo_of(shared, 640, 640)
    original = on_onnxruntime(yunet.read_bytes(), rgb[..., ::-1].transpose(0, 3, 1, 2))
    mine = on_onnxruntime(result.path.read_bytes(), rgb.transpose(0, 3, 1, 2))
    slices = {"cls": slice(0, 1), "obj": slice(1, 2), "bbox": slice(2, 6), "kps": slice(6, 16)}
    for name, expected in original.items():
        branch, stride = name.split("_")
        values = mine[f"stride{stride}"].reshape(1, -1, 16)[..., slices[branch]]
        if branch in ("cls", "obj"):
            np.testing.assert_allclose(1 / (1 + np.exp(-values)), expected, rtol=0, atol=1e-6)
        else:
            close(values, expected, 1e-5)
    assert original["cls_8"].max() > 0.3, "the photo has faces"


@pytest.mark.parametrize(("height", "width"), [(96, 128), (320, 256)])
def test_the_converted_yunet_at_other_sizes(
    height: int, width: int, yunet: Path, shared: Path, tmp_path: Path, on_onnxruntime: Runner
) -> None:
    graph = read_yunet_onnx(yunet.read_bytes(), "yunet")
    rgb = photo_of(shared, height, width)
    expected = interpret(graph, rgb[..., ::-1])
    outputs = on_onnxruntime(convert(yunet, tmp_path).path.read_bytes(), rgb.transpose(0, 3, 1, 2))
    for stride in (8, 16, 32):
        branches = [expected[f"{branch}_{stride}"] for branch in ("cls", "obj", "bbox", "kps")]
        close(outputs[f"stride{stride}"], np.concatenate(branches, axis=-1), 1e-5)


# -- float16 arithmetic, and int8 weights


def metadata_of(data: bytes) -> dict[str, bytes]:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    return {entry.name.decode(): bytes(model.buffers[entry.buffer].data) for entry in model.metadata}


@pytest.mark.parametrize("precision", ["float16", "dynamic"])
def test_float16_is_computed_in_float16_unless_it_is_only_stored(
    precision: str, small_checkpoint: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ai_edge_litert")
    computed = convert(small_checkpoint, tmp_path, to="tflite", precision=precision)
    stored = convert(small_checkpoint, tmp_path / "2", to="tflite", precision=precision, fp16_storage_only=True)
    entries = [metadata_of(made.path.read_bytes()).get("reduced_precision_support") for made in (computed, stored)]
    assert entries == [b"fp16accfp16", None]
    assert [made.card.to_dict()["compute"] for made in (computed, stored)] == ["float16", "float32"]
    assert open_session(computed.path).card == computed.card
    assert computed.card.arithmetic == f"{precision}, computed in float16 where the processor can"
    assert stored.card.arithmetic == f"{precision}, computed in float32"
    others = (convert(small_checkpoint, tmp_path, to=to) for to in ("onnx", "tflite"))
    assert all("compute" not in made.card.to_dict() for made in others)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fp16_storage_only": True}, "fp16_storage_only is for TFLite float16 and dynamic, not for to='onnx'"),
        ({"to": "tflite", "fp16_storage_only": True}, "not for to='tflite', precision='float32'"),
        ({"to": "tflite", "precision": "float16", "weights_below": 9}, "weights_below is for TFLite dynamic"),
        ({"to": "tflite", "precision": "dynamic", "weights_below": 0}, "weights_below=0 is no number of bytes"),
        ({"to": "tflite", "precision": "dynamic", "weights_below": 9}, "the file cannot be smaller than"),
    ],
)
def test_options_of_small_weights(
    options: dict[str, Any], message: str, small_checkpoint: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(OptionError, match=message):
        convert(small_checkpoint, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_as_few_int8_weights_as_the_size_takes(keras2: ModuleType, tmp_path: Path) -> None:
    """Between all in int8 and none, every size is met, with fewer kernels the larger it is."""
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("onnxruntime")
    source = keras2.ghostface(blocks=[0, 1, 2, 3], size=32, width=2.0).save(tmp_path / "face.h5")

    def made(**options: Any) -> tuple[int, set[str]]:
        result = convert(source, tmp_path, to="tflite", **options)
        tensors = inspect_tflite(result.path.read_bytes()).tensors
        return result.size, {item.name for item in tensors if item.stored and item.dtype == "int8"}

    half, none = made(precision="float16")
    least, every = made(precision="dynamic")
    assert not none
    assert least < half
    sizes = np.linspace(half, least, 4).astype(int).tolist()
    chosen = [made(precision="dynamic", weights_below=size) for size in sizes]
    assert all(found <= size for (found, _), size in zip(chosen, sizes))
    for (_, fewer), (_, more) in zip(chosen, chosen[1:]):
        assert fewer < more
    assert chosen[-1] == (least, every)


@pytest.mark.parametrize("precision", ["float16", "dynamic"])
def test_numbers_too_large_for_float16(precision: str, keras2: ModuleType, tmp_path: Path) -> None:
    """A checkpoint that has them inside is rescaled; one that has them in its embedding is refused, by name."""
    pytest.importorskip("ai_edge_litert")
    h5py = pytest.importorskip("h5py")
    source = keras2.ghostface(blocks=[0, 1, 2, 3], size=32).save(tmp_path / "face.h5")

    def multiply(layer: str, **factors: float) -> None:
        with h5py.File(source, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            for weight, factor in factors.items():
                (name,) = (name for name in names if name.endswith(f"/{layer}/{weight}:0"))
                file[name][...] *= np.float32(factor)

    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    wanted = interpret(read_keras_h5(source.read_bytes(), "face"), pictures)["embedding"]
    with h5py.File(source) as file:
        layers = [name for name in file["model_weights"] if name.startswith("batchnormalization")]
    last = max(layers, key=lambda name: int(name.rpartition("_")[2] if name[-1].isdigit() else 0))
    multiply(last, gamma=3e4, beta=3e4)
    multiply("GDC_dw", depthwise_kernel=1 / 3e4)
    made = convert(source, tmp_path, to="tflite", precision=precision)
    (note,) = (note for note in made.notes if note.startswith("Rescaled for float16 arithmetic"))
    assert last in note
    found = open_session(made.path).run(pictures)[0]
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    assert ((found * wanted).sum(axis=1) / lengths).min() > {"float16": 0.99999, "dynamic": 0.99}[precision]
    multiply("pre_embedding", gamma=1e4)
    with pytest.raises(ConversionError, match=r"the tensor 'GDC_conv' reaches .* cannot be rescaled"):
        convert(source, tmp_path / "refused", to="tflite", precision=precision)
    assert not (tmp_path / "refused").exists()
    convert(source, tmp_path / "stored", to="tflite", precision=precision, fp16_storage_only=True)


@pytest.mark.parametrize(
    ("precision", "spread", "least"),
    [("float16", 32.0, 0.9999), ("float16", 1000.0, 0.9999), ("dynamic", 32.0, 0.995), ("dynamic", 1000.0, 0.995)],
)
def test_channels_of_unequal_ranges(
    precision: str, spread: float, least: float, make_card: Callable[..., ModelCard], tmp_path: Path
) -> None:
    """Channels multiplied by random numbers between 1 / spread and spread.

    As they are, int8 weights keep a cosine of 0.2 or less, and float16 cannot hold those of the larger spread.
    """
    pytest.importorskip("ai_edge_litert")
    random = np.random.default_rng(8)
    graph = embedder_graph(architecture("ghostfacenet-v1-0.5-2", seed=2), "native")
    groups = scale_groups(graph)
    reach = np.log(spread)
    wild = scaled(graph, groups.factors(np.exp(random.uniform(-reach, reach, len(groups.pinned)))))
    source = tmp_path / "wild.onnx"
    source.write_bytes(write_card(write_onnx(wild, "test"), make_card(embedding_size=512)))
    made = convert(source, tmp_path, to="tflite", precision=precision)
    pictures = random.uniform(-1, 1, (2, 7, 7, 3)).repeat(16, axis=1).repeat(16, axis=2).astype(np.float32)
    wanted, found = interpret(graph, pictures)["embedding"], open_session(made.path).run(pictures)[0]
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    assert ((found * wanted).sum(axis=1) / lengths).min() > least
    said = any(note.startswith("Channels of unequal ranges were rescaled") for note in made.notes)
    assert said


def test_channels_of_like_ranges_stay(official: Path, tmp_path: Path) -> None:
    """The official checkpoint's files are what its weights alone make of them."""
    pytest.importorskip("ai_edge_litert")
    graph = read_keras_h5(official.read_bytes(), "official")
    for precision in ("float16", "dynamic"):
        made = convert(official, tmp_path, to="tflite", precision=precision)
        plain = write_tflite(prepare_float(graph, "tflite", precision).graph, made.card)
        assert made.path.read_bytes() == plain


def test_a_refusal_says_that_it_was_measured_on_drawings(small_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(GateError, match=r"is below 1\. That was measured on drawn faces: give photos"):
        convert(small_checkpoint, tmp_path, to="tflite", precision="float16", gate="cosine=1")


@pytest.mark.parametrize(("reach", "smallest"), [(0.3, False), (3.0, False), (3.0, True)])
def test_int8_weights_that_nobody_judged(
    reach: float, smallest: bool, make_card: Callable[..., ModelCard], tmp_path: Path
) -> None:
    """A network of random steep slopes turns small errors into large ones: what int8 costs most stays float16.

    Where no byte is left for that, its int8 weights keep less than the gate, and that is said.
    """
    mean = 0.996  # of the usual gate
    pytest.importorskip("ai_edge_litert")
    random = np.random.default_rng(3)
    graph = embedder_graph(architecture("ghostfacenet-v1-0.5-2", seed=2), "native")
    steep = Graph(
        tuple(
            replace(node, slope=random.uniform(-reach, reach, node.slope.shape).astype(np.float32))
            if isinstance(node, PRelu)
            else node
            for node in graph.nodes
        ),
        graph.outputs,
    )
    source = tmp_path / "steep.onnx"
    source.write_bytes(write_card(write_onnx(steep, "test"), make_card(embedding_size=512)))
    options: dict[str, Any] = {"to": "tflite", "precision": "dynamic", "fp16_storage_only": True}
    if smallest:
        with pytest.raises(OptionError, match="cannot be smaller than") as refusal:
            convert(source, tmp_path, **options, weights_below=1)
        options["weights_below"] = int(str(refusal.value).split("than ")[1].split(" bytes")[0].replace(",", ""))
    made = convert(source, tmp_path, **options)
    pictures = random.uniform(-1, 1, (4, 7, 7, 3)).repeat(16, axis=1).repeat(16, axis=2).astype(np.float32)
    wanted, found = interpret(steep, pictures)["embedding"], open_session(made.path).run(pictures)[0].astype(float)
    cosines = (found * wanted).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert (cosines.mean() < mean) == (reach > 1)
    assert any("stay float16" in note for note in made.notes) == (reach > 1 and not smallest)
    assert any("Not judged" in note for note in made.notes)
    assert any("predicted to cost more" in note for note in made.notes) == smallest

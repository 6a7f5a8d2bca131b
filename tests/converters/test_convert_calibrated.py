"""Integers from the official checkpoint and real faces: what passes, what is refused, and what is written down."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from ghostface_edge.cli import main
from ghostface_edge.converters import Conversion, convert
from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.calibration import Calibration, calibrate
from ghostface_edge.converters.faces import Faces
from ghostface_edge.converters.gate import DEFAULT_GATES, Gate
from ghostface_edge.converters.graph import BatchNorm, Conv, Graph, Input, Node, PRelu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.judging import judge
from ghostface_edge.converters.passes.channels import scale_groups, scaled
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm
from ghostface_edge.converters.preparation import prepare_integers
from ghostface_edge.converters.simulator import compute
from ghostface_edge.converters.tflite_inspection import inspect_tflite
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.converters.weights_only import keras_order
from ghostface_edge.embedding import Embedder
from ghostface_edge.errors import CalibrationError, ConversionError, GateError, OptionError
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session
from ghostface_edge.thresholds import measured_thresholds

for package in ("h5py", "onnx", "onnxruntime", "ai_edge_litert"):
    pytest.importorskip(package)

STEM = "GN_W0.5_S2_ArcFace_epoch16"
PROGRAM = [sys.executable, "-c", "import sys; from ghostface_edge.cli import main; sys.exit(main())"]


@pytest.fixture(scope="module")
def official(shared: Path) -> Path:
    return shared / "models" / f"{STEM}.h5"


@pytest.fixture(scope="module")
def int8(official: Path, some_faces: Faces, tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    """The int8 file, calibrated on half of the faces and judged by the others."""
    return convert(official, tmp_path_factory.mktemp("int8"), to="tflite", precision="int8", faces=some_faces)


@pytest.fixture(scope="module")
def in_float(official: Path, some_faces: Faces, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The embeddings of the faces that models are judged by, (96, 512), of length 1, by the float32 ONNX file."""
    made = convert(official, tmp_path_factory.mktemp("float"))
    return Embedder(open_session(made.path, threads=1)).embed(some_faces.split(500)[1].crops)


def calibration_of(made: Conversion) -> Path:
    assert made.calibration is not None
    return made.calibration


# -- every precision


@pytest.mark.parametrize(
    ("to", "precision", "mean", "least"),
    [
        ("tflite", "float32", 0.999999, 0.99999),
        ("tflite", "float16", 0.9999, 0.999),
        ("tflite", "dynamic", 0.996, 0.985),
        ("tflite", "int8", 0.985, 0.93),
        ("tflite", "int16x8", 0.996, 0.985),
        ("onnx", "float16", 0.9999, 0.999),
        ("onnx", "int8", 0.975, 0.93),
    ],
)
def test_every_precision_keeps_what_its_gate_demands(
    to: str,
    precision: str,
    mean: float,
    least: float,
    official: Path,
    some_faces: Faces,
    int8: Conversion,
    in_float: np.ndarray,
    tmp_path: Path,
) -> None:
    """And the figures in the result are those of the file, measured here by the runtime itself."""
    calibration = calibration_of(int8) if precision.startswith("int") else None
    made = convert(official, tmp_path, to=to, precision=precision, faces=some_faces, calibration=calibration)
    assert made.path == tmp_path / (f"{STEM}.{to}" if precision == "float32" else f"{STEM}_{precision}.{to}")
    assert made.card.precision == precision
    embeddings = Embedder(open_session(made.path, threads=1)).embed(some_faces.split(500)[1].crops)
    cosines = (embeddings * in_float).sum(axis=1)
    assert (cosines.mean() >= mean, cosines.min() >= least) == (True, True), (cosines.mean(), cosines.min())
    assert made.parity is not None
    assert made.parity.faces == 96
    assert made.parity.cosine_mean == pytest.approx(cosines.mean(), abs=2e-6)
    assert made.parity.cosine_min == pytest.approx(cosines.min(), abs=2e-6)
    if precision == "float32":
        assert made.parity.max_abs <= 1e-4
    assert made.report is not None
    document = json.loads(made.report.with_suffix(".json").read_bytes())
    assert (document["passed"], document["parity"]) == (True, made.parity.to_dict())


def test_int8_is_integers_throughout_in_one_partition(int8: Conversion) -> None:
    found = inspect_tflite(int8.path.read_bytes())
    assert found.is_integer
    assert {tensor.dtype for tensor in found.tensors} == {"int8", "int32", "float32"}  # float32: only in and out
    assert sum(tensor.dtype == "float32" for tensor in found.tensors) == 2
    assert (found.partitions, found.outside) == (1, ())


def test_integers_go_in_and_come_out(official: Path, some_faces: Faces, int8: Conversion, tmp_path: Path) -> None:
    made = convert(official, tmp_path, to="tflite", precision="int8", calibration=calibration_of(int8), integer_io=True)
    found = inspect_tflite(made.path.read_bytes())
    assert {tensor.dtype for tensor in found.tensors} == {"int8", "int32"}
    crops = some_faces.crops[:4]
    whole, outside = (Embedder(open_session(path, threads=1)).embed(crops) for path in (made.path, int8.path))
    np.testing.assert_allclose(whole, outside, rtol=0, atol=1e-6)


@pytest.mark.parametrize("to", ["tflite", "onnx"])
def test_a_saved_calibration_gives_the_same_bytes_without_faces(
    to: str, official: Path, int8: Conversion, tmp_path: Path
) -> None:
    saved = calibration_of(int8)
    plain = convert(official, tmp_path / "a", to=to, precision="int8", calibration=saved)
    read = Calibration.from_json(saved.read_bytes())
    again = convert(official, tmp_path / "b", to=to, precision="int8", calibration=read)
    assert plain.path.read_bytes() == again.path.read_bytes()
    if to == "tflite":
        assert plain.path.read_bytes() == int8.path.read_bytes()
    assert plain.report is None
    assert calibration_of(plain).read_bytes() == saved.read_bytes()


def test_another_process_makes_the_same_bytes_from_the_photos(
    official: Path, face_folder: Path, int8: Conversion, real_store: ModelStore, tmp_path: Path
) -> None:
    """With the program, which finds and aligns the faces itself; also the report is the same."""
    arguments = ["convert", official, "-o", tmp_path, "--to", "tflite", "--precision", "int8", "--faces", face_folder]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int8.parity is not None
    assert int8.parity.to_text() in done.stdout
    names = sorted(path.name for path in int8.path.parent.iterdir())
    assert names == sorted(os.listdir(tmp_path))
    assert names == sorted(
        [
            "manifest.json",
            f"{STEM}_int8.tflite.calibration.json",
            f"{STEM}_int8.tflite",
            f"{STEM}_int8.tflite.report.html",
            f"{STEM}_int8.tflite.report.json",
        ]
    )
    for name in names:
        assert (tmp_path / name).read_bytes() == (int8.path.parent / name).read_bytes(), name


# -- gates


def test_the_naive_way_is_refused_and_a_good_model_stays(
    official: Path,
    face_folder: Path,
    int8: Conversion,
    real_store: ModelStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As other converters quantise it. What lies there, a model and its report, stays as it is."""
    shutil.copy(int8.path, tmp_path)
    own_report = tmp_path / f"{STEM}_int8.tflite.report.html"
    own_report.write_text("of the good model")
    shutil.copy(int8.path.parent / "manifest.json", tmp_path)
    manifest = (tmp_path / "manifest.json").read_bytes()
    arguments = ["convert", official, "-o", tmp_path, "--to", "tflite", "--precision", "int8", "--no-equalise"]
    assert main([str(argument) for argument in (*arguments, "--faces", face_folder)]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert f"error: {STEM}_int8.tflite was not written: mean cosine to float 0." in error
    page = tmp_path / f"{STEM}_int8.tflite.refused.report.html"
    assert str(page) in error
    assert (tmp_path / f"{STEM}_int8.tflite").read_bytes() == int8.path.read_bytes()
    assert (tmp_path / "manifest.json").read_bytes() == manifest
    assert own_report.read_text() == "of the good model"
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["manifest.json", f"{STEM}_int8.tflite", own_report.name, page.name, page.with_suffix(".json").name]
    )
    document = json.loads(page.with_suffix(".json").read_bytes())
    assert document["passed"] is False
    assert document["parity"]["cosine_mean"] < 0.5
    losses = [tensor["sqnr"] for tensor in document["tensors"]]
    assert min(losses) < 3 < 25 < losses[1]  # dB: good at the first layer, 29.8, noise at the last
    text = page.read_text("utf-8")
    assert "Refused: mean cosine" in text
    assert "Layers by damage" in text
    worst = document["ranges"][0]["name"]
    assert f"<td>{worst}</td>" in text
    assert "against unequal channels" in text


def test_a_gate_of_ones_own(official: Path, some_faces: Faces, int8: Conversion, tmp_path: Path) -> None:
    options: dict[str, Any] = {"to": "tflite", "precision": "int8", "calibration": calibration_of(int8)}
    for gate in ("cosine=0.9999", Gate(0.9999, -1.0)):
        with pytest.raises(GateError, match=r"was not written: mean cosine to float 0\.9[89]\d+ is below 0\.9999"):
            convert(official, tmp_path, faces=some_faces, gate=gate, **options)
        assert sorted(os.listdir(tmp_path)) == [
            f"{STEM}_int8.tflite.refused.report.{kind}" for kind in ("html", "json")
        ]
    made = convert(official, tmp_path, faces=some_faces, gate="off", **options)
    assert made.report is not None
    assert json.loads(made.report.with_suffix(".json").read_bytes())["gate"] is None
    entry = json.loads((tmp_path / "manifest.json").read_bytes())["models"][made.path.name]
    assert entry["options"]["gate"] is None
    # without faces there is nothing to hold it against
    assert convert(official, tmp_path, gate="cosine=0.9999", **options).path == made.path


def test_gates_that_make_no_sense(official: Path, tmp_path: Path) -> None:
    for gate in ("0.9", "cosine", "cosine=high", "cosine=2", "recall=0.5", "cosine=nan", ""):
        with pytest.raises(OptionError, match="gate"):
            convert(official, tmp_path / "out", gate=gate)
    assert not (tmp_path / "out").exists()


# -- what is written down


def test_the_manifest_says_how_it_was_made(official: Path, some_faces: Faces, int8: Conversion) -> None:
    document = json.loads((int8.path.parent / "manifest.json").read_bytes())
    assert list(document["models"]) == [f"{STEM}_int8.tflite"]
    entry = document["models"][f"{STEM}_int8.tflite"]
    data = int8.path.read_bytes()
    assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    checkpoint = official.read_bytes()
    digest = hashlib.sha256(checkpoint).hexdigest()
    assert entry["source"] == {"file": official.name, "sha256": digest, "size": len(checkpoint)}
    assert {"ghostface-edge", "python", "numpy", "onnxruntime", "ai-edge-litert", "h5py"} <= set(entry["tools"])
    options = entry["options"]
    assert {key: options[key] for key in ("to", "precision", "equalise", "integer_io")} == {
        "to": "tflite",
        "precision": "int8",
        "equalise": True,
        "integer_io": False,
    }
    assert options["gate"] == {"cosine": 0.975, "cosine_min": 0.93}
    arguments = set(convert.__kwdefaults__) - {"faces", "calibration"}
    assert set(options) == arguments
    assert entry["parity"] == (int8.parity and int8.parity.to_dict())
    images = entry["faces"]["images"]
    assert len(images) == 192
    name = some_faces.files[5]
    folder_of_photos = Path(some_faces.folder)
    assert images[name] == hashlib.sha256((folder_of_photos / name).read_bytes()).hexdigest()
    assert str(folder_of_photos.parent) not in json.dumps(entry)  # no path of this machine
    assert len(entry["held_out"]) == 96
    statistics = calibration_of(int8).read_bytes()
    assert entry["calibration"]["sha256"] == hashlib.sha256(statistics).hexdigest()
    assert entry["calibration"]["pictures"] == 96


def test_a_foreign_manifest_is_found_before_the_work(small_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(ConversionError, match=r"manifest\.json is no manifest of this program: move it"):
        convert(small_checkpoint, tmp_path)
    assert os.listdir(tmp_path) == ["manifest.json"]
    assert (tmp_path / "manifest.json").read_text() == '{"name": "a web app"}'


@pytest.mark.parametrize("written", [0, 3, 4])
def test_a_disk_that_fills_up(
    written: int,
    official: Path,
    some_faces: Faces,
    int8: Conversion,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever file it happens at, an old model stays whole until the new one is, and nothing is half-written."""
    old = tmp_path / f"{STEM}_int8.tflite"
    old.write_bytes(b"the old model")
    real, done = os.fsync, []

    def full(descriptor: int) -> None:
        if len(done) == written:
            raise OSError(28, "No space left on device")
        done.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    faces = replace(some_faces, crops=some_faces.crops[:32], files=some_faces.files[:32], sha256=some_faces.sha256[:32])
    with pytest.raises(ConversionError, match="No space left on device"):
        convert(
            official, tmp_path, to="tflite", precision="int8", calibration=calibration_of(int8), faces=faces, gate="off"
        )
    order = [f"{old.name}.report.html", f"{old.name}.report.json", old.name, f"{old.name}.calibration.json"]
    assert set(os.listdir(tmp_path)) == {old.name, *order[:written]}
    assert old.read_bytes() == (int8.path.read_bytes() if written > 2 else b"the old model")


def test_reports_of_earlier_files_go(official: Path, int8: Conversion, tmp_path: Path) -> None:
    """A file that nobody judged has no report, and a file that was made is not one that was refused."""
    for middle in ("", ".refused"):
        for suffix in ("html", "json"):
            (tmp_path / f"{STEM}_int8.tflite{middle}.report.{suffix}").write_text("old")
    convert(official, tmp_path, to="tflite", precision="int8", calibration=calibration_of(int8))
    assert set(os.listdir(tmp_path)) == {
        "manifest.json",
        f"{STEM}_int8.tflite",
        f"{STEM}_int8.tflite.calibration.json",
    }


def test_thresholds_belong_to_what_was_measured(official: Path, int8: Conversion, tmp_path: Path) -> None:
    """The shipped calibration's were measured; the same network calibrated on other faces makes other embeddings."""
    shipped = convert(official, tmp_path, to="tflite", precision="int8")
    assert shipped.card.thresholds == measured_thresholds(shipped.card.source.sha256, "int8") != ()
    assert int8.card.thresholds == ()
    wide = convert(official, tmp_path, to="tflite", precision="int16x8")
    assert wide.card.thresholds == measured_thresholds(wide.card.source.sha256, "int16x8") != ()
    assert shipped.parity is None
    assert "Not judged: no faces were given to compare it with float on." in shipped.notes
    entry = json.loads((tmp_path / "manifest.json").read_bytes())["models"][shipped.path.name]
    assert (entry["parity"], entry["options"]["gate"]) == (None, None)


def test_a_mixed_file_says_what_it_costs(official: Path, some_faces: Faces, int8: Conversion, tmp_path: Path) -> None:
    gate = Gate.parse("cosine=0.994", "mixed")
    assert gate is not None
    made = convert(
        official,
        tmp_path,
        to="tflite",
        precision="mixed",
        faces=some_faces,
        calibration=calibration_of(int8),
        gate=gate,
    )
    assert made.parity is not None
    assert made.parity.cosine_mean >= 0.994
    assert 0 < len(made.float_operators) < 305
    counted, cost = made.notes
    assert counted.startswith(f"{len(made.float_operators)} of 305 operators compute in float32")
    found = re.fullmatch(r"Against the whole network in int8: \+([\d,]+) bytes, (\d+\.\d\d) of its time on .*", cost)
    assert found is not None
    assert made.size - int(found[1].replace(",", "")) == pytest.approx(int8.size, rel=0.02)
    dtypes = inspect_tflite(made.path.read_bytes()).dtypes
    assert dtypes["int8"] > 100 < dtypes["float32"]


@pytest.mark.parametrize("options", [{"batch": 2}, {"batch": True}, {"batch": "1"}, {"batch": 1.5}, {"faces": ""}])
def test_options_that_make_no_sense(small_checkpoint: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        convert(small_checkpoint, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


# -- faces and statistics that cannot be used


def noise(folder: Path, count: int, size: int) -> Path:
    folder.mkdir()
    random_numbers = np.random.default_rng(0)
    for index in range(count):
        coarse = random_numbers.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(coarse, (size, size)))
    return folder


def test_folders_that_calibrate_nothing(
    official: Path, face_folder: Path, real_store: ModelStore, tmp_path: Path
) -> None:
    photo = sorted(face_folder.iterdir())[0]
    same = tmp_path / "same"
    same.mkdir()
    for index in range(50):
        shutil.copy(photo, same / f"{index}.jpg")
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder, message in (
        (noise(tmp_path / "noise", 20, 200), "no face was found in any of the 20 pictures"),
        (same, r"has 1 different faces \(49 copies of another\); calibration needs at least 16"),
        (empty, "no pictures"),
        (tmp_path / "nowhere", "there is no folder .*nowhere"),
        (photo, "is no folder"),
    ):
        for precision in ("int8", "float32"):
            with pytest.raises(CalibrationError, match=message):
                convert(official, tmp_path / "out", to="tflite", precision=precision, faces=folder)
    assert not (tmp_path / "out").exists()


def test_what_does_not_concern_a_detector(
    yunet_like: ModuleType, some_faces: Faces, int8: Conversion, tmp_path: Path
) -> None:
    source = tmp_path / "yunet.onnx"
    source.write_bytes(yunet_like.yunet(channels=3).SerializeToString())
    options: tuple[dict[str, Any], ...] = (
        {"calibration": calibration_of(int8)},
        {"layout": "NCHW"},
        {"batch": 1},
        {"prelu": "native"},
        {"equalise": False},
    )
    for option in options:
        (key,) = option
        with pytest.raises(OptionError, match=rf"{key} is for embedders, and yunet\.onnx is a detector"):
            convert(source, tmp_path / "out", **option)
    with pytest.raises(OptionError, match=r"yunet\.onnx is a detector: it takes .* a folder of photos, not .* Faces"):
        convert(source, tmp_path / "out", faces=some_faces)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "float32", "calibration": "x.json"}, "calibration and equalise are for int8, int16x8, mixed"),
        ({"precision": "dynamic", "equalise": False}, "calibration and equalise are for int8, int16x8, mixed"),
        ({"precision": "int8", "prelu": "native"}, "prelu is for float models"),
        ({"precision": "int8", "equalise": False}, "equalise=False needs faces"),
        ({"precision": "int8"}, r"integers need to see faces: .*faces= \(--faces\).*calibration= \(--calibration\)"),
        ({"precision": "float16", "integer_io": True}, "integer_io is for TFLite .*, precision='float16'"),
        ({"precision": "int8", "layout": "NCHW"}, "layout and batch are choices for to='onnx'"),
        ({"precision": "int8", "to": "onnx", "integer_io": True}, "integer_io is for TFLite"),
    ],
    ids=str,
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str, small_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        convert(small_checkpoint, tmp_path / "out", **{"to": "tflite", **options})
    assert not (tmp_path / "out").exists()


def test_a_calibration_of_another_checkpoint(small_checkpoint: Path, int8: Conversion, tmp_path: Path) -> None:
    saved = calibration_of(int8)
    for calibration in (saved, Calibration.from_json(saved.read_bytes())):
        with pytest.raises(CalibrationError, match=r"of the checkpoint 2beca52a2aeadfa8\.\.\., not of"):
            convert(small_checkpoint, tmp_path / "out", to="tflite", precision="int8", calibration=calibration)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def small_calibration(small_checkpoint: Path, small_checkpoint_graph: Graph) -> Calibration:
    """Of the small checkpoint, on noise."""
    pictures = np.random.default_rng(0).uniform(-1, 1, (16, 32, 32, 3)).astype(np.float32)
    digest = hashlib.sha256(small_checkpoint.read_bytes()).hexdigest()
    return calibrate(small_checkpoint_graph, pictures, checkpoint_sha256=digest)


def mutated(text: bytes, seed: int) -> bytes:
    """A calibration with damaged bytes (odd seeds), or well-formed with values that nobody expects (even seeds)."""
    choice = random.Random(seed)
    if seed % 2:
        data = bytearray(text)
        for _ in range(choice.choice((1, 3, 20))):
            data[choice.randrange(len(data))] = choice.randrange(256)
        return bytes(data[: choice.choice((len(data), len(data), choice.randrange(len(data))))])
    document = json.loads(text)
    odd: list[Any] = [None, True, -1, 0, 1e-40, 1e29, 1e400, "x", "é" * 9, [], [[]], {}, {"a": 1}, 10**400, -0.0, 1e-30]
    value = choice.choice(odd)
    key = choice.choice([key for key in document if key != "checkpoint"])
    inside = document[key]
    if choice.random() < 0.2 or not inside or not isinstance(inside, (list, dict)):
        document[key] = value
    elif isinstance(inside, list):
        inside[choice.randrange(len(inside))] = value
    else:
        name = choice.choice(list(inside))
        if choice.random() < 0.3:
            del inside[name]
        elif choice.random() < 0.3:
            inside[choice.choice(("", "no such tensor", "__class__"))] = inside.pop(name)
        elif choice.random() < 0.5:
            inside[name][choice.randrange(len(inside[name]))] = value
        else:
            inside[name] = value
    return json.dumps(document).encode()


def test_200_damaged_calibrations(small_checkpoint: Path, small_calibration: Calibration, tmp_path: Path) -> None:
    """Each is refused with an error of ours, or still means something; nothing is left where it was refused."""
    text, path = small_calibration.to_json().encode(), tmp_path / "saved.json"
    refused = 0
    for seed in range(200):
        path.write_bytes(mutated(text, seed))
        out = tmp_path / str(seed)
        try:
            convert(small_checkpoint, out, to="tflite", precision="int8", calibration=path)
        except ConversionError:
            refused += 1
            assert not out.exists(), seed
    assert 100 < refused < 200


# -- networks that nobody trained


def computed(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    if isinstance(node, BatchNorm):
        deviation = np.sqrt(node.variance + np.float32(node.epsilon))
        return (inputs[0] - node.mean) * (node.gamma / deviation) + node.beta
    if isinstance(node, Conv):
        picture = Input("picture", (), *inputs[0].shape[1:])
        alone = Graph((picture, replace(node, inputs=("picture",))), (node.name,))
        return interpret(alone, inputs[0])[node.name].astype(np.float32)
    return compute(node, inputs)


def wild(graph: Graph, pictures: np.ndarray) -> Graph:
    """A network with PReLU slopes of -16 to 16 and channels whose ranges differ by 1000, small ones as important.

    Every normalisation has the statistics that these pictures give it, so that numbers neither vanish nor explode.
    """
    choice = np.random.default_rng(3)
    values: dict[str, np.ndarray] = {graph.input.name: pictures}
    nodes: list[Node] = [graph.input]
    for node in graph.nodes[1:]:
        inputs = [values[name] for name in node.inputs]
        flat = inputs[0].reshape(-1, inputs[0].shape[-1])
        if isinstance(node, PRelu):
            slopes = np.clip(choice.standard_cauchy(node.slope.shape) / 2, -16, 16)
            node = replace(node, slope=slopes.astype(np.float32))
        elif isinstance(node, Conv) and not node.depthwise:
            size = np.sqrt(np.square(flat).mean(axis=0)) + 1e-3
            node = replace(node, kernel=(node.kernel / size[:, None]).astype(np.float32))
        elif isinstance(node, BatchNorm):
            size = 10 ** choice.uniform(-1.5, 1.5, flat.shape[1]) if node.name != "embedding" else 1.0
            node = replace(
                node,
                gamma=(node.gamma * size).astype(np.float32),
                beta=(node.beta * size).astype(np.float32),
                mean=flat.mean(axis=0).astype(np.float32),
                variance=(flat.var(axis=0) + 1e-6).astype(np.float32),
            )
        values[node.name] = computed(node, inputs)
        nodes.append(node)
    return Graph(tuple(nodes), graph.outputs)


def test_a_wild_network_is_never_wrong_in_silence(
    some_faces: Faces, keras2: ModuleType, keras3: ModuleType, tmp_path: Path
) -> None:
    """Float is exact; integers have the cosine that is reported, and are refused where that is below the gate."""
    name = "ghostfacenet-v1-0.25-2"
    few = some_faces.split(128)[0]
    calibrating, judging = few.split(500)
    graph = wild(architecture(name, seed=1), (calibrating.crops[:8].astype(np.float32) - 127.5) / 128)
    slopes = np.concatenate([node.slope for node in graph.nodes if isinstance(node, PRelu)])
    assert (slopes.min(), slopes.max()) == (-16, 16)
    assert (np.abs(slopes) > 1).mean() > 0.2
    source = tmp_path / "wild.h5"
    source.write_bytes(keras3.named(keras3.weights_of(graph, keras_order(graph), keras2)))
    options: dict[str, Any] = {"architecture": name, "faces": few}
    pictures = (judging.crops.astype(np.float32) - 127.5) / 128
    expected = interpret(graph, pictures)["embedding"]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    for to in ("onnx", "tflite"):
        made = convert(source, tmp_path / "out", to=to, **options)
        cosines = (Embedder(open_session(made.path, threads=1)).embed(judging.crops) * expected).sum(axis=1)
        assert cosines.min() > 0.99999
    made = convert(source, tmp_path / "off", to="tflite", precision="int8", gate="off", **options)
    cosines = (Embedder(open_session(made.path, threads=1)).embed(judging.crops) * expected).sum(axis=1)
    assert made.parity is not None
    assert made.parity.cosine_mean == pytest.approx(cosines.mean(), abs=1e-5)
    assert made.parity.cosine_min == pytest.approx(cosines.min(), abs=1e-5)
    assert cosines.mean() < 0.9 or cosines.min() > 0.95  # clearly one or the other
    options["calibration"] = made.calibration
    if cosines.mean() > 0.9:
        again = convert(source, tmp_path / "int8", to="tflite", precision="int8", **options)
        assert again.path.read_bytes() == made.path.read_bytes()
    else:
        with pytest.raises(GateError, match=f"mean cosine to float {made.parity.cosine_mean:.6f} is below"):
            convert(source, tmp_path / "int8", to="tflite", precision="int8", **options)
        assert not (tmp_path / "int8" / "wild_int8.tflite").exists()


def shaken(graph: Graph, pictures: np.ndarray) -> Graph:
    """A network with 30 % of its PReLU slopes random between -16 and 16, its normalisation measured anew."""
    choice = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {graph.input.name: pictures}
    nodes: list[Node] = [graph.input]
    for node in graph.nodes[1:]:
        inputs = [values[name] for name in node.inputs]
        if isinstance(node, PRelu):
            slopes = np.where(
                choice.random(node.slope.shape) < 0.3, choice.uniform(-16, 16, node.slope.shape), node.slope
            )
            node = replace(node, slope=slopes.astype(np.float32))
        elif isinstance(node, BatchNorm):
            flat = inputs[0].reshape(-1, inputs[0].shape[-1])
            node = replace(
                node, mean=flat.mean(axis=0).astype(np.float32), variance=flat.var(axis=0).astype(np.float32)
            )
        values[node.name] = computed(node, inputs)
        nodes.append(node)
    return Graph(tuple(nodes), graph.outputs)


def test_int8_weights_of_slopes_that_nobody_trained(
    real_checkpoint: Graph, some_faces: Faces, keras2: ModuleType, keras3: ModuleType, tmp_path: Path
) -> None:
    """Without a photo, the kernels stay float16 whose rounding costs most: with all in int8, it is 0.995 and 0.98."""
    calibrating, judging = some_faces.split(500)
    graph = shaken(real_checkpoint, (calibrating.crops[:16].astype(np.float32) - 127.5) / 128)
    source = tmp_path / "shaken.h5"
    source.write_bytes(keras3.named(keras3.weights_of(graph, keras_order(graph), keras2)))
    options: dict[str, Any] = {"architecture": "ghostfacenet-v1-0.5-2", "precision": "dynamic"}
    made = convert(source, tmp_path, to="tflite", **options)
    expected = interpret(graph, (judging.crops.astype(np.float32) - 127.5) / 128)["embedding"]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    cosines = (Embedder(open_session(made.path, threads=1)).embed(judging.crops) * expected).sum(axis=1)
    assert cosines.mean() >= 0.998
    assert cosines.min() >= 0.994
    assert made.size < 1_000_000


def test_channels_1000_times_apart_cost_nothing(real_checkpoint: Graph, make_card: Any, some_faces: Faces) -> None:
    """The official network, which has slopes of -16 to 16, with every channel in a unit of its own: the same function.

    Its channels' ranges differ by a further factor of 1000, and int8 passes its gate as before.
    """
    graph = fold_batch_norm(real_checkpoint)
    groups = scale_groups(graph)
    units = 10 ** np.random.default_rng(1).uniform(-1.5, 1.5, len(groups.pinned))
    graph = scaled(graph, groups.factors(units))
    calibrating, judging = some_faces.split(500)
    pictures = (calibrating.crops.astype(np.float32) - 127.5) / 128
    prepared = prepare_integers(graph, "int8", calibrate(graph, pictures, checkpoint_sha256="0" * 64))
    card = make_card(precision="int8", embedding_size=512)
    report = judge(
        write_tflite(prepared.graph, card, prepared.quantization),
        "wild.tflite",
        card,
        checkpoint=real_checkpoint,
        written=prepared.graph,
        quantization=prepared.quantization,
        crops=judging.crops,
        faces="faces",
        gate=DEFAULT_GATES["int8"],
        inside=False,
    )
    assert report.passed, report.failures


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic"])
def test_version_2_end_to_end(
    precision: str, some_faces: Faces, keras2: ModuleType, keras3: ModuleType, tmp_path: Path
) -> None:
    name = "ghostfacenet-v2-0.5-2"
    graph = architecture(name, seed=2)
    source = tmp_path / "v2.h5"
    source.write_bytes(keras3.named(keras3.weights_of(graph, keras_order(graph), keras2)))
    made = convert(source, tmp_path / "out", to="tflite", precision=precision, architecture=name, faces=some_faces)
    crops = some_faces.crops[:8]
    expected = interpret(graph, (crops.astype(np.float32) - 127.5) / 128)["embedding"]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    cosines = (Embedder(open_session(made.path, threads=1)).embed(crops) * expected).sum(axis=1)
    assert cosines.min() > {"float32": 0.99999, "float16": 0.999, "dynamic": 0.985}[precision]
    assert made.card.architecture == name

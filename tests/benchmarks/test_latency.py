"""``bench latency`` measures what it says, in real runtimes, and labels it; how fast anything is, is not tested."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tqdm

from ghostface_edge.alignment import ARCFACE_TEMPLATE
from ghostface_edge.benchmarks import latency as module
from ghostface_edge.benchmarks.cold_child import resident
from ghostface_edge.benchmarks.cold_start import ColdStart, Spread, start_cold
from ghostface_edge.benchmarks.device import Condition
from ghostface_edge.benchmarks.face_crops import FaceCrops, drawn_faces, read_face_crops
from ghostface_edge.benchmarks.latency import Field, load_field, measure_latency
from ghostface_edge.benchmarks.latency_table import FLAGS, latency_text
from ghostface_edge.benchmarks.random_model import RandomModel
from ghostface_edge.benchmarks.run_file import Run
from ghostface_edge.benchmarks.samples import Ratio
from ghostface_edge.cli import main
from ghostface_edge.cli.output import table
from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.embedding import Embedder
from ghostface_edge.engine import load_detector
from ghostface_edge.errors import EvaluationError, GhostFaceError, OptionError, RuntimeMissingError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import load_session

NAME = "ghostfacenet-v1-0.1-2"


@pytest.fixture(scope="module")
def network() -> RandomModel:
    for package in ("onnx", "onnxruntime", "ai_edge_litert"):
        pytest.importorskip(package)
    return RandomModel(NAME)


@pytest.fixture(scope="module")
def files(network: RandomModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The network in four forms."""
    folder = tmp_path_factory.mktemp("random")
    paths = {}
    for to, precision in (("onnx", "float32"), ("onnx", "int8"), ("tflite", "float32"), ("tflite", "int8")):
        path = folder / f"{precision}.{to}"
        path.write_bytes(network.write(to, precision))
        paths[path.name] = path
    return paths


@pytest.fixture(scope="module")
def run(files: dict[str, Path]) -> Run:
    """A short run of the four."""
    return measure_latency(load_field(list(files.values())), drawn_faces(2), quick=True, seconds=0, least=12)


# ----------------------------------------------------------------------------------------------------------------
# What is timed


@pytest.mark.parametrize(
    ("to", "precision", "least"),
    [
        ("onnx", "float32", 0.99999),
        ("onnx", "float16", 0.999),
        ("onnx", "int8", 0.9),
        ("tflite", "float32", 0.99999),
        ("tflite", "dynamic", 0.98),
        ("tflite", "int8", 0.9),
        ("tflite", "int16x8", 0.98),
    ],
)
def test_a_random_model_computes_its_architecture(to: str, precision: str, least: float, network: RandomModel) -> None:
    """Against the NumPy interpreter of the graph: what is timed is the network, not something like it."""
    data = network.write(to, precision)
    crops = drawn_faces(3).crops
    expected = interpret(architecture(NAME), (crops.astype(np.float32) - 127.5) / 128)["embedding"]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    session = load_session(data, "random", threads=1)
    cosines = (Embedder(session).embed(crops) * expected).sum(axis=1)
    assert cosines.min() > least
    assert (session.card.precision, session.card.architecture) == (precision, NAME)
    assert "random weights" in session.card.licence
    assert data == RandomModel(NAME).write(to, precision) if precision == "float32" else True


def test_forms_that_do_not_exist(network: RandomModel) -> None:
    for to, precision in (("onnx", "int16x8"), ("tflite", "mixed"), ("tflite", "int4")):
        with pytest.raises(OptionError, match=f"{precision} does not exist for {NAME}"):
            network.write(to, precision)
    with pytest.raises(OptionError, match="not known"):
        RandomModel("resnet")


def test_drawn_faces_are_faces(shared: Path, real_store: ModelStore) -> None:
    """The detector that looks at real photos finds one in each, with the landmarks where aligned faces have them."""
    detector = load_detector("yunet", threads=1)
    for crop in drawn_faces().crops:
        (found,) = detector.detect(Image.from_rgb(crop))
        distance = np.linalg.norm(np.asarray(found.landmarks) - ARCFACE_TEMPLATE, axis=1).mean()
        assert found.score > 0.85
        assert distance < 6  # the converter's bound for crops that count as aligned


def test_drawn_faces_are_always_the_same_and_each_another() -> None:
    crops = drawn_faces().crops
    assert np.array_equal(crops, drawn_faces().crops)
    assert len({crop.tobytes() for crop in crops}) == 8
    assert crops.std(axis=(1, 2, 3)).min() > 30


def test_crops_of_a_folder_are_taken_as_they_are(tmp_path: Path) -> None:
    crops = drawn_faces(3).crops
    for number, crop in enumerate(crops):
        cv2.imwrite(str(tmp_path / f"{number}.png"), crop[..., ::-1])
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    found = read_face_crops(tmp_path, 2)
    assert np.array_equal(found.crops, crops[:2])
    assert found.kind == f"2 faces of the folder {tmp_path.name}"


def test_photos_of_a_folder_are_aligned(shared: Path, real_store: ModelStore) -> None:
    found = read_face_crops(shared / "photos", 2)
    assert found.crops.shape == (2, 112, 112, 3)


def test_folders_without_faces(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no folder"):
        read_face_crops(tmp_path / "absent")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(EvaluationError, match="no face was found in any of the 1 pictures"):
        read_face_crops(tmp_path)


# ----------------------------------------------------------------------------------------------------------------
# The field


def test_files_are_timed_as_they_are(files: dict[str, Path]) -> None:
    field = load_field([files["int8.tflite"], files["float32.onnx"]], precisions=["float16"], threads=(1, 2))
    subjects = [item.subject for item in field.candidates]
    assert [(item.precision, item.runtime.split()[0], item.threads) for item in subjects] == [
        ("int8", "ai_edge_litert", 1),
        ("int8", "ai_edge_litert", 2),
        ("float32", "onnxruntime", 1),
        ("float32", "onnxruntime", 2),
    ]
    assert subjects[0].file_sha256 == hashlib.sha256(files["int8.tflite"].read_bytes()).hexdigest()
    assert field.skipped == ()


def test_what_cannot_run_is_left_out_with_a_reason(network: RandomModel, files: dict[str, Path]) -> None:
    field = load_field([files["int8.onnx"]], architectures=[NAME], precisions=["dynamic"], runtimes=["litert", "onnx"])
    assert [item.subject.precision for item in field.candidates] == ["int8", "dynamic"]
    (reason,) = field.skipped
    assert reason.startswith(f"{NAME} dynamic on onnx: dynamic does not exist for {NAME} as .onnx")
    field = load_field([files["int8.onnx"], files["int8.tflite"]], runtimes=["litert"])
    assert len(field.candidates) == 1
    assert field.skipped == ("int8.onnx: it runs on onnx, which was not asked for or is not installed",)


def test_a_runtime_that_is_missing(network: RandomModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_litert(data: bytes, name: str, **options: Any) -> Any:
        if name == NAME and data[4:8] == b"TFL3":
            raise RuntimeMissingError("needs LiteRT, which is not installed")
        return load_session(data, name, **options)

    monkeypatch.setattr(module, "load_session", without_litert)
    field = load_field(architectures=[NAME], runtimes=["litert", "onnx"])
    assert [item.session.runtime for item in field.candidates] == ["onnx"]
    assert "not installed" in field.skipped[0]
    with pytest.raises(RuntimeMissingError):
        load_field(architectures=[NAME], runtimes=["litert"])
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(RuntimeMissingError, match="no runtime is installed"):
        load_field(architectures=[NAME])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to time"),
        ({"architectures": ["resnet"]}, "not known"),
        ({"architectures": [NAME], "precisions": ["int4"]}, "int4.*does not exist"),
        ({"architectures": [NAME], "runtimes": ["tensorrt"]}, "tensorrt"),
        ({"architectures": [NAME], "runtimes": ["onnx"], "precisions": ["dynamic"]}, "dynamic does not exist"),
        ({"architectures": [NAME], "threads": [0]}, "threads=0"),
        ({"models": ["absent.onnx"]}, "no model file at absent.onnx"),
        ({"models": ["nobody"]}, "nobody"),
        ({"models": ["nobody"], "precisions": ["mixed"], "runtimes": ["litert"]}, "write a file with .* convert"),
    ],
)
def test_what_cannot_be_loaded(options: dict[str, Any], message: str, network: RandomModel) -> None:
    with pytest.raises(GhostFaceError, match=message):
        load_field(**options)


def test_the_same_file_twice_is_one_subject(files: dict[str, Path]) -> None:
    assert len(load_field([files["int8.onnx"]] * 2, threads=(1, 1)).candidates) == 1


def test_detectors_and_known_names(real_models: ModelStore) -> None:
    with pytest.raises(OptionError, match="is a detector"):
        load_field(["yunet"], runtimes=["onnx"], store=real_models)
    field = load_field(["ghostfacenet-w0.5-s2"], precisions=["float32", "int8"], runtimes=["onnx"], store=real_models)
    assert [(item.subject.name, item.subject.precision) for item in field.candidates] == [
        ("ghostfacenet-w0.5-s2", "float32"),
        ("ghostfacenet-w0.5-s2", "int8"),
    ]


# ----------------------------------------------------------------------------------------------------------------
# The run


def test_every_subject_has_its_own_row(run: Run, files: dict[str, Path]) -> None:
    assert [row.figures["file"] for row in run.rows] == list(files)
    for row, path in zip(run.rows, files.values()):
        assert row.summary is not None
        assert row.subject.file_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert row.figures["file_bytes"] == path.stat().st_size
        assert row.summary.count >= 12
        assert "quick" in row.summary.flags
        assert row.figures["random_weights"]
        assert (row.figures["ratio_to_first"] is None) == (row is run.rows[0])
    assert run.complete
    assert run.settings["input"] == "2 faces drawn by this program"
    assert set(run.settings["cpus"]) == os.sched_getaffinity(0)


def test_cold_starts_are_split_and_have_a_spread(run: Run) -> None:
    for row in run.rows:
        start = row.figures["cold_start"]
        assert start["starts"] == 3
        for name in ("import_ms", "load_ms", "first_ms"):
            assert 0 < start[name]["min"] <= start[name]["p50"] <= start[name]["max"]
        assert start["imported_mib"]["p50"] < start["steady_mib"]["p50"] <= start["peak_mib"]["p50"]


def test_a_run_is_a_file(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path / "run.json")
    assert Run.read(tmp_path / "run.json") == run


def test_the_network_sees_each_face_in_turn(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (candidate,) = load_field([files["float32.onnx"]]).candidates
    faces, seen = drawn_faces(3), []

    class Watched:
        card, version, threads = candidate.session.card, candidate.session.version, 1

        def run(self, tensor: Any) -> Any:
            seen.append(tensor)
            return candidate.session.run(tensor)

    monkeypatch.setattr(module, "start_cold", lambda *given, **named: dict.fromkeys(TIMES, 1.0))
    measure_latency(Field((replace(candidate, session=Watched()),), ()), faces, seconds=0, least=6)  # type: ignore[arg-type]
    for index, tensor in enumerate(seen[:9]):
        assert np.array_equal(tensor, (faces.crops[index % 3 : index % 3 + 1].astype(np.float32) - 127.5) / 128)


TIMES = ("import_ms", "load_ms", "first_ms", "imported_mib", "steady_mib", "peak_mib")


def test_throttling_and_emulation_are_in_every_row(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    field = load_field([files["float32.onnx"], files["int8.onnx"]])
    conditions = iter([Condition((), (), None, bits, None, None, None) for bits in (0x0, 0x40004)])
    monkeypatch.setattr(module.Condition, "now", lambda: next(conditions))
    here = module.Device.here
    monkeypatch.setattr(module.Device, "here", lambda: here(emulated="qemu"))
    monkeypatch.setattr(module, "start_cold", lambda *given, **named: dict.fromkeys(TIMES, 1.0))
    run = measure_latency(field, drawn_faces(1), seconds=0, least=1)
    assert all({"throttled", "emulated"} <= set(row.summary.flags) for row in run.rows if row.summary)
    assert run.settings["throttled"] == ["throttled", "throttled since boot"]
    text = latency_text(run, table)
    assert "throttled by: throttled since boot" in text
    assert "EMULATED by qemu" in text


def interrupting(after: int) -> Callable[[float], None]:
    calls = 0

    def progress(share: float) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt

    return progress


def test_ctrl_c_keeps_what_was_measured(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STARTS", 1)
    field = load_field([files["float32.onnx"], files["int8.onnx"]])
    run = measure_latency(field, drawn_faces(1), progress=interrupting(3))
    assert not run.complete
    assert all(row.summary and row.summary.count > 0 and "incomplete" in row.summary.flags for row in run.rows)
    with pytest.raises(KeyboardInterrupt):
        measure_latency(field, drawn_faces(1), progress=interrupting(0))


def test_faces_of_another_size(files: dict[str, Path]) -> None:
    with pytest.raises(OptionError, match="takes crops of 112 x 112"):
        measure_latency(load_field([files["int8.onnx"]]), FaceCrops(np.zeros((1, 64, 64, 3), np.uint8), "small"))


# ----------------------------------------------------------------------------------------------------------------
# Cold starts


def test_a_spread_is_median_and_extremes() -> None:
    rows = [dict.fromkeys(TIMES, value) for value in (3.0, 1.0, 8.0)]
    found = ColdStart.of([{**row, "peak_mib": None} for row in rows])
    assert found.starts == 3
    assert found.figures["load_ms"] == Spread(3.0, 1.0, 8.0)
    assert "peak_mib" not in found.figures


def test_a_cold_start_that_fails(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    np.save(tmp_path / "picture.npy", np.zeros((1, 112, 112, 3), np.float32))
    with pytest.raises(EvaluationError, match=r"cold start of model.onnx ended with 1: .*Error: "):
        start_cold(tmp_path / "model.onnx", tmp_path / "picture.npy", module="onnxruntime", threads=1)


def test_resident_memory_is_that_of_the_process() -> None:
    if not os.path.exists("/proc/self/status"):
        pytest.skip("no procfs")
    before, _ = resident()
    block = np.ones(64 << 20, np.uint8)
    after, peak = resident()
    assert before is not None
    assert after is not None
    assert peak is not None
    assert after - before == pytest.approx(64, abs=8)
    assert peak >= after - 1
    del block


# ----------------------------------------------------------------------------------------------------------------
# What people see


def test_the_report_says_what_it_is_of(run: Run) -> None:
    text = latency_text(replace(run, settings={**run.settings, "skipped": ["x: no such form"]}), table)
    for part in (
        run.created,
        "input: 2 faces drawn by this program",
        "weights: random",
        "quick: fewer samples than the 1,024, or less than the 60 s, of a full run",
        "left out: x: no such form",
        "median of 3 (least to most)",
    ):
        assert part in text
    assert run.rows[1].summary is not None
    ratio = run.rows[1].figures["ratio_to_first"]
    assert f"{ratio['value']:.3f}  {ratio['low']:.3f} to {ratio['high']:.3f}" in text
    assert f"{run.rows[1].summary.p50:.3f}" in text


def test_a_wide_interval_of_a_ratio_is_flagged(run: Run) -> None:
    ratio = Ratio(0.5, 0.4, 0.6, 9).to_dict()
    rows = [replace(row, figures={**row.figures, "ratio_to_first": ratio}) for row in run.rows]
    text = latency_text(replace(run, rows=tuple(rows)), table)
    assert text.count("noisy-ratio\n") == 4
    assert "noisy-ratio: the interval of the ratio is wider than 10 % of it" in text


def test_every_flag_is_explained() -> None:
    assert set(FLAGS) == {
        "quick", "noisy", "noisy-ratio", "drifting", "busy", "warming", "throttled", "emulated", "incomplete",
    }  # fmt: skip


def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two samples of each subject."""
    monkeypatch.setattr(module, "QUICK_SECONDS", 0)
    monkeypatch.setattr(module, "QUICK_LEAST", 2)
    monkeypatch.setattr(module, "QUICK_STARTS", 1)


def test_the_command(
    network: RandomModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quickly(monkeypatch)
    output = tmp_path / "run.json"
    words = ["bench", "latency", "--arch", NAME, "--precision", "fp32,int8", "--quick", "--json", "-o", str(output)]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    run = Run.read(output)
    assert run.to_dict() == document
    assert [(row.subject.precision, row.subject.runtime.split()[0]) for row in run.rows] == [
        ("float32", "onnxruntime"),
        ("int8", "onnxruntime"),
        ("float32", "ai_edge_litert"),
        ("int8", "ai_edge_litert"),
    ]
    assert run.settings["quick"] is True


def test_the_command_in_words_on_one_cpu(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quickly(monkeypatch)
    before = os.sched_getaffinity(0)
    cpu = min(before)
    words = ["bench", "latency", str(files["int8.onnx"]), "--quick", "--threads", "1-2", "--affinity", str(cpu)]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert f"CPUs used: {cpu}\n" in text
    assert text.count("int8.onnx") == 6  # two subjects in three tables
    assert os.sched_getaffinity(0) == before


def test_ctrl_c_in_the_command(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bar(tqdm.tqdm):  # type: ignore[type-arg]
        calls = 0

        def update(self, n: float | None = 1) -> bool | None:
            Bar.calls += 1
            if Bar.calls > 2:
                raise KeyboardInterrupt
            return None

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    output = tmp_path / "run.json"
    assert main(["bench", "latency", str(files["int8.onnx"]), "-o", str(output)]) == 130
    assert not Run.read(output).complete


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a MODEL"),
        (["--arch", NAME, "--threads", "none"], "--threads 'none' is no list"),
        (["--arch", NAME, "--affinity", "huge"], "affinity 'huge' is none of"),
        (["--arch", NAME, "--affinity", "4095"], "CPU 4095 is not among"),
        (["--arch", NAME, "--faces", "absent"], "there is no folder absent"),
        (["--arch", NAME, "-o", "absent/run.json"], "there is no folder absent"),
        (["--arch", "resnet"], "'resnet' is not known"),
    ],
)
def test_what_the_command_refuses(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "latency", *words]) == 2
    assert message in capsys.readouterr().err

"""From error rates to thresholds, and into model files and tables: only where they belong, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import numpy as np
import pytest

from ghostface_edge.benchmarks.interval import Interval
from ghostface_edge.benchmarks.metrics import Rate
from ghostface_edge.benchmarks.system import SystemInfo
from ghostface_edge.benchmarks.threshold_calibration import calibrated, check_target, write_calibration
from ghostface_edge.card import ModelCard, Source
from ghostface_edge.errors import EvaluationError, GhostFaceError, ModelCardError, ModelFileError, ThresholdError
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime.opening import read_model_card, replace_model_card
from ghostface_edge.thresholds import read_thresholds
from ghostface_edge.types import ModelIdentity, Threshold

SHA256 = "ab" * 32
NEW = (
    Threshold(1e-1, 0.2, "yunet", 0.05, 5000, 300, "ours", 60, 0.12, 0.18, 0.22),
    Threshold(1e-2, 0.3, "yunet", 0.07, 5000, 300, "ours", 60, 0.02, 0.28, 0.33),
)
OLD = (
    Threshold(1e-1, 0.21, "scrfd", 0.05, 1000, 200, "LFW"),
    Threshold(1e-1, 0.15, "yunet", 0.05, 1000, 200, "LFW"),
    Threshold(1e-3, 0.35, "yunet", 0.09, 1000, 200, "LFW"),
)
KEPT = (OLD[0], *NEW)
"""What is then in the file: scrfd's, and of yunet's the new ones alone."""

WEIGHTS = np.random.default_rng(5).normal(size=(12, 4)).astype(np.float32)


# ----------------------------------------------------------------------------------------------------------------
# Error rates


def point(fmr: float, threshold: float, matched: int, missed: int, interval: Interval | None) -> Any:
    return SimpleNamespace(
        fmr=fmr,
        threshold=threshold,
        false_matches=Rate(matched, 5000),
        false_non_matches=Rate(missed, 300),
        threshold_interval=interval,
        fmr_interval=Interval(0.0, 2 * fmr, "Wilson"),
        fnmr_interval=Interval(0.0, 1.0, "Wilson"),
    )


def rates(*points: Any, people: int | None = 60) -> Any:
    return SimpleNamespace(genuine=300, impostor=5000, people=people, points=points)


def test_error_rates_become_thresholds() -> None:
    measured = rates(
        point(1e-1, 0.2, 500, 15, Interval(0.18, 0.22, "bootstrap")),
        point(1e-2, 0.3, 50, 21, Interval(0.28, 1.000001, "bootstrap")),
        point(1e-3, 0.4, 5, 30, None),
    )
    assert calibrated(measured, "yunet+flip", "people of ours") == (
        Threshold(1e-1, 0.2, "yunet+flip", 0.05, 5000, 300, "people of ours", 60, 0.2, 0.18, 0.22),
        Threshold(1e-2, 0.3, "yunet+flip", 0.07, 5000, 300, "people of ours", 60, 0.02, 0.28, 1.0),
        Threshold(1e-3, 0.4, "yunet+flip", 0.1, 5000, 300, "people of ours", 60, 0.002, None, None),
    )
    assert calibrated(rates(measured.points[0], people=None), "yunet", "x")[0].people is None


def test_copies_under_two_names_allow_no_threshold() -> None:
    measured = rates(point(1e-1, 0.2, 500, 15, None), point(1e-2, 1.000001, 0, 300, None))
    with pytest.raises(EvaluationError, match=r"reaches an FMR of 0\.01: .* copies of one photo under two names"):
        calibrated(measured, "yunet", "x")


def test_too_few_comparisons_allow_none() -> None:
    with pytest.raises(EvaluationError, match=r"5,000 comparisons of different people support no false-match rate"):
        calibrated(rates(), "yunet", "x")


# ----------------------------------------------------------------------------------------------------------------
# Files


def info(data: bytes = b"", source: str = SHA256, precision: str = "float32") -> SystemInfo:
    model = ModelIdentity("net-1", precision, "yunet")
    return SystemInfo(model, "net", source, "a runtime", "net.file", hashlib.sha256(data).hexdigest())


@pytest.fixture(params=["onnx", "tflite"])
def model(request: pytest.FixtureRequest, make_card: Any, make_linear: Callable[..., bytes], tmp_path: Path) -> Path:
    """A model file with thresholds of two detectors."""
    changes = {"source": Source("net.h5", SHA256, 1), "thresholds": OLD, "input_height": 2, "input_width": 2}
    path = tmp_path / f"model.{request.param}"
    if request.param == "onnx":
        path.write_bytes(make_linear(WEIGHTS, **changes))
    else:
        path.write_bytes(tflite(make_card(embedding_size=4, **changes)))
    return path


def tflite(card: ModelCard) -> bytes:
    pytest.importorskip("ai_edge_litert")
    from ghostface_edge.converters.graph import Conv, Flatten, Graph, Input
    from ghostface_edge.converters.tflite_writer import write_tflite

    kernel = WEIGHTS.reshape(2, 2, 3, 4)
    nodes = (Input("x", (), 2, 2, 3), Conv("map", ("x",), kernel, None, (2, 2)), Flatten("y", ("map",)))
    return write_tflite(Graph(nodes, ("y",)), card)


def card_of(path: Path) -> ModelCard:
    return read_model_card(path.read_bytes(), path.name)


def test_into_the_card_of_a_model(model: Path) -> None:
    old = card_of(model)
    check_target(model, info())
    write_calibration(model, info(), NEW)
    assert card_of(model) == old.with_thresholds(KEPT)
    assert os.listdir(model.parent) == [model.name]
    first = model.read_bytes()
    write_calibration(str(model), info(), NEW)
    assert model.read_bytes() == first


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        (info(source="cd" * 32), "its source is abababab in float32, and cdcdcdcd in float32 was measured"),
        (info(precision="int8"), "abababab in float32, and abababab in int8 was measured"),
    ],
)
def test_thresholds_of_another_network_are_refused(model: Path, measured: SystemInfo, message: str) -> None:
    before = model.read_bytes()
    for refuse in (lambda: check_target(model, measured), lambda: write_calibration(model, measured, NEW)):
        with pytest.raises(EvaluationError, match=f"^{model} is another model than the one measured: .*{message}"):
            refuse()
    assert model.read_bytes() == before


def test_integers_are_measured_in_the_file_itself(make_card: Any, tmp_path: Path) -> None:
    card = make_card(source=Source("net.h5", SHA256, 1), embedding_size=4, input_height=2, input_width=2)
    path = tmp_path / "a.tflite"
    path.write_bytes(replace_model_card(tflite(card), replace(card, precision="int8"), "a"))
    with pytest.raises(
        EvaluationError, match="is not the file that is measured, and two files of a checkpoint in int8"
    ):
        check_target(path, info(b"another file", precision="int8"))
    measured = info(path.read_bytes(), precision="int8")
    check_target(path, measured)
    write_calibration(path, measured, NEW)
    other = replace(NEW[0], detector="yunet-fast")  # a second detector of the same run
    write_calibration(path, measured, [other])
    assert card_of(path).thresholds == (*NEW, other)


def test_a_table_by_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.json"
    check_target(path, info())
    assert not path.exists()
    write_calibration(path, info(), OLD)
    check_target(path, info())
    write_calibration(path, info(), NEW)
    write_calibration(path, info(precision="int8"), NEW)
    assert read_thresholds(path) == {SHA256: KEPT, f"{SHA256}/int8": NEW}
    assert json.loads(path.read_text())[SHA256][1]["people"] == 60


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("m.onnx", None, ModelFileError, "no model file at"),
        ("m.tflite", b"", ModelFileError, "is empty"),
        ("m.tflite", b"\x10\0\0\0TFL3" + bytes(40), GhostFaceError, r"m\.tflite"),
        ("m.onnx", b"PK\3\4 and so on", ModelFileError, "not an ONNX model"),
        ("m.onnx", b"\x08\x08", ModelCardError, "no model card"),
        ("m.json", b"[]", ThresholdError, "no table of thresholds"),
        ("m.h5", b"\x89HDF\r\n\x1a\n", EvaluationError, "neither a model file nor a table.*ghostface-edge convert"),
        ("ghostfacenet-w0.5-s2", None, EvaluationError, "it is a model of the store.*ghostface-edge convert"),
        ("m.txt", b"", EvaluationError, "neither a model file nor a table"),
    ],
)
def test_what_is_no_place_for_thresholds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes | None,
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    for refuse in (lambda: check_target(name, info()), lambda: write_calibration(name, info(), NEW)):
        with pytest.raises(error, match=message):
            refuse()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if content is None else [content])


def test_a_folder_that_is_missing_or_closed(model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"the folder .*nowhere is missing or not writable"):
        check_target(tmp_path / "nowhere" / "t.json", info())
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(EvaluationError, match="is missing or not writable"):
        check_target(model, info())


def test_files_of_the_store_stay_as_they_are(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(tmp_path / "home"))
    place = ModelStore().home / "converted" / model.name
    place.parent.mkdir(parents=True)
    place.write_bytes(model.read_bytes())
    for refuse in (lambda: check_target(place, info()), lambda: write_calibration(place, info(), NEW)):
        with pytest.raises(EvaluationError, match=r"belongs to the model store.* copy it elsewhere"):
            refuse()
    assert place.read_bytes() == model.read_bytes()


@pytest.mark.parametrize("name", ["a\0b.onnx", "a\0b/c.tflite", "a\0b.json", "a\0b/c.json", "loop/m.onnx", ".onnx", ""])
def test_paths_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    with pytest.raises(GhostFaceError):
        write_calibration(name, info(), NEW)
    assert os.listdir() == ["loop"]
    if name != "a\0b.json":  # whose folder is good
        with pytest.raises(GhostFaceError):
            check_target(name, info())


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_link_into_the_store_is_replaced_and_the_store_stays(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(tmp_path / "home"))
    place = tmp_path / "home" / model.name
    place.parent.mkdir()
    before = model.read_bytes()
    model.rename(place)
    model.symlink_to(place)
    check_target(model, info())
    write_calibration(model, info(), NEW)
    assert (card_of(model).thresholds, model.is_symlink(), place.read_bytes()) == (KEPT, False, before)
    with pytest.raises(EvaluationError, match="belongs to the model store"):
        check_target(place, info())


def test_a_full_disk_leaves_the_old_file(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = model.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ghostface_edge.atomic.os.fsync", full)
    with pytest.raises(EvaluationError, match=f"cannot write {model}: No space left on device"):
        write_calibration(model, info(), NEW)
    assert (model.read_bytes(), os.listdir(model.parent)) == (before, [model.name])


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_is_not_opened_to_others(model: Path, mode: int) -> None:
    model.chmod(mode)
    write_calibration(model, info(), NEW)
    assert stat.S_IMODE(model.stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_kill_in_the_middle_leaves_the_old_file(model: Path) -> None:
    """The process stops before the new file takes the old one's place, and is killed there."""
    before = model.read_bytes()
    code = """
import os, sys, time
from ghostface_edge.benchmarks.system import SystemInfo
from ghostface_edge.benchmarks.threshold_calibration import write_calibration
from ghostface_edge.types import ModelIdentity, Threshold

def stop(file):
    print("written", flush=True)
    time.sleep(60)

os.fsync = stop
measured = SystemInfo(ModelIdentity("net-1", "float32", "yunet"), "net", sys.argv[2], "r", "f", "0" * 64)
write_calibration(sys.argv[1], measured, [Threshold(1e-1, 0.2, "yunet", 0.05, 5000, 300, "ours")])
"""
    with subprocess.Popen([sys.executable, "-c", code, str(model), SHA256], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert model.read_bytes() == before
    assert card_of(model).thresholds == OLD
    write_calibration(model, info(), NEW)
    assert card_of(model).thresholds == KEPT

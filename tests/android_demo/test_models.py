"""The command that puts the models into the app."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ghostface_edge.models import ModelStore
from ghostface_edge.runtime.opening import read_model_card

ROOT = Path(__file__).resolve().parent.parent.parent
EMBEDDER = "ghostfacenet-w0.5-s2"


def prepare(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "android_demo/models.py", "--folder", str(folder), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_folder_holds_what_was_asked_for_and_nothing_else(real_store: ModelStore, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    (tmp_path / "older.tflite").write_bytes(b"")
    done = prepare(tmp_path)
    assert done.returncode == 0, done.stderr
    files = contents(tmp_path)
    half = real_store.resolve(EMBEDDER, format="tflite", precision="float16").read_bytes()
    detector = real_store.resolve("yunet", format="tflite").read_bytes()
    assert files == {f"{EMBEDDER}-float16.tflite": half, "yunet-float32.tflite": detector}
    card = read_model_card(half, "")
    assert card.precision == "float16"
    assert card.thresholds
    assert "non-commercial research only" in done.stderr

    done = prepare(tmp_path, "--model", EMBEDDER, "--precision", "int8")
    assert done.returncode == 0, done.stderr
    assert set(contents(tmp_path)) == {f"{EMBEDDER}-int8.tflite", "yunet-float32.tflite"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "nobody"], "no model is called 'nobody'"),
        (["--model", "yunet"], "yunet is a detector, not an embedder"),
        (["--model", EMBEDDER, "--model", EMBEDDER], f"there is a {EMBEDDER}-float16.tflite already"),
        (["--model", "README.md"], "README.md is no .tflite file"),
    ],
)
def test_bad_requests_change_nothing(real_store: ModelStore, tmp_path: Path, options: list[str], message: str) -> None:
    pytest.importorskip("ai_edge_litert")
    (tmp_path / "older.tflite").write_bytes(b"older")
    done = prepare(tmp_path, *options)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(tmp_path) == {"older.tflite": b"older"}


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    done = prepare(tmp_path)
    assert done.returncode == 1
    assert "ghostface-edge models pull" in done.stderr
    assert os.listdir(tmp_path) == []

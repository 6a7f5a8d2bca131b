"""Hundreds of damaged checkpoints: each ends in an error of ours or in a model, and leaves no file behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("h5py")
pytest.importorskip("onnx")
WORKER = Path(__file__).with_name("mutant_worker.py")


def outcomes(source: Path, folder: Path, count: int, seconds: float) -> Counter[str]:
    """Convert this many mutants in one child process; warnings are errors there too."""
    command = [sys.executable, "-W", "error", str(WORKER), str(source), str(folder), "0", str(count)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    lines = [line.split() for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"mutant {len(lines)} of {source.name}: {child.returncode} {child.stderr[-2000:]}"
    assert len(lines) == count
    slowest = max(lines, key=lambda line: float(line[2]))
    assert float(slowest[2]) < 10, f"mutant {slowest[0]} took {slowest[2]} s"
    assert set(os.listdir(folder)) <= {f"mutant{source.suffix}", "out"}
    if (folder / "out").exists():
        assert os.listdir(folder / "out") == ["mutant.onnx"]
    return Counter(line[1] for line in lines)


@pytest.fixture(scope="module")
def tiny_checkpoint(keras2: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keras2.ghostface(blocks=[3]).save(tmp_path_factory.mktemp("source") / "tiny.h5")


@pytest.fixture(scope="module")
def tiny_detector(yunet_like: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "tiny.onnx"
    path.write_bytes(yunet_like.yunet(channels=3).SerializeToString())
    return path


def test_mutants_of_a_keras_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> None:
    found = outcomes(tiny_checkpoint, tmp_path, 500, 300)
    assert set(found) <= {"converted", "CheckpointError", "UnsupportedLayerError"}
    assert found["CheckpointError"] > 200
    assert found["converted"] > 20


def test_mutants_of_a_detector(tiny_detector: Path, tmp_path: Path) -> None:
    found = outcomes(tiny_detector, tmp_path, 300, 300)
    assert set(found) <= {"converted", "CheckpointError", "UnsupportedLayerError"}
    assert found["CheckpointError"] > 100
    assert found["converted"] > 20


@pytest.mark.slow
def test_many_mutants_of_the_official_checkpoint(shared: Path, tmp_path: Path) -> None:
    outcomes(shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5", tmp_path, 1000, 1200)


@pytest.mark.slow
def test_many_mutants_of_yunet(shared: Path, tmp_path: Path) -> None:
    outcomes(shared / "detectors" / "face_detection_yunet_2023mar.onnx", tmp_path, 3000, 1200)

"""Hundreds of damaged checkpoints: each ends in an error of ours or in a model, and leaves no file behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.weights_only import keras_order

pytest.importorskip("h5py")
pytest.importorskip("onnx")
WORKER = Path(__file__).with_name("mutant_worker.py")


def outcomes(source: Path, folder: Path, count: int, seconds: float, *options: str) -> Counter[str]:
    """Convert this many mutants in one child process; warnings are errors there too."""
    command = [sys.executable, "-W", "error", str(WORKER), str(source), str(folder), "0", str(count), *options]
    child = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    lines = [line.split() for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"mutant {len(lines)} of {source.name}: {child.returncode} {child.stderr[-2000:]}"
    assert len(lines) == count
    slowest = max(lines, key=lambda line: float(line[2]))
    assert float(slowest[2]) < 10, f"mutant {slowest[0]} took {slowest[2]} s"
    assert set(os.listdir(folder)) <= {f"mutant{source.suffix}", "out"}
    if (folder / "out").exists():
        names = {"mutant.onnx", "manifest.json", "mutant.onnx.refused.report.html", "mutant.onnx.refused.report.json"}
        assert set(os.listdir(folder / "out")) <= names
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


def test_mutants_of_a_keras_archive(keras2: ModuleType, keras3: ModuleType, tmp_path: Path) -> None:
    source = keras3.save_keras(keras2.ghostface(blocks=[3]), tmp_path / "tiny.keras")
    (tmp_path / "mutants").mkdir()
    found = outcomes(source, tmp_path / "mutants", 500, 300)
    assert set(found) <= {"converted", "CheckpointError", "UnsupportedLayerError"}
    assert found["CheckpointError"] > 200
    assert found["converted"] > 20


@pytest.mark.parametrize("layout", ["named", "numbered"])
def test_mutants_of_weights_alone(layout: str, keras2: ModuleType, keras3: ModuleType, tmp_path: Path) -> None:
    name = "ghostfacenet-v1-0.1-2"
    graph = architecture(name)
    source = tmp_path / "tiny.h5"
    source.write_bytes(getattr(keras3, layout)(keras3.weights_of(graph, keras_order(graph), keras2)))
    (tmp_path / "mutants").mkdir()
    found = outcomes(source, tmp_path / "mutants", 100, 300, name)
    assert set(found) <= {"converted", "CheckpointError"}
    assert found["CheckpointError"] > 30
    assert found["converted"] > 5


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

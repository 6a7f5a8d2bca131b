"""Which files are opened, by what, and what is said of those that are not."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.errors import ModelFileError, ModelInputError, OptionError
from ghostface_edge.runtime import RUNTIMES, default_runtime, file_format, open_session
from ghostface_edge.runtime.session import LARGEST_FILE, check_input, default_threads, read_model, thread_count

LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4\nsize 232589\n"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (LFS, "is a Git LFS pointer, not the model itself: run 'git lfs pull'"),
        (
            b"\x89HDF\r\n\x1a\n" + b"\0" * 100,
            r"training checkpoint; convert it first: ghostface-edge convert model.onnx",
        ),
        (b"<!DOCTYPE html><html>", "not an ONNX model"),
        (b"\x08\x08\x12\x7fcut", "cut short"),
    ],
)
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        open_session(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model file at .*nothing\.onnx"):
        open_session(tmp_path / "nothing.onnx")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=re.escape(f"no model file at {tmp_path}")):
        open_session(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelFileError, match="no model file at"):
        open_session(tmp_path / "pipe.onnx")


def test_a_path_that_no_system_has() -> None:
    with pytest.raises(ModelFileError, match="model file"):
        open_session("model\0.onnx")


def test_a_path_that_is_too_long() -> None:
    with pytest.raises(ModelFileError, match="model file"):
        open_session("x" * 100_000)


def test_a_file_beyond_one_gibibyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)  # sparse: it takes no room
    with pytest.raises(ModelFileError, match="larger than 1 GiB"):
        open_session(path)


def test_a_checkpoint_from_the_real_world(shared: Path) -> None:
    path = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    with pytest.raises(ModelFileError, match=f"convert {path.name} -o DIR"):
        open_session(path)


def test_a_detector_from_the_real_world_has_no_card_yet(shared: Path) -> None:
    from ghostface_edge.errors import ModelCardError

    with pytest.raises(ModelCardError, match="no model card"):
        open_session(shared / "detectors" / "face_detection_yunet_2023mar.onnx")


def test_reading_gives_every_byte(tiny_embedder: Path) -> None:
    assert read_model(str(tiny_embedder)) == tiny_embedder.read_bytes()


# ----------------------------------------------------------------------------------------------------------------
# Options


@pytest.mark.parametrize("threads", [0, -1, 257, 10**9, 1.0, "2", True])
def test_a_senseless_number_of_threads(tiny_embedder: Path, threads: Any) -> None:
    with pytest.raises(OptionError, match=re.escape(f"threads={threads!r} is not a number of threads: use 1 to 256")):
        open_session(tiny_embedder, threads=threads)


def test_threads_are_those_that_were_asked_for(tiny_embedder: Path) -> None:
    pytest.importorskip("onnxruntime")
    assert open_session(tiny_embedder, threads=3).threads == 3
    assert open_session(tiny_embedder).threads == default_threads()


def test_the_default_is_what_the_process_may_use_but_at_most_four() -> None:
    assert default_threads() == min(4, len(os.sched_getaffinity(0)))


def test_one_cpu_means_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert default_threads() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_default_where_the_system_cannot_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS and Windows
    assert default_threads() == min(4, os.cpu_count() or 1)


@pytest.mark.parametrize("runtime", ["tensorrt", "ONNX", "", 7])
def test_an_unknown_runtime(tiny_embedder: Path, runtime: Any) -> None:
    with pytest.raises(OptionError, match="is none of onnx, litert"):
        open_session(tiny_embedder, runtime=runtime)


@pytest.mark.parametrize(
    ("absent", "best"),
    [
        ((), "litert"),
        (("tflite_runtime",), "litert"),
        (("ai_edge_litert",), "onnx"),
        (("ai_edge_litert", "onnxruntime", "tflite_runtime"), "litert"),
    ],
)
def test_the_best_runtime_that_is_installed(
    absent: tuple[str, ...], best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("ai_edge_litert", "onnxruntime"):
        pytest.importorskip(package)
    for package in absent:
        monkeypatch.setitem(sys.modules, package, None)  # what an import finds where it is not installed
    assert default_runtime() == best
    assert file_format(None) == RUNTIMES[best]
    assert (file_format("litert"), file_format("onnx")) == ("tflite", "onnx")


def test_a_runtime_that_does_not_run_the_format(tiny_embedder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'litert' does not run tiny\.onnx, an ONNX file"):
        open_session(tiny_embedder, runtime="litert")
    tflite = tmp_path / "net.tflite"
    tflite.write_bytes(b"\x1c\0\0\0TFL3" + b"\0" * 100)
    with pytest.raises(OptionError, match=r"'onnx' does not run net\.tflite, a TFLite file"):
        open_session(tflite, runtime="onnx")


def test_the_format_is_told_by_content(tiny_embedder: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    renamed = tmp_path / "model.tflite"
    renamed.write_bytes(tiny_embedder.read_bytes())
    assert open_session(renamed).runtime == "onnx"
    assert open_session(renamed, runtime="onnx").card.name == "linear"


# ----------------------------------------------------------------------------------------------------------------
# Tensors


@pytest.mark.parametrize("shape", [(2, 6, 6, 3), (1, 32, 6, 3)])
def test_a_tensor_that_fits(shape: tuple[int, ...]) -> None:
    check_input(np.zeros(shape, np.float32), (None, None, 6, 3), "net")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (np.zeros((1, 6, 6, 3)), "net takes a float32 array, got float64"),
        (np.zeros((1, 6, 6, 3), np.uint8), "got uint8"),
        (np.zeros((1, 6, 6, 3), ">f4"), "got >f4"),
        ([[1.0]], "got list"),
        (None, "got NoneType"),
        (np.zeros((6, 6, 3), np.float32), r"shape \(any, any, 6, 3\), got \(6, 6, 3\)"),
        (np.zeros((1, 1, 6, 6, 3), np.float32), r"got \(1, 1, 6, 6, 3\)"),
        (np.zeros((1, 6, 7, 3), np.float32), r"got \(1, 6, 7, 3\)"),
        (np.zeros((0, 6, 6, 3), np.float32), r"got \(0, 6, 6, 3\)"),
    ],
)
def test_a_tensor_that_does_not(tensor: Any, message: str) -> None:
    with pytest.raises(ModelInputError, match=message):
        check_input(tensor, (None, None, 6, 3), "net")


def test_a_number_of_numpys_is_a_number_of_threads() -> None:
    assert thread_count(np.int64(3)) == 3
    assert type(thread_count(np.int64(3))) is int

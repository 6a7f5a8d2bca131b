"""Runs of the program, and small real models for it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from ghostface_edge.card import ARCFACE_ALIGNMENT, InputSpec, ModelCard, Source, write_card
from ghostface_edge.cli import main


@dataclass(frozen=True)
class Run:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout, which is one line of ASCII."""
        assert self.out.isascii()
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line on stderr of a run that failed and said nothing else."""
        assert (self.code, self.out) == (2, "")
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line[len("error: ") :]


Runner = Callable[..., Run]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Runner:
    """Run the program in this process."""

    def call(*arguments: object) -> Run:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Run(code, *capsys.readouterr())

    return call


@pytest.fixture
def command() -> list[str]:
    """Words that start the program in a process of its own."""
    return [sys.executable, "-c", "import sys; from ghostface_edge.cli import main; sys.exit(main())"]


@pytest.fixture(scope="session")
def warm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which models are converted once for all tests here."""
    return tmp_path_factory.mktemp("cli-store")


@pytest.fixture
def offline(shared: Path, warm_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared folder, with its models where the program finds them."""
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(warm_home))
    folders = [shared / "models", shared / "detectors"]
    monkeypatch.setenv("GHOSTFACE_EDGE_MODELS", os.pathsep.join(map(str, folders)))
    return shared


@pytest.fixture
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of this test alone, with nothing in it."""
    home = tmp_path / "home"
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def bare_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedder without a card: NCHW, 112 x 112, the mean colours of 16 tiles times a random matrix, 8 numbers."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(7).standard_normal((48, 8)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["faces"], ["tiles"], kernel_shape=[28, 28], strides=[28, 28]),
            helper.make_node("Flatten", ["tiles"], ["colours"]),
            helper.make_node("MatMul", ["colours", "matrix"], ["vector"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["batch", 3, 112, 112])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(weights, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path = tmp_path_factory.mktemp("bare") / "tiny.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="session")
def tiny_model(bare_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a card that has no thresholds."""
    card = ModelCard(
        kind="embedder",
        model_id="tiny-1",
        name="tiny",
        architecture="custom",
        precision="float32",
        input=InputSpec(112, 112, "NCHW", "RGB", 127.5, 1 / 128),
        source=Source("tiny.onnx", "0" * 64, 1),
        converter="test",
        licence="none",
        alignment=ARCFACE_ALIGNMENT,
        embedding_size=8,
    )
    path = tmp_path_factory.mktemp("tiny") / "tiny.onnx"
    path.write_bytes(write_card(bare_model.read_bytes(), card))
    return path

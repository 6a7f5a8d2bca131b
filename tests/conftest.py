"""Where the tests find real models and photos."""

from __future__ import annotations

import importlib.util
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ghostface_edge.card import ARCFACE_ALIGNMENT, InputSpec, ModelCard, Source, write_card
from ghostface_edge.engine import FaceEngine
from ghostface_edge.models import ModelStore
from ghostface_edge.types import Threshold

ROOT = Path(__file__).resolve().parent.parent


def shared_folder() -> Path:
    """The folder of real weights and photos: beside the checkout, or where GHOSTFACE_EDGE_SHARED says."""
    return Path(os.environ.get("GHOSTFACE_EDGE_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real weights, detectors and photos; tests that need them skip, saying so, where they are absent."""
    folder = shared_folder()
    if not (folder / "models").is_dir():
        pytest.skip(
            f"real weights and photos are missing: no {folder.name}/ beside the checkout (GHOSTFACE_EDGE_SHARED)"
        )
    for package in ("h5py", "onnx"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is missing (it needs Python 3.10), so the real models cannot be converted")
    return folder


@pytest.fixture(scope="session")
def loopback() -> None:
    """For tests that run a server of their own; some sandboxes have not even a loopback network."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=2),
        ):
            pass
    except OSError as error:
        pytest.skip(f"the loopback network is down, so no server can be tested: {error}")


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own model store."""
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(tmp_path_factory.getbasetemp() / "store"))
    monkeypatch.delenv("GHOSTFACE_EDGE_MODELS", raising=False)


# ----------------------------------------------------------------------------------------------------------------
# Real models from `shared`


@pytest.fixture(scope="session")
def real_models(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store that finds the real weights, and converts them once per test run."""
    for package in ("h5py", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    return ModelStore(tmp_path_factory.mktemp("real_store"), [shared / "models", shared / "detectors"])


@pytest.fixture
def real_store(real_models: ModelStore, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    """The same, for code that looks models up by the environment, subprocesses among it."""
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(real_models.home))
    monkeypatch.setenv("GHOSTFACE_EDGE_MODELS", os.pathsep.join(str(folder) for folder in real_models.folders))
    return real_models


@pytest.fixture(scope="session")
def real_engine(real_models: ModelStore) -> FaceEngine:
    """The default engine: YuNet with closer looks, and the GhostFaceNet of `shared`; one thread."""
    return FaceEngine(store=real_models, threads=1)


@pytest.fixture(scope="session")
def lfw_sample(shared: Path) -> list[Path]:
    """300 photos of LFW, always the same."""
    paths = sorted((shared / "lfw" / "images").glob("*/*.jpg"))
    return random.Random(0).sample(paths, 300)


# ----------------------------------------------------------------------------------------------------------------
# Small models whose output is known by hand


def linear_card(**changes: Any) -> ModelCard:
    """The card of a small embedder; ``input_...`` changes a field of its input."""
    spec = {"height": 112, "width": 112, "layout": "NHWC", "colour_order": "RGB", "mean": 127.5, "scale": 1 / 128}
    spec.update({name[6:]: changes.pop(name) for name in list(changes) if name.startswith("input_")})
    values: dict[str, Any] = {
        "kind": "embedder",
        "model_id": "linear-1",
        "name": "linear",
        "architecture": "linear",
        "precision": "float32",
        "input": InputSpec(**spec),
        "source": Source("linear.h5", "0" * 64, 1),
        "converter": "tests",
        "licence": "none",
        "alignment": ARCFACE_ALIGNMENT,
        "embedding_size": 16,
    }
    return ModelCard(**{**values, **changes})


@pytest.fixture(scope="session")
def make_card() -> Callable[..., ModelCard]:
    """Makes the card of a small embedder."""
    return linear_card


@pytest.fixture(scope="session")
def make_linear() -> Callable[..., bytes]:
    """Makes an embedder that is one matrix product: flatten(tensor) @ matrix, the card and seal in it.

    ``make_linear(matrix, **changes of the card)``; the matrix is (height * width * 3, D).
    """
    onnx = pytest.importorskip("onnx")

    def make(
        matrix: NDArray[np.float32], *, batch: str | int = "n", reduce_batch: bool = False, **changes: Any
    ) -> bytes:
        card = linear_card(**{"embedding_size": matrix.shape[1], **changes})
        spec = card.input
        shape = [spec.height, spec.width, 3] if spec.layout == "NHWC" else [3, spec.height, spec.width]
        helper = onnx.helper
        product = "product" if reduce_batch else "embedding"
        nodes = [
            helper.make_node("Flatten", ["input"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "matrix"], [product]),
        ]
        if reduce_batch:
            nodes.append(helper.make_node("ReduceMean", ["product"], ["embedding"], axes=[0], keepdims=1))
        graph = helper.make_graph(
            nodes,
            "linear",
            [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [batch, *shape])],
            [helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, [None, matrix.shape[1]])],
            [onnx.numpy_helper.from_array(matrix.astype(np.float32), "matrix")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return write_card(model.SerializeToString(), card)

    return make


@pytest.fixture(scope="session")
def tiny_matrix() -> NDArray[np.float32]:
    """(112 * 112 * 3, 16): what `tiny_embedder` multiplies by."""
    return np.random.default_rng(20).standard_normal((112 * 112 * 3, 16)).astype(np.float32)


@pytest.fixture(scope="session")
def tiny_embedder(
    make_linear: Callable[..., bytes], tiny_matrix: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A real embedder: ((crop - 127.5) / 128) flattened, times `tiny_matrix`; thresholds are for detector "fixed"."""
    thresholds = tuple(Threshold(fmr, at, "fixed", 0.1, 1000, 100, "made up") for fmr, at in ((1e-2, 0.5), (1e-3, 0.7)))
    path = tmp_path_factory.mktemp("tiny") / "tiny.onnx"
    path.write_bytes(make_linear(tiny_matrix, thresholds=thresholds))
    return path

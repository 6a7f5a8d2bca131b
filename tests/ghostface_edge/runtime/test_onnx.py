"""ONNX Runtime as a session: outputs by hand, threads, and files that must not reach it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ghostface_edge.card import InputSpec, ModelCard, write_card
from ghostface_edge.errors import (
    InferenceError,
    ModelCardError,
    ModelFileError,
    ModelInputError,
    RuntimeMissingError,
)
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session
from ghostface_edge.runtime.onnx import OnnxSession

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
MakeCard = Callable[..., ModelCard]


def network(
    nodes: list[Any],
    *,
    inputs: tuple[tuple[str, int, list[Any]], ...] = (("x", FLOAT, ["n", 4]),),
    outputs: tuple[tuple[str, int, list[Any]], ...] = (("y", FLOAT, None),),  # type: ignore[assignment]
    initializer: tuple[Any, ...] = (),
) -> bytes:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "g", [value(*item) for item in inputs], [value(*item) for item in outputs], list(initializer)
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, inputs, outputs, **attributes)


@pytest.fixture
def opened(make_card: MakeCard) -> Callable[[bytes], OnnxSession]:
    """Opens a network after a card was put into it."""
    return lambda data: OnnxSession(write_card(data, make_card()), threads=1, name="net")


def test_the_product_by_hand(tiny_embedder: Path, tiny_matrix: NDArray[np.float32]) -> None:
    session = open_session(tiny_embedder, threads=1)
    tensor = np.random.default_rng(0).standard_normal((3, 112, 112, 3)).astype(np.float32)
    outputs = session.run(tensor)
    assert len(outputs) == 1
    assert outputs[0].dtype == np.float32
    expected = tensor.reshape(3, -1).astype(np.float64) @ tiny_matrix.astype(np.float64)
    np.testing.assert_allclose(outputs[0], expected, rtol=0, atol=1e-3)
    assert (session.runtime, session.threads, session.card.name) == ("onnx", 1, "linear")
    assert session.version == f"onnxruntime {ort.__version__}"


def test_outputs_come_in_the_order_of_the_file(opened: Callable[[bytes], OnnxSession]) -> None:
    session = opened(
        network(
            [node("Neg", ["x"], ["z"]), node("Add", ["x", "x"], ["a"])],
            outputs=(("z", FLOAT, ["n", 4]), ("a", FLOAT, ["n", 4])),
        )
    )
    negative, double = session.run(np.full((1, 4), 3, np.float32))
    assert negative.tolist() == [[-3, -3, -3, -3]]
    assert double.tolist() == [[6, 6, 6, 6]]


def test_a_strided_tensor_counts_as_what_it_looks_like(opened: Callable[[bytes], OnnxSession]) -> None:
    session = opened(network([node("Neg", ["x"], ["y"])]))
    tensor = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(session.run(tensor.T)[0], -tensor.T)
    np.testing.assert_array_equal(session.run(tensor[::2])[0], -tensor[::2])


def test_a_wrong_tensor(opened: Callable[[bytes], OnnxSession]) -> None:
    session = opened(network([node("Neg", ["x"], ["y"])]))
    with pytest.raises(ModelInputError, match=r"net takes an input of shape \(any, 4\), got \(1, 5\)"):
        session.run(np.zeros((1, 5), np.float32))
    with pytest.raises(ModelInputError, match="float32"):
        session.run(np.zeros((1, 4)))  # type: ignore[arg-type]


def test_a_network_that_fails(opened: Callable[[bytes], OnnxSession]) -> None:
    shape = onnx.numpy_helper.from_array(np.array([3, 3], np.int64), "shape")
    session = opened(network([node("Reshape", ["x", "shape"], ["y"])], initializer=(shape,)))
    with pytest.raises(InferenceError, match="ONNX Runtime failed on net") as caught:
        session.run(np.zeros((1, 4), np.float32))
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "nodes",
    [
        [],  # the output comes from nowhere
        [("NoSuchOperator", ["x"], ["y"])],
        [("Neg", ["missing"], ["y"])],
        [("Neg", ["x", "x"], ["y"])],
    ],
)
def test_a_network_that_cannot_be_loaded(opened: Callable[[bytes], OnnxSession], nodes: list[Any]) -> None:
    with pytest.raises(ModelFileError, match="ONNX Runtime cannot load net") as caught:
        opened(network([node(*item) for item in nodes]))
    assert "\n" not in str(caught.value)


def test_an_empty_network(opened: Callable[[bytes], OnnxSession]) -> None:
    with pytest.raises(ModelFileError, match="cannot load net"):
        opened(b"")


@pytest.mark.parametrize(
    "data",
    [
        network([node("Shape", ["x"], ["y"])], outputs=(("y", INT64, None),)),  # type: ignore[arg-type]
        network([node("Cast", ["x"], ["y"], to=FLOAT)], inputs=(("x", INT64, ["n", 4]),)),
        network([node("Add", ["x", "z"], ["y"])], inputs=(("x", FLOAT, ["n", 4]), ("z", FLOAT, ["n", 4]))),
        network([node("Cast", ["x"], ["y"], to=onnx.TensorProto.STRING)], outputs=(("y", 8, None),)),  # type: ignore[arg-type]
        network([node("Constant", [], ["y"], value_floats=[1.0])], inputs=()),
    ],
    ids=["whole numbers out", "whole numbers in", "two inputs", "text out", "no input"],
)
def test_a_network_of_another_kind(opened: Callable[[bytes], OnnxSession], data: bytes) -> None:
    with pytest.raises(ModelFileError, match="net is no network with one float32 input and float32 outputs"):
        opened(data)


def test_a_file_without_a_card() -> None:
    with pytest.raises(ModelCardError, match="no model card"):
        OnnxSession(network([node("Neg", ["x"], ["y"])]), threads=1, name="net.onnx")


def test_tensors_in_other_files_are_never_fetched(
    opened: Callable[[bytes], OnnxSession], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ONNX Runtime 1.32 itself reads this one, from the folder that the process happens to be in.
    monkeypatch.chdir(tmp_path)
    Path("secret.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    values = onnx.TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    values.external_data.add(key="location", value="secret.bin")
    indices = onnx.numpy_helper.from_array(np.arange(4, dtype=np.int64))
    hidden = onnx.SparseTensorProto(values=values, indices=indices, dims=[4])
    data = network([node("Constant", [], ["w"], sparse_value=hidden), node("Add", ["x", "w"], ["y"])])
    with pytest.raises(ModelFileError, match="tensors in other files"):
        opened(data)


def test_onnx_runtimes_own_format_does_not_pass_for_onnx(make_card: MakeCard, tmp_path: Path) -> None:
    # The same bytes can be both: ONNX Runtime tells its format by four bytes, which ONNX may hold in its first field.
    ours = write_card(b"\x0a\x06\x00\x00ORTM" + network([node("Neg", ["x"], ["y"])]), make_card())
    assert ours[4:8] == b"ORTM"
    session = OnnxSession(ours, threads=1, name="net.onnx")
    assert session.run(np.ones((1, 4), np.float32))[0].tolist() == [[-1, -1, -1, -1]]


def test_without_onnx_runtime(tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what an import finds where it is not installed
    with pytest.raises(
        RuntimeMissingError, match=r'tiny.onnx needs ONNX Runtime.*pip install "ghostface-edge\[onnx\]"'
    ):
        open_session(tiny_embedder)


def test_sixteen_threads_get_what_one_gets(real_models: ModelStore) -> None:
    session = open_session(real_models.resolve("ghostfacenet-w0.5-s2", format="onnx"), threads=1)
    tensors = np.random.default_rng(1).standard_normal((64, 1, 112, 112, 3)).astype(np.float32)
    alone = [session.run(tensor)[0] for tensor in tensors]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda tensor: session.run(tensor)[0], tensors))
    np.testing.assert_array_equal(together, alone)


def test_a_session_writes_nothing_to_the_terminal(real_store: ModelStore, tiny_embedder: Path) -> None:
    script = (
        "import sys, numpy as np; from ghostface_edge.runtime import open_session; "
        "open_session(sys.argv[1], threads=1).run(np.zeros((1, 112, 112, 3), np.float32))"
    )
    for path in (tiny_embedder, real_store.resolve("ghostfacenet-w0.5-s2", format="onnx")):
        result = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, check=True)
        assert (result.stdout, result.stderr) == (b"", b"")


# ----------------------------------------------------------------------------------------------------------------
# Damaged files

WORKER = Path(__file__).with_name("model_mutants.py")
OURS = {"ModelFileError", "ModelCardError", "ModelInputError", "InferenceError", "DetectionError"}


def outcomes(model: Path, how: str, first: int, last: int) -> list[str]:
    """What became of the mutants of a model, in a process of their own; a crash of that process is a failure here."""
    command = [sys.executable, "-W", "error", str(WORKER), str(model), how, str(first), str(last)]
    result = subprocess.run(command, capture_output=True, text=True)
    lines = result.stdout.splitlines()
    assert result.returncode == 0, f"died of {result.returncode} at {lines[-1:]}: {result.stderr[-2000:]}"
    # ONNX Runtime prints some of its complaints on stdout: only our own lines begin with a seed and end in an outcome
    found = [line.rsplit(" ", 1)[-1] for line in lines if line.rsplit(" ", 1)[-1] in {*OURS, "ran"}]
    assert len(found) == last - first
    return found


@pytest.mark.parametrize("name", ["yunet", "ghostfacenet-w0.5-s2"])
@pytest.mark.parametrize("seeds", [(0, 50), pytest.param((50, 300), marks=pytest.mark.slow)], ids=["50", "250 more"])
def test_damaged_models(real_models: ModelStore, name: str, seeds: tuple[int, int]) -> None:
    found = outcomes(real_models.resolve(name, format="onnx"), "damaged", *seeds)
    assert set(found) <= {"ModelFileError", "ModelCardError"}  # the seal sees every damage


@pytest.mark.parametrize("name", ["yunet", "ghostfacenet-w0.5-s2"])
@pytest.mark.parametrize("seeds", [(0, 25), pytest.param((25, 300), marks=pytest.mark.slow)], ids=["25", "275 more"])
def test_models_forged_after_the_damage(real_models: ModelStore, name: str, seeds: tuple[int, int]) -> None:
    found = outcomes(real_models.resolve(name, format="onnx"), "forged", *seeds)
    assert "ran" in found  # else nothing would have reached the runtime


def test_a_model_for_one_picture_takes_many(
    make_linear: Callable[..., bytes], opened: Callable[[bytes], OnnxSession]
) -> None:
    matrix = np.random.default_rng(1).standard_normal((2 * 2 * 3, 4)).astype(np.float32)
    spec = {"height": 2, "width": 2, "layout": "NHWC", "colour_order": "RGB", "mean": 0.0, "scale": 1.0}
    session = opened(make_linear(matrix, batch=1, input=InputSpec(**spec)))
    pictures = np.random.default_rng(2).standard_normal((5, 2, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(session.run(pictures)[0], pictures.reshape(5, 12) @ matrix, rtol=1e-5, atol=1e-6)


def test_a_model_for_batches_of_four_is_refused(
    make_linear: Callable[..., bytes], opened: Callable[[bytes], OnnxSession]
) -> None:
    with pytest.raises(ModelFileError, match="batches of 4"):
        opened(make_linear(np.ones((112 * 112 * 3, 4), np.float32), batch=4))


def test_messages_name_the_model(tiny_embedder: Path, tmp_path: Path) -> None:
    data = bytearray(tiny_embedder.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "mine.onnx").write_bytes(data)
    with pytest.raises(ModelFileError, match=r"^mine\.onnx: the file is damaged"):
        open_session(tmp_path / "mine.onnx")

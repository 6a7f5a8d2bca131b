"""LiteRT sessions on small models that these tests write themselves."""

from __future__ import annotations

import importlib.util
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.card import InputSpec, ModelCard, Source
from ghostface_edge.errors import (
    InferenceError,
    ModelCardError,
    ModelError,
    ModelFileError,
    ModelInputError,
    OptionError,
    RuntimeMissingError,
)
from ghostface_edge.runtime import litert, open_session
from ghostface_edge.runtime.tflite_card import read_tflite_card

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="LiteRT is missing: pip install ghostface-edge[litert]"
)

RNG = np.random.default_rng(5)
WEIGHTS = RNG.normal(size=(4, 12)).astype(np.float32)
FLOAT = ("FLOAT32",)
CARD = ModelCard(
    kind="embedder",
    model_id="dense-1",
    name="dense",
    architecture="dense",
    precision="float32",
    input=InputSpec(2, 2, "NHWC", "RGB", 0.0, 1.0),
    source=Source("dense", "0" * 64, 1),
    converter="tests",
    licence="MIT",
    alignment="arcface-112",
    embedding_size=4,
)


def dense(weights=WEIGHTS, card=CARD, inputs=FLOAT, outputs=FLOAT, **options) -> bytes:
    from tflite_fixture import dense_model

    return dense_model(
        weights, card=None if card is None else card.to_json(), inputs=inputs, outputs=outputs, **options
    )


@pytest.fixture(autouse=True)
def _fixture_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def opened(tmp_path, data, **options):
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    return open_session(path, **options)


def test_float_model_computes_the_product(tmp_path):
    session = opened(tmp_path, dense(), threads=2)
    x = RNG.normal(size=(3, 12)).astype(np.float32)
    (y,) = session.run(x)
    np.testing.assert_allclose(y, x @ WEIGHTS.T, rtol=1e-5, atol=1e-5)
    assert (session.card, session.runtime, session.threads) == (CARD, "litert", 2)
    assert session.version.startswith("ai_edge_litert ")


def test_int8_model_is_quantised_and_dequantised_inside(tmp_path):
    """Against the 8-bit specification in NumPy: y = s_y (q_y - z_y), q_y = z_y + round(s_x s_w / s_y * sum)."""
    q_w = RNG.integers(-127, 128, (4, 12)).astype(np.int8)
    s_x, z_x, s_w, s_y, z_y = 0.05, -7, 0.01, 0.04, 11
    session = opened(tmp_path, dense(q_w, inputs=("INT8", s_x, z_x), outputs=("INT8", s_y, z_y), weight_scale=s_w))
    x = RNG.uniform(-5, 5, (5, 12)).astype(np.float32)
    q_x = np.clip(np.rint(x / s_x) + z_x, -128, 127)
    total = (q_x - z_x) @ q_w.astype(np.int64).T
    q_y = np.clip(np.rint(total * (s_x * s_w / s_y)) + z_y, -128, 127)
    (y,) = session.run(x)
    assert y.dtype == np.float32
    # one step: the kernel multiplies by a fixed-point number, which may round a tie the other way
    np.testing.assert_allclose(y, (q_y - z_y) * s_y, atol=s_y * 1.01)
    assert np.mean(np.isclose(y, (q_y - z_y) * s_y, atol=1e-6)) >= 0.9


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [(-1e9, np.int8, -128), (1e9, np.int8, 127), (1.0, np.int8, 7), (1.0, np.uint8, 7), (1e9, np.int16, 32767)],
)
def test_quantisation_saturates(value, dtype, expected):
    detail = {"dtype": dtype, "quantization": (0.25, 3)}
    assert litert.quantised(np.array([value], np.float32), detail)[0] == expected


def test_dequantisation_is_affine():
    detail = {"quantization": (0.25, 3)}
    np.testing.assert_array_equal(litert.dequantised(np.array([3, 7, -5], np.int8), detail), [0.0, 1.0, -2.0])


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("INT32", (1.0, 0), "takes or gives int32 (x), which no face model does"),
        ("INT8", (), "does not say what the int8 numbers of x stand for"),
    ],
)
def test_inputs_that_are_no_numbers_of_a_face_model_are_refused(tmp_path, kind, parameters, message):
    same = (kind, *parameters)
    data = dense(inputs=same, outputs=same, reshape=True)
    with pytest.raises(ModelFileError, match=re.escape(message)):
        opened(tmp_path, data)


def test_threads_share_a_session(tmp_path):
    session = opened(tmp_path, dense())
    inputs = [RNG.normal(size=(1, 12)).astype(np.float32) for _ in range(64)]
    alone = [session.run(x)[0] for x in inputs]
    with ThreadPoolExecutor(16) as pool:
        together = [y for (y,) in pool.map(session.run, inputs)]
    np.testing.assert_array_equal(np.stack(together), np.stack(alone))


def test_wrong_inputs_are_refused(tmp_path):
    session = opened(tmp_path, dense())
    with pytest.raises(ModelInputError, match="float32"):
        session.run(np.zeros((1, 12)))
    with pytest.raises(ModelInputError, match=r"\(any, 12\), got \(1, 13\)"):
        session.run(np.zeros((1, 13), np.float32))


def test_a_file_without_a_card_is_refused(tmp_path):
    with pytest.raises(ModelCardError, match="no model card"):
        opened(tmp_path, dense(card=None))


def test_an_altered_card_breaks_the_seal(tmp_path):
    data = dense()
    forged = data.replace(b'"RGB"', b'"BGR"')
    assert forged != data
    with pytest.raises(ModelFileError, match="seal"):
        opened(tmp_path, forged)


def test_fixed_batches_are_refused(tmp_path):
    with pytest.raises(ModelFileError, match="batches of 2"):
        opened(tmp_path, dense(shape=(2, 12)))


def test_onnx_runtime_does_not_run_tflite(tmp_path):
    with pytest.raises(OptionError, match=r"does not run model\.tflite"):
        opened(tmp_path, dense(), runtime="onnx")


def test_without_litert_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(litert, "_PACKAGES", ("no_such_package",))
    with pytest.raises(RuntimeMissingError, match=r"ghostface-edge\[litert\]"):
        opened(tmp_path, dense())


def test_sealed_nonsense_is_a_file_error(tmp_path):
    """A sealed file that LiteRT refuses: the operator's input does not exist."""
    broken = dense(WEIGHTS[:, :5], card=replace(CARD, embedding_size=4), shape=(1, 12))
    with pytest.raises(ModelError):
        opened(tmp_path, broken).run(np.zeros((1, 12), np.float32))


def test_a_failing_interpreter_is_an_inference_error(tmp_path, monkeypatch):
    session = opened(tmp_path, dense())

    def fail() -> None:
        raise RuntimeError("node 0 failed")

    ((_, interpreter),) = session._idle
    monkeypatch.setattr(interpreter, "invoke", fail)
    with pytest.raises(InferenceError, match="node 0 failed"):
        session.run(np.zeros((1, 12), np.float32))
    session.run(np.zeros((1, 12), np.float32))  # on another interpreter: the one that failed is gone


def test_every_mutation_is_noticed():
    """Flips, cuts and insertions anywhere: our error, never another one, never a card from a damaged file."""
    data = dense()
    for index in range(1500):
        rng = np.random.default_rng(index)
        mutant = bytearray(data)
        position = int(rng.integers(len(data)))
        kind = index % 3
        if kind == 0:
            mutant[position] ^= int(rng.integers(1, 256))
        elif kind == 1:
            del mutant[position:]
        else:
            mutant[position:position] = rng.bytes(int(rng.integers(1, 9)))
        with pytest.raises(ModelError):
            read_tflite_card(bytes(mutant))


# ----------------------------------------------------------------------------------------------------------------
# A network of open size


@pytest.fixture
def sums(tmp_path):
    """A session whose network adds up each square of 32 x 32 pixels, for pictures of any multiple of 32."""
    from ghostface_edge.converters.graph import Conv, Graph, Input
    from ghostface_edge.converters.tflite_writer import write_tflite

    kernel = np.ones((32, 32, 3, 1), np.float32)
    graph = Graph((Input("x", (), None, None, 3), Conv("y", ("x",), kernel, None, (32, 32))), ("y",))
    return opened(tmp_path, write_tflite(graph, replace(CARD, kind="detector", alignment="", embedding_size=0)))


def expected_sums(tensor):
    count, height, width, _ = tensor.shape
    return tensor.reshape(count, height // 32, 32, width // 32, 32, 3).sum(axis=(2, 4, 5))[..., None]


def test_every_size_is_taken_and_small_ones_are_kept(sums):
    rng = np.random.default_rng(0)
    sizes = [(32 * int(rows), 32 * int(columns)) for rows, columns in rng.integers(1, 6, (40, 2))]
    for height, width in sizes:
        tensor = rng.random((2, height, width, 3), np.float32)
        np.testing.assert_allclose(sums.run(tensor)[0], expected_sums(tensor), rtol=1e-4)
    assert {shape[1:3] for shape, _ in sums._idle} >= set(sizes)  # 20 small ones at most
    assert [shape[1:3] for shape, _ in sums._idle][-1] == sizes[-1]


def test_of_large_sizes_those_used_last_are_kept(sums):
    for width in (1248, 1280, 64, 1312, 32):
        sums.run(np.ones((1, 960, width, 3), np.float32))
    assert [shape[2] for shape, _ in sums._idle] == [64, 1312, 32]  # 1280 and 1312 are too many together
    sums.run(np.ones((1, 4096, 1024, 3), np.float32))
    assert [shape[1:3] for shape, _ in sums._idle] == [(4096, 1024)]  # what was used last stays, however large


def test_many_small_sizes_are_too_many(sums):
    for index in range(40):
        sums.run(np.ones((1, 32 * (1 + index % 8), 32 * (1 + index // 8), 3), np.float32))
    assert len(sums._idle) == 32


def test_the_size_used_last_is_prepared_once(sums):
    tensor = np.ones((1, 64, 96, 3), np.float32)
    sums.run(tensor)
    interpreter = sums._idle[-1][1]
    sums.run(tensor)
    assert sums._idle[-1][1] is interpreter


def test_threads_with_sizes_of_their_own(sums):
    rng = np.random.default_rng(1)
    tensors = [rng.random((1, 32 * (1 + index % 5), 64, 3), np.float32) for index in range(64)]
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda tensor: sums.run(tensor)[0], tensors))
    for tensor, result in zip(tensors, results):
        np.testing.assert_allclose(result, expected_sums(tensor), rtol=1e-4)
    assert len(sums._idle) <= 32


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 32, 32, 4), (0, 32, 32, 3), (1, 0, 32, 3)])
def test_what_is_no_picture_is_refused(sums, shape):
    with pytest.raises(ModelInputError, match=r"\(any, any, any, 3\)"):
        sums.run(np.zeros(shape, np.float32))


def test_a_size_that_the_network_cannot_take_is_an_inference_error(tmp_path):
    from ghostface_edge.converters.graph import Conv, Graph, Input
    from ghostface_edge.converters.tflite_writer import write_tflite

    kernel = np.ones((30, 30, 3, 1), np.float32)  # for which 16 rows have no place
    graph = Graph((Input("x", (), None, None, 3), Conv("y", ("x",), kernel, None)), ("y",))
    session = opened(tmp_path, write_tflite(graph, replace(CARD, kind="detector", alignment="", embedding_size=0)))
    with pytest.raises(InferenceError, match=r"LiteRT failed on model\.tflite"):
        session.run(np.zeros((1, 16, 32, 3), np.float32))
    assert np.unique(session.run(np.ones((1, 32, 32, 3), np.float32))[0]).tolist() == [2700.0]

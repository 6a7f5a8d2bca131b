"""Pre-processing from the card, batches and flips; expected embeddings by loops over a matrix."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ghostface_edge.alignment import align
from ghostface_edge.card import ModelCard, write_card
from ghostface_edge.embedding import Embedder
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import InferenceError, ModelCardError, ModelInputError, OptionError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import open_session

pytest.importorskip("onnxruntime")

SIZE = 6
Linear = Callable[..., bytes]


@pytest.fixture
def embedder(make_linear: Linear, tmp_path: Path) -> Callable[..., Embedder]:
    """Opens an embedder that multiplies crops of 6 x 6 pixels by a matrix."""

    def open_embedder(matrix: Any, *, flip: bool = False, batch: int = 16, **changes: Any) -> Embedder:
        path = tmp_path / "linear.onnx"
        path.write_bytes(make_linear(np.asarray(matrix), input_height=SIZE, input_width=SIZE, **changes))
        return Embedder(open_session(path, threads=1), flip=flip, batch=batch)

    return open_embedder


def random_matrix(columns: int = 5) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((SIZE * SIZE * 3, columns)).astype(np.float32)


def random_crops(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (count, SIZE, SIZE, 3)).astype(np.uint8)


def by_hand(
    crop: NDArray[np.uint8],
    matrix: NDArray[np.float32],
    *,
    layout: str = "NHWC",
    colours: str = "RGB",
    mean: float = 127.5,
    scale: float = 1 / 128,
) -> NDArray[np.float64]:
    """The embedding of one RGB crop, pixel by pixel."""
    total = np.zeros(matrix.shape[1])
    for row, column, channel in itertools.product(range(SIZE), range(SIZE), range(3)):
        place = (row * SIZE + column) * 3 + channel if layout == "NHWC" else (channel * SIZE + row) * SIZE + column
        grey = float(crop[row, column, "RGB".index(colours[channel])])
        total += (grey - mean) * scale * matrix[place].astype(np.float64)
    return total / np.sqrt((total * total).sum())


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("colours", ["RGB", "BGR"])
@pytest.mark.parametrize(("mean", "scale"), [(127.5, 1 / 128), (0.0, 1.0), (104.0, -1 / 255)])
def test_pixels_enter_as_the_card_says(
    embedder: Callable[..., Embedder], layout: str, colours: str, mean: float, scale: float
) -> None:
    matrix, crops = random_matrix(), random_crops(4)
    model = embedder(matrix, input_layout=layout, input_colour_order=colours, input_mean=mean, input_scale=scale)
    expected = [by_hand(crop, matrix, layout=layout, colours=colours, mean=mean, scale=scale) for crop in crops]
    np.testing.assert_allclose(model.embed(crops), expected, rtol=0, atol=2e-6)


def test_crops_are_left_as_they_were(embedder: Callable[..., Embedder]) -> None:
    crops = random_crops(3)
    before = crops.copy()
    crops.flags.writeable = False
    embedder(random_matrix(), flip=True).embed(crops)
    np.testing.assert_array_equal(crops, before)


def test_strided_crops_count_as_what_they_look_like(embedder: Callable[..., Embedder]) -> None:
    crops, model = random_crops(4), embedder(random_matrix())
    np.testing.assert_array_equal(model.embed(crops[::2]), model.embed(crops[::2].copy()))
    np.testing.assert_array_equal(model.embed(crops[..., ::-1]), model.embed(crops[..., ::-1].copy()))


def test_flip_is_the_mean_of_both_directions(embedder: Callable[..., Embedder]) -> None:
    matrix, crops = random_matrix(), random_crops(5)
    expected = []
    for crop in crops:
        mirrored = np.stack([row[::-1] for row in crop])
        both = by_hand(crop, matrix) + by_hand(mirrored, matrix)
        expected.append(both / np.linalg.norm(both))
    np.testing.assert_allclose(embedder(matrix, flip=True).embed(crops), expected, rtol=0, atol=2e-6)


def test_flip_of_a_symmetric_face_changes_nothing(embedder: Callable[..., Embedder]) -> None:
    crops = random_crops(3)
    crops[:, :, 3:] = crops[:, :, 2::-1]
    plain, flipped = embedder(random_matrix()).embed(crops), embedder(random_matrix(), flip=True).embed(crops)
    np.testing.assert_allclose(flipped, plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("batch", [1, 3, 7, 100])
def test_batches_equal_one_by_one(embedder: Callable[..., Embedder], batch: int, flip: bool) -> None:
    crops = random_crops(7)
    model = embedder(random_matrix(), flip=flip, batch=batch)
    together = model.embed(crops)
    alone = np.concatenate([model.embed(crop[None]) for crop in crops])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)


def test_a_batch_is_no_larger_than_it_was_told(make_linear: Linear, tmp_path: Path) -> None:
    # The mean over the batch takes the place of the embeddings: a batch of one gives each its own, one of two cannot.
    path = tmp_path / "mean.onnx"
    path.write_bytes(make_linear(random_matrix(), reduce_batch=True, input_height=SIZE, input_width=SIZE))
    crops = random_crops(2)
    alone = Embedder(open_session(path, threads=1), batch=1).embed(crops)
    np.testing.assert_allclose(alone, [by_hand(crop, random_matrix()) for crop in crops], rtol=0, atol=2e-6)
    with pytest.raises(InferenceError, match=r"output of shape \(1, 5\) for 2 faces"):
        Embedder(open_session(path, threads=1), batch=2).embed(crops)


def test_no_crops_give_no_embeddings(embedder: Callable[..., Embedder]) -> None:
    embeddings = embedder(random_matrix()).embed(random_crops(0))
    assert embeddings.shape == (0, 5)
    assert embeddings.dtype == np.float32


@pytest.mark.parametrize("factor", [1e-5, 1.0, 1e30])
def test_every_embedding_has_length_one(embedder: Callable[..., Embedder], factor: float) -> None:
    embeddings = embedder(factor * random_matrix()).embed(random_crops(50))
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings.astype(np.float64), axis=1), 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "NaN or infinity"), (np.inf, "NaN or infinity"), (0.0, "zero vector"), (1e-12, "zero vector")],
)
def test_an_embedding_that_is_none(embedder: Callable[..., Embedder], value: float, message: str) -> None:
    model = embedder(np.full((SIZE * SIZE * 3, 5), value))
    with pytest.raises(InferenceError, match=f"model 'linear' gave .*{message}"):
        model.embed(random_crops(1))


def test_one_zero_vector_among_many(embedder: Callable[..., Embedder]) -> None:
    crops = random_crops(4)
    crops[2] = 0
    with pytest.raises(InferenceError, match="zero vector"):
        embedder(random_matrix(), input_mean=0.0).embed(crops)


def test_opposite_directions_have_no_mean(embedder: Callable[..., Embedder]) -> None:
    matrix = np.zeros((SIZE * SIZE * 3, 2), np.float32)
    matrix[0, 0], matrix[(SIZE - 1) * 3, 0] = 1, -1  # the left upper pixel minus the right upper one, in red
    crops = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    crops[0, 0, 0, 0] = 255
    np.testing.assert_allclose(embedder(matrix).embed(crops), [[1, 0]], atol=1e-6)
    with pytest.raises(InferenceError, match="zero vector"):
        embedder(matrix, flip=True).embed(crops)


@pytest.mark.parametrize("size", [4, 6])
def test_a_card_that_promises_another_size(embedder: Callable[..., Embedder], size: int) -> None:
    model = embedder(random_matrix(5), embedding_size=size)
    with pytest.raises(InferenceError, match=f"its card promises {size} numbers per face"):
        model.embed(random_crops(1))


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        (np.zeros((1, SIZE, SIZE, 3), np.float32), "uint8 RGB .* got float32"),
        (np.zeros((1, SIZE, SIZE, 3), np.int8), "got int8"),
        ([[[[1, 2, 3]]]], "got list"),
        (None, "got NoneType"),
        (np.zeros((SIZE, SIZE, 3), np.uint8), r"\(N, 6, 6, 3\), got \(6, 6, 3\)"),
        (np.zeros((1, 7, SIZE, 3), np.uint8), r"got \(1, 7, 6, 3\)"),
        (np.zeros((1, SIZE, SIZE, 1), np.uint8), r"got \(1, 6, 6, 1\)"),
        (np.zeros((1, 3, SIZE, SIZE), np.uint8), r"got \(1, 3, 6, 6\)"),
    ],
)
def test_wrong_crops(embedder: Callable[..., Embedder], crops: Any, message: str) -> None:
    with pytest.raises(ModelInputError, match=message):
        embedder(random_matrix()).embed(crops)


def test_a_card_that_contradicts_its_network(make_linear: Linear, make_card: Callable[..., ModelCard]) -> None:
    # The network takes 6 x 6, the card says 8 x 8.
    network = make_linear(random_matrix(), input_height=SIZE, input_width=SIZE)
    from ghostface_edge.runtime.onnx import OnnxSession

    card = make_card(input_height=8, input_width=8, embedding_size=5)
    model = Embedder(OnnxSession(write_card(network, card), threads=1, name="odd.onnx"))
    with pytest.raises(ModelInputError, match=r"odd.onnx takes an input of shape \(any, 6, 6, 3\), got \(1, 8, 8, 3\)"):
        model.embed(np.zeros((1, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("batch", [0, -1, 2.0, "4", None])
def test_a_senseless_batch(tiny_embedder: Path, batch: Any) -> None:
    with pytest.raises(OptionError, match="not a number of crops"):
        Embedder(open_session(tiny_embedder, threads=1), batch=batch)


def test_a_detector_is_no_embedder(real_models: ModelStore) -> None:
    with pytest.raises(ModelCardError, match="'yunet' is a detector, not an embedder"):
        Embedder(open_session(real_models.resolve("yunet"), threads=1))


def test_the_real_network_in_batches(real_engine: FaceEngine, lfw_sample: list[Path]) -> None:
    rng = np.random.default_rng(3)
    landmarks = np.array([[103.0, 113], [146, 113], [125, 138], [107, 160], [143, 160]])
    crops = np.stack([align(Image.open(path), landmarks + rng.standard_normal((5, 2))) for path in lfw_sample[:21]])
    together = real_engine.embedder.embed(crops)
    alone = np.concatenate([real_engine.embedder.embed(crop[None]) for crop in crops])
    assert (together * alone).sum(axis=1).min() > 0.999999
    np.testing.assert_allclose(np.linalg.norm(together.astype(np.float64), axis=1), 1, rtol=0, atol=1e-6)

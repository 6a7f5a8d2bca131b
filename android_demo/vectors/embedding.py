"""Embeddings of the network in ``network.py``, by formulas in NumPy; of networks of full size, by ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import network
import numpy as np
from numpy.typing import NDArray
from packing import packed, picture

from ghostface_edge.card import InputSpec, ModelCard, write_card
from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.preparation import picture_affine, prepare_float, prepare_naive
from ghostface_edge.converters.simulator import Simulator
from ghostface_edge.embedding import Embedder, input_tensor
from ghostface_edge.runtime import load_session

Run = Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]

FULL_SIZE = "ghostfacenet-v1-0.5-2"


def vectors() -> dict[str, Any]:
    """Tensors of three crops in every form, and their embeddings by three files of the small network."""
    crops = network.crops(3, seed=1)
    return {
        "crops": [picture(crop) for crop in crops],
        "tensors": [_tensor(layout, order) for layout in ("NHWC", "NCHW") for order in ("RGB", "BGR")],
        "networks": list(_networks(crops)),
    }


def _tensor(layout: str, order: str) -> dict[str, Any]:
    """What a network wants to see of two small crops."""
    crops = np.random.default_rng(7).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    card = network.card("float32")
    card = replace(card, input=InputSpec(4, 4, layout, order, 123.7, 0.017))
    return {
        "card": card.to_json(),
        "crops": [picture(crop) for crop in crops],
        "plain": packed(input_tensor(crops, card.input)),
        "mirrored": packed(input_tensor(crops[:, :, ::-1], card.input)),
    }


def _networks(crops: NDArray[np.uint8]) -> Iterator[dict[str, Any]]:
    graph = network.ghost_network()
    quantization = network.quantization(graph, input_tensor(network.crops(8, seed=2), network.card("int8").input))

    def exact(pictures: NDArray[np.float32]) -> NDArray[np.float64]:
        embeddings: NDArray[np.float64] = interpret(graph, pictures)["embedding"]
        return embeddings

    def rounded(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        embeddings: NDArray[np.float32] = Simulator(graph).run(pictures, quantization)["embedding"]
        return embeddings

    card = network.card("float32")
    yield _network("float32", card, write_onnx(graph, card.converter), crops, exact)
    integers = network.card("int8")
    yield _network("int8", integers, write_onnx(graph, card.converter, quantization=quantization), crops, rounded)
    other = replace(card, input=replace(card.input, layout="NCHW", colour_order="BGR"))
    content = write_onnx(graph, card.converter, layout="NCHW", batch=1)
    yield _network("planes, blue first, one picture at a time", other, content, crops, exact)


def _network(name: str, card: ModelCard, content: bytes, crops: NDArray[np.uint8], run: Run) -> dict[str, Any]:
    """A file, and what comes out of it by ``run``, which takes pictures as (count, height, width, channels)."""
    spec = replace(card.input, layout="NHWC")
    plain, mirrored = (_normalised(run(input_tensor(faces, spec))) for faces in (crops, crops[:, :, ::-1]))
    return {
        "name": name,
        "model": packed(write_card(content, card)),
        "plain": plain.round(8).tolist(),
        "flip": _normalised(plain + mirrored).round(8).tolist(),
    }


def _normalised(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    numbers = values.astype(np.float64)
    result: NDArray[np.float64] = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
    return result


def generate(folder: Path) -> None:
    """Networks of full size with random weights, and their embeddings by ONNX Runtime."""
    crops = network.crops(3, seed=3)
    checkpoint = architecture(FULL_SIZE, seed=4)
    card = replace(network.card("float32"), architecture=FULL_SIZE, model_id="random-1", embedding_size=512)
    pictures = input_tensor(network.crops(8, seed=5), card.input)
    forms = {
        "float32": prepare_float(checkpoint, "onnx", "float32"),
        "int8": prepare_naive(checkpoint, "int8", pictures, picture_affine(card.input)),
    }
    result: dict[str, Any] = {"crops": [picture(crop) for crop in crops], "networks": []}
    for precision, prepared in forms.items():
        content = write_onnx(prepared.graph, card.converter, quantization=prepared.quantization)
        data = write_card(content, replace(card, precision=precision))
        file = f"embedder-{precision}.onnx"
        (folder / file).write_bytes(data)
        embeddings = Embedder(load_session(data, file, threads=1)).embed(crops)
        result["networks"].append({"file": file, "plain": embeddings.tolist()})
    (folder / "embedding.json").write_text(json.dumps(result))

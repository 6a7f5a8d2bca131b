"""A model card for an embedder of the user's own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from .._version import __version__
from ..card import ARCFACE_ALIGNMENT, InputSpec, ModelCard, Source, read_card, write_card
from ..embedding import Embedder
from ..errors import InferenceError, ModelCardError, OptionError
from ..runtime.onnx import OnnxSession
from ..runtime.session import read_model


def carded(
    model: str,
    *,
    colour_order: str,
    layout: str,
    mean: float,
    scale: float,
    licence: str,
    name: str | None,
    size: int,
    architecture: str,
) -> tuple[bytes, ModelCard]:
    """The bytes of an ONNX embedder with a card in them, after one run that shows that they fit each other.

    Raises:
        OptionError: The model has a card already.
        ModelFileError: No ONNX model, or a damaged one.
        ModelCardError: A senseless value.
        ModelInputError: The network takes another input than the card says.
        InferenceError: The network fails, or does not give one vector per face.
        RuntimeMissingError: ONNX Runtime is not installed.
    """
    data = read_model(model)
    path = Path(model)
    _require_bare(data, path)
    sha256 = hashlib.sha256(data).hexdigest()
    name = path.stem if name is None else name
    card = ModelCard(
        kind="embedder",
        # The hash keeps two models of one name apart: their embeddings must not be compared.
        model_id=f"{re.sub(r'[^a-z0-9.]+', '-', name.lower()).strip('-') or 'model'}-{sha256[:8]}",
        name=name,
        architecture=architecture,
        precision="float32",
        input=InputSpec(size, size, layout, colour_order, mean, scale),
        source=Source(path.name, sha256, len(data)),
        converter=f"ghostface-edge {__version__}",
        licence=licence,
        alignment=ARCFACE_ALIGNMENT,
        embedding_size=1,
    )
    card = replace(card, embedding_size=_embedding_size(data, card, path.name))
    result = write_card(data, card)
    crops = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    Embedder(OnnxSession(result, threads=1, name=path.name)).embed(crops)
    return result, card


def _require_bare(data: bytes, path: Path) -> None:
    try:
        card = read_card(data)
    except ModelCardError:
        return
    raise OptionError(f"{path} has a model card already, of {card.name!r}: start from the file without one")


def _embedding_size(data: bytes, card: ModelCard, name: str) -> int:
    """Numbers per face, from a run on a black picture."""
    side = card.input.height
    shape = (1, side, side, 3) if card.input.layout == "NHWC" else (1, 3, side, side)
    session = OnnxSession(write_card(data, card), threads=1, name=name)
    output = session.run(np.zeros([int(length or 0) for length in shape], np.float32))[0]
    if output.ndim != 2 or output.shape[0] != 1:
        raise InferenceError(f"{name} gives an output of shape {output.shape}; an embedder gives (1, D) for one face")
    return int(output.shape[1])

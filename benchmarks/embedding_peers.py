"""Who embeds: the same network on every runtime that this machine has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostface_edge.card import ModelCard
from ghostface_edge.converters.convert import convert
from ghostface_edge.embedding import Embedder
from ghostface_edge.errors import GhostFaceError, InferenceError
from ghostface_edge.matching import cosine
from ghostface_edge.runtime import open_session

from .peers import Absent, Contender, Peer, sha256_of
from .samples import Subject
from .tensorflow_int8 import MISSING, has_tensorflow, tensorflow_int8

Crops = NDArray[np.uint8]
Embed = Callable[[Crops], NDArray[np.float32]]
"""One aligned crop, (1, height, width, 3) uint8 RGB, to its embedding, (1, D) float32 of length 1."""

_GROUP = "embed"
_OPENCV = "OpenCV DNN"
_TFLITE_RUNTIME = "tflite-runtime"
_TENSORFLOW = "TensorFlow's int8 conversion"


@dataclass(frozen=True)
class _Form:
    """A form in which the network is written for one of our sessions.

    Attributes:
        name: For people.
        options: Of the conversion.
    """

    name: str
    options: dict[str, Any]


_OURS = (
    _Form("tflite", {"to": "tflite"}),
    _Form("onnx, PReLU lowered", {"to": "onnx", "prelu": "lowered"}),
    _Form("onnx, PRelu operator", {"to": "onnx", "prelu": "native"}),
)


def embedding_peers(source: Path, crops: Crops, folder: Path, *, threads: int) -> Iterator[Peer]:
    """Those who can run a checkpoint's network, ours first; their figures tell how alike their embeddings are.

    Args:
        source: A checkpoint.
        crops: (N, height, width, 3) uint8 RGB, aligned faces, which take turns.
        folder: Where converted files are written.
        threads: Of one inference.

    Yields:
        Contenders with ``cosine``: the least cosine of their embeddings to those of the first contender.

    Raises:
        GhostFaceError: The checkpoint cannot be read.
    """
    first: list[NDArray[np.float32]] = []

    def contender(subject: Subject, embed: Embed) -> Contender:
        embeddings = np.concatenate([embed(crop[None]) for crop in crops])
        if not first:
            first.append(embeddings)
        return Contender(subject, _in_turn(embed, crops), {"cosine": float(cosine(embeddings, first[0]).min())})

    for number, form in enumerate(_OURS):
        try:
            made = convert(source, folder / str(number), **form.options)
            session = open_session(made.path, threads=threads)
            name = f"{made.card.name} ({form.name})"
            yield contender(_subject(name, made.card, session.version, threads, made.path), Embedder(session).embed)
        except GhostFaceError as error:
            yield Absent(form.name, _GROUP, str(error))
    yield _tflite_runtime()
    try:
        # OpenCV runs its own PReLU layer in 0.8 of the time of a lowered one, and takes pictures channels first alone.
        made = convert(source, folder / "opencv", to="onnx", prelu="native", layout="NCHW", batch=1)
        subject = _subject(
            f"{made.card.name} (onnx, channels first)", made.card, f"{_OPENCV} {cv2.__version__}", threads, made.path
        )
        yield contender(subject, opencv_embed(made.path, made.card))
    except GhostFaceError as error:
        yield Absent(_OPENCV, _GROUP, str(error))
    try:
        if not has_tensorflow():
            yield Absent(_TENSORFLOW, _GROUP, MISSING)
            return
        path = tensorflow_int8(source, crops, folder / "tensorflow_int8.tflite")
        card = made.card
        subject = _subject(f"{card.name} ({_TENSORFLOW})", card, session.version, threads, path, "int8")
        yield contender(subject, raw_tflite_embed(path, card, threads))
    except GhostFaceError as error:
        yield Absent(_TENSORFLOW, _GROUP, str(error))

"""Who embeds: the same network on every runtime that this machine has.

All start from an aligned crop and end with a vector of length 1, through the same :class:`Embedder`: what differs is
the file and the runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module, metadata
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostface_edge.card import ModelCard
from ghostface_edge.converters.convert import convert
from ghostface_edge.embedding import Embedder, input_tensor
from ghostface_edge.errors import GhostFaceError, InferenceError, ModelFileError, RuntimeMissingError
from ghostface_edge.matching import cosine
from ghostface_edge.runtime import Session, open_session

from .contenders import Absent, Contender, Peer, sha256_of
from .samples import Subject
from .tensorflow_int8 import tensorflow_int8

FloatArray = NDArray[np.float32]

_OURS = (
    ("tflite", {"to": "tflite"}),
    ("onnx, PReLU lowered", {"to": "onnx", "prelu": "lowered"}),
    ("onnx, PRelu operator", {"to": "onnx", "prelu": "native"}),
)
"""The forms in which our converter writes a float network for the runtimes of this package."""

_OPENCV = "OpenCV DNN"
_TENSORFLOW = "TensorFlow's int8 conversion"
_TFLITE_RUNTIME = "tflite-runtime"


class EmbeddingPeers:
    """Makes the contenders from a checkpoint.

    Args:
        source: The checkpoint.
        card: As the converter reads it.
        crops: (N, height, width, 3) uint8 RGB: aligned faces of the card's size. Contenders get them one by one.
        folder: Where converted files are written.
        threads: Of one inference.
    """

    def __init__(self, source: Path, card: ModelCard, crops: NDArray[np.uint8], folder: Path, *, threads: int) -> None:
        self._source, self._card, self._crops, self._folder = source, card, crops, folder
        self._threads = threads
        self._first: FloatArray | None = None

    def all(self) -> Iterator[Peer]:
        """Those who can and those who cannot, ours first.

        Yields:
            Contenders with ``cosine``: the least cosine between their embeddings of a crop and the first contender's.
        """
        for form, options in _OURS:
            yield self._peer(form, lambda form=form, options=options: self._ours(form, options))  # type: ignore[misc]
        yield Absent(_TFLITE_RUNTIME, "embed", _why_not_tflite_runtime())
        yield self._peer(_OPENCV, self._opencv)
        yield self._peer(_TENSORFLOW, self._tensorflow)

    def _peer(self, name: str, make: Callable[[], Contender]) -> Peer:
        try:
            return make()
        except GhostFaceError as error:
            return Absent(name, "embed", str(error))

    def _ours(self, form: str, options: dict[str, str]) -> Contender:
        path = self._converted(form.replace(", ", "_").replace(" ", "_"), **options)
        return self._contender(form, open_session(path, threads=self._threads), path)

    def _opencv(self) -> Contender:
        # OpenCV takes pictures channels first alone, and runs its own PReLU in 0.8 of the time of a lowered one.
        path = self._converted("opencv", to="onnx", layout="NCHW", batch=1, prelu="native")
        return self._contender("onnx, channels first", OpenCVSession(path, self._card, self._threads), path)

    def _tensorflow(self) -> Contender:
        path = self._folder / "tensorflow_int8.tflite"
        tensorflow_int8(self._source, input_tensor(self._crops, self._card.input), path)
        made = self._contender(_TENSORFLOW, BareTFLiteSession(path, self._card, self._threads), path)
        return replace(made, figures={**made.figures, "calibrated_on": len(self._crops)})

    def _converted(self, folder: str, **options: object) -> Path:
        return Path(convert(self._source, self._folder / folder, **options).path)

    def _contender(self, form: str, session: Session, path: Path) -> Contender:
        embedder = Embedder(session)
        embeddings = np.concatenate([embedder.embed(crop[None]) for crop in self._crops])
        if self._first is None:
            self._first = embeddings
        subject = Subject(
            name=f"{session.card.name} ({form})",
            model_id=session.card.model_id,
            precision=session.card.precision,
            runtime=session.version,
            threads=session.threads,
            file_sha256=sha256_of(path),
            stage="embed",
        )
        crops = cycle(np.split(self._crops, len(self._crops)))
        return Contender(
            subject,
            lambda: embedder.embed(next(crops)),
            {"cosine": float(cosine(embeddings, self._first).min()), "file_bytes": path.stat().st_size},
        )


class OpenCVSession:
    """An embedder's ``.onnx`` file, channels first and one picture per run, on OpenCV's DNN module.

    Args:
        path: The file.
        card: As the converter reads its checkpoint.
        threads: What OpenCV is allowed meanwhile; it has one setting for all.

    Raises:
        ModelFileError: OpenCV cannot load it.
    """

    runtime = "opencv"

    def __init__(self, path: Path, card: ModelCard, threads: int) -> None:
        self.card = replace(card, input=replace(card.input, layout="NCHW"))
        self.file, self.sha256 = path.name, hashlib.sha256(path.read_bytes()).hexdigest()
        self.version = f"{_OPENCV} {cv2.__version__}"
        self.threads = threads
        try:
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(path.read_bytes(), dtype=np.uint8))
        except cv2.error as error:
            raise ModelFileError(f"OpenCV cannot load {path.name}: {_first_line(error)}") from error

    def run(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        """Run the network on one picture, (1, 3, height, width)."""
        try:
            self._net.setInput(tensor)
            return (np.asarray(self._net.forward(), dtype=np.float32),)
        except cv2.error as error:
            raise InferenceError(f"OpenCV failed on {self.card.name}: {_first_line(error)}") from error


class BareTFLiteSession:
    """A ``.tflite`` file of another converter, without a card in it, on LiteRT.

    Args:
        path: The file; float32 goes in and comes out.
        card: As our converter reads the checkpoint that it was made from.
        threads: Of one inference.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
        ModelFileError: LiteRT cannot load it.
    """

    runtime = "litert"

    def __init__(self, path: Path, card: ModelCard, threads: int) -> None:
        try:
            package, module = import_module("ai_edge_litert"), import_module("ai_edge_litert.interpreter")
        except ImportError as error:
            raise RuntimeMissingError(f'{path.name} needs LiteRT: pip install "ghostface-edge[litert]"') from error
        self.card = replace(card, precision="int8")
        self.file, self.sha256 = path.name, hashlib.sha256(path.read_bytes()).hexdigest()
        self.version = f"{package.__name__} {package.__version__}"
        self.threads = threads
        try:
            self._interpreter = module.Interpreter(model_content=path.read_bytes(), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"LiteRT cannot load {path.name}: {_first_line(error)}") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def run(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        """Run the network on one picture, (1, height, width, 3)."""
        try:
            self._interpreter.set_tensor(self._input, tensor)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise InferenceError(f"LiteRT failed on {self.card.name}: {_first_line(error)}") from error
        return (np.asarray(self._interpreter.get_tensor(self._output), dtype=np.float32),)


def _why_not_tflite_runtime() -> str:
    if find_spec("tflite_runtime") is None:
        return (
            "not installed. It needs an environment of its own, with numpy 1 and Python up to 3.11, and there runs the "
            'tflite row: pip install "ghostface-edge[tflite]"'
        )
    version = metadata.version("tflite-runtime")
    if find_spec("ai_edge_litert") is None:
        return f"it runs the tflite row: version {version}"
    return f"version {version} is installed, but LiteRT runs the tflite row: it would in an environment without LiteRT"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

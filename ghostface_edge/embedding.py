"""Aligned crops in, L2-normalised embeddings out; all pre-processing comes from the model card."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .card import InputSpec, ModelCard
from .errors import InferenceError, ModelCardError, ModelInputError, OptionError
from .runtime import Session

FloatArray = NDArray[np.float32]

_LEAST_LENGTH = 1e-6  # an embedding as short as this has no direction


class Embedder:
    """A GhostFaceNet on a session.

    Safe to share between threads where the session is.

    Args:
        session: A model whose card says ``embedder``.
        flip: Average the embeddings of each crop and of its mirror image: a little more accurate, twice the time.
        batch: Crops per run of the model; more are split.

    Attributes:
        session: The model.
        crop_size: Side in pixels of the crops that it takes.
        flip: Whether mirror images are averaged in.

    Raises:
        ModelCardError: The model is no embedder.
        OptionError: No session, or a batch below 1.
    """

    def __init__(self, session: Session, *, flip: bool = False, batch: int = 8) -> None:
        if not isinstance(getattr(session, "card", None), ModelCard):
            raise OptionError(f"{session!r} is no session: open one with open_session(path)")
        if session.card.kind != "embedder":
            raise ModelCardError(f"model {session.card.name!r} is a {session.card.kind}, not an embedder")
        if not isinstance(batch, int) or batch < 1:
            raise OptionError(f"batch={batch!r} is not a number of crops: use 1 or more")
        self.session = session
        self.crop_size = session.card.crop_size
        self.flip = flip
        self._batch = batch

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self.session.card

    def embed(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Embed aligned faces.

        Args:
            crops: (N, height, width, 3) uint8 RGB of the card's size, aligned to the ArcFace template.

        Returns:
            (N, D) float32, each row of length 1.

        Raises:
            ModelInputError: Wrong dtype or shape.
            InferenceError: The model failed, or gave NaN, infinity or a zero vector.
        """
        self._check(crops)
        parts = [self._run(crops[start : start + self._batch]) for start in range(0, len(crops), self._batch)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty((0, self.card.embedding_size), dtype=np.float32)

    def _run(self, crops: NDArray[np.uint8]) -> FloatArray:
        embeddings = self._normalised(self.session.run(input_tensor(crops, self.card.input))[0], len(crops))
        if self.flip:
            mirrored = self._normalised(
                self.session.run(input_tensor(crops[:, :, ::-1], self.card.input))[0], len(crops)
            )
            embeddings = self._normalised(embeddings + mirrored, len(crops))
        return embeddings

    def _normalised(self, embeddings: FloatArray, faces: int) -> FloatArray:
        if embeddings.shape != (faces, self.card.embedding_size):
            raise InferenceError(
                f"model {self.card.name!r} gave an output of shape {embeddings.shape} for {faces} faces, "
                f"its card promises {self.card.embedding_size} numbers per face"
            )
        exact = embeddings.astype(np.float64)
        lengths = np.sqrt((exact * exact).sum(axis=1, keepdims=True))
        if not math.isfinite(lengths.max()):  # of NaN, too
            raise InferenceError(f"model {self.card.name!r} gave NaN or infinity")
        if not lengths.min() > _LEAST_LENGTH:
            raise InferenceError(f"model {self.card.name!r} gave a zero vector, which has no direction to compare")
        normalised: FloatArray = (embeddings / lengths).astype(np.float32)
        return normalised

    def _check(self, crops: Any) -> None:
        if not isinstance(crops, np.ndarray) or crops.dtype != np.uint8:
            found = crops.dtype if isinstance(crops, np.ndarray) else type(crops).__name__
            raise ModelInputError(f"crops are uint8 RGB with grey levels 0 to 255, got {found}")
        if crops.ndim != 4 or crops.shape[1:] != (self.crop_size, self.crop_size, 3):
            raise ModelInputError(
                f"model {self.card.name!r} takes crops of shape (N, {self.crop_size}, {self.crop_size}, 3), "
                f"got {crops.shape}"
            )


def input_tensor(crops: NDArray[np.uint8], spec: InputSpec) -> FloatArray:
    """What a network wants to see of crops: (N, height, width, 3) uint8 RGB to float32 in the card's form."""
    if spec.colour_order == "BGR":
        crops = crops[..., ::-1]
    if spec.layout == "NCHW":
        crops = crops.transpose(0, 3, 1, 2)
    tensor = crops.astype(np.float32, order="C")
    tensor -= np.float32(spec.mean)
    tensor *= np.float32(spec.scale)
    return tensor

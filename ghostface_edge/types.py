"""The results that users see: frozen, typed, with ``to_dict()`` for JSON and a short ``repr``.

Coordinates are pixels of the upright photo (after EXIF orientation), x to the right, y down, with the centre of
the top-left pixel at (0, 0). Arrays inside results are read-only. What cannot be one, or be the identity of a model,
raises an :class:`OptionError` when the result is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import OptionError

FloatArray = NDArray[np.float32]

LANDMARK_NAMES = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""Order of the five landmarks, as seen in the picture: ``left`` is the viewer's left.

This is the order of the ArcFace template (InsightFace ``face_align.py``) and of YuNet's output, which calls the
same points by the person's own side ("right eye" first).
"""


def _frozen(array: NDArray[Any], dtype: Any = np.float32) -> NDArray[Any]:
    """A read-only copy, so that a result cannot change behind its owner's back."""
    try:
        copy = np.array(array, dtype=dtype, order="C")
    except (TypeError, ValueError, OverflowError) as error:
        raise OptionError(f"{type(array).__name__} is not an array of numbers: {error}") from error
    copy.flags.writeable = False
    return copy


def _require_identity(model: object) -> None:
    if not isinstance(model, ModelIdentity):
        raise OptionError(f"model must be a ModelIdentity such as engine.model, not {type(model).__name__}")


@dataclass(frozen=True)
class Box:
    """An axis-aligned rectangle in pixels: left, top, right, bottom. It may reach beyond the photo."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Area in square pixels; 0 for an empty box."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    def iou(self, other: Box) -> float:
        """Intersection over union with another box, 0 to 1."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        both = max(width, 0.0) * max(height, 0.0)
        union = self.area + other.area - both
        return both / union if union > 0 else 0.0

    def to_dict(self) -> dict[str, float]:
        """Plain values for JSON."""
        return {key: round(float(value), 3) for key, value in vars(self).items()}

    def __repr__(self) -> str:
        return f"Box({self.x1:.1f}, {self.y1:.1f}, {self.x2:.1f}, {self.y2:.1f})"


@dataclass(frozen=True)
class DetectionRun:
    """What a detector did to find a face.

    Attributes:
        inputs: Longest side, in pixels, of each view of the whole photo that it looked at, in that order.
        looks: Closer looks at the face alone that went into its landmarks.
        faces: Faces that it saw in the last of the views; where that is a small one, small faces may be missing.
    """

    inputs: tuple[int, ...]
    looks: int
    faces: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"inputs": list(self.inputs), "looks": self.looks, "faces": self.faces}


@dataclass(frozen=True, eq=False)
class Detection:
    """One face as a detector reports it.

    Attributes:
        box: Extent of the face, pixels.
        score: Confidence of the detector, 0 to 1. Scores of different detectors do not compare.
        landmarks: (5, 2) float32, x and y in pixels, in the order of :data:`LANDMARK_NAMES`.
        run: What the detector did to find it; None where it does not say.
    """

    box: Box
    score: float
    landmarks: FloatArray = field(repr=False)
    run: DetectionRun | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "landmarks", _frozen(self.landmarks))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "box": self.box.to_dict(),
            "score": round(float(self.score), 4),
            "landmarks": {
                name: [round(float(x), 2), round(float(y), 2)] for name, (x, y) in zip(LANDMARK_NAMES, self.landmarks)
            },
            "detection": None if self.run is None else self.run.to_dict(),
        }


@dataclass(frozen=True)
class ModelIdentity:
    """Which model made an embedding. Embeddings compare only where ``model_id`` is the same.

    Attributes:
        model_id: Name of the embedding space: architecture and checkpoint, whatever the file format or precision.
        precision: Numerical form of the file that ran: ``float32``, ``float16``, ``int8`` ...
        detector: Whose landmarks aligned the face, such as ``yunet``; empty for crops that came aligned.
    """

    model_id: str
    precision: str = "float32"
    detector: str = ""

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            try:
                str.encode(value)
            except (TypeError, UnicodeEncodeError) as error:
                raise OptionError(f"{key} {value!a} of a model is not text that a file can hold") from error

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class Template:
    """An embedding together with the model that made it: what galleries keep and comparisons take.

    Attributes:
        embedding: (D,) float32, L2-normalised.
        model: Identity of the model; checked at every comparison.
    """

    embedding: FloatArray = field(repr=False)
    model: ModelIdentity

    def __post_init__(self) -> None:
        object.__setattr__(self, "embedding", _frozen(self.embedding))
        _require_identity(self.model)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"model": self.model.to_dict(), "embedding": [float(value) for value in self.embedding]}


@dataclass(frozen=True, eq=False)
class Face:
    """One detected, aligned and embedded face.

    Attributes:
        box: Extent of the face, pixels of the upright photo.
        score: Detector confidence, 0 to 1.
        landmarks: (5, 2) float32, pixels, in the order of :data:`LANDMARK_NAMES`.
        embedding: (D,) float32, L2-normalised.
        model: Identity of the model that made the embedding.
        detection: What the detector did to find the face; None where it does not say.
    """

    box: Box
    score: float
    landmarks: FloatArray = field(repr=False)
    embedding: FloatArray = field(repr=False)
    model: ModelIdentity = field(repr=False)
    detection: DetectionRun | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "landmarks", _frozen(self.landmarks))
        object.__setattr__(self, "embedding", _frozen(self.embedding))
        _require_identity(self.model)

    @property
    def template(self) -> Template:
        """The embedding and its model, without the picture's geometry."""
        return Template(self.embedding, self.model)

    def to_dict(self, *, embedding: bool = True) -> dict[str, Any]:
        """Plain values for JSON; ``embedding=False`` leaves the vector out."""
        result = Detection(self.box, self.score, self.landmarks, self.detection).to_dict()
        result["model"] = self.model.to_dict()
        if embedding:
            result["embedding"] = [float(value) for value in self.embedding]
        return result


@dataclass(frozen=True)
class Threshold:
    """A decision threshold with the measurement behind it.

    Attributes:
        fmr: False-match rate, the share of impostor comparisons at or above ``similarity``.
        similarity: Cosine similarity from which on two faces are called the same person.
        detector: Detector (and mode) whose landmarks aligned the faces of the measurement.
        fnmr: False-non-match rate at this threshold: genuine comparisons below it.
        impostor_pairs: Number of impostor comparisons measured.
        genuine_pairs: Number of genuine comparisons measured.
        dataset: What was compared.
        people: Number of people in the comparisons; None where nobody counted them.
        fmr_high: Upper end of the 95 % interval of the false-match rate at ``similarity``; None where it is unknown.
        similarity_low: Lower end of the 95 % interval of the similarity at which the rate is ``fmr``; None likewise.
        similarity_high: Its upper end.
    """

    fmr: float
    similarity: float
    detector: str
    fnmr: float
    impostor_pairs: int
    genuine_pairs: int
    dataset: str
    people: int | None = None
    fmr_high: float | None = None
    similarity_low: float | None = None
    similarity_high: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is unknown is left out, as in model files older than the field."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Verification:
    """The answer to "are these two the same person?".

    Attributes:
        similarity: Cosine similarity, -1 to 1.
        threshold: Similarity from which on the answer is yes.
        fmr: False-match rate at which the threshold was measured; None for a threshold of the caller's own.
        match: ``similarity >= threshold``.
    """

    similarity: float
    threshold: float
    fmr: float | None
    match: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    def __repr__(self) -> str:
        fmr = "None" if self.fmr is None else f"{self.fmr:g}"
        return (
            f"Verification(similarity={self.similarity:.2f}, threshold={self.threshold:.2f}, "
            f"fmr={fmr}, match={self.match})"
        )


@dataclass(frozen=True)
class Match:
    """One person found in a gallery.

    Attributes:
        name: Who was enrolled.
        similarity: Cosine similarity to the best of the person's templates, -1 to 1.
        template_id: Row of that template in the gallery.
        threshold: Similarity from which on the match counts; None where no threshold was asked for.
        match: ``similarity >= threshold``; None where no threshold was asked for.
    """

    name: str
    similarity: float
    template_id: int
    threshold: float | None = None
    match: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    def __repr__(self) -> str:
        return f"Match({self.name!r}, {self.similarity:.3f}{'' if self.match is None else f', match={self.match}'})"


@dataclass(frozen=True)
class Person:
    """One enrolled person.

    Attributes:
        name: Who.
        templates: Number of templates enrolled.
        enrolled_at: Time of the first enrolment, ISO 8601, UTC.
        updated_at: Time of the last enrolment, ISO 8601, UTC.
    """

    name: str
    templates: int
    enrolled_at: str
    updated_at: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

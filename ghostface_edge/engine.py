"""Photos in, identities out: detector, alignment, embedder and matching behind one object."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Union

import numpy as np

from .alignment import align
from .card import ModelCard
from .catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from .choice import AUTO, RUNTIME_NAMES, Choice
from .detection import SCRFD, Detector, OpenCVYuNet, YuNet
from .detection.detector import found_by
from .detection.main_face import main_face as main_face  # others import it from here
from .detection.yunet import MAX_SIZE, MODES
from .embedding import Embedder
from .errors import OptionError, RuntimeMissingError
from .image import DEFAULT_MAX_PIXELS, Image, ImageSource
from .matching import decide, similarity
from .models import ModelStore
from .runtime import MODEL_ENDINGS, installed_runtimes, open_session
from .types import Detection, Face, ModelIdentity, Threshold, Verification

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)

DEFAULT_FMR = 1e-3
"""False-match rate of a decision where the caller states none: one impostor in a thousand is let through."""

DETECTORS = (*MODES.values(), OpenCVYuNet.name, f"{SCRFD.name}:FILE")
"""Names that ``detector=`` and ``--detector`` take.

After the name of a YuNet, ``:PIXELS`` sets the longest side of what it sees, such as ``yunet:1280`` for small faces;
``:FILE``, such as ``yunet-fast:yunet.tflite``, takes a YuNet that was converted before (not for ``yunet-opencv``).
"""

Photo = Union[ImageSource, Face]
"""A photo to find a face in, or a face that was found already."""


class FaceEngine:
    """Finds, aligns, embeds and compares faces.

    Safe to share between threads: the results are those of one thread. Nothing is downloaded: a model that is not on
    this machine is an error that says how to get it.

    Args:
        model: Name of a known model, path of a model or checkpoint, or an :class:`Embedder`.
        detector: One of :data:`DETECTORS`, or an object of your own with a ``name`` and a ``detect`` method.
        runtime: ``litert`` or ``onnx``, for the embedder and for YuNet; by default the one that the model's file needs,
            and for a known name or a checkpoint the best that is installed (LiteRT, ONNX Runtime, tflite-runtime).
            By default YuNet runs on the embedder's, but on ONNX Runtime where that is installed and the CPU has AVX-512
            (:mod:`ghostface_edge.choice`).
        precision: Numerical form of the embedder, such as ``float16`` or ``int8``, for a known name or a checkpoint; by
            default float32 or float16, whichever this machine computes faster: they share their thresholds. A model
            file has the one that it has. The detector's form is always chosen so.
        threads: CPU threads of one inference; by default the CPUs available, at most 4.
        flip: Embed the mirrored crop too and take the mean: a little more accurate, twice the embedding time.
        max_pixels: Largest photo to decode, width times height.
        store: Where models are looked up; by default the user's own store.

    Attributes:
        embedder: The network that embeds.
        detector: What finds the faces.
        max_pixels: Largest photo to decode, width times height.
        choices: Which file was chosen for ``embedder`` and ``detector``, and why; without those that the caller chose.

    Raises:
        MissingModelError: A known model is not on this machine.
        ModelError: A model file is damaged, has no card, or is of the wrong kind.
        RuntimeMissingError: A runtime or optional package is not installed.
        OptionError: An unknown detector, runtime or model name, or a senseless number.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Embedder = DEFAULT_EMBEDDER,
        detector: str | Detector = DEFAULT_DETECTOR,
        *,
        runtime: str | None = None,
        precision: str = AUTO,
        threads: int | None = None,
        flip: bool = False,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        store: ModelStore | None = None,
    ) -> None:
        if store is None:
            store = ModelStore()
        elif not isinstance(store, ModelStore):
            raise OptionError(f"store {store!r} is no ModelStore")
        chosen: dict[str, Choice | None] = {}
        beside = None  # the runtime of the embedder
        if isinstance(model, Embedder):
            if flip or runtime is not None or precision != AUTO:
                raise OptionError("flip, runtime and precision are settled by the Embedder that was given")
            self.embedder = model
        else:
            choice = store.choose(model, runtime=runtime, precision=precision)
            session = open_session(choice.path, runtime=runtime, threads=threads)
            if precision not in (AUTO, session.card.precision):
                found = session.card.precision
                raise OptionError(f"precision={precision!r}: {choice.path.name} is {found}; convert its source")
            chosen["embedder"] = choice
            self.embedder = Embedder(session, flip=flip)
            beside = session.runtime
        if isinstance(detector, str):
            detector, chosen["detector"] = _load_detector(
                detector, store, runtime=runtime, beside=beside, threads=threads
            )
        elif (
            isinstance(detector, type)
            or not isinstance(getattr(detector, "name", None), str)
            or not callable(getattr(detector, "detect", None))
        ):
            raise OptionError(f"detector {detector!r} is none: it needs a name and a detect method")
        self.detector = detector
        self.max_pixels = max_pixels
        self.choices = {network: choice for network, choice in chosen.items() if choice and choice.reason}

    @property
    def card(self) -> ModelCard:
        """The card of the embedder."""
        return self.embedder.card

    @property
    def model(self) -> ModelIdentity:
        """What the embeddings of this engine carry, and what a gallery is opened with."""
        return self.card.identity(self.detector.name + ("+flip" if self.embedder.flip else ""))

    @property
    def runtimes(self) -> str:
        """The runtime library of the embedder and its version, and that of YuNet where it is another one."""
        used = [self.embedder.session.version]
        if isinstance(self.detector, YuNet):
            used.append(self.detector.runtime)
        return ", ".join(dict.fromkeys(used))

    def open(self, photo: ImageSource) -> Image:
        """A photo as the engine sees it: upright RGB, at most ``max_pixels``.

        Raises:
            ImageError: The source is no usable picture.
        """
        return Image.open(photo, max_pixels=self.max_pixels)

    def detect(self, photo: ImageSource, *, min_face: float | None = None) -> tuple[Detection, ...]:
        """The faces of a photo, largest first, without embeddings.

        Args:
            photo: Where to look.
            min_face: As for :meth:`faces`.

        Raises:
            ImageError: The source is no usable picture.
            OptionError: ``min_face`` is no size, or the detector takes none.
            DetectionError: The detector failed or broke its contract.
            InferenceError: The detector's model failed, or gave NaN or infinity.
        """
        return found_by(self.detector, self.open(photo), min_face=min_face)

    def detect_main(self, photo: ImageSource) -> Detection:
        """The face that :meth:`face` takes, without its embedding.

        Raises:
            NoFaceError: There is none.
            GhostFaceError: As :meth:`detect`.
        """
        image = self.open(photo)
        return main_face(image, found_by(self.detector, image, main=True))

    def faces(self, photo: ImageSource, *, min_face: float | None = None) -> tuple[Face, ...]:
        """Every face of a photo with its embedding, largest first; an empty tuple where there is none.

        Args:
            photo: Where to look.
            min_face: Width of the smallest face that is wanted, in pixels of the photo; below 1, as a share of its
                longest side. The detector then sees the photo at the size at which such a face is found, and at no
                larger one; smaller faces may be found too. By default at 640 pixels at most, and at twice that where
                it finds no face.

        Raises:
            ImageError: The source is no usable picture.
            OptionError: ``min_face`` is no size, or the detector takes none.
            DetectionError: The detector failed or broke its contract.
            AlignmentError: A detector of yours gave landmarks that define no alignment.
            InferenceError: The model failed, or gave NaN, infinity or a zero vector.
        """
        image = self.open(photo)
        return self.embed(image, self.detect(image, min_face=min_face))

    def embed(self, photo: ImageSource, detections: Sequence[Detection]) -> tuple[Face, ...]:
        """Faces that were found before, with their embeddings, in the order of ``detections``.

        Raises:
            ImageError: The source is no usable picture.
            AlignmentError: Landmarks that define no alignment.
            InferenceError: The model failed, or gave NaN, infinity or a zero vector.
        """
        image = self.open(photo)
        if not detections:
            return ()
        crops = np.array([align(image, item.landmarks, size=self.embedder.crop_size) for item in detections])
        model = self.model
        return tuple(
            Face(item.box, item.score, item.landmarks, embedding, model, item.run)
            for item, embedding in zip(detections, self.embedder.embed(crops))
        )

    def face(self, photo: Photo) -> Face:
        """The main face of a photo: the largest, where one at the rim counts for less than one in the middle.

        YuNet looks for it on a small view of the photo first, and then at that face alone; only where that leaves a
        doubt, it looks at the photo as :meth:`faces` does. What it did stands in ``detection`` of the face.

        Raises:
            NoFaceError: There is none.
            GhostFaceError: As :meth:`faces`.
        """
        if isinstance(photo, Face):
            return photo
        image = self.open(photo)
        return self.embed(image, [self.detect_main(image)])[0]

    def verify(self, a: Photo, b: Photo, *, fmr: float = DEFAULT_FMR, threshold: float | None = None) -> Verification:
        """Are the main faces of two photos the same person?

        Args:
            a: A photo, or a :class:`Face` of this model.
            b: The other.
            fmr: False-match rate at which to decide; the model card must hold a threshold for it. Faces that another
                detector found are compared at the same similarity, but then the result states no rate.
            threshold: Cosine similarity from which on it is a match, in place of ``fmr``.

        Raises:
            ThresholdError: The card has no threshold at ``fmr`` for this detector.
            NoFaceError: A photo shows no face.
            ModelMismatchError: Two faces of different models.
            GhostFaceError: As :meth:`faces`.
        """
        limit: Threshold | float = self.threshold(fmr) if threshold is None else threshold
        faces = self.face(a), self.face(b)
        if isinstance(limit, Threshold) and any(face.model.detector != limit.detector for face in faces):
            limit = limit.similarity  # nobody measured how often that combination goes wrong
        return decide(similarity(*faces), limit)

    def threshold(self, fmr: float = DEFAULT_FMR) -> Threshold:
        """The measured threshold at a false-match rate, for this model with this detector.

        Raises:
            ThresholdError: The card holds none; the message lists what it holds.
        """
        return self.card.threshold(fmr, self.model.detector)

    def describe(self) -> str:
        """One line: model, precision and why, detector, runtimes, threads."""
        embedder, detector = (self.choices.get(network) for network in ("embedder", "detector"))
        why = f": {embedder.explanation}" if embedder else ""
        found_by = self.model.detector
        if detector and (embedder is None or detector.reason != embedder.reason):
            found_by += f" ({detector.precision}: {detector.explanation})"
        return (
            f"{self.card.name} ({self.card.model_id}, {self.card.precision}{why}) with detector {found_by}, "
            f"{self.runtimes}, threads: {self.embedder.session.threads}"
        )

    def __repr__(self) -> str:
        return f"FaceEngine({self.describe()})"


def load_detector(
    name: str, store: ModelStore | None = None, *, runtime: str | None = None, threads: int | None = None
) -> Detector:
    """A detector by its name.

    Args:
        name: One of :data:`DETECTORS`.
        store: Where YuNet is looked up; by default the user's own store.
        runtime: ``litert`` or ``onnx``; by default the best that is installed.
        threads: CPU threads of one inference.

    Raises:
        OptionError: No such detector or runtime.
        MissingModelError: YuNet is not on this machine.
        ModelError: A file that was named is damaged or no YuNet.
        RuntimeMissingError: An optional package is not installed.
    """
    return _load_detector(name, ModelStore() if store is None else store, runtime=runtime, threads=threads)[0]


def _load_detector(
    name: str, store: ModelStore, *, runtime: str | None, beside: str | None = None, threads: int | None
) -> tuple[Detector, Choice | None]:
    """A detector, and the file that was chosen for it; None where the caller's words leave no choice.

    Where no runtime is asked for, YuNet by its name runs on the one ``beside`` it or on a faster one, a file on the one
    for its format.
    """
    kind, colon, argument = name.partition(":")
    if kind == SCRFD.name and argument:
        return SCRFD(argument, threads=threads), None
    modes = {value: key for key, value in MODES.items()}
    if kind in modes and argument.lower().endswith(MODEL_ENDINGS):
        return YuNet(open_session(argument, runtime=runtime, threads=threads), mode=modes[kind]), None
    if kind not in (*modes, OpenCVYuNet.name) or (colon and not argument.isdecimal()):
        raise OptionError(f"detector {name!r} is none of {', '.join(DETECTORS)}")
    max_size = int(argument[:9]) if colon else MAX_SIZE
    if kind == OpenCVYuNet.name:
        return OpenCVYuNet(store.source(DEFAULT_DETECTOR), max_size=max_size), None
    try:
        choice = store.choose(DEFAULT_DETECTOR, runtime=runtime, beside=beside)
        try:
            session = open_session(choice.path, runtime=runtime, threads=threads)
        except RuntimeMissingError as error:
            # The package is there, and does not load; another one may.
            others = [other for other in (beside, *installed_runtimes()) if other not in (None, choice.runtime)]
            if runtime is not None or not others:
                raise
            _log.warning("detector %s runs on %s: %s", name, RUNTIME_NAMES[others[0]], error)
            choice = store.choose(DEFAULT_DETECTOR, runtime=others[0])
            session = open_session(choice.path, threads=threads)
    except RuntimeMissingError as error:
        _log.warning("detector %s falls back to OpenCV's, which is slower and less accurate: %s", name, error)
        return OpenCVYuNet(store.source(DEFAULT_DETECTOR), max_size=max_size), None
    return YuNet(session, mode=modes[kind], max_size=max_size), choice

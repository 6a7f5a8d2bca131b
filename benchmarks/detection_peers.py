"""Who detects, and who detects and embeds: our YuNet on each runtime, OpenCV's, and InsightFace from files on disk."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostface_edge.alignment import align
from ghostface_edge.catalog import DEFAULT_DETECTOR
from ghostface_edge.detection import SCRFD, YuNet
from ghostface_edge.detection.main_face import main_face
from ghostface_edge.detection.opencv import quiet
from ghostface_edge.detection.yunet import MAX_SIZE, MODES
from ghostface_edge.doctor import versions
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import GhostFaceError, ModelFileError, RuntimeMissingError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import RUNTIMES, default_runtime, file_format, open_session
from ghostface_edge.types import Box, Detection

from .contenders import Absent, Contender, Peer, sha256_of
from .samples import Subject

INSIGHTFACE_ROOT = "~/.insightface"
"""Where InsightFace keeps its models, in ``models/NAME``."""

_OPENCV = "OpenCV FaceDetectorYN"
_SCRFD = "InsightFace SCRFD"
_ANALYSIS = "InsightFace FaceAnalysis"
_INSTALL = 'the insightface package is not installed: pip install "ghostface-edge[insightface]"'
_DETECTION_SIZE = (640, 640)  # of InsightFace's examples


def detection_peers(
    image: Image, *, threads: int, scrfd: str | os.PathLike[str] | None = None, store: ModelStore | None = None
) -> Iterator[Peer]:
    """Those who find faces, ours first.

    Args:
        image: What all look at, at its own size; InsightFace's network sees it scaled to 640 x 640.
        threads: Of one inference.
        scrfd: An SCRFD model file with landmarks.
        store: Where YuNet is looked up; by default the user's own store.

    Yields:
        Contenders with ``faces``: how many they find.

    Raises:
        MissingModelError: YuNet is not on this machine.
    """
    store = ModelStore() if store is None else store
    published = store.source(DEFAULT_DETECTOR)
    best = default_runtime()
    for runtime in sorted(RUNTIMES, key=lambda name: name != best):
        try:
            path = store.resolve(DEFAULT_DETECTOR, format=file_format(runtime))
            session = open_session(path, threads=threads)
        except GhostFaceError as error:
            yield Absent(f"{DEFAULT_DETECTOR} on {runtime}", "detect", str(error))
            continue
        for mode, name in MODES.items():
            card = session.card
            subject = Subject(name, card.model_id, card.precision, session.version, threads, sha256_of(path), "detect")
            detector = YuNet(session, mode=mode)
            yield _finding(subject, partial(detector.detect, image))
    yield _opencv(published, image, threads)
    if scrfd is None:
        yield Absent(_SCRFD, "detect", "no model file was given: --scrfd FILE, such as scrfd_500m_kps.onnx")
        return
    try:
        detector_of_insightface = SCRFD(scrfd, threads=threads)
    except GhostFaceError as error:
        yield Absent(_SCRFD, "detect", str(error))
        return
    file = Path(scrfd)
    yield _finding(
        Subject(file.stem, "", "float32", _insightface(), threads, sha256_of(file), "detect"),
        partial(detector_of_insightface.detect, image),
    )


def face_peers(
    image: Image, engine: FaceEngine, *, file_sha256: str = "", root: str | os.PathLike[str] = INSIGHTFACE_ROOT
) -> Iterator[Peer]:
    """Those who find faces and embed them, ours first. Nothing is downloaded.

    Args:
        image: What all look at.
        engine: Ours.
        file_sha256: Of our embedder's file.
        root: Folder with ``models/NAME/*.onnx``, where InsightFace keeps what it downloaded earlier.

    Yields:
        Contenders with ``faces``: how many they find.
    """
    card, session = engine.card, engine.embedder.session
    name = f"FaceEngine: {engine.detector.name}, {card.name}"
    subject = Subject(name, card.model_id, card.precision, engine.runtimes, session.threads, file_sha256, "faces")
    yield _finding(subject, partial(engine.faces, image))
    folder = Path(os.path.expanduser(root)) / "models"
    packs = sorted({path.parent for path in folder.glob("*/*.onnx")})
    if not packs:
        yield Absent(_ANALYSIS, "faces", f"no models of InsightFace in {folder}, and nothing is downloaded")
    for pack in packs:
        try:
            yield _analysis(pack, Path(os.path.expanduser(root)), image, session.threads)
        except GhostFaceError as error:
            yield Absent(f"{_ANALYSIS} {pack.name}", "faces", str(error))


def main_face_peers(image: Image, engine: FaceEngine, published: Path, *, file_sha256: str = "") -> Iterator[Peer]:
    """Those who find the main face and embed it, ours first; the others with our alignment and our embedder.

    Args:
        image: What all look at.
        engine: Ours.
        published: YuNet as the OpenCV Zoo publishes it.
        file_sha256: Of our embedder's file.

    Yields:
        Contenders with ``faces``: 1.
    """
    card, session = engine.card, engine.embedder.session
    calls: dict[str, Callable[[Image], object]] = {
        f"FaceEngine.face: {engine.detector.name}, {card.name}": engine.face,
        f"{_OPENCV}, the photo as it is, {card.name}": opencv_main_face(published, engine, None),
        f"{_OPENCV}, the photo at 640 pixels, {card.name}": opencv_main_face(published, engine, MAX_SIZE),
    }
    for name, call in calls.items():
        is_theirs = name.startswith(_OPENCV)
        runtime = f"{session.version}, OpenCV {cv2.__version__}" if is_theirs else engine.runtimes
        subject = Subject(name, card.model_id, card.precision, runtime, session.threads, file_sha256, "main")
        call(image)  # who finds no face does not take part
        yield Contender(subject, partial(call, image), {"faces": 1})


def opencv_main_face(
    published: str | os.PathLike[str], engine: FaceEngine, longest: int | None
) -> Callable[[Image], NDArray[np.float32]]:
    """What the main face costs without us: OpenCV's detector on the whole photo, then the same alignment and embedder.

    Args:
        published: YuNet as the OpenCV Zoo publishes it.
        engine: Whose embedder it is.
        longest: Longest side, in pixels, to which the photo is scaled, up or down; None to leave it as it is.

    Returns:
        From a photo to the embedding of its main face, (D,).

    Raises:
        NoFaceError: When it is called, and finds no face.
    """
    with quiet():
        theirs = cv2.FaceDetectorYN.create(os.fspath(published), "", (32, 32), 0.7, 0.3)

    def embed(image: Image) -> NDArray[np.float32]:
        scale = 1.0 if longest is None else longest / max(image.width, image.height)
        size = round(image.width * scale), round(image.height * scale)
        view = image.pixels if scale == 1 else cv2.resize(image.pixels, size, interpolation=cv2.INTER_LINEAR)
        theirs.setInputSize(size)
        _, rows = theirs.detect(cv2.cvtColor(view, cv2.COLOR_RGB2BGR))
        found = [
            Detection(Box(*row[:2], *(row[:2] + row[2:4])), row[14], row[4:14].reshape(5, 2))
            for row in ([] if rows is None else rows / np.array([scale] * 14 + [1]))
        ]
        crop = align(image, main_face(image, found).landmarks, size=engine.embedder.crop_size)
        (embedding,) = engine.embedder.embed(crop[np.newaxis])
        return np.asarray(embedding)

    return embed


def _finding(subject: Subject, call: Callable[[], Any]) -> Contender:
    return Contender(subject, call, {"faces": len(call())})


def _opencv(path: Path, image: Image, threads: int) -> Peer:
    bgr = np.ascontiguousarray(image.pixels[..., ::-1])
    try:
        with quiet():
            theirs = cv2.FaceDetectorYN.create(os.fspath(path), "", (image.width, image.height), 0.7, 0.3)
        _, rows = theirs.detect(bgr)
    except cv2.error as error:
        return Absent(_OPENCV, "detect", str(error).strip().splitlines()[0])
    subject = Subject(_OPENCV, "", "float32", f"OpenCV {cv2.__version__}", threads, sha256_of(path), "detect")
    return Contender(subject, partial(theirs.detect, bgr), {"faces": 0 if rows is None else len(rows)})


def _analysis(pack: Path, root: Path, image: Image, threads: int) -> Contender:
    """FaceAnalysis with a pack that is on disk, detection and embedding alone.

    Raises:
        RuntimeMissingError: InsightFace is not installed.
        ModelFileError: InsightFace cannot use the pack.
    """
    try:
        ort, app = import_module("onnxruntime"), import_module("insightface.app")
    except ImportError as error:
        raise RuntimeMissingError(f"{_INSTALL} ({error})") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    bgr = np.ascontiguousarray(image.pixels[..., ::-1])
    try:
        with redirect_stdout(io.StringIO()):  # InsightFace prints lines for each model
            analysis = app.FaceAnalysis(
                name=pack.name,
                root=str(root),
                allowed_modules=["detection", "recognition"],
                providers=["CPUExecutionProvider"],
                sess_options=options,
            )
            analysis.prepare(ctx_id=-1, det_size=_DETECTION_SIZE)
            found = len(analysis.get(bgr))
            used = {model.session.get_session_options().intra_op_num_threads for model in analysis.models.values()}
    except Exception as error:  # InsightFace raises whatever its libraries raise, and asserts
        raise ModelFileError(f"InsightFace cannot use {pack}: {type(error).__name__}: {error}") from error
    # Some versions drop the options; ONNX Runtime then takes all CPUs, and says 0.
    subject = Subject(f"{_ANALYSIS} {pack.name}", "", "float32", _insightface(), max(used), "", "faces")
    return Contender(subject, partial(analysis.get, bgr), {"faces": found})


def _insightface() -> str:
    found = versions()
    return ", ".join(f"{name} {found[name]}" for name in ("insightface", "onnxruntime"))

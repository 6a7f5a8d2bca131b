"""This package beside others on the same work, in one interleaved run: embedding, detection, and both together.

Every contender of a group gets the same picture and has to come to the same kind of result: embedding starts from an
aligned crop (uint8 RGB) and ends with a vector of length 1; detection starts from a picture and ends with boxes and
landmarks. What a contender needs and this machine has not is said in its row.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.alignment import align
from ghostface_edge.catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from ghostface_edge.converters.choices import choose
from ghostface_edge.converters.trained_model import SourceOptions, read_trained_model
from ghostface_edge.detection.detector import found_by
from ghostface_edge.detection.view import View
from ghostface_edge.detection.yunet import MAX_SIZE
from ghostface_edge.engine import FaceEngine, load_detector
from ghostface_edge.errors import MissingModelError, NoFaceError, OptionError, RuntimeMissingError
from ghostface_edge.image import Image, ImageSource
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime.session import thread_count

from .contenders import GROUPS, Absent, Contest, Peer, opencv_threads
from .detection_peers import INSIGHTFACE_ROOT, detection_peers, face_peers, main_face_peers
from .drawn_people import draw_people
from .embedding_peers import EmbeddingPeers


def load_peers(
    photo: ImageSource | None = None,
    *,
    model: str | os.PathLike[str] = DEFAULT_EMBEDDER,
    groups: Sequence[str] = GROUPS,
    scrfd: str | os.PathLike[str] | None = None,
    insightface: str | os.PathLike[str] = INSIGHTFACE_ROOT,
    threads: int | None = None,
    store: ModelStore | None = None,
) -> Contest:
    """Find out who can embed, detect, and do both on this machine, and have them look at a photo once.

    Args:
        photo: What all look at, shrunk to 640 pixels; by default the people of :func:`draw_people`. Embedders get its
            aligned faces.
        model: Name of a known model, or a checkpoint.
        groups: Some of :data:`GROUPS`.
        scrfd: An SCRFD model file with landmarks.
        insightface: Folder of InsightFace's own models; nothing is downloaded into it.
        threads: Of one inference; by default the CPUs available, at most 4.
        store: Where models are looked up; by default the user's own store.

    Raises:
        NoFaceError: There is no face in the photo to embed.
        ConversionError: The checkpoint cannot be read.
        OptionError: An unknown group or model, or a senseless number.
        ImageError: The photo is no usable picture.
    """
    store = ModelStore() if store is None else store
    threads = thread_count(threads)
    for group in groups:
        choose("group", group, GROUPS)
    opened = Image.from_rgb(draw_people(), source="drawn people") if photo is None else Image.open(photo)
    image = Image.from_rgb(View(opened.pixels).shrunk(MAX_SIZE).pixels, source=opened.source)
    peers: list[Peer] = []
    settings: dict[str, object] = {"photo": image.source, "width": image.width, "height": image.height}
    with tempfile.TemporaryDirectory(prefix="ghostface-edge-") as folder, opencv_threads(threads):
        if "embed" in groups:
            peers += _found(os.fspath(model), "embed", lambda: _embedders(model, image, store, Path(folder), threads))
        if "detect" in groups:
            peers += _found(
                DEFAULT_DETECTOR, "detect", lambda: detection_peers(image, threads=threads, scrfd=scrfd, store=store)
            )
        if "faces" in groups:
            peers += _found("FaceEngine", "faces", lambda: _both(model, image, store, threads, insightface))
        if "main" in groups:
            peers += _found("FaceEngine", "main", lambda: _main(model, image, store, threads))
    return Contest(tuple(peers), threads, settings)


def _found(name: str, group: str, find: Callable[[], Iterable[Peer]]) -> list[Peer]:
    """The peers of a group; where a package or a model that all of them need is missing, that is why ours is absent."""
    try:
        return list(find())
    except (RuntimeMissingError, MissingModelError) as error:
        return [Absent(name, group, str(error))]


def _embedders(
    model: str | os.PathLike[str], image: Image, store: ModelStore, folder: Path, threads: int
) -> Iterator[Peer]:
    source = _source(model, store)
    card = read_trained_model(source, SourceOptions()).card
    if card.kind != "embedder":
        raise OptionError(f"model {os.fspath(model)!r} is a {card.kind}: name an embedder")
    crops = _crops(image, store, card.crop_size, threads)
    return EmbeddingPeers(source, card, crops, folder, threads=threads).all()


def _both(
    model: str | os.PathLike[str],
    image: Image,
    store: ModelStore,
    threads: int,
    insightface: str | os.PathLike[str],
) -> Iterator[Peer]:
    engine = FaceEngine(model, threads=threads, store=store)
    return face_peers(image, engine, file_sha256=engine.embedder.session.sha256, root=insightface)


def _main(model: str | os.PathLike[str], image: Image, store: ModelStore, threads: int) -> Iterator[Peer]:
    engine = FaceEngine(model, threads=threads, store=store)
    published = store.source(DEFAULT_DETECTOR)
    return main_face_peers(image, engine, published, file_sha256=engine.embedder.session.sha256)


def _source(model: str | os.PathLike[str], store: ModelStore) -> Path:
    """The checkpoint of a known name, or the file itself."""
    known = {entry.name for entry in store.known()}
    return store.source(model) if isinstance(model, str) and model in known else Path(model)


def _crops(image: Image, store: ModelStore, size: int, threads: int) -> NDArray[np.uint8]:
    """The aligned faces of a photo, (N, size, size, 3) uint8 RGB."""
    found = found_by(load_detector(DEFAULT_DETECTOR, store, threads=threads), image)
    if not found:
        raise NoFaceError(f"no face found in {image.source}: embedders have nothing to embed. Name another photo")
    return np.stack([align(image, item.landmarks, size=size) for item in found])

"""The engine from end to end: the small network of ``network.py``, and a detector that is told where the faces are."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import network
import numpy as np
from numpy.typing import NDArray
from packing import picture
from pictures import same_on_every_opencv

from ghostface_edge.alignment import ARCFACE_TEMPLATE
from ghostface_edge.card import write_card
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.embedding import Embedder
from ghostface_edge.engine import FaceEngine
from ghostface_edge.image import Image
from ghostface_edge.runtime import load_session
from ghostface_edge.types import Box, Detection

PLACES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "one": ((60, 20, 40, 45),),
    "largest at the rim": ((25, -25, 25, 60), (70, 40, 105, 20), (56, 0, 55, 45)),
    "nobody": (),
}
"""By photo, of each face: side of its crop, degrees that it is turned by, and its centre."""


class Told:
    """Finds the faces of :data:`PLACES`, by the name of the photo's source and in that order."""

    def __init__(self, name: str) -> None:
        self.name = name

    def detect(self, image: Image) -> list[Detection]:
        """Every face of a photo."""
        found = []
        for side, degrees, x, y in PLACES[image.source]:
            turn = side / 112 * np.exp(1j * np.radians(degrees))
            points = (ARCFACE_TEMPLATE[:, 0] - 56 + 1j * (ARCFACE_TEMPLATE[:, 1] - 56)) * turn + complex(x, y)
            landmarks: NDArray[np.float64] = np.stack([points.real, points.imag], axis=1).round(3)
            box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
            found.append(Detection(Box(*box), 0.75, landmarks.astype(np.float32)))
        return found


def vectors() -> dict[str, Any]:
    """Photos and where their faces are; faces, main faces, and which of these are the same person at which rate."""
    graph, card = network.ghost_network(), network.card("float32")
    session = load_session(write_card(write_onnx(graph, card.converter), card), "m", threads=1)
    engine = FaceEngine(Embedder(session), Told(network.DETECTOR))
    stranger = FaceEngine(Embedder(session), Told("another"))
    pixels = network.crops(len(PLACES), seed=8)[:, :90, :110]
    photos = {name: Image.from_rgb(photo, source=name) for name, photo in zip(PLACES, pixels)}
    with same_on_every_opencv():
        people = {name: engine.faces(photo) for name, photo in photos.items()}
        mains = {name: engine.face(photos[name]) for name, faces in people.items() if faces}
        unknown = stranger.face(photos["one"])
    everybody = {**mains, "another detector": unknown}
    return {
        "photos": {name: picture(photo.pixels) for name, photo in photos.items()},
        "places": {
            name: [
                {
                    "box": list(vars(item.box).values()),
                    "score": item.score,
                    "landmarks": item.landmarks.ravel().tolist(),
                }
                for item in engine.detector.detect(photo)
            ]
            for name, photo in photos.items()
        },
        "faces": {
            name: [{"box": list(vars(face.box).values()), "embedding": face.embedding.tolist()} for face in faces]
            for name, faces in people.items()
        },
        "mains": {name: list(vars(face.box).values()) for name, face in mains.items()},
        "verifications": [
            {"a": a, "b": b, "asked": fmr, **engine.verify(everybody[a], everybody[b], fmr=fmr).to_dict()}
            for fmr in (1e-2, 1e-3)
            for a, b in combinations_with_replacement(everybody, 2)
        ],
    }

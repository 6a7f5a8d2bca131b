"""Faces: what the Java classes ``Anchors``, ``YuNet`` and ``Detections`` are compared with.

The network is one of ours, without weights of anybody: shaped like YuNet, it takes bright squares for faces. It travels
in the vectors, so that Java runs the whole of YuNet on ONNX Runtime, closer looks included.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from packing import packed
from pictures import same_on_every_opencv

from ghostface_edge.alignment import ARCFACE_TEMPLATE, CROP_SIZE
from ghostface_edge.card import InputSpec, ModelCard, Source, read_card, write_card
from ghostface_edge.converters.graph import Conv, Graph, Input
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.detection import YuNet
from ghostface_edge.detection.anchors import STRIDES, decode, joined
from ghostface_edge.detection.detector import checked
from ghostface_edge.engine import main_face
from ghostface_edge.image import Image
from ghostface_edge.runtime import open_session
from ghostface_edge.types import Box, Detection

FloatArray = NDArray[np.float32]


def vectors() -> dict[str, Any]:
    """The content of ``detection.json``."""
    model = bright_squares()
    with tempfile.TemporaryDirectory() as folder, same_on_every_opencv():
        path = Path(folder) / "squares.onnx"
        path.write_bytes(model)
        photos = list(_photos(path))
    return {
        "anchors": _anchors(),
        "model": packed(model),
        "card": read_card(model).to_json(),
        "photos": photos,
        "main": list(_main_faces()),
    }


def bright_squares() -> bytes:
    """The network as an ONNX file with its card: every output is linear in the mean colour of a cell.

    A white cell is a face with a score of 0.994, a black one has 0.006. Its box is three cells wide and four high, its
    landmarks have the proportions of the template; both shift a little with the colour, each landmark otherwise.
    """
    landmarks = 0.5 + (ARCFACE_TEMPLATE - CROP_SIZE / 2) * (3 / CROP_SIZE)
    middle = np.array([-5.1, -5.1, 0.5, 0.5, np.log(3), np.log(4), *landmarks.ravel()])
    colours = np.random.default_rng(9).integers(-9, 10, (3, 16)) / 10000
    colours[:, :2] = 10.2 / 255 / 3
    heads = []
    for stride in STRIDES:
        kernel = np.broadcast_to(colours / stride**2, (stride, stride, 3, 16)).astype(np.float32)
        heads.append(Conv(f"stride{stride}", ("x",), kernel, middle.astype(np.float32), (stride, stride)))
    graph = Graph((Input("x", (), None, None, 3), *heads), tuple(head.name for head in heads))
    card = ModelCard(
        kind="detector",
        model_id="bright-squares",
        name="bright squares",
        architecture="yunet",
        precision="float32",
        input=InputSpec(None, None, "NCHW", "RGB", 0.0, 1.0),
        source=Source("detection.py", "0" * 64, 1),
        converter="android_demo/vectors",
        licence="MIT",
        alignment="",
        embedding_size=0,
    )
    return write_card(write_onnx(graph, "ghostface-edge", layout="NCHW"), card)


Rectangle = tuple[int, int, int, int, int, int, int]
"""Left, top, width, height, red, green, blue."""


def _photos(model: Path) -> Iterator[dict[str, Any]]:
    session = open_session(model, threads=1)
    rng = np.random.default_rng(10)
    small: list[Rectangle] = [(40, 24, 8, 8, 255, 250, 245)]
    group: list[Rectangle] = [
        *_clutter(rng, 640, 480, 12),
        (64, 96, 16, 16, 255, 255, 240),
        (203, 77, 21, 23, 250, 255, 255),
        (330, 300, 47, 44, 240, 250, 250),
        (560, 420, 33, 30, 255, 230, 255),
        (500, 60, 9, 10, 255, 255, 255),
    ]
    large: list[Rectangle] = [
        *_clutter(rng, 900, 700, 12),
        (300, 250, 97, 90, 240, 235, 250),
        (80, 90, 35, 35, 255, 255, 255),
    ]
    near: list[Rectangle] = [*_clutter(rng, 352, 330, 5), (90, 64, 160, 150, 255, 250, 240)]
    tiny: list[Rectangle] = [(201, 151, 22, 22, 255, 255, 255)]
    for width, height, rectangles, modes, score, max_size in (
        (96, 64, small, ("accurate", "fast", "plain"), 0.7, 640),
        (83, 57, small, ("accurate",), 0.7, 640),  # no multiples of 32
        (640, 480, group, ("accurate", "fast", "plain"), 0.7, 640),
        (352, 330, near, ("accurate", "fast", "plain"), 0.7, 640),  # the glance at 160 pixels sees the largest
        (640, 480, group, ("accurate",), 0.3, 320),  # shrunk by 2, canvases from the photo
        (900, 700, large, ("accurate", "fast", "plain"), 0.6, 640),  # shrunk to 640 x 498
        (400, 300, tiny, ("accurate", "plain"), 0.5, 64),  # found in the second try alone, which plain does not make
        (50, 70, [], ("accurate",), 0.7, 640),
        (1, 1, [(0, 0, 1, 1, 255, 255, 255)], ("accurate",), 0.7, 640),
        # A main face that the view of 160 pixels settles; one at an odd size; one that has a rival; one that is small.
        (640, 480, [*_clutter(rng, 640, 480, 9), (220, 150, 141, 133, 255, 250, 245)], ("accurate", "fast"), 0.7, 640),
        (703, 521, [*_clutter(rng, 640, 480, 9), (230, 180, 138, 130, 250, 255, 245)], ("accurate", "fast"), 0.7, 640),
        (640, 480, [(90, 150, 141, 133, 255, 250, 245), (390, 150, 141, 133, 245, 255, 245)], ("accurate",), 0.7, 640),
        (800, 600, [*_clutter(rng, 700, 500, 9), (400, 304, 33, 33, 255, 255, 245)], ("accurate", "fast"), 0.7, 640),
    ):
        image = Image.from_rgb(painted(width, height, rectangles))
        for mode in modes:
            detector = YuNet(session, mode=mode, score=score, max_size=max_size)
            found, main = (checked(way(image), detector) for way in (detector.detect, detector.detect_main))
            yield {
                "width": width,
                "height": height,
                "rectangles": [list(rectangle) for rectangle in rectangles],
                "mode": mode,
                "name": detector.name,
                "score": score,
                "maxSize": max_size,
                "count": len(found),
                "faces": [_face(item) for item in found[:5]],
                "main": [_face(item) for item in main],
            }


def _clutter(rng: np.random.Generator, width: int, height: int, count: int) -> list[Rectangle]:
    """Dark rectangles, so that nothing is symmetric."""
    places = rng.integers(
        (0, 0, 10, 10, 0, 0, 0), (width - 80, height - 80, 80, 80, 110, 110, 110), (count, 7)
    ).tolist()
    return [(left, top, across, down, red, green, blue) for left, top, across, down, red, green, blue in places]


def painted(width: int, height: int, rectangles: list[Rectangle]) -> NDArray[np.uint8]:
    """Rectangles on black, the later ones over the earlier; darker to the right and downwards, so that nothing ties."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for left, top, across, down, *colour in rectangles:
        pixels[top : top + down, left : left + across] = colour
    row, column = np.mgrid[:height, :width]
    light = 32768 - 3 * row - 7 * column
    return np.asarray(pixels * light[..., None] // 32768, np.uint8)


def _face(item: Detection) -> dict[str, Any]:
    return {
        "box": [item.box.x1, item.box.y1, item.box.x2, item.box.y2],
        "score": float(item.score),
        "landmarks": _list(item.landmarks),
    }


def _anchors() -> dict[str, Any]:
    """Two pictures' grids of random numbers, and all that is computed from them."""
    rng = np.random.default_rng(11)
    grids = [rng.normal(0, 1, (2, 64 // stride, 96 // stride, 16)).astype(np.float32).round(3) for stride in STRIDES]
    for grid in grids:
        grid[..., 4:6] += 1.5  # boxes of several cells, which overlap
    least = 0.65
    first, second = (decode([grid[index] for grid in grids], least=least) for index in (0, 1))
    both = joined([first, second.rescaled((1.5, 0.75))])
    return {
        "shapes": [list(grid.shape) for grid in grids],
        "grids": [packed(grid.astype("<f4")) for grid in grids],
        "least": least,
        "first": len(first.scores),
        "scale": [1.5, 0.75],
        "scores": _list(both.scores),
        "boxes": _list(both.boxes),
        "landmarks": _list(both.landmarks),
        "best": [
            {"least": score, "overlap": overlap, "indices": both.best(least=score, overlap=overlap)}
            for score in (0.65, 0.75)
            for overlap in (0.0, 0.1, 0.3, 0.7, 1.0)
        ],
        "overlaps": [_list(both.overlaps(index)) for index in range(3)],
        "blended": [_list(both.blended(index)) for index in range(8)],
    }


def _main_faces() -> Iterator[dict[str, Any]]:
    """Boxes, and which of them a photo is of."""
    rng = np.random.default_rng(12)
    # The middle of 100 pixels lies at 49.5: the first box is the nearer one, by half a pixel.
    cases: list[tuple[int, int, Any]] = [(100, 100, [[10, 40, 29, 59], [70.5, 40, 89.5, 59]])]
    for _ in range(12):
        width, height = (int(side) for side in rng.integers(100, 1000, 2))
        corners = rng.integers(-20, (width, height), (6, 2))
        cases.append((width, height, np.concatenate([corners, corners + rng.integers(10, 200, (6, 2))], axis=1)))
    for width, height, sides in cases:
        boxes = np.asarray(sides, np.float32).tolist()
        faces = [Detection(Box(*box), 0.9, np.zeros((5, 2), np.float32)) for box in boxes]
        image = Image.from_rgb(np.zeros((height, width, 3), np.uint8))
        yield {"width": width, "height": height, "boxes": boxes, "main": faces.index(main_face(image, faces))}


def _list(array: NDArray[np.float32]) -> list[float]:
    """The shortest decimals that float32 reads as the same numbers."""
    return [float(str(number)) for number in array.ravel()]

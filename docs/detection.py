"""What finding faces misses, chooses and costs: the tables of ``docs/detection.md``.

::

    python docs/detection.py ../shared

The folder holds ``lfw/images/PERSON/*.jpg``, ``photos/*.jpg`` and ``detectors/face_detection_yunet_2023mar.onnx``;
default models are looked up as everywhere. Figures in time need a machine that is at rest.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostface_edge import FaceEngine, Image, ModelStore, YuNet
from ghostface_edge.benchmarks.detection_peers import opencv_main_face
from ghostface_edge.detection.detector import found_by
from ghostface_edge.detection.main_face import main_face
from ghostface_edge.engine import load_detector
from ghostface_edge.runtime import open_session

Pixels = NDArray[np.uint8]

WIDTHS = (8, 10, 12, 14, 16, 18, 20, 24, 28, 32)
FOUND, FAINT = 0.7, 0.3
SAMPLE = 400
SIDE = 640
GROUPS = 400
SAME = 0.5  # IoU
ROUNDS = 15


def main(shared: Path) -> None:
    """Print all tables."""
    cv2.setNumThreads(1)
    lfw, photos = sorted((shared / "lfw" / "images").glob("*/*.jpg")), sorted((shared / "photos").glob("*.jpg"))
    recall_of_lfw(drawn(lfw, SAMPLE))
    recall_of_photos(photos)
    for mode in ("yunet", "yunet-fast"):
        detector = load_detector(mode, threads=1)
        choices(f"{mode}, LFW", detector, map(Image.open, lfw))
        choices(f"{mode}, photos", detector, map(Image.open, photos))
        choices(f"{mode}, groups", detector, groups(lfw))
    published = shared / "detectors" / "face_detection_yunet_2023mar.onnx"
    times(FaceEngine(threads=1), published, {"LFW": drawn(lfw, 100), "photos": photos})


def say(text: str) -> None:
    """A line of a table."""
    print(text, flush=True)  # noqa: T201


def drawn(paths: Sequence[Path], count: int) -> list[Path]:
    """Some of the photos, always the same."""
    return [paths[number] for number in np.random.default_rng(1).choice(len(paths), count, replace=False)]


def recall_of_lfw(paths: Sequence[Path]) -> None:
    """How many faces are found, and seen at least faintly, by their width in what the network sees.

    Portraits on grey: the face is a tenth of the photo wide.
    """
    session = open_session(ModelStore().resolve("yunet"), threads=1)
    whole = YuNet(session, mode="fast")
    # The plain mode, because it does not try again at another size.
    views = {width: YuNet(session, mode="plain", score=FAINT, max_size=max(10 * width, 32)) for width in WIDTHS}
    scores: dict[int, list[float]] = {width: [] for width in WIDTHS}
    for path in paths:
        portrait = Image.open(path)
        face = main_face(portrait, whole.detect(portrait))
        side = round(portrait.width * 96 / face.box.width)
        canvas = np.full((720, 960, 3), 128, np.uint8)
        canvas[100 : 100 + side, 200 : 200 + side] = cv2.resize(portrait.pixels, (side, side))[:620]
        middle = (face.landmarks.mean(axis=0) + 0.5) * (side / portrait.width) - 0.5 + (200, 100)
        for width, view in views.items():
            seen = view.detect(Image.from_rgb(canvas))
            near = [item.score for item in seen if np.hypot(*(item.landmarks.mean(axis=0) - middle)) < 0.3 * 96]
            scores[width].append(max(near, default=0))
    for width, found in scores.items():
        shares = " | ".join(f"{np.mean(np.array(found) >= least):.1%}" for least in (FOUND, FAINT))
        say(f"| {width} | {len(found)} | {shares} |")


def recall_of_photos(paths: Sequence[Path]) -> None:
    """The same for the faces of real photos, each seen at many sizes; true is what is seen at the photo's own size."""
    counts: dict[int, list[bool]] = {width: [] for width in WIDTHS}
    truth = load_detector("yunet-fast:2048", threads=1)
    photos = [(image, truth.detect(image)) for image in map(Image.open, paths)]
    for size in range(64, SIDE + 1, 32):
        detector = load_detector(f"yunet-plain:{size}", threads=1)  # the first look alone
        for image, faces in photos:
            seen = detector.detect(image)
            for face in faces:
                width = face.box.width * size / max(image.width, image.height)
                bucket = max((least for least in WIDTHS if least <= width), default=None)
                if bucket is not None:
                    counts[bucket].append(any(face.box.iou(other.box) > SAME for other in seen))
    for width, results in counts.items():
        say(f"| from {width} | {sum(results)} of {len(results)} | {np.mean(results):.1%} |")


def groups(paths: Sequence[Path]) -> Iterator[Image]:
    """Photos of two to eight people, each a portrait of its own size, anywhere on a photo of 1280 x 960 pixels."""
    rng = np.random.default_rng(3)
    for number in range(GROUPS):
        canvas = np.full((960, 1280, 3), rng.integers(256), np.uint8)
        for path in rng.choice(np.array(paths), rng.integers(2, 9), replace=False):
            side = int(rng.integers(80, 481))
            portrait = cv2.resize(Image.open(path).pixels, (side, side), interpolation=cv2.INTER_AREA)
            top, left = rng.integers(960 - side), rng.integers(1280 - side)
            canvas[top : top + side, left : left + side] = portrait
        yield Image.from_rgb(canvas, source=f"group {number}")


def choices(name: str, detector: Any, images: Iterator[Image]) -> None:
    """Whether the short way chooses the face that a look at the whole photo chooses, and how far it went."""
    views: Counter[str] = Counter()
    total, none, others = 0, 0, []
    for image in images:
        everybody, short = found_by(detector, image), found_by(detector, image, main=True)
        if not everybody:
            none += 1
            continue
        total += 1
        same = short and main_face(image, short).box.iou(main_face(image, everybody).box) > SAME
        if not same:
            others.append(image.source)
        run = short[0].run if short else None
        full = everybody[0].run
        views["whole" if run is None or full is None or max(run.inputs) == max(full.inputs) else "small"] += 1
    say(f"| {name} | {total} | {total - len(others)} | {views['small'] / total:.1%} | {none} | {others[:5]}")


def times(engine: FaceEngine, published: Path, sets: Mapping[str, Sequence[Path]]) -> None:
    """From a photo to the embedding of its main face, beside OpenCV's detector in front of the same embedder.

    One run over all photos, again and again: each photo goes every way in turn, and counts by its median.
    """
    images = [Image.open(path) for paths in sets.values() for path in paths]
    ways: dict[str, Callable[[Image], object]] = {
        "face": engine.face,
        "face, yunet-fast": FaceEngine(detector="yunet-fast", threads=1).face,
        "faces": engine.faces,
        "OpenCV, as it is": opencv_main_face(published, engine, None),
        "OpenCV, 640": opencv_main_face(published, engine, SIDE),
    }
    calls = list(ways.values())
    samples = np.zeros((len(ways), len(images), ROUNDS + 1))
    for turn in range(ROUNDS + 1):
        for number, image in enumerate(images):
            for place in np.roll(np.arange(len(ways)), turn):
                start = perf_counter()
                calls[place](image)
                samples[place, number, turn] = perf_counter() - start
    medians = np.median(samples[:, :, 1:], axis=2) * 1e3  # the first round warms up
    ends = np.cumsum([len(paths) for paths in sets.values()])
    parts = {name: slice(end - len(paths), end) for (name, paths), end in zip(sets.items(), ends)}
    for name, part in (*parts.items(), ("all", slice(None))):
        for way, each in zip(ways, medians[:, part]):
            say(
                f"| {name} | {way} | {each.mean():.2f} | face takes {medians[0, part].sum() / each.sum():.3f} of it, "
                f"of a photo {np.median(medians[0, part] / each):.3f} |"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

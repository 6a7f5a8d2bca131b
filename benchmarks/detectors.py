"""How long the YuNet modes take on one photo, beside OpenCV's own YuNet, in one interleaved run.

    python -m ghostface_edge.benchmarks.detectors PHOTO [PHOTO...] [--runtime litert --runtime onnx]

Every photo is shrunk to at most 640 pixels first, so that all detectors see the same picture. The calls take turns,
because a machine that others use drifts; what is compared is the ratio of medians. One thread for all.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from ghostface_edge.catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from ghostface_edge.detection import YuNet
from ghostface_edge.detection.yunet import MAX_SIZE, MODES, shrunk
from ghostface_edge.doctor import versions
from ghostface_edge.embedding import Embedder
from ghostface_edge.errors import GhostFaceError, OptionError
from ghostface_edge.image import Image, ImageSource
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import RUNTIMES, default_runtime, file_format, open_session

OPENCV = "OpenCV FaceDetectorYN"
EMBEDDING = "one embedding"


@dataclass(frozen=True)
class Latency:
    """How long calls took.

    Attributes:
        name: What was called.
        median: Milliseconds.
        low: The 10th percentile, milliseconds.
        high: The 90th percentile, milliseconds.
        calls: How many.
    """

    name: str
    median: float
    low: float
    high: float
    calls: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    @classmethod
    def of(cls, name: str, seconds: Sequence[float]) -> Latency:
        """The summary of measured calls."""
        low, median, high = (float(value) * 1000 for value in np.percentile(seconds, (10, 50, 90)))
        return cls(name, median, low, high, len(seconds))


def interleaved(calls: dict[str, Callable[[], object]], rounds: int) -> tuple[Latency, ...]:
    """Time calls in turns, after three rounds that do not count.

    Raises:
        OptionError: Fewer than one round.
    """
    if rounds < 1:
        raise OptionError(f"rounds={rounds!r} is not a number of rounds: use 1 or more")
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 3):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= 3:
                seconds[name].append(time.perf_counter() - start)
    return tuple(Latency.of(name, values) for name, values in seconds.items())


def time_detectors(
    photo: ImageSource, *, rounds: int = 50, runtimes: Sequence[str] = (), store: ModelStore | None = None
) -> tuple[Latency, ...]:
    """Time OpenCV's YuNet, ours in every mode, and the default embedder, on one photo and one thread.

    Args:
        photo: What to detect in.
        rounds: Calls of each that count.
        runtimes: On which ours run; by default on the best that is installed.
        store: Where models are looked up; by default the user's own store.

    Raises:
        ImageError: The photo is no usable picture.
        MissingModelError: A default model is not on this machine.
        OptionError: Fewer than one round, or an unknown runtime.
    """
    import cv2

    store = ModelStore() if store is None else store
    image = Image.from_rgb(shrunk(Image.open(photo).pixels, MAX_SIZE))
    bgr = np.ascontiguousarray(image.pixels[..., ::-1])
    theirs = cv2.FaceDetectorYN.create(str(store.source(DEFAULT_DETECTOR)), "", (image.width, image.height), 0.7, 0.3)
    calls: dict[str, Callable[[], object]] = {OPENCV: lambda: theirs.detect(bgr)}
    for runtime in runtimes or (default_runtime(),):
        session = open_session(store.resolve(DEFAULT_DETECTOR, format=file_format(runtime)), threads=1)
        for mode, name in MODES.items():
            detector = YuNet(session, mode=mode)
            calls[f"{name}, {runtime}"] = lambda detector=detector: detector.detect(image)  # type: ignore[misc]
        embedder = Embedder(open_session(store.resolve(DEFAULT_EMBEDDER, format=file_format(runtime)), threads=1))
        crop = np.random.default_rng(0).integers(0, 256, (1, *[embedder.crop_size] * 2, 3), dtype=np.uint8)
        calls[f"{EMBEDDING}, {runtime}"] = lambda embedder=embedder, crop=crop: embedder.embed(crop)  # type: ignore[misc]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return interleaved(calls, rounds)
    finally:
        cv2.setNumThreads(threads)


@click.command()
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True)
@click.option("--rounds", type=click.IntRange(min=1), default=50, show_default=True, help="Calls of each.")
@click.option(
    "--runtime",
    "runtimes",
    type=click.Choice(list(RUNTIMES)),
    multiple=True,
    help="What runs ours; may be given twice.  [default: the best that is installed]",
)
def main(photos: tuple[str, ...], rounds: int, runtimes: tuple[str, ...]) -> None:
    """Time the detectors on each PHOTO."""
    import cv2

    found = versions()
    libraries = ", ".join(f"{name} {found[name]}" for name in ("onnxruntime", "ai-edge-litert") if found[name])
    libraries = f"OpenCV {cv2.__version__}, {libraries}, {platform.machine()}"
    click.echo(f"{time.strftime('%Y-%m-%d')}, {libraries}, one thread, {rounds} interleaved calls; milliseconds")
    try:
        for photo in photos:
            rows = time_detectors(photo, rounds=rounds, runtimes=runtimes)
            click.echo(f"\n{photo}")
            for row in rows:
                click.echo(f"  {row.name:24} median {row.median:6.2f}   10-90 % {row.low:6.2f} to {row.high:6.2f}")
    except GhostFaceError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()

"""YuNet through OpenCV's ``FaceDetectorYN``: the fallback where no runtime for our own YuNet is installed."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..catalog import DEFAULT_DETECTOR, KNOWN_MODELS
from ..errors import DetectionError, ModelFileError
from ..image import Image
from ..runtime.session import read_model
from ..types import Detection, DetectionRun
from .anchors import Anchors
from .detector import check_options
from .view import View
from .yunet import MAX_SIZE, input_size

_PUBLISHED = next(entry for entry in KNOWN_MODELS if entry.name == DEFAULT_DETECTOR)


class OpenCVYuNet:
    """Finds faces with OpenCV's own YuNet code, from the file as the OpenCV Zoo publishes it.

    Slower than :class:`~ghostface_edge.detection.YuNet`, and its landmarks are those of one anchor. Safe to share
    between threads; calls wait for each other.

    Args:
        path: ``face_detection_yunet_2023mar.onnx``.
        score: Least confidence of a face, 0 to 1.
        max_size: Longest side in pixels of what the network sees; larger photos are shrunk to it, smaller ones stay.

    Raises:
        ModelFileError: Not that very file: OpenCV's parser dies on some damaged ones.
        OptionError: A score or size out of range.
    """

    name = "yunet-opencv"

    def __init__(self, path: str | os.PathLike[str], *, score: float = 0.7, max_size: int = MAX_SIZE) -> None:
        import cv2

        check_options(score, max_size)
        data = read_model(path)
        if hashlib.sha256(data).hexdigest() != _PUBLISHED.sha256:
            raise ModelFileError(f"{path} is not {_PUBLISHED.file} as the OpenCV Zoo publishes it, or is damaged")
        self._score = score
        self._max_size = max_size
        self._lock = threading.Lock()  # the input size is a state of the detector
        try:
            with quiet():
                # By its path: OpenCV 4.8 takes no bytes here.
                self._detector = cv2.FaceDetectorYN.create(os.fspath(path), "", (320, 320), score, 0.3, 5000)
        except cv2.error as error:
            raise ModelFileError(f"OpenCV cannot load {Path(path).name} as a YuNet: {str(error).strip()}") from error

    @property
    def fingerprint(self) -> str:
        """All that its results depend on, beside the photo, this package, OpenCV and NumPy."""
        return f"{self.name} {self._score} {self._max_size} {_PUBLISHED.sha256}"

    def detect_main(self, image: Image) -> tuple[Detection, ...]:
        """Find every face: there is no shorter way to the main one here."""
        return self.detect(image)

    def detect(self, image: Image, *, min_face: float | None = None) -> tuple[Detection, ...]:
        """Find the faces of a photo; see :meth:`ghostface_edge.detection.ScalingDetector.detect`."""
        import cv2

        photo = View(image.pixels)
        view = photo.shrunk(self._max_size if min_face is None else input_size(photo.longest, min_face))
        bgr = cv2.cvtColor(view.pixels, cv2.COLOR_RGB2BGR)
        try:
            with self._lock:
                self._detector.setInputSize((bgr.shape[1], bgr.shape[0]))
                _, rows = self._detector.detect(bgr)
        except cv2.error as error:
            raise DetectionError(f"OpenCV's YuNet failed on {image.source}: {str(error).strip()}") from error
        if rows is None:
            return ()
        # x, y, width, height, ten landmark coordinates, score
        corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        found = Anchors(rows[:, 14], corners, rows[:, 4:14].reshape(-1, 5, 2)).rescaled(view.scale)
        return found.detections(DetectionRun((view.longest,), 0, len(rows)))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep OpenCV 5 from warning on stderr that its own default target is not supported; OpenCV 4 says nothing."""
    import cv2

    logging = getattr(cv2.utils, "logging", None)
    if logging is None:
        yield
        return
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        logging.setLogLevel(level)

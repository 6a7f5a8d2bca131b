"""SCRFD through the ``insightface`` package, from a model file of the user's own.

InsightFace's published SCRFD weights are for non-commercial research only: nothing here fetches them.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..card import refuse_external_data
from ..errors import DetectionError, ModelFileError, RuntimeMissingError
from ..image import Image
from ..runtime.session import read_model, thread_count
from ..types import Detection, DetectionRun
from .anchors import Anchors
from .detector import check_options
from .view import View

_INPUT = (640, 640)  # width, height: the fixed input of the published files, and insightface's own default


class SCRFD:
    """Finds faces with SCRFD (J. Guo et al., arXiv:2105.04714), decoded by InsightFace.

    Safe to share between threads; calls wait for each other.

    Args:
        path: An ``.onnx`` file with five landmarks, such as ``scrfd_500m_kps.onnx``.
        score: Least confidence of a face, 0 to 1.
        threads: Threads of one inference; by default as for every model.

    Raises:
        RuntimeMissingError: The ``insightface`` extra is not installed.
        ModelFileError: No SCRFD model, or one without landmarks.
        OptionError: A score out of range, or a senseless number of threads.
    """

    name = "scrfd"

    def __init__(self, path: str | os.PathLike[str], *, score: float = 0.5, threads: int | None = None) -> None:
        check_options(score)
        threads = thread_count(threads)
        data = read_model(path)
        refuse_external_data(data)
        try:
            import insightface
            import onnxruntime as ort
            from insightface.model_zoo import scrfd
        except ImportError as error:
            raise RuntimeMissingError(
                f'detector scrfd needs the insightface package: pip install "ghostface-edge[insightface]" ({error})'
            ) from error
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        try:
            session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
            self._model = scrfd.SCRFD(session=session)
            self._model.prepare(-1, input_size=_INPUT, det_thresh=score)
        except Exception as error:  # onnxruntime's own classes, and asserts of insightface
            raise ModelFileError(f"{Path(path).name} is no SCRFD model that insightface can load: {error}") from error
        if not self._model.use_kps:
            raise ModelFileError(f"{Path(path).name} gives no landmarks: use an SCRFD file whose name ends in 'kps'")
        self._score = score
        self._libraries = f"onnxruntime {ort.__version__}, insightface {insightface.__version__}"
        self._sha256 = hashlib.sha256(data).hexdigest()
        self._lock = threading.Lock()  # insightface keeps the anchor grids of the last size in the object

    @property
    def fingerprint(self) -> str:
        """All that its results depend on, beside the photo, this package, OpenCV and NumPy."""
        return f"{self.name} {self._score} {self._libraries} {self._sha256}"

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """Find the faces of a photo; see :meth:`ghostface_edge.detection.Detector.detect`."""
        found, passes = self._look(image.pixels, image.source), 1
        if not len(found.scores):
            # A face that fills the network's input is too large for it: half of that is not.
            view = View(image.pixels).shrunk(max(_INPUT))
            height, width = view.pixels.shape[:2]
            padded = np.zeros((2 * height, 2 * width, 3), dtype=np.uint8)
            padded[:height, :width] = view.pixels
            found, passes = self._look(padded, image.source).rescaled(view.scale), 2
        return found.detections(DetectionRun(_INPUT[:1] * passes, 0, len(found.scores)))

    def _look(self, pixels: NDArray[np.uint8], source: str) -> Anchors:
        try:
            with self._lock:
                boxes, landmarks = self._model.detect(np.ascontiguousarray(pixels[..., ::-1]), input_size=_INPUT)
        except Exception as error:  # insightface raises whatever numpy, OpenCV or ONNX Runtime raise
            raise DetectionError(f"SCRFD failed on {source}: {error}") from error
        return Anchors(boxes[:, 4], boxes[:, :4], landmarks)

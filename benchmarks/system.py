"""What an evaluation evaluates: a model, its precision, a detector and a runtime."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from ghostface_edge.catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from ghostface_edge.choice import AUTO
from ghostface_edge.detection import Detector
from ghostface_edge.engine import FaceEngine
from ghostface_edge.image import DEFAULT_MAX_PIXELS
from ghostface_edge.types import ModelIdentity


@dataclass(frozen=True)
class System:
    """Everything that an engine is made from; worker processes make their own from it.

    Attributes:
        model: Name of a known model, path of a model or checkpoint.
        detector: One of :data:`~ghostface_edge.engine.DETECTORS`.
        runtime: ``litert`` or ``onnx``; None for the engine's choice.
        precision: Numerical form of the embedder; by default the engine's choice.
        flip: Average in the embedding of the mirrored crop.
        max_pixels: Largest photo to decode, width times height.
    """

    model: str = DEFAULT_EMBEDDER
    detector: str = DEFAULT_DETECTOR
    runtime: str | None = None
    precision: str = AUTO
    flip: bool = False
    max_pixels: int = DEFAULT_MAX_PIXELS

    def engine(self, threads: int | None = None, *, detector: Detector | None = None) -> FaceEngine:
        """A new engine of this kind.

        Args:
            threads: CPU threads of one inference; by default the engine's choice.
            detector: In place of the system's own, which then need not be on this machine.

        Raises:
            GhostFaceError: As :class:`~ghostface_edge.FaceEngine`.
        """
        return FaceEngine(
            self.model,
            self.detector if detector is None else detector,
            runtime=self.runtime,
            precision=self.precision,
            threads=threads,
            flip=self.flip,
            max_pixels=self.max_pixels,
        )


@dataclass(frozen=True)
class SystemInfo:
    """What was evaluated, for reports.

    Attributes:
        model: Embedding space, precision and whose landmarks aligned the faces.
        name: What people call the model.
        source_sha256: Of the checkpoint that the model was made from.
        runtime: The runtime library and its version; both, where the detector has one of its own.
        file: Name of the model file.
        file_sha256: Its sha256.
        detector: The detector as it was asked for, where that names a size or a file, which its name in ``model`` does
            not: ``yunet:1280``, ``scrfd:scrfd_500m_kps.onnx``. Else empty.
    """

    model: ModelIdentity
    name: str
    source_sha256: str
    runtime: str
    file: str
    file_sha256: str
    detector: str = ""

    @classmethod
    def of(cls, engine: FaceEngine) -> SystemInfo:
        """What an engine is made of."""
        card, session = engine.card, engine.embedder.session
        return cls(engine.model, card.name, card.source.sha256, engine.runtimes, session.file, session.sha256)

    def asked(self, system: System) -> SystemInfo:
        """With the size or the file that was asked for, if a detector found the faces."""
        kind, colon, what = system.detector.partition(":")
        if not colon or self.model.detector.partition("+")[0] != kind:  # another one ran, or none
            return self
        return replace(self, detector=f"{kind}:{os.path.basename(what)}")

    @property
    def label(self) -> str:
        """A short name for tables."""
        detector, plus, flip = self.model.detector.partition("+")
        detector = self.detector or detector or "aligned"
        return f"{self.name} {self.model.precision}, {detector}{plus}{flip}, {self.runtime}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "model": self.model.to_dict()}

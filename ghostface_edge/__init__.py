"""Face recognition that keeps its accuracy on phones and Raspberry Pis.

The names below are imported on first use, so that ``import ghostface_edge`` loads nothing but this file: no image
library, no inference runtime.

Example:
    >>> from ghostface_edge import FaceEngine
    >>> engine = FaceEngine()                           # doctest: +SKIP
    >>> engine.verify("a.jpg", "b.jpg").match           # doctest: +SKIP
    True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from .alignment import align, similarity_transform
    from .card import InputSpec, ModelCard
    from .detection import SCRFD, Detector, ScalingDetector, YuNet
    from .embedding import Embedder
    from .engine import FaceEngine
    from .errors import GhostFaceError
    from .gallery import Gallery
    from .image import Image
    from .matching import similarity
    from .models import ModelStore
    from .types import (
        Box,
        Detection,
        DetectionRun,
        Face,
        Match,
        ModelIdentity,
        Person,
        Template,
        Threshold,
        Verification,
    )

_HOME = {
    "align": "alignment",
    "similarity_transform": "alignment",
    "InputSpec": "card",
    "ModelCard": "card",
    "Detector": "detection",
    "SCRFD": "detection",
    "ScalingDetector": "detection",
    "YuNet": "detection",
    "Embedder": "embedding",
    "FaceEngine": "engine",
    "GhostFaceError": "errors",
    "Gallery": "gallery",
    "Image": "image",
    "similarity": "matching",
    "ModelStore": "models",
    "Box": "types",
    "Detection": "types",
    "DetectionRun": "types",
    "Face": "types",
    "Match": "types",
    "ModelIdentity": "types",
    "Person": "types",
    "Template": "types",
    "Threshold": "types",
    "Verification": "types",
}

__all__ = [
    "SCRFD",
    "Box",
    "Detection",
    "DetectionRun",
    "Detector",
    "Embedder",
    "Face",
    "FaceEngine",
    "Gallery",
    "GhostFaceError",
    "Image",
    "InputSpec",
    "Match",
    "ModelCard",
    "ModelIdentity",
    "ModelStore",
    "Person",
    "ScalingDetector",
    "Template",
    "Threshold",
    "Verification",
    "YuNet",
    "__version__",
    "align",
    "similarity",
    "similarity_transform",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""Face detectors: one protocol, and those that come with the package."""

from __future__ import annotations

from .detector import Detector, ScalingDetector
from .opencv import OpenCVYuNet
from .scrfd import SCRFD
from .yunet import YuNet

__all__ = ["SCRFD", "Detector", "OpenCVYuNet", "ScalingDetector", "YuNet"]

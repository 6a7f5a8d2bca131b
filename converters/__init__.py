"""Trained checkpoints to models that run on the device."""

from ghostface_edge._version import CONVERTER_VERSION

from .convert import Conversion, convert

__all__ = ["CONVERTER_VERSION", "Conversion", "convert"]

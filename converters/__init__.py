"""Trained checkpoints to models that run on the device."""

from .convert import CONVERTER_VERSION, Conversion, convert

__all__ = ["CONVERTER_VERSION", "Conversion", "convert"]

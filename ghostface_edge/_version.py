"""The one place that holds the versions."""

__version__ = "0.1.0"

CONVERTER_VERSION = f"{__version__}+3"
"""Changes whenever a checkpoint would give other bytes; the model store keeps converted files by it.

It stands here, and not with the converter, because the store asks at every start, and importing the
converter takes 10 ms.
"""

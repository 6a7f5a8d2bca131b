"""Sessions: tensors in, tensors out. One file per inference runtime; which one runs a file is settled here."""

from __future__ import annotations

from .opening import RUNTIMES, default_runtime, file_format, open_session
from .session import Session

__all__ = ["RUNTIMES", "Session", "default_runtime", "file_format", "open_session"]

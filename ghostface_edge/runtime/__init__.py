"""Sessions: tensors in, tensors out. One file per inference runtime; which one runs a file is settled here."""

from __future__ import annotations

from .opening import (
    MODEL_ENDINGS,
    RUNTIMES,
    default_runtime,
    file_format,
    installed_runtimes,
    load_session,
    open_session,
)
from .session import Session

__all__ = [
    "MODEL_ENDINGS",
    "RUNTIMES",
    "Session",
    "default_runtime",
    "file_format",
    "installed_runtimes",
    "load_session",
    "open_session",
]

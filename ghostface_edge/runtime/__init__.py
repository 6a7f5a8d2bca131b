"""Sessions: tensors in, tensors out. One file per inference runtime; which one runs a file is settled here."""

from __future__ import annotations

from .opening import RUNTIMES, load_session, open_session
from .session import Session

__all__ = ["RUNTIMES", "Session", "load_session", "open_session"]

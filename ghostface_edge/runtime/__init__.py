"""Sessions: tensors in, tensors out. One file per inference runtime; which one runs a file is settled here."""

from __future__ import annotations

from .session import RUNTIMES, Session, open_session

__all__ = ["RUNTIMES", "Session", "open_session"]

"""Reading a data set's file: a regular one, of a size that makes sense, at once."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ghostface_edge.errors import EvaluationError

MAX_LIST_BYTES = 64 << 20
"""Longest list of pairs: LFW's has 155,335 bytes."""


def read_file(path: str | os.PathLike[str], limit: int, what: str) -> bytes:
    """All bytes of a regular file; a FIFO or a device is refused and never waited for.

    Args:
        path: The file.
        limit: Most bytes.
        what: What to call it in messages, the path in it.

    Raises:
        EvaluationError: It is missing, no regular file, too long, or cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise EvaluationError(f"{what} is not a regular file")
            if status.st_size > limit:
                raise EvaluationError(f"{what} has more than {limit} bytes")
            return stream.read(status.st_size)
    except EvaluationError:
        raise
    except FileNotFoundError as error:
        raise EvaluationError(f"there is no {what}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise EvaluationError(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_list(path: Path) -> str:
    """The text of a list of pairs, UTF-8, with or without a byte order mark.

    Raises:
        EvaluationError: As :func:`read_file`; or it is not UTF-8: the message has the line.
    """
    data = read_file(path, MAX_LIST_BYTES, f"pairs file {str(path)!r}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise EvaluationError(f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8") from error


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))

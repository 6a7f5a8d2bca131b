"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def replacing(path: str | os.PathLike[str], *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` if the block ends well, and vanishes if it does not.

    Args:
        path: The file. Its folder must exist.
        mode: Permissions, of which the umask takes its share.

    Raises:
        OSError: It cannot be written, or there is a folder or a device in its place.
    """
    target = os.path.abspath(os.fsdecode(path))
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(errno.EINVAL, "not a regular file", target)
    temporary = os.path.join(os.path.dirname(target), f".{uuid4().hex}.tmp")
    try:
        # A link is not followed, nor a file of that name overwritten.
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        with suppress(OSError):
            os.unlink(temporary)

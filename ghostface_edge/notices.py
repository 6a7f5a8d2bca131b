"""What LiteRT says on stderr without being asked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def without_notices() -> Iterator[None]:
    """Keep LiteRT's notice that it has a delegate, which it has no switch for, off the terminal.

    Native code writes past ``sys.stderr``; what it says beside lines that begin with ``INFO:`` is passed on at the end.
    """
    try:
        terminal = os.dup(2)
    except OSError:  # stderr is closed: nothing can be written there
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            said.seek(0)
            with suppress(OSError):
                os.write(2, b"".join(line for line in said if not line.startswith(b"INFO:")))

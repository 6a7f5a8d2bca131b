"""What the verbs print and write: lines, tables, JSON documents, whole files."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click

from ..atomic import replacing
from ..errors import GhostFaceError, OptionError

BROKEN_PIPE = 141
"""128 + SIGPIPE: what a shell reports of a program whose reader went away."""

INTERRUPTED = 130
"""128 + SIGINT."""


def say(text: str) -> None:
    """Print a line, or several, on stdout.

    Raises:
        click.exceptions.Exit: Nobody reads stdout any more.
        OptionError: stdout cannot be written, because its disk is full or it was closed.
    """
    if sys.stdout is None:  # the interpreter's way to say that the file was closed before it started
        raise OptionError("cannot write to standard output: it is closed")
    try:
        click.echo(_encodable(text))
    except BrokenPipeError as error:
        # The interpreter flushes stdout once more at its end, and must not trip over the same pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(BROKEN_PIPE) from error
    except (OSError, ValueError) as error:  # ValueError: closed by now
        raise OptionError(f"cannot write to standard output: {getattr(error, 'strerror', None) or error}") from error


def emit(document: dict[str, Any]) -> None:
    """Print the one JSON document of a verb."""
    say(json.dumps(document, allow_nan=False))


def answer(document: dict[str, Any], text: str, as_json: bool) -> None:
    """Print a result, either as JSON or as text."""
    if as_json:
        emit(document)
    else:
        say(text)


def report(kind: str, message: object) -> None:
    """One line on stderr: ``kind`` is ``error``, ``warning``, ``note``, or what is going on."""
    with suppress(OSError):  # where nobody reads stderr, the exit code has to do
        click.echo(f"{kind}: {one_line(message)}", err=True)


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


def one_line(message: object) -> str:
    """A message without line breaks and control characters, whatever the names of files and people hold."""
    text = " ".join(str(message).split())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Columns, each as wide as its widest cell."""
    cells = [[one_line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells)


def count(number: int, noun: str, plural: str = "") -> str:
    """Such as ``1 face`` or ``2 faces``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def write_file(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o666) -> None:
    """Write a file whole or not at all, at a place that :func:`check_place` let pass; an older one is replaced.

    Args:
        path: The file. Its folder must exist.
        data: All of it.
        mode: Permissions, of which the umask takes its share.

    Raises:
        OptionError: It cannot be written.
    """
    try:
        with replacing(path, mode=mode) as file:
            file.write(data)
    except OSError as error:
        raise OptionError(f"cannot write {os.fsdecode(path)}: {error.strerror or error}") from error


def check_place(output: str, *sources: str) -> None:
    """Refuse a place for a new file before work is done for it.

    Raises:
        OptionError: Its folder is missing or not writable, it is a folder or a device, or one of the inputs.
    """
    folder = os.path.dirname(output) or os.curdir
    if not os.path.isdir(folder):
        raise OptionError(f"cannot write {output}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise OptionError(f"cannot write {output}: the folder {folder} is not writable")
    if os.path.exists(output) and not os.path.isfile(output):  # a device must not be replaced by a file
        raise OptionError(f"cannot write {output}: not a regular file")
    for source in sources:
        if os.path.exists(output) and os.path.exists(source) and os.path.samefile(output, source):
            raise OptionError(f"the output {output} would replace the input {source}: name another file")


class Failures:
    """Counts the items of a verb that failed, and reports each."""

    def __init__(self) -> None:
        self.count = 0

    def report(self, error: GhostFaceError) -> dict[str, str]:
        """Say on stderr what failed; returns what the JSON document says of it."""
        self.count += 1
        report("error", error)
        return {"error": one_line(error)}

    @property
    def exit_code(self) -> int:
        """0 where nothing failed, else 2."""
        return 2 if self.count else 0


def _encodable(text: str) -> str:
    """The text with escapes for what stdout's encoding lacks, and for undecodable bytes of file names."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)

"""Pickles of bytes, lists, tuples and booleans, read without executing or importing anything.

A pickle is a program for a small stack machine, and some of its opcodes call any function of any module. This is
another machine, which does not have them: it knows the opcodes that Python 2 and 3 write for byte strings, lists,
tuples and booleans, in protocols 0 to 5 (Python's Lib/pickletools.py documents each), and refuses every other one by
name. The standard library's unpickler, restricted or not, plays no part.

What a hostile file can cost is bounded, too: a string is a view of the file and never longer than what is left of it,
a memo entry is a reference, and opcodes and containers are counted.
"""

from __future__ import annotations

import codecs
import pickletools
import re
from collections.abc import Callable
from typing import Any, Union

from ghostface_edge.errors import EvaluationError

Plain = Union[memoryview, bool, "list[Any]", "tuple[Any, ...]"]
"""What such a pickle holds: byte strings as views of its bytes, booleans, and lists and tuples of all of these."""

MAX_OPCODES = 4_000_000
"""The 14,000 pictures and 7,000 labels of ``cfp_fp.bin`` take about 40,000."""

MAX_CONTAINERS = 16
"""Lists and tuples; a verification set has three."""

_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}

# What Python 2's repr of a byte string writes after a backslash, but for a second backslash.
_ESCAPES = tuple(b"\\" + letter for letter in (b"x", b"t", b"n", b"r", b"'", b'"'))
_MAX_LINE = 1 << 22  # bytes of a string's repr; a crop of 112 x 112 pixels takes 150,000 at most
_INDEX = re.compile(rb"[0-9]{1,10}")


def read_plain(data: bytes) -> Plain:
    """The value of a pickle.

    Args:
        data: The whole file.

    Raises:
        EvaluationError: An opcode that builds something else, a damaged or truncated pickle, or one beyond the limits.
    """
    return _Machine(data).run()


class _Machine:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._view = memoryview(data)
        self._at = 0  # next byte to read
        self._opcode = (0, "")  # where the current opcode lies, and its name
        self._stack: list[Plain] = []
        self._marks: list[int] = []  # heights of the stack
        self._memo: dict[int, Plain] = {}
        self._containers = 0

    def run(self) -> Plain:
        for _ in range(MAX_OPCODES):
            start = self._at
            self._opcode = (start, "the next opcode")
            code = self._take(1)[0]
            self._opcode = (start, _NAMES.get(code, f"0x{code:02x}"))
            if code == _STOP:
                return self._result()
            if code not in _ACTIONS:
                raise self._refused()
            _ACTIONS[code](self)
        raise EvaluationError(f"more than {MAX_OPCODES} opcodes")

    # ------------------------------------------------------------------------------------------------------------
    # Reading arguments

    def _take(self, count: int) -> memoryview:
        left = len(self._data) - self._at
        if count > left:
            raise self._error(f"takes {count} bytes, and {left} are left: the file is cut short or damaged")
        self._at += count
        return self._view[self._at - count : self._at]

    def _number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def _line(self) -> bytes:
        end = self._data.find(b"\n", self._at, self._at + _MAX_LINE)
        if end < 0:
            raise self._error(f"has no end of line within {_MAX_LINE} bytes: the file is cut short or damaged")
        line = self._data[self._at : end]
        self._at = end + 1
        return line

    def _index(self) -> int:
        line = self._line()
        if not _INDEX.fullmatch(line):
            raise self._error("names no memo entry")
        return int(line)

    # ------------------------------------------------------------------------------------------------------------
    # The stack

    @property
    def _floor(self) -> int:
        return self._marks[-1] if self._marks else 0

    def _top(self) -> Plain:
        if len(self._stack) <= self._floor:
            raise self._error("finds nothing on the stack")
        return self._stack[-1]

    def _top_list(self) -> list[Any]:
        value = self._top()
        if not isinstance(value, list):
            raise self._error("finds no list on the stack")
        return value

    def _pop(self, count: int) -> list[Plain]:
        start = len(self._stack) - count
        if start < self._floor:
            raise self._error("finds too little on the stack")
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _pop_mark(self) -> list[Plain]:
        if not self._marks:
            raise self._error("finds no mark on the stack")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _push_container(self, value: Plain) -> None:
        self._containers += 1
        if self._containers > MAX_CONTAINERS:
            raise self._error(f"makes list or tuple number {self._containers}; a verification set has three")
        self._stack.append(value)

    # ------------------------------------------------------------------------------------------------------------
    # Opcodes

    def _proto(self) -> None:
        version = self._number(1)
        if version > 5:
            raise self._error(f"names protocol {version}; 0 to 5 are known")

    def _frame(self) -> None:
        size, left = self._number(8), len(self._data) - self._at
        if size > left:
            raise self._error(f"frames {size} bytes, and {left} are left: the file is cut short or damaged")

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _bytes(self, size: int, signed: bool = False) -> None:
        length = self._number(size, signed)
        if length < 0:
            raise self._error(f"has the length {length}")
        self._stack.append(self._take(length))

    def _string(self) -> None:
        line = self._line()
        text = line[1:-1]
        rest = text.replace(b"\\\\", b"")
        quoted = len(line) >= 2 and line[:1] in (b"'", b'"') and line[:1] == line[-1:]
        try:
            if not quoted or rest.count(b"\\") != sum(rest.count(escape) for escape in _ESCAPES):
                raise ValueError  # escape_decode only warns of unknown escapes
            self._stack.append(memoryview(codecs.escape_decode(text)[0]))
        except ValueError as error:
            raise self._error("is no quoted byte string") from error

    def _int(self) -> None:
        line = self._line()
        if line not in (b"00", b"01"):
            raise self._refused()
        self._stack.append(line == b"01")

    def _append(self) -> None:
        (value,) = self._pop(1)
        self._top_list().append(value)

    def _appends(self) -> None:
        values = self._pop_mark()
        self._top_list().extend(values)

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise self._error(f"names memo entry {index}, which does not exist")
        self._stack.append(self._memo[index])

    # ------------------------------------------------------------------------------------------------------------
    # Endings

    def _result(self) -> Plain:
        if self._marks or len(self._stack) != 1:
            raise self._error(f"finds {len(self._stack)} values and {len(self._marks)} marks on the stack")
        left = len(self._data) - self._at
        if left:
            raise self._error(f"is followed by {left} bytes more")
        return self._stack[0]

    def _error(self, reason: str) -> EvaluationError:
        start, name = self._opcode
        return EvaluationError(f"byte {start}: {name} {reason}")

    def _refused(self) -> EvaluationError:
        return self._error(
            "is refused: bytes, lists, tuples and booleans are read, and nothing else, because a pickle can run code. "
            "Write the set again with Python 3, its pictures as bytes, by pickle.dump(..., protocol=4)"
        )


_STOP = ord(".")
_ACTIONS: dict[int, Callable[[_Machine], None]] = {
    0x80: _Machine._proto,
    0x95: _Machine._frame,
    ord("("): _Machine._mark,
    # byte strings: Python 2's str, then Python 3's bytes
    ord("S"): _Machine._string,
    ord("T"): lambda machine: machine._bytes(4, signed=True),
    ord("U"): lambda machine: machine._bytes(1),
    ord("B"): lambda machine: machine._bytes(4),
    ord("C"): lambda machine: machine._bytes(1),
    0x8E: lambda machine: machine._bytes(8),
    # booleans
    ord("I"): _Machine._int,
    0x88: lambda machine: machine._stack.append(True),
    0x89: lambda machine: machine._stack.append(False),
    # lists and tuples
    ord("]"): lambda machine: machine._push_container([]),
    ord("l"): lambda machine: machine._push_container(machine._pop_mark()),
    ord("a"): _Machine._append,
    ord("e"): _Machine._appends,
    ord(")"): lambda machine: machine._push_container(()),
    ord("t"): lambda machine: machine._push_container(tuple(machine._pop_mark())),
    0x85: lambda machine: machine._push_container(tuple(machine._pop(1))),
    0x86: lambda machine: machine._push_container(tuple(machine._pop(2))),
    0x87: lambda machine: machine._push_container(tuple(machine._pop(3))),
    # memo
    ord("p"): lambda machine: machine._put(machine._index()),
    ord("q"): lambda machine: machine._put(machine._number(1)),
    ord("r"): lambda machine: machine._put(machine._number(4)),
    0x94: lambda machine: machine._put(len(machine._memo)),
    ord("g"): lambda machine: machine._get(machine._index()),
    ord("h"): lambda machine: machine._get(machine._number(1)),
    ord("j"): lambda machine: machine._get(machine._number(4)),
}

"""Verification sets in InsightFace's layout: what Python 2 and 3 wrote, and what an enemy would."""

from __future__ import annotations

import os
import pickle
import random
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.benchmarks import plain_pickle
from ghostface_edge.benchmarks.bin_file import BinSet, read_bin
from ghostface_edge.benchmarks.photos import Photo
from ghostface_edge.errors import EvaluationError

JPEG = b"\xff\xd8\xff\xe0"
PNG = b"\x89PNG\r\n\x1a\n"


def pictures(count: int, size: int = 40) -> list[bytes]:
    """Byte strings that start as pictures do; every byte value is in them, and every length of length field."""
    source = random.Random(count)
    kinds = (JPEG, PNG)
    lengths = [size, 255, 256, 300, 70_000] if size > 200 else [size]
    every = bytes(range(256)) if size > 200 else b""
    return [kinds[i % 2] + every + source.randbytes(lengths[i % len(lengths)]) for i in range(count)]


def labels(count: int) -> list[bool]:
    return [i % 3 == 0 for i in range(count)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lfw.bin"


@pytest.fixture
def read(file: Path) -> Callable[[bytes], BinSet]:
    def write_and_read(data: bytes) -> BinSet:
        file.write_bytes(data)
        return read_bin(file)

    return write_and_read


def same_as(found: BinSet, wanted: list[bytes], same: list[bool]) -> bool:
    return [found.read(photo) for photo in found.pairs.photos] == wanted and found.pairs.same.tolist() == same


# ----------------------------------------------------------------------------------------------------------------
# The published layouts


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("outer", [tuple, list])
@pytest.mark.parametrize("pickler", [pickle.dumps, pickle._dumps], ids=["C", "Python"])
def test_what_python_3_writes(read: Callable[[bytes], BinSet], protocol: int, outer: Any, pickler: Any) -> None:
    wanted, same = pictures(2468, 300), labels(1234)  # lists are written in batches of 1,000
    found = read(pickler(outer((wanted, same)), protocol=protocol))
    assert same_as(found, wanted, same)
    assert found.aligned
    assert found.name == found.pairs.name == "lfw.bin"
    assert found.pairs.photos[17] == Photo("", "lfw.bin[17]")
    assert found.pairs.a.tolist() == list(range(0, 2468, 2))
    assert found.pairs.b.tolist() == list(range(1, 2468, 2))
    assert found.pairs.person is None


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_one_picture_many_times(read: Callable[[bytes], BinSet], protocol: int) -> None:
    picture = pictures(1)[0]
    data = pickle.dumps(([picture] * 600, [True, False] * 150), protocol=protocol)
    assert len(data) < 3000  # it was memoised
    assert same_as(read(data), [picture] * 600, [True, False] * 150)


class Python2:
    """Writes as Python 2's pickle.Pickler: Lib/pickle.py of 2.7, save_string, save_list, save_tuple, save_bool."""

    def __init__(self, protocol: int) -> None:
        self.protocol = protocol
        self.memo: dict[int, int] = {}
        self.kept: list[Any] = []
        self.out = bytearray(b"\x80\x02" if protocol == 2 else b"")

    def dumps(self, value: Any) -> bytes:
        self.save(value)
        return bytes(self.out + b".")

    def save(self, value: Any) -> None:
        if isinstance(value, bool):
            self.out += (b"\x88" if value else b"\x89") if self.protocol == 2 else (b"I01\n" if value else b"I00\n")
        elif id(value) in self.memo:
            self.refer(b"ghj", self.memo[id(value)])
        elif isinstance(value, bytes):
            if not self.protocol:
                # repr of a str in Python 2 is that of bytes in Python 3 without the b.
                self.out += b"S" + repr(value)[1:].encode() + b"\n"
            elif len(value) < 256:
                self.out += b"U" + bytes([len(value)]) + value
            else:
                self.out += b"T" + struct.pack("<i", len(value)) + value
            self.put(value)
        elif isinstance(value, list):
            self.out += b"]" if self.protocol else b"(l"
            self.put(value)
            if not self.protocol:
                for item in value:
                    self.save(item)
                    self.out += b"a"
                return
            for start in range(0, len(value), 1000):
                batch = value[start : start + 1000]
                self.out += b"(" if len(batch) > 1 else b""
                for item in batch:
                    self.save(item)
                self.out += b"e" if len(batch) > 1 else b"a"
        else:
            if self.protocol < 2:
                self.out += b"("
            for item in value:
                self.save(item)
            self.out += b"t" if self.protocol < 2 else b"\x86"
            self.put(value)

    def put(self, value: Any) -> None:
        index = self.memo[id(value)] = len(self.memo)
        self.kept.append(value)
        self.refer(b"pqr", index)

    def refer(self, opcodes: bytes, index: int) -> None:
        if not self.protocol:
            self.out += b"%c%d\n" % (opcodes[0], index)
        elif index < 256:
            self.out += struct.pack("<BB", opcodes[1], index)
        else:
            self.out += struct.pack("<BI", opcodes[2], index)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_what_python_2_wrote(read: Callable[[bytes], BinSet], protocol: int) -> None:
    wanted, same = pictures(2468, 300), labels(1234)
    wanted[7], wanted[1000] = wanted[3], wanted[999]
    wanted[8] = JPEG + b"'\"\\\\x41\\n"  # what looks like escapes
    wanted[9] = JPEG + b"'only single"
    data = Python2(protocol).dumps((wanted, same))
    # pickle itself agrees about what this file says.
    assert pickle.loads(data, encoding="bytes") == (wanted, same)  # noqa: S301 (made here)
    assert same_as(read(data), wanted, same)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_python_3_calls_a_function_for_bytes_in_old_protocols(read: Callable[[bytes], BinSet], protocol: int) -> None:
    with pytest.raises(EvaluationError, match=r"byte \d+: GLOBAL is refused: .* protocol=4"):
        read(pickle.dumps((pictures(20), labels(10)), protocol=protocol))


@pytest.mark.parametrize("count", [10, 11, 19, 20, 25, 101, 6000, 7003])
def test_folds_are_scikit_learns(read: Callable[[bytes], BinSet], count: int) -> None:
    model_selection = pytest.importorskip("sklearn.model_selection")
    found = read(pickle.dumps(([JPEG] * (2 * count), [True] * count))).pairs.fold
    assert found is not None
    for fold, (_, test) in enumerate(model_selection.KFold(n_splits=10, shuffle=False).split(np.zeros(count))):
        assert np.flatnonzero(found == fold).tolist() == test.tolist()


def test_folds_by_hand(read: Callable[[bytes], BinSet]) -> None:
    found = read(pickle.dumps(([JPEG] * 24, [True] * 12))).pairs.fold
    assert found is not None
    assert found.tolist() == [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]


# ----------------------------------------------------------------------------------------------------------------
# Sets that are wrong


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (([], []), "the set is empty"),
        ((pictures(20), labels(9)), "20 pictures and 9 labels; .* 18 pictures are wanted"),
        ((pictures(19), labels(10)), "19 pictures and 10 labels"),
        ((pictures(20), []), "20 pictures and 0 labels"),
        ((labels(10), pictures(20)), "10 pictures and 20 labels"),
        ((pictures(18), labels(9)), "9 pairs; the protocol has 10 folds"),
        (([*pictures(17), b"<html>", *pictures(2)], labels(10)), r"lfw.bin\[17\]: not a picture. Supported are JPEG"),
        (([*pictures(17), b"", *pictures(2)], labels(10)), r"lfw.bin\[17\]: the file is empty"),
        (([*pictures(17), b"\xff\xd8", *pictures(2)], labels(10)), r"lfw.bin\[17\]: not a picture"),
        (([*pictures(19), True], labels(10)), r"lfw.bin\[19\] is no picture but a bool"),
        (([*pictures(19), []], labels(10)), r"lfw.bin\[19\] is no picture but a list"),
        ((pictures(20), [*labels(9), JPEG]), "label 9 is no boolean but bytes"),
        ((pictures(20), [*labels(9), ()]), "label 9 is no boolean but tuple"),
        (pictures(20), "no list of pictures and list of labels"),
        ((pictures(20), labels(10), labels(10)), "no list of pictures"),
        ((JPEG, labels(10)), "no list of pictures"),
        ((pictures(20), True), "no list of pictures"),
        (True, "no list of pictures"),
        (JPEG, "no list of pictures"),
    ],
)
def test_contents_that_are_no_set(read: Callable[[bytes], BinSet], value: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message) as caught:
        read(pickle.dumps(value, protocol=4))
    assert re.match(r"/\S+lfw\.bin: ", str(caught.value))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("value", "opcode"),
    [
        ({"bins": []}, "EMPTY_DICT"),
        ((["a"], [True]), "SHORT_BINUNICODE"),
        (([1], [True]), "BININT1"),
        (([None], [True]), "NONE"),
        (([1.5], [True]), "BINFLOAT"),
        (([bytearray(JPEG)], [True]), "SHORT_BINUNICODE"),
        (([np.frombuffer(JPEG, np.uint8)], [True]), "SHORT_BINUNICODE"),
        (([JPEG], [np.bool_(True)]), "SHORT_BINUNICODE"),
        ({1}, "EMPTY_SET"),
    ],
)
def test_other_types_are_refused_by_name(read: Callable[[bytes], BinSet], value: Any, opcode: str) -> None:
    with pytest.raises(EvaluationError, match=rf"byte \d+: {opcode} is refused: bytes, lists, tuples and booleans"):
        read(pickle.dumps(value, protocol=4))


@pytest.mark.parametrize("text", [b"I1\n", b"I2\n", b"I-1\n", b"I\n", b"I001\n"])
def test_numbers_are_no_labels(read: Callable[[bytes], BinSet], text: bytes) -> None:
    with pytest.raises(EvaluationError, match="byte 1: INT is refused"):
        read(b"(" + text + b"t.")


# ----------------------------------------------------------------------------------------------------------------
# Hostile ones


class Runs:
    """Unpickled, it calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["whole", "picture", "label", "after", "list"])
@pytest.mark.parametrize("function", [os.system, eval, exec])
def test_no_code_runs(
    read: Callable[[bytes], BinSet], tmp_path: Path, protocol: int, place: str, function: Callable[..., Any]
) -> None:
    marker = tmp_path / "ran"
    argument = f"touch {marker}" if function is os.system else f"open({str(marker)!r}, 'w').close()"
    bomb = Runs(function, argument)
    many, same = [JPEG] * 20, [True] * 10
    value: Any = {
        "whole": bomb,
        "picture": ([*many[:-1], bomb], same),
        "label": (many, [*same[:-1], bomb]),
        "after": (many, same, [[bomb]]),
        "list": (Runs(function, argument), same),
    }[place]
    data = pickle.dumps(value, protocol=protocol)
    pickle.loads(data)  # noqa: S301 (the bomb is live)
    assert marker.exists()
    marker.unlink()
    with pytest.raises(EvaluationError, match=r"byte \d+: (GLOBAL|STACK_GLOBAL|SHORT_BINUNICODE) is refused"):
        read(data)
    assert not marker.exists()


@pytest.mark.parametrize(
    "assembled",
    [
        b"(c__builtin__\neval\n",
        b"cos\nsystem\n(S'touch MARKER'\ntR.",
        b"(S'touch MARKER'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'touch MARKER'\no.",  # OBJ
        b"U\x02osU\x06system\x93.",  # STACK_GLOBAL on byte strings
        b"U\x01aQ.",  # BINPERSID
        b"Pfile\n.",  # PERSID
        b"\x82\x01.",  # EXT1
        b"\x83\x01\x00.",  # EXT2
        b"\x84\x01\x00\x00\x00.",  # EXT4
        b"U\x01a)R.",  # REDUCE
        b"U\x01a)\x81.",  # NEWOBJ
        b"U\x01a))\x92.",  # NEWOBJ_EX
        b"]]b.",  # BUILD
        b"\x97.",  # NEXT_BUFFER
        b"]\x98.",  # READONLY_BUFFER
        b"U\xff" + b"a" * 255 + b"2.",  # DUP
        b"]0.",  # POP
        b"(1.",  # POP_MARK
        b"\x96" + struct.pack("<Q", 1) + b"a.",  # BYTEARRAY8
        b"L1L\n.",
        b"\xff.",
        b"\x00",
        b"<html>",
    ],
)
def test_every_other_opcode_is_refused(read: Callable[[bytes], BinSet], tmp_path: Path, assembled: bytes) -> None:
    marker = tmp_path / "ran"
    with pytest.raises(EvaluationError, match=r"byte \d+: \w+ is refused"):
        read(assembled.replace(b"MARKER", str(marker).encode()))
    assert not marker.exists()


def test_only_known_opcodes_are_known() -> None:
    """Each of the 256 bytes is refused as an opcode, but those that build bytes, lists, tuples and booleans."""
    allowed = {
        "PROTO FRAME STOP MARK",
        "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8",
        "INT NEWTRUE NEWFALSE",
        "EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3",
        "PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET",
    }
    codes = {getattr(pickle, name)[0] for line in allowed for name in line.split()}
    for code in range(256):
        with pytest.raises(EvaluationError) as caught:
            plain_pickle.read_plain(bytes([code]) + b"3\n" + bytes(20))
        refused = re.match(r"byte 0: \w+ is refused", str(caught.value)) is not None
        assert refused == (code not in codes or code == ord("I"))  # I3 is a number


@pytest.mark.parametrize(
    ("assembled", "message"),
    [
        (b"", "byte 0: the next opcode takes 1 bytes, and 0 are left"),
        (b"\x80\x06.", "names protocol 6"),
        (b"\x80", "PROTO takes 1 bytes, and 0 are left"),
        (b".", "finds 0 values and 0 marks"),
        (b"]].", "finds 2 values"),
        (b"](.", "1 marks"),
        (b"].]", "is followed by 1 bytes more"),
        (b"a", "APPEND finds too little"),
        (b"]a", "APPEND finds nothing on the stack"),
        (b")]a", "APPEND finds no list"),
        (b"](]a", "APPEND finds nothing"),  # the list lies below the mark
        (b"e", "APPENDS finds no mark"),
        (b"(e", "APPENDS finds nothing"),
        (b")(e", "APPENDS finds no list"),
        (b"t", "TUPLE finds no mark"),
        (b"](\x86", "TUPLE2 finds too little"),
        (b"q\x00", "BINPUT finds nothing"),
        (b"(q\x00", "BINPUT finds nothing"),
        (b"h\x00", "BINGET names memo entry 0, which does not exist"),
        (b"]q\x01h\x00", "BINGET names memo entry 0"),
        (b"gx\n", "GET names no memo entry"),
        (b"g-1\n", "GET names no memo entry"),
        (b"g" + b"1" * 5000 + b"\n", "GET names no memo entry"),
        (b"]r\xff\xff\xff\xffj\xfe\xff\xff\xff", "memo entry 4294967294"),
        (b"T\xff\xff\xff\xffa", "BINSTRING has the length -1"),
        (b"T\xff\xff\xff\x7fa", "BINSTRING takes 2147483647 bytes, and 1 are left"),
        (b"B\xff\xff\xff\xffa", "BINBYTES takes 4294967295 bytes, and 1 are left"),
        (b"\x8e" + b"\xff" * 8 + b"a", "BINBYTES8 takes 18446744073709551615 bytes, and 1 are left"),
        (b"\x95" + b"\xff" * 8 + b"a", "FRAME frames 18446744073709551615 bytes, and 1 are left"),
        (b"Sx\n", "STRING is no quoted byte string"),
        (b"S'\n", "STRING is no quoted"),
        (b"S'a\"\n", "STRING is no quoted"),
        (b"S'\\q'\n", "STRING is no quoted"),
        (b"S'a\\'\n", "STRING is no quoted"),
        (b"S'\\x4'\n", "STRING is no quoted"),
        (b"S'\\xzz'\n", "STRING is no quoted"),
        (b"S'\\\\\\q'\n", "STRING is no quoted"),
        (b"S'\\101'\n", "STRING is no quoted"),
        (b"S'a'", "STRING has no end of line"),
        (b"(" + b"]" * 17, "makes list or tuple number 17; a verification set has three"),
        (b"]" + b"\x85" * 16, "makes list or tuple number 17"),
    ],
)
def test_broken_programs(read: Callable[[bytes], BinSet], assembled: bytes, message: str) -> None:
    with pytest.raises(EvaluationError, match=re.escape(message)):
        read(assembled)


def test_a_list_in_itself(read: Callable[[bytes], BinSet]) -> None:
    with pytest.raises(EvaluationError, match="no list of pictures"):
        read(b"]q\x00h\x00a.")
    with pytest.raises(EvaluationError, match=r"lfw.bin\[0\] is no picture but a list"):
        read(b"]q\x00(" + b"h\x00" * 20 + b"e](" + b"\x88" * 10 + b"e\x86.")


def test_bombs_cost_nothing(read: Callable[[bytes], BinSet], monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand references to one picture of 1 MB are one picture; more opcodes than any set has are an error."""
    import tracemalloc

    picture = JPEG + bytes(1 << 20)
    data = pickle.dumps(([picture] * 10_000, [True] * 5000))
    tracemalloc.start()
    found = read(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20
    assert found.read(found.pairs.photos[9999]) == picture
    monkeypatch.setattr(plain_pickle, "MAX_OPCODES", 1000)
    with pytest.raises(EvaluationError, match="more than 1000 opcodes"):
        read(b"(" * 2000)


def test_files_that_are_none(file: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="there is no verification set"):
        read_bin(file)
    with pytest.raises(EvaluationError, match="Is a directory"):
        read_bin(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(EvaluationError, match="not a regular file"):
        read_bin(tmp_path / "fifo")
    with file.open("wb") as stream:
        stream.truncate((2 << 30) + 1)
    with pytest.raises(EvaluationError, match="more than 2147483648 bytes"):
        read_bin(file)


@pytest.mark.parametrize(
    "form", ["python 2, 0", "python 2, 1", "python 2, 2", "python 3, 3", "python 3, 4", "python 3, 5"]
)
def test_cut_short_at_every_byte(read: Callable[[bytes], BinSet], form: str) -> None:
    protocol, value = int(form[-1]), (pictures(20, 3), labels(10))
    data = Python2(protocol).dumps(value) if "2," in form else pickle.dumps(value, protocol=protocol)
    assert same_as(read(data), *value)
    for length in range(len(data)):
        with pytest.raises(EvaluationError):
            read(data[:length])


@pytest.mark.parametrize("seed", range(4))
def test_mutants_are_sets_or_errors(read: Callable[[bytes], BinSet], seed: int) -> None:
    """2,000 in all."""
    source = random.Random(seed)
    value = (pictures(24, 6), labels(12))
    forms = [Python2(protocol).dumps(value) for protocol in range(3)]
    forms += [pickle.dumps(value, protocol=protocol) for protocol in range(3, 6)]
    sets = 0
    for _ in range(500):
        data = bytearray(source.choice(forms))
        for _ in range(source.choice((1, 1, 2, 8))):
            at = source.randrange(len(data))
            kind = source.randrange(4)
            if kind == 0:
                data[at] = source.randrange(256)
            elif kind == 1:
                data[at] ^= 1 << source.randrange(8)
            elif kind == 2:
                del data[at : at + source.randrange(1, 9)]
            else:
                data[at:at] = data[source.randrange(len(data)) :][: source.randrange(1, 9)]
            data = data or bytearray(b"x")
        try:
            found = read(bytes(data))
        except EvaluationError:
            continue
        sets += 1
        assert len(found.pairs) >= 10
        assert all(type(found.read(photo)) is bytes for photo in found.pairs.photos)
    assert 0 < sets < 500


def test_a_photo_of_another_set(read: Callable[[bytes], BinSet]) -> None:
    found = read(pickle.dumps(([JPEG] * 20, [True] * 10)))
    for path in ("lfw.bin[20]", "cfp.bin[0]", ""):
        with pytest.raises(EvaluationError, match=r"lfw\.bin has no picture"):
            found.read(Photo("", path))


def test_a_large_set_is_held_once_and_read_fast(read: Callable[[bytes], BinSet]) -> None:
    """As large as cfp_fp.bin."""
    import tracemalloc

    data = pickle.dumps(([JPEG + os.urandom(7000) for _ in range(14_000)], [True, False] * 3500))
    tracemalloc.start()
    start = time.perf_counter()
    found = read(data)
    seconds = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.pairs) == 7000
    assert peak < 1.2 * len(data)
    assert seconds < 20  # 0.2 without tracemalloc; a quadratic reader would take minutes

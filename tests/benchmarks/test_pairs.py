"""The pairs file of LFW View 2: good ones, and ones that lie."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from ghostface_edge.benchmarks.pairs import Pair, Photo, photos_of, read_pairs
from ghostface_edge.errors import EvaluationError

GOOD = ["2\t1", "Ann_Lee\t1\t3", "Ann_Lee\t1\tBo\t2", "Bo\t2\t4", "J-P_d.Or\t10\tBo\t4"]

ANN_1, ANN_3 = Photo("Ann_Lee", "Ann_Lee/Ann_Lee_0001.jpg"), Photo("Ann_Lee", "Ann_Lee/Ann_Lee_0003.jpg")
BO_2, BO_4 = Photo("Bo", "Bo/Bo_0002.jpg"), Photo("Bo", "Bo/Bo_0004.jpg")
JP_10 = Photo("J-P_d.Or", "J-P_d.Or/J-P_d.Or_0010.jpg")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pairs.txt"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_format(file: Path, end: str) -> None:
    file.write_bytes((end.join(GOOD) + end).encode())
    pairs = read_pairs(file)
    assert pairs == (Pair(ANN_1, ANN_3, 0), Pair(ANN_1, BO_2, 0), Pair(BO_2, BO_4, 1), Pair(JP_10, BO_4, 1))
    assert [pair.same for pair in pairs] == [True, False, True, False]
    assert photos_of(pairs) == (ANN_1, ANN_3, BO_2, BO_4, JP_10)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "", "line 1: expected the numbers of sets"),
        (1, "10", "line 1"),
        (1, "2 1 1", "line 1"),
        (1, "-2\t1", "line 1"),
        (1, "2\t1e0", "line 1"),
        (1, "\u0662\t1", "line 1"),  # an Arabic two
        (1, "1\t2", "at least 2 sets"),
        (1, "2\t0", "at least 2 sets"),
        (1, "2\t2", "take 9 lines, and the file has 5"),
        (1, "999999\t999999", "take 1999996000003 lines"),
        (2, "Ann_Lee\t1", "line 2: expected 'NAME N M', found 'Ann_Lee\\t1'"),
        (2, "Ann_Lee\t1\tBo\t2", "line 2: expected 'NAME N M'"),
        (2, "", "line 2"),
        (2, "Ann_Lee\t1\t1", "line 2: a photo is paired with itself"),
        (3, "Ann_Lee\t1\t2", "line 3: expected 'NAME N OTHER M'"),
        (3, "Ann_Lee\t1\tAnn_Lee\t2", "line 3: a mismatched pair names 'Ann_Lee' twice"),
        (5, "Bo\t1\tCy\tx", "line 5: 'x' is no photo number"),
        (5, "Bo\t-1\tCy\t1", "line 5: '-1' is no photo number"),
        (5, "Bo\t1_0\tCy\t1", "line 5: '1_0' is no photo number"),
        (5, "Bo\t1\tCy\t12345678", "line 5"),
    ],
)
def test_a_broken_line_is_named(file: Path, line: int, text: str, message: str) -> None:
    lines = [*GOOD]
    lines[line - 1] = text
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=re.escape(message)):
        read_pairs(file)


@pytest.mark.parametrize(
    "name", ["..", ".", "../../etc", "/etc/passwd", "a/b", "a\\b", "..\\b", "C:", ".hidden", "a\0b", "~/x", "a\x1bb"]
)
def test_no_name_leads_out_of_the_folder(file: Path, name: str) -> None:
    for line, text in ((2, f"{name}\t1\t2"), (3, f"{name}\t1\tBo\t2"), (3, f"Bo\t1\t{name}\t2")):
        lines = [*GOOD]
        lines[line - 1] = text
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with pytest.raises(EvaluationError, match=f"line {line}: .* is no person's name"):
            read_pairs(file)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1"),
        (b"\n\n", "line 1"),
        (b"\xff\xfe\x00", "cannot be read"),
        ("\n".join(GOOD[:4]).encode(), "take 5 lines, and the file has 4"),
        ("\n".join([*GOOD, "Bo\t1\t2"]).encode(), "the file has 6"),
    ],
)
def test_no_pairs_file(file: Path, data: bytes, message: str) -> None:
    file.write_bytes(data)
    with pytest.raises(EvaluationError, match=message):
        read_pairs(file)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "missing.txt", tmp_path, tmp_path / "fifo"):
        with pytest.raises(EvaluationError, match="there is no pairs file"):
            read_pairs(path)


def test_a_file_too_large_for_pairs(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(EvaluationError, match="more than 67108864 bytes"):
        read_pairs(file)


def test_the_official_file(shared: Path) -> None:
    pairs = read_pairs(shared / "lfw" / "pairs.txt")
    assert Counter((pair.fold, pair.same) for pair in pairs) == {
        (fold, same): 300 for fold in range(10) for same in (True, False)
    }
    photos = photos_of(pairs)
    assert len(photos) == 7701
    assert all((shared / "lfw" / "images" / photo.path).is_file() for photo in photos)

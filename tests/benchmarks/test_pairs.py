"""The pairs file of LFW View 2: good ones, and ones that lie."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.benchmarks.pairs import Pairs, read_lfw_pairs
from ghostface_edge.benchmarks.photos import Photo, PhotoFolder
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
    pairs = read_lfw_pairs(file)
    assert pairs.photos == (ANN_1, ANN_3, BO_2, BO_4, JP_10)
    assert pairs.a.tolist() == [0, 0, 2, 4]
    assert pairs.b.tolist() == [1, 2, 3, 3]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold is not None
    assert pairs.fold.tolist() == [0, 0, 1, 1]
    assert pairs.person is not None
    assert pairs.person.tolist() == [0, 0, 1, 1, 2]
    assert len(pairs) == 4
    assert pairs.name == "pairs.txt, 2 sets of 2 pairs"  # it is not View 2
    for column in (pairs.a, pairs.b, pairs.same, pairs.fold):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


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
        read_lfw_pairs(file)


@pytest.mark.parametrize(
    "name", ["..", ".", "../../etc", "/etc/passwd", "a/b", "a\\b", "..\\b", "C:", ".hidden", "a\0b", "~/x", "a\x1bb"]
)
def test_no_name_leads_out_of_the_folder(file: Path, name: str) -> None:
    for line, text in ((2, f"{name}\t1\t2"), (3, f"{name}\t1\tBo\t2"), (3, f"Bo\t1\t{name}\t2")):
        lines = [*GOOD]
        lines[line - 1] = text
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with pytest.raises(EvaluationError, match=f"line {line}: .* is no person's name"):
            read_lfw_pairs(file)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1"),
        (b"\n\n", "line 1"),
        (b"2\t1\nAnn\t\xff\n", "line 2: byte 0xff is not UTF-8"),
        ("\n".join(GOOD[:4]).encode(), "take 5 lines, and the file has 4"),
        ("\n".join([*GOOD, "Bo\t1\t2"]).encode(), "the file has 6"),
    ],
)
def test_no_pairs_file(file: Path, data: bytes, message: str) -> None:
    file.write_bytes(data)
    with pytest.raises(EvaluationError, match=message):
        read_lfw_pairs(file)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, message in (
        (tmp_path / "missing.txt", "there is no pairs file"),
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "fifo", "is not a regular file"),
        ("a\0b", "cannot be read"),
    ):
        with pytest.raises(EvaluationError, match=message):
            read_lfw_pairs(path)


def test_a_file_too_large_for_pairs(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(EvaluationError, match="more than 67108864 bytes"):
        read_lfw_pairs(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": [0]}, r"\[1, 2, 2, 2\] entries differ in number"),
        ({"fold": [0]}, "differ in number"),
        ({"a": [[0, 0]]}, r"a has shape \(1, 2\)"),
        ({"a": ["x", "y"]}, "a is no column of numbers"),
        ({"b": [1, 5]}, "rows 0 to 5 of 5 photos"),
        ({"b": [1, -1]}, "rows -1 to 1"),
        ({"b": [0, 2]}, "paired with itself"),
        ({"photos": (ANN_1, ANN_1, BO_2)}, "listed twice"),
        ({"photos": (ANN_1, Photo("Zoe", ANN_1.path), BO_2)}, "listed twice"),
        ({"fold": [0, -1]}, "fold -1"),
        ({"same": [False, False]}, "contradict"),
        ({"same": [True, True]}, "contradict"),
    ],
)
def test_columns_that_contradict_each_other(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "photos": (ANN_1, ANN_3, BO_2, BO_4, JP_10),
        "a": [0, 0],
        "b": [1, 2],
        "same": [True, False],
        "fold": [0, 1],
    }
    assert len(Pairs("x", **good)) == 2
    with pytest.raises(EvaluationError, match=message):
        Pairs("x", **{**good, **change})


def test_people_are_unknown_where_one_is() -> None:
    pairs = Pairs("x", (ANN_1, Photo("", "b.jpg")), np.array([0]), np.array([1]), np.array([True]), None)
    assert pairs.person is None


def test_the_official_file(shared: Path) -> None:
    pairs = read_lfw_pairs(shared / "lfw" / "pairs.txt")
    assert pairs.name == "LFW View 2"
    assert pairs.fold is not None
    assert Counter(zip(pairs.fold.tolist(), pairs.same.tolist())) == {
        (fold, same): 300 for fold in range(10) for same in (True, False)
    }
    assert len(pairs.photos) == 7701
    assert pairs.person is not None
    assert len(set(pairs.person.tolist())) == len({photo.path.split("/")[0] for photo in pairs.photos}) == 4281
    first = pairs.photos[pairs.a[0]].path, pairs.photos[pairs.b[0]].path  # line 2 of the file
    assert first == ("Abel_Pacheco/Abel_Pacheco_0001.jpg", "Abel_Pacheco/Abel_Pacheco_0004.jpg")
    PhotoFolder(shared / "lfw" / "images").check(pairs.photos)

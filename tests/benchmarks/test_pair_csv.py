"""Lists of pairs that users write: spreadsheets' habits, and contradictions."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from ghostface_edge.benchmarks.pair_csv import read_csv_pairs
from ghostface_edge.benchmarks.pairs import Pairs
from ghostface_edge.benchmarks.photos import Photo
from ghostface_edge.errors import EvaluationError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.csv"


def rows(pairs: Pairs) -> list[tuple[Photo, Photo, bool]]:
    return [(pairs.photos[a], pairs.photos[b], bool(same)) for a, b, same in zip(pairs.a, pairs.b, pairs.same)]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_three_columns(file: Path, mark: bytes, end: str) -> None:
    lines = ["a,b,same", "x/1.jpg,x/2.jpg,1", "", 'x/1.jpg, "Bo, Jr/é 日.jpg" ,FALSE', "z.jpg,x/2.jpg,0", ""]
    lines[3] = 'x/1.jpg, "Bo, Jr/é 日.jpg",FALSE'
    file.write_bytes(mark + end.join(lines).encode())
    pairs = read_csv_pairs(file)
    assert rows(pairs) == [
        (Photo("", "x/1.jpg"), Photo("", "x/2.jpg"), True),
        (Photo("", "x/1.jpg"), Photo("", "Bo, Jr/é 日.jpg"), False),
        (Photo("", "z.jpg"), Photo("", "x/2.jpg"), False),
    ]
    assert pairs.name == "mine.csv"
    assert pairs.fold is None
    assert pairs.person is None


def test_all_columns_in_any_order(file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["fold", "same", "person_b", "b", "a", "person_a"])
        writer.writerow([7, "true", "Ann Ré", "2.jpg", "1.jpg", "Ann Ré"])
        writer.writerow([3, "False", "Bo", "3.jpg", "1.jpg", "Ann Ré"])
        writer.writerow([12, 1, "Bo", "4.jpg", "3.jpg", "Bo"])
    pairs = read_csv_pairs(file)
    ann, bo = "Ann Ré", "Bo"
    assert rows(pairs) == [
        (Photo(ann, "1.jpg"), Photo(ann, "2.jpg"), True),
        (Photo(ann, "1.jpg"), Photo(bo, "3.jpg"), False),
        (Photo(bo, "3.jpg"), Photo(bo, "4.jpg"), True),
    ]
    assert pairs.fold is not None
    assert pairs.fold.tolist() == [1, 0, 2]  # 7, 3 and 12 in the order of the numbers
    assert pairs.person is not None
    assert [pairs.person[0], pairs.person[3]] == [0, 1]


PEOPLE = "a,b,same,person_a,person_b\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b,same\n", "lists no pair"),
        ("1.jpg,2.jpg,1\n", "line 1: there is no column 'a'"),
        ("a;b;same\n", "line 1: there is no column 'a'"),
        ("\na,b\n", "line 2: there is no column 'same'"),
        ("a,b,same,folds\n", "line 1: column 'folds' is not known"),
        ("a,b,same,a\n", "line 1: there are two columns 'a'"),
        ("a,b,same,person_a\n", "line 1: person_a and person_b go together"),
        ("a,b,same\n1,2\n", "line 2: 3 fields are wanted, and there are 2"),
        ("a,b,same\n1,2,1,4\n", "line 2: 3 fields are wanted, and there are 4"),
        ("a,b,same\n1,2,yes\n", "line 2: same is 'yes'"),
        ("a,b,same\n1,2,\n", "line 2: same is ''"),
        ("a,b,same,fold\n1,2,1,-1\n", "line 2: fold is '-1'"),
        ("a,b,same,fold\n1,2,1,0.5\n", "line 2: fold is '0.5'"),
        ("a,b,same,fold\n1,2,1,\u0662\n", "line 2: fold is '\u0662'"),
        ("a,b,same,fold\n1,2,1,0\n1,3,0,\n", "line 3: fold is ''"),
        ("a,b,same,fold\n1,2,1,4\n1,3,0,4\n", "all pairs are in one fold"),
        ("a,b,same\n,2,1\n", "line 2: '' is no path"),
        ("a,b,same\n../1,2,1\n", "line 2: '../1' is no path"),
        ("a,b,same\n1,/etc/passwd,1\n", "line 2: '/etc/passwd' is no path"),
        ("a,b,same\n1,x\\2.jpg,1\n", "line 2: 'x\\\\2.jpg' is no path"),
        ('a,b,same\n1,"x\ny",1\n', "line 3: 'x\\ny' is no path"),
        ("a,b,same\n1,./1,1\n", "line 2: './1' is no path"),
        ("a,b,same\n1,1,1\n", "line 2: '1' is paired with itself"),
        ("a,b,same\n1,2,1\n\n1,3,0\n1,2,1\n", "line 5: '1' and '2' are already paired in line 2"),
        ("a,b,same\n1,2,1\n2,1,1\n", "line 3: '2' and '1' are already paired in line 2"),
        ("a,b,same\n1,2,1\n2,1,0\n", "line 3: '2' and '1' are already paired in line 2"),
        (PEOPLE + "1,2,1,Ann,Bo\n", "line 2: same says one person, and the people are 'Ann' and 'Bo'"),
        (PEOPLE + "1,2,0,Ann,Ann\n", "line 2: same says two people"),
        (PEOPLE + "1,2,1,Ann,\n", "line 2: person_b is empty"),
        (PEOPLE + "1,2,0,Ann,Bo\n2,3,0,Cy,Ann\n", "line 3: '2' shows 'Cy' here and 'Bo' in line 2"),
        ('a,b,same\n1,"2" x,1\n', "line 2: "),
        ('a,b,same\n1,"2,1\n', "unexpected end of data"),
        (f"a,b,same\n1,{'x' * 200_000},1\n", "line 2: field larger than field limit"),
    ],
)
def test_a_broken_line_is_named(file: Path, text: str, message: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(EvaluationError, match=re.escape(message)) as caught:
        read_csv_pairs(file)
    assert str(caught.value).startswith(str(file))


def test_other_files(file: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="there is no pairs file"):
        read_csv_pairs(file)
    with pytest.raises(EvaluationError, match="Is a directory"):
        read_csv_pairs(tmp_path)
    file.write_bytes("a,b,same\n1.jpg,é.jpg,1\n".encode("latin-1"))
    with pytest.raises(EvaluationError, match=r"mine\.csv, line 2: byte 0xe9 is not UTF-8"):
        read_csv_pairs(file)
    file.write_bytes("a,b,same\n1.jpg,2.jpg,1\n".encode("utf-16"))
    with pytest.raises(EvaluationError, match="line 1: byte 0xff is not UTF-8"):
        read_csv_pairs(file)
    file.write_bytes(b"a,b,same\n1\0.jpg,2.jpg,1\n")
    with pytest.raises(EvaluationError, match=r"line 2: (.*NUL|.*no path)"):
        read_csv_pairs(file)

"""A user's own list of pairs, as CSV.

The first line names the columns, in any order::

    a,b,same                                        paths of two photos below their folder; 1 or true, 0 or false
    a,b,same,fold                                   and which disjoint set the pair belongs to, a whole number
    a,b,same,fold,person_a,person_b                 and who is on them
    a,b,same,person_a,person_b

Text is UTF-8, with or without a byte order mark; fields are separated by commas and may be quoted. Blank lines are
skipped, and so are spaces after a comma. Where people are named, figures have intervals that know which pairs share
people.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ghostface_edge.errors import EvaluationError

from .data_file import read_list
from .pairs import Pair, Pairs, pairs_of
from .photos import Photo, check_path

_REQUIRED = ("a", "b", "same")
_OPTIONAL = ("fold", "person_a", "person_b")
_SAME = {"1": True, "true": True, "0": False, "false": False}
_FOLD = re.compile(r"[0-9]{1,6}")


def read_csv_pairs(path: str | os.PathLike[str]) -> Pairs:
    """The pairs of a CSV file; its format is at the top of this module.

    A pair that is listed twice, also the other way round, is an error and not a warning: it would count twice in every
    rate and make the intervals narrower than they are.

    Args:
        path: The file. Folds are numbered anew from 0, in the order of their numbers.

    Raises:
        EvaluationError: The file cannot be read, breaks the format, has no pair or a single fold, leads out of the
            photos' folder, pairs a photo with itself, lists a pair twice, or contradicts itself (one photo of two
            people; the same person under two names). The message has the line.
    """
    path = Path(path)
    rows = _rows(path)
    try:
        line, header = next(rows)
    except StopIteration:
        raise EvaluationError(f"{path} is empty: its first line names the columns, such as 'a,b,same'") from None
    columns = _columns(f"{path}, line {line}", header)
    pairs: list[Pair] = []
    seen: dict[frozenset[str], int] = {}  # line of each pair
    people: dict[str, tuple[str, int]] = {}  # person of each photo, and the first line that says so
    for line, row in rows:
        try:
            if len(row) != len(columns):
                raise EvaluationError(f"{len(columns)} fields are wanted, and there are {len(row)}")
            pair = _pair(dict(zip(columns, row)))
            first = seen.setdefault(frozenset((pair.a.path, pair.b.path)), line)
            if first != line:
                raise EvaluationError(f"{pair.a.path!r} and {pair.b.path!r} are already paired in line {first}")
            for photo in pair[:2]:
                person, known = people.setdefault(photo.path, (photo.person, line))
                if person != photo.person:
                    raise EvaluationError(f"{photo.path!r} shows {photo.person!r} here and {person!r} in line {known}")
        except EvaluationError as error:
            raise EvaluationError(f"{path}, line {line}: {error}") from error
        pairs.append(pair)
    if not pairs:
        raise EvaluationError(f"{path} lists no pair")
    number = {fold: index for index, fold in enumerate(sorted({pair.fold for pair in pairs if pair.fold is not None}))}
    if len(number) == 1:
        raise EvaluationError(f"{path}: all pairs are in one fold; leave the column out, or use two folds or more")
    return pairs_of(
        path.name,
        [pair if pair.fold is None else pair._replace(fold=number[pair.fold]) for pair in pairs],
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its last line."""
    reader = csv.reader(io.StringIO(read_list(path), newline=""), strict=True, skipinitialspace=True)
    try:
        for row in reader:
            if any(text.strip() for text in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise EvaluationError(f"{path}, line {reader.line_num}: {error}") from error


def _columns(where: str, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    known = ", ".join(_REQUIRED + _OPTIONAL)
    for name in _REQUIRED:
        if name not in names:
            raise EvaluationError(f"{where}: there is no column {name!r}. Wanted are a,b,same; known are {known}")
    for name in names:
        if name not in _REQUIRED + _OPTIONAL:
            raise EvaluationError(f"{where}: column {name!r} is not known; known are {known}")
        if names.count(name) > 1:
            raise EvaluationError(f"{where}: there are two columns {name!r}")
    if ("person_a" in names) != ("person_b" in names):
        raise EvaluationError(f"{where}: person_a and person_b go together")
    return names


def _pair(fields: dict[str, str]) -> Pair:
    same = _SAME.get(fields["same"].strip().lower())
    if same is None:
        raise EvaluationError(f"same is {fields['same']!r}, and must be 1, 0, true or false")
    fold = fields.get("fold", "0").strip()
    if not _FOLD.fullmatch(fold):
        raise EvaluationError(f"fold is {fields['fold']!r}, and must be a whole number of at most six digits")
    photos = []
    for side in ("a", "b"):
        check_path(fields[side])
        person = fields.get(f"person_{side}", "")
        if f"person_{side}" in fields and not person:
            raise EvaluationError(f"person_{side} is empty")
        photos.append(Photo(person, fields[side]))
    a, b = photos
    if a.path == b.path:
        raise EvaluationError(f"{a.path!r} is paired with itself")
    if a.person and same != (a.person == b.person):
        told = "one person" if same else "two people"
        raise EvaluationError(f"same says {told}, and the people are {a.person!r} and {b.person!r}")
    return Pair(a, b, same, int(fold) if "fold" in fields else None)

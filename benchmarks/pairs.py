"""Which photos a verification protocol compares: LFW's ``pairs.txt``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ghostface_edge.errors import EvaluationError

_MAX_BYTES = 64 << 20  # the official file has 155,335
_NAME = re.compile(r"[\w-][\w.-]*")  # one folder below the photos, whatever the file says: no separator, no leading dot
_NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, order=True)
class Photo:
    """A photo of a data set.

    Attributes:
        person: Who it shows.
        path: Where it lies below the data set's folder, with ``/`` between the parts.
    """

    person: str
    path: str


@dataclass(frozen=True)
class Pair:
    """Two photos to compare.

    Attributes:
        a: One photo.
        b: The other.
        fold: Which of the protocol's disjoint sets the pair belongs to, from 0.
    """

    a: Photo
    b: Photo
    fold: int

    @property
    def same(self) -> bool:
        """Whether the two photos show one person."""
        return self.a.person == self.b.person


def photos_of(pairs: Iterable[Pair]) -> tuple[Photo, ...]:
    """The photos that pairs name, each once, in the order of their names."""
    return tuple(sorted({photo for pair in pairs for photo in (pair.a, pair.b)}))


def read_pairs(path: str | os.PathLike[str]) -> tuple[Pair, ...]:
    """The pairs of a file in the format of LFW View 2.

    The format (http://vis-www.cs.umass.edu/lfw/README.txt, section 3c): a line with the number of sets and the number
    of matched pairs per set, 10 and 300 in the official file; then for every set that many lines ``NAME N M``, photos
    N and M of one person, and as many lines ``NAME N OTHER M`` of two. A photo is ``NAME/NAME_NNNN.jpg``.

    Args:
        path: The file.

    Raises:
        EvaluationError: The file cannot be read or breaks the format; the message has the line.
    """
    lines = _lines(Path(path))
    header = lines[0].split()
    if len(header) != 2 or not all(_NUMBER.fullmatch(field) for field in header):
        raise EvaluationError(f"{path}, line 1: expected the numbers of sets and of pairs per set, such as '10 300'")
    folds, matched = (int(field) for field in header)
    if folds < 2 or matched < 1:
        raise EvaluationError(f"{path}, line 1: {folds} sets of {matched} pairs; at least 2 sets of 1 pair are needed")
    if len(lines) - 1 != 2 * folds * matched:
        raise EvaluationError(
            f"{path}: {folds} sets of {matched} matched and {matched} mismatched pairs take {1 + 2 * folds * matched} "
            f"lines, and the file has {len(lines)}"
        )
    pairs = []
    for index, line in enumerate(lines[1:]):
        fold, place = divmod(index, 2 * matched)
        fields = line.split()
        form = "NAME N M" if place < matched else "NAME N OTHER M"
        if len(fields) != len(form.split()):
            raise EvaluationError(f"{path}, line {index + 2}: expected '{form}', found {line!r}")
        try:
            a = _photo(fields[0], fields[1])
            b = _photo(fields[-2] if place >= matched else fields[0], fields[-1])
        except EvaluationError as error:
            raise EvaluationError(f"{path}, line {index + 2}: {error}") from error
        if a == b:
            raise EvaluationError(f"{path}, line {index + 2}: a photo is paired with itself")
        pair = Pair(a, b, fold)
        if pair.same != (place < matched):
            raise EvaluationError(f"{path}, line {index + 2}: a mismatched pair names {a.person!r} twice")
        pairs.append(pair)
    return tuple(pairs)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise EvaluationError(f"there is no pairs file {str(path)!r}")
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read as a pairs file: {error}") from error
    if len(data) > _MAX_BYTES:
        raise EvaluationError(f"{path} is no pairs file: it has more than {_MAX_BYTES} bytes")
    return text.rstrip().split("\n")


def _photo(person: str, number: str) -> Photo:
    if not _NAME.fullmatch(person):
        raise EvaluationError(f"{person!r} is no person's name: letters, digits, '_', '-' and '.' are allowed")
    if not _NUMBER.fullmatch(number):
        raise EvaluationError(f"{number!r} is no photo number")
    return Photo(person, f"{person}/{person}_{int(number):04d}.jpg")

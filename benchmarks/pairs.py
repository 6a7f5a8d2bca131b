"""Which photos a verification protocol compares, and LFW's list of them, ``pairs.txt``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import EvaluationError

from .data_file import read_list
from .photos import Photo

_NAME = re.compile(r"[\w-][\w.-]*")  # one folder below the photos, whatever the file says: no separator, no leading dot
_NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, eq=False)
class Pairs:
    """The comparisons of a verification protocol.

    Attributes:
        name: Protocol and data, for reports.
        photos: The photos of the data set, each once; a drawn list need not compare them all.
        a: (P,) int32, row in ``photos`` of one photo of each pair.
        b: (P,) int32, of the other.
        same: (P,) bool, whether the two show one person.
        fold: (P,) int32, which of the protocol's disjoint sets the pair belongs to, from 0; None where it has none.

    Raises:
        EvaluationError: Lengths that differ, rows that do not exist, a photo that is listed twice or paired with
            itself, a negative fold, or known people who contradict ``same``.
    """

    name: str
    photos: tuple[Photo, ...] = field(repr=False)
    a: NDArray[np.int32] = field(repr=False)
    b: NDArray[np.int32] = field(repr=False)
    same: NDArray[np.bool_] = field(repr=False)
    fold: NDArray[np.int32] | None = field(repr=False)

    def __post_init__(self) -> None:
        for name, dtype in (("a", np.int32), ("b", np.int32), ("same", np.bool_), ("fold", np.int32)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _column(getattr(self, name), dtype, f"{self.name}: {name}"))
        columns = [self.a, self.b, self.same] + ([] if self.fold is None else [self.fold])
        if len({len(column) for column in columns}) > 1:
            raise EvaluationError(f"{self.name}: {[len(column) for column in columns]} entries differ in number")
        if len({photo.path for photo in self.photos}) < len(self.photos):
            raise EvaluationError(f"{self.name}: a photo is listed twice")
        if not len(self.a):
            return
        rows = np.concatenate([self.a, self.b])
        if rows.min() < 0 or rows.max() >= len(self.photos):
            raise EvaluationError(f"{self.name}: rows {rows.min()} to {rows.max()} of {len(self.photos)} photos")
        if (self.a == self.b).any():
            raise EvaluationError(f"{self.name}: a photo is paired with itself")
        if self.fold is not None and self.fold.min() < 0:
            raise EvaluationError(f"{self.name}: fold {self.fold.min()}")
        if self.person is not None and ((self.person[self.a] == self.person[self.b]) != self.same).any():
            raise EvaluationError(f"{self.name}: the photos' people contradict what is said to be the same")

    def __len__(self) -> int:
        return len(self.a)

    @cached_property
    def person(self) -> NDArray[np.int32] | None:
        """(N,) int32, the number of each photo's person, by the order of their names; None where people are unknown."""
        names = [photo.person for photo in self.photos]
        if not all(names):
            return None
        number = {name: index for index, name in enumerate(sorted(set(names)))}
        return np.array([number[name] for name in names], dtype=np.int32)


class Pair(NamedTuple):
    """One line of a list of pairs."""

    a: Photo
    b: Photo
    same: bool
    fold: int | None


def pairs_of(name: str, pairs: Iterable[Pair], others: Iterable[Photo] = ()) -> Pairs:
    """The comparisons of a list; the photos in the order of their names. Either every pair has a fold or none.

    Args:
        name: Of the list.
        pairs: Its lines.
        others: Photos of the data set that may be in no pair.

    Raises:
        EvaluationError: As :class:`Pairs`.
    """
    listed = tuple(pairs)
    photos = tuple(sorted({photo for pair in listed for photo in pair[:2]}.union(others)))
    row = {photo: index for index, photo in enumerate(photos)}
    folds = [pair.fold for pair in listed if pair.fold is not None]
    return Pairs(
        name=name,
        photos=photos,
        a=np.array([row[pair.a] for pair in listed], dtype=np.int32),
        b=np.array([row[pair.b] for pair in listed], dtype=np.int32),
        same=np.array([pair.same for pair in listed], dtype=np.bool_),
        fold=np.array(folds, dtype=np.int32) if folds else None,
    )


def read_lfw_pairs(path: str | os.PathLike[str]) -> Pairs:
    """The pairs of a file in the format of LFW View 2.

    The format (http://vis-www.cs.umass.edu/lfw/README.txt, section 3c): a line with the number of sets and the number
    of matched pairs per set, 10 and 300 in the official file; then for every set that many lines ``NAME N M``, photos
    N and M of one person, and as many lines ``NAME N OTHER M`` of two. A photo is ``NAME/NAME_NNNN.jpg``.

    Args:
        path: The file. With the official numbers of sets and pairs the protocol is called ``LFW View 2``, with others
            by the file's name.

    Raises:
        EvaluationError: The file cannot be read or breaks the format; the message has the line.
    """
    path = Path(path)
    lines = read_list(path).rstrip().split("\n")
    header = lines[0].split()
    if len(header) != 2 or not all(_NUMBER.fullmatch(text) for text in header):
        raise EvaluationError(f"{path}, line 1: expected the numbers of sets and of pairs per set, such as '10 300'")
    folds, matched = (int(text) for text in header)
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
        try:
            pairs.append(_pair(line, place < matched, fold))
        except EvaluationError as error:
            raise EvaluationError(f"{path}, line {index + 2}: {error}") from error
    official = (folds, matched) == (10, 300)
    return pairs_of("LFW View 2" if official else f"{path.name}, {folds} sets of {2 * matched} pairs", pairs)


def _pair(line: str, same: bool, fold: int) -> Pair:
    words = line.split()
    form = "NAME N M" if same else "NAME N OTHER M"
    if len(words) != len(form.split()):
        raise EvaluationError(f"expected '{form}', found {line!r}")
    a, b = _photo(words[0], words[1]), _photo(words[0] if same else words[-2], words[-1])
    if a == b:
        raise EvaluationError("a photo is paired with itself")
    if not same and a.person == b.person:
        raise EvaluationError(f"a mismatched pair names {a.person!r} twice")
    return Pair(a, b, same, fold)


def _photo(person: str, number: str) -> Photo:
    if not _NAME.fullmatch(person):
        raise EvaluationError(f"{person!r} is no person's name: letters, digits, '_', '-' and '.' are allowed")
    if not _NUMBER.fullmatch(number):
        raise EvaluationError(f"{number!r} is no photo number")
    return Photo(person, f"{person}/{person}_{int(number):04d}.jpg")


def _column(values: Any, dtype: Any, what: str) -> NDArray[Any]:
    try:
        array = np.array(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise EvaluationError(f"{what} is no column of numbers: {error}") from error
    if array.ndim != 1:
        raise EvaluationError(f"{what} has shape {array.shape}; one value for each pair is wanted")
    array.flags.writeable = False
    return array

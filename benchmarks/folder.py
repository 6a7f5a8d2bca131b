"""A folder that has one of photos for each person: its photos, and pairs of them in the manner of LFW's protocol."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from math import comb, isqrt
from pathlib import Path
from random import Random

from ghostface_edge.errors import EvaluationError, OptionError

from .pairs import Pair, Pairs, pairs_of
from .photos import Photo, check_path

_log = logging.getLogger(__name__)

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Endings of files that are taken for photos, in small or capital letters."""


def people_photos(root: str | os.PathLike[str]) -> tuple[Photo, ...]:
    """Every photo ``ROOT/PERSON/FILE``, sorted by person and file.

    Hidden files and folders, files with other endings than :data:`EXTENSIONS` and folders inside people's folders are
    skipped; one warning counts them, another the people without a photo. Pictures are not opened.

    Args:
        root: The folder.

    Raises:
        EvaluationError: The folder is missing or unreadable; photos lie in it directly, so that nobody knows whose they
            are; a link leads out of it, or two names to one file; a name has a backslash or a control character, or
            is not UTF-8; or there are fewer than two people.
    """
    try:
        return _photos(os.path.realpath(root), root)
    except EvaluationError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise EvaluationError(f"{root} cannot be read as a folder of people: {reason}") from error


def sampled_pairs(photos: Sequence[Photo], count: int, *, seed: int, folds: int = 10, name: str) -> Pairs:
    """Pairs in the manner of LFW View 2: disjoint sets of people, in each as many pairs of one person as of two.

    People are dealt to the folds so that all have equally many, within one, and about equally many photos. For a
    genuine pair, a person of the fold is drawn, each equally likely, then two of the photos; for an impostor pair, two
    people, then a photo of each. No pair is drawn twice; who has no pair left is drawn no more.

    The same photos, count, seed and folds give the same pairs everywhere and always: only ``random.Random.random`` is
    used, the one method whose sequence Python promises to keep (library reference, ``random``, "Notes on
    Reproducibility"). The result lists all photos, also those that were not drawn.

    Args:
        photos: Of known people, in any order.
        count: Number of pairs, divisible by twice the number of folds.
        seed: Of the draw.
        folds: Number of disjoint sets.
        name: What reports call the pairs.

    Raises:
        OptionError: A count or a number of folds that makes no such pairs, or a seed that is no whole number.
        EvaluationError: Unknown people, a photo that is listed twice, or too few people or photos; the message says
            how many pairs there can be.
    """
    for option, value, least in (("count", count, 1), ("folds", folds, 2), ("seed", seed, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise OptionError(f"{option}={value!r} is not a whole number of {least} or more")
    if count % (2 * folds):
        raise OptionError(
            f"count={count} pairs cannot be shared evenly among {folds} folds of genuine and impostor pairs: "
            f"use a multiple of {2 * folds}"
        )
    random = Random(seed)  # noqa: S311 (no secret)
    groups = [_Group(people) for people in _dealt(_people(photos, name), folds, random)]
    each = count // (2 * folds)
    most = min(min(group.genuine, group.impostor) for group in groups)
    if each > most:
        raise EvaluationError(
            f"{name}: {count} pairs in {folds} folds are asked for, and these photos give {2 * folds * most} at most: "
            f"the poorest fold has {min(group.genuine for group in groups)} genuine and "
            f"{min(group.impostor for group in groups)} impostor pairs. Ask for fewer pairs or fewer folds"
        )
    pairs = []
    for fold, group in enumerate(groups):
        pairs += [Pair(*group.draw_genuine(random), True, fold) for _ in range(each)]
        pairs += [Pair(*group.draw_impostor(random), False, fold) for _ in range(each)]
    return pairs_of(name, pairs, photos)


def _photos(folder: str, root: str | os.PathLike[str]) -> tuple[Photo, ...]:
    photos: list[Photo] = []
    files: dict[tuple[int, int], str] = {}  # name of each file that was seen
    skipped, loose, empty = 0, [], 0
    for person in _entries(folder):
        if person.name.startswith("."):
            skipped += 1
        elif not _inside(person, folder, root).is_dir():
            if _is_picture(person.name):
                loose.append(person.name)
            skipped += 1
        else:
            before = len(photos)
            for file in _entries(person.path):
                if not _is_picture(file.name) or not _inside(file, folder, root).is_file():
                    skipped += 1
                    continue
                photo = Photo(person.name, f"{person.name}/{file.name}")
                status = file.stat()
                twin = files.setdefault((status.st_dev, status.st_ino), photo.path)
                if twin != photo.path:
                    raise EvaluationError(f"{root}: {twin!r} and {photo.path!r} are one file; remove one of the names")
                photos.append(photo)
            empty += len(photos) == before
    if loose:
        raise EvaluationError(
            f"{root}: {len(loose)} photos lie in the folder itself, {loose[0]!r} among them, and nothing says who is "
            "on them. Each person's photos belong in a folder named after the person"
        )
    people = len({photo.person for photo in photos})
    if people < 2:
        raise EvaluationError(
            f"{root}: photos of {people} people, and comparing takes two. Photos are FOLDER/PERSON/FILE, with the "
            f"endings {', '.join(EXTENSIONS)}"
        )
    if skipped:
        _log.warning("%s: skipped %d entries that are hidden, no photos by their ending, or no files", root, skipped)
    if empty:
        _log.warning("%s: %d people's folders have no photo", root, empty)
    return tuple(photos)


def _people(photos: Sequence[Photo], name: str) -> list[list[Photo]]:
    """The photos of each person, in the order of their names."""
    if len({photo.path for photo in photos}) < len(photos):
        raise EvaluationError(f"{name}: a photo is listed twice")
    people: dict[str, list[Photo]] = {}
    for photo in sorted(photos):
        people.setdefault(photo.person, []).append(photo)
    if "" in people:
        raise EvaluationError(f"{name}: nothing says who is on {people[''][0].path!r}; pairs are of known people")
    return list(people.values())


def _dealt(people: list[list[Photo]], folds: int, random: Random) -> list[list[list[Photo]]]:
    """People dealt to folds in rounds: those with the most photos first, in each round to the folds with the fewest."""
    order = sorted(people, key=lambda photos: (-len(photos), random.random()))
    groups: list[list[list[Photo]]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    for start in range(0, len(order), folds):
        poorest_first = sorted(range(folds), key=lambda fold: sizes[fold])
        for fold, photos in zip(poorest_first, order[start : start + folds]):
            groups[fold].append(photos)
            sizes[fold] += len(photos)
    return groups


class _Group:
    """The people of one fold, and which of their pairs are left.

    Attributes:
        genuine: How many genuine pairs there are.
        impostor: How many impostor pairs.
    """

    def __init__(self, people: list[list[Photo]]) -> None:
        self._people = people
        sizes = [len(photos) for photos in people]
        self.genuine = sum(comb(size, 2) for size in sizes)
        self.impostor = comb(sum(sizes), 2) - self.genuine
        self._repeated = [photos for photos in people if len(photos) > 1]
        self._persons = _Urn(len(self._repeated))
        self._couples = _Urn(comb(len(people), 2))
        self._left: dict[tuple[str, int], _Urn] = {}  # pairs of photos of a person or a couple that was drawn before

    def draw_genuine(self, random: Random) -> tuple[Photo, Photo]:
        place = self._persons.place(random)
        person = self._persons.number(place)
        photos = self._repeated[person]
        left = self._left.setdefault(("person", person), _Urn(comb(len(photos), 2)))
        first, second = _unordered(left.draw(random))
        if not left.size:
            self._persons.remove(place)
        return photos[first], photos[second]

    def draw_impostor(self, random: Random) -> tuple[Photo, Photo]:
        place = self._couples.place(random)
        couple = self._couples.number(place)
        first, second = (self._people[person] for person in _unordered(couple))
        left = self._left.setdefault(("couple", couple), _Urn(len(first) * len(second)))
        row, column = divmod(left.draw(random), len(second))
        if not left.size:
            self._couples.remove(place)
        return first[row], second[column]


class _Urn:
    """The numbers below ``size``, drawn at random; it takes memory for what was drawn only.

    The drawing is that of R. A. Fisher and F. Yates, as R. Durstenfeld gave it ("Algorithm 235", CACM 7, 1964).
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._moved: dict[int, int] = {}  # what lies in the places that were written to

    def place(self, random: Random) -> int:
        return int(random.random() * self.size)

    def number(self, place: int) -> int:
        return self._moved.get(place, place)

    def remove(self, place: int) -> None:
        self.size -= 1
        self._moved[place] = self.number(self.size)

    def draw(self, random: Random) -> int:
        place = self.place(random)
        number = self.number(place)
        self.remove(place)
        return number


def _unordered(index: int) -> tuple[int, int]:
    """The pair (i, j), i < j, with the number j (j - 1) / 2 + i."""
    j = (1 + isqrt(1 + 8 * index)) // 2
    return index - j * (j - 1) // 2, j


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _inside(entry: os.DirEntry[str], folder: str, root: str | os.PathLike[str]) -> os.DirEntry[str]:
    """The entry, if its name can be written down and it lies in the folder, also when it is a link."""
    try:
        check_path(entry.name)
    except EvaluationError as error:
        raise EvaluationError(f"{root}: {error}. Rename the file") from error
    if entry.is_symlink():
        place = os.path.realpath(entry.path)
        if os.path.commonpath([folder, place]) != folder:
            raise EvaluationError(f"{root}: link {entry.name!r} leads out of the folder, to {place!r}")
    return entry


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS

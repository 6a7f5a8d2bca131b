"""The lists of IJB-B and IJB-C for 1:1 mixed verification, in the layout that InsightFace publishes.

InsightFace's ``recognition/_evaluation_/ijb`` and the ``IJB_evals.py`` of Keras_insightface and GhostFaceNets read the
same three files of the folder ``meta``, fields separated by spaces; for IJB-C the names begin with ``ijbc``:

- ``ijbb_face_tid_mid.txt``: ``IMAGE TEMPLATE MEDIA``, an image, the template that it is part of, and the photo or video
  that it was taken from. 227,630 lines for IJB-B, 469,375 for IJB-C.
- ``ijbb_template_pair_label.txt``: ``TEMPLATE TEMPLATE LABEL``, 1 for two templates of one person, 0 for two people.
  8,010,270 lines for IJB-B, 15,658,489 for IJB-C.
- ``ijbb_name_5pts_score.txt``: ``IMAGE x1 y1 x2 y2 x3 y3 x4 y4 x5 y5 SCORE``, pixels of the five landmarks in the image
  and the confidence of the detector that found them. The images lie in the folder ``loose_crop``.

Upstream joins the first and the third file by line number; here they are joined by the image's name.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import EvaluationError, OptionError

from .photos import Photo

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_IMAGE = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")  # below its folder, whatever the file says
_NUMBER = re.compile(r"[0-9]{1,9}")  # fits int32
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_CHUNK = 4 << 20  # bytes of a list at a time
_MAX_LINE = 1 << 16  # bytes; the longest published line has about 100
_LANDMARKS = 10  # x and y of five


@dataclass(frozen=True, eq=False)
class IjbLists:
    """What is compared, and what it is made of.

    Attributes:
        name: Such as ``IJB-B``.
        photos: (N) the images, with their landmarks, in the order of the list of landmarks; people are not known.
        detector_scores: (N,) float32, confidence of the detector that found the landmarks.
        templates: (T,) int32, the numbers that the lists give to the templates, ascending.
        image: (M,) int32, row of ``photos``: one for each line of the list of images and templates.
        template: (M,) int32, row of ``templates`` that the image is part of.
        media: (M,) int32, the number of the photo or video that the image was taken from.
        a: (P,) int32, row of ``templates``: one for each line of the list of pairs.
        b: (P,) int32, row of the template that it is compared with.
        same: (P,) whether both are of one person.
    """

    name: str
    photos: tuple[Photo, ...] = field(repr=False)
    detector_scores: NDArray[np.float32] = field(repr=False)
    templates: NDArray[np.int32] = field(repr=False)
    image: NDArray[np.int32] = field(repr=False)
    template: NDArray[np.int32] = field(repr=False)
    media: NDArray[np.int32] = field(repr=False)
    a: NDArray[np.int32] = field(repr=False)
    b: NDArray[np.int32] = field(repr=False)
    same: NDArray[np.bool_] = field(repr=False)

    def __len__(self) -> int:
        """Number of comparisons."""
        return len(self.a)


def read_ijb(meta: str | os.PathLike[str], *, name: str) -> IjbLists:
    """Read the three lists of a folder ``meta``.

    Args:
        meta: The folder.
        name: ``IJB-B``, ``IJB-C``, or what else the set is called; in lower case and without hyphens it is how the
            files' names begin.

    Raises:
        OptionError: A name that begins no file's name.
        EvaluationError: A list is missing or breaks the format, or the lists contradict each other; the message has
            the file and the line.
    """
    if not _NAME.fullmatch(name):
        raise OptionError(f"name={name!r} is not the name of a data set: use IJB-B or IJB-C")
    prefix = name.lower().replace("-", "")
    members, landmarks, pairs = (
        Path(meta) / f"{prefix}_{part}.txt" for part in ("face_tid_mid", "name_5pts_score", "template_pair_label")
    )
    photos, scores = _read_landmarks(landmarks)
    image, template_numbers, media = _read_members(members, landmarks, photos)
    templates, template = np.unique(template_numbers, return_inverse=True)
    a, b, same = _read_pairs(pairs, members, templates)
    return IjbLists(
        name=name,
        photos=photos,
        detector_scores=scores,
        templates=templates,
        image=image,
        template=template.astype(np.int32),
        media=media,
        a=a,
        b=b,
        same=same,
    )


def _read_landmarks(path: Path) -> tuple[tuple[Photo, ...], NDArray[np.float32]]:
    lines: dict[str, int] = {}
    photos, scores = [], []
    for number, line in _numbered(path):
        fields = line.split()
        where = f"{path}, line {number}"
        if len(fields) != _LANDMARKS + 2:
            raise EvaluationError(f"{where}: expected 'IMAGE x1 y1 ... x5 y5 SCORE', found {_shown(line)}")
        image = _image(fields[0], where)
        first = lines.setdefault(image, number)
        if first != number:
            raise EvaluationError(f"{where}: {image!r} is there already, in line {first}")
        values = [float(text) if _DECIMAL.fullmatch(text) else math.nan for text in fields[1:]]
        if not all(map(math.isfinite, values)):
            raise EvaluationError(f"{where}: landmarks and score must be finite numbers, found {_shown(line)}")
        if not 0 <= values[-1] <= 1:
            raise EvaluationError(f"{where}: the detector's score {fields[-1]} is not between 0 and 1")
        photos.append(Photo("", image, tuple(values[:-1])))
        scores.append(values[-1])
    return tuple(photos), np.array(scores, dtype=np.float32)


def _read_members(
    path: Path, landmarks: Path, photos: tuple[Photo, ...]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    rows = {photo.path: row for row, photo in enumerate(photos)}
    seen: dict[tuple[int, int], int] = {}
    result = []
    for number, line in _numbered(path):
        fields = line.split()
        where = f"{path}, line {number}"
        if len(fields) != 3 or not all(_NUMBER.fullmatch(text) for text in fields[1:]):
            raise EvaluationError(f"{where}: expected 'IMAGE TEMPLATE MEDIA', found {_shown(line)}")
        image = _image(fields[0], where)
        row = rows.get(image)
        if row is None:
            raise EvaluationError(f"{where}: {landmarks} has no landmarks for {image!r}")
        template = int(fields[1])
        first = seen.setdefault((row, template), number)
        if first != number:
            raise EvaluationError(f"{where}: {image!r} is in template {template} already, by line {first}")
        result.append((row, template, int(fields[2])))
    image_rows, templates, media = np.array(result, dtype=np.int32).T.copy()
    unused = np.flatnonzero(np.bincount(image_rows, minlength=len(photos)) == 0)
    if len(unused):
        raise EvaluationError(
            f"{landmarks} and {path} do not belong together: {len(unused)} of {len(photos)} images are in no template, "
            f"{photos[unused[0]].path!r} among them"
        )
    return image_rows, templates, media


def _read_pairs(
    path: Path, members: Path, templates: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    a, b, same = [], [], []
    line = 1
    for block in _lines(path):
        table = _integers(block, path, line)
        row = np.searchsorted(templates, table[:, :2]).astype(np.int32)
        unknown = templates[np.minimum(row, len(templates) - 1)] != table[:, :2]
        checks = (
            (unknown[:, 0], "{members} has no image for template {a}"),
            (unknown[:, 1], "{members} has no image for template {b}"),
            (table[:, 0] == table[:, 1], "template {a} is paired with itself"),
            (table[:, 2] > 1, "label {label} is neither 0 nor 1"),
        )
        for wrong, message in checks:
            if wrong.any():
                index = int(np.argmax(wrong))
                first, second, label = table[index]
                text = message.format(members=members, a=first, b=second, label=label)
                raise EvaluationError(f"{path}, line {line + index}: {text}")
        a.append(row[:, 0].copy())
        b.append(row[:, 1].copy())
        same.append(table[:, 2] == 1)
        line += len(table)
    return np.concatenate(a), np.concatenate(b), np.concatenate(same)


def _integers(block: bytes, path: Path, first: int) -> NDArray[np.int32]:
    """The three numbers of every line, (L, 3); a hundred times as fast as ``int`` on each."""
    data = np.frombuffer(block, dtype=np.uint8)
    digit = (data >= ord("0")) & (data <= ord("9"))
    newline = data == ord("\n")
    blank = (data == ord(" ")) | (data == ord("\t")) | (data == ord("\r"))
    edges = np.flatnonzero(np.diff(digit, prepend=False, append=False))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    ends = np.flatnonzero(newline)
    if not (
        np.all(digit | newline | blank)
        and len(starts) == 3 * len(ends)
        and np.all(starts[2::3] < ends)
        and np.all(starts[3::3] > ends[:-1])
        and np.all(lengths <= 9)
    ):
        for number, line in enumerate(block.split(b"\n"), first):
            fields = line.decode("utf-8", "replace").split()
            if len(fields) != 3 or not all(_NUMBER.fullmatch(text) for text in fields):
                raise EvaluationError(
                    f"{path}, line {number}: expected 'TEMPLATE TEMPLATE LABEL', three numbers of at most nine digits, "
                    f"found {_shown(line.decode('utf-8', 'replace'))}"
                )
    values = np.zeros(len(starts), dtype=np.int32)
    for place in range(int(lengths.max())):
        (more,) = np.nonzero(lengths > place)
        values[more] = values[more] * 10 + (data[starts[more] + place] - ord("0"))
    return values.reshape(-1, 3)


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    number = 1
    for block in _lines(path):
        try:
            lines = block.decode().split("\n")
        except UnicodeDecodeError as error:
            raise EvaluationError(f"{path} cannot be read: {error}") from error
        yield from enumerate(lines[:-1], number)
        number += len(lines) - 1


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, many at a time, each ended by a newline; without the blank ones at the end of the file."""
    if not path.is_file():
        raise EvaluationError(f"there is no list {str(path)!r}")
    rest, empty = b"", True
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                rest += chunk
                # The last line that is not blank waits for what follows.
                cut = rest.rstrip(b" \t\r\n").rfind(b"\n") + 1
                if len(rest) - cut > _CHUNK + _MAX_LINE:
                    raise EvaluationError(f"{path} is no list: it has a line, or blank lines, of {len(rest)} bytes")
                if cut:
                    yield rest[:cut]
                    rest, empty = rest[cut:], False
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error}") from error
    rest = rest.rstrip(b" \t\r\n")
    if rest:
        yield rest + b"\n"
    elif empty:
        raise EvaluationError(f"{path} is empty")


def _image(text: str, where: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise EvaluationError(
            f"{where}: {text!r} is no image's name: letters, digits, '_', '-', '.' and '/' are allowed"
        )
    return text


def _shown(line: str) -> str:
    return repr(line if len(line) <= 80 else line[:77] + "...")

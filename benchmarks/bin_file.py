"""The verification sets of InsightFace: ``lfw.bin``, ``cfp_fp.bin``, ``agedb_30.bin``, ``calfw.bin``, ``cplfw.bin``.

A file is a pickle of two lists in a tuple: the 2 P encoded pictures, and P booleans (recognition/_datasets_ and
recognition/arcface_torch/eval/verification.py, ``load_bin``, of https://github.com/deepinsight/insightface). Pair i is
pictures 2 i and 2 i + 1; the pictures are crops of 112 x 112 pixels, aligned to the ArcFace template. Who is on them is
not said, and a photo of several pairs is in the file several times.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import EvaluationError, ImageError
from ghostface_edge.image import recognise

from .data_file import read_file
from .pairs import Pairs
from .photos import Photo
from .plain_pickle import read_plain

FOLDS = 10
"""As many as InsightFace's ``evaluate`` makes (``nrof_folds``)."""

_MAX_BYTES = 2 << 30  # cfp_fp.bin, the largest of the published ones, has about 100 MB


@dataclass(frozen=True, eq=False)
class BinSet:
    """A verification set in memory: a :class:`~ghostface_edge.benchmarks.photos.PhotoSource` and what is compared.

    Attributes:
        name: The file's name.
        pairs: The comparisons. Photo i is called ``lfw.bin[i]``, after the file.
        aligned: True: the pictures are aligned crops.
    """

    name: str
    pairs: Pairs
    _pictures: tuple[memoryview, ...] = field(repr=False)  # of the file's bytes, which are held once
    aligned: bool = field(default=True, init=False)

    def read(self, photo: Photo) -> bytes:
        """The bytes of a picture.

        Raises:
            EvaluationError: The photo is not of this set.
        """
        if photo not in self._row:
            raise EvaluationError(f"{self.name} has no picture {photo.path!r}")
        return bytes(self._pictures[self._row[photo]])

    @cached_property
    def _row(self) -> dict[Photo, int]:
        return {photo: row for row, photo in enumerate(self.pairs.photos)}


def read_bin(path: str | os.PathLike[str]) -> BinSet:
    """The verification set of a ``.bin`` file. No code in it runs, and its pictures are not decoded yet.

    Folds are those of InsightFace, which splits the pairs by scikit-learn's ``KFold(n_splits=10, shuffle=False)``: ten
    blocks in the order of the file, of P // 10 pairs each, the first P % 10 of them with one more.

    Args:
        path: The file.

    Raises:
        EvaluationError: The file is missing, damaged, cut short or above 2 GiB, holds anything but bytes, lists, tuples
            and booleans, has not two pictures for each label, an entry that is no picture (it is named), or fewer
            than ten pairs.
    """
    path = Path(path)
    data = read_file(path, _MAX_BYTES, f"verification set {str(path)!r}")
    try:
        pictures, labels = _contents(read_plain(data), path.name)
    except EvaluationError as error:
        raise EvaluationError(f"{path}: {error}") from error
    first = np.arange(0, len(pictures), 2, dtype=np.int32)
    pairs = Pairs(
        name=path.name,
        photos=tuple(Photo("", f"{path.name}[{index}]") for index in range(len(pictures))),
        a=first,
        b=first + 1,
        same=np.array(labels, dtype=np.bool_),
        fold=_folds(len(labels)),
    )
    return BinSet(path.name, pairs, pictures)


def _contents(value: Any, name: str) -> tuple[tuple[memoryview, ...], tuple[bool, ...]]:
    lists = (list, tuple)
    if not (isinstance(value, lists) and len(value) == 2 and all(isinstance(part, lists) for part in value)):
        raise EvaluationError("this is no list of pictures and list of labels")
    pictures, labels = value
    if not pictures and not labels:
        raise EvaluationError("the set is empty")
    if len(pictures) != 2 * len(labels):
        raise EvaluationError(
            f"{len(pictures)} pictures and {len(labels)} labels; a label is for two pictures, so {2 * len(labels)} "
            "pictures are wanted"
        )
    for index, picture in enumerate(pictures):
        if not isinstance(picture, memoryview):
            raise EvaluationError(f"{name}[{index}] is no picture but a {type(picture).__name__}")
        try:
            recognise(picture, f"{name}[{index}]")
        except ImageError as error:
            raise EvaluationError(str(error)) from error
    for index, label in enumerate(labels):
        if not isinstance(label, bool):
            kind = "bytes" if isinstance(label, memoryview) else type(label).__name__
            raise EvaluationError(f"label {index} is no boolean but {kind}")
    if len(labels) < FOLDS:
        raise EvaluationError(f"{len(labels)} pairs; the protocol has {FOLDS} folds, so {FOLDS} pairs are the least")
    return tuple(pictures), tuple(labels)


def _folds(pairs: int) -> NDArray[np.int32]:
    size, longer = divmod(pairs, FOLDS)
    return np.repeat(np.arange(FOLDS, dtype=np.int32), [size + (fold < longer) for fold in range(FOLDS)])

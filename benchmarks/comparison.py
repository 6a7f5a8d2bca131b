"""A system beside the baseline: paired differences, and whether they mean anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ghostface_edge.matching import cosine

from .enrolment import Enrolment
from .interval import Interval
from .mcnemar import McNemar
from .metrics import CrossValidation, Scores
from .pairs import Pairs
from .system import SystemInfo
from .uncertainty import paired_accuracy_difference, paired_tar_differences

_PHOTOS = 8192  # at a time: 34 MB each of 512 numbers in float64


@dataclass(frozen=True)
class TarDifference:
    """How much more, or less, a system accepts of the genuine comparisons than the baseline, both at one FMR.

    Attributes:
        fmr: The false-match rate.
        difference: TAR of the system minus TAR of the baseline.
        interval: Of the difference.
    """

    fmr: float
    difference: float
    interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "interval": self.interval.to_dict()}


@dataclass(frozen=True)
class Cosine:
    """How alike the embeddings are that two systems make of the same photos.

    Attributes:
        mean: Of all photos.
        least: Of the photo on which they differ most.
        photos: How many both enrolled.
    """

    mean: float
    least: float
    photos: int


@dataclass(frozen=True)
class Comparison:
    """A system beside the baseline, on the same comparisons.

    Attributes:
        baseline: The first system of the run.
        system: Another one.
        accuracy_difference: Cross-validated accuracy of the system minus the baseline's.
        accuracy_interval: Of the difference.
        mcnemar: Comparisons that only the baseline (``only_first``), or only the system, answers rightly.
        tar_differences: At each FMR that the data support.
        cosine: Between the two systems' embeddings of each photo that both enrolled; None for systems whose embeddings
            are not to be compared.
    """

    baseline: SystemInfo
    system: SystemInfo
    accuracy_difference: float | None
    accuracy_interval: Interval | None
    mcnemar: McNemar | None
    tar_differences: tuple[TarDifference, ...]
    cosine: Cosine | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "baseline": self.baseline.to_dict(),
            "system": self.system.to_dict(),
            "accuracy_difference": self.accuracy_difference,
            "accuracy_interval": None if self.accuracy_interval is None else self.accuracy_interval.to_dict(),
            "mcnemar": None if self.mcnemar is None else self.mcnemar.to_dict(),
            "tar_differences": [difference.to_dict() for difference in self.tar_differences],
            "cosine": None if self.cosine is None else dict(vars(self.cosine)),
        }


@dataclass(frozen=True, eq=False)
class Answers:
    """What a comparison needs of one system.

    Attributes:
        accuracy: On the protocol's list of pairs, where it has folds.
        scores: Of all comparisons that TAR is counted on.
        faces: The embeddings.
    """

    accuracy: CrossValidation | None
    scores: Scores
    faces: Enrolment

    @property
    def system(self) -> SystemInfo:
        """Whose answers."""
        return self.faces.system


def compare(baseline: Answers, other: Answers, pairs: Pairs | None) -> Comparison:
    """Put a system beside the baseline.

    Args:
        baseline: The first system.
        other: The other one, on the same photos and pairs.
        pairs: What the accuracies were counted on.
    """
    difference = interval = test = None
    if pairs is not None and baseline.accuracy is not None and other.accuracy is not None:
        before, after = baseline.accuracy.right, other.accuracy.right
        difference, interval = paired_accuracy_difference(before, after, pairs)
        test = McNemar(int(np.sum(before & ~after)), int(np.sum(after & ~before)))
    rates = [rate for rate in baseline.scores.supported_fmrs() if rate in other.scores.supported_fmrs()]
    return Comparison(
        baseline=baseline.system,
        system=other.system,
        accuracy_difference=difference,
        accuracy_interval=interval,
        mcnemar=test,
        tar_differences=tuple(
            TarDifference(rate, *found)
            for rate, found in zip(rates, paired_tar_differences(baseline.scores, other.scores, rates))
        ),
        cosine=_cosine(baseline.faces, other.faces),
    )


def _cosine(a: Enrolment, b: Enrolment) -> Cosine | None:
    (both,) = np.nonzero(a.enrolled & b.enrolled)
    if a.system.model.model_id != b.system.model.model_id or not len(both):
        return None
    parts = [both[start : start + _PHOTOS] for start in range(0, len(both), _PHOTOS)]
    found = np.concatenate([cosine(a.embeddings[part], b.embeddings[part]) for part in parts])
    return Cosine(float(found.mean()), float(found.min()), len(both))

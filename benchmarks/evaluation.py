"""What an evaluation found out about one system, and about one system beside another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .interval import Interval
from .mcnemar import McNemar
from .photos import Photo
from .system import SystemInfo

if TYPE_CHECKING:
    from .enrolment import Failure
    from .identification import Identification
    from .metrics import CrossValidation, ErrorRates, Scores


@dataclass(frozen=True)
class WorstError:
    """A comparison that went wrong at the threshold of a report.

    Attributes:
        kind: ``false match`` or ``false non-match``.
        a: One photo.
        b: The other.
        similarity: Their cosine similarity.
    """

    kind: str
    a: Photo
    b: Photo
    similarity: float


@dataclass(frozen=True)
class Evaluation:
    """One system on one protocol.

    Attributes:
        protocol: Such as ``LFW View 2``.
        dataset: Name of the folder or file.
        system: What was evaluated.
        photos: Number of photos.
        people: Number of people in them; None where the data set does not say.
        failures: Photos that could not be enrolled, with the reason.
        failed_pairs: Comparisons of the protocol's list with such a photo; they are answered "different".
        accuracy: Cross-validated accuracy, where the protocol has folds.
        accuracy_interval: Of the mean accuracy.
        pairs: Error rates over the protocol's list of pairs, where it has one.
        all_pairs: Error rates over all comparisons among the photos, where people are known.
        identification: 1:N figures, where they were asked for.
        seconds: Wall-clock time of reading, detecting, aligning and embedding.
        computed: Photos that were embedded in this run; the others came from the cache.
        pair_scores: What ``pairs`` counts.
        all_scores: What ``all_pairs`` counts.
        worst: The worst errors, for a contact sheet.
    """

    protocol: str
    dataset: str
    system: SystemInfo
    photos: int
    people: int | None
    failures: tuple[Failure, ...] = field(repr=False)
    failed_pairs: int
    accuracy: CrossValidation | None
    accuracy_interval: Interval | None
    pairs: ErrorRates | None
    all_pairs: ErrorRates | None
    identification: Identification | None
    seconds: float
    computed: int
    pair_scores: Scores | None = field(default=None, repr=False, compare=False)
    all_scores: Scores | None = field(default=None, repr=False, compare=False)
    worst: tuple[WorstError, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class TarDifference:
    """How much more, or less, a system accepts of genuine comparisons than the baseline, both at one FMR.

    Attributes:
        fmr: The false-match rate.
        difference: TAR of the system minus TAR of the baseline.
        interval: Of the difference.
    """

    fmr: float
    difference: float
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """A system beside the baseline, on the same comparisons.

    Attributes:
        baseline: The first system of the run.
        system: Another one.
        accuracy_difference: Cross-validated accuracy of the system minus the baseline's.
        accuracy_interval: Of the difference.
        mcnemar: Comparisons that only the baseline, or only the system, answers rightly.
        tar_differences: At each FMR that the data support.
    """

    baseline: SystemInfo
    system: SystemInfo
    accuracy_difference: float | None
    accuracy_interval: Interval | None
    mcnemar: McNemar | None
    tar_differences: tuple[TarDifference, ...]

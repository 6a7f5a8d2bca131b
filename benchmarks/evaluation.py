"""What an evaluation found out about one system."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .curve import Curve
from .enrolment import Failure
from .identification import Identification
from .interval import Interval
from .metrics import CrossValidation, ErrorRates
from .system import SystemInfo
from .worst import WorstError


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
        seconds: Wall-clock time of reading, detecting, aligning and embedding.
        computed: Photos that were embedded in this run; the others came from the cache.
        failed_pairs: Comparisons of the protocol's list with a photo that was not enrolled; they are answered
            "different".
        failed_templates: Templates of which no photo was enrolled, where the protocol compares templates.
        accuracy: Cross-validated accuracy, where the protocol has folds.
        accuracy_interval: Of the mean accuracy.
        pairs: Error rates over the protocol's list of pairs, where it has one.
        pair_curve: What a figure of them needs.
        all_pairs: Error rates over all comparisons among the photos, where people are known.
        all_curve: What a figure of them needs.
        identification: 1:N figures, where they were asked for.
        worst: The worst errors, where they were asked for.
    """

    protocol: str
    dataset: str
    system: SystemInfo
    photos: int
    people: int | None
    failures: tuple[Failure, ...] = field(repr=False)
    seconds: float
    computed: int
    failed_pairs: int = 0
    failed_templates: int = 0
    accuracy: CrossValidation | None = field(default=None, repr=False)
    accuracy_interval: Interval | None = None
    pairs: ErrorRates | None = field(default=None, repr=False)
    pair_curve: Curve | None = field(default=None, repr=False, compare=False)
    all_pairs: ErrorRates | None = field(default=None, repr=False)
    all_curve: Curve | None = field(default=None, repr=False, compare=False)
    identification: Identification | None = field(default=None, repr=False)
    worst: tuple[WorstError, ...] = field(default=(), repr=False)

    @property
    def steadiest(self) -> ErrorRates | None:
        """The error rates over the most comparisons."""
        return self.pairs if self.all_pairs is None else self.all_pairs

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""

        def plain(value: Any) -> Any:
            return None if value is None else value.to_dict()

        return {
            "protocol": self.protocol,
            "dataset": self.dataset,
            "system": self.system.to_dict(),
            "photos": self.photos,
            "people": self.people,
            "failures": [{"photo": failure.photo.path, "reason": failure.reason} for failure in self.failures],
            "failed_pairs": self.failed_pairs,
            "failed_templates": self.failed_templates,
            "accuracy": plain(self.accuracy),
            "accuracy_interval": plain(self.accuracy_interval),
            "pairs": plain(self.pairs),
            "all_pairs": plain(self.all_pairs),
            "identification": plain(self.identification),
            "worst": [error.to_dict() for error in self.worst],
            "seconds": round(self.seconds, 3),
            "computed": self.computed,
        }

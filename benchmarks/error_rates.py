"""All error rates of a set of comparisons, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .interval import Interval, wider, wilson
from .operating_point import OperatingPoint
from .scores import FMRS, Scores
from .uncertainty import REPLICATES, IdentityBootstrap


@dataclass(frozen=True)
class ErrorRates:
    """Error rates over a set of comparisons.

    Attributes:
        genuine: Comparisons of one person.
        impostor: Comparisons of two people.
        people: How many people are in them; None where they are not known.
        equal_error_rate: Where FMR and FNMR are equal.
        equal_error_rate_interval: None where the people are not known, or too few.
        auc: The area under the ROC.
        auc_interval: None where the people are not known, or too few.
        points: The threshold and the errors at each false-match rate that the data support, from the largest.
    """

    genuine: int
    impostor: int
    people: int | None
    equal_error_rate: float
    equal_error_rate_interval: Interval | None
    auc: float
    auc_interval: Interval | None
    points: tuple[OperatingPoint, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "genuine": self.genuine,
            "impostor": self.impostor,
            "people": self.people,
            "equal_error_rate": self.equal_error_rate,
            "equal_error_rate_interval": self.equal_error_rate_interval and self.equal_error_rate_interval.to_dict(),
            "auc": self.auc,
            "auc_interval": self.auc_interval and self.auc_interval.to_dict(),
            "points": [point.to_dict() for point in self.points],
        }


def error_rates(
    scores: Scores, *, fmrs: Sequence[float] = FMRS, replicates: int = REPLICATES, seed: int = 0
) -> ErrorRates:
    """The error rates of comparisons, as far as the data support them.

    Intervals come from :class:`~ghostface_edge.benchmarks.uncertainty.IdentityBootstrap`; all but those of thresholds
    reach as far as Wilson's, too, because a bootstrap of perfect scores has no width. For EER and AUC Wilson's is that
    of as many cases as there are comparisons of the rarer kind: the EER is a rate over both kinds, and the variance of
    an AUC A is at most A (1 - A) / min(genuine, impostor) (D. van Dantzig, Indagationes Mathematicae 13, 1951). Where
    people are not known, or each is in one comparison only, Wilson's stand alone for FMR and FNMR.

    Args:
        scores: The comparisons.
        fmrs: False-match rates to find the thresholds for. Those that take more impostor comparisons than there are
            are left out (rule of three, :meth:`~ghostface_edge.benchmarks.scores.Scores.threshold_at`).
        replicates: How often people are drawn anew.
        seed: Of the drawing; the same seed draws the same people everywhere.

    Raises:
        EvaluationError: A false-match rate that is none.
        OptionError: Too few replicates, or a seed that is none.
    """
    points = tuple(scores.at(fmr) for fmr in sorted(fmrs, reverse=True) if scores.supports(fmr))
    bootstrap = IdentityBootstrap.of(scores, replicates=replicates, seed=seed)
    eer, auc, cases = scores.equal_error_rate(), scores.auc(), min(len(scores.genuine), len(scores.impostor))
    of_eer = of_auc = None
    if bootstrap is not None:
        of_eer = _at_least_wilsons(bootstrap.interval(bootstrap.equal_error_rate()), eer, cases)
        of_auc = _at_least_wilsons(bootstrap.interval(bootstrap.auc()), auc, cases)
        points = tuple(_with_intervals(point, bootstrap) for point in points)
    return ErrorRates(
        genuine=len(scores.genuine),
        impostor=len(scores.impostor),
        people=scores.people,
        equal_error_rate=eer,
        equal_error_rate_interval=of_eer,
        auc=auc,
        auc_interval=of_auc,
        points=points,
    )


def _at_least_wilsons(own: Interval | None, value: float, cases: int) -> Interval | None:
    return None if own is None else wider(wilson(value * cases, cases), own)


def _with_intervals(point: OperatingPoint, bootstrap: IdentityBootstrap) -> OperatingPoint:
    thresholds = bootstrap.threshold_at(point.fmr)
    return replace(
        point,
        threshold_interval=bootstrap.interval(thresholds),
        fmr_interval=bootstrap.widen(point.fmr_interval, bootstrap.fmr(point.threshold)),
        fnmr_interval=bootstrap.widen(point.fnmr_interval, bootstrap.fnmr(thresholds)),
    )

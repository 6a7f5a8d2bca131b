"""The threshold for one false-match rate, and the errors there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .interval import Interval
from .rates import Rate


@dataclass(frozen=True)
class OperatingPoint:
    """What happens at the threshold for one false-match rate.

    Attributes:
        fmr: The rate that was asked for.
        threshold: The least similarity of six decimals at which the measured FMR is not above it.
        false_matches: Impostor comparisons at or above the threshold.
        false_non_matches: Genuine comparisons below it.
        threshold_interval: Where the threshold for this FMR may lie; None where the people are not known.
        fmr_interval: The FMR that this threshold may have.
        fnmr_interval: The FNMR that this FMR may have: where the people are known, it covers the threshold's
            uncertainty, too.
    """

    fmr: float
    threshold: float
    false_matches: Rate
    false_non_matches: Rate
    threshold_interval: Interval | None
    fmr_interval: Interval
    fnmr_interval: Interval

    @property
    def true_matches(self) -> Rate:
        """Genuine comparisons at or above the threshold: TAR, 1 - FNMR."""
        missed = self.false_non_matches
        return Rate(missed.total - missed.count, missed.total)

    @property
    def tar_interval(self) -> Interval:
        """The interval of the TAR, mirrored from that of the FNMR."""
        missed = self.fnmr_interval
        return Interval(1 - missed.high, 1 - missed.low, missed.method)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "fmr": self.fmr,
            "threshold": self.threshold,
            "threshold_interval": self.threshold_interval and self.threshold_interval.to_dict(),
            "measured_fmr": {**self.false_matches.to_dict(), "interval": self.fmr_interval.to_dict()},
            "fnmr": {**self.false_non_matches.to_dict(), "interval": self.fnmr_interval.to_dict()},
            "tar": {**self.true_matches.to_dict(), "interval": self.tar_interval.to_dict()},
        }

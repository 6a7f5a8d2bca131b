"""Every figure of a verification: where each is defined, with its source.

Rates with their counts and intervals (:mod:`.rates`, :mod:`.interval`); similarities and the rates that they make
(:mod:`.scores`); the threshold for one false-match rate (:mod:`.operating_point`); all of it at once
(:mod:`.error_rates`); accuracy by LFW's protocol (:mod:`.cross_validation`). How sure they are: :mod:`.uncertainty`.
"""

from __future__ import annotations

from .cross_validation import CrossValidation, cross_validate
from .error_rates import ErrorRates, error_rates
from .interval import Interval
from .operating_point import OperatingPoint
from .rates import Rate
from .scores import FMRS, Scores

__all__ = [
    "FMRS",
    "CrossValidation",
    "ErrorRates",
    "Interval",
    "OperatingPoint",
    "Rate",
    "Scores",
    "cross_validate",
    "error_rates",
]

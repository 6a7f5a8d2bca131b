"""The least that a converted model must keep of its float network, or it is not put in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ghostface_edge.errors import OptionError

from .parity import Parity

_OFF = ("off", "none")


@dataclass(frozen=True)
class Gate:
    """Limits on a :class:`~ghostface_edge.converters.parity.Parity`.

    Attributes:
        cosine: Least mean cosine.
        cosine_min: Least cosine of the worst face.
    """

    cosine: float
    cosine_min: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not -1 <= value <= 1:
                raise OptionError(f"gate: {name}={value!r} is no cosine between -1 and 1")

    @classmethod
    def parse(cls, text: str, precision: str) -> Gate | None:
        """A gate from text such as ``cosine=0.985,cosine_min=0.95``; ``default``; ``off`` is None.

        What the text leaves out is the precision's default, but never more than what it states for ``cosine``.

        Raises:
            OptionError: An unknown limit, or a value that is no cosine.
        """
        values = parse_limits(text, DEFAULT_GATES[precision].to_dict(), "cosine=0.985,cosine_min=0.95")
        if values is None:
            return None
        if "cosine_min" not in text:
            values["cosine_min"] = min(values["cosine_min"], values["cosine"])
        return cls(**values)

    def failures(self, parity: Parity) -> tuple[str, ...]:
        """What a model misses, in words; empty where it passes."""
        checks = (
            ("mean cosine to float", parity.cosine_mean, self.cosine),
            ("least cosine to float", parity.cosine_min, self.cosine_min),
        )
        return tuple(
            f"{what} {_below(value, limit)} is below {limit:g}" for what, value, limit in checks if not value >= limit
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))

    def to_text(self) -> str:
        """The limits, for people."""
        return f"mean cosine {self.cosine:g}, least {self.cosine_min:g}"


def _below(value: float, limit: float) -> str:
    """A value with as many digits, at least 6, as show that it is below a limit."""
    texts = (f"{value:.{digits}f}" for digits in range(6, 18))
    return next((text for text in texts if not float(text) >= limit), repr(value))


def parse_limits(text: str, defaults: Mapping[str, float], example: str) -> dict[str, float] | None:
    """Limits from text such as ``name=0.5,other=2``.

    Args:
        text: Limits; ``default``; or ``off``, which is None.
        defaults: Every limit that there is, and its value where the text does not say one.
        example: What to write instead, for the message.

    Raises:
        OptionError: An unknown limit, or a value that is no number.
    """
    if not isinstance(text, str):
        raise OptionError(f"gate {text!r}: write off, or limits such as {example}")
    if text.strip() in _OFF:
        return None
    values = dict(defaults)
    for part in () if text.strip() == "default" else text.split(","):
        name, equals, number = part.partition("=")
        name = name.strip()
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not equals or name not in values or value != value:
            raise OptionError(f"gate {text!r}: write off, or limits such as {example}")
        values[name] = value
    return values


DEFAULT_GATES = {
    "float32": Gate(0.999999, 0.99999),
    "float16": Gate(0.9999, 0.999),
    "dynamic": Gate(0.996, 0.985),
    "int8": Gate(0.975, 0.93),
    "int16x8": Gate(0.996, 0.985),
    "mixed": Gate(0.975, 0.93),
}
"""By precision. What a cosine means, on the official W0.5-S2 checkpoint (LFW, SCRFD crops, 98.80 % in float): int8
files with a mean of 0.9775 had 98.63 %, with 0.946 98.25 %, with 0.17 69 %.
"""

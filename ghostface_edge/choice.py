"""Which file of a network this machine runs best, and why: what ``precision="auto"`` means.

It is the float32 or the float16 file, whichever the CPU and the runtime compute faster. The two give embeddings within
cosine 0.9998 of each other and share their thresholds (:data:`~ghostface_edge.thresholds.ALIKE`), so the choice never
changes what a threshold means. Whatever costs accuracy is chosen by name alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .cpu import has_half
from .thresholds import ALIKE

AUTO = "auto"
"""The precision that stands for the choice made here."""

RUNTIME_NAMES = {"litert": "LiteRT", "onnx": "ONNX Runtime"}
"""What people call the runtimes."""


@dataclass(frozen=True)
class Choice:
    """The file that runs for a network.

    Attributes:
        path: The file.
        precision: Its numerical form, as in model cards; empty for a file that the caller named, whose card says it.
        runtime: What runs it, ``litert`` or ``onnx``; empty likewise.
        reason: Why this one, in a few words; empty where the caller chose.
        advice: Where a better file is lacking, what to do to get it: one command. Else empty.
    """

    path: Path
    precision: str = ""
    runtime: str = ""
    reason: str = ""
    advice: str = ""

    @property
    def explanation(self) -> str:
        """Reason and advice in one line; empty where the caller chose."""
        return f"{self.reason}; better: {self.advice}" if self.advice else self.reason

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return {**vars(self), "path": str(self.path)}


def forms(features: tuple[str, ...], runtimes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Runtime and precision of the files that may be chosen, the best first.

    Args:
        features: Of the CPU, as :class:`~ghostface_edge.cpu.CPU` lists them.
        runtimes: Those that are installed, the best first.
    """
    plain = [(runtime, precision) for runtime in runtimes for precision in ALIKE]
    half = ("litert", "float16")
    if has_half(features) and half in plain:
        return (half, *(form for form in plain if form != half))
    return tuple(plain)


def choose(
    features: tuple[str, ...], runtimes: Sequence[str], find: Callable[[str, str], Path | None]
) -> Choice | None:
    """The best file that is there or can be made; None where there is none.

    Args:
        features: Of the CPU, as :class:`~ghostface_edge.cpu.CPU` lists them.
        runtimes: Those that are installed, the best first; at least one.
        find: Gives the file for a runtime and a precision, or None. It is asked for the best first, and no further than
            needed.
    """
    best, *others = forms(features, runtimes)
    path = find(*best)
    if path is not None:
        return Choice(path, best[1], best[0], _reason(features, best))
    for form in others:
        path = find(*form)
        if path is not None:
            why = f"there is no {best[1]} file for {RUNTIME_NAMES[best[0]]}, which would suit this CPU best"
            return Choice(path, form[1], form[0], why)
    return None


def _reason(features: tuple[str, ...], best: tuple[str, str]) -> str:
    runtime, precision = best
    if precision == "float16":
        return f"{RUNTIME_NAMES[runtime]} computes in float16 on this CPU"
    if has_half(features):
        return f"{RUNTIME_NAMES[runtime]} does not compute in float16"
    if not features:
        return "what this CPU can do is unknown"
    if "avx512_fp16" in features:
        return "the float16 arithmetic of this CPU has not been measured"
    return "this CPU has no float16 arithmetic"

"""Which file of a network this machine runs best, and why: what ``precision="auto"`` means.

It is the float32 or the float16 file, whichever the CPU and the runtime compute faster. The two give embeddings within
cosine 0.9998 of each other and share their thresholds (:data:`~ghostface_edge.thresholds.ALIKE`), so the choice never
changes what a threshold means. Whatever costs accuracy is chosen by name alone.

The runtime is the best that is installed, but for one pair: with AVX-512, YuNet runs on ONNX Runtime, whatever the
embedder runs on. XNNPACK's depthwise kernel for AVX-512 reads its weights anew for each pixel, and YuNet is depthwise
for more than a third of its time. Time on LiteRT 2.3 in units of ONNX Runtime's, one thread, in turns:

================  =====  ======  ======  ======
CPU               96 px  128 px  160 px  640 px
================  =====  ======  ======  ======
Cascade Lake      0.90   1.09    1.16    1.41
Sapphire Rapids   0.99   1.21    1.32    1.40
EPYC (Zen 4)      0.98   1.08            1.23
================  =====  ======  ======  ======

The landmarks of the two lie 0.007 pixels apart at most, on 256 faces. GhostFaceNet W0.5-S2 takes LiteRT 0.5 to 0.6 of
ONNX Runtime's time on the same machines.
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


def candidates(
    kind: str, features: tuple[str, ...], installed: Sequence[str], beside: str | None = None
) -> tuple[str, ...]:
    """The runtimes that may run a network, the best first.

    Args:
        kind: Of the network, ``embedder`` or ``detector``.
        features: Of the CPU, as :class:`~ghostface_edge.cpu.CPU` lists them.
        installed: The runtimes that are installed, the best first.
        beside: The one that is loaded in any case, which saves loading another; by default there is none.
    """
    faster = [runtime for runtime in installed if _is_faster(runtime, kind, features)]
    others = installed if beside is None else (beside,)
    return tuple(dict.fromkeys((*faster, *others)))


def forms(features: tuple[str, ...], runtimes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Runtime and precision of the files that may be chosen, the best first.

    Args:
        features: Of the CPU, as :class:`~ghostface_edge.cpu.CPU` lists them.
        runtimes: As :func:`candidates` gives them.
    """
    plain = [(runtime, precision) for runtime in runtimes for precision in ALIKE]
    half = ("litert", "float16")
    if has_half(features) and half in plain:
        return (half, *(form for form in plain if form != half))
    return tuple(plain)


def choose(
    kind: str, features: tuple[str, ...], runtimes: Sequence[str], find: Callable[[str, str], Path | None]
) -> Choice | None:
    """The best file that is there or can be made; None where there is none.

    Args:
        kind: Of the network, ``embedder`` or ``detector``.
        features: Of the CPU, as :class:`~ghostface_edge.cpu.CPU` lists them.
        runtimes: As :func:`candidates` gives them; at least one.
        find: Gives the file for a runtime and a precision, or None. It is asked for the best first, and no further than
            needed.
    """
    best, *others = forms(features, runtimes)
    path = find(*best)
    if path is not None:
        return Choice(path, best[1], best[0], _reason(kind, features, runtimes, best))
    for form in others:
        path = find(*form)
        if path is not None:
            why = f"there is no {best[1]} file for {RUNTIME_NAMES[best[0]]}, which would suit this CPU best"
            return Choice(path, form[1], form[0], why)
    return None


def _is_faster(runtime: str, kind: str, features: tuple[str, ...]) -> bool:
    """Whether a runtime is the fastest for a network on a CPU, though not for every network."""
    return runtime == "onnx" and kind == "detector" and "avx512f" in features


def _reason(kind: str, features: tuple[str, ...], runtimes: Sequence[str], best: tuple[str, str]) -> str:
    runtime, precision = best
    if len(runtimes) > 1 and _is_faster(runtime, kind, features):
        return f"{RUNTIME_NAMES[runtime]} finds faces faster than {RUNTIME_NAMES[runtimes[1]]} on a CPU with AVX-512"
    if precision == "float16":
        return f"{RUNTIME_NAMES[runtime]} computes in float16 on this CPU"
    if has_half(features):
        return f"{RUNTIME_NAMES[runtime]} does not compute in float16"
    if not features:
        return "what this CPU can do is unknown"
    if "avx512_fp16" in features and runtime == "litert":
        return "LiteRT does not use the float16 arithmetic of this CPU"
    return "this CPU has no float16 arithmetic"

"""What the CPU of this machine can do, as Linux tells it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FEATURES = (
    ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_fp16", "avx_vnni", "amx_int8"),
    ("neon", "asimd", "fphp", "asimdhp", "asimddp", "i8mm", "sve", "sve2"),
)
"""Flags of /proc/cpuinfo that decide which kernels the runtimes choose: x86, ARM."""

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux tells it; other systems have no such file, and then nothing is known."""

_ARM_HALF = {"fphp", "asimdhp"}  # FEAT_FP16: scalars and vectors; XNNPACK computes in float16 where a core has it


@dataclass(frozen=True)
class CPU:
    """A CPU.

    Attributes:
        name: Of the CPU or the board; empty where the system does not tell.
        features: Those of :data:`FEATURES` that it has; none where the system does not tell.
    """

    name: str
    features: tuple[str, ...]


def read_cpu(cpuinfo: Path | None = None) -> CPU:
    """The first CPU of this machine; all of them share their features, or Linux hides those that some lack.

    Args:
        cpuinfo: By default :data:`CPUINFO`.
    """
    try:
        text = (CPUINFO if cpuinfo is None else cpuinfo).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        values.setdefault(key.strip().lower(), value.strip())
    # x86 says "model name"; a Raspberry Pi names the board in "Model"; other ARM kernels give a number or nothing.
    name = values.get("model name") if "flags" in values else values.get("model")
    flags = set((values.get("flags") or values.get("features") or "").split())
    return CPU(name or "", tuple(flag for family in FEATURES for flag in family if flag in flags))


def has_half(features: tuple[str, ...]) -> bool:
    """Whether a CPU with these features computes in float16 what a float16 file asks for.

    AVX512-FP16 does not count: on a Sapphire Rapids, LiteRT 2.3 computes a float16 file in the time of a float32 one,
    and its outputs are as far from float32's as on a CPU that lacks it.
    """
    return _ARM_HALF.issubset(features)

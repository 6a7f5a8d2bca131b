"""Files of results of machines that do not exist."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ghostface_edge.benchmarks.device import Cluster, Condition, Device
from ghostface_edge.benchmarks.run_file import Row, Run
from ghostface_edge.benchmarks.samples import Subject, Summary

DEVICE = Device(
    system="Linux 6.1.21-v8+",
    os="Debian GNU/Linux 12 (bookworm)",
    architecture="aarch64",
    cpu="Cortex-A72",
    features=("asimd",),
    cpus=4,
    clusters=(Cluster((0, 1, 2, 3), 1800.0),),
    cpu_limit=None,
    memory_mb=3794,
    board="Abacus 3000",
    versions={"ghostface-edge": "9.8.7", "python": "3.11.2", "numpy": "2.1.0", "onnxruntime": None},
)

CALM = Condition(("performance",), (1800.0,) * 4, 48.5, 0, None, None, 0.12)

SUBJECT = Subject("net", "net-1", "float32", "LiteRT 2.3.0", 1, "ab" * 32, "inference")


def subject(**changes: Any) -> Subject:
    """:data:`SUBJECT` with changes."""
    return replace(SUBJECT, **changes)


def summary(median: float = 10.0, spread: float = 0.01, flags: tuple[str, ...] = (), **changes: Any) -> Summary:
    """Times around a median, milliseconds; its interval reaches ``spread`` of it to both sides."""
    low, high = median * (1 - spread), median * (1 + spread)
    values = {
        "count": 1500,
        "mean": 1.01 * median,
        "std": 0.05 * median,
        "min": 0.9 * median,
        "p50": median,
        "p90": 1.1 * median,
        "p99": 1.3 * median,
        "max": 2 * median,
        "p50_low": low,
        "p50_high": high,
        "drift": 1.0,
        "flags": flags,
    }
    return Summary(**{**values, **changes})


def row(median: float | None = 10.0, spread: float = 0.01, figures: dict[str, Any] | None = None, **of: Any) -> Row:
    """A row; ``of`` changes its subject."""
    times = None if median is None else summary(median, spread)
    return Row(subject(**of), times, figures or {})


def run(*rows: Row, **changes: Any) -> Run:
    """A run with those rows, by default with one."""
    values = {
        "kind": "latency",
        "device": DEVICE,
        "conditions": (CALM, CALM),
        "settings": {"seconds": 60.0, "quick": False},
        "rows": rows or (row(),),
        "complete": True,
        "command": ("ghostface-edge", "bench", "latency", "net.tflite"),
        "created": "2026-11-27T03:04:05+00:00",
    }
    return Run(**{**values, **changes})

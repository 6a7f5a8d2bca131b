"""From a new process to the first result, and the memory of a process that holds one model and nothing else."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghostface_edge.errors import EvaluationError

_CHILD = Path(__file__).with_name("cold_child.py")
_SECONDS = 300.0
_TIMES = ("import_ms", "load_ms", "first_ms")
_SIZES = ("imported_mib", "steady_mib", "peak_mib")


@dataclass(frozen=True)
class Spread:
    """One figure of several starts.

    Attributes:
        p50: The median.
        min: The least.
        max: The most.
    """

    p50: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of one value or more."""
        known = list(values)
        return cls(statistics.median(known), min(known), max(known))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class ColdStart:
    """What several starts took. The model's file was read before, so it comes from the system's cache of files.

    Attributes:
        starts: How many there were, each in a new process.
        figures: ``import_ms`` (NumPy, this package, the runtime), ``load_ms`` (the model), ``first_ms`` (the first
            inference); ``imported_mib``, ``steady_mib`` and ``peak_mib``: resident memory after the imports, after some
            dozen inferences, and at most, in units of 2^20 bytes. Memory is left out where the system does not tell.
    """

    starts: int
    figures: Mapping[str, Spread]

    @classmethod
    def of(cls, answers: Iterable[Mapping[str, float | None]]) -> ColdStart:
        """Of the answers of the child processes."""
        found = list(answers)
        columns = {name: [answer[name] for answer in found] for name in (*_TIMES, *_SIZES)}
        known = {name: [value for value in values if value is not None] for name, values in columns.items()}
        return cls(len(found), {name: Spread.of(values) for name, values in known.items() if values})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"starts": self.starts, **{name: spread.to_dict() for name, spread in self.figures.items()}}


def start_cold(model: Path, tensor: Path, *, module: str, threads: int) -> dict[str, float | None]:
    """One start in a new process.

    Args:
        model: The model's file.
        tensor: What it runs on: an ``.npy`` file, float32.
        module: The runtime's module.
        threads: Of one inference.

    Raises:
        EvaluationError: The process failed.
    """
    request = {"model": str(model), "tensor": str(tensor), "module": module, "threads": threads}
    # -I: nothing from the current folder or the environment; the child sees exactly the packages that its parent sees.
    command = [sys.executable, "-I", str(_CHILD), json.dumps(sys.path), json.dumps(request)]
    try:
        done = subprocess.run(  # noqa: S603 - this very interpreter, and a file of this package
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EvaluationError(f"the process for a cold start of {model.name} failed: {error}") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [""])[-1]
        raise EvaluationError(f"the process for a cold start of {model.name} ended with {done.returncode}: {reason}")
    answer: dict[str, float | None] = json.loads(done.stdout.splitlines()[-1])
    return answer

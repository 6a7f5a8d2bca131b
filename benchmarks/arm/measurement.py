"""Models on emulated cores: instructions per inference, and whether the outputs are those of this machine."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.card import InputSpec, ModelCard
from ghostface_edge.doctor import synthetic
from ghostface_edge.embedding import input_tensor
from ghostface_edge.errors import OptionError
from ghostface_edge.runtime import load_session
from ghostface_edge.runtime.session import read_model, usable_cpus

from .core import CORES, Core
from .emulator import Emulator
from .instructions import CLASSES, Tally

_log = logging.getLogger(__name__)

FLOAT_DIFFERENCE = 1e-5
"""Largest difference of float outputs from this machine's, relative to the largest output."""

HALF_COSINE = 0.9998
"""Least cosine to this machine's outputs, which are computed in float32, of a core that computes in float16."""

REPEATABILITY = 0.005
"""Largest spread of the counts of several rounds, relative to their mean."""

_INFERENCES = 2
_ROUNDS = 3
_OPEN_SIDE = 320  # pixels of a picture whose size a detector leaves open
_PHASES = (0.0, 2.0, 4.0)
_EXACT = ("int8", "int16x8")

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """How an emulated core's outputs compare with this machine's, for the same file and the same library.

    Attributes:
        identical: Bit by bit.
        relative: Largest difference over the largest output.
        cosine: The least of all pictures.
    """

    identical: bool
    relative: float
    cosine: float

    @classmethod
    def between(cls, found: Sequence[FloatArray], expected: Sequence[FloatArray]) -> Agreement:
        """Compare outputs, each (pictures, ...) of the same shapes; the worst decides."""
        relatives, cosines = [], []
        for ours, theirs in zip(found, expected):
            a, b = (values.astype(np.float64).reshape(len(values), -1) for values in (ours, theirs))
            relatives.append(np.abs(a - b).max() / max(np.abs(b).max(), np.finfo(np.float32).tiny))
            lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
            cosines.append(((a * b).sum(axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)).min())
        return cls(
            identical=all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected)),
            relative=float(max(relatives)),
            cosine=float(min(cosines)),
        )


@dataclass(frozen=True)
class CoreCount:
    """One model on one core.

    Attributes:
        core: The core.
        rounds: Instructions per inference, of each round.
        agreement: Of its outputs with this machine's.
        problems: What is not as it has to be, a sentence each.
    """

    core: Core
    rounds: tuple[Tally, ...]
    agreement: Agreement
    problems: tuple[str, ...]

    @property
    def mean(self) -> Tally:
        """Instructions per inference, over the rounds."""
        number = len(self.rounds)
        return Tally({name: sum(tally.by_class[name] for tally in self.rounds) / number for name in CLASSES})

    @property
    def spread(self) -> float:
        """Largest less smallest total of the rounds, relative to their mean."""
        totals = [tally.total for tally in self.rounds]
        return (max(totals) - min(totals)) / self.mean.total

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "core": self.core.name,
            "board": self.core.board,
            "instructions": self.mean.to_dict(),
            "spread": self.spread,
            "rounds": [tally.total for tally in self.rounds],
            "agreement": dict(vars(self.agreement)),
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class ModelCount:
    """One model on all cores.

    Attributes:
        name: Of the file.
        card: Of the model.
        sha256: Of the file.
        runtime: The library and its version.
        cores: By core.
    """

    name: str
    card: ModelCard
    sha256: str
    runtime: str
    cores: tuple[CoreCount, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Of all cores."""
        return tuple(problem for core in self.cores for problem in core.problems)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "model_id": self.card.model_id,
            "precision": self.card.precision,
            "runtime": self.runtime,
            "sha256": self.sha256,
            "cores": [core.to_dict() for core in self.cores],
        }


def count_models(emulator: Emulator, paths: Iterable[Path], cores: Sequence[Core]) -> tuple[ModelCount, ...]:
    """Count each model on each core.

    Counts do not depend on what runs beside, so that as many guests run at once as there are CPUs.

    Args:
        emulator: Where they run.
        paths: ``.tflite`` and ``.onnx`` files with model cards, none twice.
        cores: Which cores.

    Raises:
        ModelError: A file is damaged, no model, or does not run.
        RuntimeMissingError: What runs a file is not installed.
        EvaluationError: A guest failed.
        OptionError: No file, or one twice.
    """
    jobs = [_Job(emulator.folder, path) for path in paths]
    if not jobs or len({job.sha256 for job in jobs}) < len(jobs):
        raise OptionError("give models to count, each once")
    pairs = [(job, core) for job in jobs for core in cores]
    with ThreadPoolExecutor(max_workers=usable_cpus()) as pool:
        counts = list(pool.map(lambda pair: _count(emulator, *pair), pairs))
    return tuple(
        ModelCount(job.name, job.card, job.sha256, job.runtime, tuple(counts[i * len(cores) : (i + 1) * len(cores)]))
        for i, job in enumerate(jobs)
    )


class _Job:
    """A model, its inputs in a file for the guests, and what this machine makes of them."""

    def __init__(self, folder: Path, path: Path) -> None:
        data = read_model(path)
        session = load_session(data, path.name, threads=1)
        self.name = path.name
        self.card = session.card
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.runtime = session.version
        tensors = pictures(self.card.input)
        self.expected = _joined([session.run(tensor[None]) for tensor in tensors])
        self.inputs = folder / f"{uuid4().hex}.npy"
        self.model = self.inputs.with_suffix(path.suffix)
        np.save(self.inputs, tensors)
        self.model.write_bytes(data)


def pictures(spec: InputSpec) -> FloatArray:
    """Inputs of a model, (4, ...) float32: smooth patterns and noise; always the same."""
    height, width = spec.height or _OPEN_SIDE, spec.width or _OPEN_SIDE
    patterns = [synthetic(height, width, phase=phase) for phase in _PHASES]
    noise = np.random.default_rng(0).integers(0, 256, size=patterns[0].shape, dtype=np.uint8)
    return input_tensor(np.concatenate([*patterns, noise]), spec)


def _joined(rows: Sequence[Sequence[FloatArray]]) -> list[FloatArray]:
    return [np.concatenate(parts) for parts in zip(*rows)]


def _count(emulator: Emulator, job: _Job, core: Core) -> CoreCount:
    outputs = emulator.folder / f"{uuid4().hex}.npz"
    words = [str(job.model), str(job.inputs), str(outputs), str(_INFERENCES), str(_ROUNDS)]
    marks = emulator.run(core, ["-m", "ghostface_edge.benchmarks.arm.guest", *words])
    with np.load(outputs) as saved:
        found = [saved[f"arr_{number}"] for number in range(len(saved.files))]
    agreement = Agreement.between(found, job.expected)
    rounds = per_inference(marks, _INFERENCES, _ROUNDS)
    count = CoreCount(core, rounds, agreement, ())
    label = f"{job.name} on {core.name}"
    _log.info("%s: %.2f million instructions per inference", label, count.mean.total / 1e6)
    problems = find_problems(job.card.precision, count)
    return CoreCount(core, rounds, agreement, tuple(f"{label}: {problem}" for problem in problems))


def per_inference(marks: Mapping[int, Tally], inferences: int, rounds: int) -> tuple[Tally, ...]:
    """Instructions of one inference, for each round of the guest.

    A round has ``inferences`` between its first two marks and twice as many between the last two, so that what lies
    between two marks besides them falls out of the difference.
    """
    tallies = []
    for number in range(rounds):
        start, middle, end = (marks[3 * number + part] for part in range(3))
        tallies.append(((end - middle) - (middle - start)) / inferences)
    return tuple(tallies)


def find_problems(precision: str, count: CoreCount) -> list[str]:
    """What is not as it has to be of a model of this precision: outputs, repeatability, use of the core's abilities."""
    core, agreement, mean = count.core, count.agreement, count.mean.by_class
    problems = []
    if precision in _EXACT:
        if not agreement.identical:
            problems.append(f"integers that are not this machine's, by {agreement.relative:.1e} of the largest")
    elif precision == "float16" and core.has_half:
        if agreement.cosine < HALF_COSINE:
            problems.append(f"cosine {agreement.cosine:.5f} to float32, less than {HALF_COSINE}")
    elif agreement.relative > FLOAT_DIFFERENCE:
        problems.append(f"outputs differ from this machine's by {agreement.relative:.1e} of the largest")
    if count.spread > REPEATABILITY:
        problems.append(f"the count varies by {100 * count.spread:.2f} % between rounds")
    if mean["dot_product"] > 0 and not core.has_dot_product:
        problems.append("dot products on a core that has none")
    if precision == "int8" and core.has_dot_product and not mean["dot_product"] > 0:
        problems.append("no dot products on a core that has them")
    return problems

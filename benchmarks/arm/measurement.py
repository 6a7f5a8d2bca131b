"""Models on emulated cores: instructions per inference, and whether the outputs are those of this machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.card import ModelCard
from ghostface_edge.detection.view import View
from ghostface_edge.detection.yunet import MAX_SIZE
from ghostface_edge.embedding import input_tensor
from ghostface_edge.errors import EvaluationError
from ghostface_edge.runtime import file_format
from ghostface_edge.runtime.session import usable_cpus

from ..device import Device
from ..drawn_people import PEOPLE, draw_people
from ..face_crops import drawn_faces
from ..latency import Candidate, load_field
from ..run_file import Row, Run
from ..samples import Subject
from .core import CORES, Core
from .emulator import Emulator, emulator, find_tools
from .environment import prepare_environment
from .instructions import CLASSES, Tally

_log = logging.getLogger(__name__)

FLOAT_DIFFERENCE = 1e-5
"""Largest difference of float outputs from this machine's, relative to the largest output."""

HALF_COSINE = 0.9998
"""Least cosine to this machine's outputs, which are computed in float32, of a core that computes in float16."""

ROUNDED_COSINE = 0.99
"""Least cosine to this machine's outputs where float32 decides which integer a value is rounded to.

The last bit of a float differs between CPUs, and at a tie it is worth a whole step of the integers. That is so in ONNX
Runtime's ``QLinearAdd`` (``onnxruntime/core/mlas/lib/qladd.cpp``): where its outputs on ARM
are not those on x86, the exact sum lies at a tie. LiteRT's int8 rounds in a way that is the same everywhere. Measured
were 0.9997 on a trained network and 0.9986 on one with random weights.
"""

REPEATABILITY = 0.005
"""Largest spread of the counts of several rounds, relative to their mean."""

_INFERENCES = 2
_ROUNDS = 3
_FACES = 4
_KINDS = ("embedder", "detector")
_INTEGERS = ("int8", "int16x8")
_HALVES = ("float16", "dynamic")  # computed in float16 where the core can
_EXACT_RUNTIME = "ai_edge_litert"

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
        subject: The model, as on this machine.
        file: Name of its file; empty where it was built for the run.
        size: Of the file, bytes.
        core: The core.
        rounds: Instructions per inference, of each round.
        agreement: Of its outputs with this machine's.
    """

    subject: Subject
    file: str
    size: int
    core: Core
    rounds: tuple[Tally, ...]
    agreement: Agreement

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.file or self.subject.name} {self.subject.precision}, {self.subject.runtime}, {self.core.name}"

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

    @property
    def problems(self) -> tuple[str, ...]:
        """What is not as it has to be: outputs, repeatability, use of the core's abilities. A sentence each."""
        precision, agreement, mean = self.subject.precision, self.agreement, self.mean.by_class
        integers = precision in _INTEGERS
        problems = []
        if integers and self.subject.runtime.startswith(_EXACT_RUNTIME):
            if not agreement.identical:
                problems.append(f"integers are not this machine's, by {agreement.relative:.1e} of the largest")
        elif integers:
            if agreement.cosine < ROUNDED_COSINE:
                problems.append(f"cosine {agreement.cosine:.5f} to this machine's outputs, below {ROUNDED_COSINE}")
        elif precision in _HALVES and self.core.has_half:
            if agreement.cosine < HALF_COSINE:
                problems.append(f"cosine {agreement.cosine:.5f} to float32, below {HALF_COSINE}")
        elif agreement.relative > FLOAT_DIFFERENCE:
            problems.append(f"outputs differ from this machine's by {agreement.relative:.1e} of the largest")
        if self.spread > REPEATABILITY:
            problems.append(f"the count varies by {self.spread:.2%} between rounds")
        if mean["dot_product"] > 0 and not self.core.has_dot_product:
            problems.append("dot products on a core that has none")
        if precision == "int8" and self.core.has_dot_product and not mean["dot_product"] > 0:
            problems.append("no dot products on a core that has them")
        return tuple(problems)

    def row(self) -> Row:
        """For the file of results: the stage names the core."""
        totals = sorted(tally.total for tally in self.rounds)
        return Row(
            subject=replace(self.subject, stage=f"inference on {self.core.name}"),
            figures={
                "file": self.file,
                "file_bytes": self.size,
                "board": self.core.board,
                "instructions": self.mean.to_dict(),
                "instructions_by_round": {"p50": median(totals), "min": totals[0], "max": totals[-1]},
                "identical": self.agreement.identical,
                "relative_difference": self.agreement.relative,
                "cosine": self.agreement.cosine,
            },
        )


@dataclass(frozen=True)
class Counts:
    """Models on cores.

    Attributes:
        items: Model by model, core by core.
        complete: False where Ctrl-C came; then what was finished is here.
    """

    items: tuple[CoreCount, ...]
    complete: bool = True


def count_candidates(emulator: Emulator, candidates: Sequence[Candidate], cores: Sequence[Core]) -> Counts:
    """Count each model on each core.

    Counts do not depend on what runs beside, so that as many guests run at once as there are CPUs.

    Args:
        emulator: Where they run.
        candidates: Models that are open on this machine, with one thread.
        cores: Which cores.

    Raises:
        EvaluationError: A guest failed.
        ModelError: A model does not run on this machine.
    """
    jobs = [_Job(emulator.folder, candidate) for candidate in candidates]
    with ThreadPoolExecutor(max_workers=usable_cpus()) as pool:
        futures = [pool.submit(_count, emulator, job, core) for job in jobs for core in cores]
        try:
            return Counts(tuple(future.result() for future in futures))
        except BaseException as error:
            finished = [future for future in futures if not future.cancel() and future.done()]
            if not isinstance(error, KeyboardInterrupt):
                raise
            items = tuple(future.result() for future in finished if future.exception() is None)
            if not items:
                raise
            return Counts(items, complete=False)


def count_run(
    models: Sequence[str] = (),
    *,
    architectures: Sequence[str] = (),
    precisions: Sequence[str] = ("float32",),
    runtimes: Sequence[str] = (),
    cores: Sequence[Core] = tuple(CORES.values()),
) -> Run:
    """What ``bench arm`` does: find or build the models, make the environment, count, and judge.

    Args:
        models: As :func:`~ghostface_edge.benchmarks.latency.load_field` takes them.
        architectures: Likewise.
        precisions: Likewise.
        runtimes: Likewise.
        cores: Which cores.

    Returns:
        The run; its rows are the models, each on every core. ``settings["problems"]`` is empty where all is well.

    Raises:
        GhostFaceError: As :func:`load_field`, :func:`find_tools`, :func:`prepare_environment` and
            :func:`count_candidates` raise it.
    """
    tools = find_tools()
    field = load_field(models, architectures=architectures, precisions=precisions, runtimes=runtimes, kinds=_KINDS)
    environment = prepare_environment()
    with emulator(tools, environment) as machine:
        counts = count_candidates(machine, field.candidates, cores)
    guest = {"python": environment.python, "debian": environment.debian, **environment.packages}
    return Run(
        kind="arm",
        device=Device.here(emulated=f"qemu-user {tools.version}: {', '.join(core.name for core in cores)}"),
        conditions=(),
        settings={
            "cores": [core.name for core in cores],
            "inferences": _INFERENCES,
            "rounds": _ROUNDS,
            "input": _input_kind(field.candidates),
            "guest": guest,
            "skipped": list(field.skipped),
            "problems": [f"{count.label}: {problem}" for count in counts.items for problem in count.problems],
        },
        rows=tuple(count.row() for count in counts.items),
        complete=counts.complete,
    )


class _Job:
    """A model and its inputs in files for the guests, and what this machine makes of them."""

    def __init__(self, folder: Path, candidate: Candidate) -> None:
        self.candidate = candidate
        session = candidate.session
        tensors = input_tensor(_pictures(session.card), session.card.input)
        rows = [session.run(tensor[None]) for tensor in tensors]
        self.expected = [np.concatenate(parts) for parts in zip(*rows)]
        self.inputs = folder / f"{uuid4().hex}.npy"
        self.model = self.inputs.with_suffix(f".{file_format(session.runtime)}")
        np.save(self.inputs, tensors)
        self.model.write_bytes(candidate.data)


def _pictures(card: ModelCard) -> NDArray[np.uint8]:
    """What a model sees: aligned faces, or as a detector one picture with people in it."""
    if card.kind == "embedder":
        return drawn_faces(_FACES).crops
    people = View(draw_people()).shrunk(MAX_SIZE).pixels
    picture = np.zeros((1, MAX_SIZE, MAX_SIZE, 3), np.uint8)
    picture[0, : people.shape[0], : people.shape[1]] = people
    return picture


def _input_kind(candidates: Sequence[Candidate]) -> str:
    """In words, for the report."""
    kinds = {item.session.card.kind for item in candidates}
    said = {
        "embedder": drawn_faces(_FACES).kind,
        "detector": f"detectors: {len(PEOPLE)} people drawn by this program, {MAX_SIZE} x {MAX_SIZE} pixels",
    }
    return "; ".join(text for kind, text in said.items() if kind in kinds)


def _count(emulator: Emulator, job: _Job, core: Core) -> CoreCount:
    outputs = emulator.folder / f"{uuid4().hex}.npz"
    words = [str(job.model), str(job.inputs), str(outputs), str(_INFERENCES), str(_ROUNDS)]
    marks = emulator.run(core, ["-m", "ghostface_edge.benchmarks.arm.guest", *words])
    with np.load(outputs) as saved:
        found = [saved[f"arr_{number}"] for number in range(len(saved.files))]
    count = CoreCount(
        subject=job.candidate.subject,
        file=job.candidate.file,
        size=len(job.candidate.data),
        core=core,
        rounds=per_inference(marks, _INFERENCES, _ROUNDS),
        agreement=Agreement.between(found, job.expected),
    )
    _log.info("%s: %.2f million instructions per inference", count.label, count.mean.total / 1e6)
    return count


def per_inference(marks: Mapping[int, Tally], inferences: int, rounds: int) -> tuple[Tally, ...]:
    """Instructions of one inference, for each round of the guest.

    A round has ``inferences`` between its first two marks and twice as many between the last two, so that what lies
    between two marks besides them falls out of the difference.

    Raises:
        EvaluationError: A mark is missing.
    """
    if not set(range(3 * rounds)) <= set(marks):
        raise EvaluationError(f"the counter noted {len(marks)} of {3 * rounds} marks: is QEMU built without plugins?")
    tallies = []
    for number in range(rounds):
        start, middle, end = (marks[3 * number + part] for part in range(3))
        tallies.append(((end - middle) - (middle - start)) / inferences)
    return tuple(tallies)

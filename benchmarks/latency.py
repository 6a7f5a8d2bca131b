"""How long one inference takes, cold and steady, and the memory that it takes: models side by side, taking turns.

What is timed is the network in its runtime, from a float32 picture to a float32 embedding; detection, alignment and
what else the engine does are not in it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.converters.convert import PRECISIONS
from ghostface_edge.embedding import input_tensor
from ghostface_edge.errors import ConversionError, GhostFaceError, OptionError, RuntimeMissingError
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import MODEL_ENDINGS, RUNTIMES, Session, file_format, load_session
from ghostface_edge.runtime.session import read_model, thread_count
from ghostface_edge.runtime.tflite_card import is_tflite

from .cold_start import ColdStart, start_cold
from .device import Condition, Device
from .face_crops import FaceCrops
from .random_model import WEIGHTS, RandomModel
from .run_file import Row, Run
from .samples import LEAST, QUICK_LEAST, QUICK_SECONDS, SECONDS, Samples, Subject, interleaved

_log = logging.getLogger(__name__)

STARTS, QUICK_STARTS = 5, 3
"""Cold starts of each subject."""

_PACKAGES = {"onnx": ("onnxruntime",), "litert": ("ai_edge_litert", "tflite_runtime")}
_MODULES = {"onnxruntime": "onnxruntime"}  # of the others it is their ``interpreter``


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model that is ready to be timed.

    Attributes:
        subject: What it is.
        session: The model in its runtime.
        data: The bytes of its file.
        file: Name of the file; empty where it was built here.
    """

    subject: Subject
    session: Session
    data: bytes
    file: str


@dataclass(frozen=True, eq=False)
class Field:
    """What runs against each other.

    Attributes:
        candidates: In the order in which they were named; ratios are to the first.
        skipped: What was asked for and cannot run here, and why, a sentence each.
    """

    candidates: tuple[Candidate, ...]
    skipped: tuple[str, ...]


def installed_runtimes() -> tuple[str, ...]:
    """Those of :data:`~ghostface_edge.runtime.RUNTIMES` whose package is installed."""
    return tuple(name for name in RUNTIMES if any(find_spec(package) is not None for package in _PACKAGES[name]))


def load_field(
    models: Sequence[str | os.PathLike[str]] = (),
    *,
    architectures: Sequence[str] = (),
    precisions: Sequence[str] = ("float32",),
    runtimes: Sequence[str] = (),
    threads: Sequence[int] = (1,),
    store: ModelStore | None = None,
    kinds: Collection[str] = ("embedder",),
) -> Field:
    """Build or read models, and open each in its runtime.

    Args:
        models: Known names, or ``.onnx`` and ``.tflite`` files, which have the format and precision that they have.
        architectures: Names of architectures; they get random weights.
        precisions: Numerical forms of known names and architectures, such as ``float32`` or ``int8``.
        runtimes: ``onnx`` or ``litert``; by default those that are installed.
        threads: CPU threads of one inference, each count another subject.
        store: Where models are looked up; by default the user's own store.
        kinds: What the models may be, as their cards say it: ``embedder``, ``detector``.

    Raises:
        OptionError: Nothing to time, a model of another kind, an unknown runtime, precision or architecture, or a
            senseless number.
        GhostFaceError: A model cannot be found or read; or nothing of what was asked for can run, for the first reason.
    """
    known = dict.fromkeys(name for names in PRECISIONS.values() for name in names)
    for precision in precisions:
        if precision not in known:
            raise OptionError(f"precision {precision!r} does not exist; choose from: {', '.join(known)}")
    for runtime in runtimes:
        file_format(runtime)
    if not (models or architectures):
        raise OptionError("there is nothing to time: name a model or an architecture")
    counts = [thread_count(count) for count in dict.fromkeys(threads)]
    wanted = tuple(dict.fromkeys(runtimes or installed_runtimes()))
    if not wanted:
        raise RuntimeMissingError('no runtime is installed: pip install "ghostface-edge[litert]", or [onnx]')
    candidates: dict[Subject, Candidate] = {}
    skipped: list[str] = []
    first: GhostFaceError | None = None
    for label, source in _sources(models, architectures, precisions, wanted, ModelStore() if store is None else store):
        try:
            name, data, file = source()
            for count in counts:
                session = load_session(data, file or name, threads=count)
                candidate = _candidate(session, name, data, file, kinds)
                candidates.setdefault(candidate.subject, candidate)
        except (RuntimeMissingError, _CannotRunError, ConversionError) as error:
            skipped.append(f"{label}: {error}")
            first = first or error
    if first is not None and not candidates:
        raise first
    return Field(tuple(candidates.values()), tuple(skipped))


class _CannotRunError(OptionError):
    """A combination of what was asked for that does not exist; the others are timed."""


_Source = Callable[[], "tuple[str, bytes, str]"]
"""Gives a name, the bytes of a model and the name of its file."""


def _sources(
    models: Iterable[str | os.PathLike[str]],
    architectures: Iterable[str],
    precisions: Sequence[str],
    runtimes: Sequence[str],
    store: ModelStore,
) -> Iterable[tuple[str, _Source]]:
    """What messages call each model, and the way to it, in the order in which they were asked for."""
    names = {entry.name for entry in store.known()}
    for model in models:
        if os.fspath(model) in names or not os.fspath(model).lower().endswith(MODEL_ENDINGS):
            for runtime in runtimes:
                for precision in precisions:
                    yield f"{model} {precision} on {runtime}", partial(_stored, store, model, runtime, precision)
        else:
            path = Path(model)
            yield path.name, partial(_given, path, runtimes)
    for name in architectures:
        network = RandomModel(name)
        for runtime in runtimes:
            for precision in precisions:
                yield f"{name} {precision} on {runtime}", partial(_built, network, runtime, precision)


def _given(path: Path, runtimes: Sequence[str]) -> tuple[str, bytes, str]:
    data = read_model(path)
    runtime = "litert" if is_tflite(data) else "onnx"
    if runtime not in runtimes:
        raise _CannotRunError(f"it runs on {runtime}, which was not asked for or is not installed")
    return "", data, path.name


def _stored(store: ModelStore, model: str | os.PathLike[str], runtime: str, precision: str) -> tuple[str, bytes, str]:
    format = file_format(runtime)
    if precision not in PRECISIONS[format]:
        raise _CannotRunError(f"precision {precision} does not exist for .{format} files")
    if precision == "mixed":
        raise _CannotRunError("mixed takes faces to choose by: write a file with ghostface-edge convert, and name it")
    path = store.resolve(model, format=format, precision=precision)
    return "", read_model(path), path.name


def _built(network: RandomModel, runtime: str, precision: str) -> tuple[str, bytes, str]:
    try:
        return network.name, network.write(file_format(runtime), precision), ""
    except OptionError as error:
        raise _CannotRunError(str(error)) from error


def _candidate(session: Session, name: str, data: bytes, file: str, kinds: Collection[str]) -> Candidate:
    card = session.card
    if card.kind not in kinds:
        raise OptionError(f"{file} is a {card.kind}, and latency is of embedders: see bench pipeline")
    subject = Subject(
        name=name or card.name,
        model_id=card.model_id,
        precision=card.precision,
        runtime=session.version,
        threads=session.threads,
        file_sha256=hashlib.sha256(data).hexdigest(),
        stage="inference",
    )
    return Candidate(subject, session, data, file)


def measure_latency(
    field: Field,
    faces: FaceCrops,
    *,
    quick: bool = False,
    seconds: float | None = None,
    least: int | None = None,
    progress: Callable[[float], object] = lambda share: None,
) -> Run:
    """Time models that were loaded: cold starts first, one by one, then all of them in turns.

    Ctrl-C while they take turns ends the run with the samples that there are; it is marked incomplete.

    Args:
        field: The models.
        faces: What they see, one face after the other.
        quick: Fewer samples and cold starts; labelled so.
        seconds: See :func:`.samples.interleaved`.
        least: Likewise.
        progress: Is told the share that is done, 0 to 1.

    Raises:
        OptionError: A senseless number; or faces of another size than a model takes.
        InferenceError: A model failed.
        EvaluationError: A process for a cold start failed.
        KeyboardInterrupt: Ctrl-C before there was any sample.
    """
    seconds = (QUICK_SECONDS if quick else SECONDS) if seconds is None else seconds
    least = (QUICK_LEAST if quick else LEAST) if least is None else least
    device, before = Device.here(), Condition.now()
    tensors = {item.subject: _tensors(item.session, faces) for item in field.candidates}
    starts = QUICK_STARTS if quick else STARTS
    with TemporaryDirectory() as folder:
        cold = {item.subject: _cold(item, tensors[item.subject][0], Path(folder), starts) for item in field.candidates}
    samples = interleaved(
        {item.subject: _call(item.session, tensors[item.subject]) for item in field.candidates},
        seconds=seconds,
        least=least,
        progress=progress,
    )
    after = Condition.now()
    if not all(len(found) for found in samples.values()):
        raise KeyboardInterrupt
    throttled = after.throttled_since(before)
    flags = [*(["throttled"] if throttled else []), *(["emulated"] if device.emulated else [])]
    return Run(
        kind="latency",
        device=device,
        conditions=(before, after),
        settings={
            "quick": quick,
            "seconds": seconds,
            "least": least,
            "cold_starts": starts,
            "input": faces.kind,
            "cpus": _cpus(),
            "throttled": list(throttled),
            "skipped": list(field.skipped),
        },
        rows=tuple(
            _row(item, samples, cold[item.subject], field.candidates[0].subject, flags) for item in field.candidates
        ),
        complete=all(found.complete for found in samples.values()),
    )


def _row(
    item: Candidate, samples: Mapping[Subject, Samples], cold: ColdStart, first: Subject, flags: Sequence[str]
) -> Row:
    found = samples[item.subject]
    cpu, undisturbed = found.cpu_seconds, found.undisturbed_seconds
    ratio = None if item.subject == first else found.ratio(samples[first])
    figures: dict[str, Any] = {
        "file": item.file,
        "file_bytes": len(item.data),
        "random_weights": item.session.card.licence == WEIGHTS,
        "cpu_ms": None if cpu is None else 1e3 * cpu,
        "undisturbed_p50": None if undisturbed is None else 1e3 * undisturbed,
        "disturbed_share": float(found.disturbed.mean()),
        "ratio_to_first": None if ratio is None else ratio.to_dict(),
        "cold_start": cold.to_dict(),
    }
    return Row(item.subject, found.summary(*flags), figures)


def _tensors(session: Session, faces: FaceCrops) -> list[NDArray[np.float32]]:
    """One picture each, ready for the network."""
    side = session.card.crop_size
    if faces.crops.shape[1:3] != (side, side):
        raise OptionError(f"{session.card.name} takes crops of {side} x {side} pixels, not {faces.crops.shape[1:3]}")
    return [input_tensor(faces.crops[index : index + 1], session.card.input) for index in range(len(faces.crops))]


def _call(session: Session, tensors: Iterable[NDArray[np.float32]]) -> Callable[[], object]:
    pictures = cycle(tensors)
    return lambda: session.run(next(pictures))


def _cold(item: Candidate, tensor: NDArray[np.float32], folder: Path, starts: int) -> ColdStart:
    ending = "tflite" if is_tflite(item.data) else "onnx"
    model, picture = folder / f"{item.subject.file_sha256}.{ending}", folder / "picture.npy"
    model.write_bytes(item.data)
    np.save(picture, tensor, allow_pickle=False)
    package = item.session.version.split()[0]
    module = _MODULES.get(package, f"{package}.interpreter")
    answers = [start_cold(model, picture, module=module, threads=item.session.threads) for _ in range(starts)]
    return ColdStart.of(answers)


def _cpus() -> list[int]:
    """The CPUs that the run was bound to, or could use; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

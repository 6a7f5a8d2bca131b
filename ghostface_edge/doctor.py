"""What this machine has for the main job, one run as a test, and what to do about what is missing.

Native runtimes are imported in processes of their own, because a wheel that does not fit the CPU ends its process with
an illegal instruction.
"""

from __future__ import annotations

import json
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from .choice import RUNTIME_NAMES
from .cpu import has_half, read_cpu
from .engine import FaceEngine
from .errors import GhostFaceError, StoreError
from .image import Image
from .models import ModelStore, StoredModel
from .runtime.session import default_threads, usable_cpus

PACKAGES = {
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    "pillow": ("pillow",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "ai-edge-litert": ("ai-edge-litert",),
    "tflite-runtime": ("tflite-runtime",),
    "h5py": ("h5py",),
    "onnx": ("onnx",),
    "insightface": ("insightface",),
}
"""What is reported, and the distributions that it may have come from."""

RUNTIMES = {
    "onnxruntime": "onnxruntime",
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
"""The native runtimes, and the module of each that loads native code."""

_CGROUP = Path("/sys/fs/cgroup")
_PROBE_SECONDS = 120.0
_REPEATS = 10
_TIMING_SECONDS = 3.0  # on a slow board, fewer repeats have to do

# -I: nothing from the current folder or the environment; the child sees exactly the packages that its parent sees.
_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
_IMPORT = _CHILD + "import importlib; importlib.import_module(sys.argv[2])"
_TEST = _CHILD + "from ghostface_edge.doctor import self_test_reply; print(self_test_reply(sys.argv[2]))"


@dataclass(frozen=True)
class RuntimeProbe:
    """A native runtime.

    Attributes:
        name: Of its package.
        state: ``usable``, ``absent`` or ``broken``.
        reason: What is wrong with a broken one.
    """

    name: str
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Machine:
    """The hardware, as far as the system tells.

    Attributes:
        system: Operating system and kernel.
        architecture: Such as ``x86_64`` or ``aarch64``.
        cpu: Name of the CPU or board; empty where the system does not tell.
        features: Those of :data:`ghostface_edge.cpu.FEATURES` that it has.
        cpus: CPUs that this process may run on.
        cpu_limit: CPUs' worth of time that the container may use; None where there is no limit.
        threads: What a model uses where nobody says otherwise.
    """

    system: str
    architecture: str
    cpu: str
    features: tuple[str, ...]
    cpus: int
    cpu_limit: float | None
    threads: int


@dataclass(frozen=True)
class SelfTest:
    """One run of detector and embedder on synthetic pictures. It says that they run, not how well they recognise.

    Attributes:
        engine: Model, detector, runtime, threads.
        embedding_size: Numbers per face.
        unit_length: The embedding is finite and of length 1.
        repeatable: The same picture gave the same embedding twice.
        responsive: Another picture gave another embedding.
        embed_ms: Median time of one embedding, milliseconds.
        detect_ms: Median time of one detection in 640 x 480 pixels, milliseconds.
        choices: For ``embedder`` and ``detector``, what :meth:`~ghostface_edge.choice.Choice.to_dict` says of the file
            that was chosen; without those that the options settle.
    """

    engine: str
    embedding_size: int
    unit_length: bool
    repeatable: bool
    responsive: bool
    embed_ms: float
    detect_ms: float
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all of it is as it must be."""
        return self.unit_length and self.repeatable and self.responsive


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`examine` found.

    Attributes:
        versions: Of this package, Python and :data:`PACKAGES`; None for what is not installed.
        runtimes: Each of :data:`RUNTIMES`.
        machine: The hardware.
        home: Folder of the model store.
        folders: Further folders that are searched for models.
        models: What the store has.
        self_test: None where it could not run.
        problems: What keeps the main job from running, and what to do.
        advice: What could be better.
    """

    versions: Mapping[str, str | None]
    runtimes: tuple[RuntimeProbe, ...]
    machine: Machine
    home: str
    folders: tuple[str, ...]
    models: tuple[StoredModel, ...]
    self_test: SelfTest | None
    problems: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether the main job can run."""
        return self.self_test is not None and self.self_test.passed

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        test = self.self_test
        return {
            "ready": self.ready,
            "versions": dict(self.versions),
            "runtimes": [dict(vars(probe)) for probe in self.runtimes],
            "machine": dict(vars(self.machine)),
            "store": {
                "home": self.home,
                "folders": list(self.folders),
                "models": [model.to_dict() for model in self.models],
            },
            "self_test": None if test is None else {**vars(test), "passed": test.passed},
            "problems": list(self.problems),
            "advice": list(self.advice),
        }

    def to_text(self) -> str:
        """For people."""
        machine, test = self.machine, self.self_test
        broken = {probe.name: probe.reason for probe in self.runtimes if probe.state == "broken"}
        lines = ["Versions"]
        for name, version in self.versions.items():
            trouble = f", does not load: {broken[name]}" if name in broken else ""
            lines.append(f"  {name:<16}{version or 'not installed'}{trouble}")
        limit = "none" if machine.cpu_limit is None else f"{machine.cpu_limit:g} CPUs"
        lines += [
            "Machine",
            f"  {machine.system}, {machine.architecture}{', ' if machine.cpu else ''}{machine.cpu}",
            f"  CPU features: {' '.join(machine.features) or 'unknown'}",
            f"  CPUs: {machine.cpus}, limit of the container: {limit}, threads by default: {machine.threads}",
            "Models",
            *(f"  {folder}" for folder in (self.home, *self.folders)),
            *(f"  {model.name}: {model.state}" for model in self.models if model.state != "missing"),
            "Self-test",
        ]
        if test is None:
            lines.append("  could not run")
        else:
            lines += [
                f"  {test.engine}",
                *(f"  {network}: {_chosen(choice)}" for network, choice in test.choices.items()),
                f"  embedding: {test.embed_ms:.2f} ms, detection in 640 x 480 pixels: {test.detect_ms:.2f} ms",
                f"  {test.embedding_size} numbers; finite and of length 1: {_yes(test.unit_length)}; "
                f"same picture, same result: {_yes(test.repeatable)}; "
                f"other picture, other result: {_yes(test.responsive)}",
            ]
        lines += [f"Problem: {text}" for text in self.problems]
        lines += [f"Advice: {text}" for text in self.advice]
        lines.append("The main job can run." if self.ready else "The main job cannot run.")
        return "\n".join(lines)


def examine(**options: Any) -> Diagnosis:
    """Look at this machine and run the models once, in a process of their own.

    Args:
        options: As :class:`FaceEngine` takes them: ``model``, ``detector``, ``runtime``, ``threads``, ``flip``.
    """
    runtimes = tuple(probe(name) for name in RUNTIMES)
    machine = look_at_machine()
    problems: list[str] = []
    advice = [
        f"{item.name} is installed and does not load ({item.reason}): install another version"
        for item in runtimes
        if item.state == "broken"
    ]
    if not any(runtime.state == "usable" for runtime in runtimes):
        problems.append('no runtime is usable. Install one: pip install "ghostface-edge[litert]"')
    if machine.cpu_limit is not None and machine.threads > max(machine.cpu_limit, 1):
        advice.append(
            f"the container may use {machine.cpu_limit:g} CPUs and models use {machine.threads} threads by default: "
            f"give --threads {max(int(machine.cpu_limit), 1)}"
        )
    lite = next((item.state for item in runtimes if item.name == "ai-edge-litert"), "")
    if has_half(machine.features) and lite != "usable":
        advice.append('LiteRT computes in float16 on this CPU, which is faster: pip install "ghostface-edge[litert]"')
    store = ModelStore()
    models: tuple[StoredModel, ...] = ()
    try:
        models = store.list()
        problems += _missing(store, models, options)
    except StoreError as error:
        problems.append(str(error))
    test = None
    if not problems:
        test, failure = run_self_test(options)
        if test is None:
            problems.append(failure)
        elif not test.passed:
            problems.append("the model gives senseless embeddings on this machine: try another runtime or file")
    if test is not None:
        advice += [
            f"a faster {network} is to be had: {choice['advice']}"
            for network, choice in test.choices.items()
            if choice["advice"]
        ]
    return Diagnosis(
        versions=versions(),
        runtimes=runtimes,
        machine=machine,
        home=str(store.home),
        folders=tuple(map(str, store.folders)),
        models=models,
        self_test=test,
        problems=tuple(problems),
        advice=tuple(advice),
    )


def _missing(store: ModelStore, models: Iterable[StoredModel], options: Mapping[str, Any]) -> list[str]:
    """What to do about each model that the options ask for and this machine has not."""
    detector = str(options.get("detector", DEFAULT_DETECTOR))
    wanted = {options.get("model", DEFAULT_EMBEDDER), DEFAULT_DETECTOR if detector.startswith(DEFAULT_DETECTOR) else ""}
    advice: dict[str, None] = {}  # in order; the message for one default model may speak of both
    for model in models:
        if model.name in wanted and model.state == "missing":
            try:
                store.source(model.name)
            except StoreError as error:
                advice[str(error)] = None
    return list(advice)


def versions() -> dict[str, str | None]:
    """Versions of this package, of Python and of :data:`PACKAGES`; None for what is not installed."""
    from ._version import __version__

    found: dict[str, str | None] = {"ghostface-edge": __version__, "python": platform.python_version()}
    for name, distributions in PACKAGES.items():
        found[name] = next((version for item in distributions if (version := _version(item)) is not None), None)
    return found


def probe(name: str) -> RuntimeProbe:
    """Whether a native runtime, one of :data:`RUNTIMES`, is there and loads."""
    module = RUNTIMES[name]
    if find_spec(module.partition(".")[0]) is None:
        return RuntimeProbe(name, "absent")
    output, reason = _child(_IMPORT, module)
    return RuntimeProbe(name, "usable") if output is not None else RuntimeProbe(name, "broken", reason)


def look_at_machine(cpuinfo: Path | None = None, cgroup: Path = _CGROUP) -> Machine:
    """The hardware of this machine.

    Args:
        cpuinfo: What Linux says of the CPUs; by default :data:`ghostface_edge.cpu.CPUINFO`.
        cgroup: Where Linux says what the container may use.
    """
    cpu = read_cpu(cpuinfo)
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        cpu=cpu.name or platform.processor(),
        features=cpu.features,
        cpus=usable_cpus(),
        cpu_limit=_cpu_limit(cgroup),
        threads=default_threads(),
    )


def run_self_test(options: Mapping[str, Any]) -> tuple[SelfTest | None, str]:
    """:func:`self_test` in a process of its own; None where it could not run, with what is wrong and what to do."""
    output, reason = _child(_TEST, json.dumps(dict(options)))
    if output is None:
        return None, f"the self-test failed: {reason}"
    reply = json.loads(output.splitlines()[-1])
    return (None, str(reply["error"])) if "error" in reply else (SelfTest(**reply), "")


def self_test_reply(options: str) -> str:
    """:func:`self_test` for the process that asked: options and reply are JSON, and an error of ours is a reply."""
    try:
        return json.dumps(vars(self_test(**json.loads(options))))
    except GhostFaceError as error:
        return json.dumps({"error": str(error)})


def self_test(**options: Any) -> SelfTest:
    """Run detector and embedder on synthetic pictures, in this process.

    Raises:
        GhostFaceError: A model is missing, or does not run.
    """
    engine = FaceEngine(**options)
    size = engine.embedder.crop_size
    crop, other = synthetic(size, size, phase=0.0), synthetic(size, size, phase=2.0)
    photo = Image.from_rgb(synthetic(480, 640, phase=0.0)[0])
    first, again = engine.embedder.embed(crop), engine.embedder.embed(crop)
    return SelfTest(
        engine=engine.describe(),
        embedding_size=first.shape[1],
        unit_length=bool(np.isfinite(first).all() and abs(np.linalg.norm(first) - 1) < 1e-4),
        repeatable=np.array_equal(first, again),
        responsive=not np.array_equal(first, engine.embedder.embed(other)),
        embed_ms=_milliseconds(lambda: engine.embedder.embed(crop)),
        detect_ms=_milliseconds(lambda: engine.detect(photo)),
        choices={network: choice.to_dict() for network, choice in engine.choices.items()},
    )


def synthetic(height: int, width: int, *, phase: float) -> NDArray[np.uint8]:
    """A smooth coloured pattern, (1, height, width, 3) uint8: the same on every machine, and nobody's face."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(phase + 9 * x + 4 * y), np.sin(phase + 7 * y - 3 * x), np.sin(phase + 13 * x * y)]
    picture: NDArray[np.uint8] = np.rint(127.5 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)
    return picture[None]


def _milliseconds(run: Callable[[], object]) -> float:
    times: list[float] = []
    while len(times) < _REPEATS and sum(times) < _TIMING_SECONDS:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return round(1e3 * statistics.median(times), 3)


def _child(code: str, argument: str) -> tuple[str | None, str]:
    """What a process of its own printed, or None and how it ended."""
    command = [sys.executable, "-I", "-c", code, json.dumps(sys.path), argument]
    try:
        done = subprocess.run(  # noqa: S603 - this very interpreter, and code of this file
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {_PROBE_SECONDS:g} s"
    except OSError as error:
        return None, f"{sys.executable} cannot be started: {error.strerror}"
    if done.returncode < 0:
        return None, f"killed by {signal.Signals(-done.returncode).name}"
    if done.returncode > 0:
        return None, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return done.stdout, ""


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cpu_limit(cgroup: Path) -> float | None:
    """CPUs' worth of time that the control group may use: cgroup v2 ``cpu.max``, v1 ``cpu.cfs_quota_us``."""
    quota, _, period = _text(cgroup / "cpu.max").strip().partition(" ")
    if not quota:
        quota = _text(cgroup / "cpu" / "cpu.cfs_quota_us").strip()
        period = _text(cgroup / "cpu" / "cpu.cfs_period_us").strip()
    # "max" in v2 and -1 in v1 stand for no limit.
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return int(quota) / int(period)


def _chosen(choice: Mapping[str, str]) -> str:
    return f"{choice['precision']} on {RUNTIME_NAMES[choice['runtime']]}: {choice['reason']}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"

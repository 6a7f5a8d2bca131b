"""QEMU's user mode with our counter in it: programs of the aarch64 environment, on a core of choice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from uuid import uuid4

from ghostface_edge.errors import EvaluationError, RuntimeMissingError

from .core import CORES, Core
from .environment import Environment
from .instructions import CLASSES, Tally, rules_header

MARK = 0x67666163
"""First argument of the getppid(2) by which a guest asks the counter for a line (``counter.c``)."""

_QEMU = "qemu-aarch64"
_COMPILERS = ("cc", "gcc", "clang")
_COUNTER = "counter.so"
_OURS = ("", "converters", "benchmarks")  # parts of this package, which need not lie in one folder
_TOOL_SECONDS = 120.0
_GUEST_SECONDS = 1800.0  # a wide network or a detector takes minutes, on a busy machine many


@dataclass(frozen=True)
class Tools:
    """Programs of this machine that the emulation needs.

    Attributes:
        qemu: ``qemu-aarch64``.
        version: Its version, such as ``7.2.22``.
        compiler: A C compiler.
    """

    qemu: str
    version: str
    compiler: str

    @property
    def plugin_api(self) -> int:
        """Version of the plugin interface (``qemu-plugin.h``): 1 until QEMU 8.2, 2 with 9.0, 3 serves since 9.1."""
        major, minor = (int(part) for part in self.version.split(".")[:2])
        return 3 if (major, minor) >= (9, 1) else 2 if major == 9 else 1


def find_tools() -> Tools:
    """The tools of this machine.

    Raises:
        RuntimeMissingError: One is missing; the message names its Debian package.
    """
    qemu = shutil.which(_QEMU)
    if qemu is None:
        raise RuntimeMissingError(
            f"{_QEMU} is missing: apt-get install qemu-user (qemu-user-static cannot load the counter)"
        )
    compiler = next((path for name in _COMPILERS if (path := shutil.which(name)) is not None), None)
    if compiler is None:
        raise RuntimeMissingError("a C compiler for the counter is missing: apt-get install gcc libc6-dev")
    said = _host([qemu, "--version"], f"{qemu} does not start")
    match = re.search(r"version (\d+\.\d+(?:\.\d+)?)", said)
    if match is None:
        raise RuntimeMissingError(f"{qemu} does not tell its version: apt-get install qemu-user")
    return Tools(qemu, match[1], compiler)


class Emulator:
    """A guest's machine, in a folder that lives as long as the ``with`` block of :func:`emulator`.

    In the folder, one more for each core is what the guest sees as ``/`` before the host's own files: the environment's
    system, and the core's CPU tree.

    Args:
        tools: Of the host.
        environment: The guest's files.
        folder: An empty folder.

    Raises:
        RuntimeMissingError: The compiler cannot compile the counter.
    """

    def __init__(self, tools: Tools, environment: Environment, folder: Path) -> None:
        self.tools = tools
        self.environment = environment
        self.folder = folder
        for name in ("root", "site"):
            (folder / name).symlink_to(environment.folder / name)
        _compile_counter(tools, folder)
        _copy_ours(folder / "own")
        for core in CORES.values():
            core.write_tree(folder / core.name)
            for entry in (environment.folder / "root").iterdir():
                (folder / core.name / entry.name).symlink_to(entry)

    def run(self, core: Core, arguments: Sequence[str], *, counting: bool = True) -> dict[int, Tally]:
        """Run the guest's Python on a core. Several runs may go on at once.

        Args:
            core: The core.
            arguments: Of Python. Relative paths are below :attr:`folder`.
            counting: Whether instructions are counted; without, it runs several times as fast.

        Returns:
            For each mark that the guest made, all instructions until then.

        Raises:
            EvaluationError: The guest failed.
        """
        counts = self.folder / f"{uuid4().hex}.counts"
        command = [self.tools.qemu, "-cpu", core.name, "-L", core.name]
        if counting:
            command += ["-plugin", f"./{_COUNTER}"]
        command += [str(self.environment.interpreter), "-s", *arguments]
        done = self._guest(command, core, counts)
        if done.returncode:
            raise EvaluationError(f"{core.name}: the emulated Python failed: {_reason(done)}")
        return read_counts(counts.read_text(encoding="ascii")) if counts.exists() else {}

    def _guest(self, command: Sequence[str], core: Core, counts: Path) -> subprocess.CompletedProcess[str]:
        # Hash seeds and threads change what is executed; QEMU hands the guest the environment that it has itself.
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONHOME": "root/usr",
            "PYTHONPATH": "own:site",
            "GHOSTFACE_EDGE_COUNTS": str(counts),
        }
        try:
            return subprocess.run(  # noqa: S603 - QEMU of the system, without a shell
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_GUEST_SECONDS,
                check=False,
                cwd=self.folder,
                env=variables,
            )
        except subprocess.TimeoutExpired as error:
            raise EvaluationError(f"{core.name}: no end within {_GUEST_SECONDS:g} s") from error
        except OSError as error:
            raise EvaluationError(f"{self.tools.qemu} cannot be started: {error.strerror}") from error


@contextmanager
def emulator(tools: Tools, environment: Environment) -> Iterator[Emulator]:
    """An emulator in a temporary folder.

    Raises:
        RuntimeMissingError: The compiler cannot compile the counter.
        EvaluationError: The folder, or what is in it, cannot be written or read.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="ghostface-edge-arm-") as folder:
            yield Emulator(tools, environment, Path(folder))
    except OSError as error:
        raise EvaluationError(f"the emulated machine's temporary files: {error}") from error


def read_counts(text: str) -> dict[int, Tally]:
    """Read what the counter wrote: a line for each mark, ``<label> <class>=<count> ...``.

    Raises:
        EvaluationError: It is something else.
    """
    marks: dict[int, Tally] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(\d+)" + "".join(rf" {name}=(\d+)" for name in CLASSES), line)
        if match is None:
            raise EvaluationError(f"the counter wrote a line that it should not: {line!r:.100}")
        label, *counts = (int(part) for part in match.groups())
        marks[label] = Tally(dict(zip(CLASSES, counts)))
    return marks


def _compile_counter(tools: Tools, folder: Path) -> None:
    (folder / "rules.h").write_text(rules_header(), encoding="ascii")
    source = Path(__file__).with_name("counter.c")
    command = [tools.compiler, "-shared", "-fPIC", "-O2", f"-DAPI={tools.plugin_api}", f"-I{folder}"]
    _host(
        [*command, "-o", str(folder / _COUNTER), str(source)],
        f"{tools.compiler} could not compile the counter; with apt-get install gcc libc6-dev it can",
    )


def _copy_ours(target: Path) -> None:
    """This package, as the host runs it."""
    for part in _OURS:
        name = ".".join(filter(None, ("ghostface_edge", part)))
        source = Path(str(import_module(name).__file__)).parent
        shutil.copytree(
            source, target / "ghostface_edge" / part, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"killed by {signal.Signals(-done.returncode).name}"
    lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("INFO:")]
    return lines[-1].strip() if lines else f"exit code {done.returncode}"


def _host(command: Sequence[str], trouble: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - programs of the system, without a shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TOOL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeMissingError(f"{trouble}: {error}") from error
    if done.returncode:
        raise RuntimeMissingError(f"{trouble}: {_reason(done)}")
    return done.stdout

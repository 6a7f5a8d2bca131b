"""Counts and outputs of emulated cores, judged: by numbers made by hand."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Callable

import numpy as np
import pytest

from ghostface_edge.benchmarks.arm import emulator as emulators
from ghostface_edge.benchmarks.arm import environment as environments
from ghostface_edge.benchmarks.arm import measurement
from ghostface_edge.benchmarks.arm.arm_table import arm_text
from ghostface_edge.benchmarks.arm.core import CORES
from ghostface_edge.benchmarks.arm.emulator import Tools, find_tools, read_counts
from ghostface_edge.benchmarks.arm.environment import prepare_environment
from ghostface_edge.benchmarks.arm.instructions import CLASSES, Tally
from ghostface_edge.benchmarks.arm.measurement import Agreement, CoreCount, per_inference
from ghostface_edge.benchmarks.device import Device
from ghostface_edge.benchmarks.drawn_people import PEOPLE, draw_people
from ghostface_edge.benchmarks.latency import load_field
from ghostface_edge.benchmarks.run_file import Run
from ghostface_edge.benchmarks.samples import Subject
from ghostface_edge.cli.output import table
from ghostface_edge.detection.anchors import decode
from ghostface_edge.detection.yunet import YuNet
from ghostface_edge.errors import EvaluationError, RuntimeMissingError
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore

EQUAL = Agreement(identical=True, relative=0.0, cosine=1.0)


def tally(total: float, **others: float) -> Tally:
    """So many instructions, of class other where nothing else is said."""
    counts = {**dict.fromkeys(CLASSES, 0.0), **others}
    return Tally({**counts, "other": total - sum(others.values())})


def counted(
    precision: str,
    core: str,
    agreement: Agreement = EQUAL,
    *rounds: Tally,
    runtime: str = "ai_edge_litert 2.3.0",
) -> CoreCount:
    subject = Subject("net", "net-1", precision, runtime, 1, "0" * 64, "inference")
    return CoreCount(subject, "", 1234, CORES[core], rounds or (tally(1000.0),), agreement)


def test_what_is_around_inferences_falls_out() -> None:
    # 700 before the first mark; each block costs 50 besides, an inference 10 loads and 90 others
    def at(done: int, blocks: int) -> Tally:
        return tally(700.0 + 100 * done + 50 * blocks, load=10.0 * done)

    marks = {0: at(0, 0), 1: at(2, 1), 2: at(6, 2), 3: at(6, 2), 4: at(8, 3), 5: at(12, 4)}
    assert per_inference(marks, 2, 2) == (tally(100.0, load=10.0),) * 2
    with pytest.raises(EvaluationError, match="the counter noted 6 of 9 marks"):
        per_inference(marks, 2, 3)


class Guests:
    """In place of an emulator and its models: what each guest does."""

    def __init__(self, *behaviours: Callable[[], CoreCount]) -> None:
        self.behaviours = iter(behaviours)

    def count(self, *_: object) -> CoreCount:
        return next(self.behaviours)()


def interrupt() -> CoreCount:
    raise KeyboardInterrupt


def fail() -> CoreCount:
    raise EvaluationError("the guest died")


def counts_of(monkeypatch: pytest.MonkeyPatch, *behaviours: Callable[[], CoreCount]) -> measurement.Counts:
    monkeypatch.setattr(measurement, "_count", Guests(*behaviours).count)
    monkeypatch.setattr(measurement, "_Job", lambda folder, candidate: candidate)
    monkeypatch.setattr(measurement, "usable_cpus", lambda: 1)
    machine, candidates = SimpleNamespace(folder=None), [None] * len(behaviours)
    return measurement.count_candidates(machine, candidates, [CORES["a53"]])  # type: ignore[arg-type]


def test_what_is_finished_survives_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = counted("float32", "a53"), counted("float16", "a53")
    assert counts_of(monkeypatch, lambda: first, lambda: second) == measurement.Counts((first, second))
    broken = counts_of(monkeypatch, lambda: first, interrupt, lambda: second)
    assert not broken.complete
    assert broken.items[0] == first
    with pytest.raises(KeyboardInterrupt):
        counts_of(monkeypatch, interrupt)
    with pytest.raises(EvaluationError, match="the guest died"):
        counts_of(monkeypatch, lambda: first, fail)


def test_a_detector_sees_a_picture_of_people(tmp_path: Path, real_models: ModelStore) -> None:
    paths = [real_models.resolve("yunet", format=form, precision="float32") for form in ("tflite", "onnx")]
    lite, onnx = load_field(paths, kinds=("detector",)).candidates
    for candidate, shape in ((lite, (1, 640, 640, 3)), (onnx, (1, 3, 640, 640))):
        job = measurement._Job(tmp_path, candidate)
        seen = np.load(job.inputs)
        assert seen.shape == shape
        found = YuNet(candidate.session).detect(Image.from_rgb(draw_people()))
        # what the network makes of it holds the people that are found in the photo
        anchors = decode([grid[0] for grid in job.expected], least=0.7)
        assert len(anchors.best(least=0.7, overlap=0.3)) == len(found) == len(PEOPLE)
    assert measurement._input_kind([lite]) == "detectors: 3 people drawn by this program, 640 x 640 pixels"


def test_agreement_by_hand() -> None:
    expected = [np.array([[3.0, 4.0], [0.0, 8.0]], np.float32)]
    found = [np.array([[3.0, 4.0], [6.0, 8.0]], np.float32)]
    agreement = Agreement.between(found, expected)
    assert not agreement.identical
    assert agreement.relative == pytest.approx(6 / 8)
    assert agreement.cosine == pytest.approx(0.8)  # of (6, 8) and (0, 8); the other picture has 1
    same = Agreement.between(expected, expected)
    assert same.identical
    assert same.relative == 0
    assert same.cosine == pytest.approx(1)
    # the worst of several outputs decides, and a single bit is enough
    last = np.nextafter(expected[0], np.float32(9))
    assert not Agreement.between([expected[0], last], [expected[0]] * 2).identical


ROUNDED = Agreement(identical=False, relative=2e-2, cosine=0.9995)
FAR = Agreement(identical=False, relative=2e-2, cosine=0.98)
CLOSE = Agreement(identical=False, relative=9e-6, cosine=1.0)
DOTS = tally(1000.0, dot_product=10.0)


@pytest.mark.parametrize(
    ("count", "problems"),
    [
        (counted("float32", "a72", CLOSE), ()),
        (counted("float32", "a72", ROUNDED), ("outputs differ from this machine's by 2.0e-02 of the largest",)),
        (counted("float16", "a72", ROUNDED), ("outputs differ from this machine's by 2.0e-02 of the largest",)),
        (counted("float16", "a76", Agreement(False, 1e-2, 0.99985)), ()),
        (counted("float16", "a76", ROUNDED), ("cosine 0.99950 to float32, below 0.9998",)),
        (counted("dynamic", "a53", CLOSE), ()),
        (counted("dynamic", "a53", ROUNDED), ("outputs differ from this machine's by 2.0e-02 of the largest",)),
        (counted("dynamic", "a76", ROUNDED), ("cosine 0.99950 to float32, below 0.9998",)),
        (counted("int8", "a53"), ()),
        (counted("int8", "a53", CLOSE), ("integers are not this machine's, by 9.0e-06 of the largest",)),
        (counted("int8", "a53", ROUNDED, runtime="onnxruntime 1.32.0"), ()),
        (
            counted("int8", "a53", FAR, runtime="onnxruntime 1.32.0"),
            ("cosine 0.98000 to this machine's outputs, below 0.99",),
        ),
        (counted("int8", "a76", EQUAL, DOTS), ()),
        (counted("int8", "a76"), ("no dot products on a core that has them",)),
        (counted("int8", "a72", EQUAL, DOTS), ("dot products on a core that has none",)),
        (counted("float32", "a72", EQUAL, tally(1000), tally(1004)), ()),
        (counted("float32", "a72", EQUAL, tally(1000), tally(1006)), ("the count varies by 0.60% between rounds",)),
    ],
)
def test_problems(count: CoreCount, problems: tuple[str, ...]) -> None:
    assert count.problems == problems


def test_a_run_can_be_written_and_read_and_told(tmp_path: Path) -> None:
    counts = [counted("int8", core, EQUAL, tally(2e6), tally(2.002e6), tally(2.004e6, load=1e6)) for core in CORES]
    run = Run(
        kind="arm",
        device=Device.here(emulated="qemu-user 7.2.22: cortex-a53, cortex-a72, cortex-a76"),
        conditions=(),
        settings={"input": "4 faces", "guest": {"python": "3.11"}, "skipped": ["a reason"], "problems": []},
        rows=tuple(count.row() for count in counts),
    )
    run.write(tmp_path / "arm.json")
    read = Run.read(tmp_path / "arm.json")
    assert read == run
    assert [row.subject.stage for row in read.rows] == [f"inference on {core.name}" for core in CORES.values()]
    assert read.rows[0].figures["instructions"]["total"] == pytest.approx(2.002e6)
    assert read.rows[0].figures["instructions_by_round"] == {"p50": 2.002e6, "min": 2e6, "max": 2.004e6}
    text = arm_text(read, table)
    assert "cortex-a76  2.00   0.20%   0.33" in text
    assert "left out: a reason" in text
    assert " ms" not in text


# ----------------------------------------------------------------------------------------------------------------
# Reading what the counter wrote, and tools that are missing


def test_counts_are_read() -> None:
    line = " ".join(f"{name}={10 * number}" for number, name in enumerate(CLASSES))
    marks = read_counts(f"7 {line}\n0 {line}\n")
    assert set(marks) == {0, 7}
    assert marks[7].by_class == {name: 10 * number for number, name in enumerate(CLASSES)}


@pytest.mark.parametrize("line", ["", "0", "0 load=1", "x load=1 store=2", "0 " + " ".join(f"{n}=-1" for n in CLASSES)])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(EvaluationError, match="the counter wrote a line that it should not"):
        read_counts(line + "\n")


@pytest.mark.parametrize(
    ("version", "api"), [("7.2.22", 1), ("8.2.0", 1), ("9.0.2", 2), ("9.1.0", 3), ("10.0.3", 3), ("10.1", 3)]
)
def test_plugin_interface_of_qemu(version: str, api: int) -> None:
    assert Tools("qemu-aarch64", version, "gcc").plugin_api == api


def only(folder: Path, **programs: str) -> str:
    """A folder with shell scripts, for PATH."""
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return str(folder)


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", only(tmp_path / "none"))
    with pytest.raises(RuntimeMissingError, match="qemu-aarch64 is missing: apt-get install qemu-user"):
        find_tools()
    monkeypatch.setenv("PATH", only(tmp_path / "qemu", qemu_aarch64="echo qemu-aarch64 version 9.1.2"))
    with pytest.raises(RuntimeMissingError, match="a C compiler for the counter is missing: apt-get install gcc"):
        find_tools()
    monkeypatch.setenv("PATH", only(tmp_path / "qemu", cc="exit 1"))
    assert find_tools().version == "9.1.2"
    monkeypatch.setenv("PATH", only(tmp_path / "qemu", qemu_aarch64="echo what"))
    with pytest.raises(RuntimeMissingError, match="does not tell its version"):
        find_tools()
    monkeypatch.setenv("PATH", only(tmp_path / "qemu", qemu_aarch64="echo broken >&2; exit 3"))
    with pytest.raises(RuntimeMissingError, match="does not start: broken"):
        find_tools()


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_codename", lambda: "bookworm")


def test_other_systems_are_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text("ID=fedora\nVERSION_CODENAME=\n")
    monkeypatch.setattr(environments, "_OS_RELEASE", tmp_path / "os-release")
    with pytest.raises(RuntimeMissingError, match="run this on Debian 12 or later"):
        prepare_environment(tmp_path)


@pytest.mark.parametrize(
    ("installed", "taken"),
    [
        (["ai-edge-litert", "tflite-runtime"], ["ai-edge-litert"]),  # as the runtime prefers them
        (["onnxruntime", "tflite-runtime"], ["onnxruntime", "tflite-runtime"]),
        (["tflite-runtime"], ["tflite-runtime"]),
    ],
)
def test_the_guest_runs_what_runs_here(monkeypatch: pytest.MonkeyPatch, installed: list[str], taken: list[str]) -> None:
    versions = dict.fromkeys([*environments.NEEDED, *installed], "1.2")

    def version(name: str) -> str:
        try:
            return versions[name]
        except KeyError:
            raise metadata.PackageNotFoundError(name) from None

    monkeypatch.setattr(metadata, "version", version)
    assert list(environments._host_packages()) == [*environments.NEEDED, *taken]


@pytest.mark.usefixtures("debian")
def test_without_apt_or_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", only(tmp_path / "bin"))
    with pytest.raises(RuntimeMissingError, match="apt-get is missing: it is in Debian's package apt"):
        prepare_environment(tmp_path / "home")
    sources = 'case "$*" in *indextargets*) echo "bookworm main http://mirror.example/"; exit;; esac\n'
    failing = sources + "echo 'W: a warning' >&2; echo 'E: no such host' >&2; exit 100"
    monkeypatch.setenv("PATH", only(tmp_path / "bin", apt_get=failing, dpkg_deb="exit 0"))
    with pytest.raises(EvaluationError, match=r"making it needs the network: .*arm64 packages: E: no such host$"):
        prepare_environment(tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []  # nothing half done
    other = 'case "$*" in *indextargets*) echo "noble main http://mirror.example/"; exit;; esac\nexit 1'
    monkeypatch.setenv("PATH", only(tmp_path / "bin", apt_get=other))
    with pytest.raises(EvaluationError, match="apt-get knows no archive of Debian bookworm main"):
        prepare_environment(tmp_path / "home")


def test_an_environment_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def build(folder: Path, codename: str, packages: dict[str, str]) -> None:
        built.append(codename)
        folder.mkdir(parents=True)
        (folder / "environment.json").write_text('{"python": "3.11"}')

    monkeypatch.setattr(environments, "_build", build)
    monkeypatch.setattr(environments, "_codename", lambda: "bookworm")
    first, again = prepare_environment(tmp_path), prepare_environment(tmp_path)
    assert built == ["bookworm"]
    assert first == again
    monkeypatch.setattr(environments, "_codename", lambda: "trixie")
    assert prepare_environment(tmp_path).folder != first.folder
    for damage in ("", "[]", "{}", "{"):
        (first.folder / "environment.json").write_text(damage)
        monkeypatch.setattr(environments, "_codename", lambda: "bookworm")
        with pytest.raises(EvaluationError, match=f"{first.folder} is damaged: remove that folder"):
            prepare_environment(tmp_path)


def test_a_compiler_that_fails(tmp_path: Path) -> None:
    path = only(tmp_path / "bin", cc="echo 'no header' >&2; exit 1")
    with pytest.raises(RuntimeMissingError, match=r"could not compile the counter.*libc6-dev.*no header"):
        emulators._compile_counter(Tools("qemu-aarch64", "7.2.22", f"{path}/cc"), tmp_path)


@pytest.mark.skipif(subprocess.run(["sh", "-c", "command -v cc"], capture_output=True).returncode != 0, reason="no cc")
@pytest.mark.parametrize("version", ["7.2.22", "9.0.0", "10.0.0"])
def test_the_counter_compiles_without_a_warning(tmp_path: Path, version: str) -> None:
    emulators._compile_counter(Tools("qemu-aarch64", version, "cc"), tmp_path)
    api = f"-DAPI={Tools('', version, '').plugin_api}"
    source = Path(emulators.__file__).with_name("counter.c")
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", api, f"-I{tmp_path}", str(source)]
    subprocess.run(command, check=True)

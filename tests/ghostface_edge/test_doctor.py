"""The doctor: what it reads of a machine, and what it says of a healthy and of an ill one."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge import doctor
from ghostface_edge.cli import main
from ghostface_edge.errors import MissingModelError

# The first lines of /proc/cpuinfo, shortened, as these machines print it.
XEON = """processor\t: 0
vendor_id\t: GenuineIntel
model\t\t: 106
model name\t: Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz
flags\t\t: fpu sse4_2 avx f16c fma avx2 avx512f avx512_vnni

processor\t: 1
model name\t: another
"""
PI4 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU part\t: 0xd08

Hardware\t: BCM2835
Model\t\t: Raspberry Pi 4 Model B Rev 1.4
"""
PI5 = PI4.replace("crc32", "crc32 atomics fphp asimdhp asimddp").replace("Pi 4 Model B Rev 1.4", "Pi 5 Model B Rev 1.0")


@pytest.fixture(scope="module")
def warm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which models are converted once for all tests here."""
    return tmp_path_factory.mktemp("doctor-store")


@pytest.fixture
def offline(shared: Path, warm_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared models, found by the program."""
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(warm_home))
    monkeypatch.setenv("GHOSTFACE_EDGE_MODELS", f"{shared / 'models'}{os.pathsep}{shared / 'detectors'}")
    return shared


@pytest.fixture
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with nothing in it."""
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class TestMachine:
    @pytest.mark.parametrize(
        ("cpuinfo", "name", "features"),
        [
            (XEON, "Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", ("avx", "avx2", "fma", "avx512f", "avx512_vnni")),
            (PI4, "Raspberry Pi 4 Model B Rev 1.4", ("asimd",)),
            (PI5, "Raspberry Pi 5 Model B Rev 1.0", ("asimd", "fphp", "asimdhp", "asimddp")),
        ],
    )
    def test_cpu(self, tmp_path: Path, cpuinfo: str, name: str, features: tuple[str, ...]) -> None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
        machine = doctor.look_at_machine(tmp_path / "cpuinfo", tmp_path)
        assert (machine.cpu, machine.features) == (name, features)

    def test_a_system_that_tells_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "sched_getaffinity")
        machine = doctor.look_at_machine(tmp_path / "none", tmp_path)
        assert machine.features == ()
        assert machine.cpu == platform.processor()
        assert machine.cpus == os.cpu_count()
        assert machine.cpu_limit is None

    @pytest.mark.parametrize(
        ("files", "limit"),
        [
            ({"cpu.max": "150000 100000\n"}, 1.5),
            ({"cpu.max": "max 100000\n"}, None),
            ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
            ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
            ({"cpu.max": "100000 0\n"}, None),
            ({}, None),
        ],
    )
    def test_limit_of_the_container(self, tmp_path: Path, files: dict[str, str], limit: float | None) -> None:
        (tmp_path / "cpu").mkdir()
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        assert doctor.look_at_machine(tmp_path / "none", tmp_path).cpu_limit == limit

    def test_versions(self) -> None:
        found = doctor.versions()
        assert found["python"] == platform.python_version()
        assert found["numpy"] == np.__version__
        import cv2

        assert str(found["opencv"]).startswith(cv2.__version__)
        assert set(found) == {"ghostface-edge", "python", *doctor.PACKAGES}


class TestProbe:
    def test_usable_or_absent(self) -> None:
        for name in doctor.RUNTIMES:
            found = doctor.probe(name)
            assert found.state == ("absent" if doctor.versions()[name] is None else "usable")

    def test_a_wheel_that_dies_takes_nothing_with_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "onnxruntime.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
        assert doctor.probe("onnxruntime") == doctor.RuntimeProbe("onnxruntime", "broken", "killed by SIGILL")

    def test_a_package_that_does_not_load(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "onnxruntime.py").write_text("raise ImportError('libgomp.so.1: cannot open shared object file')\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
        found = doctor.probe("onnxruntime")
        assert (found.state, found.reason) == (
            "broken",
            "ImportError: libgomp.so.1: cannot open shared object file",
        )

    def test_a_process_that_hangs_or_cannot_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "_PROBE_SECONDS", 0.01)
        monkeypatch.setitem(doctor.RUNTIMES, "numpy", "numpy")
        assert doctor.probe("numpy") == doctor.RuntimeProbe("numpy", "broken", "no answer within 0.01 s")
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        assert doctor.probe("numpy").reason == "/nowhere/python cannot be started: No such file or directory"


class TestSelfTest:
    def test_it_runs_the_models(self, offline: Path) -> None:
        found = doctor.self_test(threads=1)
        assert found.passed
        assert found.embedding_size == 512
        assert "detector yunet" in found.engine
        assert found.embed_ms > 0
        assert found.detect_ms > 0

    def test_a_reply_carries_results_and_errors(self, offline: Path) -> None:
        reply = json.loads(doctor.self_test_reply('{"threads": 1}'))
        assert doctor.SelfTest(**reply).passed
        assert "none of onnx, litert" in json.loads(doctor.self_test_reply('{"runtime": "x"}'))["error"]

    def test_without_models(self, empty_store: Path) -> None:
        with pytest.raises(MissingModelError):
            doctor.self_test()

    def test_the_pattern_is_the_same_everywhere(self) -> None:
        picture = doctor.synthetic(4, 4, phase=0.0)
        assert picture.shape == (1, 4, 4, 3)
        assert picture.dtype == np.uint8
        # 127.5 + 100 sin(0), and at the right end of the first row 127.5 + 100 sin(9 * 3 / 4), ... sin(-9 / 4), sin(0)
        assert picture[0, 0, 0].tolist() == [128, 128, 128]
        assert picture[0, 0, 3].tolist() == [173, 50, 128]


class TestExamine:
    def test_a_machine_that_is_ready(self, offline: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor", "--threads", "1", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["ready"] is True
        assert document["problems"] == []
        assert document["self_test"]["passed"] is True
        assert document["self_test"]["engine"].endswith("threads: 1")
        assert document["store"]["folders"] == [str(offline / "models"), str(offline / "detectors")]
        assert {item["name"] for item in document["runtimes"]} == set(doctor.RUNTIMES)

    def test_it_says_what_was_chosen(self, offline: Path) -> None:
        found = doctor.examine(threads=1)
        assert found.self_test is not None
        choices = found.self_test.choices
        assert set(choices) == {"embedder", "detector"}
        for network, choice in choices.items():
            assert Path(choice["path"]).is_file()
            assert f"\n  {network}: {choice['precision']} on " in found.to_text()
            assert f": {choice['reason']}\n" in found.to_text()

    def test_a_lack_is_advice(self, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        choice = {"path": "x", "precision": "float32", "runtime": "litert", "reason": "why", "advice": "do this"}
        test = doctor.SelfTest("engine", 8, True, True, True, 1.0, 1.0, {"embedder": choice})
        monkeypatch.setattr(doctor, "_missing", lambda *arguments: [])
        monkeypatch.setattr(doctor, "run_self_test", lambda options: (test, ""))
        text = doctor.examine().to_text()
        assert "\n  embedder: float32 on LiteRT: why\n" in text
        assert "\nAdvice: a faster embedder is to be had: do this\n" in text

    @pytest.mark.parametrize(
        ("half", "state", "told"), [(True, "absent", True), (True, "usable", False), (False, "absent", False)]
    )
    def test_litert_where_it_would_compute_in_float16(
        self, empty_store: Path, monkeypatch: pytest.MonkeyPatch, half: bool, state: str, told: bool
    ) -> None:
        features = ("asimd", "fphp", "asimdhp") if half else ("asimd",)
        machine = doctor.Machine("Linux", "aarch64", "", features, 4, None, 4)
        monkeypatch.setattr(doctor, "look_at_machine", lambda: machine)
        monkeypatch.setattr(doctor, "probe", lambda name: doctor.RuntimeProbe(name, state))
        advice = 'LiteRT computes in float16 on this CPU, which is faster: pip install "ghostface-edge[litert]"'
        assert (advice in doctor.examine().advice) == told

    def test_text(self, offline: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor", "--threads", "1"]) == 0
        text = capsys.readouterr().out
        assert f"  numpy           {np.__version__}\n" in text
        assert "  512 numbers; finite and of length 1: yes; same picture, same result: yes; " in text
        assert text.endswith("The main job can run.\n")
        assert "accura" not in text

    def test_a_newcomer_is_told_all_that_is_missing(
        self, empty_store: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["doctor"]) == 1
        text = capsys.readouterr().out
        problem = "Problem: models 'yunet' and 'ghostfacenet-w0.5-s2' are not on this machine. Run: "
        assert text.count(problem) == text.count("Problem: model") == 1, "one message for both, once"
        assert "Self-test\n  could not run\n" in text
        assert text.endswith("The main job cannot run.\n")
        assert not empty_store.exists()

    def test_no_runtime(self, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "probe", lambda name: doctor.RuntimeProbe(name, "broken", "killed by SIGILL"))
        found = doctor.examine()
        assert 'pip install "ghostface-edge[litert]"' in found.problems[0]
        assert found.advice[0] == (
            "onnxruntime is installed and does not load (killed by SIGILL): install another version"
        )
        assert "does not load: killed by SIGILL" in found.to_text()
        assert found.self_test is None
        assert not found.ready

    def test_a_store_that_cannot_be_used(self, empty_store: Path) -> None:
        pin = empty_store / "models" / "mine" / "pin.json"
        pin.parent.mkdir(parents=True)
        pin.write_text("not JSON")
        found = doctor.examine()
        assert any(str(pin) in problem for problem in found.problems)
        assert found.models == ()

    def test_other_models_are_asked_for(self, empty_store: Path) -> None:
        found = doctor.examine(model="nonsense", detector="nonsense")
        assert len(found.problems) == 1
        assert "no model is called 'nonsense'" in found.problems[0]

    def test_a_model_that_gives_nonsense(self, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ill = doctor.SelfTest("engine", 8, True, False, True, 1.0, 1.0)
        monkeypatch.setattr(doctor, "_missing", lambda *arguments: [])
        monkeypatch.setattr(doctor, "run_self_test", lambda options: (ill, ""))
        found = doctor.examine()
        assert not found.ready
        assert "senseless embeddings" in found.problems[0]
        assert "same result: no" in found.to_text()

    def test_a_self_test_that_dies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "_TEST", f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})")
        assert doctor.run_self_test({}) == (None, "the self-test failed: killed by SIGSEGV")
        monkeypatch.setattr(doctor, "_TEST", "import sys; sys.exit(3)")
        assert doctor.run_self_test({}) == (None, "the self-test failed: exit code 3")

    def test_a_container_with_less_than_its_cpus(self, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        machine = doctor.Machine("Linux", "x86_64", "", (), 4, 1.5, 4)
        monkeypatch.setattr(doctor, "look_at_machine", lambda: machine)
        found = doctor.examine()
        assert found.advice[-1] == (
            "the container may use 1.5 CPUs and models use 4 threads by default: give --threads 1"
        )
        text = found.to_text()
        assert "  Linux, x86_64\n  CPU features: unknown\n" in text
        assert "limit of the container: 1.5 CPUs" in text

"""What a device says of itself, read from files as real kernels write them."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ghostface_edge.benchmarks import device as module
from ghostface_edge.benchmarks.affinity import bound_to, chosen_cpus
from ghostface_edge.benchmarks.device import Cluster, Condition, Device, cpu_list, throttled_bits
from ghostface_edge.errors import EvaluationError, OptionError

CPU = "sys/devices/system/cpu"
PI4 = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/meminfo": "MemTotal:        3884240 kB\nMemFree:         2854244 kB\n",
    "proc/loadavg": "0.27 0.14 0.05 1/163 1184\n",
    "proc/cpuinfo": "Features\t: fp asimd evtstrm crc32 cpuid\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48199\n",
    **{f"{CPU}/cpu{number}/cpufreq/cpuinfo_max_freq": "1800000\n" for number in range(4)},
    **{f"{CPU}/cpu{number}/cpufreq/scaling_cur_freq": f"{600 + number}000\n" for number in range(4)},
    **{f"{CPU}/cpu{number}/cpufreq/scaling_governor": "ondemand\n" for number in range(4)},
    f"{CPU}/cpufreq/policy0/scaling_governor": "ondemand\n",
    f"{CPU}/cpuidle/current_driver": "none\n",
}
"""Raspberry Pi OS on a Pi 4."""

PHONE = {
    **{f"{CPU}/cpu{number}/cpu_capacity": "250\n" for number in range(4)},
    **{f"{CPU}/cpu{number}/cpu_capacity": "761\n" for number in range(4, 7)},
    f"{CPU}/cpu7/cpu_capacity": "1024\n",
    **{f"{CPU}/cpu{number}/cpufreq/cpuinfo_max_freq": "1803000\n" for number in range(4)},
    f"{CPU}/cpu7/cpufreq/cpuinfo_max_freq": "2850000\n",
    "sys/class/thermal/thermal_zone0/type": "battery\n",
    "sys/class/thermal/thermal_zone0/temp": "31000\n",
    "sys/class/thermal/thermal_zone1/type": "cpu-1-7-usr\n",
    "sys/class/thermal/thermal_zone1/temp": "52300\n",
    "sys/class/thermal/thermal_zone2/type": "cpu-0-0-usr\n",
    "sys/class/thermal/thermal_zone2/temp": "-274000\n",
    "sys/class/thermal/thermal_zone3/type": "pm8150_tz\n",
    "sys/class/thermal/thermal_zone3/temp": "75000\n",
}
"""A phone with four small, three middle and one large core, one sensor of which is switched off."""

CALM = Condition((), (), None, None, None, None, None)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def on_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")


def test_a_raspberry_pi(tmp_path: Path, on_arm: None) -> None:
    found = Device.here(root=tree(tmp_path, PI4))
    assert (found.board, found.cpu, found.os, found.memory_mb, found.features, found.emulated) == (
        "Raspberry Pi 4 Model B Rev 1.4",
        "Raspberry Pi 4 Model B Rev 1.4",
        "Debian GNU/Linux 12 (bookworm)",
        3793,
        ("asimd",),
        None,
    )
    assert found.clusters == (Cluster((0, 1, 2, 3), 1800.0),)
    assert found.describe().startswith("Raspberry Pi 4 Model B Rev 1.4, aarch64, 4 x 1800 MHz CPUs, ")


def test_its_condition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_vcgencmd", lambda: 0x50005)
    found = Condition.now(tree(tmp_path, PI4))
    assert found == Condition(("ondemand",), (600.0, 601.0, 602.0, 603.0), 48.199, 0x50005, None, None, 0.27)
    assert found.to_dict()["throttled_words"] == [
        "under-voltage",
        "throttled",
        "under-voltage since boot",
        "throttled since boot",
    ]
    assert "48.2 °C, get_throttled 0x50005 (under-voltage, throttled, " in found.describe()


def test_vcgencmd_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text('#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0xe0000\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Condition.now(tmp_path).throttled == 0xE0000
    command.write_text("#!/bin/sh\nexit 1\n")
    assert Condition.now(tmp_path).throttled is None
    monkeypatch.setenv("PATH", "")
    assert Condition.now(tmp_path).throttled is None


@pytest.mark.parametrize(
    ("answer", "bits"),
    [
        ("throttled=0x0\n", 0),
        ("throttled=0x50000\n", 0x50000),
        ("", None),
        ("VCHI failed", None),
        ("throttled=9", None),
    ],
)
def test_the_answer_of_vcgencmd(answer: str, bits: int | None) -> None:
    assert throttled_bits(answer) == bits


def test_a_phone_has_three_kinds_of_cores(tmp_path: Path, on_arm: None) -> None:
    root = tree(tmp_path, PHONE)
    found = Device.here(root=root)
    assert found.clusters == (Cluster((7,), 2850.0), Cluster((4, 5, 6), None), Cluster((0, 1, 2, 3), 1803.0))
    assert chosen_cpus("big", found) == (7,)
    assert chosen_cpus("little", found) == (0, 1, 2, 3)
    assert Condition.now(root).temperature == 52.3  # of the CPU, not of the hotter charger, nor of the dead sensor


def test_cores_without_a_capacity_differ_by_frequency_on_arm_and_not_on_x86(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(
        tmp_path, {f"{CPU}/cpu{n}/cpufreq/cpuinfo_max_freq": f"{khz}\n" for n, khz in ((0, 1400000), (1, 2000000))}
    )
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert Device.here(root=root).clusters == (Cluster((1,), 2000.0), Cluster((0,), 1400.0))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert Device.here(root=root).clusters == (Cluster((0, 1), 2000.0),)


def test_a_hybrid_pc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    files = {f"{CPU}/cpu{number}/online": "1\n" for number in range(6)}
    found = Device.here(root=tree(tmp_path, {**files, "sys/devices/cpu_core/cpus": "0-3\n"}))
    assert [cluster.cpus for cluster in found.clusters] == [(0, 1, 2, 3), (4, 5)]


@pytest.mark.parametrize(
    ("machine", "files", "emulated"),
    [
        ("aarch64", {"proc/sys/kernel/arch": "x86_64\n"}, True),
        ("aarch64", {f"{CPU}/modalias": "cpu:type:x86,ven0000fam0006mod008F:feature:,0000\n"}, True),
        ("aarch64", {f"{CPU}/modalias": "cpu:type:aarch64:feature:,0000\n"}, False),
        ("x86_64", {"proc/sys/kernel/arch": "aarch64\n"}, True),
        ("armv7l", {"proc/sys/kernel/arch": "aarch64\n"}, False),  # a 32-bit program on a 64-bit kernel is no emulation
        ("i686", {"proc/sys/kernel/arch": "x86_64\n"}, False),
        ("riscv64", {"proc/sys/kernel/arch": "riscv64\n"}, False),
        ("aarch64", {}, False),
    ],
)
def test_a_program_for_another_cpu_than_the_kernels_is_emulated(
    machine: str, files: dict[str, str], emulated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    found = Device.here(root=tree(tmp_path, files))
    assert (found.emulated is not None) == emulated
    assert ("EMULATED" in found.describe()) == emulated


def test_this_machine() -> None:
    found = Device.here()
    assert found.cpus == len(os.sched_getaffinity(0))
    assert sum(len(cluster.cpus) for cluster in found.clusters) in (0, os.cpu_count())
    assert found.memory_mb == pytest.approx(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20, rel=0.01)
    assert Device.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    now = Condition.now()
    assert Condition.from_dict(json.loads(json.dumps(now.to_dict()))) == now


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        ({}, {}, ()),
        ({"throttled": 0x0}, {"throttled": 0x0}, ()),
        ({"throttled": 0x0}, {"throttled": 0x50000}, ("under-voltage since boot", "throttled since boot")),
        ({"throttled": 0x50000}, {"throttled": 0x50000}, ()),  # before this run
        ({"throttled": 0x50005}, {"throttled": 0x50000}, ("under-voltage", "throttled")),
        (
            {"throttled": 0x40000},
            {"throttled": 0xC0008},
            ("soft temperature limit", "soft temperature limit since boot"),
        ),
        ({"throttle_events": 3}, {"throttle_events": 3}, ()),
        ({"throttle_events": 3}, {"throttle_events": 4}, ("slowed down for heat",)),
        ({"quota_waits": 0}, {"quota_waits": 9}, ("the container's share of CPU time was used up",)),
        ({}, {"quota_waits": 9}, ()),
    ],
)
def test_what_slowed_a_run_down(before: dict[str, int], after: dict[str, int], reasons: tuple[str, ...]) -> None:
    assert replace(CALM, **after).throttled_since(replace(CALM, **before)) == reasons  # type: ignore[arg-type]


def test_counters_of_heat_and_of_the_container(tmp_path: Path) -> None:
    files = {
        f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "2\n",
        f"{CPU}/cpu1/thermal_throttle/core_throttle_count": "3\n",
        f"{CPU}/cpu0/thermal_throttle/package_throttle_count": "5\n",
        "sys/fs/cgroup/cpu.stat": "usage_usec 123\nnr_periods 10\nnr_throttled 4\nthrottled_usec 1000\n",
    }
    found = Condition.now(tree(tmp_path, files))
    assert (found.throttle_events, found.quota_waits) == (10, 4)


@pytest.mark.parametrize("text", ["", "x", "3-", "-3", "0x1", "1;2", "99999", "0,,1", "9-3"])
def test_what_is_no_list_of_cpus(text: str) -> None:
    assert cpu_list(text) == ()


def test_lists_of_cpus() -> None:
    assert cpu_list("0-3,6\n") == (0, 1, 2, 3, 6)


def test_a_run_is_bound_to_cpus_and_freed_again() -> None:
    before = os.sched_getaffinity(0)
    with bound_to((min(before),)):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
    with bound_to(None):
        assert os.sched_getaffinity(0) == before


def test_cpus_that_are_not_there() -> None:
    one_kind = replace(Device.here(), clusters=(Cluster((0, 1), None),))
    for text, message in (
        ("big", "two kinds"),
        ("little", "two kinds"),
        ("fast", "none of big, little"),
        ("", "none of"),
    ):
        with pytest.raises(OptionError, match=message):
            chosen_cpus(text, one_kind)
    with pytest.raises(OptionError, match="CPU 4095 is not among"), bound_to((4095,)):
        pass


def test_a_system_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    with pytest.raises(OptionError, match="does not let"), bound_to((0,)):
        pass


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cpus", 0, "device.cpus must be a whole number from 1 on, not 0"),
        ("cpus", True, "device.cpus must"),
        ("board", None, "device.board must be a text"),
        ("features", ["avx", 2], "device.features must be a list of texts"),
        ("clusters", [{"cpus": [0]}], r"device.clusters\[0\].max_mhz is missing"),
        ("clusters", [{"cpus": [0.5], "max_mhz": None}], r"device.clusters\[0\].cpus must be a list of whole numbers"),
        ("clusters", [3], r"device.clusters\[0\] is no JSON object"),
        ("memory_mb", 1.5, "device.memory_mb must be a whole number"),
        ("cpu_limit", "2", "device.cpu_limit must be a number"),
        ("versions", {"numpy": 2}, "device.versions.numpy must be a text"),
        ("colour", "red", "device.colour is no known field"),
    ],
)
def test_a_device_that_is_not_one(field: str, value: Any, message: str) -> None:
    document = {**Device.here().to_dict(), field: value}
    with pytest.raises(EvaluationError, match=message):
        Device.from_dict(document)

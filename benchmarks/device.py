"""What a benchmark ran on: the device, which stays the same, and its condition, which does not."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghostface_edge.doctor import look_at_machine, versions

from .fields import Fields

THROTTLED = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
    16: "under-voltage since boot",
    17: "frequency capped since boot",
    18: "throttled since boot",
    19: "soft temperature limit since boot",
}
"""Bits of ``vcgencmd get_throttled`` (Raspberry Pi documentation, "get_throttled")."""

_NOW = 0b1111  # of these bits, the ones that speak of this moment
_ROOT = Path("/")
_CPUS = Path("sys/devices/system/cpu")
_VCGENCMD_SECONDS = 5.0
_NEAR_CPU = re.compile(r"cpu|soc|pkg|core|k10temp|tctl", re.IGNORECASE)
_COOLEST, _HOTTEST = -40.0, 150.0  # beyond, a sensor is not connected or counts in another unit
_FAMILIES = {
    "x86": ("x86_64", "amd64", "x86", "i386", "i486", "i586", "i686"),
    "arm": ("aarch64", "arm64", "arm", "armv6l", "armv7l", "armv8l", "armv8b"),
}


@dataclass(frozen=True)
class Cluster:
    """CPUs of one kind.

    Attributes:
        cpus: Their numbers.
        max_mhz: Highest frequency; None where the kernel does not tell.
    """

    cpus: tuple[int, ...]
    max_mhz: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"cpus": list(self.cpus), "max_mhz": self.max_mhz}


@dataclass(frozen=True)
class Device:
    """Hardware and software.

    Attributes:
        system: Operating system and kernel, such as ``Linux 6.1.21-v8+``.
        os: Release of the distribution, such as ``Debian GNU/Linux 12 (bookworm)``; empty where nobody tells.
        architecture: Such as ``x86_64`` or ``aarch64``.
        cpu: Name of the CPU; empty where the system does not tell.
        features: Flags of the CPU that decide which kernels the runtimes choose; see
            :data:`ghostface_edge.doctor.FEATURES`.
        cpus: CPUs that this process may run on.
        clusters: All CPUs of the device by kind, the fastest kind first; empty where the kernel does not tell.
        cpu_limit: CPUs' worth of time that the container may use; None where there is no limit.
        memory_mb: Main memory in units of 2^20 bytes; None where the system does not tell.
        board: Such as ``Raspberry Pi 4 Model B Rev 1.4``; empty where there is none.
        versions: Of this package, of Python and of the libraries; None for what is not installed.
        emulated: What plays this device, such as ``qemu-user 7.2, cortex-a72``; None for real hardware. The time that
            an emulated device takes says nothing about a real one.
    """

    system: str
    os: str
    architecture: str
    cpu: str
    features: tuple[str, ...]
    cpus: int
    clusters: tuple[Cluster, ...]
    cpu_limit: float | None
    memory_mb: int | None
    board: str
    versions: Mapping[str, str | None]
    emulated: str | None = None

    @classmethod
    def here(cls, *, emulated: str | None = None, root: Path = _ROOT) -> Device:
        """This device.

        Args:
            emulated: What plays it, where the caller knows; otherwise the kernel is asked.
            root: Folder in which ``proc``, ``sys`` and ``etc`` are.
        """
        machine = look_at_machine(root / "proc/cpuinfo", root / "sys/fs/cgroup")
        return cls(
            system=machine.system,
            os=_os_release(_text(root / "etc/os-release")),
            architecture=machine.architecture,
            cpu=machine.cpu,
            features=machine.features,
            cpus=machine.cpus,
            clusters=_clusters(root, machine.architecture),
            cpu_limit=machine.cpu_limit,
            memory_mb=_memory(_text(root / "proc/meminfo")),
            board=_text(root / "proc/device-tree/model").strip("\0 \n"),
            versions=versions(),
            emulated=emulated or _emulation(root, machine.architecture),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **vars(self),
            "features": list(self.features),
            "clusters": [cluster.to_dict() for cluster in self.clusters],
            "versions": dict(self.versions),
        }

    @classmethod
    def from_dict(cls, document: Any, where: str = "device") -> Device:
        """What :meth:`to_dict` gave.

        Raises:
            EvaluationError: A field is missing, unknown or of the wrong type.
        """
        fields = Fields(document, where)
        libraries = Fields(fields.mapping("versions"), fields.path("versions"))
        clusters = []
        for number, item in enumerate(fields.items("clusters")):
            cluster = Fields(item, fields.path(f"clusters[{number}]"))
            clusters.append(Cluster(cluster.wholes("cpus"), cluster.optional_number("max_mhz")))
            cluster.done()
        device = cls(
            system=fields.text("system"),
            os=fields.text("os"),
            architecture=fields.text("architecture"),
            cpu=fields.text("cpu"),
            features=fields.texts("features"),
            cpus=fields.whole("cpus", least=1),
            clusters=tuple(clusters),
            cpu_limit=fields.optional_number("cpu_limit"),
            memory_mb=fields.optional_whole("memory_mb"),
            board=fields.text("board"),
            versions={name: libraries.optional_text(name) for name in fields.mapping("versions")},
            emulated=fields.optional_text("emulated"),
        )
        fields.done()
        return device

    def describe(self) -> str:
        """One line for people: board or CPU, how many of which, memory, system; and that it is emulated, if it is."""
        kinds = " + ".join(
            f"{len(cluster.cpus)}" + (f" x {cluster.max_mhz:.0f} MHz" if cluster.max_mhz else "")
            for cluster in self.clusters
        )
        parts = [
            " / ".join(dict.fromkeys(name for name in (self.board, self.cpu) if name)) or "unknown CPU",
            self.architecture,
            f"{kinds or self.cpus} CPUs",
            "" if self.cpu_limit is None else f"limit of the container {self.cpu_limit:g} CPUs",
            "" if self.memory_mb is None else f"{self.memory_mb} MB",
            self.os,
            self.system,
            "" if self.emulated is None else f"EMULATED by {self.emulated}",
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Condition:
    """How the device was at one moment; None and empty where the system does not tell.

    Attributes:
        governors: Frequency governors in use, such as ``performance``; all CPUs' different ones.
        mhz: Frequency of each CPU.
        temperature: Of the hottest sensor at the CPU, degrees Celsius.
        throttled: Bits of ``vcgencmd get_throttled``, on a Raspberry Pi; see :data:`THROTTLED`.
        throttle_events: How often x86 cores slowed down for heat since boot, summed.
        quota_waits: How often the container used up its share of CPU time and had to wait.
        load: Processes that ran or waited to run, mean of the last minute.
    """

    governors: tuple[str, ...]
    mhz: tuple[float, ...]
    temperature: float | None
    throttled: int | None
    throttle_events: int | None
    quota_waits: int | None
    load: float | None

    @classmethod
    def now(cls, root: Path = _ROOT) -> Condition:
        """The condition at this moment; ``root`` is the folder in which ``proc`` and ``sys`` are."""
        governors = {_text(path).strip() for path in (root / _CPUS).glob("cpu[0-9]*/cpufreq/scaling_governor")}
        return cls(
            governors=tuple(sorted(governors - {""})),
            mhz=_frequencies(root),
            temperature=_temperature(root),
            throttled=_vcgencmd(),
            throttle_events=_sum(
                path
                for kind in ("core", "package")
                for path in (root / _CPUS).glob(f"cpu[0-9]*/thermal_throttle/{kind}_throttle_count")
            ),
            quota_waits=_quota_waits(root / "sys/fs/cgroup"),
            load=_load(_text(root / "proc/loadavg")),
        )

    def throttled_since(self, before: Condition) -> tuple[str, ...]:
        """Why the device was slower than it can be, between an earlier condition and this one; empty if it was not."""
        reasons = []
        # A bit that speaks of the time since boot tells about this run only where it was not set before.
        earlier, later = before.throttled or 0, self.throttled or 0
        bits = (earlier | later) & _NOW | (later & ~earlier)
        reasons += [words for bit, words in THROTTLED.items() if bits >> bit & 1]
        if _rose(before.throttle_events, self.throttle_events):
            reasons.append("slowed down for heat")
        if _rose(before.quota_waits, self.quota_waits):
            reasons.append("the container's share of CPU time was used up")
        return tuple(reasons)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``throttled_words`` says what the bits mean."""
        bits = self.throttled or 0
        return {
            **vars(self),
            "governors": list(self.governors),
            "mhz": list(self.mhz),
            "throttled_words": [words for bit, words in THROTTLED.items() if bits >> bit & 1],
        }

    @classmethod
    def from_dict(cls, document: Any, where: str = "condition") -> Condition:
        """What :meth:`to_dict` gave.

        Raises:
            EvaluationError: A field is missing, unknown or of the wrong type.
        """
        fields = Fields(document, where)
        fields.texts("throttled_words")  # follows from the bits
        condition = cls(
            governors=fields.texts("governors"),
            mhz=fields.numbers("mhz"),
            temperature=fields.optional_number("temperature"),
            throttled=fields.optional_whole("throttled"),
            throttle_events=fields.optional_whole("throttle_events"),
            quota_waits=fields.optional_whole("quota_waits"),
            load=fields.optional_number("load"),
        )
        fields.done()
        return condition

    def describe(self) -> str:
        """One line for people, of what the system tells."""
        bits = self.throttled or 0
        words = ", ".join(words for bit, words in THROTTLED.items() if bits >> bit & 1)
        parts = [
            "" if self.load is None else f"load {self.load:.2f}",
            f"governor {'/'.join(self.governors)}" if self.governors else "",
            f"{min(self.mhz):.0f} to {max(self.mhz):.0f} MHz" if self.mhz else "",
            "" if self.temperature is None else f"{self.temperature:.1f} °C",
            "" if self.throttled is None else f"get_throttled {self.throttled:#x}{f' ({words})' if words else ''}",
        ]
        return ", ".join(part for part in parts if part) or "the system does not tell"


def cpu_list(text: str) -> tuple[int, ...]:
    """CPU numbers in the kernel's notation, such as ``0-3,6``; empty where it is none."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part)
        if match is None:
            return ()
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(numbers)


def _clusters(root: Path, architecture: str) -> tuple[Cluster, ...]:
    cpus = {int(path.name[3:]): path for path in (root / _CPUS).glob("cpu[0-9]*") if path.name[3:].isdigit()}
    strength: dict[int, float] = {}
    fast = cpu_list(_text(root / "sys/devices/cpu_core/cpus"))  # hybrid x86
    for number, path in cpus.items():
        capacity = _whole(path / "cpu_capacity")  # asymmetric ARM
        if capacity is not None:
            strength[number] = capacity
        elif fast:
            strength[number] = float(number in fast)
        elif architecture in _FAMILIES["x86"]:
            strength[number] = 0.0  # cores of one kind may differ in their highest frequency
        else:
            strength[number] = float(_whole(path / "cpufreq/cpuinfo_max_freq") or 0)
    clusters = []
    for value in sorted(set(strength.values()), reverse=True):
        members = tuple(sorted(number for number in cpus if strength[number] == value))
        khz = [_whole(cpus[number] / "cpufreq/cpuinfo_max_freq") or 0 for number in members]
        clusters.append(Cluster(members, max(khz) / 1000 or None))
    return tuple(clusters)


def _emulation(root: Path, architecture: str) -> str | None:
    """qemu-user translates the program and its view of the CPU, but not these two files of the host's kernel."""
    modalias = re.match(r"cpu:type:(\w+)", _text(root / _CPUS / "modalias"))
    host = _text(root / "proc/sys/kernel/arch").strip() or (modalias[1] if modalias else "")
    families = {name for name, members in _FAMILIES.items() if host in members or architecture in members}
    return f"a host of architecture {host}" if len(families) > 1 else None


def _frequencies(root: Path) -> tuple[float, ...]:
    folders = sorted((root / _CPUS).glob("cpu[0-9]*/cpufreq"), key=lambda path: int(path.parent.name[3:]))
    khz = [_whole(folder / "scaling_cur_freq") for folder in folders]
    if any(khz):
        return tuple(value / 1000 for value in khz if value)
    return tuple(
        float(value) for value in re.findall(r"^cpu MHz\s*:\s*(\d+(?:\.\d+)?)$", _text(root / "proc/cpuinfo"), re.M)
    )


def _temperature(root: Path) -> float | None:
    sensors: dict[bool, list[float]] = {True: [], False: []}
    for zone in (root / "sys/class/thermal").glob("thermal_zone*"):
        value = _whole(zone / "temp")
        if value is not None and _COOLEST <= value / 1000 <= _HOTTEST:
            sensors[bool(_NEAR_CPU.search(_text(zone / "type")))].append(value / 1000)
    for chip in (root / "sys/class/hwmon").glob("hwmon*"):
        if _NEAR_CPU.search(_text(chip / "name")):
            values = (_whole(path) for path in chip.glob("temp*_input"))
            sensors[True] += [value / 1000 for value in values if value is not None]
    readings = [value for value in sensors[True] or sensors[False] if _COOLEST <= value <= _HOTTEST]
    return max(readings, default=None)


def _vcgencmd() -> int | None:
    command = shutil.which("vcgencmd")
    if command is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command of the system
            [command, "get_throttled"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VCGENCMD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return throttled_bits(done.stdout)


def throttled_bits(answer: str) -> int | None:
    """The bits in the answer of ``vcgencmd get_throttled``, such as ``throttled=0x50000``; None where it is none."""
    match = re.fullmatch(r"throttled=(0x[0-9a-fA-F]{1,8})\s*", answer)
    return int(match[1], 16) if match else None


def _quota_waits(cgroup: Path) -> int | None:
    text = _text(cgroup / "cpu.stat") or _text(cgroup / "cpu" / "cpu.stat")
    match = re.search(r"^nr_throttled (\d+)$", text, re.M)
    return int(match[1]) if match else None


def _load(text: str) -> float | None:
    match = re.match(r"\d+\.\d+", text)
    if match:
        return float(match[0])
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows
        return None


def _memory(meminfo: str) -> int | None:
    match = re.search(r"^MemTotal:\s*(\d+) kB$", meminfo, re.M)
    if match:
        return int(match[1]) // 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def _os_release(text: str) -> str:
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)"?$', text, re.M)
    if match:
        return match[1]
    return f"macOS {platform.mac_ver()[0]}" if platform.mac_ver()[0] else ""


def _sum(paths: Iterable[Path]) -> int | None:
    values = [value for path in paths if (value := _whole(path)) is not None]
    return sum(values) if values else None


def _rose(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def _whole(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if re.fullmatch(r"-?\d{1,15}", text) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

"""ARM cores that are emulated, and what Linux says about each on its Raspberry Pi.

Runtimes choose their kernels by this: LiteRT's cpuinfo reads ``/proc/cpuinfo`` and ``/sys/devices/system/cpu``, and
dies where the two speak of another core than the one that runs. So a guest sees files made here, never the host's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ghostface_edge.errors import OptionError

_CPUS = 4
_LEAST_KHZ = 600000


@dataclass(frozen=True)
class Core:
    """A core, on the board where it is found.

    Attributes:
        name: Arm's, as QEMU's ``-cpu`` takes it.
        board: The Raspberry Pi that has four of them.
        part: ``MIDR_EL1.PartNum`` (the core's Technical Reference Manual).
        variant: ``MIDR_EL1.Variant`` of the board's chip.
        revision: ``MIDR_EL1.Revision`` of the board's chip.
        features: As the board's kernel lists them (``arch/arm64/kernel/cpuinfo.c`` of Linux has the names).
        l1_kb: Data cache of a core; the instruction cache counts as equal.
        l2_kb: Cache behind it.
        khz: Highest clock.
    """

    name: str
    board: str
    part: int
    variant: int
    revision: int
    features: str
    l1_kb: int
    l2_kb: int
    khz: int

    @property
    def has_dot_product(self) -> bool:
        """SDOT and UDOT (FEAT_DotProd)."""
        return "asimddp" in self.features.split()

    @property
    def has_half(self) -> bool:
        """Arithmetic in float16 (FEAT_FP16)."""
        return "asimdhp" in self.features.split()

    def cpuinfo(self) -> str:
        """The text of ``/proc/cpuinfo``, in the order and spelling of ``arch/arm64/kernel/cpuinfo.c``."""
        return "".join(
            f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {self.features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: {self.variant:#x}\nCPU part\t: {self.part:#05x}\n"
            f"CPU revision\t: {self.revision}\n\n"
            for number in range(_CPUS)
        )

    def write_tree(self, root: Path) -> None:
        """Write ``proc/cpuinfo`` and ``sys/devices/system/cpu`` below a folder.

        Names and forms are those of Linux, ``Documentation/ABI/stable/sysfs-devices-system-cpu``.
        """
        every = f"0-{_CPUS - 1}"
        files = {"proc/cpuinfo": self.cpuinfo()}
        cpu = "sys/devices/system/cpu"
        files[f"{cpu}/kernel_max"] = f"{_CPUS - 1}\n"
        files.update({f"{cpu}/{name}": f"{every}\n" for name in ("possible", "present", "online")})
        for number in range(_CPUS):
            own = f"{cpu}/cpu{number}"
            files[f"{own}/cpufreq/cpuinfo_max_freq"] = f"{self.khz}\n"
            files[f"{own}/cpufreq/cpuinfo_min_freq"] = f"{_LEAST_KHZ}\n"
            files[f"{own}/topology/physical_package_id"] = "0\n"
            files[f"{own}/topology/core_cpus_list"] = f"{number}\n"
            files[f"{own}/topology/core_siblings_list"] = f"{every}\n"
            files[f"{own}/topology/cluster_cpus_list"] = f"{every}\n"
            caches = ((1, self.l1_kb, "Data"), (1, self.l1_kb, "Instruction"), (2, self.l2_kb, "Unified"))
            for index, (level, size, kind) in enumerate(caches):
                cache = f"{own}/cache/index{index}"
                files[f"{cache}/level"] = f"{level}\n"
                files[f"{cache}/size"] = f"{size}K\n"
                files[f"{cache}/type"] = f"{kind}\n"
                files[f"{cache}/shared_cpu_list"] = f"{every}\n" if level == 2 else f"{number}\n"
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="ascii")


_V8 = "fp asimd evtstrm crc32 cpuid"  # the boards' chips have no cryptography

CORES = {
    "a53": Core("cortex-a53", "Raspberry Pi 3", 0xD03, 0, 4, _V8, 32, 512, 1_200_000),
    "a72": Core("cortex-a72", "Raspberry Pi 4", 0xD08, 0, 3, _V8, 32, 1024, 1_800_000),
    "a76": Core(
        "cortex-a76",
        "Raspberry Pi 5",
        0xD0B,
        4,
        1,
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
        64,
        512,
        2_400_000,
    ),
}
"""The cores by their short names, the oldest first."""


def named_cores(names: str) -> tuple[Core, ...]:
    """The cores of a list such as ``a53,a76``; each once, in the order of the list.

    Raises:
        OptionError: An unknown core, or none.
    """
    wanted = [name.strip().lower() for name in names.split(",")]
    for name in wanted:
        if name not in CORES:
            raise OptionError(f"core {name!r} is none of {', '.join(CORES)}")
    return tuple(CORES[name] for name in dict.fromkeys(wanted))

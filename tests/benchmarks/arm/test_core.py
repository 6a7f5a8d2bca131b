"""What an emulated board says about its CPU."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ghostface_edge.benchmarks.arm.core import CORES, Core, named_cores
from ghostface_edge.benchmarks.device import Device
from ghostface_edge.doctor import look_at_machine
from ghostface_edge.errors import OptionError

# MIDR_EL1 as the boards' kernels print it at start, "Booting Linux on physical CPU": Pi 3, Pi 4, Pi 5
MIDR = {"a53": 0x410FD034, "a72": 0x410FD083, "a76": 0x414FD0B1}


@pytest.mark.parametrize(("name", "core"), CORES.items(), ids=CORES)
def test_cpuinfo_is_of_the_boards_chip(name: str, core: Core) -> None:
    first = dict(re.findall(r"^(\w[\w ]*?)\s*: (.*)$", core.cpuinfo().split("\n\n")[0], re.M))
    numbers = {key: int(first[f"CPU {key}"], 0) for key in ("implementer", "variant", "part", "revision")}
    # MIDR_EL1: implementer 31:24, variant 23:20, architecture 19:16 (15), part 15:4, revision 3:0 (Arm ARM, D19.2)
    packed = numbers["implementer"] << 24 | numbers["variant"] << 20 | 15 << 16 | numbers["part"] << 4
    assert packed | numbers["revision"] == MIDR[name]
    assert core.cpuinfo().count("processor\t: ") == 4


def test_abilities() -> None:
    assert [(core.has_dot_product, core.has_half) for core in CORES.values()] == [
        (False,) * 2,
        (False,) * 2,
        (True,) * 2,
    ]


def test_other_programs_read_the_tree(tmp_path: Path) -> None:
    core = CORES["a76"]
    core.write_tree(tmp_path)
    machine = look_at_machine(tmp_path / "proc/cpuinfo", tmp_path / "none")
    assert {"asimddp", "asimdhp"} <= set(machine.features)
    (cluster,) = Device.here(root=tmp_path).clusters
    assert cluster.cpus == (0, 1, 2, 3)


def test_cores_by_name() -> None:
    assert [core.name for core in named_cores("A76, a53,a76")] == ["cortex-a76", "cortex-a53"]
    for wrong in ("a57", "", "a53,", "cortex-a53"):
        with pytest.raises(OptionError, match="is none of a53, a72, a76"):
            named_cores(wrong)

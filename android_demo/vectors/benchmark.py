"""Benchmarks: what samples say, what a phone says of itself, and files of runs."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from ghostface_edge.benchmarks.device import Condition, Device
from ghostface_edge.benchmarks.results_compare import compare
from ghostface_edge.benchmarks.results_report import NamedRun, to_html
from ghostface_edge.benchmarks.run_file import Row, Run
from ghostface_edge.benchmarks.samples import Samples, Subject
from ghostface_edge.errors import EvaluationError

FROM_JAVA = "benchmark-java.json"
SUBJECT = Subject("golden-net with yunet", "golden-net", "float16", "tensorflow-lite 2.16.1", 2, "ab" * 32, "")
STEPS = ("detect", "align", "embed", "whole")

_CPU = "sys/devices/system/cpu"
PHONE = {
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd evtstrm aes crc32 fphp asimdhp asimddp\n\n"
    "processor\t: 7\nFeatures\t: fp sve\nHardware\t: Example SoC\n",
    "proc/meminfo": "MemTotal:        7654321 kB\nMemFree:         1234567 kB\n",
    "proc/loadavg": "3.27 2.14 1.05 2/1163 21184\n",
    **{f"{_CPU}/cpu{number}/cpu_capacity": "250\n" for number in range(4)},
    **{f"{_CPU}/cpu{number}/cpu_capacity": "761\n" for number in range(4, 7)},
    f"{_CPU}/cpu7/cpu_capacity": "1024\n",
    **{f"{_CPU}/cpu{number}/cpufreq/cpuinfo_max_freq": "1803000\n" for number in range(4)},
    f"{_CPU}/cpu7/cpufreq/cpuinfo_max_freq": "2850000\n",
    **{f"{_CPU}/cpu{number}/cpufreq/scaling_cur_freq": f"{1000 + number}250\n" for number in range(4)},
    **{f"{_CPU}/cpu{number}/cpufreq/scaling_governor": "schedutil\n" for number in range(7)},
    f"{_CPU}/cpu7/cpufreq/scaling_governor": "performance\n",
    f"{_CPU}/cpufreq/policy0/scaling_governor": "other\n",
    "sys/class/thermal/thermal_zone0/type": "battery\n",
    "sys/class/thermal/thermal_zone0/temp": "31000\n",
    "sys/class/thermal/thermal_zone1/type": "cpu-1-7-usr\n",
    "sys/class/thermal/thermal_zone1/temp": "52300\n",
    "sys/class/thermal/thermal_zone2/type": "cpu-0-0-usr\n",
    "sys/class/thermal/thermal_zone2/temp": "-274000\n",
    "sys/class/thermal/thermal_zone3/type": "pm8150_tz\n",
    "sys/class/thermal/thermal_zone3/temp": "75000\n",
}
"""What an eight-core phone shows an app: three kinds of cores, and a sensor that is switched off."""

HIDDEN = {
    "proc/cpuinfo": "Processor\t: AArch64\nmodel\t: Example Phone\n",
    "proc/meminfo": "MemTotal:        2000000 kB\n",
    "proc/loadavg": "0.5 0.4 0.3 1/1 1\n",
    "sys/class/thermal/thermal_zone0/type": "battery\n",
    "sys/class/thermal/thermal_zone0/temp": "29500\n",
}
"""A phone that hides nearly everything."""


def vectors() -> dict[str, Any]:
    """Percentiles and summaries, the device and its condition, and the file of a run."""
    values = np.random.default_rng(1).gamma(2, 1.5, 23)
    percents = (0, 1, 2.5, 10, 25, 50, 75, 90, 97.5, 99, 100)
    return {
        "percentiles": {
            "values": values.tolist(),
            "percents": [float(percent) for percent in percents],
            "found": np.percentile(values, percents).tolist(),
        },
        "samples": [_summary(rounds) for rounds in _rounds()],
        "devices": [_device(files) for files in (PHONE, HIDDEN)],
        "run": _run().to_dict(),
    }


def _rounds() -> list[list[list[float]]]:
    """Milliseconds in rounds, each list for other blocks and flags."""
    rng = np.random.default_rng(2)
    steady = rng.normal(10, 0.3, (60, 5)).round(4).tolist()
    return [
        [[2.0]],
        [[3.0, 1.0]],
        rng.gamma(3, 1, (7, 9)).round(4).tolist(),  # few rounds: blocks of their own
        steady,
        [[value * (1.3 if number % 3 == 0 else 1) for value in values] for number, values in enumerate(steady)],
        [[value * (1 + number / 300) for value in values] for number, values in enumerate(steady)],
        [values[: 1 + number % 5] for number, values in enumerate(steady)],
    ]


def _summary(rounds: list[list[float]]) -> dict[str, Any]:
    return {"rounds": rounds, "summary": _samples("whole", rounds).summary("quick").to_dict()}


def _samples(stage: str, rounds: list[list[float]]) -> Samples:
    samples = Samples(replace(SUBJECT, stage=stage))
    for values in rounds:
        samples.add([value / 1e3 for value in values])
    return samples


def _device(files: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        root = Path(folder)
        device, condition = Device.here(root=root), Condition.now(root)
    known = ("cpu", "features", "clusters", "memory_mb")  # the rest is of the machine that writes this file
    found = {key: value for key, value in device.to_dict().items() if key in known}
    return {"files": files, "device": found, "condition": condition.to_dict()}


def _run() -> Run:
    """A run as the app writes it, of a picture whose steps always take 1/256, 1/512 and 1/128 s."""
    device = Device(
        system="Linux 5.10",
        os="Android 14",
        architecture="aarch64",
        cpu="Example SoC",
        features=("asimd", "fphp"),
        cpus=8,
        clusters=(),
        cpu_limit=None,
        memory_mb=None,
        board="Example Phone",
        versions={"ghostface-edge": "0.1.0", "tensorflow-lite": "2.16.1"},
    )
    condition = Condition((), (), None, None, None, None, None)
    rows = []
    for stage, parts in zip(STEPS, (2, 1, 4, 7)):
        samples = _samples(stage, [[1e3 * parts / 512] * 4] * 32)  # rounds of 50 ms or more, 128 samples
        figures = {"frames_per_second": 512 / 7} if stage == "whole" else {"share": parts / 7}
        rows.append(Row(samples.subject, samples.summary("quick", "throttled"), figures))
    settings = {
        "detector": "yunet",
        "pictures": 1,
        "quick": True,
        "seconds": 0.0,
        "least": 128,
        "throttled": ["thermal status severe"],
    }
    return Run(
        kind="pipeline",
        device=device,
        conditions=(condition, condition),
        settings=settings,
        rows=tuple(rows),
        command=("ghostface.edge.benchmark.Pipeline",),
        created="2026-01-31T12:00:00+00:00",
    )


def examine(folder: Path) -> None:
    """Read the run that Java wrote, as ``ghostface-edge bench report`` and ``bench compare`` do.

    Raises:
        click.ClickException: It cannot be read, or says something else than it should.
    """
    path = folder / FROM_JAVA
    try:
        run = Run.read(path)
        page = to_html([NamedRun(path.name, run)])
        same = compare(run, run)
    except EvaluationError as error:
        raise click.ClickException(str(error)) from error
    stages = [row.subject.stage for row in run.rows]
    if stages != list(STEPS) or [row.first.stage for row in same.rows] != stages or same.regressions:
        raise click.ClickException(f"{path.name}: stages {stages}")
    missing = [word for word in (*STEPS, run.device.describe(), run.created[:10]) if word not in page]
    if missing:
        raise click.ClickException(f"{path.name}: the report does not say {json.dumps(missing)}")

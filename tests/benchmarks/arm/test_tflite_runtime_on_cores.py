"""float16 on tflite-runtime 2.14, of 2023, on an emulated core that computes in it.

It needs an environment of its own, as ``tests/converters/test_tflite_runtime.py`` says, and what ``test_on_cores.py``
needs.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ghostface_edge.benchmarks.latency import load_field

pytestmark = pytest.mark.tflite_runtime

VARIABLE = "GHOSTFACE_EDGE_TFLITE_PYTHON"
ARCHITECTURE = "ghostfacenet-v1-0.5-2"


def test_float16_is_computed_in_float16(tmp_path: Path) -> None:
    """As the user counts there, with files that LiteRT's environment wrote."""
    pytest.importorskip("ai_edge_litert")
    python = os.environ.get(VARIABLE)
    if not python:
        pytest.skip(f"nothing is counted on tflite-runtime: {VARIABLE} is not set; tests/converters says how")
    lite = load_field(architectures=[ARCHITECTURE], precisions=["float32", "float16"], runtimes=["litert"])
    files = []
    for item in lite.candidates:
        files.append(str(tmp_path / f"{item.subject.precision}.tflite"))
        Path(files[-1]).write_bytes(item.data)
    command = [python, "-m", "ghostface_edge", "bench", "arm", *files, "--core", "a76", "--json"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GHOSTFACE_EDGE_HOME": str(tmp_path / "home")},
    )
    for lack in ("is missing: apt-get install", "needs the network", "run this on Debian"):
        if lack in done.stderr:
            pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr[-5000:]
    rows = {row["subject"]["precision"]: row for row in json.loads(done.stdout)["rows"]}
    assert {row["subject"]["runtime"] for row in rows.values()} == {"tflite_runtime 2.14.0"}
    single, half = (rows[precision]["figures"]["instructions"] for precision in ("float32", "float16"))
    assert single["half_multiply"] == 0
    # FMLA does eight MACs of float16, of which the network has 10.7 million
    assert 10.72e6 / 8 < half["half_multiply"] < 10.72e6 / 4
    assert half["total"] < 0.8 * single["total"]

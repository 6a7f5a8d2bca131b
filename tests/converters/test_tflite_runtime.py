"""Written files on tflite-runtime 2.14, of 2023 and the only runtime for 32-bit ARM, against LiteRT.

tflite-runtime has no wheels beyond Python 3.11 and numpy 1, so it runs in an environment of its own:

    python3.11 -m venv .ci/venv-tflite && .ci/venv-tflite/bin/pip install -e ".[tflite]"
    GHOSTFACE_EDGE_TFLITE_PYTHON=$PWD/.ci/venv-tflite/bin/python .venv/bin/python -m pytest -m tflite_runtime
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.runtime.litert import LiteRTSession

pytestmark = pytest.mark.tflite_runtime

WORKER = Path(__file__).with_name("tflite_worker.py")
VARIABLE = "GHOSTFACE_EDGE_TFLITE_PYTHON"

FLOAT_LIMIT = 1e-4
"""Measured: up to 1.6e-6."""

COSINE = 0.95
"""Measured: 0.981. The two round differently."""


@pytest.fixture(scope="module")
def interpreter() -> str:
    """The Python that has tflite-runtime."""
    pytest.importorskip("ai_edge_litert")
    found = os.environ.get(VARIABLE)
    if not found:
        pytest.skip(f"no comparison with tflite-runtime: {VARIABLE} is not set; {Path(__file__).name} says how")
    return found


@pytest.mark.parametrize("models", ["random_models", "official_models"])
def test_as_on_litert(
    interpreter: str, models: str, request: pytest.FixtureRequest, compare: Callable[..., None], tmp_path: Path
) -> None:
    written = request.getfixturevalue(models)
    for name, (data, pictures) in written.items():
        (tmp_path / f"{name}.tflite").write_bytes(data)
        np.save(tmp_path / f"{name}.npy", pictures)
    command = [interpreter, str(WORKER), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stdout == "tflite_runtime 2.14.0"
    for name, (data, pictures) in written.items():
        session = LiteRTSession(data, threads=1, name=name)
        assert session.version.startswith("ai_edge_litert")
        with np.load(tmp_path / f"{name}.npz") as file:
            found = [file[key] for key in file.files]
        compare(name, session.run(pictures), found, FLOAT_LIMIT, COSINE)

"""The comparison of detectors measures what it says; how fast they are is not tested."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ghostface_edge.benchmarks.detectors import Latency, interleaved, main, time_detectors
from ghostface_edge.errors import OptionError
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import default_runtime


def test_percentiles_are_numpys_in_milliseconds() -> None:
    seconds = np.random.default_rng(0).exponential(0.01, 101)
    row = Latency.of("x", list(seconds))
    ordered = np.sort(seconds) * 1000
    assert (row.low, row.median, row.high) == pytest.approx((ordered[10], ordered[50], ordered[90]))
    assert row.to_dict()["calls"] == 101


def test_calls_take_turns_and_the_first_three_rounds_do_not_count() -> None:
    order: list[str] = []

    def slow() -> None:
        order.append("slow")
        time.sleep(0.01)

    rows = interleaved({"slow": slow, "quick": lambda: order.append("quick")}, rounds=4)
    assert order == ["slow", "quick"] * 7
    assert [row.calls for row in rows] == [4, 4]
    assert rows[0].median >= 10


def test_no_rounds() -> None:
    with pytest.raises(OptionError, match="rounds=0"):
        interleaved({}, rounds=0)


def test_on_a_real_photo(shared: Path, real_models: ModelStore) -> None:
    pytest.importorskip("ai_edge_litert")
    ours = ["yunet", "yunet-fast", "yunet-plain", "one embedding"]
    rows = time_detectors(shared / "photos" / "img14.jpg", rounds=2, runtimes=("litert", "onnx"), store=real_models)
    names = [f"{name}, {runtime}" for runtime in ("litert", "onnx") for name in ours]
    assert [row.name for row in rows] == ["OpenCV FaceDetectorYN", *names]
    assert all(0 < row.low <= row.median <= row.high for row in rows)


def test_the_command(shared: Path, real_store: ModelStore) -> None:
    done = CliRunner().invoke(main, [str(shared / "photos" / "img14.jpg"), "--rounds", "1"])
    assert done.exit_code == 0, done.output
    assert "OpenCV FaceDetectorYN    median" in done.output
    assert f"yunet-fast, {default_runtime()}" in done.output


def test_a_photo_that_is_missing(real_store: ModelStore) -> None:
    done = CliRunner().invoke(main, ["nothing.jpg"])
    assert done.exit_code == 1
    assert "nothing.jpg" in done.output

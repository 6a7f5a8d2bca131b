"""bench arm, up to where an emulator is needed; tests/benchmarks/arm has the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

Runner = Callable[..., Any]


def test_wrong_words(run: Runner, tmp_path: Path) -> None:
    assert "name a MODEL" in run("bench", "arm").err
    assert "core 'a57' is none of a53, a72, a76" in run("bench", "arm", "--arch", "x", "--core", "a57").error
    missing = tmp_path / "none" / "arm.json"
    assert f"there is no folder {missing.parent}" in run("bench", "arm", "--arch", "x", "-o", missing).error
    assert "1<=x<=1" in run("bench", "arm", "--arch", "x", "--threads", "2").err


def test_without_qemu_it_says_what_to_install(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = run("bench", "arm", "--arch", "ghostfacenet-v1-0.5-2").error
    assert said.startswith("qemu-aarch64 is missing: apt-get install qemu-user")

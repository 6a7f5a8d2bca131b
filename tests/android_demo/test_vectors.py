"""The golden vectors of the Java code: what the repository holds is what the Python code gives."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
VECTORS = ROOT / "android_demo" / "vectors"
GOLDEN = ROOT / "android_demo" / "golden"


@pytest.fixture(scope="module")
def golden() -> ModuleType:
    """The module that writes and compares the files."""
    spec = importlib.util.spec_from_file_location("golden", VECTORS / "golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_files_are_up_to_date() -> None:
    for package in ("onnx", "h5py", "onnxruntime"):
        pytest.importorskip(package)
    command = [sys.executable, str(VECTORS), "--check", "--no-java"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_committed_files_are_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.glob("*.json")) < 400_000


def packed(data: bytes, level: int) -> str:
    return base64.b64encode(zlib.compress(data, level)).decode()


@pytest.mark.parametrize(
    ("expected", "found", "messages"),
    [
        ({"a": 1, "b": [1.5, "x", None, True]}, {"a": 1, "b": [1.5, "x", None, True]}, []),
        ({"a": 1}, {"a": 2}, ["a: 2, expected 1"]),
        ({"a": 1}, {"a": 1.0}, ["a: 1.0, expected 1"]),
        ({"a": 1}, {"a": True}, ["a: True, expected 1"]),
        ({"a": 1}, {"b": 1}, ["a: missing", "b: not expected"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a: 1 items, expected 2"]),
        (
            {"a": {"b": [{"c": "x"}, {"c": "y"}]}},
            {"a": {"b": [{"c": "x"}, {"c": "z"}]}},
            ["a.b[1].c: 'z', expected 'y'"],
        ),
        ({"a": 1.0}, {"a": 1.0000009}, []),
        ({"a": 1.0}, {"a": 1.0000011}, ["a: 1.0000011, expected 1.0"]),
        ({"a": 0.0}, {"a": 1e-12}, ["a: 1e-12, expected 0.0"]),
        # In a list, by the largest: a processor that sums in another order changes all of an embedding by as much.
        ({"a": [1.0, 0.0]}, {"a": [1.0, 9e-7]}, []),
        ({"a": [1.0, 0.0]}, {"a": [1.0, 1.1e-6]}, ["a[1]: 1.1e-06, expected 0.0"]),
        ({"a": [[1.0], [0.0]]}, {"a": [[1.0], [1e-9]]}, ["a[1][0]: 1e-09, expected 0.0"]),
        ({"a": packed(b"0" * 500, 1)}, {"a": packed(b"0" * 500, 9)}, []),
    ],
)
def test_differences_name_the_key(golden: ModuleType, expected: Any, found: Any, messages: list[str]) -> None:
    assert list(golden.differences(expected, found)) == messages


def test_packed_bytes_that_differ_are_a_difference(golden: ModuleType) -> None:
    one, other = packed(b"0" * 500, 9), packed(b"0" * 499 + b"1", 9)
    (message,) = golden.differences({"a": one}, {"a": other})
    assert message.startswith("a: ")


def test_text_is_json_with_one_key_on_a_line(golden: ModuleType) -> None:
    vectors = {"name": "Zoë", "numbers": [1, 2.5], "nested": {"a": None}}
    text = golden.encoded(vectors)
    assert json.loads(text) == vectors
    assert len(text.splitlines()) == 2 + len(vectors)
    with pytest.raises(ValueError, match="not JSON compliant"):
        golden.encoded({"a": float("nan")})

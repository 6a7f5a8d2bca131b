from __future__ import annotations

import json
from pathlib import Path

import pytest

from ghostface_edge.converters.manifest import read_manifest, tool_versions, write_manifest
from ghostface_edge.errors import ConversionError


def test_entries_of_other_models_stay(tmp_path: Path) -> None:
    write_manifest(tmp_path, "a.tflite", {"precision": "int8"})
    write_manifest(tmp_path, "b.onnx", {"precision": "float32"})
    write_manifest(tmp_path, "a.tflite", {"precision": "int16x8"})
    assert read_manifest(tmp_path) == {"a.tflite": {"precision": "int16x8"}, "b.onnx": {"precision": "float32"}}


def test_the_same_entry_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write_manifest(tmp_path, "a", {"x": 1, "y": 2}).read_bytes()
    assert write_manifest(tmp_path, "a", {"y": 2, "x": 1}).read_bytes() == first


def test_no_manifest_is_no_entry(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"schema": 2, "models": {}}', b'{"schema": 1}', b"\xff\xfe"])
def test_a_foreign_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(ConversionError, match=r"manifest\.json is no manifest of this program"):
        write_manifest(tmp_path, "a", {})
    assert path.read_bytes() == content


def test_versions_are_those_of_the_packages() -> None:
    import numpy

    versions = tool_versions()
    assert versions["numpy"] == numpy.__version__
    assert json.dumps(versions)

"""Calibrations from files: what is found, what is refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ghostface_edge.catalog import KNOWN_MODELS
from ghostface_edge.converters import convert, shipped
from ghostface_edge.converters.calibration import Calibration
from ghostface_edge.converters.shipped import read_calibration, require_checkpoint, shipped_calibration
from ghostface_edge.errors import CalibrationError

ONE, OTHER = "1" * 64, "1" * 16 + "2" * 48


@pytest.fixture
def made() -> Calibration:
    return Calibration(ONE, 3, "d" * 64, (1.5,), {"input": (0.5, -1)}, {"conv": (0.25, -0.25)})


def test_what_was_saved_is_read(made: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(made.to_json())
    assert read_calibration(path, ONE) == made
    assert read_calibration(str(path), ONE) == made


def test_of_another_checkpoint(made: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(made.to_json())
    message = rf"is of the checkpoint {ONE[:16]}\.\.\., not of {'3' * 16}\.\.\.: calibrate again"
    with pytest.raises(CalibrationError, match=rf"a\.json {message}"):
        read_calibration(path, "3" * 64)
    with pytest.raises(CalibrationError, match=rf"this {message}"):
        require_checkpoint(made, "3" * 64, "this")
    assert require_checkpoint(made, ONE, "this") is made


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "cannot be read|not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "none of format 1"),
        (b'{"format": 2}', "none of format 1"),
    ],
    ids=["empty", "cut", "binary", "deep", "a list", "a later format"],
)
def test_what_is_no_calibration(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(CalibrationError, match=rf"broken\.json.*({message})"):
        read_calibration(path, ONE)


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(1 << 33)
    for path, message in (
        (tmp_path / "nowhere.json", "there is no file .*nowhere"),
        (tmp_path, "is no file"),
        (pipe, "is no file"),
        (Path("/dev/zero"), "is no file"),
        (tmp_path / "nul\0", "there is no file|cannot be read"),
        (huge, "too large"),
    ):
        with pytest.raises(CalibrationError, match=message):
            read_calibration(path, ONE)


def test_a_known_checkpoint_has_one(made: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the whole hash, not only by the digits in the file's name."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    (tmp_path / f"{ONE[:16]}.json").write_text(made.to_json())
    assert shipped_calibration(ONE) == made
    assert shipped_calibration(OTHER) is None
    assert shipped_calibration("3" * 64) is None


def test_all_that_ship_are_of_models_in_the_catalogue() -> None:
    known = {entry.sha256 for entry in KNOWN_MODELS}
    for path in shipped.FOLDER.glob("*"):
        document = json.loads(path.read_bytes())
        assert path.name == f"{document['checkpoint'][:16]}.json"
        assert document["checkpoint"] in known
        assert shipped_calibration(document["checkpoint"]) == Calibration.from_json(path.read_bytes())
        # decisions only: nothing that a picture could be made of
        assert set(document) == {"format", "checkpoint", "pictures", "digest", "factors", "affines", "shifts"}


def test_the_official_checkpoint_needs_no_photos(shared: Path, face_tensor: Callable, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    found = shipped_calibration(hashlib.sha256(source.read_bytes()).hexdigest())
    assert found is not None
    first = convert(source, tmp_path / "a", to="tflite", precision="int8")
    again = convert(source, tmp_path / "b", to="tflite", precision="int8", calibration=found)
    assert first.path.read_bytes() == again.path.read_bytes()

"""The table of measured thresholds: what is in it, and how it is written."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ghostface_edge import thresholds
from ghostface_edge.errors import ThresholdError
from ghostface_edge.thresholds import MEASURED, measured_thresholds, read_thresholds, write_thresholds
from ghostface_edge.types import Threshold

OFFICIAL = "2beca52a2aeadfa81ed5ebab35e2a58f7c79e3c1ffda80a31511861870151715"
A, B = "a" * 64, "b" * 64
AT_1E3 = Threshold(1e-3, 0.25, "yunet", 0.06, 3000, 300, "LFW")
AT_1E2 = Threshold(1e-2, 0.15, "yunet", 0.02, 3000, 300, "LFW")
OTHER = replace(AT_1E3, detector="scrfd", similarity=0.3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "thresholds.json"


def test_what_is_written_is_read(file: Path) -> None:
    write_thresholds(file, A, [AT_1E3, AT_1E2])
    assert read_thresholds(file) == {A: (AT_1E2, AT_1E3)}
    assert os.listdir(file.parent) == [file.name]


def test_only_the_same_detectors_are_replaced(file: Path) -> None:
    write_thresholds(file, A, [AT_1E2, AT_1E3])
    write_thresholds(file, B, [AT_1E3])
    write_thresholds(file, A, [OTHER])
    write_thresholds(file, A, [replace(AT_1E3, similarity=0.26)])
    assert read_thresholds(file) == {A: (OTHER, replace(AT_1E3, similarity=0.26)), B: (AT_1E3,)}


def test_the_order_of_writing_leaves_no_trace(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    for key, entry in ((A, AT_1E3), (A, OTHER), (B, AT_1E2)):
        write_thresholds(one, key, [entry])
    for key, entry in ((B, AT_1E2), (A, OTHER), (A, AT_1E3)):
        write_thresholds(two, key, [entry])
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": 1}', '{"a": [1]}', '{"a": [{"fmr": 0.1}]}', "[" * 100_000, "\0"]
)
def test_something_else_is_neither_read_nor_replaced(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ThresholdError, match="no table of thresholds"):
        read_thresholds(file)
    with pytest.raises(ThresholdError, match="no table of thresholds"):
        write_thresholds(file, A, [AT_1E3])
    assert file.read_text(encoding="utf-8") == text


def test_senseless_arguments(file: Path) -> None:
    with pytest.raises(ThresholdError, match="is not the sha256 of a checkpoint"):
        write_thresholds(file, A.upper(), [AT_1E3])
    with pytest.raises(ThresholdError, match="no thresholds to write"):
        write_thresholds(file, A, [])
    with pytest.raises(ThresholdError, match="no table"):
        read_thresholds(file)
    assert not file.exists()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_thresholds(file, A, [AT_1E3])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(thresholds.os, "fsync", full)
    with pytest.raises(ThresholdError, match="No space left on device"):
        write_thresholds(file, A, [AT_1E2])
    assert read_thresholds(file) == {A: (AT_1E3,)}
    assert os.listdir(file.parent) == [file.name]
    with pytest.raises(ThresholdError, match="No such file or directory"):
        write_thresholds(file.parent / "missing" / "file.json", A, [AT_1E3])


def test_the_thresholds_that_we_ship() -> None:
    entries = measured_thresholds(OFFICIAL)
    assert {entry.detector for entry in entries} >= {"yunet", "yunet-fast", "yunet+flip", "yunet-opencv", "scrfd"}
    assert {entry.fmr for entry in entries} == {1e-1, 1e-2, 1e-3, 1e-4, 1e-5}
    for entry in entries:
        # 7,701 photos make 29,648,850 comparisons; 8,101 of them are genuine, by the names in pairs.txt. YuNet finds a
        # face in every photo; what another detector misses is in no impostor comparison.
        assert entry.genuine_pairs == 8_101
        assert entry.impostor_pairs <= 29_640_749
        assert entry.impostor_pairs == 29_640_749 or not entry.detector.startswith("yunet")
    for detector in {entry.detector for entry in entries}:
        own = [entry for entry in entries if entry.detector == detector]
        assert [entry.fmr for entry in own] == sorted((entry.fmr for entry in own), reverse=True)
        assert [entry.similarity for entry in own] == sorted(entry.similarity for entry in own)
        assert [entry.fnmr for entry in own] == sorted(entry.fnmr for entry in own)


def test_an_unknown_checkpoint_has_none() -> None:
    assert measured_thresholds(A) == ()


def test_precisions_have_their_own() -> None:
    assert measured_thresholds(OFFICIAL, "float16") == measured_thresholds(OFFICIAL)
    assert measured_thresholds(OFFICIAL, "mixed") == ()
    for precision in ("int8", "dynamic"):
        entries = measured_thresholds(OFFICIAL, precision)
        assert {entry.detector for entry in entries} == {"yunet", "yunet-fast"}
        reference = {(entry.detector, entry.fmr): entry for entry in measured_thresholds(OFFICIAL)}
        for entry in entries:
            same = reference[entry.detector, entry.fmr]
            assert abs(entry.similarity - same.similarity) < 0.003  # of what float needs for the same rate
            assert entry.impostor_pairs == 29_640_749


def test_a_precision_is_written_beside_the_others(file: Path) -> None:
    write_thresholds(file, A, [AT_1E3])
    write_thresholds(file, A, [AT_1E3], "int8")
    assert read_thresholds(file) == {A: (AT_1E3,), f"{A}/int8": (AT_1E3,)}
    with pytest.raises(ThresholdError, match="no precision"):
        write_thresholds(file, A, [AT_1E3], "int8/..")


def test_the_shipped_file_is_as_the_command_writes_it(file: Path) -> None:
    for key, entries in read_thresholds(MEASURED).items():
        checkpoint, _, precision = key.partition("/")
        write_thresholds(file, checkpoint, entries, precision or "float32")
    assert file.read_text(encoding="utf-8") == MEASURED.read_text(encoding="utf-8")
    assert json.loads(MEASURED.read_text(encoding="utf-8"))

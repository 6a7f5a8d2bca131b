"""The file of results: what is written is read, and whatever else is refused with the field's name."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghostface_edge.benchmarks.device import Cluster, Condition, Device
from ghostface_edge.benchmarks.run_file import Row, Run, command_line
from ghostface_edge.benchmarks.samples import Samples, Subject
from ghostface_edge.errors import EvaluationError, OptionError

DEVICE = Device(
    "Linux 6.1", "Debian", "aarch64", "", ("asimd",), 4, (Cluster((0, 1), 1800.0),), None, 3793, "Pi", {"numpy": "2.0"}
)
CONDITION = Condition(("ondemand",), (600.0,), 48.2, 0x50000, None, None, 0.5)
SUBJECT = Subject("net", "net-1", "float32", "onnxruntime 1.23", 1, "ab" * 32, "inference")


def summary() -> Any:
    samples = Samples(SUBJECT)
    samples.add([0.001, 0.002, 0.004])
    return samples.summary("quick")


RUN = Run(
    kind="latency",
    device=DEVICE,
    conditions=(CONDITION, CONDITION),
    settings={"quick": True},
    rows=(Row(SUBJECT, summary(), {"cpu_ms": 1.5}), Row(replace(SUBJECT, threads=2))),
    command=("ghostface-edge", "bench", "latency"),
    created="2026-01-31T12:00:00+00:00",
)


def test_a_run_comes_back(tmp_path: Path) -> None:
    RUN.write(tmp_path / "run.json")
    assert Run.read(tmp_path / "run.json") == RUN
    assert list(tmp_path.iterdir()) == [tmp_path / "run.json"]


def test_the_schema() -> None:
    """The names that other programs rely on."""
    document = RUN.to_dict()
    assert list(document) == [
        "schema", "kind", "created", "complete", "command", "device", "conditions", "settings", "rows",
    ]  # fmt: skip
    assert (document["schema"], document["kind"], document["complete"]) == (1, "latency", True)
    assert list(document["rows"][0]) == ["subject", "summary", "figures"]
    assert document["rows"][0]["summary"]["p50"] == 2
    assert document["rows"][1]["summary"] is None


def test_when_and_how_it_ran() -> None:
    fresh = Run("macs", DEVICE, (), {}, ())
    assert fresh.created.endswith("+00:00")
    assert fresh.command


def change(document: Any, path: str, value: Any) -> Any:
    """The document with one field replaced, or removed where the value is ``...``."""
    result = copy.deepcopy(document)
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place = result
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return result


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", 2, r"run.schema is 2, and this version reads 1"),
        ("schema", ..., r"run.schema is missing"),
        ("schema", True, r"run.schema must be a whole number"),
        ("kind", "speed", r"run: kind 'speed' is none of"),
        ("created", "yesterday", r"run: created must be a time"),
        ("created", "2026-01-31T12:00:00", r"run: created must be a time"),
        ("created", "2026-01-31T12:00:00+02:00", r"run: created must be a time"),
        ("complete", 1, r"run.complete must be true or false"),
        ("command", "x", r"run.command must be a list"),
        ("device", [], r"run.device must be an object"),
        ("device.system", ..., r"run.device.system is missing"),
        ("conditions", [CONDITION.to_dict()], r"run: conditions are two"),
        ("conditions.1.load", "high", r"run.conditions\[1\].load must be a number"),
        ("settings", None, r"run.settings must be an object"),
        ("rows", {}, r"run.rows must be a list"),
        ("rows.0.subject.threads", -1, r"run.rows\[0\].subject.threads must be a whole number from 0 on, not -1"),
        ("rows.0.subject.file_sha256", ..., r"run.rows\[0\].subject.file_sha256 is missing"),
        ("rows.0.summary", ..., r"run.rows\[0\].summary is missing"),
        ("rows.0.summary.p50", "2", r"run.rows\[0\].summary.p50 must be a number"),
        ("rows.0.summary.p50", -2, r"run.rows\[0\].summary.p50 must be a number from 0 on"),
        ("rows.0.summary.p50", 10**400, r"run.rows\[0\].summary.p50 must be a number"),
        ("rows.0.summary.p50", 99.0, r"run.rows\[0\].summary contradicts itself"),
        ("rows.0.summary.count", 0, r"run.rows\[0\].summary.count must be a whole number from 1 on"),
        ("rows.0.summary.flags", [1], r"run.rows\[0\].summary.flags must be a list of texts"),
        ("rows.0.figures", [], r"run.rows\[0\].figures must be an object"),
        ("rows.0.note", "x", r"run.rows\[0\].note is no known field"),
        ("rows.1.subject.threads", 1, r"run: two rows are of the same subject: net float32"),
        ("author", "x", r"run.author is no known field"),
    ],
)
def test_what_is_no_run(path: str, value: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        Run.from_dict(change(RUN.to_dict(), path, value), "run")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"[1]", "is no JSON object"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"schema": NaN}', "NaN is no number in JSON"),
        (b"1" * 5000, "no JSON"),
    ],
)
def test_files_that_hold_something_else(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(EvaluationError, match=message):
        Run.read(tmp_path / "run.json")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.json", tmp_path, "\0"):
        with pytest.raises(EvaluationError, match="cannot read results"):
            Run.read(path)
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(EvaluationError, match="larger than 64 MiB"):
        Run.read(tmp_path / "large.json")


def test_what_cannot_be_written(tmp_path: Path) -> None:
    for figure in (float("nan"), object(), {1: {2}}):
        run = replace(RUN, rows=(Row(SUBJECT, None, {"x": figure}),))
        with pytest.raises(EvaluationError, match="cannot be written as JSON"):
            run.write(tmp_path / "run.json")
    with pytest.raises(OptionError, match="cannot write"):
        RUN.write(tmp_path / "no" / "run.json")
    assert not list(tmp_path.iterdir())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _paths(value: Any, way: tuple[str, ...] = ()) -> list[str]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [".".join((*way, str(key))) for key, _ in children] + [
        path for key, child in children for path in _paths(child, (*way, str(key)))
    ]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_paths(RUN.to_dict())), _JSON | st.just(...))
def test_no_damage_escapes_as_another_error(path: str, value: Any) -> None:
    with suppress(EvaluationError):
        json.dumps(Run.from_dict(change(RUN.to_dict(), path, value), "run").to_dict())


def test_the_command_names_no_folder_of_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/home/ada/.venv/bin/ghostface-edge", "bench", "/home/ada/x.onnx", "--scrfd=/home/ada/s.onnx", "-o", "a/b"]
    monkeypatch.setattr("sys.argv", words)
    assert command_line() == ("ghostface-edge", "bench", "x.onnx", "--scrfd=s.onnx", "-o", "a/b")

"""eval lfw, on a small part of LFW."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest

from ghostface_edge.card import read_card, write_card
from ghostface_edge.types import Threshold

Runner = Callable[..., Any]

SHA256 = "2beca52a2aeadfa81ed5ebab35e2a58f7c79e3c1ffda80a31511861870151715"


@pytest.fixture
def pairs(shared: Path, tmp_path: Path) -> Path:
    """The first 12 matched and the first 12 mismatched pairs of the first two folds of View 2."""
    lines = (shared / "lfw" / "pairs.txt").read_text().splitlines()[1:]
    folds = [lines[start + kind : start + kind + 12] for start in (0, 600) for kind in (0, 300)]
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(["2\t12", *(line for part in folds for line in part)]) + "\n")
    return path


def test_accuracy_and_thresholds(run: Runner, offline: Path, pairs: Path, tmp_path: Path) -> None:
    table = tmp_path / "thresholds.json"
    other = Threshold(0.1, 0.2, "other", 0.1, 10, 10, "test").to_dict()
    stale = Threshold(0.5, 0.2, "yunet-fast", 0.1, 10, 10, "test").to_dict()
    table.write_text(json.dumps({SHA256: [other, stale], "a" * 64: [other]}))
    arguments = ["--photos", offline / "lfw" / "images", "--pairs", pairs, "--detector", "yunet-fast"]
    done = run("eval", "lfw", *arguments, "--write-thresholds", table, "--jobs", "2", "--json")
    assert done.code == 0
    assert f"note: thresholds written to {table}\n" in done.err
    document = done.json
    assert document["model"]["detector"] == "yunet-fast"
    assert document["view2"]["accuracy"] > 0.9
    names = {name for line in pairs.read_text().splitlines()[1:] for name in line.split() if not name.isdigit()}
    assert document["people"] == len(names)

    written = json.loads(table.read_text())
    assert written["a" * 64] == [other]
    assert written[SHA256][0] == other
    measured = [Threshold(**entry) for entry in written[SHA256][1:]]
    assert measured
    assert stale not in written[SHA256]
    assert [entry.fmr for entry in measured] == sorted((entry.fmr for entry in measured), reverse=True)
    points = {point["fmr"]: point["threshold"] for point in document["all_pairs"]["points"]}
    assert {entry.fmr: entry.similarity for entry in measured} == points


def test_text_and_a_new_file(run: Runner, offline: Path, pairs: Path, tmp_path: Path) -> None:
    arguments = ["--photos", offline / "lfw" / "images", "--pairs", pairs, "--threads", "1", "--jobs", "2"]
    done = run("eval", "lfw", *arguments, "--write-thresholds", tmp_path / "new.json")
    assert list(json.loads((tmp_path / "new.json").read_text())) == [SHA256]
    assert done.out.startswith("LFW: ghostfacenet-v1-0.5-2-2beca52a, float32, detector yunet\n")


@pytest.mark.parametrize("content", ["not JSON", "[]", '{"a": [{}]}'])
def test_a_file_of_something_else_is_not_touched(
    run: Runner, offline: Path, pairs: Path, tmp_path: Path, content: str
) -> None:
    table = tmp_path / "thresholds.json"
    table.write_text(content)
    arguments = ["--photos", tmp_path, "--pairs", pairs, "--write-thresholds", table]
    assert str(table) in run("eval", "lfw", *arguments).error
    assert table.read_text() == content


def test_photos_that_are_missing(run: Runner, offline: Path, pairs: Path, tmp_path: Path) -> None:
    assert f"photos are not in {tmp_path}" in run("eval", "lfw", "--photos", tmp_path, "--pairs", pairs).error


def test_errors(run: Runner, tmp_path: Path) -> None:
    assert "no pairs file" in run("eval", "lfw", "--photos", tmp_path, "--pairs", tmp_path / "pairs.txt").error
    assert "Missing option '--pairs'" in run("eval", "lfw", "--photos", tmp_path).error


def test_thresholds_go_into_the_card_of_a_model(run: Runner, offline: Path, pairs: Path, tmp_path: Path) -> None:
    """A checkpoint of the user's own becomes one with thresholds, and verify decides by them."""
    model = tmp_path / "mine.onnx"
    made = run("convert", offline / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5", "-o", tmp_path / "made", "--json").json
    data = Path(made["path"]).read_bytes()
    model.write_bytes(write_card(data, read_card(data).with_thresholds(())))
    faces = [offline / "photos" / "img20.jpg", offline / "photos" / "img21.jpg"]
    engine = ["--model", model, "--detector", "yunet-fast"]
    assert "no thresholds for detector 'yunet-fast'" in run("verify", *faces, *engine).error
    photos = ["--photos", offline / "lfw" / "images", "--pairs", pairs]
    assert run("eval", "lfw", *photos, *engine, "--write-thresholds", model).code == 0
    done = run("verify", *faces, *engine, "--fmr", "0.1", "--json")
    assert (done.code, done.json["match"]) == (0, True)
    card = read_card(model.read_bytes())
    assert done.json["threshold"] == card.threshold(0.1, "yunet-fast").similarity
    assert write_card(model.read_bytes(), card.with_thresholds(())) == write_card(data, card.with_thresholds(()))


def test_thresholds_of_another_model_are_refused(run: Runner, offline: Path, pairs: Path, tmp_path: Path) -> None:
    made = run("convert", offline / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5", "-o", tmp_path, "--json").json
    data = Path(made["path"]).read_bytes()
    card = read_card(data)
    other = tmp_path / "other.onnx"
    other.write_bytes(write_card(data, replace(card, source=replace(card.source, sha256="0" * 64))))
    before = other.read_bytes()
    photos = ["--photos", offline / "lfw" / "images", "--pairs", pairs, "--detector", "yunet-fast"]
    assert "another checkpoint" in run("eval", "lfw", *photos, "--write-thresholds", other).error
    assert other.read_bytes() == before


def test_a_tflite_file_is_refused_before_anything_is_measured(run: Runner, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"as it was")
    options = ["--photos", tmp_path, "--pairs", pairs, "--write-thresholds", tmp_path / "m.tflite"]
    assert "only the card of an .onnx model" in run("eval", "lfw", *options).error
    assert (tmp_path / "m.tflite").read_bytes() == b"as it was"

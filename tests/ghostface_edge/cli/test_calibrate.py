"""calibrate: thresholds on a folder of people, and verify that decides by them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest

from ghostface_edge.runtime.opening import read_model_card, replace_model_card
from ghostface_edge.types import Threshold

Runner = Callable[..., Any]

SHA256 = "2beca52a2aeadfa81ed5ebab35e2a58f7c79e3c1ffda80a31511861870151715"


@pytest.fixture
def people(offline: Path, tmp_path: Path) -> Path:
    """Twenty people of LFW with two photos each: 760 comparisons of different people, which support 1e-1 and 1e-2."""
    folder = tmp_path / "people"
    found = sorted(path for path in (offline / "lfw" / "images").iterdir() if len(list(path.iterdir())) == 2)[:20]
    for person in found:
        shutil.copytree(person, folder / person.name)
    return folder


@pytest.fixture(params=["onnx", "tflite"])
def model(run: Runner, offline: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A model without thresholds, as one of a user's own checkpoint is."""
    if request.param == "tflite":
        pytest.importorskip("ai_edge_litert")
    source = offline / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    made = run("convert", source, "-o", tmp_path / "made", "--to", request.param, "--json").json["path"]
    path = tmp_path / f"mine.{request.param}"
    data = Path(made).read_bytes()
    path.write_bytes(replace_model_card(data, read_model_card(data, made).with_thresholds(()), made))
    return path


def test_a_model_gets_thresholds_and_verify_decides_by_them(
    run: Runner, offline: Path, people: Path, model: Path, tmp_path: Path
) -> None:
    engine = ["--model", model, "--detector", "yunet-fast"]
    faces = [offline / "photos" / "img20.jpg", offline / "photos" / "img21.jpg"]
    error = run("verify", *faces, *engine).error
    assert "no thresholds for detector 'yunet-fast'" in error
    assert "ghostface-edge calibrate" in error
    before = model.read_bytes()
    trial = run("calibrate", people, *engine, "--dry-run", "--no-cache", "--json").json
    assert model.read_bytes() == before

    done = run("calibrate", people, *engine, "--no-cache", "--json")
    assert f"note: thresholds written to {model}\n" in done.err
    assert done.json["thresholds"] == trial["thresholds"]
    assert [entry["fmr"] for entry in done.json["thresholds"]] == [0.1, 0.01]
    assert (done.json["people"], done.json["rates"]["impostor"], done.json["rates"]["genuine"]) == (20, 760, 20)
    card = read_model_card(model.read_bytes(), model.name)
    assert card.thresholds == tuple(Threshold(**entry) for entry in done.json["thresholds"])
    assert card.thresholds[0].dataset == "people, all pairs of 40 photos"
    # Nothing of the model but its card is another one.
    assert replace_model_card(before, card, model.name) == model.read_bytes()

    decided = run("verify", *faces, *engine, "--fmr", "0.01", "--json")
    assert (decided.code, decided.json["match"]) == (0, True)
    assert decided.json["threshold"] == card.threshold(0.01, "yunet-fast").similarity
    unsupported = run("verify", *faces, *engine, "--fmr", "1e-4").error
    assert "no threshold at FMR 0.0001" in unsupported
    assert "it has FMR 0.1, 0.01" in unsupported


def test_a_table_keeps_what_is_of_other_detectors_and_models(
    run: Runner, offline: Path, people: Path, tmp_path: Path
) -> None:
    table = tmp_path / "thresholds.json"
    other = Threshold(0.1, 0.2, "other", 0.1, 10, 10, "test").to_dict()
    stale = Threshold(0.5, 0.2, "yunet-fast", 0.1, 10, 10, "test").to_dict()
    table.write_text(json.dumps({SHA256: [other, stale], "a" * 64: [other]}))
    options = ["--detector", "yunet-fast", "--table", table, "--dataset", "mine", "--down-to", "0.1", "--no-cache"]
    done = run("calibrate", people, *options)
    assert done.code == 0
    assert "20 people" in done.out
    written = json.loads(table.read_text())
    assert written["a" * 64] == [other]
    assert written[SHA256][0] == other
    (measured,) = [Threshold(**entry) for entry in written[SHA256][1:]]
    assert (measured.fmr, measured.dataset, measured.people) == (0.1, "mine, all pairs of 40 photos", 20)


def test_what_cannot_be_written_is_refused_before_anything_is_measured(
    run: Runner, offline: Path, people: Path, tmp_path: Path
) -> None:
    for photo in people.glob("*/*.jpg"):
        photo.write_text("not a photo")  # so that measuring would fail in its own way
    assert "a model of the store" in run("calibrate", people).error
    (tmp_path / "table.json").write_text("not JSON")
    assert "table.json" in run("calibrate", people, "--table", tmp_path / "table.json").error
    for rate in ("0.5", "nan"):
        assert "0.1 is the highest rate" in run("calibrate", people, "--dry-run", "--down-to", rate).error
    assert "exclude each other" in run("calibrate", people, "--dry-run", "--table", tmp_path / "table.json").error
    assert "not a photo" in (people / next(people.glob("*/*.jpg"))).read_text()


def test_a_detector_of_another_size_is_pointed_out(run: Runner, offline: Path, people: Path, tmp_path: Path) -> None:
    table = tmp_path / "thresholds.json"
    done = run("calibrate", people, "--detector", "yunet-fast:320", "--table", table, "--no-cache", "--down-to", "0.1")
    assert "warning: thresholds are kept by the detector's name: these will count for every 'yunet-fast'" in done.err
    assert [entry["detector"] for entry in json.loads(table.read_text())[SHA256]] == ["yunet-fast"]


def test_too_few_people(run: Runner, offline: Path, people: Path) -> None:
    for person in sorted(people.iterdir())[2:]:
        shutil.rmtree(person)
    error = run("calibrate", people, "--detector", "yunet-fast", "--dry-run", "--no-cache").error
    assert "photos of more people" in error


def test_few_people_are_warned_of(run: Runner, offline: Path, people: Path) -> None:
    kept = sorted(people.iterdir())
    options = ["--detector", "yunet-fast", "--dry-run", "--no-cache"]
    enough = run("calibrate", people, *options)
    assert "warning" not in enough.err
    assert enough.out.endswith("95 %: the wider of Wilson and bootstrap over 20 people.\n")
    for person in kept[9:]:
        shutil.rmtree(person)
    few = run("calibrate", people, *options)  # 144 comparisons support 1e-1
    assert "warning: 9 people say little about others" in few.err
    assert few.code == 0

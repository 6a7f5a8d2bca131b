"""gallery: enrol, search, list, remove, export, import."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable

import numpy as np
import PIL.Image
import pytest

from ghostface_edge import FaceEngine, Gallery, ModelIdentity, Template

Runner = Callable[..., Any]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def people(here: Path) -> Path:
    """A gallery of two people, of a model that is not there."""
    rows = np.eye(4, dtype=np.float32)
    model = ModelIdentity("tiny-1")
    with Gallery.open("people.db", model=model) as gallery:
        gallery.enroll("ada", Template(rows[0], model), Template(rows[1], model))
        gallery.enroll("bob", Template(rows[2], model))
    return here / "people.db"


def _photo(shared: Path, number: int) -> str:
    return str(shared / "photos" / f"img{number}.jpg")


class TestWithoutModels:
    def test_list(self, run: Runner, people: Path) -> None:
        document = run("gallery", "list", "--json").json
        assert (document["gallery"], document["model_id"]) == ("people.db", "tiny-1")
        assert [(person["name"], person["templates"]) for person in document["people"]] == [("ada", 2), ("bob", 1)]
        lines = run("gallery", "list").out.splitlines()
        assert lines[0] == "people.db: 2 people, model tiny-1"
        assert [line.split()[:2] for line in lines[2:]] == [["ada", "2"], ["bob", "1"]]

    def test_remove(self, run: Runner, people: Path) -> None:
        assert "'eve'" in run("gallery", "remove", "ada", "eve").error
        assert len(run("gallery", "list", "--json").json["people"]) == 2
        assert run("gallery", "remove", "ada", "bob", "--json").json["removed"] == ["ada", "bob"]
        assert run("gallery", "list").out == "people.db: 0 people, model tiny-1\n"

    def test_remove_says_whom(self, run: Runner, people: Path) -> None:
        assert run("gallery", "remove", "ada").out == "removed from people.db: ada\n"

    def test_export_and_import(self, run: Runner, people: Path) -> None:
        assert run("gallery", "export", "all.jsonl").out == "2 people written to all.jsonl\n"
        # The file that is not there yet is created for the model of the export.
        document = run("gallery", "import", "all.jsonl", "--gallery", "copy.db", "--json").json
        assert document == {"gallery": "copy.db", "file": "all.jsonl", "people": 2}
        with Gallery.open("copy.db") as copy, Gallery.open("people.db") as original:
            assert copy.people() == original.people()
            assert copy.model_id == "tiny-1"
        assert "enrolled already" in run("gallery", "import", "all.jsonl").error
        run("gallery", "remove", "ada", "bob")
        assert run("gallery", "import", "all.jsonl").out == "2 people added to people.db\n"

    @pytest.mark.parametrize(
        "text",
        [
            *["", "[]", '"text"', "{}", "not JSON", "\udcff", "[" * 30_000],
            '{"format": "ghostface-edge gallery", "version": 1, "people": 0, "templates": 0}',
            '{"format": "ghostface-edge gallery", "version": 1, "model_id": "\\ud800", "people": 0, "templates": 0}',
            '{"format": "ghostface-edge gallery", "version": 1, "model_id": "m", "people": 1, "templates": 1}',
            '{"format": "ghostface-edge gallery", "version": 1, "model_id": "m", "people": 1, "templates": 1}\n{}',
        ],
    )
    def test_a_failed_import_creates_no_gallery(self, run: Runner, here: Path, text: str) -> None:
        Path("all.jsonl").write_bytes(text.encode(errors="surrogateescape"))
        assert run("gallery", "import", "all.jsonl").error.startswith(f"{here / 'all.jsonl'}: ")
        assert os.listdir() == ["all.jsonl"]

    @pytest.mark.parametrize(
        ("name", "words"), [("", "a name has 1 to 200"), ("x" * 201, "a name has 1 to 200"), ("a\nb", "name 'a")]
    )
    def test_a_bad_name_is_told_before_the_work(self, run: Runner, here: Path, name: str, words: str) -> None:
        assert run("gallery", "enroll", name, "a.jpg").error.startswith(words)
        assert os.listdir() == []

    def test_an_export_that_is_missing(self, run: Runner, here: Path) -> None:
        assert run("gallery", "import", "all.jsonl").error == f"{here / 'all.jsonl'}: no such file"
        assert "cannot be read" in run("gallery", "import", "/proc/self/mem").error
        assert os.listdir() == []

    @pytest.mark.parametrize("verb", [["list"], ["remove", "ada"], ["export", "x"], ["search", "a.jpg"]])
    def test_a_gallery_that_is_missing_is_not_created(self, run: Runner, here: Path, verb: list[str]) -> None:
        assert "no such gallery" in run("gallery", *verb, "--gallery", "none.db").error
        assert os.listdir() == []

    def test_what_is_no_gallery(self, run: Runner, here: Path) -> None:
        Path("text.db").write_text("not a gallery, although it is long enough to be taken for one" * 10)
        assert "not a gallery" in run("gallery", "list", "--gallery", "text.db").error

    def test_without_a_model_nothing_is_created(self, run: Runner, here: Path, empty_store: Path) -> None:
        assert "models pull" in run("gallery", "enroll", "ada", "a.jpg").error
        assert os.listdir() == []


class TestWithModels:
    def test_enrol_and_search(self, run: Runner, offline: Path, here: Path) -> None:
        # identities.csv: 20 and 21 show one person, 16 and 17 another
        document = run("gallery", "enroll", "a", _photo(offline, 20), _photo(offline, 21), "--json").json
        assert (document["name"], document["templates"], document["gallery"]) == ("a", 2, "people.db")
        assert [entry["image"] for entry in document["enrolled"]] == [_photo(offline, 20), _photo(offline, 21)]
        text = run("gallery", "enroll", "b", _photo(offline, 16)).out
        assert text == "b: 1 photo enrolled, 1 template in people.db\n"

        found = run("gallery", "search", _photo(offline, 17), "--threshold", "0.35", "--json").json
        assert (found["name"], found["match"], found["threshold"], found["fmr"]) == ("b", True, 0.35, None)
        assert found["measured"] is None
        assert [match["name"] for match in found["matches"]] == ["b", "a"]
        assert [match["match"] for match in found["matches"]] == [True, False]
        engine = FaceEngine()
        expected = engine.verify(_photo(offline, 16), _photo(offline, 17), threshold=0.35).similarity
        assert found["matches"][0]["similarity"] == pytest.approx(expected, abs=1e-6)

        stranger = run("gallery", "search", _photo(offline, 14), "--threshold", "0.35", "--top-k", "1", "--json")
        assert stranger.code == 0
        assert (stranger.json["name"], stranger.json["match"], len(stranger.json["matches"])) == (None, False, 1)

        text = run("gallery", "search", _photo(offline, 17), "--threshold", "0.35").out.splitlines()
        assert text[0] == "b: threshold 0.350 (your own)"
        assert text[2].split() == ["b", f"{expected:.3f}", "match"]
        assert text[3].endswith("no match")
        text = run("gallery", "search", _photo(offline, 14)).out
        assert text.startswith(f"no match: threshold {engine.threshold(0.001).similarity:.3f} (FMR 0.001)\n")

        found = run("gallery", "search", _photo(offline, 14), "--fmr", "1e-4", "--json").json
        assert (found["fmr"], found["measured"]) == (1e-4, engine.threshold(1e-4).to_dict())
        message = run("gallery", "search", "missing.jpg", "--fmr", "1e-8").error
        assert "no threshold at FMR 1e-08 with detector 'yunet'; it has FMR 0.1, 0.01, " in message

        assert "'tiny-1'" in run("gallery", "import", _export(here, "tiny-1")).error

    def test_the_main_face_of_several_is_told(self, run: Runner, offline: Path, here: Path) -> None:
        photo = offline / "photos" / "selfie-many-people.jpg"
        done = run("gallery", "enroll", "somebody", photo)
        count = len(FaceEngine().detect(photo))
        (line,) = done.err.splitlines()
        assert line.startswith(f"note: {photo}: {count} faces; the main one is enrolled: ")
        assert done.code == 0
        with Gallery.open("people.db") as gallery:
            assert gallery.people()[0].templates == 1

    def test_one_bad_photo_and_nobody_is_enrolled(self, run: Runner, offline: Path, here: Path) -> None:
        PIL.Image.new("RGB", (64, 64)).save("black.png")
        assert "black.png" in run("gallery", "enroll", "a", _photo(offline, 20), "black.png").error
        assert os.listdir() == ["black.png"]

    def test_a_gallery_of_another_model(self, run: Runner, offline: Path, people: Path) -> None:
        for verb in (["enroll", "ada", _photo(offline, 20)], ["search", _photo(offline, 20)]):
            message = run("gallery", *verb).error
            assert "'tiny-1'" in message
            assert "Embeddings of different models do not compare" in message

    def test_an_empty_gallery_matches_nobody(self, run: Runner, offline: Path, here: Path) -> None:
        with Gallery.open("people.db", model=FaceEngine().model):
            pass
        assert run("gallery", "search", _photo(offline, 20), "--threshold", "0.3").out == (
            "no match: threshold 0.300 (your own)\n"
        )


def _export(folder: Path, model_id: str) -> Path:
    path = folder / "other.jsonl"
    head = {"format": "ghostface-edge gallery", "version": 1, "model_id": model_id, "people": 0, "templates": 0}
    path.write_text(json.dumps(head) + "\n")
    return path

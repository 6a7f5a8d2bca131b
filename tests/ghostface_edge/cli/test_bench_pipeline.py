"""bench pipeline and bench peers, from the words to the file of results. How fast anything is, is not tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest

from ghostface_edge.benchmarks import contenders, samples
from ghostface_edge.benchmarks import pipeline as pipeline_module
from ghostface_edge.benchmarks.run_file import Run

Runner = Callable[..., Any]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a quick run takes is for figures, not for tests."""
    for module in (pipeline_module, contenders):
        monkeypatch.setattr(module, "QUICK_SECONDS", 0.0)
        monkeypatch.setattr(module, "QUICK_LEAST", 2)
    for name, value in (("WARM_AT_MOST", 0.0), ("ROUND_SECONDS", 0.0)):
        monkeypatch.setattr(samples, name, value)


def test_photos(run: Runner, offline: Path, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    output = tmp_path / "run.json"
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    photos = [offline / "photos" / "img14.jpg", broken]
    done = run("bench", "pipeline", *photos, "--gallery", 3, "--quick", "--threads", 1, "-o", output)
    assert done.code == 0
    assert f"note: results written to {output}" in done.err
    assert "2 photos, 1 faces in 1" in done.out
    assert f"left out: {broken}: " in done.out
    assert "gallery of 3 people" in done.out
    for step in ("decode", "detect", "align", "embed", "match", "FaceEngine.faces", "whole", "whole per face"):
        assert f"\n{step} " in done.out
    assert " frames per second\nFaceEngine.faces adds " in done.out
    found = Run.read(output)
    assert (found.kind, found.complete) == ("pipeline", True)
    assert found.settings["detector"] == "yunet"
    assert len(found.rows[0].subject.file_sha256) == 64


def test_a_camera_of_drawn_people_as_json(run: Runner, offline: Path) -> None:
    done = run(
        "bench", "pipeline", "--camera", "160x120", "--quick", "--gallery", 1, "--detector", "yunet-fast", "--json"
    )
    assert done.code == 0
    document = done.json
    assert document["settings"]["shots"] == "a simulated camera of 160 x 120 pixels that sees drawn people"
    stages = [row["subject"]["stage"] for row in document["rows"]]
    assert stages[0] == "take"
    assert {row["subject"]["name"] for row in document["rows"]} == {"ghostfacenet-w0.5-s2 with yunet-fast"}
    assert Run.from_dict(json.loads(json.dumps(document))).settings["pictures"] == 96


def test_peers(run: Runner, offline: Path, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    output = tmp_path / "run.json"
    words = ["--quick", "--threads", 1, "--insightface", tmp_path, "-o", output]
    done = run("bench", "peers", offline / "photos" / "img14.jpg", *words)
    assert done.code == 0
    both = "Finding and embedding"
    for title in ("Embedding one aligned face", "Finding faces", f"{both} faces", f"{both} the main face"):
        assert f"\n{title}\n" in done.out
    for name in ("tflite-runtime", "InsightFace SCRFD", "InsightFace FaceAnalysis"):
        assert f"\nskipped: {name}: " in done.out
    assert "OpenCV FaceDetectorYN" in done.out
    found = Run.read(output)
    assert (found.kind, found.complete, found.settings["threads"]) == ("peers", True, 1)
    assert {row.subject.stage for row in found.rows} == {"embed", "detect", "faces", "main"}


def test_only_detection(run: Runner, offline: Path) -> None:
    document = run("bench", "peers", "--detection", "--quick", "--json").json
    assert {row["subject"]["stage"] for row in document["rows"]} == {"detect"}
    assert document["settings"]["photo"] == "drawn people"


def test_interrupted(run: Runner, offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, as of a program that Ctrl-C ended, and the samples that there are."""
    measured = pipeline_module._both
    calls = []

    def both(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return measured(*arguments, **options)

    monkeypatch.setattr(pipeline_module, "_both", both)
    words = ["--camera", "96x96", "--gallery", 1, "--detector", "yunet-fast", "--quick", "--json"]
    done = run("bench", "pipeline", *words)
    assert done.code == 130
    assert done.json["complete"] is False
    assert done.json["rows"][0]["summary"]["count"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pipeline"], "name photos or a folder"),
        (["pipeline", "a.jpg", "b.jpg", "--camera", "64x64"], "the camera sees one photo"),
        (["pipeline", "--camera", "64"], "use WIDTHxHEIGHT"),
        (["pipeline", "--camera", "4x4"], "a camera of 4 x 4 pixels"),
        (["pipeline", "a.jpg", "--gallery", "0"], "gallery"),
        (["pipeline", "a.jpg", "-o", "/nowhere/x.json"], "there is no folder /nowhere"),
        (["peers", "-o", "/nowhere/x.json"], "there is no folder /nowhere"),
        (["peers", "nothing.jpg"], "nothing.jpg"),
        (["peers", "--model", "nothing.h5", "--embedding"], "nothing.h5"),
        (["peers", "--threads", "0"], "threads"),
    ],
)
def test_what_makes_no_sense(run: Runner, offline: Path, words: list[str], message: str) -> None:
    assert message in run("bench", *words).error


def test_no_models_here(run: Runner, empty_store: Path) -> None:
    for words in (["pipeline", "--camera", "64x64"], ["peers", "--detection"]):
        assert "models pull" in run("bench", *words, "--quick").error

"""eval: protocols on small parts of LFW, reports, comparisons, and what goes wrong."""

from __future__ import annotations

import csv
import pickle
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest

from ghostface_edge import FaceEngine
from ghostface_edge.alignment import align
from ghostface_edge.engine import main_face

Runner = Callable[..., Any]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds embeddings of another one."""
    from ghostface_edge.benchmarks.embedding_cache import EmbeddingCache

    real = EmbeddingCache.open
    monkeypatch.setattr(EmbeddingCache, "open", lambda path=None: real(tmp_path / "cache.db" if path is None else path))


@pytest.fixture
def pairs(shared: Path, tmp_path: Path) -> Path:
    """The first 15 matched and the first 15 mismatched pairs of the first two folds of View 2."""
    lines = (shared / "lfw" / "pairs.txt").read_text().splitlines()[1:]
    folds = [lines[start + kind : start + kind + 15] for start in (0, 600) for kind in (0, 300)]
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(["2\t15", *(line for part in folds for line in part)]) + "\n")
    return path


@pytest.fixture
def lfw(offline: Path, pairs: Path) -> list[object]:
    return ["eval", "lfw", "--photos", offline / "lfw" / "images", "--pairs", pairs, "--detector", "yunet-fast"]


@pytest.fixture
def people(offline: Path, tmp_path: Path) -> Path:
    """Five people of LFW with four photos each."""
    folder = tmp_path / "people"
    for person in ("George_W_Bush", "Colin_Powell", "Tony_Blair", "Serena_Williams", "Jennifer_Capriati"):
        (folder / person).mkdir(parents=True)
        for photo in sorted((offline / "lfw" / "images" / person).glob("*.jpg"))[:4]:
            shutil.copy(photo, folder / person)
    return folder


def test_two_precisions_in_one_run(run: Runner, lfw: list[object]) -> None:
    done = run(*lfw, "--runtime", "onnx", "--precision", "fp32", "--precision", "fp16", "--json")
    assert done.code == 0
    first, second = done.json["evaluations"]
    assert [item["system"]["model"]["precision"] for item in (first, second)] == ["float32", "float16"]
    assert first["accuracy"]["accuracy"] > 0.9
    assert first["accuracy"]["pairs"] == 60
    (comparison,) = done.json["comparisons"]
    assert comparison["baseline"]["file_sha256"] == first["system"]["file_sha256"]
    # Float16 answers these 60 pairs as float32 does, or one differs.
    assert comparison["mcnemar"]["only_first"] + comparison["mcnemar"]["only_second"] <= 1
    assert comparison["mcnemar"]["p_value"] == 1
    assert abs(comparison["accuracy_difference"]) <= 1 / 60


def test_the_second_run_computes_nothing(run: Runner, lfw: list[object], tmp_path: Path) -> None:
    options = ["--cache", tmp_path / "kept.db", "--json"]
    first, second = run(*lfw, *options).json, run(*lfw, *options).json
    (cold,), (warm,) = first["evaluations"], second["evaluations"]
    assert (cold["computed"], warm["computed"]) == (cold["photos"], 0)
    for values in (cold, warm):
        del values["seconds"], values["computed"]
    assert cold == warm


def test_text_and_tables(run: Runner, lfw: list[object]) -> None:
    text = run(*lfw).out
    assert text.startswith("pairs.txt, 2 sets of 30 pairs: ")
    assert "All pairs: " in text
    table = run(*lfw, "--flip", "--precision", "fp32", "--precision", "fp16", "--markdown").out
    assert "| GhostFaceNetV1" in table or "| ghostfacenet" in table
    assert "p: McNemar's exact test." in table
    assert "Accuracy is counted over 60 pairs in 2 folds" in table
    assert "EER is counted over the protocol's pairs: 30 genuine, 30 impostor comparisons." in table


def test_reports_are_written(run: Runner, lfw: list[object], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page, plots, worst = tmp_path / "report.html", tmp_path / "plots", tmp_path / "worst.png"
    done = run(*lfw, "--html", page, "--plots", plots, "--worst", worst)
    assert done.code == 0
    assert done.err.count("note: written") == 2 + len(list(plots.iterdir()))
    assert "eval lfw" in page.read_text()
    assert {path.suffix for path in plots.iterdir()} == {".png", ".svg"}
    assert worst.read_bytes().startswith(b"\x89PNG")
    two = tmp_path / "two.png"  # of two systems, the sheet is that of the first
    assert run(*lfw, "--worst", two, "--runtime", "onnx", "--runtime", "litert").code == 0
    assert run(*lfw, "--worst", worst, "--runtime", "onnx").code == 0
    assert two.read_bytes() == worst.read_bytes()


def test_a_bin_of_aligned_crops(run: Runner, offline: Path, pairs: Path, tmp_path: Path) -> None:
    """The crops that the engine would have made itself give the engine's similarities."""
    import cv2

    engine = FaceEngine(detector="yunet-fast", threads=1)
    lines = [line.split() for line in pairs.read_text().splitlines()[1:41]]
    pictures, same = [], []
    for fields in lines:
        for person, number in ((fields[0], fields[1]), (fields[-2] if len(fields) == 4 else fields[0], fields[-1])):
            image = engine.open(offline / "lfw" / "images" / person / f"{person}_{int(number):04d}.jpg")
            crop = align(image, main_face(image, engine.detect(image)).landmarks)
            pictures.append(cv2.imencode(".png", crop[..., ::-1])[1].tobytes())
        same.append(len(fields) == 3)
    path = tmp_path / "few.bin"
    path.write_bytes(pickle.dumps((pictures, same), protocol=4))
    done = run("eval", "bin", path, "--json")
    assert done.code == 0
    (found,) = done.json["evaluations"]
    assert found["system"]["model"]["detector"] == ""
    assert (found["photos"], found["people"], found["all_pairs"]) == (80, None, None)
    assert found["accuracy"]["accuracy"] > 0.9
    assert (found["pairs"]["genuine"], found["pairs"]["impostor"]) == (sum(same), len(same) - sum(same))


def test_a_bin_that_would_run_code(run: Runner, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "evil.bin"
    path.write_bytes(b"cposix\nsystem\n(Vtouch " + str(mark).encode() + b"\ntR.")
    error = run("eval", "bin", path).error
    assert "evil.bin" in error
    assert "GLOBAL" in error
    assert not mark.exists()


def test_pairs_of_a_csv_file(run: Runner, people: Path, tmp_path: Path) -> None:
    photos = sorted(path.relative_to(people).as_posix() for path in people.glob("*/*.jpg"))
    listed = people / "pairs.csv"
    with listed.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "same", "person_a", "person_b"])
        for index, one in enumerate(photos):
            for two in photos[index + 1 :]:
                a, b = one.split("/")[0], two.split("/")[0]
                writer.writerow([one, two, int(a == b), a, b])
    done = run("eval", "pairs", listed, "--detector", "yunet-fast", "--json")
    (found,) = done.json["evaluations"]
    # All pairs are listed, so both ways to count them are the same.
    assert found["pairs"] == found["all_pairs"]
    assert (found["pairs"]["genuine"], found["pairs"]["impostor"], found["people"]) == (30, 160, 5)
    listed.write_text("a,b,same\n../x.jpg,y.jpg,1\n")
    assert "line 2" in run("eval", "pairs", listed).error


def test_a_folder_of_people(run: Runner, people: Path) -> None:
    (found,) = run("eval", "folder", people, "--detector", "yunet-fast", "--json").json["evaluations"]
    assert (found["photos"], found["people"], found["pairs"], found["accuracy"]) == (20, 5, None, None)
    assert (found["all_pairs"]["genuine"], found["all_pairs"]["impostor"]) == (30, 160)
    assert found["all_pairs"]["equal_error_rate"] < 0.1
    assert "30 at most" not in run("eval", "folder", people, "--detector", "yunet-fast").out
    assert "pairs in 10 folds" in run("eval", "folder", people, "--sample", "100", "--detector", "yunet-fast").error
    for number in range(15):  # a folder needs two people for each fold
        shutil.copytree(people / "Tony_Blair", people / f"Copy_{number}")
    drawn = run("eval", "folder", people, "--sample", "20", "--detector", "yunet-fast", "--json").json["evaluations"][0]
    assert (drawn["photos"], drawn["pairs"]["genuine"], drawn["pairs"]["impostor"]) == (80, 10, 10)
    assert drawn["all_pairs"]["genuine"] == 20 * 6  # every photo against every other, also those that were not drawn


def test_detectors_of_one_name_are_told_apart(run: Runner, people: Path) -> None:
    detectors = ["--detector", "yunet-fast", "--detector", "yunet-fast:160"]
    first, second = run("eval", "folder", people, *detectors, "--json").json["evaluations"]
    assert (first["system"]["detector"], second["system"]["detector"]) == ("", "yunet-fast:160")
    text = run("eval", "folder", people, *detectors, "--flip").out
    assert "float32, yunet-fast+flip, " in text
    assert "float32, yunet-fast:160+flip, " in text


def test_identification(run: Runner, people: Path) -> None:
    done = run("eval", "identify", people, "--detector", "yunet-fast", "--repeats", "3", "--json")
    (found,) = done.json["evaluations"]
    closed = found["identification"]["closed"]
    assert (closed["people"], closed["searches"]) == (5, 15)
    assert closed["cmc"][0]["rate"]["mean"] > 0.9
    options = ["--detector", "yunet-fast", "--repeats", "3"]
    assert "1:N identification" in run("eval", "identify", people, *options).out
    assert "\n```\n1:N identification" in run("eval", "identify", people, *options, "--markdown").out
    table = run("eval", "identify", people, *options, "--detector", "yunet-plain").out
    assert "Mean of 3 random splits, seed 0. Ranks: 5 people in the gallery, 15 searches. Open set: omitted, " in table


def test_ijb_lists(run: Runner, offline: Path, people: Path, tmp_path: Path) -> None:
    engine = FaceEngine(detector="yunet-fast", threads=1)
    folder = tmp_path / "ijbb"
    (folder / "meta").mkdir(parents=True)
    (folder / "loose_crop").mkdir()
    members, points, templates = [], [], {}
    for number, photo in enumerate(sorted(people.glob("*/*.jpg")), start=1):
        shutil.copy(photo, folder / "loose_crop" / f"{number}.jpg")
        image = engine.open(photo)
        landmarks = main_face(image, engine.detect(image)).landmarks
        points.append(f"{number}.jpg {' '.join(f'{value:.4f}' for value in landmarks.ravel())} 0.99")
        template = (number - 1) // 2  # two photos each, two templates of each person
        templates[template] = photo.parent.name
        members.append(f"{number}.jpg {template} {number}")
    listed = [
        f"{a} {b} {int(templates[a] == templates[b])}" for a in templates for b in templates if a < b
    ]  # 5 genuine, 40 impostor
    (folder / "meta" / "ijbb_face_tid_mid.txt").write_text("\n".join(members) + "\n")
    (folder / "meta" / "ijbb_name_5pts_score.txt").write_text("\n".join(points) + "\n")
    (folder / "meta" / "ijbb_template_pair_label.txt").write_text("\n".join(listed) + "\n")
    done = run("eval", "ijb", "IJB-B", folder, "--json")
    assert done.code == 0
    (found,) = done.json["evaluations"]
    assert (found["pairs"]["genuine"], found["pairs"]["impostor"], found["failed_templates"]) == (5, 40, 0)
    assert found["protocol"] == "IJB-B 1:1, 10 templates"
    weighted = run("eval", "ijb", "IJB-B", folder, "--detector-score").out
    assert weighted.startswith("IJB-B 1:1, 10 templates, weighted by detector score: ")
    assert found["pairs"]["equal_error_rate"] == 0  # these five are told apart with ease


def test_photos_that_are_missing(run: Runner, lfw: list[object], tmp_path: Path) -> None:
    lfw[3] = tmp_path
    assert f"photos are not in {tmp_path}" in run(*lfw).error


def test_a_later_system_that_fails_is_named_before_the_work(run: Runner, people: Path, tmp_path: Path) -> None:
    for photo in people.glob("*/*.jpg"):
        photo.write_text("no photo")  # which the first system would fail on
    (tmp_path / "cut.onnx").write_bytes(b"\x08")
    options = ["--model", "ghostfacenet-w0.5-s2", "--model", tmp_path / "cut.onnx"]
    assert "cut.onnx" in run("eval", "folder", people, "--detector", "yunet-fast", *options).error


def test_errors(run: Runner, offline: Path, lfw: list[object], tmp_path: Path) -> None:
    assert "pairs.txt" in run("eval", "lfw", "--photos", tmp_path, "--pairs", tmp_path / "no" / "pairs.txt").error
    assert "Missing option '--pairs'" in run("eval", "lfw", "--photos", tmp_path).error
    assert "there is no folder" in run(*lfw, "--html", tmp_path / "no" / "report.html").error
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"cannot write {tmp_path / 'file'}" in run(*lfw, "--plots", place, "--model", "no-such").error
    assert "a contact sheet is" in run(*lfw, "--worst", tmp_path / "worst.gif", "--model", "no-such").error
    for protocol in (["identify"], ["ijb", "IJB-B"]):  # which look for no errors
        error = run("eval", *protocol, tmp_path, "--worst", tmp_path / "worst.png").error
        assert error.startswith("No such option")
    for option, value in (("--repeats", "1001"), ("--seed", "-1")):
        assert f"'{option}'" in run("eval", "identify", tmp_path, option, value).error
    assert "int4" in run(*lfw, "--precision", "int4").error
    (tmp_path / "text.bin").write_text("no pickle")
    assert "text.bin" in run("eval", "bin", tmp_path / "text.bin").error

"""detect, embed and verify, on real photos where there are any."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable

import numpy as np
import PIL.Image
import pytest

from ghostface_edge import FaceEngine
from ghostface_edge.runtime.tflite_card import read_tflite_card, write_tflite_card
from ghostface_edge.types import Threshold

Runner = Callable[..., Any]


def _identities(shared: Path) -> dict[str, str]:
    with (shared / "photos" / "identities.csv").open(newline="") as file:
        return {str(shared / "photos" / row["photo"]): row["person"] for row in csv.DictReader(file)}


def _lfw(shared: Path, name: str, number: int) -> str:
    return str(shared / "lfw" / "images" / name / f"{name}_{number:04d}.jpg")


class TestWithoutModels:
    def test_a_newcomer_is_told_both_ways_to_get_a_model(self, run: Runner, empty_store: Path) -> None:
        message = run("verify", "a.jpg", "b.jpg").error
        assert "Run: ghostface-edge models pull;" in message
        assert "GN_W0.5_S2_ArcFace_epoch16.h5 into a folder named in GHOSTFACE_EDGE_MODELS" in message
        assert run("verify", "a.jpg", "b.jpg", "--json").error == message

    def test_the_detector_is_missed_too(self, run: Runner, empty_store: Path, tiny_model: Path) -> None:
        for arguments in (["detect", "a.jpg"], ["embed", "a.jpg", "--model", tiny_model]):
            message = run(*arguments).error
            assert "'yunet'" in message
            assert "ghostface-edge models pull" in message

    def test_a_model_without_a_card(self, run: Runner, empty_store: Path, bare_model: Path) -> None:
        message = run("verify", "a.jpg", "b.jpg", "--model", bare_model).error
        assert "no model card" in message
        assert "ghostface-edge card add MODEL --help" in message

    @pytest.mark.parametrize("size", [0, 20, 1000])
    def test_a_truncated_model(
        self, run: Runner, empty_store: Path, tiny_model: Path, tmp_path: Path, size: int
    ) -> None:
        path = tmp_path / "short.onnx"
        path.write_bytes(tiny_model.read_bytes()[:size])
        assert run("verify", "a.jpg", "b.jpg", "--model", path).error

    def test_a_damaged_checkpoint(self, run: Runner, empty_store: Path, tmp_path: Path) -> None:
        pytest.importorskip("h5py", reason="h5py is missing (it needs Python 3.10)")
        path = tmp_path / "model.h5"
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
        assert str(path) in run("verify", "a.jpg", "b.jpg", "--model", path).error

    def test_an_unknown_model_lists_the_known_ones(self, run: Runner, empty_store: Path) -> None:
        message = run("verify", "a.jpg", "b.jpg", "--model", "facenet").error
        assert "'facenet'" in message
        assert "ghostfacenet-w0.5-s2, ghostfacenet-w1-s2" in message

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["--detector", "mtcnn"], "none of yunet, yunet-fast, yunet-plain, yunet-opencv, scrfd:FILE"),
            (["--runtime", "tensorrt"], "none of onnx, litert"),
            (["--runtime", "litert"], "does not run tiny.onnx"),
        ],
    )
    def test_unknown_names(
        self, run: Runner, empty_store: Path, tiny_model: Path, arguments: list[str], text: str
    ) -> None:
        assert text in run("embed", "a.jpg", "--model", tiny_model, *arguments).error

    def test_outputs_are_checked_before_any_model(self, run: Runner, empty_store: Path, tmp_path: Path) -> None:
        photo = tmp_path / "a.png"
        photo.write_bytes(b"photo")
        assert "would replace the input" in run("detect", photo, "--draw", photo).error
        assert "would replace the input" in run("embed", photo, "-o", photo).error
        assert "a drawing is a .jpg, .jpeg, .png file" in run("detect", photo, "--draw", tmp_path / "a.gif").error
        assert "several photos need one" in run("detect", photo, "b.jpg", "--draw", photo).error
        assert "two of the photos have one name" in run("detect", "x/a.jpg", "y/a.png", "--draw", tmp_path).error
        assert "no folder" in run("embed", photo, "-o", tmp_path / "nowhere" / "f.npz").error


class TestDetect:
    def test_json(self, run: Runner, offline: Path) -> None:
        photos = sorted((offline / "photos").glob("img1*.jpg"))
        document = run("detect", *photos, "--json").json
        assert document["detector"] == "yunet"
        assert [entry["image"] for entry in document["images"]] == [str(photo) for photo in photos]
        for entry in document["images"]:
            with PIL.Image.open(entry["image"]) as picture:
                assert (entry["width"], entry["height"]) == picture.size
            assert entry["faces"]
            for face in entry["faces"]:
                assert set(face) == {"box", "score", "landmarks", "detection"}

    def test_no_larger_than_the_smallest_face_that_is_wanted(self, run: Runner, offline: Path) -> None:
        photo = offline / "photos" / "img16.jpg"
        for options, inputs in (([], [640, 160]), (["--min-face", "0.2"], [160]), (["--min-face", "37"], [416, 160])):
            (entry,) = run("detect", photo, *options, "--json").json["images"]
            assert entry["faces"][0]["detection"]["inputs"] == inputs, options
        assert run("detect", photo, "--min-face", "0").err.startswith("error: min_face=0.0 is no width of a face")

    def test_the_face_of_an_lfw_photo_is_in_its_middle(self, run: Runner, offline: Path) -> None:
        # Deep funnelling put the face of interest there.
        (entry,) = run("detect", _lfw(offline, "Abel_Pacheco", 1), "--json").json["images"]
        box = entry["faces"][0]["box"]
        assert box["x1"] < 125 < box["x2"]
        assert box["y1"] < 125 < box["y2"]
        x, y = np.transpose(list(entry["faces"][0]["landmarks"].values()))
        assert y[:2].max() < y[2] < y[3:].min()
        assert x[0] < x[2] < x[1]

    def test_text_says_the_same(self, run: Runner, offline: Path) -> None:
        photo = offline / "photos" / "selfie-many-people.jpg"
        faces = run("detect", photo, "--json").json["images"][0]["faces"]
        head, *lines = run("detect", photo).out.splitlines()
        assert head == f"{photo}: {len(faces)} faces"
        assert len(faces) == len(lines) >= 5
        assert lines[0].startswith(f"  score {faces[0]['score']:.2f}, ")

    def test_no_face_is_an_answer(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        PIL.Image.new("RGB", (200, 100), "grey").save(tmp_path / "grey.png")
        document = run("detect", tmp_path / "grey.png", "--json").json
        assert document["images"] == [{"image": str(tmp_path / "grey.png"), "width": 200, "height": 100, "faces": []}]

    def test_a_photo_that_fails_does_not_stop_the_others(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        text = tmp_path / "text.jpg"
        text.write_text("not a photo")
        good = offline / "photos" / "img20.jpg"
        photos = [tmp_path / "missing.jpg", text, good, tmp_path]
        done = run("detect", *photos, "--json")
        assert done.code == 2
        errors = [line[len("error: ") :] for line in done.err.splitlines()]
        entries = done.json["images"]
        assert [entry.get("error") for entry in entries] == [errors[0], errors[1], None, errors[2]]
        assert [str(path) in error for path, error in zip((photos[0], text, tmp_path), errors)] == [True] * 3
        assert "faces" in entries[2]
        assert run("detect", *photos).out == run("detect", good).out

    def test_modes(self, run: Runner, offline: Path) -> None:
        photo = offline / "photos" / "img20.jpg"
        for detector in ("yunet-fast", "yunet-opencv"):
            document = run("detect", photo, "--detector", detector, "--threads", "1", "--json").json
            assert document["detector"] == detector
            assert len(document["images"][0]["faces"]) == 1

    def test_drawing(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        photo, out = offline / "photos" / "img20.jpg", tmp_path / "out.png"
        entry = run("detect", photo, "--draw", out, "--json").json["images"][0]
        assert entry["drawn"] == str(out)
        with PIL.Image.open(photo) as before, PIL.Image.open(out) as after:
            assert after.format == "PNG"
            changed = np.any(np.asarray(before.convert("RGB")) != np.asarray(after), axis=-1)
        for x, y in entry["faces"][0]["landmarks"].values():
            assert changed[round(y), round(x)]
        box = entry["faces"][0]["box"]
        y = int(box["y1"] + box["y2"]) // 2
        assert changed[y, round(box["x1"])]
        assert changed[y, round(box["x2"])]
        assert not changed[:, : int(box["x1"]) - 2].any()
        assert not changed[int(box["y2"]) + 3 :].any()

    def test_drawings_of_several_photos_go_into_a_folder(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        photos = [offline / "photos" / name for name in ("img20.jpg", "img21.jpg")]
        folder = tmp_path / "new" / "folder"
        assert run("detect", *photos, "--draw", folder).code == 0
        assert sorted(os.listdir(folder)) == ["img20.jpg", "img21.jpg"]
        for photo in photos:
            with PIL.Image.open(photo) as before, PIL.Image.open(folder / photo.name) as after:
                assert (after.format, after.size) == ("JPEG", before.size)
        assert run("detect", photos[0], "--draw", tmp_path).code == 0
        assert (tmp_path / "img20.jpg").is_file()


class TestEmbed:
    def test_the_smallest_face_goes_with_all_faces(self, run: Runner, offline: Path) -> None:
        photo = offline / "photos" / "img16.jpg"
        (entry,) = run("embed", photo, "--all-faces", "--min-face", "0.2", "--json").json["images"]
        assert entry["faces"][0]["detection"] == {"inputs": [160], "looks": 1, "faces": 1}
        refused = run("embed", photo, "--min-face", "0.2")
        assert refused.code == 2
        assert refused.err.startswith("error: --min-face goes with --all-faces")

    def test_file_and_json_agree_with_the_engine(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        photos = [str(offline / "photos" / name) for name in ("img20.jpg", "selfie-many-people.jpg")]
        out = tmp_path / "faces.npz"
        document = run("embed", *photos, "--all-faces", "-o", out, "--json").json
        engine = FaceEngine()
        faces = [(photo, face) for photo in photos for face in engine.faces(photo)]
        with np.load(out, allow_pickle=False) as file:
            assert list(file["names"]) == [photo for photo, _ in faces]
            np.testing.assert_allclose(file["embeddings"], [face.embedding for _, face in faces], atol=1e-6)
            np.testing.assert_allclose(np.linalg.norm(file["embeddings"], axis=1), 1, atol=1e-5)
            assert file["embeddings"].dtype == np.float32
            np.testing.assert_allclose(file["landmarks"], [face.landmarks for _, face in faces], atol=1e-3)
            boxes = [(f.box.x1, f.box.y1, f.box.x2, f.box.y2) for _, f in faces]
            np.testing.assert_allclose(file["boxes"], boxes, atol=1e-3)
            np.testing.assert_allclose(file["scores"], [face.score for _, face in faces], atol=1e-6)
            assert json.loads(str(file["model"])) == document["model"] == engine.model.to_dict()
            listed = [face["embedding"] for entry in document["images"] for face in entry["faces"]]
            np.testing.assert_array_equal(np.array(listed, np.float32), file["embeddings"])
        assert document["output"] == str(out)
        assert stat.S_IMODE(out.stat().st_mode) == 0o600

    def test_without_all_faces_it_is_the_main_one(self, run: Runner, offline: Path) -> None:
        photo = offline / "photos" / "selfie-many-people.jpg"
        (entry,) = run("embed", photo, "--json").json["images"]
        (face,) = entry["faces"]
        np.testing.assert_allclose(face["embedding"], FaceEngine().face(photo).embedding, atol=1e-6)
        text = run("embed", photo).out
        assert f"{photo}: 1 face\n" in text
        assert "1 embedding of 512 numbers" in text
        assert "-o FILE.npz" in text

    def test_the_file_leaves_out_what_fails(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        PIL.Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
        good, out = offline / "photos" / "img20.jpg", tmp_path / "faces.npz"
        done = run("embed", tmp_path / "black.png", good, "-o", out, "--json")
        assert done.code == 2
        assert "no face found in" in done.err
        assert "error" in done.json["images"][0]
        with np.load(out, allow_pickle=False) as file:
            assert list(file["names"]) == [str(good)]

    def test_no_file_where_everything_fails(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        done = run("embed", tmp_path / "missing.jpg", "-o", tmp_path / "faces.npz", "--json")
        assert done.code == 2
        assert "output" not in done.json
        assert os.listdir(tmp_path) == []

    def test_a_photo_without_faces_has_no_rows(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        PIL.Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
        done = run("embed", tmp_path / "black.png", "--all-faces", "-o", tmp_path / "faces.npz")
        assert done.code == 0
        with np.load(tmp_path / "faces.npz", allow_pickle=False) as file:
            assert [file[name].shape for name in ("embeddings", "names", "boxes", "landmarks", "scores")] == [
                (0, 512),
                (0,),
                (0, 4),
                (0, 5, 2),
                (0,),
            ]

    def test_options_reach_the_engine(self, run: Runner, offline: Path, tiny_model: Path) -> None:
        photo = offline / "photos" / "img20.jpg"
        document = run("embed", photo, "--json", "--flip", "--model", tiny_model, "--detector", "yunet-fast").json
        assert document["model"] == {"model_id": "tiny-1", "precision": "float32", "detector": "yunet-fast+flip"}
        assert len(document["images"][0]["faces"][0]["embedding"]) == 8


class TestVerify:
    def test_who_is_who(self, run: Runner, offline: Path) -> None:
        people = _identities(offline)
        one_each = list({person: photo for photo, person in people.items()}.values())
        same = [(a, b) for a, b in itertools.combinations(people, 2) if people[a] == people[b]]
        same = list({people[a]: (a, b) for a, b in same}.values())
        assert len(same) == 4
        for a, b in same + list(itertools.combinations(one_each, 2)):
            done = run("verify", a, b, "--threshold", "0.3", "--json")
            assert done.json["match"] is (people[a] == people[b]), (a, b, done.json["similarity"])
            assert done.code == (0 if people[a] == people[b] else 1)

    def test_json(self, run: Runner, offline: Path) -> None:
        a, b = _lfw(offline, "Abel_Pacheco", 1), _lfw(offline, "Abel_Pacheco", 4)
        done = run("verify", a, b, "--threshold", "0.25", "--json")
        document = done.json
        engine = FaceEngine()
        assert document["similarity"] == pytest.approx(engine.verify(a, b, threshold=0.25).similarity, abs=1e-6)
        assert (document["threshold"], document["fmr"], document["match"]) == (0.25, None, True)
        assert document["measured"] is None
        assert document["model"] == engine.model.to_dict()
        assert [entry["image"] for entry in document["images"]] == [a, b]
        assert "embedding" not in document["images"][0]["face"]
        assert (done.code, done.err) == (0, "")

    def test_text_and_exit_code(self, run: Runner, offline: Path) -> None:
        a, b = _lfw(offline, "Abel_Pacheco", 1), _lfw(offline, "Akhmed_Zakayev", 1)
        similarity = run("verify", a, b, "--threshold", "1", "--json").json["similarity"]
        no, yes = run("verify", a, b, "--threshold", "1"), run("verify", a, b, "--threshold", "-1")
        assert (no.code, no.out) == (1, f"no match: similarity {similarity:.3f}, threshold 1.000 (your own)\n")
        assert (yes.code, yes.out) == (0, f"match: similarity {similarity:.3f}, threshold -1.000 (your own)\n")

    def test_a_threshold_from_the_card(self, run: Runner, offline: Path) -> None:
        photo = _lfw(offline, "Abel_Pacheco", 1)
        for fmr in (0.001, 0.01):
            document = run("verify", photo, photo, "--fmr", fmr, "--json").json
            assert (document["fmr"], document["threshold"]) == (fmr, FaceEngine().threshold(fmr).similarity)
            assert document["measured"] == FaceEngine().threshold(fmr).to_dict()
            assert document["measured"]["impostor_pairs"] == 29_640_749
        assert run("verify", photo, photo, "--json").json["fmr"] == 0.001
        assert "(FMR 0.001)" in run("verify", photo, photo).out

    @pytest.mark.parametrize("value", ["2", "nan"])
    def test_senseless_thresholds(self, run: Runner, offline: Path, value: str) -> None:
        photo = _lfw(offline, "Abel_Pacheco", 1)
        assert "not a similarity between -1 and 1" in run("verify", photo, photo, "--threshold", value).error

    def test_no_threshold_for_the_model(self, run: Runner, offline: Path, tiny_model: Path) -> None:
        photo = _lfw(offline, "Abel_Pacheco", 1)
        message = run("verify", photo, photo, "--model", tiny_model).error
        assert "model 'tiny' in float32 has no thresholds for detector 'yunet', nor for any other" in message
        assert "ghostface-edge calibrate PHOTOS --model FILE --detector D" in message

    def test_a_rate_that_the_card_does_not_support(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        """It is said before a photo is looked at."""
        missing = tmp_path / "missing.jpg"
        message = run("verify", missing, missing, "--fmr", "1e-8").error
        assert "no threshold at FMR 1e-08 with detector 'yunet'; it has FMR 0.1, 0.01, 0.001, 0.0001, 1e-05" in message
        assert "ghostface-edge calibrate PHOTOS" in message
        message = run("verify", missing, missing, "--detector", "yunet-opencv", "--flip").error
        assert "no thresholds for detector 'yunet-opencv+flip' (only for " in message
        assert "fmr=2.0 is not a rate between 0 and 1" in run("verify", missing, missing, "--fmr", "2").error

    def test_by_the_card_that_a_tflite_file_was_given(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        pytest.importorskip("ai_edge_litert")
        checkpoint = offline / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
        made = Path(run("convert", checkpoint, "-o", tmp_path, "--to", "tflite", "--json").json["path"])
        mine = tmp_path / "mine.tflite"
        data = made.read_bytes()
        thresholds = (Threshold(0.05, 0.27, "yunet", 0.04, 4000, 300, "people of mine", 50, 0.06, 0.25, 0.29),)
        mine.write_bytes(write_tflite_card(data, read_tflite_card(data).with_thresholds(thresholds)))
        photos = _lfw(offline, "Abel_Pacheco", 1), _lfw(offline, "Abel_Pacheco", 4)
        done = run("verify", *photos, "--model", mine, "--fmr", "0.05", "--json").json
        assert (done["threshold"], done["measured"]) == (0.27, thresholds[0].to_dict())
        assert done["similarity"] == run("verify", *photos, "--model", made, "--json").json["similarity"]
        assert "it has FMR 0.05. Ask for" in run("verify", *photos, "--model", mine).error
        row = run("inspect", mine).out.splitlines()[-1]
        assert re.split("  +", row) == [
            "yunet",
            "0.05",
            "0.06",
            "0.270",
            "0.250 to 0.290",
            "0.0400",
            "4,000",
            "300",
            "50",
            "people of mine",
        ]

    def test_a_bad_photo_leaves_stdout_empty(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        photo = _lfw(offline, "Abel_Pacheco", 1)
        text = tmp_path / "text.jpg"
        text.write_text("not a photo")
        for bad in (text, tmp_path, tmp_path / "missing.jpg"):
            assert str(bad) in run("verify", photo, bad, "--json").error

    def test_a_checkpoint_serves_as_model(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        copy = tmp_path / "my model.h5"
        copy.write_bytes((offline / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5").read_bytes())
        a, b = _lfw(offline, "Abel_Pacheco", 1), _lfw(offline, "Abel_Pacheco", 4)
        by_path, by_name = (
            run("verify", a, b, "--threshold", "0.25", "--json", *model).json["similarity"]
            for model in (("--model", copy), ())
        )
        assert by_path == by_name

    def test_litert_says_the_same(self, run: Runner, offline: Path, tmp_path: Path) -> None:
        """As ONNX Runtime, with the same thresholds: a known name, a checkpoint, what is chosen, a converted file."""
        pytest.importorskip("ai_edge_litert")
        checkpoint = offline / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
        run("convert", checkpoint, "-o", tmp_path, "--to", "tflite", "--precision", "fp16")
        half = tmp_path / "GN_W0.5_S2_ArcFace_epoch16_float16.tflite"
        for photos in itertools.combinations(itertools.islice(_identities(offline), 4), 2):
            expected = run("verify", *photos, "--runtime", "onnx", "--json").json
            for arguments in (
                ["--runtime", "litert"],
                ["--runtime", "litert", "--model", checkpoint],
                [],  # what is chosen here
                ["--model", half],
            ):
                found = run("verify", *photos, *arguments, "--json").json
                assert found["similarity"] == pytest.approx(expected["similarity"], abs=1e-3)
                assert (found["match"], found["threshold"]) == (expected["match"], expected["threshold"])

    def test_a_process_of_its_own(self, command: list[str], offline: Path) -> None:
        photo = _lfw(offline, "Abel_Pacheco", 1)
        other = _lfw(offline, "Akhmed_Zakayev", 1)
        arguments = [*command, "verify", photo, other, "--json", "--threshold", "0.25", "--threads", "1"]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "")
        assert json.loads(done.stdout)["match"] is False

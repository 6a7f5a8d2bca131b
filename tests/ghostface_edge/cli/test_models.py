"""models: list, pull, add, verify, remove, path. Nothing here uses the network."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from ghostface_edge.catalog import KNOWN_MODELS
from ghostface_edge.errors import DownloadError
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import MODEL_ENDINGS, RUNTIMES
from ghostface_edge.runtime.opening import read_model_card

Runner = Callable[..., Any]


def test_list_of_an_empty_store(run: Runner, empty_store: Path) -> None:
    stored = run("models", "list", "--json").json["models"]
    assert [item["name"] for item in stored] == [entry.name for entry in KNOWN_MODELS]
    assert {item["state"] for item in stored} == {"missing"}
    head, *lines = run("models", "list").out.splitlines()
    assert head.split() == ["name", "kind", "state", "size", "licence"]
    # 232,589 bytes, and a checkpoint of which nobody knows the size
    assert lines[0].split()[:5] == ["yunet", "detector", "missing", "0.2", "MB"]
    assert lines[2].split()[:4] == ["ghostfacenet-w1-s2", "embedder", "missing", "?"]
    assert not empty_store.exists()


def test_add_list_verify_path_remove(run: Runner, empty_store: Path, tiny_model: Path) -> None:
    added = run("models", "add", tiny_model, "mine", "--json").json
    assert (added["name"], added["state"], added["kind"], added["licence"]) == ("mine", "ready", "embedder", "none")
    assert Path(added["path"]).read_bytes() == tiny_model.read_bytes()
    assert run("models", "path", "mine").out == added["path"] + "\n"
    assert run("models", "path", "mine", "--json").json == {"name": "mine", "path": added["path"]}
    assert run("models", "verify", "mine").out == f"mine: as pinned, {added['path']}\n"
    assert [item["name"] for item in run("models", "verify", "--json").json["models"]] == ["mine"]
    assert "'mine' is taken" in run("models", "add", tiny_model, "mine").error
    assert run("models", "remove", "mine").out == "removed mine\n"
    assert not Path(added["path"]).exists()
    assert "no model is called 'mine'" in run("models", "remove", "mine").error


def test_add_says_where(run: Runner, empty_store: Path, tiny_model: Path) -> None:
    assert run("models", "add", tiny_model, "mine").out == f"mine: ready, {empty_store}/models/mine/mine.onnx\n"


def test_add_refuses_a_model_without_a_card(run: Runner, empty_store: Path, bare_model: Path) -> None:
    assert "ghostface-edge card add" in run("models", "add", bare_model, "mine").error


def test_verify_finds_damage_and_goes_on(run: Runner, empty_store: Path, tiny_model: Path) -> None:
    for name in ("one", "two"):
        run("models", "add", tiny_model, name)
    place = empty_store / "models" / "one" / "one.onnx"
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    done = run("models", "verify", "one", "two", "nonsense", "--json")
    assert done.code == 2
    damaged, good, unknown = done.json["models"]
    assert (damaged["name"], unknown["name"]) == ("one", "nonsense")
    assert f"error: {damaged['error']}\nerror: {unknown['error']}\n" == done.err
    assert "has sha256" in damaged["error"]
    assert good["state"] == "ready"


def test_pull_without_a_known_sha256_needs_consent(run: Runner, empty_store: Path) -> None:
    done = run("models", "pull", "ghostfacenet-w1-s2", "--json")
    assert done.code == 2
    (entry,) = done.json["models"]
    assert "--allow-unverified" in entry["error"]
    source, licence, size, sha256, note, error = done.err.splitlines()
    assert source == (
        "source: https://github.com/HamadYA/GhostFaceNets/releases/download/v1.1/GN_W1_S2_ArcFace_epoch18.h5"
    )
    assert licence.startswith("licence: MIT (HamadYA/GhostFaceNets); trained on MS1MV2")
    assert (size, sha256) == ("size: not known", "sha256: not known")
    assert note.startswith("note: not tested by us")
    assert error == f"error: {entry['error']}"


def test_pull_tells_the_size(run: Runner, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, target: Path, **values: object) -> None:
        raise DownloadError("no network")

    monkeypatch.setattr("ghostface_edge.models.download", refuse)
    assert "\nsize: 17.3 MB\nsha256: e4182ca2" in run("models", "pull", "ghostfacenet-w1.3-s1").err  # 17,271,840 bytes


def test_pull_of_an_added_model_that_is_gone(run: Runner, empty_store: Path, tiny_model: Path) -> None:
    added = run("models", "add", tiny_model, "mine", "--json").json
    os.unlink(added["path"])
    done = run("models", "pull", "mine")
    assert (done.code, done.out) == (2, "")
    assert "source: none: added by the user\n" in done.err
    assert "Remove and add it again" in done.err


def test_pull_without_a_name_gives_what_the_main_job_needs(run: Runner, offline: Path, empty_store: Path) -> None:
    done = run("models", "pull")
    assert (done.code, done.err) == (0, "")
    paths = done.out.splitlines()
    assert paths == [str(ModelStore().choose(name).path) for name in ("yunet", "ghostfacenet-w0.5-s2")]
    assert all(Path(path).is_relative_to(empty_store) for path in paths)
    assert {_state(run, name) for name in ("yunet", "ghostfacenet-w0.5-s2")} == {"ready"}
    document = run("models", "pull", "yunet", "--json").json
    assert document == {"models": [{"name": "yunet", "path": paths[0]}]}


def test_pull_where_nothing_can_be_converted(
    run: Runner, offline: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)  # as Python has it after an import that failed
    done = run("models", "pull", "ghostfacenet-w0.5-s2")
    assert (done.code, done.out) == (0, f"{offline / 'models' / 'GN_W0.5_S2_ArcFace_epoch16.h5'}\n")
    assert done.err.startswith("note: reading a .h5 checkpoint needs the package h5py: pip install")
    assert "needs the package h5py" in run("models", "pull", "ghostfacenet-w0.5-s2", "--precision", "fp16").error


def test_states_and_path_of_a_source(run: Runner, offline: Path, empty_store: Path) -> None:
    assert _state(run, "yunet") == "source"
    path = Path(run("models", "path", "yunet").out.strip())
    assert path.is_relative_to(empty_store)
    assert path.suffix in MODEL_ENDINGS
    for runtime, format in RUNTIMES.items():
        assert run("models", "path", "yunet", "--runtime", runtime).out.strip().endswith(format)
    assert _state(run, "yunet") == "ready"
    assert f"yunet: as pinned, {path}\n" in run("models", "verify").out


def test_a_missing_model_has_no_path(run: Runner, empty_store: Path) -> None:
    assert "'yunet'" in run("models", "path", "yunet").error
    assert "models pull ghostfacenet-w1.3-s1;" in run("models", "path", "ghostfacenet-w1.3-s1").error


@pytest.mark.parametrize("verb", [["list"], ["pull"], ["verify"], ["path", "yunet"], ["remove", "yunet"]])
def test_a_store_into_which_nobody_may_look(run: Runner, empty_store: Path, verb: list[str]) -> None:
    (empty_store / "models").mkdir(parents=True)
    run("models", "list")  # so that every module is loaded before this process gives up its rights
    empty_store.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # nobody: root may look into everything
    try:
        error = run("models", *verb).error
    finally:
        os.seteuid(user)
        empty_store.chmod(0o700)
    assert error.endswith(": Permission denied. GHOSTFACE_EDGE_HOME moves the store to another folder")


def test_remove_says_when_there_was_nothing(run: Runner, offline: Path, empty_store: Path) -> None:
    assert run("models", "remove", "yunet").out == "nothing to remove: the store holds no file of yunet\n"
    assert run("models", "remove", "yunet", "--json").json == {"removed": None}
    path = Path(run("models", "path", "yunet").out.strip())
    assert run("models", "remove", "yunet", "--json").json == {"removed": "yunet"}
    assert not path.exists()


@pytest.mark.parametrize("suffix", [".txt", ".h5"])
def test_add_refuses_other_files(run: Runner, empty_store: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    shutil.copy(__file__, path)
    assert str(path) in run("models", "add", path, "mine").error


def _state(run: Runner, name: str) -> Any:
    return next(item["state"] for item in run("models", "list", "--json").json["models"] if item["name"] == name)


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_a_precision_by_name(run: Runner, real_store: ModelStore, runtime: str) -> None:
    """On a machine without any photo: the calibration of this checkpoint ships."""
    pytest.importorskip({"litert": "ai_edge_litert", "onnx": "onnxruntime"}[runtime])
    place = run("models", "path", "ghostfacenet-w0.5-s2", "--precision", "int8", "--runtime", runtime).out.rstrip()
    card = read_model_card(Path(place).read_bytes(), place)
    assert (card.precision, Path(place).suffix) == ("int8", f".{RUNTIMES[runtime]}")
    assert card.threshold(1e-3, "yunet").similarity == pytest.approx(0.31, abs=0.003)


def test_pull_converts_to_the_precision(run: Runner, real_store: ModelStore) -> None:
    places = run("models", "pull", "--precision", "fp16").out.splitlines()
    assert len(places) == 2
    assert [read_model_card(Path(place).read_bytes(), place).precision for place in places] == ["float16", "float16"]


def test_pull_gives_the_detector_what_it_has(run: Runner, real_store: ModelStore) -> None:
    """YuNet has integers with photos alone: beside an int8 embedder comes the detector that runs best."""
    detector, embedder = run("models", "pull", "--precision", "int8").out.splitlines()
    assert read_model_card(Path(embedder).read_bytes(), embedder).precision == "int8"
    assert detector == str(real_store.choose("yunet").path)


def test_verbose_says_why(run: Runner, real_store: ModelStore) -> None:
    choice = real_store.choose("yunet")
    assert run("models", "path", "yunet", "-v").err == f"info: yunet in {choice.precision}: {choice.reason}\n"
    assert run("models", "path", "yunet").err == ""


def test_auto_is_the_default(run: Runner, real_store: ModelStore) -> None:
    pull = run("models", "pull").out
    assert run("models", "pull", "--precision", "auto").out == pull
    assert run("models", "path", "ghostfacenet-w0.5-s2").out == pull.splitlines()[1] + "\n"
    assert run("models", "path", "ghostfacenet-w0.5-s2", "--precision", "auto").out == pull.splitlines()[1] + "\n"


def test_a_precision_that_the_format_does_not_have(run: Runner, real_store: ModelStore) -> None:
    done = run("models", "path", "ghostfacenet-w0.5-s2", "--precision", "dynamic", "--runtime", "onnx")
    assert done.code == 2
    assert "precision='dynamic' does not exist for to='onnx'" in done.error

"""The store: what it finds, what it refuses, what it leaves behind, and two processes at once."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from ghostface_edge import download, models
from ghostface_edge.card import InputSpec, ModelCard, Source, read_card, write_card
from ghostface_edge.catalog import KNOWN_MODELS, KnownModel
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import (
    ChecksumError,
    DownloadError,
    MissingModelError,
    ModelCardError,
    ModelError,
    ModelFileError,
    OptionError,
    StoreError,
    UnknownModelError,
)
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import MODEL_ENDINGS, file_format
from ghostface_edge.runtime.opening import read_model_card
from ghostface_edge.runtime.tflite_card import read_tflite_card
from ghostface_edge.types import Threshold

HDF5 = b"\x89HDF\r\n\x1a\n"
SOURCE = HDF5 + random.Random(1).randbytes(50_000)
OTHER = HDF5 + random.Random(2).randbytes(50_000)
MIT = "MIT; made up for a test"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def known(
    url: str = "https://example.org/face.h5", *, data: bytes | None = SOURCE, confirmed: bool = True, **values: object
) -> KnownModel:
    """An entry called ``face``; ``data=None``: one without a sha256."""
    identity = {} if data is None else {"sha256": sha256(data), "size": len(data)}
    fields = {**identity, "confirmed": confirmed and data is not None, **values}
    return KnownModel("face", "embedder", "face.h5", url, MIT, **fields)  # type: ignore[arg-type]


def card_of(source: bytes, *, kind: str = "embedder", name: str = "face") -> ModelCard:
    return ModelCard(
        kind=kind,
        model_id=name,
        name=name,
        architecture="none",
        precision="float32",
        input=InputSpec(112, 112, "NCHW", "RGB", 127.5, 1 / 128),
        source=Source("face.h5", sha256(source), len(source)),
        converter="a stand-in",
        licence=MIT,
        alignment="arcface-112" if kind == "embedder" else "",
        embedding_size=512 if kind == "embedder" else 0,
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
def site(loopback: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A web server of the files in ``site.root``."""
    root = tmp_path / "site"
    root.mkdir()
    seen: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            seen.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(download, "PLAIN_HTTP_HOSTS", frozenset({"127.0.0.1"}))
    monkeypatch.setattr(download, "PAUSE", 0.001)
    monkeypatch.setenv("no_proxy", "*")
    (root / "face.h5").write_bytes(SOURCE)
    yield SimpleNamespace(root=root, seen=seen, url=f"http://127.0.0.1:{server.server_port}/face.h5")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def converter(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A converter whose models are cards without a graph: the store looks at nothing else."""

    def convert(source: Path, folder: Path, *, to: str, precision: str, licence: str, name: str) -> SimpleNamespace:
        made.calls.append((source, to, precision, licence, name))
        path = folder / f"out.{to}"
        path.write_bytes(write_card(b"", card_of(source.read_bytes(), name=name)))
        return SimpleNamespace(path=path)

    made = SimpleNamespace(convert=convert, calls=[])
    monkeypatch.setattr(models, "_converter", lambda: made)
    return made


# ----------------------------------------------------------------------------------------------------------------
# Where the store is


def test_the_environment_is_read_when_a_store_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(tmp_path / "a"))
    monkeypatch.setenv("GHOSTFACE_EDGE_MODELS", os.pathsep.join([str(tmp_path), "", str(tmp_path / "b")]))
    store = ModelStore()
    assert store.home == tmp_path / "a"
    assert store.folders == (tmp_path, tmp_path / "b")


def test_a_tilde_in_the_environment_is_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", "~/a")
    monkeypatch.setenv("GHOSTFACE_EDGE_MODELS", "~/b")
    assert ModelStore().home == tmp_path / "a"
    assert ModelStore().folders == (tmp_path / "b",)


def test_without_a_variable_the_store_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GHOSTFACE_EDGE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = ModelStore()
    assert store.home == tmp_path / "ghostface-edge"
    assert store.folders == ()


def test_looking_creates_nothing(home: Path) -> None:
    store = ModelStore(home)
    assert {model.state for model in store.list()} == {"missing"}
    assert store.find("yunet") is None
    assert not home.exists()


def test_importing_the_store_loads_no_download_library() -> None:
    code = (
        "import sys, ghostface_edge.models as m; "
        "bad = {'requests', 'tqdm', 'urllib3', 'platformdirs', 'h5py', 'onnx', 'cv2', 'onnxruntime'}; "
        "sys.exit(', '.join(bad & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ----------------------------------------------------------------------------------------------------------------
# Finding, without network


def test_a_file_is_found_by_its_hash_whatever_it_is_called(home: Path, folder: Path) -> None:
    (folder / "holiday.jpg").write_bytes(SOURCE)
    assert ModelStore(home, [folder], catalog=[known()]).find("face") == folder / "holiday.jpg"


def test_a_file_of_the_right_name_and_size_with_other_bytes_is_not_found(home: Path, folder: Path) -> None:
    (folder / "face.h5").write_bytes(OTHER)
    assert ModelStore(home, [folder], catalog=[known()]).find("face") is None


def test_the_folders_are_searched_in_order(home: Path, tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "face.h5").write_bytes(SOURCE)
    assert ModelStore(home, [tmp_path / "b", tmp_path / "a"], catalog=[known()]).find("face") == tmp_path / "b/face.h5"


def test_a_file_of_another_size_is_not_read(home: Path, folder: Path) -> None:
    with (folder / "big.bin").open("wb") as file:
        file.truncate(1 << 40)  # a sparse terabyte: hashing it would take an hour
    (folder / "face.h5").write_bytes(SOURCE)
    started = time.monotonic()
    assert ModelStore(home, [folder], catalog=[known()]).find("face") == folder / "face.h5"
    assert time.monotonic() - started < 5


def test_links_to_nothing_loops_pipes_and_folders_are_passed_over(home: Path, folder: Path) -> None:
    (folder / "a-loop").symlink_to(folder / "a-loop")
    (folder / "b-nothing").symlink_to(folder / "none")
    (folder / "c-folder").mkdir()
    os.mkfifo(folder / "d-pipe")
    (folder / "e-self").symlink_to(folder)
    (folder / "z-link").symlink_to(folder / "y")
    (folder / "y").write_bytes(SOURCE)
    assert ModelStore(home, [folder], catalog=[known()]).find("face") == folder / "y"


def test_a_missing_folder_is_a_warning(home: Path, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "face.h5").write_bytes(SOURCE)
    store = ModelStore(home, [folder / "none", folder], catalog=[known()])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(folder / "none") in caplog.text
    assert store.find("face") == folder / "face.h5"


def test_an_unreadable_file_is_passed_over(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a").write_bytes(SOURCE)
    (folder / "b").write_bytes(SOURCE)
    (folder / "a").chmod(0)
    if os.access(folder / "a", os.R_OK):  # root reads everything, so the refusal is made here
        opened = Path.open

        def refuse(self: Path, *args: object, **values: object) -> object:
            if self == folder / "a":
                raise PermissionError(13, "Permission denied")
            return opened(self, *args, **values)  # type: ignore[call-overload]

        monkeypatch.setattr(Path, "open", refuse)
    assert ModelStore(home, [folder], catalog=[known()]).find("face") == folder / "b"


def test_a_file_that_changes_is_hashed_again(home: Path, folder: Path) -> None:
    store = ModelStore(home, [folder], catalog=[known()])
    (folder / "face.h5").write_bytes(OTHER)
    assert store.find("face") is None
    (folder / "new").write_bytes(SOURCE)
    os.replace(folder / "new", folder / "face.h5")
    assert store.find("face") == folder / "face.h5"


def test_an_unknown_name_lists_the_known_ones(home: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"'arcface'.*yunet, ghostfacenet-w0\.5-s2"):
        ModelStore(home).find("arcface")


@pytest.mark.parametrize("name", ["../../etc", "", "a/b", "\0"])
def test_a_name_is_never_a_path(home: Path, name: str) -> None:
    with pytest.raises(UnknownModelError):
        ModelStore(home).find(name)


# ----------------------------------------------------------------------------------------------------------------
# Downloading


def test_pull_stores_the_verified_file_and_nothing_else(
    home: Path, site: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = ModelStore(home, [], catalog=[known(site.url)])
    path = store.pull("face")
    assert path.read_bytes() == SOURCE
    assert files(home) == ["models/face/face.h5"]
    assert store.find("face") == path
    assert f"licence of face: {MIT}" in caplog.text
    assert path.stat().st_mode & 0o044 == 0o044 & ~umask(), "others may read a store that root filled"


def umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def test_pull_uses_what_is_there(home: Path, folder: Path, site: SimpleNamespace) -> None:
    (folder / "x").write_bytes(SOURCE)
    assert ModelStore(home, [folder], catalog=[known(site.url)]).pull("face") == folder / "x"
    store = ModelStore(home, [], catalog=[known(site.url)])
    assert store.pull("face") == store.pull("face")
    assert len(site.seen) == 1


def test_other_bytes_than_the_published_ones_are_refused_whatever_is_allowed(home: Path, site: SimpleNamespace) -> None:
    (site.root / "face.h5").write_bytes(OTHER)
    store = ModelStore(home, [], catalog=[known(site.url)])
    for allowed in (False, True):
        with pytest.raises(ChecksumError, match=f"{sha256(OTHER)}.*{sha256(SOURCE)}") as caught:
            store.pull("face", allow_unverified=allowed)
        assert "--allow-unverified" not in str(caught.value), "that would not help"
    assert files(home) == []


def test_a_longer_file_than_the_published_one_is_not_downloaded(home: Path, site: SimpleNamespace) -> None:
    (site.root / "face.h5").write_bytes(SOURCE + b"x")
    with pytest.raises(DownloadError, match="50009 bytes where at most 50008"):
        ModelStore(home, [], catalog=[known(site.url)]).pull("face")
    assert files(home) == []


def test_a_failed_download_leaves_the_old_file_alone(home: Path, site: SimpleNamespace) -> None:
    store = ModelStore(home, [], catalog=[known(site.url)])
    path = store.pull("face")
    path.write_bytes(OTHER)  # damaged
    (site.root / "face.h5").unlink()
    with pytest.raises(DownloadError, match=r"404.*put face.h5 into a folder named in GHOSTFACE_EDGE_MODELS"):
        store.pull("face")
    assert path.read_bytes() == OTHER
    assert files(home) == ["models/face/face.h5"]


def test_a_damaged_file_in_the_store_is_downloaded_again(
    home: Path, site: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    store = ModelStore(home, [], catalog=[known(site.url)])
    path = store.pull("face")
    path.write_bytes(OTHER)
    assert store.find("face") is None
    assert f"{path} is damaged" in caplog.text
    assert store.pull("face").read_bytes() == SOURCE


def test_an_interrupted_download_leaves_nothing(
    home: Path, site: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(url: str, target: Path, **values: object) -> None:
        target.write_bytes(SOURCE[:1000])
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "download", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ModelStore(home, [], catalog=[known(site.url)]).pull("face")
    assert files(home) == []


def test_what_a_killed_process_left_is_swept_after_a_day(home: Path, site: SimpleNamespace) -> None:
    place = home / "models" / "face"
    (place / ".folder.tmp").mkdir(parents=True)
    for name in (".old.tmp", ".new.tmp", ".folder.tmp/x"):
        (place / name).write_bytes(b"x")
    for name in (".old.tmp", ".folder.tmp"):
        os.utime(place / name, (time.time() - 90_000,) * 2)
    ModelStore(home, [], catalog=[known(site.url)]).pull("face")
    assert sorted(os.listdir(place)) == [".new.tmp", "face.h5"], "the new one may be another process's"


def test_a_web_page_in_place_of_the_file(home: Path, site: SimpleNamespace) -> None:
    (site.root / "face.h5").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DownloadError, match="web page"):
        ModelStore(home, [], catalog=[known(site.url)]).pull("face")
    assert files(home) == []


def test_plain_http_is_refused_outside_the_tests(home: Path) -> None:
    with pytest.raises(DownloadError, match="only https"):
        ModelStore(home, [], catalog=[known("http://127.0.0.1:9/face.h5")]).pull("face")
    assert files(home) == []


# A hash of a copy that we tested, not confirmed against the release


def test_the_copy_that_we_tested_needs_no_permission(home: Path, site: SimpleNamespace) -> None:
    store = ModelStore(home, [], catalog=[known(site.url, confirmed=False)])
    assert store.pull("face").read_bytes() == SOURCE
    assert files(home) == ["models/face/face.h5"], "no pin: the sha256 is in the catalogue"


def test_another_copy_is_shown_and_needs_permission(home: Path, site: SimpleNamespace) -> None:
    (site.root / "face.h5").write_bytes(OTHER + b"longer")
    store = ModelStore(home, [], catalog=[known(site.url, confirmed=False)])
    with pytest.raises(ChecksumError) as caught:
        store.pull("face")
    text = str(caught.value)
    assert sha256(OTHER + b"longer") in text
    assert sha256(SOURCE) in text
    assert "not the copy we tested" in text
    assert "ghostface-edge models pull face --allow-unverified" in text
    assert files(home) == []

    path = store.pull("face", allow_unverified=True)
    assert path.read_bytes() == OTHER + b"longer"
    assert store.find("face") == path
    assert store.known()[0].sha256 == sha256(OTHER + b"longer")


# No hash at all


def test_without_a_hash_permission_is_needed_and_what_came_is_pinned(
    home: Path, site: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    store = ModelStore(home, [], catalog=[known(site.url, data=None)])
    with pytest.raises(ChecksumError, match=r"no sha256 is known.*pull face --allow-unverified"):
        store.pull("face")
    assert site.seen == [], "nothing was asked of the server"

    path = store.pull("face", allow_unverified=True)
    assert path.read_bytes() == SOURCE
    pin = json.loads((home / "models/face/pin.json").read_text())
    assert (pin["sha256"], pin["size"]) == (sha256(SOURCE), len(SOURCE))
    assert sha256(SOURCE) in caplog.text
    again = ModelStore(home, [], catalog=[known(site.url, data=None)])
    assert again.find("face") == path
    assert again.pull("face") == path, "needs no permission any more"


def test_a_later_download_must_equal_the_pin(home: Path, site: SimpleNamespace) -> None:
    store = ModelStore(home, [], catalog=[known(site.url, data=None)])
    store.pull("face", allow_unverified=True).unlink()
    (site.root / "face.h5").write_bytes(OTHER)
    for allowed in (False, True):
        with pytest.raises(ChecksumError, match=f"{sha256(OTHER)}.*not the one published or pinned, {sha256(SOURCE)}"):
            store.pull("face", allow_unverified=allowed)
    (site.root / "face.h5").write_bytes(SOURCE)
    assert store.pull("face").read_bytes() == SOURCE


def test_a_later_use_must_equal_the_pin(home: Path, site: SimpleNamespace) -> None:
    store = ModelStore(home, [], catalog=[known(site.url, data=None)])
    store.pull("face", allow_unverified=True).write_bytes(OTHER)
    assert store.find("face") is None
    with pytest.raises(ChecksumError, match=r"Pull it again"):
        store.verify("face")


def test_the_permission_does_not_extend_to_things_that_are_no_checkpoint(home: Path, site: SimpleNamespace) -> None:
    (site.root / "face.h5").write_bytes(b"PK\x03\x04 a zip")
    with pytest.raises(ModelFileError, match=r"127\.0\.0\.1.*no HDF5 signature"):
        ModelStore(home, [], catalog=[known(site.url, data=None)]).pull("face", allow_unverified=True)
    assert files(home) == []


def test_a_git_object_id_must_be_equal_where_it_is_known(home: Path, site: SimpleNamespace) -> None:
    # by hand: sha1 of the header that git puts before a blob, and the content
    blob = hashlib.sha1(b"blob " + str(len(SOURCE)).encode() + b"\0" + SOURCE).hexdigest()  # noqa: S324
    entry = known(site.url, data=None, git_blob=blob)
    assert ModelStore(home, [], catalog=[entry]).pull("face", allow_unverified=True).read_bytes() == SOURCE
    (site.root / "face.h5").write_bytes(OTHER)
    with pytest.raises(ChecksumError, match=f"git object id .*{blob}.*models add"):
        ModelStore(home / "2", [], catalog=[entry]).pull("face", allow_unverified=True)
    assert files(home / "2") == []


def test_git_names_a_file_the_same() -> None:
    # printf 'hello\n' | git hash-object --stdin
    path = Path(os.environ["GHOSTFACE_EDGE_HOME"]).with_name("hello")
    path.write_bytes(b"hello\n")
    assert models._git_blob(path) == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_without_a_hash_a_folder_serves_by_name_and_is_pinned(home: Path, folder: Path, site: SimpleNamespace) -> None:
    (folder / "face.h5").write_bytes(OTHER)
    store = ModelStore(home, [site.root.parent, folder], catalog=[known(site.url, data=None)])
    assert store.find("face") is None, "not before permission was given"
    assert store.pull("face", allow_unverified=True) == folder / "face.h5"
    assert site.seen == []
    assert store.find("face") == folder / "face.h5"
    (folder / "face.h5").write_bytes(SOURCE)
    assert store.find("face") is None


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"name": 3}', "[" * 100_000, '{"name": "other"}', "\udcff"], ids=range(7)
)
def test_a_damaged_pin_is_named(home: Path, text: str) -> None:
    pin = home / "models/face/pin.json"
    pin.parent.mkdir(parents=True)
    if text == '{"name": "other"}':
        text = json.dumps({**known().to_dict(), "name": "other"})
    pin.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match=r"pin\.json cannot be used"):
        ModelStore(home, [], catalog=[known()]).find("face")


# ----------------------------------------------------------------------------------------------------------------
# Disks


def test_a_home_that_cannot_be_made(tmp_path: Path, site: SimpleNamespace) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot write .*GHOSTFACE_EDGE_HOME"):
        ModelStore(tmp_path / "file" / "home", [], catalog=[known(site.url)]).pull("face")


@contextmanager
def closed(home: Path) -> Iterator[None]:
    """Within this block the process may not look into the folder, not even where the tests are run by root."""
    home.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # nobody
    try:
        yield
    finally:
        os.seteuid(user)
        home.chmod(0o700)


@pytest.fixture
def locked(home: Path) -> Iterator[Path]:
    (home / "models" / "face").mkdir(parents=True)
    with closed(home):
        yield home


@pytest.mark.parametrize("verb", ["known", "list", "find", "source", "verify", "resolve", "pull", "add", "remove"])
def test_a_home_into_which_nobody_may_look(locked: Path, verb: str) -> None:
    arguments = {"known": (), "list": (), "add": ("x.h5", "mine")}.get(verb, ("face",))
    with pytest.raises(StoreError) as caught:
        getattr(ModelStore(locked, [], catalog=[known()]), verb)(*arguments)
    advice = r"Permission denied\. GHOSTFACE_EDGE_HOME moves the store to another folder"
    assert re.fullmatch(rf"cannot look into {locked}/models\S*: {advice}", str(caught.value))


def test_an_engine_of_a_home_into_which_nobody_may_look(locked: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot look into .*Permission denied.*GHOSTFACE_EDGE_HOME"):
        FaceEngine(store=ModelStore(locked, []))


def test_a_home_that_is_closed_during_a_download(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:

        def close(url: str, target: Path, **values: object) -> None:
            stack.enter_context(closed(home))
            target.write_bytes(SOURCE)

        monkeypatch.setattr(models, "download", close)
        with pytest.raises(StoreError, match=r"cannot write .*Permission denied.*GHOSTFACE_EDGE_HOME"):
            ModelStore(home, [], catalog=[known()]).pull("face")


def test_a_read_only_home(home: Path, site: SimpleNamespace) -> None:
    # a folder of /proc refuses new files even to root
    with pytest.raises(StoreError, match=r"cannot write .*GHOSTFACE_EDGE_HOME"):
        ModelStore("/proc/self", [], catalog=[known(site.url)]).pull("face")


def test_a_full_disk_leaves_nothing(home: Path, site: SimpleNamespace) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot write .*face"):
            ModelStore(home, [], catalog=[known(site.url)]).pull("face")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(home) == []


# ----------------------------------------------------------------------------------------------------------------
# From a name to a model


def test_a_missing_model_is_one_line_with_two_ways(home: Path) -> None:
    with pytest.raises(MissingModelError) as caught:
        ModelStore(home, []).resolve("ghostfacenet-w1.3-s1")
    text = str(caught.value)
    assert "\n" not in text
    assert "Run: ghostface-edge models pull ghostfacenet-w1.3-s1;" in text
    assert "put GhostFaceNet_W1.3_S1_ArcFace.h5 into a folder named in GHOSTFACE_EDGE_MODELS" in text
    with pytest.raises(
        MissingModelError, match=r"models pull ghostfacenet-w1-s2 --allow-unverified; or .* run the same"
    ):
        ModelStore(home, []).resolve("ghostfacenet-w1-s2")


@pytest.mark.parametrize("name", ["ghostfacenet-w0.5-s2", "yunet"])
def test_both_default_models_are_told_of_at_once(home: Path, name: str) -> None:
    with pytest.raises(MissingModelError) as caught:
        ModelStore(home, []).resolve(name)
    assert str(caught.value) == (
        "models 'yunet' and 'ghostfacenet-w0.5-s2' are not on this machine. Run: ghostface-edge models pull; or put "
        "face_detection_yunet_2023mar.onnx and GN_W0.5_S2_ArcFace_epoch16.h5 into a folder named in "
        "GHOSTFACE_EDGE_MODELS"
    )


@pytest.mark.parametrize(("name", "there"), [("ghostfacenet-w0.5-s2", "detectors"), ("yunet", "models")])
def test_a_default_model_that_is_there_is_not_told_of(home: Path, shared: Path, name: str, there: str) -> None:
    with pytest.raises(MissingModelError) as caught:
        ModelStore(home, [shared / there]).resolve(name)
    assert str(caught.value).startswith(
        f"model '{name}' is not on this machine. Run: ghostface-edge models pull {name}; or put "
    )
    assert " and " not in str(caught.value)


def test_a_rejected_file_is_named_with_what_was_expected(home: Path, folder: Path) -> None:
    (folder / "face.h5").write_bytes(OTHER + b"longer")
    with pytest.raises(MissingModelError) as caught:
        ModelStore(home, [folder], catalog=[known()]).resolve("face")
    assert str(caught.value) == (
        f"model 'face' is not on this machine. {folder / 'face.h5'}: sha256 {sha256(OTHER + b'longer')} (50014 bytes) "
        f"is not the one published or pinned, {sha256(SOURCE)} (50008 bytes). Run: ghostface-edge models pull face; or "
        "put face.h5 into a folder named in GHOSTFACE_EDGE_MODELS"
    )


def test_a_rejected_file_may_be_allowed_where_the_hash_is_not_confirmed(
    home: Path, folder: Path, site: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "face.h5").write_bytes(OTHER)
    store = ModelStore(home, [folder], catalog=[known(site.url, confirmed=False)])
    with pytest.raises(MissingModelError) as caught:
        store.source("face")
    assert f"{folder / 'face.h5'}: sha256 {sha256(OTHER)} (50008 bytes) is not the copy we tested" in str(caught.value)
    assert "ghostface-edge models pull face --allow-unverified" in str(caught.value)

    assert store.pull("face", allow_unverified=True) == folder / "face.h5"
    assert site.seen == [], "nothing was downloaded"
    assert f"pinned: sha256 {sha256(OTHER)}" in caplog.text
    assert files(home) == ["models/face/pin.json"]
    assert ModelStore(home, [folder], catalog=[known(site.url, confirmed=False)]).source("face") == folder / "face.h5"


def test_permission_does_not_take_a_file_in_place_of_a_confirmed_one(
    home: Path, folder: Path, site: SimpleNamespace
) -> None:
    (folder / "face.h5").write_bytes(OTHER)
    path = ModelStore(home, [folder], catalog=[known(site.url)]).pull("face", allow_unverified=True)
    assert path.read_bytes() == SOURCE


def test_a_download_that_fails_names_the_rejected_file(home: Path, folder: Path, site: SimpleNamespace) -> None:
    (folder / "face.h5").write_bytes(OTHER)
    (site.root / "face.h5").unlink()
    with pytest.raises(DownloadError, match=rf"404.*{folder / 'face.h5'}: sha256 {sha256(OTHER)}.*--allow-unverified"):
        ModelStore(home, [folder], catalog=[known(site.url, confirmed=False)]).pull("face")


def test_resolve_never_uses_the_network(home: Path, site: SimpleNamespace) -> None:
    with pytest.raises(MissingModelError):
        ModelStore(home, [], catalog=[known(site.url)]).resolve("face")
    assert site.seen == []


def test_a_source_is_converted_once(home: Path, folder: Path, converter: SimpleNamespace) -> None:
    (folder / "x").write_bytes(SOURCE)
    store = ModelStore(home, [folder], catalog=[known()])
    path = store.resolve("face")
    assert read_card(path.read_bytes()).source.sha256 == sha256(SOURCE)
    assert converter.calls == [(folder / "x", file_format(None), "float32", MIT, "face")]
    assert store.resolve("face") == path
    assert len(converter.calls) == 1
    assert len(files(home)) == 1, "no temporary folder is left"


def test_a_converted_model_outlives_its_source(home: Path, folder: Path, converter: SimpleNamespace) -> None:
    (folder / "x").write_bytes(SOURCE)
    store = ModelStore(home, [folder], catalog=[known()])
    path = store.resolve("face")
    (folder / "x").unlink()
    assert store.resolve("face") == path
    assert store.list()[0].state == "ready"
    assert store.verify("face").path == path


@pytest.mark.parametrize("what", ["version", "precision", "format", "licence", "thresholds"])
def test_everything_that_decides_the_file_is_in_its_key(
    home: Path, folder: Path, converter: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (folder / "x").write_bytes(SOURCE)
    first = ModelStore(home, [folder], catalog=[known()]).resolve("face")
    entry, options = known(), {}
    if what == "version":
        monkeypatch.setattr(models, "CONVERTER_VERSION", "another")
    elif what == "licence":
        entry = KnownModel(**{**entry.to_dict(), "licence": "another"})
    elif what == "thresholds":
        measured = (Threshold(1e-3, 0.3, "yunet", 0.1, 1000, 1000, "a test"),)
        monkeypatch.setattr(
            models, "measured_thresholds", lambda digest, precision: measured if digest == sha256(SOURCE) else ()
        )
    else:
        other = {"onnx": "tflite", "tflite": "onnx"}[file_format(None)]
        options = {what: "float16" if what == "precision" else other}
    second = ModelStore(home, [folder], catalog=[entry]).resolve("face", **options)  # type: ignore[arg-type]
    assert second != first
    assert len(converter.calls) == 2
    assert first.exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other source", "no card"])
def test_a_damaged_converted_model_is_made_again(
    home: Path, folder: Path, converter: SimpleNamespace, damage: str
) -> None:
    (folder / "x").write_bytes(SOURCE)
    store = ModelStore(home, [folder], catalog=[known()])
    path = store.resolve("face")
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    path.write_bytes(
        {
            "cut": good[:-7],
            "flip": bytes(flipped),
            "empty": b"",
            "other source": write_card(b"", card_of(OTHER)),
            "no card": b"\x08\x07",
        }[damage]
    )
    if damage in ("cut", "flip"):
        with pytest.raises(ModelFileError, match=str(path)):
            store.verify("face")
    assert store.resolve("face") == path
    assert path.read_bytes() == good


def test_a_conversion_that_fails_leaves_nothing(home: Path, folder: Path, converter: SimpleNamespace) -> None:
    def fail(source: Path, folder: Path, **values: object) -> None:
        (folder / "half").write_bytes(b"half")
        raise ModelFileError("no")

    converter.convert = fail
    (folder / "x").write_bytes(SOURCE)
    with pytest.raises(ModelFileError, match=r"^no$"):
        ModelStore(home, [folder], catalog=[known()]).resolve("face")
    assert files(home) == []
    assert os.listdir(home / "converted") == []


def test_a_conversion_without_room_leaves_nothing(home: Path, folder: Path, converter: SimpleNamespace) -> None:
    def fail(source: Path, folder: Path, **values: object) -> None:
        raise OSError(28, "No space left on device")

    converter.convert = fail
    (folder / "x").write_bytes(SOURCE)
    with pytest.raises(StoreError, match=r"No space left on device.*GHOSTFACE_EDGE_HOME"):
        ModelStore(home, [folder], catalog=[known()]).resolve("face")
    assert os.listdir(home / "converted") == []


def test_a_source_that_changes_under_the_conversion_is_not_kept(
    home: Path, folder: Path, converter: SimpleNamespace
) -> None:
    convert = converter.convert

    def swap(source: Path, folder: Path, **values: object) -> object:
        source.write_bytes(OTHER)
        return convert(source, folder, **values)

    converter.convert = swap
    (folder / "x").write_bytes(SOURCE)
    with pytest.raises(ModelFileError, match="changed while it was converted"):
        ModelStore(home, [folder], catalog=[known()]).resolve("face")
    assert files(home) == []


@pytest.mark.parametrize("value", ["../x", "", "a/b"])
def test_a_format_or_precision_is_never_a_path(home: Path, value: str) -> None:
    with pytest.raises(OptionError):
        ModelStore(home).resolve("yunet", format=value)
    with pytest.raises(OptionError):
        ModelStore(home).resolve("yunet", precision=value)


# Paths


@pytest.mark.parametrize("name", ["m.onnx", "m.ONNX", "m.tflite", "m"])
def test_a_path_to_a_model_is_itself(home: Path, folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"the session will look at it")
    assert ModelStore(home, []).resolve(folder / name) == folder / name
    assert ModelStore(home, []).resolve(str(folder / name)) == folder / name


def test_a_checkpoint_given_by_path_is_converted(home: Path, folder: Path, converter: SimpleNamespace) -> None:
    source = folder / "my best model (2).H5"
    source.write_bytes(OTHER)
    store = ModelStore(home, [], catalog=[known()])
    path = store.resolve(source)
    assert read_card(path.read_bytes()).source.sha256 == sha256(OTHER)
    assert path.parent == home / "converted"
    assert store.resolve(str(source)) == path
    [(_, _, _, licence, name)] = converter.calls
    assert name == "my-best-model-2"
    assert licence.startswith("not stated")


def test_a_known_checkpoint_given_by_path_is_the_known_model(
    home: Path, folder: Path, converter: SimpleNamespace
) -> None:
    (folder / "x.h5").write_bytes(SOURCE)
    store = ModelStore(home, [folder], catalog=[known()])
    assert store.resolve(folder / "x.h5") == store.resolve("face")
    assert converter.calls == [(folder / "x.h5", file_format(None), "float32", MIT, "face")]


def test_a_known_source_without_a_card_given_by_path_is_converted(
    home: Path, folder: Path, converter: SimpleNamespace
) -> None:
    (folder / "detector.onnx").write_bytes(OTHER)
    entry = KnownModel("det", "detector", "d.onnx", "https://x/d", MIT, sha256(OTHER), len(OTHER), confirmed=True)
    path = ModelStore(home, [], catalog=[entry]).resolve(folder / "detector.onnx")
    assert path.parent == home / "converted"
    assert read_card(path.read_bytes()).source.sha256 == sha256(OTHER)


def test_a_name_goes_before_a_file_of_the_same_name(
    home: Path, folder: Path, converter: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "face").write_bytes(b"a file that happens to lie here")
    (folder / "x").write_bytes(SOURCE)
    monkeypatch.chdir(folder)
    store = ModelStore(home, [folder], catalog=[known()])
    assert store.resolve("face").parent == home / "converted"
    assert store.resolve(Path("face")) == Path("face")


@pytest.mark.parametrize("path", ["none.onnx", "none.h5", "./none", "no/ne", Path("none"), "x" * 300 + ".h5"])
def test_a_path_to_nothing(home: Path, path: str | Path) -> None:
    with pytest.raises(MissingModelError, match="there is no model file"):
        ModelStore(home, []).resolve(path)


@pytest.mark.parametrize("model", [5, None, b"x", "a\0.h5"])
def test_what_can_be_neither_name_nor_path(home: Path, model: object) -> None:
    with pytest.raises(OptionError, match="is not a path"):
        ModelStore(home, []).resolve(model)  # type: ignore[arg-type]
    with pytest.raises(OptionError):
        FaceEngine(model, store=ModelStore(home, []))  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [5, b"x", "a\0b"])
def test_a_home_that_is_no_path(place: object) -> None:
    with pytest.raises(OptionError, match=r"home .* is not a path"):
        ModelStore(place)  # type: ignore[arg-type]


@pytest.mark.parametrize("folders", [Path("/tmp"), "/tmp", "a\0b", b"x", 5, ["a\0b"], [5]])  # noqa: S108
def test_folders_that_are_no_list_of_paths(folders: object) -> None:
    with pytest.raises(OptionError, match=r"is not a (list of folders|path)"):
        ModelStore(folders=folders)  # type: ignore[arg-type]


def test_a_text_that_is_neither_name_nor_path(home: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"'ghostfacenet-w9-s9'.*yunet"):
        ModelStore(home, []).resolve("ghostfacenet-w9-s9")


# ----------------------------------------------------------------------------------------------------------------
# Models of the user's own


def test_a_model_with_a_card_is_added(home: Path, folder: Path, converter: SimpleNamespace) -> None:
    data = write_card(b"", card_of(SOURCE, kind="detector"))
    (folder / "mine.onnx").write_bytes(data)
    store = ModelStore(home, [], catalog=[known()])
    added = store.add(folder / "mine.onnx", "mine-1.0")
    (folder / "mine.onnx").unlink()
    assert added.path is not None
    assert added.path.read_bytes() == data
    assert (added.state, added.kind, added.licence, added.sha256) == ("ready", "detector", MIT, sha256(data))
    again = ModelStore(home, [], catalog=[known()])
    assert again.resolve("mine-1.0") == added.path
    assert [model.name for model in again.list()] == ["face", "mine-1.0"]
    assert again.verify("mine-1.0") == added
    assert again.pull("mine-1.0") == added.path
    assert converter.calls == []


def test_a_checkpoint_is_added_and_converted_at_first_use(home: Path, folder: Path, converter: SimpleNamespace) -> None:
    (folder / "c.h5").write_bytes(OTHER)
    store = ModelStore(home, [], catalog=[known()])
    assert store.add(folder / "c.h5", "mine").state == "source"
    path = store.resolve("mine")
    assert read_card(path.read_bytes()).source.sha256 == sha256(OTHER)
    assert store.list()[1].to_dict() == {
        "name": "mine",
        "kind": "embedder",
        "state": "ready",
        "path": str(path),
        "sha256": sha256(OTHER),
        "size": len(OTHER),
        "licence": "not stated: added by the user of this machine",
        "note": "added from c.h5",
    }


@pytest.mark.parametrize("name", ["face", "FACE", "yunet"])
def test_a_known_name_is_not_shadowed(home: Path, folder: Path, name: str) -> None:
    (folder / "c.h5").write_bytes(OTHER)
    store = ModelStore(home, [], catalog=[known(), *KNOWN_MODELS])
    with pytest.raises(OptionError, match="is taken"):
        store.add(folder / "c.h5", name)
    store.add(folder / "c.h5", "mine")
    with pytest.raises(OptionError, match="is taken"):
        store.add(folder / "c.h5", "Mine")


@pytest.mark.parametrize("name", ["../up", "", ".x", "a b"])
def test_an_unsafe_name_is_refused(home: Path, folder: Path, name: str) -> None:
    (folder / "c.h5").write_bytes(OTHER)
    with pytest.raises(OptionError, match="not usable"):
        ModelStore(home).add(folder / "c.h5", name)
    assert files(home) == []


def test_what_is_no_model_is_not_added(home: Path, folder: Path) -> None:
    store = ModelStore(home, [])
    for name, data in (("a.onnx", b"\x08\x07"), ("b.onnx", b"junk"), ("c.h5", b"junk"), ("d.txt", SOURCE)):
        (folder / name).write_bytes(data)
    with pytest.raises(ModelCardError, match=r"a\.onnx: the model has no model card"):
        store.add(folder / "a.onnx", "x")
    with pytest.raises(ModelFileError, match=r"b\.onnx"):
        store.add(folder / "b.onnx", "x")
    with pytest.raises(ModelFileError, match=r"c\.h5.*HDF5"):
        store.add(folder / "c.h5", "x")
    with pytest.raises(ModelFileError, match=r"d\.txt is none of"):
        store.add(folder / "d.txt", "x")
    for path in ("none.h5", "yunet"):
        with pytest.raises(MissingModelError):
            store.add(path, "x")
    assert files(home) == []


def test_a_tflite_model_is_added_like_any_other(home: Path, folder: Path, shared: Path) -> None:
    for module in ("onnx", "ai_edge_litert"):
        pytest.importorskip(module)
    made = ModelStore(folder, [shared / "detectors"]).resolve("yunet", format="tflite")
    store = ModelStore(home, [])
    added = store.add(made, "mine")
    assert (added.kind, added.state) == ("detector", "ready")
    assert added.path is not None
    assert added.path.read_bytes() == made.read_bytes()
    for format in ("tflite", "onnx"):  # it is what it is: which runtime cannot run it, the session says
        assert store.resolve("mine", format=format) == added.path
    assert store.verify("mine") == added
    added.path.write_bytes(made.read_bytes()[:-1])
    with pytest.raises(ChecksumError, match="Remove it and add it again"):
        store.verify("mine")
    (folder / "bare.tflite").write_bytes(b"\0\0\0\0TFL3")
    with pytest.raises(ModelError, match=r"bare\.tflite"):
        store.add(folder / "bare.tflite", "bare")


def test_an_added_model_that_was_damaged_or_lost(home: Path, folder: Path) -> None:
    (folder / "c.h5").write_bytes(OTHER)
    store = ModelStore(home, [])
    path = store.add(folder / "c.h5", "mine").path
    assert path is not None
    path.write_bytes(SOURCE)
    with pytest.raises(ChecksumError, match="Remove it and add it again"):
        store.verify("mine")
    path.unlink()
    for use in (store.resolve, store.pull, store.verify):
        with pytest.raises(MissingModelError, match="is gone or damaged"):
            use("mine")


def test_remove_forgets_a_model_and_a_pin(home: Path, folder: Path, site: SimpleNamespace) -> None:
    (folder / "c.h5").write_bytes(OTHER)
    store = ModelStore(home, [], catalog=[known(site.url, data=None)])
    store.add(folder / "c.h5", "mine")
    assert store.remove("mine")
    with pytest.raises(UnknownModelError):
        store.remove("mine")
    store.pull("face", allow_unverified=True)
    assert store.remove("face")
    assert not store.remove("face"), "there is nothing any more"
    assert store.find("face") is None
    with pytest.raises(ChecksumError, match="no sha256 is known"):
        store.pull("face")


def test_remove_takes_what_a_model_was_converted_to(home: Path, folder: Path, converter: SimpleNamespace) -> None:
    (folder / "x").write_bytes(SOURCE)
    (folder / "y.h5").write_bytes(OTHER)
    store = ModelStore(home, [folder], catalog=[known()])
    store.add(folder / "y.h5", "face-b")
    converted = [store.resolve("face"), store.resolve("face", precision="float16")]
    other = store.resolve("face-b")
    (home / "converted" / "face-notes.txt").write_bytes(b"not ours")
    assert all(path.exists() for path in converted)
    assert store.remove("face"), "the source lies in a folder, but the converted files are the store's"
    assert sorted(os.listdir(home / "converted")) == sorted([other.name, "face-notes.txt"])
    assert store.find("face") == folder / "x"
    assert store.remove("face-b")
    assert files(home) == ["converted/face-notes.txt"]


def test_verify_of_a_missing_model(home: Path) -> None:
    for name in ("yunet", "ghostfacenet-w1-s2"):
        with pytest.raises(MissingModelError, match=f"'{name}'.* not on this machine.*models pull"):
            ModelStore(home, []).verify(name)


def test_verify_reads_the_bytes_again(home: Path, site: SimpleNamespace) -> None:
    store = ModelStore(home, [], catalog=[known(site.url)])
    path = store.pull("face")
    assert store.verify("face").state == "source"
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.find("face") == path, "same size, time and inode: the hash is remembered"
    with pytest.raises(ChecksumError, match=sha256(SOURCE)):
        store.verify("face")


# ----------------------------------------------------------------------------------------------------------------
# Two processes at once

PULL = """
import sys
from pathlib import Path
from ghostface_edge import download
from ghostface_edge.catalog import KnownModel
from ghostface_edge.models import ModelStore

home, url, digest, size = sys.argv[1:]
download.PLAIN_HTTP_HOSTS = frozenset({"127.0.0.1"})
entry = KnownModel("face", "embedder", "face.h5", url, "MIT", digest, int(size), confirmed=True)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(20):
    path = ModelStore(Path(home, str(turn)), [], catalog=[entry]).pull("face")
    assert len(path.read_bytes()) == int(size)
"""

RESOLVE = """
import sys
from pathlib import Path
from types import SimpleNamespace
from ghostface_edge import models

home, source, card = sys.argv[1:]

def convert(source, folder, **values):
    (folder / "out.onnx").write_bytes(Path(card).read_bytes())
    return SimpleNamespace(path=folder / "out.onnx")

models._converter = lambda: SimpleNamespace(convert=convert)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(20):
    path = models.ModelStore(Path(home, str(turn)), []).resolve(source)
    assert path.read_bytes() == Path(card).read_bytes()
"""


def run_two(code: str, *arguments: object) -> None:
    """Two processes that start their work at the same moment; both must end well."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    pair = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    for process in pair:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in pair:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in pair:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


def test_two_processes_pull_at_once(home: Path, site: SimpleNamespace) -> None:
    run_two(PULL, home, site.url, sha256(SOURCE), len(SOURCE))
    assert files(home) == sorted(f"{turn}/models/face/face.h5" for turn in range(20))
    assert 20 <= len(site.seen) <= 40


def test_two_processes_convert_at_once(home: Path, folder: Path) -> None:
    (folder / "x.h5").write_bytes(SOURCE)
    (folder / "card").write_bytes(write_card(b"", card_of(SOURCE)))
    run_two(RESOLVE, home, folder / "x.h5", folder / "card")
    assert len(files(home)) == 20, "one model for each turn, and no temporary file"


# ----------------------------------------------------------------------------------------------------------------
# The real models


@pytest.mark.parametrize("name", ["ghostfacenet-w0.5-s2", "yunet"])
def test_the_real_models_resolve_offline(home: Path, shared: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("h5py", "onnx"):
        pytest.importorskip(module, reason="converting needs the [convert] extra")
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(home))
    monkeypatch.setenv("GHOSTFACE_EDGE_MODELS", os.pathsep.join([str(shared / "models"), str(shared / "detectors")]))
    entry = {known.name: known for known in KNOWN_MODELS}[name]
    store = ModelStore()
    source = store.find(name)
    assert source is not None
    assert store.pull(name) == source
    assert store.verify(name).state == "source"

    path = store.choose(name).path
    assert path.suffix in MODEL_ENDINGS
    card = read_model_card(path.read_bytes(), name)
    assert (card.source.sha256, card.kind) == (entry.sha256, entry.kind)
    assert card.licence == entry.licence
    assert store.resolve(name, format=path.suffix[1:], precision=card.precision) == path
    assert store.verify(name).state == "ready"
    assert len(files(home)) == 1

    made = path.read_bytes()
    path.write_bytes(made[:-100])
    assert store.choose(name).path.read_bytes() == made, "converting again gives the same bytes"


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_real_model_resolves_to_tflite(home: Path, shared: Path, precision: str) -> None:
    for module in ("h5py", "ai_edge_litert"):
        pytest.importorskip(module)
    store = ModelStore(home, [shared / "models"])
    path = store.resolve("ghostfacenet-w0.5-s2", format="tflite", precision=precision)
    made = path.read_bytes()
    card = read_tflite_card(made)
    assert (path.suffix, card.precision, card.name) == (".tflite", precision, "ghostfacenet-w0.5-s2")
    changed = path.stat().st_mtime_ns
    assert store.resolve("ghostfacenet-w0.5-s2", format="tflite", precision=precision) == path
    assert path.stat().st_mtime_ns == changed, "what is there serves"
    path.write_bytes(made[:-100] + bytes(100))
    assert store.resolve("ghostfacenet-w0.5-s2", format="tflite", precision=precision).read_bytes() == made


def test_verify_reads_every_conversion(home: Path, folder: Path, converter: SimpleNamespace) -> None:
    (folder / "x").write_bytes(SOURCE)
    store = ModelStore(home, [folder], catalog=[known()])
    store.resolve("face")
    other = store.resolve("face", format="tflite", precision="float16")
    assert store.verify("face").state == "ready"
    other.write_bytes(other.read_bytes()[:-9])
    with pytest.raises(ModelError, match=re.escape(str(other))):
        store.verify("face")

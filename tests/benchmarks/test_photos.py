"""A folder of photos gives its own files, and nothing else of the machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ghostface_edge.benchmarks.photos import Photo, PhotoFolder, check_path
from ghostface_edge.errors import EvaluationError


@pytest.fixture
def folder(tmp_path: Path) -> PhotoFolder:
    root = tmp_path / "people"
    (root / "Ann Ré").mkdir(parents=True)
    (root / "Ann Ré" / "1 日本.jpg").write_bytes(b"one")
    (root / "empty.jpg").touch()
    (tmp_path / "people2").mkdir()
    (tmp_path / "people2" / "secret.jpg").write_bytes(b"secret")
    return PhotoFolder(root)


def test_bytes_come_as_they_are(folder: PhotoFolder) -> None:
    assert folder.name == "people"
    assert not folder.aligned
    assert folder.read(Photo("Ann Ré", "Ann Ré/1 日本.jpg")) == b"one"
    assert folder.read(Photo("", "empty.jpg")) == b""
    folder.check([Photo("", "empty.jpg"), Photo("", "Ann Ré/1 日本.jpg")])


def test_a_relative_root_has_a_name(folder: PhotoFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.root)
    assert PhotoFolder(Path()).name == "people"
    assert PhotoFolder(Path()).read(Photo("", "Ann Ré/1 日本.jpg")) == b"one"


@pytest.mark.parametrize(
    "path",
    [
        "../people2/secret.jpg",
        "Ann Ré/../../people2/secret.jpg",
        "/etc/passwd",
        "",
        ".",
        "./empty.jpg",
        "Ann Ré//1 日本.jpg",
        "Ann Ré/",
        "..\\people2\\secret.jpg",
        "empty.jpg\0",
        "empty\n.jpg",
        "\udcff.jpg",
    ],
)
def test_paths_that_are_not_plain_and_below(folder: PhotoFolder, path: str) -> None:
    with pytest.raises(EvaluationError, match="no path"):
        check_path(path)
    for use in (lambda: folder.read(Photo("", path)), lambda: folder.check([Photo("", path)])):
        with pytest.raises(EvaluationError, match=re.escape(f"photo {path!r} of ")) as caught:
            use()
        assert str(caught.value).isprintable()


def test_links_that_leave(folder: PhotoFolder, tmp_path: Path) -> None:
    (folder.root / "file.jpg").symlink_to(tmp_path / "people2" / "secret.jpg")
    (folder.root / "relative.jpg").symlink_to("../people2/secret.jpg")
    (folder.root / "folder").symlink_to(tmp_path / "people2")
    (folder.root / "chain.jpg").symlink_to("file.jpg")
    for path in ("file.jpg", "relative.jpg", "folder/secret.jpg", "chain.jpg"):
        with pytest.raises(EvaluationError, match=f"photo '{path}' of .* a link leads out of the folder"):
            folder.read(Photo("", path))


def test_links_that_stay_and_a_root_that_is_one(folder: PhotoFolder, tmp_path: Path) -> None:
    (folder.root / "link.jpg").symlink_to("Ann Ré/1 日本.jpg")
    (tmp_path / "way").symlink_to(folder.root)
    assert PhotoFolder(tmp_path / "way").read(Photo("", "link.jpg")) == b"one"


def test_what_cannot_be_read(folder: PhotoFolder) -> None:
    os.mkfifo(folder.root / "fifo.jpg")
    (folder.root / "round.jpg").symlink_to("round.jpg")
    with (folder.root / "huge.jpg").open("wb") as stream:
        stream.truncate((1 << 29) + 1)
    for path, message in (
        ("none.jpg", "there is no photo 'none.jpg' of "),
        ("Ann Ré", "photo 'Ann Ré' of .* cannot be read: Is a directory"),
        ("fifo.jpg", "photo 'fifo.jpg' of .* is not a regular file"),
        ("round.jpg", "photo 'round.jpg' of .* cannot be read"),
        ("huge.jpg", "photo 'huge.jpg' of .* has more than 536870912 bytes"),
        ("empty.jpg/1.jpg", "photo 'empty.jpg/1.jpg' of .* cannot be read"),
        ("x" * 300, "cannot be read: File name too long"),
    ):
        with pytest.raises(EvaluationError, match=message):
            folder.read(Photo("", path))


def test_missing_photos_are_counted(folder: PhotoFolder, tmp_path: Path) -> None:
    photos = [Photo("", name) for name in ("z.jpg", "empty.jpg", "y.jpg", "x" * 300, "empty.jpg/1.jpg")]
    with pytest.raises(EvaluationError, match=r"4 of 5 photos are not in .*people, 'z.jpg' among them"):
        folder.check(photos)
    with pytest.raises(EvaluationError, match="there is no folder"):
        PhotoFolder(tmp_path / "none").check([])

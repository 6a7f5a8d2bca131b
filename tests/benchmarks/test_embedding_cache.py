"""What is kept of an evaluation: what comes back, what never does, and files that are none."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ghostface_edge.benchmarks import embedding_cache
from ghostface_edge.benchmarks.embedding_cache import EmbeddingCache, Recipe, Row, picture_key, source_digest
from ghostface_edge.benchmarks.system import System
from ghostface_edge.engine import FaceEngine, load_detector
from ghostface_edge.errors import EvaluationError
from ghostface_edge.models import ModelStore

PICTURE, OTHER = picture_key(b"a picture"), picture_key(b"another")
RECIPE, ELSE = bytes(32), bytes([1] * 32)
VECTOR = np.array([0.6, -0.8], np.float32)
POINTS = np.arange(10, dtype=np.float32).reshape(5, 2) / 3

needs_permissions = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root"
)


def test_numbers_come_back_bit_by_bit(tmp_path: Path) -> None:
    with EmbeddingCache.open(tmp_path / "new" / "cache.sqlite") as cache:  # its folder is made
        assert cache.embedding(PICTURE, RECIPE, 2) is None
        assert cache.landmarks(PICTURE, RECIPE) is None
        cache.store([Row(PICTURE, RECIPE, POINTS)], [Row(PICTURE, RECIPE, VECTOR)])
    with EmbeddingCache.open(tmp_path / "new" / "cache.sqlite") as cache:
        found, points = cache.embedding(PICTURE, RECIPE, 2), cache.landmarks(PICTURE, RECIPE)
        assert isinstance(found, np.ndarray)
        assert isinstance(points, np.ndarray)
        assert (found.dtype, found.tobytes()) == (np.float32, VECTOR.tobytes())
        assert (points.shape, points.tobytes()) == ((5, 2), POINTS.tobytes())
        for picture, recipe in ((OTHER, RECIPE), (PICTURE, ELSE)):
            assert cache.embedding(picture, recipe, 2) is None
            assert cache.landmarks(picture, recipe) is None


def test_failures_are_kept_with_their_reason(tmp_path: Path) -> None:
    with EmbeddingCache.open(tmp_path / "cache.sqlite") as cache:
        cache.store([Row(PICTURE, RECIPE, "no face found")], [Row(PICTURE, RECIPE, "on one line")])
        assert cache.landmarks(PICTURE, RECIPE) == "no face found"
        assert cache.embedding(PICTURE, RECIPE, 2) == "on one line"


def test_the_format_is_the_one_that_is_described(tmp_path: Path) -> None:
    with EmbeddingCache.open(tmp_path / "cache.sqlite") as cache:
        cache.store([Row(PICTURE, RECIPE, "none")], [Row(PICTURE, RECIPE, VECTOR)])
    connection = sqlite3.connect(tmp_path / "cache.sqlite")
    assert connection.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"GFEC", "big"),)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    sha256 = hashlib.sha256(b"a picture").digest()
    assert connection.execute("SELECT * FROM face").fetchall() == [(sha256, RECIPE, None, "none")]
    blob = bytes.fromhex("9a99193fcdcc4cbf")  # 0.6 and -0.8, little-endian
    assert connection.execute("SELECT * FROM embedding").fetchall() == [(sha256, RECIPE, blob, None)]
    connection.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_only_the_owner_reads_embeddings(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with EmbeddingCache.open(tmp_path / "cache.sqlite") as cache:
            cache.store([], [Row(PICTURE, RECIPE, VECTOR)])
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("cache.sqlite", "cache.sqlite-wal", "cache.sqlite-shm"), 0o600)


def test_it_lies_in_the_home_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(tmp_path / "home"))
    with EmbeddingCache.open() as cache:
        assert cache.path == str(tmp_path / "home" / "embeddings.sqlite")
        assert repr(cache) == f"EmbeddingCache({cache.path!r})"


# ----------------------------------------------------------------------------------------------------------------
# Files that cannot be used


def broken(path: Path) -> Path:
    """A cache with many rows, whose pages are overwritten from the second on."""
    with EmbeddingCache.open(path) as cache:
        cache.store([], [Row(picture_key(bytes([number])), RECIPE, VECTOR) for number in range(200)])
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    return path


def test_a_file_of_another_kind_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("to do\n" * 100, encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"notes\.txt: damaged, or no cache of embeddings .*Delete it"):
        EmbeddingCache.open(text)
    assert text.read_text(encoding="utf-8") == "to do\n" * 100
    database = tmp_path / "people.db"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE person (name TEXT)")
    connection.close()
    before = database.read_bytes()
    with pytest.raises(EvaluationError, match=r"people\.db: an SQLite database, but no cache of embeddings"):
        EmbeddingCache.open(database)
    assert database.read_bytes() == before


def test_damaged_pages(tmp_path: Path) -> None:
    path = broken(tmp_path / "cache.sqlite")
    with (
        pytest.raises(EvaluationError, match=r"cache\.sqlite: damaged, or no cache of embeddings .*Delete it"),
        EmbeddingCache.open(path) as cache,
    ):
        cache.embedding(picture_key(b"\x05"), RECIPE, 2)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("vector", b"123"),
        ("vector", np.ones(3, np.float32).tobytes()),
        ("vector", np.ones(2, np.float32).tobytes()),
        ("vector", np.array([np.nan, 1], np.float32).tobytes()),
        ("vector", np.array([1e38, 1e38], np.float32).tobytes()),
        ("vector", "text"),
        ("vector", None),
        ("reason", "both"),
        ("landmarks", np.ones(9, np.float32).tobytes()),
        ("landmarks", np.full(10, np.inf, np.float32).tobytes()),
        ("landmarks", 7),
    ],
)
def test_damaged_rows(tmp_path: Path, column: str, value: Any) -> None:
    path = tmp_path / "cache.sqlite"
    with EmbeddingCache.open(path) as cache:
        cache.store([Row(PICTURE, RECIPE, POINTS)], [Row(PICTURE, RECIPE, VECTOR)])
    connection = sqlite3.connect(path)
    table = "face" if column == "landmarks" else "embedding"
    connection.execute(f"UPDATE {table} SET {column} = ?", (value,))  # noqa: S608
    connection.commit()
    connection.close()
    with EmbeddingCache.open(path) as cache, pytest.raises(EvaluationError, match=r"cache\.sqlite: damaged.*Delete it"):
        cache.landmarks(PICTURE, RECIPE) if table == "face" else cache.embedding(PICTURE, RECIPE, 2)


def test_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    EmbeddingCache.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(EvaluationError, match=r"of version 2, and this program knows version 1\. Delete it, or name"):
        EmbeddingCache.open(path)


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path, tmp_path / "file" / "cache.sqlite", "bad\0name"):
        with pytest.raises(EvaluationError, match=r"not a file|cannot be opened"):
            EmbeddingCache.open(path)


@needs_permissions
def test_a_folder_that_is_closed(tmp_path: Path) -> None:
    EmbeddingCache.open(tmp_path / "cache.sqlite").close()
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(EvaluationError, match=r"not writable|cannot be opened"):
            EmbeddingCache.open(tmp_path / "cache.sqlite")
        with pytest.raises(EvaluationError, match="cannot be opened for writing: Permission denied"):
            EmbeddingCache.open(tmp_path / "new.sqlite")
    finally:
        tmp_path.chmod(0o700)


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    with EmbeddingCache.open(tmp_path / "cache.sqlite") as cache:
        cache._connection.execute("PRAGMA query_only = ON")  # for root, whom no permission stops
        with pytest.raises(EvaluationError, match="is not writable"):
            cache.store([], [Row(PICTURE, RECIPE, VECTOR)])


def test_a_closed_cache(tmp_path: Path) -> None:
    cache = EmbeddingCache.open(tmp_path / "cache.sqlite")
    cache.close()
    cache.close()
    with pytest.raises(EvaluationError, match="the cache of embeddings is closed"):
        cache.embedding(PICTURE, RECIPE, 2)


def test_all_of_a_batch_or_nothing(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Row]:
        yield Row(PICTURE, RECIPE, VECTOR)
        raise KeyboardInterrupt

    with EmbeddingCache.open(tmp_path / "cache.sqlite") as cache:
        with pytest.raises(KeyboardInterrupt):
            cache.store([Row(PICTURE, RECIPE, POINTS)], interrupted())
        assert cache.landmarks(PICTURE, RECIPE) is None
        cache.store([], [Row(PICTURE, RECIPE, VECTOR)])  # and it goes on
        assert np.array_equal(cache.embedding(PICTURE, RECIPE, 2), VECTOR)  # type: ignore[arg-type]


WRITER = """
import sys
import numpy as np
from ghostface_edge.benchmarks.embedding_cache import EmbeddingCache, Row, picture_key
path, first = sys.argv[1], int(sys.argv[2])
with EmbeddingCache.open(path) as cache:
    for number in range(first, first + 100):  # half of them are the other process's, too
        vector = np.array([np.cos(number), np.sin(number)], np.float32)
        cache.store([], [Row(picture_key(b"%d" % number), bytes(32), vector)])
"""


def test_processes_that_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    commands = [[sys.executable, "-c", WRITER, str(path), first] for first in ("0", "50")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for command in commands]
    assert [process.communicate(timeout=120)[1] for process in processes] == [b"", b""]
    with EmbeddingCache.open(path) as cache:
        for number in range(150):
            found = cache.embedding(picture_key(b"%d" % number), bytes(32), 2)
            assert found == pytest.approx([np.cos(number), np.sin(number)], abs=1e-6)


# ----------------------------------------------------------------------------------------------------------------
# Recipes


def test_the_embedding_depends_on_the_file_flip_the_library_and_the_limit(
    tiny_embedder: Path,
    tmp_path: Path,
    make_linear: Callable[..., bytes],
    tiny_matrix: NDArray[np.float32],
    real_store: ModelStore,
) -> None:
    detector = load_detector("yunet")
    system = System(str(tiny_embedder))
    changed = tmp_path / "changed.onnx"
    changed.write_bytes(make_linear(tiny_matrix, input_colour_order="BGR"))  # another card, the same weights
    copied = Path(shutil.copy(tiny_embedder, tmp_path / "copied.onnx"))

    def recipes(system: System, version: str = "") -> Recipe:
        engine = system.engine(threads=1, detector=detector)
        if version:
            engine.embedder.session.version = version
        return Recipe.of(engine)

    base = recipes(system)
    others = [
        recipes(System(str(changed))),
        recipes(replace(system, flip=True)),
        recipes(replace(system, max_pixels=10_000)),
        recipes(system, version="onnxruntime 0.0.1"),
    ]
    assert len({base.embedding(None), *(other.embedding(None) for other in others)}) == 5
    assert recipes(system) == base
    assert recipes(System(str(copied))) == base  # the name of a file changes nothing
    assert [other.detection == base.detection for other in others] == [True, True, False, True]
    placements = (None, (), tuple(map(float, range(10))), tuple(map(float, range(1, 11))))
    assert len({base.embedding(placement) for placement in placements}) == 4


def test_landmarks_depend_on_everything_of_the_detector(real_store: ModelStore, tiny_embedder: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    embedder = System(str(tiny_embedder)).engine(detector=load_detector("yunet")).embedder
    names = ("yunet", "yunet-fast", "yunet-plain", "yunet:320", "yunet-opencv", "yunet-opencv:320")
    detectors = [load_detector(name, runtime="onnx") for name in names]
    detectors.append(load_detector("yunet", runtime="litert"))
    recipes = [Recipe.of(FaceEngine(embedder, detector)) for detector in detectors]
    assert len({recipe.detection for recipe in recipes}) == len(detectors)
    assert len({recipe.embedding(None) for recipe in recipes}) == len(detectors)
    assert len({recipe.embedding(()) for recipe in recipes}) == 1  # aligned crops depend on no detector


def test_numbers_do_not_outlive_code_and_libraries(
    tiny_embedder: Path, real_store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = System(str(tiny_embedder)).engine(detector=load_detector("yunet"))
    seen = [Recipe.of(engine)]
    for name, value in (("_sources", ()), ("versions", dict.fromkeys(("numpy", "opencv", "pillow"), "0"))):
        with monkeypatch.context() as patch:
            patch.setattr(embedding_cache, name, lambda value=value: value)
            embedding_cache._environment.cache_clear()
            seen.append(Recipe.of(engine))
    embedding_cache._environment.cache_clear()
    assert len({recipe.detection for recipe in seen}) == len({recipe.embedding(()) for recipe in seen}) == 3


def test_the_code_is_all_that_makes_numbers(tmp_path: Path) -> None:
    names = {path.name for path in embedding_cache._sources()}
    wanted = {"image.py", "alignment.py", "embedding.py", "engine.py", "anchors.py", "yunet.py", "scrfd.py", "onnx.py"}
    assert wanted | {"litert.py", "session.py", "enrolment.py"} <= names
    a, b = tmp_path / "a.py", tmp_path / "b.py"
    a.write_bytes(b"x = 1")
    b.write_bytes(b"")
    digests = [source_digest(a, b), source_digest(b, a), source_digest(a)]
    a.write_bytes(b"x = 2")
    digests.append(source_digest(a, b))
    a.write_bytes(b"")
    b.write_bytes(b"x = 1")
    digests.append(source_digest(a, b))
    assert len(set(digests)) == 5
    with pytest.raises(EvaluationError, match="cannot read the program's own file"):
        source_digest(tmp_path / "gone.py")

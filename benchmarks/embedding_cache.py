"""Embeddings that were computed before: what makes a second evaluation take seconds.

One SQLite file; this is its whole format, version 1::

    PRAGMA application_id = 0x47464543      "GFEC"
    PRAGMA user_version   = 1               version of this schema

    face       picture BLOB, recipe BLOB, landmarks BLOB, reason TEXT     the main face of a picture
    embedding  picture BLOB, recipe BLOB, vector BLOB, reason TEXT

``picture`` is the sha256 of the picture's file, and ``recipe`` a sha256 of everything else that the numbers depend on:
see :class:`Recipe`. ``landmarks`` are ten and ``vector`` D little-endian IEEE 754 float32; where there are none,
``reason`` says why, so that a failure is not computed again either. No row is ever wrong, at worst it is useless:
whatever changes, the recipe changes with it. So nothing is ever invalidated, and the file may be deleted at any time.

Embeddings are biometric data. A new file can be read and written by its owner only; it holds no names and no pictures,
but who has a picture can find its embedding in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Union

import numpy as np

import ghostface_edge
from ghostface_edge.doctor import look_at_machine, versions
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import EvaluationError
from ghostface_edge.gallery import turn_wal_on
from ghostface_edge.models import ModelStore
from ghostface_edge.types import FloatArray

APPLICATION_ID = 0x47464543
SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0
FILE = "embeddings.sqlite"

_SCHEMA = (
    "CREATE TABLE face (picture BLOB NOT NULL, recipe BLOB NOT NULL, landmarks BLOB, reason TEXT, "
    "PRIMARY KEY (picture, recipe))",
    "CREATE TABLE embedding (picture BLOB NOT NULL, recipe BLOB NOT NULL, vector BLOB, reason TEXT, "
    "PRIMARY KEY (picture, recipe))",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
# In WAL mode, NORMAL loses no commit when a process dies; a power cut may cost the last ones, which are computed again.
_SETTINGS = ("synchronous = NORMAL", "cell_size_check = ON")

_LENGTH_ERROR = 1e-3  # embeddings are normalised: of another length are only damaged ones

_ADVICE = (
    ("closed", "the cache of embeddings is closed"),
    ("locked", f"another program has held the cache for {BUSY_SECONDS:g} s. Try again when it is done"),
    ("readonly", "the cache of embeddings is not writable, or its folder is not. Name another file, or go without one"),
    ("unable to open", "the cache of embeddings cannot be opened. Name another file, or go without one"),
    ("full", "the disk is full"),
)

Found = Union[FloatArray, str]
"""What a picture gave: numbers, or the reason why there are none."""


class Row(NamedTuple):
    """Something to keep.

    Attributes:
        picture: sha256 of the picture's file.
        recipe: How ``found`` came about.
        found: Landmarks, (5, 2) float32, or an embedding, (D,) float32; or why there are none.
    """

    picture: bytes
    recipe: bytes
    found: Found


@dataclass(frozen=True)
class Recipe:
    """Everything that landmarks and embeddings depend on, beside the picture.

    Common to both: versions of OpenCV, Pillow and NumPy, the CPU, the limit on pixels, and a digest of this package's
    own source files, so that no number outlives the code that made it. Landmarks depend on the detector's
    fingerprint: its settings, model file and runtime. Embeddings depend on the embedder's file and runtime, on flip,
    and on what placed the face.

    Attributes:
        detection: Of the main face's landmarks, 32 bytes; None where nothing is detected.
        embedder: What :meth:`embedding` starts from.
    """

    detection: bytes | None
    embedder: str

    @classmethod
    def of(cls, engine: FaceEngine) -> Recipe:
        """The recipe of an engine with one of this package's detectors, or with none."""
        common = [_environment(), engine.max_pixels]
        session = engine.embedder.session
        fingerprint = getattr(engine.detector, "fingerprint", None)
        return cls(
            None if fingerprint is None else _digest(["detection", fingerprint, *common]),
            json.dumps(["embedding", session.sha256, session.version, engine.embedder.flip, *common]),
        )

    def embedding(self, landmarks: tuple[float, ...] | None) -> bytes:
        """Of the embedding of a picture, 32 bytes.

        Args:
            landmarks: Ten numbers that were given for this picture, none for a crop that came aligned, or None for the
                main face that the detector finds.
        """
        placement = self.detection.hex() if landmarks is None and self.detection else landmarks
        return _digest([self.embedder, placement])


class EmbeddingCache:
    """Landmarks and embeddings of pictures, in an SQLite file. Use it in a ``with`` statement, or call :meth:`close`.

    Several processes may use one file at once, each with an object of its own; an object belongs to one thread.

    Example:
        >>> with EmbeddingCache.open() as cache:   # doctest: +SKIP
        ...     enrol(System(), photos_folder, photos, cache=cache, jobs=2)

    Attributes:
        path: Absolute path of the file.
    """

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> EmbeddingCache:
        """Open a cache, or create it, with its folder.

        Args:
            path: The file; by default ``embeddings.sqlite`` in the home of the model store, which
                ``GHOSTFACE_EDGE_HOME`` moves.

        Raises:
            EvaluationError: Not a cache, damaged, of a newer version, not writable, or held by another program.
        """
        full = os.path.abspath(ModelStore(folders=()).home / FILE if path is None else os.fsdecode(path))
        _require_file(full)
        with _explained(full):
            # Autocommit: transactions begin and end where this file says so.
            connection = sqlite3.connect(full, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                _prepare(connection, full)
            except BaseException:
                connection.close()
                raise
        return cls(full, connection)

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        with _explained(self.path):
            self._connection.close()

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EmbeddingCache({self.path!r})"

    def landmarks(self, picture: bytes, recipe: bytes) -> Found | None:
        """Landmarks of the main face of a picture, (5, 2) float32, or why there is none; None where it is not known.

        Raises:
            EvaluationError: The file cannot be read, or is damaged.
        """
        found = self._find("SELECT landmarks, reason FROM face WHERE picture = ? AND recipe = ?", picture, recipe)
        if found is None or isinstance(found, str):
            return found
        if found.size != 10 or not np.isfinite(found).all():
            raise _damaged(self.path, "landmarks are not ten finite numbers")
        return found.reshape(5, 2)

    def embedding(self, picture: bytes, recipe: bytes, size: int) -> Found | None:
        """The embedding of a picture, (size,) float32, or why there is none; None where it is not known.

        Raises:
            EvaluationError: The file cannot be read, or is damaged.
        """
        found = self._find("SELECT vector, reason FROM embedding WHERE picture = ? AND recipe = ?", picture, recipe)
        if found is None or isinstance(found, str):
            return found
        with np.errstate(all="ignore"):
            sound = found.size == size and abs(float(found @ found) - 1) < _LENGTH_ERROR
        if not sound:
            raise _damaged(self.path, f"an embedding is not {size} numbers of length 1")
        return found

    def store(self, faces: Iterable[Row], embeddings: Iterable[Row]) -> None:
        """Keep what was computed: all of it, or none. What has returned survives the end of the process.

        Raises:
            EvaluationError: The file cannot be written.
        """
        with _explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for table, rows in (("face", faces), ("embedding", embeddings)):
                    # Another process may have been faster; its numbers are the same.
                    self._connection.executemany(
                        f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?, ?)",  # noqa: S608 - two constants
                        [(row.picture, row.recipe, *_columns(row.found)) for row in rows],
                    )
                self._connection.commit()
            except BaseException:
                self._connection.rollback()
                raise

    def _find(self, query: str, picture: bytes, recipe: bytes) -> Found | None:
        with _explained(self.path):
            row = self._connection.execute(query, (picture, recipe)).fetchone()
        if row is None:
            return None
        blob, reason = row
        if isinstance(blob, bytes) and reason is None and len(blob) % 4 == 0:
            numbers: FloatArray = np.frombuffer(blob, "<f4").astype(np.float32, copy=False)
            return numbers
        if blob is None and isinstance(reason, str):
            return reason
        raise _damaged(self.path, "a row is neither numbers nor a reason")


def picture_key(data: bytes) -> bytes:
    """What a picture is found by: sha256 of its file's bytes."""
    return hashlib.sha256(data).digest()


def _columns(found: Found) -> tuple[bytes | None, str | None]:
    return (None, found) if isinstance(found, str) else (np.asarray(found, "<f4").tobytes(), None)


def _digest(values: list[object]) -> bytes:
    return hashlib.sha256(json.dumps(values).encode()).digest()


@lru_cache(maxsize=1)
def _environment() -> tuple[str, ...]:
    """What numbers depend on whatever the model: libraries, CPU, and the code of this package."""
    found, machine = versions(), look_at_machine()
    libraries = [f"{name} {found[name]}" for name in ("numpy", "opencv", "pillow")]
    cpu = (machine.architecture, machine.cpu, *machine.features)  # kernels are chosen by them
    return (*libraries, *cpu, source_digest(*_sources()))


def _sources() -> tuple[Path, ...]:
    """The source files that may bear on a number: those of the runtime, and how an evaluation calls them."""
    package = Path(ghostface_edge.__file__).parent
    rooms = (package, package / "detection", package / "runtime")
    return (*(path for room in rooms for path in sorted(room.glob("*.py"))), Path(__file__).with_name("enrolment.py"))


def source_digest(*paths: Path) -> str:
    """sha256 over the names and contents of files.

    Raises:
        EvaluationError: One cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise EvaluationError(f"cannot read the program's own file {path}: {error.strerror}") from error
    return digest.hexdigest()


def _require_file(path: str) -> None:
    """A regular file at the path; created, for its owner only, where there is none."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600))
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise EvaluationError(f"{path}: not a file")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path; but ours is a ValueError, too
        if isinstance(error, EvaluationError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise EvaluationError(
            f"{path}: the cache of embeddings cannot be opened for writing: {reason}. Name another file, or go without"
        ) from error


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    """Settings, and the schema in an empty file. A file that is not a cache is left as it is."""
    new = _is_new(connection, path)
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    turn_wal_on(connection)
    if new:
        connection.execute("BEGIN IMMEDIATE")
        if _is_new(connection, path):  # and no other process came first
            for statement in _SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")


def _is_new(connection: sqlite3.Connection, path: str) -> bool:
    begun = connection.in_transaction
    if not begun:
        connection.execute("BEGIN")  # one state of the file, whatever other processes do
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not begun:
        connection.execute("COMMIT")
    if (application, version, objects) == (0, 0, 0):
        return True
    if application != APPLICATION_ID:
        raise EvaluationError(f"{path}: an SQLite database, but no cache of embeddings. Name another file")
    if version != SCHEMA_VERSION:
        raise EvaluationError(
            f"{path}: a cache of embeddings of version {version}, and this program knows version {SCHEMA_VERSION}. "
            "Delete it, or name another file"
        )
    return False


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # sqlite3's messages quote what is in a damaged file, and that need not be text.
        text = "malformed" if isinstance(error, UnicodeDecodeError) else str(error)
        advice = next((advice for part, advice in _ADVICE if part in text), None)
        if advice is None:
            raise _damaged(path, text) from error
        raise EvaluationError(f"{path}: {advice}") from error


def _damaged(path: str, reason: str) -> EvaluationError:
    return EvaluationError(f"{path}: damaged, or no cache of embeddings ({reason}). Delete it, or name another file")

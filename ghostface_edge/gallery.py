"""Who was enrolled: templates of people in one SQLite file, searched exactly.

The file is shared with other programs and languages; this is its whole format, version 1::

    PRAGMA application_id = 0x47464E45      "GFNE"
    PRAGMA user_version   = 1               version of this schema

    gallery   one row: model_id TEXT        the only model whose embeddings are in the file
                       leftovers INTEGER    1 while bytes of removed people may still lie in the file
    person    id INTEGER, name TEXT (unique, NFC), enrolled_at TEXT, updated_at TEXT
    template  id INTEGER (never used twice), person_id INTEGER,
              embedding BLOB                D little-endian IEEE 754 float32, L2-normalised; D is the same for all
              precision TEXT, detector TEXT what made it, see ModelIdentity
              enrolled_at TEXT

Times are ISO 8601 in UTC with milliseconds: ``2026-01-31T12:00:00.000Z``.

What is promised:

* An enrolment is one transaction: all its templates, or none. What :meth:`Gallery.enroll` has returned survives
  ``kill -9`` and, because every commit is flushed (WAL, ``synchronous=FULL``), a power cut, as far as the disk keeps
  what it was told to flush.
* What :meth:`Gallery.remove` has returned is gone from the file and its log, not only marked as free.
* One object may be used by several threads, and one file by several processes, each with an object of its own (open
  it after a fork, not before).
* A new file can be read and written by its owner only.

Exports are JSON Lines, UTF-8: a header, then one line per person, sorted by name::

    {"format": "ghostface-edge gallery", "version": 1, "model_id": "...", "people": 2, "templates": 3}
    {"name": "ada", "enrolled_at": "...", "updated_at": "...", "templates": [
        {"precision": "float32", "detector": "yunet", "enrolled_at": "...", "embedding": "base64 of the blob"}, ...]}
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import logging
import os
import re
import sqlite3
import stat
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from numbers import Integral
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .atomic import replacing
from .errors import GalleryError, ModelMismatchError, OptionError, UnknownPersonError
from .matching import Comparable, cosine, cutoff
from .types import Face, Match, ModelIdentity, Person, Template, Threshold

_log = logging.getLogger(__name__)

APPLICATION_ID = 0x47464E45
SCHEMA_VERSION = 1
EXPORT_FORMAT = "ghostface-edge gallery"
EXPORT_VERSION = 1
MAX_NAME = 200
BUSY_SECONDS = 10.0

_SCHEMA = (
    "CREATE TABLE gallery (model_id TEXT NOT NULL, leftovers INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE person ("
    "id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, enrolled_at TEXT NOT NULL, updated_at TEXT NOT NULL)",
    "CREATE TABLE template ("
    "id INTEGER PRIMARY KEY AUTOINCREMENT, person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE, "
    "embedding BLOB NOT NULL, precision TEXT NOT NULL, detector TEXT NOT NULL, enrolled_at TEXT NOT NULL)",
    "CREATE INDEX template_person ON template (person_id)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
# temp_store: VACUUM copies the gallery, and templates must not be left in a temporary folder.
_SETTINGS = (
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    "temp_store = MEMORY",
    "cell_size_check = ON",
)

_PEOPLE = (
    "SELECT person.name, count(template.id), person.enrolled_at, person.updated_at "
    "FROM person LEFT JOIN template ON template.person_id = person.id"
)
# CROSS JOIN keeps SQLite to this order of loops, in which the rows come sorted: a sort would copy every embedding.
_BY_NAME = "FROM person CROSS JOIN template ON template.person_id = person.id ORDER BY person.name, template.id"

_SIZES = "SELECT count(*), min(length(embedding)), max(length(embedding)) FROM template"

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_EXPORT_LINE = 2**26  # one person in an export, bytes: 20,000 templates of 512 numbers and more

# Embeddings are normalised in float32, so their length is 1 within 1e-6. A search ranks by float32 products and then
# compares exactly whatever lies within _ROUNDING of the last place: more than the length and the products can be off.
_LENGTH_ERROR, _ROUNDING = 1e-5, 1e-4

_GROUPS = 32  # groups per wanted person when a search looks for its floor
_BLOCK = 1024  # rows compared exactly at a time: 4 MB each of 512 numbers in float64

_ADVICE = (
    ("closed", "the gallery is closed"),
    ("locked", f"another program has held the gallery for {BUSY_SECONDS:g} s. Try again when it is done"),
    ("readonly", "not writable. The file and its folder must be, because SQLite keeps its log beside the file"),
    ("unable to open", "cannot be opened. Its folder must be writable, because SQLite keeps its log beside the file"),
    ("not a database", "not a gallery. Name another file"),
    ("malformed", "damaged. Restore a copy of the file, or import an export into a new gallery"),
    ("full", "the disk is full"),
)


class _TemplateRow(NamedTuple):
    """A template as it lies in the file."""

    embedding: bytes
    precision: str
    detector: str
    enrolled_at: str


@dataclass(frozen=True)
class _Index:
    """All templates in memory, sorted by name and then by template.

    Attributes:
        version: SQLite's data_version when it was read.
        matrix: (N, D) float32, one template per row.
        template_ids: (N,) int64.
        owners: (N,) position in ``names`` of each row's person.
        starts: First row of each person.
        names: Sorted.
    """

    version: int
    matrix: NDArray[np.float32]
    template_ids: NDArray[np.int64]
    owners: NDArray[np.intp]
    starts: NDArray[np.intp]
    names: tuple[str, ...]


class Gallery:
    """People and their templates in an SQLite file. Use it in a ``with`` statement, or call :meth:`close`.

    Example:
        >>> with Gallery.open("people.db", model=engine.model) as gallery:   # doctest: +SKIP
        ...     gallery.enroll("ada", engine.face("ada.jpg"))
        ...     gallery.search(engine.face("door.jpg"), top_k=5)

    Attributes:
        path: Absolute path of the file.
        model_id: The only model whose embeddings it takes.
    """

    def __init__(self, path: str, connection: sqlite3.Connection, model_id: str) -> None:
        self.path = path
        self.model_id = model_id
        self._connection = connection
        self._lock = threading.RLock()
        self._index: _Index | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, model: ModelIdentity | None = None) -> Gallery:
        """Open a gallery file, or create it.

        Args:
            path: The file. Its folder must exist and be writable.
            model: The model whose embeddings are to be kept. A new gallery is bound to its ``model_id``. Without it an
                existing gallery opens as what it is.

        Raises:
            GalleryError: Not a gallery, damaged, of a newer version, not writable, or held by another program.
            ModelMismatchError: The gallery belongs to another model.
        """
        if model is not None and not isinstance(model, ModelIdentity):
            raise OptionError(f"model must be a ModelIdentity such as engine.model, not {type(model).__name__}")
        full = _full_path(path)
        _require_file(full, create=model is not None)
        with _explained(full):
            # Autocommit: transactions begin and end where this file says so.
            connection = sqlite3.connect(full, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection, full, model)
                found = connection.execute("SELECT model_id, leftovers FROM gallery").fetchall()
                if len(found) != 1 or not isinstance(found[0][0], str):
                    raise GalleryError(f"{full}: damaged: it does not say which model it belongs to")
                gallery = cls(full, connection, found[0][0])
                if model is not None:
                    gallery._require_model(model.model_id, "was opened with")
                if found[0][1]:  # a removal was cut short
                    try:
                        gallery._erase_leftovers()
                    except GalleryError as error:
                        _log.warning("%s", error)
            except BaseException:
                connection.close()
                raise
        return gallery

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        with self._lock, _explained(self.path):
            self._connection.close()
            self._index = None

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gallery({self.path!r}, model_id={self.model_id!r})"

    def __len__(self) -> int:
        """Number of people."""
        with self._read() as connection:
            return int(connection.execute("SELECT count(*) FROM person").fetchone()[0])

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        with suppress(OptionError), self._read() as connection:
            found = connection.execute("SELECT 1 FROM person WHERE name = ?", (clean_name(name),)).fetchone()
            return found is not None
        return False

    def people(self) -> tuple[Person, ...]:
        """Everybody, sorted by name."""
        with self._read() as connection:
            return tuple(
                Person(*row) for row in connection.execute(_PEOPLE + " GROUP BY person.id ORDER BY person.name")
            )

    def enroll(self, name: str, *faces: Comparable) -> Person:
        """Add faces to a person, who is created if new: all of them in one transaction, or none.

        Args:
            name: Who; 1 to 200 characters on one line, kept in Unicode form NFC.
            faces: Faces or templates, at least one.

        Returns:
            The person with all templates enrolled so far.

        Raises:
            OptionError: A senseless name, no face, or an embedding that is not finite or not of length 1.
            ModelMismatchError: An embedding of another model.
            GalleryError: The file cannot be written.
        """
        name = clean_name(name)
        if not faces:
            raise OptionError(f"no face was given for {name!r}; enrol at least one")
        now = _now()
        rows = [
            _TemplateRow(self._query(face).astype("<f4").tobytes(), face.model.precision, face.model.detector, now)
            for face in faces
        ]
        with self._write() as connection:
            self._add(connection, name, now, now, rows)
            return Person(
                *connection.execute(_PEOPLE + " WHERE person.name = ? GROUP BY person.id", (name,)).fetchone()
            )

    def remove(self, *names: str) -> None:
        """Delete people and every byte of their templates; all of them, or none.

        The file is rewritten, so removing many people in one call is much faster than one by one.

        Raises:
            UnknownPersonError: Somebody is not in the gallery; nobody was removed.
            GalleryError: The file cannot be written. Or another program is still reading: then the people are removed,
                but their bytes are erased only when the gallery is opened next, or somebody else is removed.
        """
        wanted = {clean_name(name) for name in names}
        if not wanted:
            raise OptionError("no name was given; name at least one person to remove")
        with self._lock:
            with self._write() as connection:
                for name in wanted:
                    if connection.execute("DELETE FROM person WHERE name = ?", (name,)).rowcount != 1:
                        raise UnknownPersonError(f"{self.path}: nobody is called {name!r}. Nobody was removed")
                connection.execute("UPDATE gallery SET leftovers = 1")
            self._erase_leftovers()

    def search(
        self, face: Comparable, *, top_k: int = 5, threshold: Threshold | float | None = None
    ) -> tuple[Match, ...]:
        """The people most like a face.

        Every template is compared (one matrix-vector product); a person counts with the best of theirs.

        Args:
            face: A face or template.
            top_k: Most people to return.
            threshold: Fills ``threshold`` and ``match`` of the result; it hides nobody.

        Returns:
            Sorted by similarity, best first; people of the same similarity by name. Empty for an empty gallery.

        Raises:
            OptionError: ``top_k`` or ``threshold`` makes no sense, or the embedding does not.
            ModelMismatchError: The embedding is of another model.
            GalleryError: The file cannot be read.
        """
        if isinstance(top_k, bool) or not isinstance(top_k, Integral) or top_k < 1:
            raise OptionError(f"top_k {top_k!r} is not a positive whole number")
        top_k = int(top_k)  # of numpy's, which overflow
        least = None if threshold is None else cutoff(threshold)
        query = self._query(face)
        index = self._current_index()
        if not index.names:
            return ()
        _require_size(query.size, index.matrix.shape[1])
        # Not a matrix product: BLAS would take all CPUs for it, whose threads wait for each other on a busy machine,
        # and memory is what limits it anyway.
        scores = np.einsum("nd,d->n", index.matrix, query)
        # The best of top_k groups of people are top_k people, so the least of them is a floor for the result. To find
        # the floor among few groups is several times faster than among all people.
        groups = np.maximum.reduceat(scores, index.starts[:: max(len(index.names) // (_GROUPS * top_k), 1)])
        place = max(len(groups) - top_k, 0)
        groups.partition(place)
        (rows,) = (scores >= groups[place] - _ROUNDING).nonzero()
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
        exact = np.concatenate([cosine(index.matrix[block], query) for block in blocks])
        matches: dict[int, Match] = {}
        # Equal similarities come in the order of the rows: by name, then by template.
        for value, row in sorted(zip((-exact).tolist(), rows.tolist())):
            owner = index.owners.item(row)
            if owner not in matches:
                same = None if least is None else -value >= least
                matches[owner] = Match(index.names[owner], -value, index.template_ids.item(row), least, same)
                if len(matches) == top_k:
                    break
        return tuple(matches.values())

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write everybody to a JSON Lines file (see the head of this module), atomically; an older file is replaced.

        The file holds biometric data, in the clear. It can be read and written by its owner only.

        Returns:
            Number of people written.

        Raises:
            GalleryError: The file cannot be written, or is the gallery itself.
        """
        target = _full_path(path)
        try:
            if os.path.realpath(target) in {os.path.realpath(self.path + part) for part in ("", "-wal", "-shm")}:
                raise GalleryError(f"{target}: an export cannot replace the gallery itself. Name another file")
            with replacing(target, mode=0o600) as stream, self._read() as connection:
                people, templates = connection.execute(
                    "SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM template)"
                ).fetchone()
                header = {"format": EXPORT_FORMAT, "version": EXPORT_VERSION, "model_id": self.model_id}
                _write_line(stream, {**header, "people": people, "templates": templates})
                rows = connection.execute(
                    "SELECT name, person.enrolled_at, updated_at, embedding, precision, detector, template.enrolled_at "
                    + _BY_NAME
                )
                for (name, enrolled_at, updated_at), group in itertools.groupby(rows, key=lambda row: tuple(row[:3])):
                    held = [_TemplateRow(*row[3:])._asdict() for row in group]
                    for template in held:
                        template["embedding"] = base64.b64encode(template["embedding"]).decode()
                    person = {"name": name, "enrolled_at": enrolled_at, "updated_at": updated_at, "templates": held}
                    _write_line(stream, person)
        except TypeError as error:  # from json and base64
            raise GalleryError(f"{self.path}: damaged: text or an embedding is of another type ({error})") from error
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise GalleryError(f"{target}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
        return int(people)

    def import_(self, path: str | os.PathLike[str]) -> int:
        """Add everybody of an export, in one transaction.

        People are never merged: two of the same name may be two people. If somebody is enrolled already, nobody is
        imported; remove one of the two first.

        Returns:
            Number of people added.

        Raises:
            GalleryError: Not an export, a damaged one, or one with somebody who is enrolled already.
            ModelMismatchError: The export is of another model.
        """
        with _open_export(path) as (stream, source), self._write() as connection:
            header = _read_header(stream, source)
            self._require_model(header["model_id"], f"{source} is of")
            people = 0
            for where, name, enrolled_at, updated_at, rows in _read_people(stream, source, header):
                if connection.execute("SELECT 1 FROM person WHERE name = ?", (name,)).fetchone():
                    raise _not_merged(where, name)
                self._add(connection, name, enrolled_at, updated_at, rows)
                people += 1
            return people

    # -----------------------------------------------------------------------------------------------------------
    # Checks

    def _require_model(self, model_id: object, what: str) -> None:
        if model_id != self.model_id:
            raise ModelMismatchError(
                f"{self.path} holds templates of model {self.model_id!r}, and {what} {model_id!r}. Embeddings of "
                "different models do not compare: use the gallery's model, or another gallery"
            )

    def _query(self, face: Comparable) -> NDArray[np.float32]:
        """The embedding of a face, checked."""
        if not isinstance(face, (Face, Template)):
            raise OptionError(f"a gallery takes faces or templates, not {type(face).__name__}")
        self._require_model(face.model.model_id, "this face is of")
        if not _normalised(face.embedding):
            raise OptionError("the embedding is not one vector of finite numbers and length 1")
        return face.embedding

    # -----------------------------------------------------------------------------------------------------------
    # The file

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, _explained(self.path):
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.commit()
            except BaseException:
                self._connection.rollback()
                raise

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            with self._transaction("BEGIN IMMEDIATE") as connection:
                yield connection
            self._index = None  # data_version tells of other connections' writes only

    def _add(
        self, connection: sqlite3.Connection, name: str, enrolled_at: str, updated_at: str, rows: Sequence[_TemplateRow]
    ) -> None:
        first = connection.execute("SELECT embedding FROM template LIMIT 1").fetchone()
        wanted = first[0] if first else rows[0].embedding
        if not isinstance(wanted, bytes) or len(wanted) % 4:
            raise GalleryError(f"{self.path}: damaged: a template is not a vector of float32 numbers")
        for row in rows:
            _require_size(len(row.embedding) // 4, len(wanted) // 4)
        connection.execute(
            "INSERT INTO person (name, enrolled_at, updated_at) VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at",
            (name, enrolled_at, updated_at),
        )
        (person,) = connection.execute("SELECT id FROM person WHERE name = ?", (name,)).fetchone()
        connection.executemany(
            "INSERT INTO template (person_id, embedding, precision, detector, enrolled_at) VALUES (?, ?, ?, ?, ?)",
            [(person, *row) for row in rows],
        )

    def _erase_leftovers(self) -> None:
        """Rewrite the file from what is live, and empty the log: zeroed cells alone leave copies from page splits."""
        with self._lock, _explained(self.path):
            self._index = None
            try:
                deadline = time.monotonic() + BUSY_SECONDS
                self._connection.execute("VACUUM")
                while self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                    # SQLite waits for readers itself, but not for another program's checkpoint.
                    if time.monotonic() > deadline:
                        raise sqlite3.OperationalError("another program is reading the old state")
                    time.sleep(0.02)
                self._connection.execute("UPDATE gallery SET leftovers = 0")
            except sqlite3.Error as error:
                raise GalleryError(
                    f"{self.path}: the removal is done, but bytes of the removed are still in the file or its log "
                    f"({error}). They are erased when the gallery is opened next, or at the next removal"
                ) from error

    def _current_index(self) -> _Index:
        """The templates in memory, read again if somebody has written since."""
        with self._lock:
            try:  # every search comes here, and a context manager would cost as much as the question itself
                (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise _explanation(self.path, error) from error
            index = self._index
            if index is None or index.version != version:
                self._index = None  # not two matrices at once
                index = self._index = self._read_index(version)
            return index

    def _read_index(self, version: int) -> _Index:
        with self._read() as connection:
            count, least, size = connection.execute(_SIZES).fetchone()
            if least != size:
                raise GalleryError(f"{self.path}: damaged: templates are of {least} to {size} bytes")
            matrix = np.empty((count, (size or 0) // 4), np.float32)
            template_ids = np.empty(count, np.int64)
            owners = np.empty(count, np.intp)
            names: list[str] = []
            starts: list[int] = []
            row = 0
            for name, template_id, embedding in connection.execute("SELECT name, template.id, embedding " + _BY_NAME):
                sound = row < count and isinstance(name, str) and isinstance(embedding, bytes)
                if not sound or len(embedding) != 4 * matrix.shape[1]:
                    raise GalleryError(f"{self.path}: damaged: template {template_id} is not {matrix.shape[1]} numbers")
                if not names or names[-1] != name:
                    names.append(name)
                    starts.append(row)
                matrix[row] = np.frombuffer(embedding, "<f4")
                template_ids[row] = template_id
                owners[row] = len(names) - 1
                row += 1
        if row != count:
            raise GalleryError(f"{self.path}: damaged: {count - row} templates belong to nobody")
        with np.errstate(all="ignore"):  # damaged numbers are reported below
            lengths = np.einsum("ij,ij->i", matrix, matrix)
        if not (np.abs(lengths - 1) < _ROUNDING).all():
            raise GalleryError(f"{self.path}: damaged: an embedding is not of length 1")
        return _Index(version, matrix, template_ids, owners, np.array(starts, np.intp), tuple(names))


def _full_path(path: str | os.PathLike[str]) -> str:
    try:
        return os.path.abspath(os.fsdecode(path))
    except TypeError as error:
        raise OptionError(f"a path is text or a pathlib.Path, not {type(path).__name__}") from error


def _require_file(path: str, *, create: bool) -> None:
    """A regular file at the path; created, for its owner only, where there is none."""
    try:
        if create:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600))
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise GalleryError(f"{path}: not a file")
    except FileNotFoundError as error:
        what = "its folder does not exist" if create else "no such gallery. It is made when somebody is enrolled"
        raise GalleryError(f"{path}: {what}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise GalleryError(f"{path}: cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _prepare(connection: sqlite3.Connection, path: str, model: ModelIdentity | None) -> None:
    """Settings, and the schema in an empty file. A file that is not a gallery is left as it is."""
    connection.execute("BEGIN")  # one state of the file, whatever other processes do
    new = _is_new(connection, path)
    connection.execute("COMMIT")
    if new and model is None:
        raise GalleryError(f"{path}: an empty file, not a gallery yet. It becomes one when somebody is enrolled")
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    turn_wal_on(connection)
    if new and model is not None:
        connection.execute("BEGIN IMMEDIATE")
        if _is_new(connection, path):  # and no other process came first
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO gallery (model_id) VALUES (?)", (model.model_id,))
        connection.execute("COMMIT")


def turn_wal_on(connection: sqlite3.Connection) -> None:
    """Switch the log; when two processes create one file, SQLite refuses this step without waiting, so wait here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.005)


def _is_new(connection: sqlite3.Connection, path: str) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, objects) == (0, 0, 0):
        return True
    if application != APPLICATION_ID:
        raise GalleryError(f"{path}: an SQLite database, but not a gallery. Name another file")
    if version != SCHEMA_VERSION:
        raise GalleryError(
            f"{path}: a gallery of version {version}, and this program knows version {SCHEMA_VERSION}. "
            "Update ghostface-edge"
        )
    return False


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _explanation(path, error) from error


def _explanation(path: str, error: sqlite3.Error | UnicodeDecodeError) -> GalleryError:
    # sqlite3's messages quote what is in a damaged file, and that need not be text.
    text = "malformed" if isinstance(error, UnicodeDecodeError) else str(error)
    return GalleryError(f"{path}: {next((advice for part, advice in _ADVICE if part in text), text)}")


def clean_name(name: str) -> str:
    """A person's name as galleries keep it, in Unicode form NFC.

    Raises:
        OptionError: Not 1 to 200 characters on one line.
    """
    if not isinstance(name, str):
        raise OptionError(f"a name is text, not {type(name).__name__}")
    clean = unicodedata.normalize("NFC", name)
    if not 1 <= len(clean) <= MAX_NAME:
        raise OptionError(f"a name has 1 to {MAX_NAME} characters, and this one {len(clean)}")
    if clean != clean.strip() or any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in clean):
        raise OptionError(f"name {clean!a} has a control character, or a space at its start or end")
    return clean


def _normalised(embedding: NDArray[np.float32]) -> bool:
    vector = embedding.astype(np.float64)
    return vector.ndim == 1 and bool(abs(vector @ vector - 1) <= 2 * _LENGTH_ERROR)


def _require_size(size: int, wanted: int) -> None:
    if size != wanted:
        raise ModelMismatchError(
            f"an embedding of {size} numbers does not compare with others of {wanted}, although both name one model"
        )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write_line(stream: IO[bytes], values: dict[str, Any]) -> None:
    stream.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")


def _read_line(stream: IO[bytes], where: str) -> dict[str, Any] | None:
    line = stream.readline(_EXPORT_LINE + 1)
    if not line:
        return None
    if len(line) > _EXPORT_LINE:
        raise GalleryError(f"{where}: longer than {_EXPORT_LINE} bytes")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise GalleryError(f"{where}: not JSON: {error}") from error
    if not isinstance(values, dict):
        raise GalleryError(f"{where}: not a JSON object")
    return values


def check_export(path: str | os.PathLike[str]) -> ModelIdentity:
    """Read a whole export, and keep nothing of it.

    Returns:
        The model that it is of.

    Raises:
        GalleryError: Not an export, or a damaged one, which :meth:`Gallery.import_` would refuse.
        ModelMismatchError: Its embeddings are of several sizes.
    """
    with _open_export(path) as (stream, source):
        header = _read_header(stream, source)
        size = None
        for _, _, _, _, rows in _read_people(stream, source, header):
            for row in rows:
                size = size or len(row.embedding)
                _require_size(len(row.embedding) // 4, size // 4)
        return ModelIdentity(header["model_id"])


@contextmanager
def _open_export(path: str | os.PathLike[str]) -> Iterator[tuple[IO[bytes], str]]:
    source = _full_path(path)
    if not os.path.isfile(source):
        raise GalleryError(f"{source}: no such file")
    try:
        with open(source, "rb") as stream:
            yield stream, source
    except OSError as error:
        raise GalleryError(f"{source}: cannot be read: {error.strerror or error}") from error


def _read_header(stream: IO[bytes], source: str) -> dict[str, Any]:
    header = _read_line(stream, f"{source}: line 1")
    if header is None or header.get("format") != EXPORT_FORMAT or header.get("version") != EXPORT_VERSION:
        raise GalleryError(f"{source}: not a gallery export of version {EXPORT_VERSION}")
    try:
        _text(header.get("model_id"))
    except (TypeError, ValueError) as error:
        raise GalleryError(f"{source}: line 1: no model_id: {error}") from error
    return header


def _read_people(
    stream: IO[bytes], source: str, header: dict[str, Any]
) -> Iterator[tuple[str, str, str, str, list[_TemplateRow]]]:
    """For each person: where in the export, name, first and last time, templates. An error at the end if some lack."""
    names: set[str] = set()
    templates = 0
    where = f"{source}: line 2"
    while (entry := _read_line(stream, where)) is not None:
        name, enrolled_at, updated_at, rows = _parse_person(entry, where)
        if name in names:
            raise _not_merged(where, name)
        yield where, name, enrolled_at, updated_at, rows
        names.add(name)
        templates += len(rows)
        where = f"{source}: line {len(names) + 2}"
    if (len(names), templates) != (header.get("people"), header.get("templates")):
        raise GalleryError(
            f"{source}: cut short: {len(names)} people with {templates} templates, and its first line promises "
            f"{header.get('people')} with {header.get('templates')}. Nobody was imported"
        )


def _not_merged(where: str, name: str) -> GalleryError:
    return GalleryError(f"{where}: {name!r} is enrolled already; people are not merged. Nobody was imported")


def _parse_person(entry: dict[str, Any], where: str) -> tuple[str, str, str, list[_TemplateRow]]:
    try:
        rows = [
            _TemplateRow(
                base64.b64decode(item["embedding"], validate=True),
                _text(item["precision"]),
                _text(item["detector"]),
                _time(item["enrolled_at"]),
            )
            for item in entry["templates"]
        ]
        name, enrolled_at, updated_at = (
            clean_name(entry["name"]),
            _time(entry["enrolled_at"]),
            _time(entry["updated_at"]),
        )
    except (OptionError, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise GalleryError(f"{where}: a missing or senseless value: {error}") from error
    if not rows:
        raise GalleryError(f"{where}: {name!r} has no template")
    for row in rows:
        if len(row.embedding) % 4 or not _normalised(np.frombuffer(row.embedding, "<f4")):
            raise GalleryError(f"{where}: an embedding of {name!r} is not one vector of finite numbers and length 1")
    return name, enrolled_at, updated_at, rows


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    value.encode()  # JSON can hold half a character, which is a ValueError here
    return value


def _time(value: object) -> str:
    text = _text(value)
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not a time such as {_now()}")
    return text

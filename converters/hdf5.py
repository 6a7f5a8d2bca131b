"""Reads text attributes and arrays from an HDF5 file that may be damaged or hostile.

The file is parsed from memory, and nothing in it may make the HDF5 library open another file or allocate more than
the file holds: links other than hard links, external and virtual storage, and filters are refused before the library
follows them. Keras uses none of these.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import Any

import numpy as np

from ghostface_edge.errors import CheckpointError

from .graph import FloatArray
from .requirement import missing_package

_MAX_MEMBERS = 64
"""Of a layer's group."""

_MOST_MEMBERS = 10_000
"""Of the group that holds all layers."""

_MOST_NAMES = 10_000
"""Of an attribute that lists layers. A GhostFaceNetV2 has about 700."""


class Hdf5File:
    """An HDF5 file in memory.

    Args:
        data: The whole file.

    Raises:
        CheckpointError: Not an HDF5 file, or a damaged one.
        RuntimeMissingError: The package h5py is not installed.
    """

    def __init__(self, data: bytes) -> None:
        try:
            import h5py
        except ImportError as error:
            raise missing_package("reading a .h5 checkpoint", "h5py") from error
        self._h5py = h5py
        self._data = data
        self._bytes_left = len(data)
        try:
            self._root = h5py.File(h5py.h5f.open_file_image(data))
        except Exception as error:
            raise _damaged("the HDF5 file cannot be opened", error) from error

    def close(self) -> None:
        """Free the file."""
        self._root.close()

    def text(self, name: str, group: str = "") -> str | None:
        """A text attribute of a group, by default the root; None where it or the group is absent."""
        found = self._strings(name, group)
        if found is None:
            return None
        if found.shape != ():
            raise CheckpointError(f"its attribute {name!r} is no text")
        return _decoded(name, found.item())

    def names(self, name: str, group: str = "") -> tuple[str, ...] | None:
        """An attribute that lists names; None where it or the group is absent."""
        found = self._strings(name, group)
        if found is None:
            return None
        if found.ndim != 1:
            raise CheckpointError(f"its attribute {name!r} is no list of names")
        return tuple(_decoded(name, item) for item in found)

    def has(self, path: str) -> bool:
        """Whether there is an object of this path."""
        return self._find(path) is not None

    def members(self, group: str) -> tuple[str, ...]:
        """Names in a group, none where it is absent or is no group."""
        names = self._members(group, _MOST_MEMBERS) or []
        if len(names) == _MOST_MEMBERS:
            raise CheckpointError(f"the group {group!r} holds {_MOST_MEMBERS} members or more")
        return tuple(names)

    def arrays(self, group: str) -> tuple[str, ...]:
        """Paths of the data sets in a group and in the groups below it; empty where there is no such group."""
        found: list[str] = []
        waiting = [group]
        for _ in range(_MAX_MEMBERS):
            if not waiting:
                return tuple(found)
            path = waiting.pop()
            members = self._members(path, _MAX_MEMBERS)
            if members is None:
                found.append(path)
            else:
                waiting.extend(f"{path}/{name}" for name in members)
        raise CheckpointError(f"the group {group!r} holds more than the {_MAX_MEMBERS} members that a layer may have")

    def array(self, path: str) -> FloatArray:
        """A data set as float32.

        Raises:
            CheckpointError: Absent, not stored as plain floating-point numbers within the file, or not finite.
        """
        found = self._find(path)
        if found is None:
            raise CheckpointError(f"the weights {path!r} are missing")
        try:
            return self._read(found, path)
        except CheckpointError:
            raise
        except Exception as error:
            raise _damaged(f"the weights {path!r} cannot be read", error) from error

    def _read(self, found: Any, path: str) -> FloatArray:
        where = f"the weights {path!r}"
        if not isinstance(found, self._h5py.h5d.DatasetID):
            raise CheckpointError(f"{where} are not a data set")
        storage = found.get_create_plist()
        plain = storage.get_layout() in (self._h5py.h5d.CONTIGUOUS, self._h5py.h5d.COMPACT)
        if not plain or storage.get_external_count() or storage.get_nfilters():
            raise CheckpointError(f"{where} are not stored plainly (compressed, virtual or in another file)")
        if found.dtype.kind != "f":
            raise CheckpointError(f"{where} are {found.dtype}, not floating-point numbers")
        size = int(np.prod(found.shape, dtype=object)) * found.dtype.itemsize
        self._bytes_left -= size
        if self._bytes_left < 0 or found.get_storage_size() != size:
            raise CheckpointError(f"{where} have the shape {found.shape}, which is more than the file holds")
        values = np.empty(found.shape, dtype=found.dtype)
        found.read(self._h5py.h5s.ALL, self._h5py.h5s.ALL, values)
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise CheckpointError(f"{where} hold a value that is not finite")
        return values

    def _strings(self, name: str, group: str) -> Any | None:
        """The text of an attribute, as an array of str or bytes."""
        found = self._find(group)
        try:
            return None if found is None else self._read_strings(found, name)
        except CheckpointError:
            raise
        except Exception as error:
            # What h5py raises here depends on the C library's error stack.
            raise _damaged(f"attribute {name!r} cannot be read", error) from error

    def _read_strings(self, found: Any, name: str) -> Any | None:
        key = name.encode()
        if not self._h5py.h5a.exists(found, key):
            return None
        attribute = self._h5py.h5a.open(found, key)
        count = int(np.prod(attribute.shape, dtype=object))
        if count == 0:
            return np.empty(0, dtype=object)
        if self._h5py.check_string_dtype(attribute.dtype) is None or count > _MOST_NAMES:
            raise CheckpointError(f"its attribute {name!r} is no text")
        variable = attribute.get_type().is_variable_str()
        declared = _declared_lengths(self._data, key, count) if variable else [attribute.get_storage_size()]
        if not declared or max(declared) > len(self._data):
            raise CheckpointError(f"it is damaged: attribute {name!r} is longer than the file")
        value = np.empty(attribute.shape, dtype=attribute.dtype)
        attribute.read(value)
        return value

    def _members(self, path: str, limit: int) -> list[str] | None:
        """Names in a group, at most so many, none where it is absent; None for something that is no group."""
        found = self._find(path)
        if found is not None and not isinstance(found, self._h5py.h5g.GroupID):
            return None
        try:
            # The caller refuses a group of this many.
            return [] if found is None else [name.decode() for name in islice(found, limit)]
        except Exception as error:
            raise _damaged(f"the group {path!r} cannot be listed", error) from error

    def _find(self, path: str) -> Any | None:
        """The object of this path, reached by hard links alone."""
        h5py = self._h5py
        try:
            found = self._root.id
            for part in filter(None, path.split("/")):
                key = part.encode()
                if not isinstance(found, h5py.h5g.GroupID) or not found.links.exists(key):
                    return None
                if found.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                    raise CheckpointError(f"{path!r} is a link, perhaps to another file: refused")
                found = h5py.h5o.open(found, key)
            return found
        except CheckpointError:
            raise
        except Exception as error:
            raise _damaged(f"{path!r} cannot be opened", error) from error


def _decoded(name: str, value: bytes | str) -> str:
    try:
        return value if isinstance(value, str) else bytes(value).decode()
    except (UnicodeDecodeError, TypeError) as error:
        raise _damaged(f"attribute {name!r} is no text", error) from error


def _declared_lengths(data: bytes, key: bytes, count: int) -> list[int]:
    """Lengths that the attribute messages of this name declare for their ``count`` texts of variable length.

    The library allocates that much, up to 4 GB, before it notices that the file does not hold it, and has no call to
    ask for it first. Layout: HDF5 File Format Specification 3.0, section IV.A.2.m: name, type and space follow the
    header, padded to 8 bytes in version 1; then come the values, of 16 bytes each, which start with the length. A text
    that is absent has the length 0.
    """
    lengths: list[int] = []
    at = data.find(key + b"\0")
    while at >= 0:
        for version, header, align in ((1, at - 8, 8), (2, at - 8, 1), (3, at - 9, 1)):
            if header < 0 or data[header] != version:
                continue
            sizes = struct.unpack_from("<3H", data, header + 2)
            value = at + sum(-(-size // align) * align for size in sizes)
            if sizes[0] == len(key) + 1 and value + 16 * (count - 1) + 4 <= len(data):
                lengths += (struct.unpack_from("<I", data, value + 16 * number)[0] for number in range(count))
        at = data.find(key + b"\0", at + 1)
    return lengths


def _damaged(what: str, error: Exception) -> CheckpointError:
    return CheckpointError(f"it is damaged: {what} ({error})")

"""Reads text attributes and arrays from an HDF5 file that may be damaged or hostile.

The file is parsed from memory, and nothing in it may make the HDF5 library open another file or allocate more than
the file holds: links other than hard links, external and virtual storage, and filters are refused before the library
follows them. Keras 2 uses none of these.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import Any

import numpy as np

from ghostface_edge.errors import CheckpointError

from .graph import FloatArray
from .requirement import missing_package

"""First bytes of every HDF5 file (HDF5 File Format Specification 3.0, section II.A)."""

_MAX_MEMBERS = 64


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

    def text(self, name: str) -> str | None:
        """A text attribute of the root; None where it is absent."""
        try:
            return self._attribute(name)
        except CheckpointError:
            raise
        except Exception as error:
            # What h5py raises here depends on the C library's error stack.
            raise _damaged(f"attribute {name!r} cannot be read", error) from error

    def arrays(self, group: str) -> tuple[str, ...]:
        """Paths of the data sets in a group and in the groups below it; empty where there is no such group."""
        found: list[str] = []
        waiting = [group]
        for _ in range(_MAX_MEMBERS):
            if not waiting:
                return tuple(found)
            path = waiting.pop()
            members = self._members(path)
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

    def _attribute(self, name: str) -> str | None:
        root, key = self._root.id, name.encode()
        if not self._h5py.h5a.exists(root, key):
            return None
        attribute = self._h5py.h5a.open(root, key)
        if attribute.shape != () or self._h5py.check_string_dtype(attribute.dtype) is None:
            raise CheckpointError(f"its attribute {name!r} is no text")
        variable = attribute.get_type().is_variable_str()
        declared = _declared_lengths(self._data, key) if variable else [attribute.get_storage_size()]
        if not declared or max(declared) > len(self._data):
            raise CheckpointError(f"it is damaged: attribute {name!r} is longer than the file")
        value = np.empty((), dtype=attribute.dtype)
        attribute.read(value)
        return str(value.item().decode())

    def _members(self, path: str) -> list[str] | None:
        """Names in a group, none where it is absent; None for something that is no group."""
        found = self._find(path)
        if found is not None and not isinstance(found, self._h5py.h5g.GroupID):
            return None
        try:
            # The caller refuses a group of this many.
            return [] if found is None else [name.decode() for name in islice(found, _MAX_MEMBERS)]
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


def _declared_lengths(data: bytes, key: bytes) -> list[int]:
    """Lengths that the attribute messages of this name declare for their variable-length text.

    The library allocates that much, up to 4 GB, before it notices that the file does not hold it, and has no call to
    ask for it first. Layout: HDF5 File Format Specification 3.0, section IV.A.2.m: name, type and space follow the
    header, padded to 8 bytes in version 1; then comes the value, which starts with the length.
    """
    lengths: list[int] = []
    at = data.find(key + b"\0")
    while at >= 0:
        for version, header, align in ((1, at - 8, 8), (2, at - 8, 1), (3, at - 9, 1)):
            if header < 0 or data[header] != version:
                continue
            sizes = struct.unpack_from("<3H", data, header + 2)
            value = at + sum(-(-size // align) * align for size in sizes)
            if sizes[0] == len(key) + 1 and value + 4 <= len(data):
                lengths += struct.unpack_from("<I", data, value)
        at = data.find(key + b"\0", at + 1)
    return lengths


def _damaged(what: str, error: Exception) -> CheckpointError:
    return CheckpointError(f"it is damaged: {what} ({error})")

"""Reads ``.keras`` archives, as Keras 3 and the last versions of Keras 2 write them.

A zip file of ``metadata.json``, ``config.json`` and ``model.weights.h5``. Members are read into memory under limits and
are never written to disk, so that a path in the archive has no meaning.
"""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import closing

from ghostface_edge.errors import CheckpointError

from .checkpoint import Checkpoint, named_in_errors, plain_hard_sigmoid
from .hdf5 import Hdf5File
from .keras_config import read_config
from .keras_layers import translate
from .keras_weights import NumberedWeights

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_LIMITS = {_METADATA: 1 << 20, _CONFIG: 16 << 20, _WEIGHTS: 512 << 20}
"""Members that are read, and the most bytes of each. A GhostFaceNetV2's description has about 0.5 MB."""

_MOST_MEMBERS = 1000
_MEMBER = b"PK\x01\x02"
"""Start of a member's entry in the directory of a zip file (APPNOTE.TXT 6.3.10, section 4.3.12)."""


def read_keras_zip(data: bytes, label: str, *, hard_sigmoid: str | None = None) -> Checkpoint:
    """Read a ``.keras`` archive.

    Args:
        data: The whole file.
        label: What to call the file in messages.
        hard_sigmoid: ``keras2`` or ``keras3``: whose ``hard_sigmoid`` is meant, for a file that does not say which
            Keras wrote it.

    Returns:
        The network, as it is in the file.

    Raises:
        CheckpointError: Not such a file, a damaged one, or one that contradicts itself.
        UnsupportedLayerError: A layer that cannot be translated.
        OptionError: ``hard_sigmoid`` does not exist or contradicts the file.
        RuntimeMissingError: The package h5py is not installed.
    """
    with named_in_errors(label):
        members = _members(data)
        rule = plain_hard_sigmoid(_version(members[_METADATA]), hard_sigmoid)
        model = read_config(members[_CONFIG], _CONFIG)
        with closing(Hdf5File(members[_WEIGHTS])) as weights:
            return translate(model, NumberedWeights(weights), rule)


def _members(data: bytes) -> dict[str, bytes]:
    """The contents of the members that are read."""
    if data.count(_MEMBER) > _MOST_MEMBERS:  # before zipfile makes an object of each
        raise CheckpointError(f"the zip file has more than {_MOST_MEMBERS} members")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_names([info.filename for info in infos])
            return {info.filename: _content(archive, info) for info in infos if info.filename in _LIMITS}
    except CheckpointError:
        raise
    except Exception as error:
        # zipfile lets the errors of struct, zlib and others through.
        raise CheckpointError(f"it is damaged: the zip file cannot be read ({error})") from error


def _check_names(names: list[str]) -> None:
    """Refuse what is no Keras archive, by what it holds."""
    if any(name.endswith(("data.pkl", ".pickle")) for name in names):
        raise CheckpointError(
            "it holds pickled Python objects, such as a PyTorch checkpoint: those run code when they are read, and are "
            "refused. Export the network as ONNX"
        )
    for name in _LIMITS:
        if names.count(name) != 1:
            raise CheckpointError(f"it is no Keras archive: it holds {names.count(name)} members {name!r} instead of 1")
    for name in names:
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name:
            raise CheckpointError(f"the zip file has a member {name!r}, which points out of it: refused")


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    name, limit = info.filename, _LIMITS[info.filename]
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise CheckpointError(f"the member {name!r} is encrypted, or compressed in a way that Keras does not use")
    with archive.open(info) as member:
        content = member.read(limit + 1) if info.file_size <= limit else b""
    if info.file_size > limit or len(content) != info.file_size:
        raise CheckpointError(f"the member {name!r} declares {info.file_size} bytes; {limit} are allowed")
    return content


def _version(metadata: bytes) -> str | None:
    """The version of Keras that wrote the archive."""
    try:
        found = json.loads(metadata)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"it is damaged: its {_METADATA} is not JSON ({error})") from error
    version = found.get("keras_version") if isinstance(found, dict) else None
    return version if isinstance(version, str) else None

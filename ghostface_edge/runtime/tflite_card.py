"""The model card inside a ``.tflite`` file: read, sealed and replaced without TensorFlow's schema package.

The card and its seal are two entries of ``Model.metadata`` (schema.fbs of TensorFlow Lite), whose buffers hold:

* ``ghostface_edge.card``: the card as canonical JSON;
* ``ghostface_edge.seal``: 64 hexadecimal digits, the sha256 of the file with these 64 bytes set to zero.

As with ONNX files, the seal is checked before a native parser sees a byte. FlatBuffers layout:
https://flatbuffers.dev/internals.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from ..card import CARD_KEY, SEAL_KEY, ModelCard
from ..errors import ModelCardError, ModelFileError

# Field numbers in schema.fbs
_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_BUFFER_DATA = 0

IDENTIFIER = b"TFL3"
"""At byte 4: FlatBuffers' file identifier of schema.fbs."""

SEAL_LENGTH = 64
_LENGTH = 4  # bytes of an offset, and of the length before a vector

_LONGEST_NAME = 256  # bytes; many entries may share one long name, which must not be read for each of them

ALIGNMENT = 16
"""Of the bytes of a buffer, from the beginning of the file: ``force_align`` in schema.fbs."""


@dataclass(frozen=True)
class _Content:
    """The bytes of a metadata entry: where they lie, and where the offset that leads to them is stored."""

    offset: int
    start: int
    end: int


def is_tflite(data: bytes) -> bool:
    """Whether a file says that it is a TFLite model."""
    return data[4:8] == IDENTIFIER


def seal_tflite(data: bytes) -> bytes:
    """A ``.tflite`` file whose seal is still :data:`SEAL_LENGTH` zero bytes, with the seal filled in."""
    seal = dict(_metadata(data))[SEAL_KEY]
    return data[: seal.start] + hashlib.sha256(data).hexdigest().encode() + data[seal.end :]


def read_tflite_card(data: bytes) -> ModelCard:
    """The card of a ``.tflite`` file, after its seal was checked.

    Raises:
        ModelFileError: Not a TFLite file, or its bytes are not the ones that were sealed.
        ModelCardError: The file has no card, or a senseless one.
    """
    content, _ = _sealed(data)
    try:
        return ModelCard.from_json(data[content.start : content.end].decode())
    except UnicodeDecodeError as error:
        raise ModelCardError(f"the model card is not text: {error}") from error


def write_tflite_card(data: bytes, card: ModelCard) -> bytes:
    """A ``.tflite`` file with this card in the place of the one that it has, sealed anew.

    The card goes to the end of the file, and its buffer's offset is made to lead there. No other byte is moved or
    changed but the seal's; those of a card that lay elsewhere stay behind, out of use. A card that lies at the end is
    replaced there, so that a file does not grow with every new card.

    Raises:
        ModelFileError: Not a TFLite file, its bytes are not the ones that were sealed, or its parts overlap.
        ModelCardError: The file has no card that could be replaced.
    """
    old, seal = _sealed(data)
    kept = data[: old.start - _LENGTH] if old.end == len(data) else data
    text = card.to_json().encode()
    place = len(kept) + -(len(kept) + _LENGTH) % ALIGNMENT
    result = bytearray(kept).ljust(place, b"\0") + struct.pack("<I", len(text)) + text
    # In a file that somebody forged, anything may lie where the card does.
    if max(old.offset + _LENGTH, seal.end) <= len(kept):
        struct.pack_into("<I", result, old.offset, place - old.offset)
        result[seal.start : seal.end] = bytes(SEAL_LENGTH)
        result[seal.start : seal.end] = hashlib.sha256(result).hexdigest().encode()
        written = bytes(result)
        with suppress(ModelFileError, ModelCardError):
            if read_tflite_card(written) == card:
                return written
    raise ModelFileError("the parts of the file overlap, so its card cannot be replaced. Convert its checkpoint again")


def _sealed(data: bytes) -> tuple[_Content, _Content]:
    """Where the card and the seal of a file lie, after the seal was checked."""
    try:
        entries = dict(_metadata(data))
    except (struct.error, UnicodeDecodeError) as error:
        raise ModelFileError(f"the file is damaged or is not a TFLite model: {error}") from error
    if CARD_KEY not in entries or SEAL_KEY not in entries:
        raise ModelCardError(
            "the TFLite model has no model card, so its colour order, input range and alignment are unknown. "
            "Convert its checkpoint with ghostface-edge convert"
        )
    seal = entries[SEAL_KEY]
    length = seal.end - seal.start
    bare = data[: seal.start] + bytes(length) + data[seal.end :]
    if length != SEAL_LENGTH or hashlib.sha256(bare).hexdigest().encode() != data[seal.start : seal.end]:
        raise ModelFileError("the file is damaged: its bytes do not match its seal. Convert or download it again")
    return entries[CARD_KEY], seal


def _metadata(data: bytes) -> Iterator[tuple[str, _Content]]:
    """Names of the metadata entries, and where in the file their bytes lie."""
    model = _at(data, 0)
    buffers = list(_tables(data, _field(data, model, _MODEL_BUFFERS)))
    for entry in _tables(data, _field(data, model, _MODEL_METADATA)):
        name = _field(data, entry, _METADATA_NAME)
        number = _field(data, entry, _METADATA_BUFFER)
        if name is None or number is None:
            continue
        start, end = _bytes(data, name)
        if end - start > _LONGEST_NAME:
            raise struct.error(f"a name in the metadata is longer than {_LONGEST_NAME} bytes")
        (index,) = struct.unpack_from("<I", data, number)
        if index >= len(buffers):
            raise struct.error(f"metadata refers to buffer {index} of {len(buffers)}")
        content = _field(data, buffers[index], _BUFFER_DATA)
        if content is not None:
            yield data[start:end].decode(), _Content(content, *_bytes(data, content))


def _at(data: bytes, position: int) -> int:
    """Where the offset stored at a position leads."""
    (offset,) = struct.unpack_from("<I", data, position)
    return int(position + offset)


def _field(data: bytes, table: int, number: int) -> int | None:
    """Where a field of a table lies, or None where it has its default."""
    (back,) = struct.unpack_from("<i", data, table)
    vtable = table - back
    if vtable < 0:
        raise struct.error("a table lies before the file")
    (size,) = struct.unpack_from("<H", data, vtable)
    if 4 + 2 * number >= size:
        return None
    (offset,) = struct.unpack_from("<H", data, vtable + 4 + 2 * number)
    return table + offset if offset else None


def _tables(data: bytes, field: int | None) -> Iterator[int]:
    if field is None:
        return
    vector = _at(data, field)
    (length,) = struct.unpack_from("<I", data, vector)
    if vector + 4 + 4 * length > len(data):
        raise struct.error("a list is longer than the file")
    for index in range(length):
        yield _at(data, vector + 4 + 4 * index)


def _bytes(data: bytes, field: int) -> tuple[int, int]:
    vector = _at(data, field)
    (length,) = struct.unpack_from("<I", data, vector)
    if vector + 4 + length > len(data):
        raise struct.error("a text is longer than the file")
    return vector + 4, vector + 4 + length

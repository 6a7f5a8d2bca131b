"""The model card that travels inside a model file, and the seal that proves the file undamaged.

In an ONNX file both are entries of ``ModelProto.metadata_props``:

* ``ghostface_edge.card``: the card as canonical JSON;
* ``ghostface_edge.seal``: sha256 of every other byte of the file, the card included.

The seal is checked before any native parser sees a byte, so a damaged file ends in a :class:`ModelFileError` and
not in a crash of the inference runtime. It protects against damage, not against forgery: whoever writes a file can
seal it. Where a file must be the published one, the store pins its sha256.

The card is read and replaced on the protobuf wire format directly (https://protobuf.dev/programming-guides/encoding;
field numbers from onnx/onnx.proto), because a phone or a Pi has no ``onnx`` package and because every byte that is
not the card's must stay what it was.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .errors import ModelCardError, ModelFileError, OptionError, ThresholdError
from .types import ModelIdentity, Threshold

SCHEMA = 1
CARD_KEY = "ghostface_edge.card"
SEAL_KEY = "ghostface_edge.seal"

KINDS = ("embedder", "detector")
LAYOUTS = ("NHWC", "NCHW")
COLOUR_ORDERS = ("RGB", "BGR")
COMPUTES = ("", "float16", "float32")
ARCFACE_ALIGNMENT = "arcface-112"

_MEASURE = "measure it on photos of yours: ghostface-edge calibrate PHOTOS --model FILE --detector D"

_LARGEST_FLOAT32 = 3.4028234e38  # IEEE 754; what a card says of pixels is computed in float32


@dataclass(frozen=True)
class InputSpec:
    """What the network's input tensor wants; the runtime takes pre-processing from here alone.

    A pixel value p in 0..255 enters the network as ``(p - mean) * scale``.

    Attributes:
        height: Rows, or None where the network takes any multiple of 32.
        width: Columns, or None likewise.
        layout: ``NHWC`` or ``NCHW``.
        colour_order: ``RGB`` or ``BGR``.
        mean: Subtracted from every channel, in grey levels.
        scale: Factor after the subtraction.
    """

    height: int | None
    width: int | None
    layout: str
    colour_order: str
    mean: float
    scale: float


@dataclass(frozen=True)
class Source:
    """The file that a model was made from."""

    file: str
    sha256: str
    size: int


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model that its user would otherwise have to know by heart.

    Attributes:
        kind: ``embedder`` or ``detector``.
        model_id: Name of the embedding space; the same for every format and precision of one checkpoint.
        name: What people call the model.
        architecture: Such as ``ghostfacenet-v1-0.5-2`` (version, width, stem stride) or ``yunet``.
        precision: ``float32``, ``float16``, ``int8`` ...
        input: Pre-processing.
        source: The checkpoint that was converted.
        converter: Program and version that wrote the file.
        licence: Terms of the weights, in words.
        alignment: Name of the alignment template (embedders), empty for detectors.
        embedding_size: D (embedders), 0 for detectors.
        thresholds: Measured decision thresholds, per detector and FMR.
        compute: Arithmetic that a file with float16 weights allows: ``float16`` where the processor has it (elsewhere
            float32), or ``float32``; empty where the precision says it all.
    """

    kind: str
    model_id: str
    name: str
    architecture: str
    precision: str
    input: InputSpec
    source: Source
    converter: str
    licence: str
    alignment: str = ""
    embedding_size: int = 0
    thresholds: tuple[Threshold, ...] = field(default=())
    compute: str = ""

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def crop_size(self) -> int:
        """Side in pixels of the square crop that an embedder takes; 0 for detectors."""
        return (self.input.height or 0) if self.kind == "embedder" else 0

    @property
    def arithmetic(self) -> str:
        """Storage and arithmetic, in words, such as ``float16, computed in float16 where the processor can``."""
        how = {"float16": ", computed in float16 where the processor can", "float32": ", computed in float32"}
        return self.precision + how.get(self.compute, "")

    def identity(self, detector: str = "") -> ModelIdentity:
        """The identity that embeddings of this model carry."""
        return ModelIdentity(self.model_id, self.precision, detector)

    def threshold(self, fmr: float, detector: str) -> Threshold:
        """The threshold measured at a false-match rate with a detector.

        Raises:
            ThresholdError: The card holds none; the message lists what it holds.
            OptionError: ``fmr`` is no rate.
        """
        if not (_number(fmr) and 0 < fmr < 1):
            raise OptionError(f"fmr={fmr!r} is not a rate between 0 and 1")
        for entry in self.thresholds:
            if entry.detector == detector and math.isclose(entry.fmr, fmr, rel_tol=1e-6):
                return entry
        known = sorted({entry.fmr for entry in self.thresholds if entry.detector == detector}, reverse=True)
        if known:
            rates = ", ".join(f"{rate:g}" for rate in known)
            raise ThresholdError(
                f"model {self.name!r} has no threshold at FMR {fmr:g} with detector {detector!r}; it has FMR {rates}. "
                f"Ask for one of these, state a similarity threshold of your own, or {_MEASURE}"
            )
        others = sorted({entry.detector for entry in self.thresholds})
        held = f" (only for {', '.join(others)})" if others else ", nor for any other"
        raise ThresholdError(
            f"model {self.name!r} in {self.precision} has no thresholds for detector {detector!r}{held}. State a "
            f"similarity threshold of your own, or {_MEASURE}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        result: dict[str, Any] = {"schema": SCHEMA}
        for item in fields(self):
            value = getattr(self, item.name)
            result[item.name] = dict(vars(value)) if isinstance(value, (InputSpec, Source)) else value
        result["thresholds"] = [entry.to_dict() for entry in self.thresholds]
        if not self.compute:  # versions that do not know the field refuse it
            del result["compute"]
        return result

    def to_json(self) -> str:
        """Canonical JSON, in ASCII: the same card gives the same bytes."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Parse and check a card.

        Raises:
            ModelCardError: Not JSON, an unknown schema, a missing, unknown or senseless field.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelCardError(f"the model card is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise ModelCardError("the model card is not a JSON object")
        schema = values.pop("schema", None)
        if schema != SCHEMA:
            raise ModelCardError(
                f"model card schema {schema!r} is not {SCHEMA}: the file needs another version of this package"
            )
        try:
            values["input"] = InputSpec(**values["input"])
            values["source"] = Source(**values["source"])
            values["thresholds"] = tuple(Threshold(**entry) for entry in values["thresholds"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ModelCardError(f"the model card has a missing or unknown field: {error}") from error

    def with_thresholds(self, thresholds: tuple[Threshold, ...]) -> ModelCard:
        """The same card with other thresholds."""
        return replace(self, thresholds=thresholds)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ModelCardError(f"the model card is not valid: {what}")


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST_FLOAT32


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _validate(card: ModelCard) -> None:
    texts = ("kind", "model_id", "name", "architecture", "precision", "converter", "licence", "alignment", "compute")
    for name in texts:
        _require(isinstance(getattr(card, name), str), f"{name} is not text")
    _require(card.kind in KINDS, f"kind {card.kind!r} is none of {', '.join(KINDS)}")
    _require(bool(card.model_id), "model_id is empty")
    _require(card.compute in COMPUTES, f"compute {card.compute!r} is none of {', '.join(COMPUTES[1:])}")
    spec = card.input
    for name in ("height", "width"):
        size = getattr(spec, name)
        _require(size is None or (_count(size) and 1 <= size <= 4096), f"input {name} {size!r} is not a size")
    _require(spec.layout in LAYOUTS, f"layout {spec.layout!r} is none of {', '.join(LAYOUTS)}")
    _require(
        spec.colour_order in COLOUR_ORDERS, f"colour_order {spec.colour_order!r} is none of {', '.join(COLOUR_ORDERS)}"
    )
    _require(_number(spec.mean) and _number(spec.scale) and spec.scale != 0, "mean and scale are not numbers")
    _require(_count(card.embedding_size), "embedding_size is not a count")
    if card.kind == "embedder":
        _require(card.alignment == ARCFACE_ALIGNMENT, f"alignment {card.alignment!r} is not {ARCFACE_ALIGNMENT!r}")
        _require(card.embedding_size > 0, "an embedder needs an embedding_size")
        _require(spec.height is not None and spec.height == spec.width, "an embedder needs a fixed, square input")
    source = card.source
    _require(
        isinstance(source.file, str) and isinstance(source.sha256, str) and _count(source.size), "source is not valid"
    )
    for entry in card.thresholds:
        _require(_number(entry.fmr) and 0 < entry.fmr < 1, f"threshold FMR {entry.fmr!r} is not between 0 and 1")
        _require(
            _number(entry.similarity) and -1 <= entry.similarity <= 1, f"threshold {entry.similarity!r} is no cosine"
        )
        _require(_number(entry.fnmr) and 0 <= entry.fnmr <= 1, f"threshold FNMR {entry.fnmr!r} is no rate")
        _require(_count(entry.impostor_pairs) and _count(entry.genuine_pairs), "threshold pair counts are not counts")
        _require(isinstance(entry.detector, str) and isinstance(entry.dataset, str), "threshold names are not text")
        _require(
            entry.people is None or (_count(entry.people) and entry.people >= 2),
            f"threshold people {entry.people!r} are not two or more",
        )
        _require(
            entry.fmr_high is None or (_number(entry.fmr_high) and 0 <= entry.fmr_high <= 1),
            f"threshold fmr_high {entry.fmr_high!r} is no rate",
        )
        low, high = entry.similarity_low, entry.similarity_high
        if low is not None or high is not None:
            _require(
                low is not None and high is not None and _number(low) and _number(high) and -1 <= low <= high <= 1,
                f"threshold interval {low!r} to {high!r} is not one of cosines",
            )


# ---------------------------------------------------------------------------------------------------------------
# The protobuf wire format, as far as an ONNX file needs it.

_MODEL_METADATA = 14
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14

_NESTED: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
}
"""The fields of each message on every way from the model to a tensor, and what they hold."""

_DEEPEST = 28  # messages within messages; eight subgraphs within each other fit

_LENGTH_DELIMITED = 2


@dataclass(frozen=True)
class _Record:
    """One field of a message: its number, its whole extent, and the extent of its payload."""

    number: int
    wire_type: int
    start: int
    payload: int
    end: int


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ModelFileError("the file is damaged or is not an ONNX model: a protobuf number is cut short")


def _records(data: bytes, start: int, end: int) -> Iterator[_Record]:
    position = start
    while position < end:
        key, payload = _varint(data, position, end)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            _, stop = _varint(data, payload, end)
        elif wire_type == 1:
            stop = payload + 8
        elif wire_type == _LENGTH_DELIMITED:
            length, payload = _varint(data, payload, end)
            stop = payload + length
        elif wire_type == 5:
            stop = payload + 4
        else:
            raise ModelFileError(f"the file is damaged or is not an ONNX model: protobuf wire type {wire_type}")
        if number == 0 or stop > end:
            raise ModelFileError("the file is damaged or is not an ONNX model: a protobuf field is cut short")
        yield _Record(number, wire_type, position, payload, stop)
        position = stop


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _encode_bytes(number: int, payload: bytes) -> bytes:
    return _encode_varint(number << 3 | _LENGTH_DELIMITED) + _encode_varint(len(payload)) + payload


def _metadata_record(key: str, value: str) -> bytes:
    return _encode_bytes(_MODEL_METADATA, _encode_bytes(1, key.encode()) + _encode_bytes(2, value.encode()))


def _text(data: bytes, record: _Record) -> str:
    try:
        return data[record.payload : record.end].decode()
    except UnicodeDecodeError as error:
        raise ModelFileError("the file is damaged: its metadata is not text") from error


def _metadata(data: bytes) -> list[tuple[_Record, str, str]]:
    """The ``metadata_props`` of an ONNX file, with where each one lies."""
    found = []
    for record in _records(data, 0, len(data)):
        if record.number == _MODEL_METADATA and record.wire_type == _LENGTH_DELIMITED:
            entry = {1: "", 2: ""}
            for part in _records(data, record.payload, record.end):
                if part.wire_type == _LENGTH_DELIMITED and part.number in entry:
                    entry[part.number] = _text(data, part)
            found.append((record, entry[1], entry[2]))
    return found


def _without(data: bytes, keys: tuple[str, ...]) -> bytes:
    """The file without the metadata entries of these names; every other byte as it was."""
    kept, position = [], 0
    for record, key, _ in _metadata(data):
        if key in keys:
            kept.append(data[position : record.start])
            position = record.end
    kept.append(data[position:])
    return b"".join(kept)


def _seal(data: bytes) -> str:
    return hashlib.sha256(_without(data, (SEAL_KEY,))).hexdigest()


def write_card(data: bytes, card: ModelCard) -> bytes:
    """An ONNX file with this card in it, sealed; a card that it had before is replaced.

    Raises:
        ModelFileError: ``data`` is not an ONNX file.
    """
    bare = _without(data, (CARD_KEY, SEAL_KEY)) + _metadata_record(CARD_KEY, card.to_json())
    return bare + _metadata_record(SEAL_KEY, _seal(bare))


def read_card(data: bytes) -> ModelCard:
    """The card of an ONNX file, after its seal was checked.

    Raises:
        ModelFileError: Not an ONNX file, or its bytes are not the ones that were sealed.
        ModelCardError: The file has no card, or a senseless one.
    """
    entries: Mapping[str, str] = {key: value for _, key, value in _metadata(data)}
    if SEAL_KEY not in entries and CARD_KEY not in entries:
        raise ModelCardError(
            "the model has no model card, so its colour order, input range and alignment are unknown. "
            "Add one: ghostface-edge card add MODEL --help"
        )
    if entries.get(SEAL_KEY) != _seal(data):
        raise ModelFileError("the file is damaged: its bytes do not match its seal. Convert or download it again")
    if CARD_KEY not in entries:
        raise ModelCardError("the model is sealed but has no model card. Convert it again")
    return ModelCard.from_json(entries[CARD_KEY])


def refuse_external_data(data: bytes) -> None:
    """Refuse an ONNX file whose tensors lie in other files: a path from a file is never trusted.

    Raises:
        ModelFileError: A tensor refers to external data, or the file is damaged.
    """
    _scan(data, "model", 0, len(data), depth=0)


def _scan(data: bytes, kind: str, start: int, end: int, depth: int) -> None:
    if depth > _DEEPEST:
        raise ModelFileError("the model nests its subgraphs too deep")
    for record in _records(data, start, end):
        inner = _NESTED.get(kind, {}).get(record.number)
        if inner is not None and record.wire_type == _LENGTH_DELIMITED:
            _scan(data, inner, record.payload, record.end, depth + 1)
        elif kind == "tensor":
            elsewhere = record.number == _TENSOR_DATA_LOCATION and data[record.payload : record.end] != b"\0"
            if elsewhere or record.number == _TENSOR_EXTERNAL_DATA:
                raise ModelFileError(
                    "the model keeps tensors in other files, which is refused; save it as a single file"
                )

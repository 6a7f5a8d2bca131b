"""Another card in a .tflite file: the network's bytes, offsets and answers stay, by LiteRT and by its own schema."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ghostface_edge.converters import convert
from ghostface_edge.runtime.litert import LiteRTSession
from ghostface_edge.runtime.tflite_card import read_tflite_card, write_tflite_card
from ghostface_edge.types import Threshold

for package in ("ai_edge_litert", "h5py", "onnx"):
    pytest.importorskip(package)

THRESHOLDS = tuple(
    Threshold(fmr, 0.31, "yunet", 0.06, 1000, 200, "people of ours", 40, 2 * fmr, 0.29, 0.34) for fmr in (1e-2, 1e-3)
)


@pytest.fixture(scope="module", params=["float32", "float16", "dynamic", "int8", "yunet"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file as the converter writes it."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "yunet":
        yunet_like: ModuleType = request.getfixturevalue("yunet_like")
        source = folder / "yunet.onnx"
        source.write_bytes(yunet_like.yunet().SerializeToString())
        return convert(source, folder / "out", to="tflite").path.read_bytes()
    if request.param == "int8":  # of the official checkpoint alone do we ship statistics
        source = request.getfixturevalue("shared") / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    else:
        source = request.getfixturevalue("small_checkpoint")
    return convert(source, folder, to="tflite", precision=request.param, gate="off").path.read_bytes()


def unpacked(data: bytes) -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated.ModelT.InitFromPackedBuf(data, 0)


def contents(model: Any) -> dict[bytes, bytes]:
    return {entry.name: bytes(model.buffers[entry.buffer].data) for entry in model.metadata}


def plain(value: Any) -> Any:
    """A table of the schema as plain values, to compare whole files."""
    if isinstance(value, (list, np.ndarray)):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {key: plain(item) for key, item in vars(value).items()}
    return value


def outputs(data: bytes) -> list[np.ndarray]:
    session = LiteRTSession(data, threads=1, name="net.tflite")
    spec = session.card.input
    shape = (3, spec.height or 96, spec.width or 64, 3)
    pixels = np.random.default_rng(4).integers(0, 256, shape).astype(np.float32)
    return list(session.run((pixels - np.float32(spec.mean)) * np.float32(spec.scale)))


def test_all_but_the_card_and_the_seal_stays(original: bytes) -> None:
    card = read_tflite_card(original).with_thresholds(THRESHOLDS)
    written = write_tflite_card(original, card)
    assert read_tflite_card(written) == card

    # byte by byte: the seal's 64 and the four of one offset
    differ = [index for index, (a, b) in enumerate(zip(original, written)) if a != b]
    seal = written.index(contents(unpacked(written))[b"ghostface_edge.seal"])
    others = [index for index in differ if not seal <= index < seal + 64]
    assert len(written) > len(original)
    assert max(others) - min(others) < 4

    # by the package of the schema: every table and every buffer but those two
    before, after = unpacked(original), unpacked(written)
    assert contents(after)[b"ghostface_edge.card"].decode() == card.to_json()
    assert (
        hashlib.sha256(written[:seal] + bytes(64) + written[seal + 64 :]).hexdigest().encode()
        == (contents(after)[b"ghostface_edge.seal"])
    )
    for model in (before, after):
        for entry in model.metadata:
            if entry.name in (b"ghostface_edge.card", b"ghostface_edge.seal"):
                model.buffers[entry.buffer].data = None
    assert plain(after) == plain(before)

    # as the schema wants it: force_align, from the beginning of the file
    model = unpacked(written)
    start = np.frombuffer(written, np.uint8).ctypes.data
    assert all((buffer.data.ctypes.data - start) % 16 == 0 for buffer in model.buffers[1:])


def test_the_network_answers_as_before(original: bytes) -> None:
    written = write_tflite_card(original, read_tflite_card(original).with_thresholds(THRESHOLDS))
    for a, b in zip(outputs(original), outputs(written)):
        np.testing.assert_array_equal(a, b)


def test_a_file_does_not_grow_with_every_card(original: bytes) -> None:
    old = read_tflite_card(original)
    new = old.with_thresholds(THRESHOLDS)
    once = write_tflite_card(original, new)
    longer = write_tflite_card(once, replace(new, licence="long " * 200))
    assert write_tflite_card(longer, new) == once
    assert write_tflite_card(once, new) == once
    back = write_tflite_card(once, old)
    assert read_tflite_card(back) == old
    assert len(back) <= len(original) + 16 + len(old.to_json())


def test_tables_and_tensors_that_other_programs_wrote_stay(original: bytes) -> None:
    """The file as the schema's package packs it again: another order of the parts, the card in another place."""
    import flatbuffers

    model = unpacked(original)
    for entry in model.metadata:
        if entry.name == b"ghostface_edge.seal":
            model.buffers[entry.buffer].data = np.zeros(64, np.uint8)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    bare = bytes(builder.Output())
    start = bare.index(struct.pack("<I", 64) + bytes(64)) + 4
    packed = bare[:start] + hashlib.sha256(bare).hexdigest().encode() + bare[start + 64 :]
    card = read_tflite_card(packed).with_thresholds(THRESHOLDS)
    written = write_tflite_card(packed, card)
    assert read_tflite_card(written) == card
    assert contents(unpacked(written))[b"ghostface_edge.card"].decode() == card.to_json()

"""Another card in small .tflite files, good, damaged and forged."""

from __future__ import annotations

import hashlib
import importlib.util
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.card import ModelCard
from ghostface_edge.errors import ModelCardError, ModelError, ModelFileError
from ghostface_edge.runtime.opening import read_model_card, replace_model_card
from ghostface_edge.runtime.tflite_card import read_tflite_card, seal_tflite, write_tflite_card
from ghostface_edge.types import Threshold

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="LiteRT is missing: pip install ghostface-edge[litert]"
)

WEIGHTS = np.random.default_rng(5).normal(size=(4, 12)).astype(np.float32)
MEASURED = (Threshold(1e-3, 0.25, "yunet", 0.06, 3000, 300, "LFW"),)


@pytest.fixture
def card(make_card: Any) -> ModelCard:
    return make_card(embedding_size=4, input_height=2, input_width=2)


@pytest.fixture
def dense(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from tflite_fixture import dense_model

    return dense_model(WEIGHTS, card=card.to_json(), inputs=("FLOAT32",), outputs=("FLOAT32",))


def test_one_function_for_both_formats(dense: bytes, card: ModelCard, make_linear: Any) -> None:
    new = card.with_thresholds(MEASURED)
    for data in (dense, make_linear(WEIGHTS.T, input_height=2, input_width=2)):
        written = replace_model_card(data, new, "m")
        assert read_model_card(written, "m") == new
        assert replace_model_card(written, new, "m") == written
        damaged = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
        with pytest.raises(ModelFileError, match=r"^m: the file is damaged"):
            replace_model_card(damaged, new, "m")


def test_a_file_without_a_card_gets_none(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from tflite_fixture import dense_model

    bare = dense_model(WEIGHTS, card=None, inputs=("FLOAT32",), outputs=("FLOAT32",))
    with pytest.raises(ModelCardError, match="has no model card, so its colour order"):
        write_tflite_card(bare, card)


def test_damage_is_not_sealed(dense: bytes, card: ModelCard) -> None:
    """Flips, cuts and insertions anywhere: our error, and never a new seal over them."""
    for index in range(900):
        rng = np.random.default_rng(index)
        data = dense if index % 2 else write_tflite_card(dense, card.with_thresholds(MEASURED))
        mutant = bytearray(data)
        position = int(rng.integers(len(data)))
        if index % 3 == 0:
            mutant[position] ^= int(rng.integers(1, 256))
        elif index % 3 == 1:
            del mutant[position:]
        else:
            mutant[position:position] = rng.bytes(int(rng.integers(1, 9)))
        with pytest.raises(ModelError):
            write_tflite_card(bytes(mutant), card)


def test_a_name_without_end(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many entries may share one long name, whose reading for each of them would take hours."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import tflite_fixture

    for length, error in ((256, ModelCardError), (257, ModelFileError)):
        monkeypatch.setattr(tflite_fixture, "CARD", "c" * length)
        data = tflite_fixture.dense_model(WEIGHTS, card=card.to_json(), inputs=("FLOAT32",), outputs=("FLOAT32",))
        with pytest.raises(error, match="no model card" if error is ModelCardError else "longer than 256 bytes"):
            read_tflite_card(data)


def forged(data: bytes, changes: dict[int, int]) -> bytes:
    """Words of a file replaced, and the file sealed anew as anybody can, wherever its seal then lies."""
    mutant = bytearray(data)
    for position, value in changes.items():
        struct.pack_into("<I", mutant, position, value & 0xFFFFFFFF)
    seal = data.index(hashlib.sha256(unsealed(data)).hexdigest().encode())
    mutant[seal : seal + 64] = bytes(64)
    return seal_tflite(bytes(mutant))


def unsealed(data: bytes) -> bytes:
    """The file with zeros for a seal: the one run of 64 digits whose removal gives that hash."""
    for start in range(len(data) - 64):
        if data[start - 4 : start] == b"\x40\0\0\0":
            bare = data[:start] + bytes(64) + data[start + 64 :]
            if hashlib.sha256(bare).hexdigest().encode() == data[start : start + 64]:
                return bare
    raise AssertionError("there is no seal")


def test_forged_structure_with_a_good_seal_gives_a_card_or_our_error(dense: bytes, card: ModelCard) -> None:
    """Words of the tables replaced and the file sealed again: what comes out holds the card, or nothing comes out."""
    new = card.with_thresholds(MEASURED)
    written = refused = 0
    for index in range(1500):
        rng = np.random.default_rng(index)
        data = write_tflite_card(dense, card) if index % 2 else dense
        word = int(rng.integers(len(data) // 4)) * 4
        value = int(rng.choice([0, 1, 4, 16, 64, len(data) - word, -4, -word, int(rng.integers(1 << 32))]))
        try:
            mutant = forged(data, {word: value})
            read_tflite_card(mutant)
        except (ModelError, struct.error, UnicodeDecodeError, KeyError):  # of the forger's own work
            continue
        try:
            again = write_tflite_card(mutant, new)
        except ModelFileError:
            refused += 1
            continue
        assert read_tflite_card(again) == new
        written += 1
    assert written > 300


def test_a_card_in_the_place_of_the_seal(dense: bytes, card: ModelCard) -> None:
    """Both names lead to one buffer: there is no way to write one without the other."""
    once = write_tflite_card(dense, card)
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(once, 0)
    numbers = {entry.name: entry.buffer for entry in model.metadata}
    position = once.index(struct.pack("<I", numbers[b"ghostface_edge.card"]), 8)
    found = []
    while position > 0:
        try:
            mutant = forged(once, {position: numbers[b"ghostface_edge.seal"]})
            read = read_tflite_card(mutant)
        except (ModelError, struct.error, KeyError, UnicodeDecodeError) as error:
            found.append(type(error))
        else:
            assert read == card
        position = once.find(struct.pack("<I", numbers[b"ghostface_edge.card"]), position + 1)
    assert ModelCardError in found  # 64 digits are no card

"""Model files, good, damaged and forged, and what Python says of them.

A forged file is one whose seal was made anew after a change, as anybody can: only the parser stands between it and the
inference runtime.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import network
import numpy as np
import onnx
from packing import packed

from ghostface_edge.card import CARD_KEY, SEAL_KEY, ModelCard, refuse_external_data, write_card
from ghostface_edge.converters.graph import Conv, Flatten, Graph, Input
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.errors import ModelCardError, ModelFileError
from ghostface_edge.runtime.opening import load_session, read_model_card
from ghostface_edge.runtime.session import naming
from ghostface_edge.runtime.tflite_card import SEAL_LENGTH, is_tflite

NAME = "m"
MUTANTS = 300


def vectors() -> dict[str, Any]:
    """Two small files; others made of them by hand; and changes of theirs under a new seal."""
    card = network.card("float32")
    bare: bytes = write_onnx(_graph(), card.converter)
    data = write_card(bare, card)
    lite: bytes = write_tflite(_graph(), replace(card, precision="float16"))
    made, unfit = list(_made(bare, data, lite, card)), list(_unfit(card))
    return {
        "onnx": packed(data),
        "tflite": packed(lite),
        "made": [{"what": what, "size": len(file), **_fault(file)} for what, file in made],
        "seals": {"onnx": _seal(data), "tflite": _seal(lite)},
        "unfit": [{"what": what, "size": len(file), "fault": _refusal(file)} for what, file in unfit],
        "files": packed(b"".join(file for _, file in (*made, *unfit))),  # in one piece: they are much alike
        "failing": packed(write_card(_network((None, 3), (7, 3)), card)),
        "forged": {"onnx": _forged(data), "tflite": _forged(lite)},
    }


def _graph() -> Graph:
    kernel = np.arange(3 * network.EMBEDDING_SIZE, dtype=np.float32).reshape(1, 1, 3, -1) / 128
    nodes = (Input("input", (), 1, 1, 3), Conv("conv", ("input",), kernel, None), Flatten("embedding", ("conv",)))
    return Graph(nodes, ("embedding",))


def _made(bare: bytes, data: bytes, lite: bytes, card: ModelCard) -> Iterator[tuple[str, bytes]]:
    yield "good", data
    yield "good, TFLite", lite
    yield "no card", bare
    yield "no card, TFLite", _sealed(lite.replace(CARD_KEY.encode(), b"ghostface_edge.cars"), _seal(lite))
    yield "a card without a seal", data[: _seal(data)]
    yield "a seal without a card", bare + _entry(SEAL_KEY, hashlib.sha256(bare).hexdigest())
    yield "another seal", data.replace(b"NHWC", b"NCHW")
    yield "another seal, TFLite", lite.replace(b"NHWC", b"NCHW")
    yield "a senseless card", _sealed(data.replace(b"NHWC", b"nhwc"), _seal(data))
    yield "a senseless card, TFLite", _sealed(lite.replace(b"NHWC", b"nhwc"), _seal(lite))
    yield "a card that is not text", _sealed(data.replace(b"NHWC", b"\xffHWC"), _seal(data))
    yield "a card that is not text, TFLite", _sealed(lite.replace(b"NHWC", b"\xffHWC"), _seal(lite))
    yield "two cards", write_card(bare + _entry(CARD_KEY, "{}"), card)
    yield "no model", b"This is a text."
    yield "a web page", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
    yield "a zip file", b"PK\x03\x04" + bytes(60)
    yield "zeros", bytes(64)
    yield "eight bytes of TFLite", lite[:8]
    strange = b"\xd0\x0f\x96\x01" + b"\xd9\x0f" + b"8" * 8 + b"\xdd\x0f" + b"4" * 4 + b"\xd2\x0f\x02ab"
    yield "fields of other versions", write_card(strange + bare + strange + _entry("author", "né"), card)
    yield "a group", write_card(bare, card) + b"\x0b\x0c"
    yield "a field number of 0", write_card(bare, card) + b"\x00\x01"
    yield "a length beyond the file", write_card(bare, card) + b"\x72" + b"\xff" * 4 + b"\x07"
    yield "a length beyond 63 bits", write_card(bare, card) + b"\x72" + b"\xff" * 9 + b"\x01"
    yield "an endless number", write_card(bare, card) + b"\x08" + b"\xff" * 12
    yield from ((what, write_card(model.SerializeToString(), card)) for what, model in _elsewhere(bare))
    for deep in (8, 12):
        yield f"{deep} subgraphs within each other", write_card(_nested(bare, deep).SerializeToString(), card)


def _elsewhere(bare: bytes) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Tensors that lie in other files, wherever a model can hold one."""
    helper = onnx.helper

    def tensor() -> onnx.TensorProto:
        result = helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
        result.ClearField("float_data")
        result.data_location = onnx.TensorProto.EXTERNAL
        result.external_data.add(key="location", value="../../etc/passwd")
        return result

    model = onnx.load_model_from_string(bare)
    model.graph.initializer.append(tensor())
    yield "an initializer elsewhere", model
    model.graph.initializer[-1].ClearField("external_data")
    yield "an initializer elsewhere, nobody says where", model
    model = onnx.load_model_from_string(bare)
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor()))
    yield "a constant elsewhere", model
    model = onnx.load_model_from_string(bare)
    model.graph.sparse_initializer.add().values.CopyFrom(tensor())
    yield "a sparse initializer elsewhere", model
    model = onnx.load_model_from_string(bare)
    inner = helper.make_graph([], "inner", [], [], [tensor()])
    model.graph.node.append(helper.make_node("If", ["b"], ["c"], then_branch=inner, else_branch=inner))
    yield "a subgraph's elsewhere", model
    model = onnx.load_model_from_string(bare)
    constant = helper.make_node("Constant", [], ["c"], value=tensor())
    model.functions.append(helper.make_function("d", "f", [], ["c"], [constant], [helper.make_opsetid("", 17)]))
    yield "a function's elsewhere", model
    model = onnx.load_model_from_string(bare)
    model.training_info.add().initialization.initializer.append(tensor())
    yield "a training graph's elsewhere", model


def _nested(bare: bytes, deep: int) -> onnx.ModelProto:
    graph = onnx.helper.make_graph([], "inner", [], [])
    for _ in range(deep):
        node = onnx.helper.make_node("If", ["b"], ["c"])
        node.attribute.append(onnx.helper.make_attribute("then_branch", graph))
        graph = onnx.helper.make_graph([node], "inner", [], [])
    model = onnx.load_model_from_string(bare)
    model.graph.node.extend(graph.node)
    return model


def _unfit(card: ModelCard) -> Iterator[tuple[str, bytes]]:
    """Sound files that are no face network."""
    yield "batches of 2", write_card(_network((2, 3), (2, 3)), card)
    yield "no batch", write_card(_network((), (1, 1)), card)
    yield "integers in and out", write_card(_network((1, 3), (1, 3), onnx.TensorProto.INT64), card)
    yield "two inputs", write_card(_network((1, 3), (1, 3), inputs=2), card)
    yield "nonsense", write_card(b"\x0a\x03abc", card)
    yield "an operator that does not exist", write_card(_network((1, 3), (1, 3), operator="Reshapely"), card)


def _network(
    shape: tuple[int | None, ...],
    made: tuple[int, int],
    kind: int = onnx.TensorProto.FLOAT,
    *,
    inputs: int = 1,
    operator: str = "Reshape",
) -> bytes:
    """A network that only lays its input out in another shape."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node(operator, ["input0", "shape"], ["output"])],
        "g",
        [helper.make_tensor_value_info(f"input{number}", kind, shape) for number in range(inputs)],
        [helper.make_tensor_value_info("output", kind, [None, None])],
        [helper.make_tensor("shape", onnx.TensorProto.INT64, [2], made)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def _refusal(data: bytes) -> str:
    """What Python says when it opens the file, up to what ONNX Runtime reports."""
    try:
        load_session(data, NAME, threads=1)
    except ModelFileError as error:
        general = f"ONNX Runtime cannot load {NAME}"
        return general if str(error).startswith(general) else str(error)
    raise ValueError("it opens")


def _forged(data: bytes) -> dict[str, list[list[Any]]]:
    """Four bytes of the file replaced, and the file sealed anew: by class of the error or none, position and bytes."""
    random = np.random.default_rng(13)
    seal = _seal(data)
    found: dict[str, list[list[Any]]] = {}
    for _ in range(MUTANTS):
        at = int(random.integers(0, len(data) - 4))
        (old,) = struct.unpack_from("<I", data, at)
        numbers = (
            old ^ 1 << int(random.integers(32)),
            0,
            1,
            4,
            len(data) - at,
            0xFFFFFFFF,
            int(random.integers(1 << 32)),
        )
        new = struct.pack("<I", int(random.choice(numbers)))
        if at + 4 <= seal or (is_tflite(data) and at >= seal + SEAL_LENGTH):
            forged = _sealed(data[:at] + new + data[at + 4 :], seal)
            found.setdefault(_fault(forged).get("error", ""), []).append([at, new.hex()])
    return found


def _seal(data: bytes) -> int:
    """Where the seal begins: in an ONNX file the last entry of the metadata, in a TFLite file 64 digits."""
    if not is_tflite(data):
        return data.rindex(_entry(SEAL_KEY, "0" * SEAL_LENGTH)[:-SEAL_LENGTH])
    found = re.search(rb"\x40\0\0\0[0-9a-f]{64}", data)
    if found is None:
        raise ValueError("there is no seal")
    return found.start() + 4


def _sealed(data: bytes, seal: int) -> bytes:
    """A changed file with a seal that fits, where the seal was."""
    if not is_tflite(data):
        return data[:seal] + _entry(SEAL_KEY, hashlib.sha256(data[:seal]).hexdigest())
    bare = data[:seal] + bytes(SEAL_LENGTH) + data[seal + SEAL_LENGTH :]
    return data[:seal] + hashlib.sha256(bare).hexdigest().encode() + data[seal + SEAL_LENGTH :]


def _entry(key: str, value: str) -> bytes:
    """A short entry of an ONNX file's metadata: field 14, with key and value as its fields 1 and 2."""
    parts = b"".join(
        bytes([number << 3 | 2, len(text.encode())]) + text.encode() for number, text in enumerate((key, value), 1)
    )
    return bytes([14 << 3 | 2, len(parts)]) + parts


def _fault(data: bytes) -> dict[str, str]:
    """Class of the error, and its message up to what a library below reports; empty where there is none."""
    try:
        read_model_card(data, NAME)
        if not is_tflite(data):
            with naming(NAME):
                refuse_external_data(data)
    except (ModelFileError, ModelCardError) as error:
        message = str(error)
        for general in ("the model card is not text", "the file is damaged or is not a TFLite model"):
            message = message[: message.find(general) + len(general)] if general in message else message
        return {"error": type(error).__name__, "message": message}
    return {}

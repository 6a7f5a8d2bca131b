"""The card in a model file: every field checked, the bytes around it untouched, the seal unforgiving."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ghostface_edge.card import (
    CARD_KEY,
    SEAL_KEY,
    ModelCard,
    Source,
    read_card,
    refuse_external_data,
    write_card,
)
from ghostface_edge.errors import ModelCardError, ModelError, ModelFileError, OptionError, ThresholdError
from ghostface_edge.models import ModelStore
from ghostface_edge.types import ModelIdentity, Threshold

MakeCard = Callable[..., ModelCard]

THRESHOLDS = (
    Threshold(1e-3, 0.31, "yunet", 0.06, 1000, 200, "LFW"),
    Threshold(1e-4, 0.42, "yunet", 0.10, 1000, 200, "LFW"),
    Threshold(1e-2, 0.25, "scrfd", 0.03, 1000, 200, "LFW"),
)


@pytest.fixture
def card(make_card: MakeCard) -> ModelCard:
    return make_card(name="né", licence="MIT", thresholds=THRESHOLDS)


# ----------------------------------------------------------------------------------------------------------------
# The card as JSON


def test_canonical_json_by_hand(make_card: MakeCard) -> None:
    card = make_card(name="né", thresholds=THRESHOLDS[2:], source=Source("a.h5", "ab", 12))
    assert card.to_json() == (
        '{"alignment":"arcface-112","architecture":"linear","converter":"tests","embedding_size":16,'
        '"input":{"colour_order":"RGB","height":112,"layout":"NHWC","mean":127.5,"scale":0.0078125,"width":112},'
        '"kind":"embedder","licence":"none","model_id":"linear-1","name":"n\\u00e9","precision":"float32","schema":1,'
        '"source":{"file":"a.h5","sha256":"ab","size":12},"thresholds":[{"dataset":"LFW","detector":"scrfd",'
        '"fmr":0.01,"fnmr":0.03,"genuine_pairs":200,"impostor_pairs":1000,"similarity":0.25}]}'
    )


def test_json_and_back(card: ModelCard) -> None:
    assert ModelCard.from_json(card.to_json()) == card
    assert ModelCard.from_json(card.to_json()).to_json() == card.to_json()
    assert ModelCard.from_json(json.dumps(card.to_dict(), indent=4)) == card


FULL = Threshold(1e-3, 0.31, "yunet", 0.06, 1000, 200, "LFW", 40, 0.004, 0.29, 0.34)


def test_what_is_known_of_a_threshold(make_card: MakeCard) -> None:
    card = make_card(thresholds=(FULL,))
    (written,) = json.loads(card.to_json())["thresholds"]
    assert written == {
        "fmr": 0.001,
        "similarity": 0.31,
        "detector": "yunet",
        "fnmr": 0.06,
        "impostor_pairs": 1000,
        "genuine_pairs": 200,
        "dataset": "LFW",
        "people": 40,
        "fmr_high": 0.004,
        "similarity_low": 0.29,
        "similarity_high": 0.34,
    }
    assert ModelCard.from_json(card.to_json()) == card
    with pytest.raises(ModelCardError, match="not one of cosines"):
        make_card(thresholds=(dataclasses.replace(FULL, similarity_low=0.34, similarity_high=0.29),))


def test_what_is_unknown_of_a_threshold_leaves_no_trace(card: ModelCard) -> None:
    values = card.to_dict()
    for name in ("people", "fmr_high", "similarity_low", "similarity_high"):
        assert name not in values["thresholds"][0]
        values["thresholds"][0][name] = None
    assert ModelCard.from_json(json.dumps(values)).to_json() == card.to_json()


def changed(card: ModelCard, path: str, value: Any) -> str:
    """The card as JSON with one field at a path such as ``input.height`` replaced."""
    values = card.to_dict()
    inner: Any = values
    *way, last = path.split(".")
    for step in way:
        inner = inner[int(step) if step.isdigit() else step]
    inner[last] = value
    return json.dumps(values)


TEXTS = ("kind", "model_id", "name", "architecture", "precision", "converter", "licence", "alignment")
BAD_NUMBERS = (None, "1", True, math.nan, math.inf, -math.inf, 10**400, [1])
BAD_COUNTS = (None, "1", True, -1, 1.0, math.nan)
SENSELESS = [
    *((name, value) for name in TEXTS for value in (None, 1, ["x"], {})),
    ("kind", "generator"),
    ("kind", ""),
    ("model_id", ""),
    *(("input." + name, value) for name in ("height", "width") for value in (0, -1, 4097, 1.5, "112", True, None, 113)),
    *(("input.layout", value) for value in ("", "nhwc", "HWC", None, 1, [])),
    *(("input.colour_order", value) for value in ("", "rgb", "GBR", None, 1, {})),
    *(("input." + name, value) for name in ("mean", "scale") for value in BAD_NUMBERS),
    ("input.scale", 0),
    *(("source.file", value) for value in (None, 1)),
    *(("source.sha256", value) for value in (None, 1)),
    *(("source.size", value) for value in BAD_COUNTS),
    ("alignment", ""),
    ("alignment", "eyes-only"),
    *(("embedding_size", value) for value in (*BAD_COUNTS, 0)),
    *(
        ("thresholds.0." + name, value)
        for name in ("fmr", "similarity", "fnmr")
        for value in (*BAD_NUMBERS, 1.01, -1.01)
    ),
    *(("thresholds.0.fmr", value) for value in (0, 1, -0.5)),
    ("thresholds.0.fnmr", -0.1),
    *(("thresholds.0." + name, value) for name in ("impostor_pairs", "genuine_pairs") for value in BAD_COUNTS),
    *(("thresholds.0." + name, value) for name in ("detector", "dataset") for value in (None, 1)),
    *(("thresholds.0.people", value) for value in (*BAD_COUNTS[1:], 0, 1)),
    *(
        ("thresholds.0." + name, value)
        for name in ("fmr_high", "similarity_low", "similarity_high")
        for value in (*BAD_NUMBERS[1:], 1.01, -1.01)
    ),
    ("thresholds.0.fmr_high", -0.1),
    ("thresholds.0.similarity_low", 0.3),  # without the other end
    ("thresholds.0.similarity_high", 0.3),
    ("input.depth", 3),
    ("source.url", "x"),
    ("thresholds.0.note", "x"),
    ("colour", "red"),
    *((name, value) for name in ("input", "source") for value in (None, 1, "x", [], {}, [1, 2])),
    *(("thresholds", value) for value in (None, 1, "x", {"a": 1}, [1], [None], [{}])),
    *(("schema", value) for value in (None, 0, 2, "1", [])),
]


@pytest.mark.parametrize(("path", "value"), SENSELESS, ids=lambda item: str(item)[:24])
def test_a_senseless_field(card: ModelCard, path: str, value: Any) -> None:
    with pytest.raises(ModelCardError, match="model card"):
        ModelCard.from_json(changed(card, path, value))


@pytest.mark.parametrize(
    "path", ["schema", *(item.name for item in dataclasses.fields(ModelCard) if item.name != "compute")]
)
def test_a_missing_field(card: ModelCard, path: str) -> None:
    values = card.to_dict()
    del values[path]
    if path in ("alignment", "embedding_size"):  # they have defaults, which an embedder may not have
        expected = "not valid"
    else:
        expected = "schema None" if path == "schema" else f"missing or unknown field: .*{path}"
    with pytest.raises(ModelCardError, match=expected):
        ModelCard.from_json(json.dumps(values))


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "7", '"card"', "[" * 100_000, "\x00", '{"schema":1' + "0" * 5000 + "}"]
)
def test_what_is_no_json_object(text: str) -> None:
    with pytest.raises(ModelCardError, match="model card"):
        ModelCard.from_json(text)


def test_a_detector_needs_no_size_and_no_alignment(make_card: MakeCard) -> None:
    detector = make_card(kind="detector", alignment="", embedding_size=0, input_height=None, input_width=None)
    assert ModelCard.from_json(detector.to_json()) == detector


def test_a_lone_surrogate_in_a_name_is_carried(make_card: MakeCard) -> None:
    # JSON can hold half a character, UTF-8 cannot; a card with one must not break what writes it.
    card = ModelCard.from_json(make_card().to_json().replace('"linear"', '"\\ud800"'))
    assert read_card(write_card(b"", card)) == card


def test_identity(card: ModelCard) -> None:
    assert card.identity("yunet") == ModelIdentity("linear-1", "float32", "yunet")


# ----------------------------------------------------------------------------------------------------------------
# Thresholds


def test_the_threshold_of_a_rate_and_a_detector(card: ModelCard) -> None:
    assert card.threshold(1e-3, "yunet") is THRESHOLDS[0]
    assert card.threshold(0.0001, "yunet") is THRESHOLDS[1]
    assert card.threshold(0.1 * 0.1 * 0.1 * 10, "scrfd") is THRESHOLDS[2]  # 0.010000000000000002


def test_another_rate_lists_those_that_exist(card: ModelCard) -> None:
    with pytest.raises(ThresholdError) as caught:
        card.threshold(1e-5, "yunet")
    assert str(caught.value) == (
        "model 'né' has no threshold at FMR 1e-05 with detector 'yunet'; it has FMR 0.001, 0.0001. "
        "Ask for one of these, state a similarity threshold of your own, or measure it on photos of yours: "
        "ghostface-edge calibrate PHOTOS --model FILE --detector D"
    )


def test_another_detector_lists_those_that_exist(card: ModelCard) -> None:
    with pytest.raises(ThresholdError) as caught:
        card.threshold(1e-3, "mine")
    assert str(caught.value) == (
        "model 'né' in float32 has no thresholds for detector 'mine' (only for scrfd, yunet). State a similarity "
        "threshold of your own, or measure it on photos of yours: ghostface-edge calibrate PHOTOS --model FILE "
        "--detector D"
    )


def test_a_card_without_thresholds(make_card: MakeCard) -> None:
    with pytest.raises(
        ThresholdError, match=r"in int16x8 has no thresholds for detector 'yunet', nor for any other\. "
    ):
        make_card(precision="int16x8").threshold(1e-3, "yunet")


@pytest.mark.parametrize("fmr", [0, 1, 2, -0.1, math.nan, "0.001", None, True])
def test_a_senseless_rate(card: ModelCard, fmr: Any) -> None:
    with pytest.raises(OptionError, match="not a rate between 0 and 1"):
        card.threshold(fmr, "yunet")


# ----------------------------------------------------------------------------------------------------------------
# The card in a file


@pytest.fixture(scope="module")
def onnx() -> Any:
    return pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def sealed(make_linear: Callable[..., bytes]) -> bytes:
    """A small model file."""
    matrix = np.random.default_rng(5).standard_normal((12, 3)).astype(np.float32)
    return make_linear(matrix, input_height=2, input_width=2, thresholds=THRESHOLDS)


def props(onnx: Any, data: bytes) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load_model_from_string(data).metadata_props}


def test_the_file_is_still_onnx(onnx: Any, sealed: bytes) -> None:
    onnx.checker.check_model(sealed)
    entries = props(onnx, sealed)
    assert set(entries) == {CARD_KEY, SEAL_KEY}
    assert ModelCard.from_json(entries[CARD_KEY]) == read_card(sealed)


def test_the_seal_is_sha256_of_every_other_byte(onnx: Any, sealed: bytes) -> None:
    seal = props(onnx, sealed)[SEAL_KEY]
    # The seal's own entry is the last one: key 14, its length, then two texts with key and length.
    entry = b"\x0a" + bytes([len(SEAL_KEY)]) + SEAL_KEY.encode() + b"\x12" + bytes([len(seal)]) + seal.encode()
    assert sealed.endswith(b"\x72" + bytes([len(entry)]) + entry)
    assert hashlib.sha256(sealed[: -len(entry) - 2]).hexdigest() == seal


def test_new_thresholds_change_no_other_byte(onnx: Any, sealed: bytes) -> None:
    old = read_card(sealed)
    new = old.with_thresholds(THRESHOLDS[:1])
    again = write_card(sealed, new)
    assert read_card(again) == new
    assert dataclasses.replace(new, thresholds=old.thresholds) == old
    bare = onnx.load_model_from_string(sealed)
    del bare.metadata_props[:]
    network = bare.SerializeToString()
    assert sealed.startswith(network)
    assert again.startswith(network)
    assert write_card(again, old) == sealed


def test_metadata_of_others_stays_wherever_it_stands(onnx: Any, sealed: bytes, card: ModelCard) -> None:
    model = onnx.load_model_from_string(sealed)
    mixed = onnx.ModelProto()
    mixed.CopyFrom(model)
    for key, value in (("author", "me"), ("", ""), ("author", "again")):
        entry = mixed.metadata_props.add()
        entry.key, entry.value = key, value
    # unknown fields of every wire type, and a big number, before and after
    strange = b"\xd0\x0f\x96\x01" + b"\xd9\x0f" + b"8" * 8 + b"\xdd\x0f" + b"4" * 4 + b"\xd2\x0f\x02ab"
    data = strange + mixed.SerializeToString() + strange
    again = write_card(data, card)
    assert read_card(again) == card
    entries = [(entry.key, entry.value) for entry in onnx.load_model_from_string(again).metadata_props]
    assert entries[:3] == [("author", "me"), ("", ""), ("author", "again")]
    assert [key for key, _ in entries[3:]] == [CARD_KEY, SEAL_KEY]
    assert again.startswith(strange)
    assert again.count(strange) == 2


def test_a_file_without_a_card(onnx: Any, sealed: bytes) -> None:
    model = onnx.load_model_from_string(sealed)
    del model.metadata_props[:]
    with pytest.raises(ModelCardError, match="no model card, so its colour order"):
        read_card(model.SerializeToString())


def test_a_seal_without_a_card(onnx: Any, sealed: bytes) -> None:
    model = onnx.load_model_from_string(sealed)
    del model.metadata_props[:]
    bare = model.SerializeToString()
    model.metadata_props.add(key=SEAL_KEY, value=hashlib.sha256(bare).hexdigest())
    with pytest.raises(ModelCardError, match="sealed but has no model card"):
        read_card(model.SerializeToString())


def test_a_card_without_a_seal(onnx: Any, sealed: bytes) -> None:
    model = onnx.load_model_from_string(sealed)
    del model.metadata_props[1]
    with pytest.raises(ModelFileError, match="do not match its seal"):
        read_card(model.SerializeToString())


def test_a_card_that_was_tampered_with(sealed: bytes) -> None:
    with pytest.raises(ModelFileError, match="do not match its seal"):
        read_card(sealed.replace(b'"similarity":0.31', b'"similarity":0.01'))


def test_every_flipped_bit_is_seen(sealed: bytes) -> None:
    choice = random.Random(0)
    for _ in range(500):
        damaged = bytearray(sealed)
        damaged[choice.randrange(len(damaged))] ^= 1 << choice.randrange(8)
        with pytest.raises(ModelError):
            read_card(bytes(damaged))


def test_every_cut_and_every_insertion_is_seen(sealed: bytes) -> None:
    choice = random.Random(1)
    for length in range(0, len(sealed), 7):
        with pytest.raises(ModelError):
            read_card(sealed[:length])
    for _ in range(200):
        at = choice.randrange(len(sealed) + 1)
        with pytest.raises(ModelError):
            read_card(sealed[:at] + choice.randbytes(choice.choice((1, 2, 9))) + sealed[at:])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff", "number is cut short"),
        (b"\x80" * 20, "number is cut short"),
        (b"\x0a\x05ab", "field is cut short"),
        (b"\x0d\x01", "field is cut short"),
        (b"\x09\x01", "field is cut short"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "field is cut short"),
        (b"\x0b", "wire type 3"),
        (b"\x02\x00", "field is cut short"),  # field number 0
        (b"\x72\x04\x0a\x02\xff\xfe", "metadata is not text"),
        (b"PK\x03\x04 a zip file", "not an ONNX model"),
        (b"<html>", "not an ONNX model"),
    ],
)
def test_what_is_no_protobuf(data: bytes, message: str, card: ModelCard) -> None:
    with pytest.raises(ModelFileError, match=message):
        read_card(data)
    with pytest.raises(ModelFileError, match=message):
        write_card(data, card)


def test_our_own_models_carry_cards(real_models: ModelStore, onnx: Any) -> None:
    data = real_models.resolve("ghostfacenet-w0.5-s2", format="onnx").read_bytes()
    card = read_card(data)
    assert card.source.sha256 == "2beca52a2aeadfa81ed5ebab35e2a58f7c79e3c1ffda80a31511861870151715"
    assert card.source.size == 3_833_672
    assert (card.input.layout, card.input.colour_order) == ("NHWC", "RGB")
    assert (card.input.mean, card.input.scale) == (127.5, 1 / 128)  # upstream data.py: (x - 127.5) * 0.0078125
    assert card.embedding_size == 512
    assert props(onnx, data)[CARD_KEY] == card.to_json()


# ----------------------------------------------------------------------------------------------------------------
# Tensors in other files


def external_tensor(onnx: Any) -> Any:
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    return tensor


def sparse(onnx: Any, tensor: Any) -> Any:
    indices = onnx.numpy_helper.from_array(np.arange(4, dtype=np.int64))
    return onnx.SparseTensorProto(values=tensor, indices=indices, dims=[4])


def network(onnx: Any, nodes: list[Any], **fields: Any) -> Any:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [value("x", 1, [4])], [value("y", 1, [4])])
    for name, item in fields.items():
        getattr(graph, name).append(item)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def hidden(onnx: Any, where: str) -> Any:
    """A model that has an external tensor at one of the places where ONNX allows a tensor."""
    helper, tensor = onnx.helper, external_tensor(onnx)
    add = helper.make_node("Add", ["x", "w"], ["y"])
    if where == "initialiser":
        return network(onnx, [add], initializer=tensor)
    if where == "sparse initialiser":
        return network(onnx, [add], sparse_initializer=sparse(onnx, tensor))
    if where == "location without a file":
        del tensor.external_data[:]
        return network(onnx, [add], initializer=tensor)
    if where == "file without a location":
        tensor.ClearField("data_location")
        return network(onnx, [add], initializer=tensor)
    if where == "attribute":
        return network(onnx, [helper.make_node("Constant", [], ["w"], value=tensor), add])
    if where == "sparse attribute":
        return network(onnx, [helper.make_node("Constant", [], ["w"], sparse_value=sparse(onnx, tensor)), add])
    if where in ("list of tensors", "list of sparse tensors"):
        node = helper.make_node("Odd", [], ["w"])
        attribute = node.attribute.add(name="all")
        if where == "list of tensors":
            attribute.tensors.append(tensor)
        else:
            attribute.sparse_tensors.append(sparse(onnx, tensor))
        return network(onnx, [node, add])
    if where in ("subgraph", "list of subgraphs"):
        inner = network(onnx, [add], initializer=tensor).graph
        node = helper.make_node("If", ["x"], ["y"])
        attribute = node.attribute.add(name="then_branch")
        if where == "subgraph":
            attribute.g.CopyFrom(inner)
        else:
            attribute.graphs.append(inner)
        return network(onnx, [node])
    model = network(onnx, [add])
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    if where == "function":
        model.functions.append(helper.make_function("f", "F", ["x"], ["y"], [constant, add], model.opset_import))
    elif where == "default of a function":
        function = helper.make_function("f", "F", ["x"], ["y"], [add], model.opset_import)
        function.attribute_proto.append(constant.attribute[0])
        model.functions.append(function)
    else:
        model.training_info.add().initialization.CopyFrom(network(onnx, [add], initializer=tensor).graph)
    return model


PLACES = (
    "initialiser",
    "sparse initialiser",
    "location without a file",
    "file without a location",
    "attribute",
    "sparse attribute",
    "list of tensors",
    "list of sparse tensors",
    "subgraph",
    "list of subgraphs",
    "function",
    "default of a function",
    "training graph",
)


@pytest.mark.parametrize("where", PLACES)
def test_a_tensor_in_another_file_is_refused_wherever_it_hides(onnx: Any, where: str) -> None:
    with pytest.raises(ModelFileError, match="tensors in other files"):
        refuse_external_data(hidden(onnx, where).SerializeToString())


def test_tensors_in_the_file_pass(onnx: Any, sealed: bytes) -> None:
    tensor = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "w")
    explicit = onnx.TensorProto()
    explicit.CopyFrom(tensor)
    explicit.data_location = onnx.TensorProto.DEFAULT
    for item in (tensor, explicit):
        add = onnx.helper.make_node("Add", ["x", "w"], ["y"])
        refuse_external_data(network(onnx, [add], initializer=item).SerializeToString())
    refuse_external_data(sealed)


def nested(onnx: Any, depth: int) -> bytes:
    data = network(onnx, []).graph.SerializeToString()
    for _ in range(depth):
        attribute = onnx.AttributeProto(name="g")
        attribute.g.ParseFromString(data)
        node = onnx.NodeProto(op_type="If")
        node.attribute.append(attribute)
        data = onnx.GraphProto(node=[node]).SerializeToString()
    return onnx.ModelProto(graph=onnx.GraphProto.FromString(data)).SerializeToString()


def test_subgraphs_may_nest_eight_deep(onnx: Any) -> None:
    refuse_external_data(nested(onnx, 8))
    with pytest.raises(ModelFileError, match="nests its subgraphs too deep"):
        refuse_external_data(nested(onnx, 10))


def test_the_arithmetic_is_said_only_where_there_is_a_choice(card: ModelCard) -> None:
    """Versions that do not know the field refuse it, so a card without it is as they wrote it."""
    assert "compute" not in card.to_dict()
    half = dataclasses.replace(card, precision="float16", compute="float16")
    assert ModelCard.from_json(half.to_json()) == half
    assert half.arithmetic == "float16, computed in float16 where the processor can"
    with pytest.raises(ModelCardError, match="compute 'int8' is none of float16, float32"):
        dataclasses.replace(card, compute="int8")

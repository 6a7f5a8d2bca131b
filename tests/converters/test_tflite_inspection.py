"""What the inspection of a ``.tflite`` file says, on networks counted by hand."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from ghostface_edge.card import InputSpec, ModelCard, Source
from ghostface_edge.converters.graph import Conv, Flatten, Graph, Input, PRelu
from ghostface_edge.converters.quantization import Affine, Quantization
from ghostface_edge.converters.tflite_inspection import inspect_tflite
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.errors import ModelFileError, RuntimeMissingError

pytest.importorskip("ai_edge_litert")
CARD = ModelCard(
    kind="detector",
    model_id="net-1",
    name="net",
    architecture="custom",
    precision="float32",
    input=InputSpec(None, None, "NHWC", "RGB", 0.0, 1.0),
    source=Source("net", "0" * 64, 1),
    converter="tests",
    licence="MIT",
)
ONES = np.ones((3, 3, 2, 4), np.float32)
GRAPH = Graph(
    (
        Input("x", (), 6, 5, 2),
        Conv("dense", ("x",), ONES, np.zeros(4, np.float32)),
        PRelu("bent", ("dense",), np.full(4, 0.5, np.float32)),
        Conv("deep", ("bent",), np.ones((4, 3, 4, 1), np.float32), None, depthwise=True),
        Flatten("y", ("deep",)),
    ),
    ("y",),
)
SOME = Quantization(dict.fromkeys(("x", "dense", "bent", "deep", "y"), Affine(0.5, 3)))


def test_a_float_file() -> None:
    file = inspect_tflite(write_tflite(GRAPH, CARD))
    assert [(item.kind, item.dtype, item.output, item.macs, item.partition) for item in file.operators] == [
        ("CONV_2D", "float32", "dense", 4 * 3 * 3 * 3 * 2 * 4, 0),
        ("RESHAPE", "float32", "bent/rows", 0, 0),
        ("PRELU", "float32", "bent/rows/prelu", 0, 0),
        ("RESHAPE", "float32", "bent", 0, 0),
        ("DEPTHWISE_CONV_2D", "float32", "deep", 4 * 3 * 4, 0),
        ("RESHAPE", "float32", "y", 0, 0),
    ]
    assert (file.partitions, file.outside, file.macs) == (1, (), 864 + 48)
    assert file.parameters == 72 + 4 + 3 * 4 + 48 + 4  # slopes stand there for each of 3 pixels of a row
    assert file.macs == GRAPH.macs()
    assert {tensor.name: tensor.stored for tensor in file.tensors if tensor.stored} == {
        "dense/kernel": 4 * 72,
        "dense/bias": 16,
        "bent/slope": 3 * 16,
        "deep/kernel": 4 * 48,
        "deep/bias": 16,
        "y/shape": 8,
    }
    assert (file.is_integer, file.dtypes) == (False, {"float32": 12, "int32": 1})
    assert [(item.name, item.shape, item.scale) for item in (*file.inputs, *file.outputs)] == [
        ("x", (1, 6, 5, 2), None),
        ("y", (1, 4), None),
    ]


def test_what_falls_out_of_xnnpack_cuts_the_network_in_two() -> None:
    """XNNPACK has no PRELU of integers."""
    file = inspect_tflite(write_tflite(GRAPH, replace(CARD, precision="int8"), SOME, integer_io=True))
    assert [(item.kind, item.partition) for item in file.operators] == [
        ("CONV_2D", 0),
        ("PRELU", None),
        ("DEPTHWISE_CONV_2D", 1),
        ("RESHAPE", 1),
    ]
    assert (file.partitions, [item.output for item in file.outside]) == (2, ["bent"])
    assert file.kinds == {"CONV_2D int8": 1, "PRELU int8": 1, "DEPTHWISE_CONV_2D int8": 1, "RESHAPE int8": 1}
    assert (file.is_integer, file.dtypes) == (True, {"int8": 8, "int32": 3})
    (taken,) = file.inputs
    assert (taken.dtype, taken.scales, taken.scale, taken.zero_point) == ("int8", 1, 0.5, 3)
    assert {tensor.name: tensor.scales for tensor in file.tensors if tensor.stored} == {
        "dense/kernel": 4,
        "dense/bias": 4,
        "bent/slope": 1,
        "deep/kernel": 4,
        "deep/bias": 4,
        "y/shape": 0,
    }


def test_float_inputs_and_outputs_of_an_integer_file() -> None:
    file = inspect_tflite(write_tflite(GRAPH, replace(CARD, precision="int8"), SOME))
    assert (file.is_integer, file.dtypes["float32"]) == (True, 2)
    mixed = inspect_tflite(write_tflite(GRAPH, replace(CARD, precision="mixed"), SOME.without(("dense",))))
    assert not mixed.is_integer


def test_float16_weights_are_widened_inside_the_partition() -> None:
    file = inspect_tflite(write_tflite(GRAPH, replace(CARD, precision="float16")))
    assert file.kinds["DEQUANTIZE float32"] == 5
    assert (file.partitions, file.outside) == (1, ())


def test_plain_values() -> None:
    file = inspect_tflite(write_tflite(GRAPH, replace(CARD, precision="int8"), SOME))
    values = json.loads(json.dumps(file.to_dict()))
    assert (values["partitions"], values["is_integer"], values["macs"]) == (2, True, 912)
    assert [item["kind"] for item in values["outside"]] == ["PRELU"]
    assert values["operators"][0] == {
        "kind": "QUANTIZE",
        "version": 1,
        "output": "x/int8",
        "dtype": "int8",
        "macs": 0,
        "partition": 0,
    }


def test_a_damaged_file_is_no_tflite_file() -> None:
    data = write_tflite(GRAPH, CARD)
    for broken in (b"", b"TFL3" * 8, data[: len(data) // 2]):
        with pytest.raises(ModelFileError, match="is damaged or is not a TFLite model"):
            inspect_tflite(broken)


def test_without_litert_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_tflite(GRAPH, CARD)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(RuntimeMissingError, match=r"pip install \"ghostface-edge\[litert\]\""):
        inspect_tflite(data)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.card import ModelCard
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.preparation import embedder_graph
from ghostface_edge.converters.probing import probe_tflite
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.errors import ConversionError


def test_the_tensors_are_those_of_the_graph(small_checkpoint: Path, make_card: Callable[..., ModelCard]) -> None:
    pytest.importorskip("ai_edge_litert")
    graph = embedder_graph(read_keras_h5(small_checkpoint.read_bytes(), "small"), "native")
    pictures = np.random.default_rng(1).standard_normal((3, 32, 32, 3)).astype(np.float32)
    expected = interpret(graph, pictures)
    card = make_card(input_height=32, input_width=32)
    found = probe_tflite(write_tflite(graph, card), pictures, [*expected, "absent"])
    assert len(found) > 20
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_what_cannot_be_run() -> None:
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(ConversionError, match="LiteRT cannot run"):
        probe_tflite(b"\x00\x00\x00\x00TFL3" + bytes(100), np.zeros((1, 32, 32, 3), np.float32), ["a"])

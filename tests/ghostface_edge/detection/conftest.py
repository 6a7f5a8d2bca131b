"""A detector whose every number is known: it takes white squares for faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.card import ModelCard, write_card
from ghostface_edge.detection import YuNet
from ghostface_edge.runtime import open_session

BOX = (0.5, 0.5, np.log(3), np.log(4))  # middle of the cell; three cells wide, four high
LANDMARKS = ((0.0, 0.0), (1.0, 0.0), (0.5, 0.5), (0.0, 1.0), (1.0, 1.0))  # the corners of the cell and its middle


@pytest.fixture(scope="session")
def square_model(make_card: Callable[..., ModelCard]) -> Callable[..., bytes]:
    """Makes a network shaped like YuNet: a cell is a face where its pixels are white on average.

    Both logits are (mean - 127.5) / 10, so 255 gives a score of 1 - 3e-6 and 0 one of 3e-6.
    """
    onnx = pytest.importorskip("onnx")

    def make(
        *,
        box: Any = BOX,
        landmarks: Any = LANDMARKS,
        strides: tuple[int, ...] = (8, 16, 32),
        channels: int = 16,
        **card: Any,
    ) -> bytes:
        helper, array = onnx.helper, onnx.numpy_helper.from_array
        nodes, weights, outputs = [], [], []
        for stride in strides:
            kernel = np.zeros((channels, 3, stride, stride), np.float32)
            kernel[:2] = 0.1 / (3 * stride * stride)
            bias = np.array([-12.75, -12.75, *box, *np.ravel(landmarks)], np.float32)[:channels]
            weights += [array(kernel, f"kernel{stride}"), array(bias, f"bias{stride}")]
            nodes += [
                helper.make_node(
                    "Conv", ["pixels", f"kernel{stride}", f"bias{stride}"], [f"first{stride}"], strides=[stride, stride]
                ),
                helper.make_node("Transpose", [f"first{stride}"], [f"stride{stride}"], perm=[0, 2, 3, 1]),
            ]
            outputs.append(helper.make_tensor_value_info(f"stride{stride}", 1, ["n", None, None, channels]))
        pixels = helper.make_tensor_value_info("pixels", 1, ["n", 3, "h", "w"])
        graph = helper.make_graph(nodes, "squares", [pixels], outputs, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        values = {
            "kind": "detector",
            "name": "squares",
            "architecture": "yunet",
            "alignment": "",
            "embedding_size": 0,
            "input_height": None,
            "input_width": None,
            "input_layout": "NCHW",
            "input_mean": 0.0,
            "input_scale": 1.0,
        }
        return write_card(model.SerializeToString(), make_card(**{**values, **card}))

    return make


@pytest.fixture
def squares(square_model: Callable[..., bytes], tmp_path: Path) -> Callable[..., YuNet]:
    """Opens that network as a YuNet; ``make={...}`` changes the network, the rest goes to YuNet."""
    pytest.importorskip("onnxruntime")

    def open_squares(make: dict[str, Any] | None = None, **options: Any) -> YuNet:
        path = tmp_path / "squares.onnx"
        path.write_bytes(square_model(**(make or {})))
        return YuNet(open_session(path, threads=1), **options)

    return open_squares

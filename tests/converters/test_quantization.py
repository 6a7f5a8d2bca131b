"""The integer scheme by hand, and what XNNPACK takes of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ghostface_edge.card import ModelCard
from ghostface_edge.converters import quantization
from ghostface_edge.converters.graph import Conv, Graph, Input, Relu
from ghostface_edge.converters.quantization import (
    Affine,
    Quantization,
    quantize_conv,
    quantize_kernel,
)
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.errors import ModelFileError
from ghostface_edge.runtime import load_session

SOURCE, RESULT = Affine(0.5, 0), Affine(0.01, -128)


def network(weight: float, *, depthwise: bool) -> Graph:
    """Two channels; the second one's largest weight is `weight`."""
    kernel = np.array([[1.0, 0.5], [0.25, weight]], np.float32)
    kernel = np.diag(kernel).reshape(1, 1, 2, 1) if depthwise else kernel.reshape(1, 1, 2, 2)
    conv = Conv("conv", ("x",), kernel, np.array([0.1, 0.2 * weight], np.float32), depthwise=depthwise)
    return Graph((Input("x", (), 4, 4, 2), conv, Relu("y", ("conv",))), ("y",))


QUANTIZATION = Quantization({"x": SOURCE, "y": RESULT})


@pytest.mark.parametrize("depthwise", [False, True])
def test_a_channel_that_xnnpack_cannot_rescale(
    make_card: Callable[..., ModelCard], monkeypatch: pytest.MonkeyPatch, depthwise: bool
) -> None:
    """One step of the second channel's weights is 0.5 x (1000 / 127) / 0.01 = 394 steps of the result; 256 is too much.

    The largest weight is cut to what 200 steps allow, 200 x 0.01 / 0.5 x 127 = 508; the other channel stays.
    """
    pytest.importorskip("ai_edge_litert")
    card = make_card(precision="int8", embedding_size=2, input_height=4, input_width=4)
    graph = network(1000.0, depthwise=depthwise)
    conv = graph["conv"]
    assert isinstance(conv, Conv)
    stored = quantize_conv(conv, SOURCE, RESULT)
    assert stored.kernel_scales[1] == pytest.approx(4)
    assert stored.real_kernel().max() == pytest.approx(508)
    assert stored.kernel_scales[0] == quantize_kernel(conv)[1][0]
    assert stored.real_bias() == pytest.approx([0.1, 200], rel=0.02)
    session = load_session(write_tflite(graph, card, QUANTIZATION), "within")
    np.testing.assert_allclose(session.run(np.ones((1, 4, 4, 2), np.float32))[0][..., 1], RESULT.high, rtol=1e-6)
    monkeypatch.setattr(quantization, "_MOST_RESCALING", 1e9)
    with pytest.raises(ModelFileError, match="cannot load"):
        load_session(write_tflite(graph, card, QUANTIZATION), "beyond")


def test_channels_within_reach_stay_as_they_are() -> None:
    conv = network(400.0, depthwise=False)["conv"]
    assert isinstance(conv, Conv)
    stored, (kernel, scales) = quantize_conv(conv, SOURCE, RESULT), quantize_kernel(conv)
    np.testing.assert_array_equal(stored.kernel, kernel)
    np.testing.assert_array_equal(stored.kernel_scales, scales)


def test_ranges_by_hand() -> None:
    """-1..1.55 in 255 steps of 0.01; 0 is the integer -28."""
    affine = Affine.over(-1.0, 1.55)
    assert affine.scale == pytest.approx(0.01)
    assert affine.zero_point == -28
    assert (affine.low, affine.high) == (pytest.approx(-1.0), pytest.approx(1.55))
    assert affine.quantize(np.array([-5.0, 0.0, 0.004, 0.016, 9.0])).tolist() == [-128, -28, -28, -26, 127]
    assert Affine.over(0.5, 2.0).low == 0  # 0 is always held
    assert Affine.over(-1.0, 3.0, 16) == Affine(float(np.float32(3 / 32767)), 0, 16)


def test_a_kernel_has_a_scale_per_output_channel() -> None:
    kernel = np.array([[1.27, -10.0], [0.5, 2.54]], np.float32).reshape(1, 1, 2, 2)
    integers, scales = quantize_kernel(Conv("c", ("x",), kernel, None))
    assert scales == pytest.approx([0.01, 10 / 127])
    assert integers.reshape(2, 2).tolist() == [[127, -127], [50, 32]]


def test_a_large_bias_coarsens_a_small_kernel() -> None:
    """1e6 in steps of 0.5 x 1e-6 / 127 would be 2.5e14, beyond int32; 2^28 steps are allowed."""
    conv = Conv("c", ("x",), np.full((1, 1, 1, 1), 1e-6, np.float32), np.array([1e6], np.float32))
    stored = quantize_conv(conv, SOURCE, Affine(1e5, 0))
    assert abs(int(stored.bias[0])) <= 2**28
    assert stored.real_bias() == pytest.approx([1e6], rel=1e-6)

"""Each operation of the interpreter against hand-computed values, loops or scipy."""

from __future__ import annotations

import itertools
from math import ceil

import numpy as np
import pytest
from scipy.signal import correlate

from ghostface_edge.converters.graph import (
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Input,
    Maximum,
    MaxPool,
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Scale,
    Sigmoid,
    Upsample2x,
    same_padding,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.errors import ConversionError


def run(node: Node, pictures: np.ndarray) -> np.ndarray:
    _, height, width, channels = pictures.shape
    graph = Graph((Input("x", (), height, width, channels), node), (node.name,))
    result = interpret(graph, pictures)[node.name]
    assert result.shape == (len(pictures), *graph.shapes()[node.name])
    return result


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


PIXELS = np.array([[[[-2.0, 1.0], [0.0, 3.0]], [[4.0, -1.0], [2.0, 5.0]]]])
"""One picture of 2 x 2 pixels and 2 channels."""


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (Relu("y", ("x",)), [[[0, 1], [0, 3]], [[4, 0], [2, 5]]]),
        (PRelu("y", ("x",), f32(-0.5, 4)), [[[1, 1], [0, 3]], [[4, -4], [2, 5]]]),
        (Scale("y", ("x",), f32(-0.5, 4)), [[[1, 4], [0, 12]], [[-2, -4], [-1, 20]]]),
        (HardSigmoid("y", ("x",), 0.2, 0.5), [[[0.1, 0.7], [0.5, 1]], [[1, 0.3], [0.9, 1]]]),
        (GlobalAveragePool("y", ("x",)), [[[1, 2]]]),
        (MaxPool("y", ("x",), 2), [[[4, 5]]]),
        (AveragePool("y", ("x",), 2), [[[1, 2]]]),
        (Flatten("y", ("x",)), [-2, 1, 0, 3, 4, -1, 2, 5]),
        (Add("y", ("x", "x")), [[[-4, 2], [0, 6]], [[8, -2], [4, 10]]]),
        (Mul("y", ("x", "x")), [[[4, 1], [0, 9]], [[16, 1], [4, 25]]]),
        (Concat("y", ("x", "x")), [[[-2, 1, -2, 1], [0, 3, 0, 3]], [[4, -1, 4, -1], [2, 5, 2, 5]]]),
        # (x - mean) / sqrt(variance + epsilon) gamma + beta with deviations 2 and 0.5
        (
            BatchNorm("y", ("x",), f32(2, 1), f32(1, 0), f32(2, 1), f32(3.75, 0), 0.25),
            [[[-3, 0], [-1, 4]], [[3, -4], [1, 8]]],
        ),
    ],
)
def test_operations_by_hand(node: Node, expected: list[object]) -> None:
    np.testing.assert_allclose(run(node, PIXELS)[0], np.array(expected), rtol=1e-12, atol=1e-12)


def test_maximum_by_hand() -> None:
    nodes = (Scale("s", ("x",), f32(-1, 2)), Maximum("y", ("s", "x")))
    graph = Graph((Input("x", (), 2, 2, 2), *nodes), ("y",))
    np.testing.assert_array_equal(interpret(graph, PIXELS)["y"][0], [[[2, 2], [0, 6]], [[4, -1], [2, 10]]])


def test_sigmoid_at_known_points_and_far_out() -> None:
    x = np.array([0.0, np.log(3), -np.log(3), 800.0, -800.0]).reshape(1, 1, 1, 5)
    np.testing.assert_allclose(run(Sigmoid("y", ("x",)), x).ravel(), [0.5, 0.75, 0.25, 1, 0], atol=1e-15)


def test_upsampling_doubles_every_pixel() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    np.testing.assert_array_equal(run(Upsample2x("y", ("x",)), x)[0, :, :, 0], expected)


def test_average_pooling_leaves_out_incomplete_squares() -> None:
    x = np.arange(35.0).reshape(1, 5, 7, 1)
    np.testing.assert_array_equal(run(AveragePool("y", ("x",), 2), x)[0, :, :, 0], [[4, 6, 8], [18, 20, 22]])


def test_bilinear_resizing_by_hand() -> None:
    """Twice the size: a new pixel's centre lies a quarter of an old pixel from the nearest old centre."""
    line = np.array([0.0, 4.0, 8.0]).reshape(1, 1, 3, 1)
    expected = [[0, 1, 3, 5, 7, 8]] * 2
    np.testing.assert_allclose(run(ResizeBilinear("y", ("x",), 2, 6), line)[0, :, :, 0], expected, atol=1e-12)
    # 3 to 7: centres at 3 / 7 (i + 0.5) - 0.5 = -4/14, 2/14, 8/14, 1, ...
    expected = [0, 8 / 14, 32 / 14, 4, 80 / 14, 104 / 14, 8]
    np.testing.assert_allclose(run(ResizeBilinear("y", ("x",), 1, 7), line)[0, 0, :, 0], expected, atol=1e-12)
    square = np.array([[0.0, 4.0], [8.0, 12.0]]).reshape(1, 2, 2, 1)
    expected = [[0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12]]
    np.testing.assert_allclose(run(ResizeBilinear("y", ("x",), 4, 4), square)[0, :, :, 0], expected, atol=1e-12)


@pytest.mark.parametrize("size", [(16, 18), (7, 7), (3, 4), (1, 1)])
def test_bilinear_resizing_equals_opencv(size: tuple[int, int]) -> None:
    """OpenCV's INTER_LINEAR: half-pixel centres, edges repeated, no antialiasing."""
    cv2 = pytest.importorskip("cv2")
    x = np.random.default_rng(3).normal(size=(9, 8, 3)).astype(np.float32)
    expected = cv2.resize(x, size[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(run(ResizeBilinear("y", ("x",), *size), x[None])[0], expected, atol=1e-6)


def test_multiplication_spreads_one_value_per_channel() -> None:
    graph = Graph(
        (Input("x", (), 2, 2, 2), GlobalAveragePool("m", ("x",)), Mul("y", ("x", "m"))),
        ("y",),
    )
    np.testing.assert_array_equal(interpret(graph, PIXELS)["y"][0], [[[-2, 2], [0, 6]], [[4, -2], [2, 10]]])


def test_dense_convolution_equals_scipy() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(2, 9, 8, 3))
    kernel, bias = random.normal(size=(3, 5, 3, 4)).astype(np.float32), f32(1, 2, 3, 4)
    result = run(Conv("y", ("x",), kernel, bias, (2, 1), (1, 2, 0, 1)), x)
    padded = np.pad(x, ((0, 0), (1, 0), (2, 1), (0, 0)))
    for picture, out in itertools.product(range(2), range(4)):
        plane = correlate(padded[picture], kernel[:, :, :, out].astype(np.float64), mode="valid")[:, :, 0]
        np.testing.assert_allclose(result[picture, :, :, out], plane[::2] + bias[out], atol=1e-12)


@pytest.mark.parametrize("size", [4, 5, 7, 8, 14])
@pytest.mark.parametrize("kernel", [1, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_and_depthwise_convolution_pixel_by_pixel(size: int, kernel: int, stride: int) -> None:
    """SAME as TensorFlow defines it: ceil(size / stride) outputs, zeros shared out, the odd one at the end."""
    random = np.random.default_rng(size * 100 + kernel * 10 + stride)
    x = random.normal(size=(1, size, size, 2))
    weight = random.normal(size=(kernel, kernel, 2, 1)).astype(np.float32)
    before, after = same_padding(size, kernel, stride)
    node = Conv("y", ("x",), weight, None, (stride, stride), (before, before, after, after), depthwise=True)
    result = run(node, x)
    outputs = ceil(size / stride)
    assert result.shape == (1, outputs, outputs, 2)
    needed = max((outputs - 1) * stride + kernel - size, 0)
    for row, column, channel in itertools.product(range(outputs), range(outputs), range(2)):
        total = 0.0
        for down, across in itertools.product(range(kernel), range(kernel)):
            y, z = row * stride + down - needed // 2, column * stride + across - needed // 2
            if 0 <= y < size and 0 <= z < size:
                total += x[0, y, z, channel] * float(weight[down, across, channel, 0])
        assert result[0, row, column, channel] == pytest.approx(total, abs=1e-12)


def test_same_padding_of_known_cases() -> None:
    assert same_padding(112, 3, 2) == (0, 1)
    assert same_padding(56, 3, 1) == (1, 1)
    assert same_padding(7, 5, 2) == (2, 2)
    assert same_padding(14, 5, 2) == (1, 2)
    assert same_padding(4, 1, 3) == (0, 0)


@pytest.mark.parametrize("shape", [(2, 2, 2), (1, 3, 2, 2), (1, 2, 2, 3)])
def test_pictures_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    graph = Graph((Input("x", (), 2, 2, 2), Relu("y", ("x",))), ("y",))
    with pytest.raises(ConversionError):
        interpret(graph, np.zeros(shape))


def test_a_node_of_another_class_is_refused() -> None:
    class Unknown(Node):
        def shape(self, *inputs: tuple[int, ...]) -> tuple[int, ...]:
            return inputs[0]

    with pytest.raises(ConversionError, match="does not know Unknown"):
        run(Unknown("y", ("x",)), PIXELS)

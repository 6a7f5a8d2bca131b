"""Ranges of tensors whose best ranges are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.graph import Concat, Conv, Graph, HardSigmoid, Input, Node, Relu, Sigmoid
from ghostface_edge.converters.quantization import UNIT, Affine, Quantization, check_quantization
from ghostface_edge.converters.ranges import METHODS, Histogram, choose_ranges
from ghostface_edge.converters.simulator import Simulator, stored
from ghostface_edge.errors import OptionError

pytest.importorskip("onnxruntime")

PICTURE = Affine(1 / 16, 0)


def identity(channels: int, last: tuple[float, ...] | None = None) -> Graph:
    """A tensor `made` that holds the picture, and what hangs on it: by default, on each channel alike."""
    weights = np.array(last or (1.0,) * channels, np.float32).reshape(1, 1, channels, 1)
    return Graph(
        (
            Input("x", (), 8, 8, channels),
            Conv("made", ("x",), np.ones((1, 1, channels, 1), np.float32), None, depthwise=True),
            Conv("last", ("made",), weights, None, depthwise=True),
        ),
        ("last",),
    )


def chosen(graph: Graph, x: np.ndarray, method: str, bits: int = 8) -> Quantization:
    quantization = choose_ranges(graph, x, channel_statistics(graph, x), PICTURE, method=method, bits=bits)
    check_quantization(graph, quantization)
    return quantization


def gaussian(count: int = 40, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 8, 8, channels)).astype(np.float32)


def error(x: np.ndarray, affine: Affine) -> float:
    return float(((stored(x, affine) - x).astype(np.float64) ** 2).mean())


def test_minmax_holds_everything() -> None:
    x = gaussian()
    x[0, 0, 0, 0], x[3, 1, 2, 0] = 7.5, -3.0
    assert chosen(identity(1), x, "minmax").tensors["made"] == Affine.over(min(-3.0, float(x.min())), 7.5)


def test_zero_is_always_held() -> None:
    x = np.abs(gaussian()) + 5
    affine = chosen(identity(1), x, "minmax").tensors["made"]
    assert affine.low == 0
    assert affine.high == pytest.approx(float(x.max()), rel=1e-6)


def test_percentile_leaves_out_what_is_rarer() -> None:
    """400 pictures of 64 values: one value in 25,600 is left out, and 3 are not."""
    x = np.random.default_rng(0).uniform(-1, 1, (400, 8, 8, 1)).astype(np.float32)
    x[0, 0, 0, 0] = 9
    x[:3, 1, 1, 0] = -4
    affine = chosen(identity(1), x, "percentile").tensors["made"]
    assert affine.high == pytest.approx(1, abs=0.02)
    assert affine.low == pytest.approx(-4, abs=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_mse_is_the_best_of_many_ranges(seed: int) -> None:
    """Against a brute search over both ends, on values with rare outliers."""
    x = gaussian(seed=seed)
    x[::10, 0, 0] *= 8
    found = error(x, chosen(identity(1), x, "mse").tensors["made"])
    low, high = float(x.min()), float(x.max())
    shares = np.linspace(0.1, 1, 40)
    best = min(error(x, Affine.over(low * down, high * up)) for down in shares for up in shares)
    assert found <= 1.05 * best
    assert found <= error(x, chosen(identity(1), x, "minmax").tensors["made"])


def test_entropy_cuts_a_long_tail() -> None:
    """As the method is meant to: far tails of few values are cut, values evenly spread are not."""
    x = gaussian(100)
    x[0, 0, 0, 0], x[1, 0, 0, 0] = 40, -40
    affine = chosen(identity(1), x, "entropy").tensors["made"]
    assert 3 < affine.high < 25
    even = np.random.default_rng(0).uniform(-1, 1, (100, 8, 8, 1)).astype(np.float32)
    assert chosen(identity(1), even, "entropy").tensors["made"].high == pytest.approx(1, abs=0.06)


def test_gain_cares_for_what_the_output_hangs_on() -> None:
    """A wide channel that does not matter: mse covers it, gain covers the narrow one that does."""
    x = gaussian(channels=2)
    x[..., 1] *= 20
    graph = identity(2, (1.0, 1e-4))
    assert chosen(graph, x, "mse").tensors["made"].high > 30
    assert chosen(graph, x, "gain").tensors["made"].high < 16
    assert chosen(identity(2), x, "gain").tensors["made"].high > 30


def test_sixteen_bits_hold_everything() -> None:
    x = gaussian()
    affine = chosen(identity(1), x, "mse", bits=16).tensors["made"]
    assert affine == Affine.over(float(x.min()), float(x.max()), 16)


def test_tied_tensors_gates_and_the_picture() -> None:
    """What the specification fixes is fixed, and what is joined covers both parts."""

    def conv(name: str, source: str, weight: float) -> Conv:
        return Conv(name, (source,), np.full((1, 1, 2, 1), weight, np.float32), None, depthwise=True)

    nodes: tuple[Node, ...] = (
        Input("x", (), 8, 8, 2),
        conv("small", "x", 1),
        conv("large", "x", 10),
        Concat("both", ("small", "large")),
        conv("gated", "x", 1),
        HardSigmoid("hard", ("gated",), 1.0, 0.0),
        conv("logits", "x", 1),
        Sigmoid("soft", ("logits",)),
        conv("negative", "x", -1),
        Relu("never", ("negative",)),
        conv("zero", "x", 0),
    )
    x = np.abs(gaussian(channels=2))
    tensors = chosen(Graph(nodes, ("both", "hard", "soft", "never", "zero")), x, "minmax").tensors
    assert tensors["small"] == tensors["large"] == tensors["both"]
    assert tensors["both"].high == pytest.approx(10 * float(x.max()), rel=1e-5)
    assert tensors["hard"] == UNIT
    assert (tensors["soft"].scale, tensors["soft"].zero_point) == (1 / 256, -128)
    assert tensors["x"] == PICTURE
    assert {"gated", "negative"}.isdisjoint(tensors)  # inside operators
    assert stored(np.zeros(1, np.float32), tensors["never"]).tolist() == [0]
    assert tensors["zero"].scale > 0


@pytest.mark.parametrize("method", METHODS)
def test_every_method_serves_random_networks(random_graph: Callable[..., Graph], method: str) -> None:
    from ghostface_edge.converters.lowering import int8_graph

    for seed in range(4):
        graph = int8_graph(random_graph(seed))
        x = np.random.default_rng(seed).normal(size=(6, 6, 7, 3)).astype(np.float32)
        quantization = chosen(graph, x, method)
        simulator = Simulator(graph)
        assert set(quantization.tensors) == set(simulator.run(x))
        exact, rounded = simulator.run(x), simulator.run(x, quantization)
        for name in graph.outputs:
            assert np.isfinite(rounded[name]).all()
            assert np.abs(rounded[name] - exact[name]).max() <= 2 * np.abs(exact[name]).max() + 1e-6


def test_error_of_a_histogram_by_hand() -> None:
    """Masses 2 and 3 inside, 1 at 7.5, 2.5 above the range 0 .. 5."""
    histogram = Histogram(0.0, 8.0, np.array([2.0, 0, 3, 0, 0, 0, 0, 1]))
    affine = Affine(5 / 255, -128)
    assert histogram.error(affine) == pytest.approx(5 * (5 / 255) ** 2 / 12 + 2.5**2)
    assert histogram.error(affine, clipping=2) == pytest.approx(5 * (5 / 255) ** 2 / 12 + 2 * 2.5**2)


def test_unknown_method() -> None:
    with pytest.raises(OptionError, match="method='best' does not exist; choose from: minmax"):
        chosen(identity(1), gaussian(2), "best")

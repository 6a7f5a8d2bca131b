"""Numbers inside a network stay below 1/8 of float16's largest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.converters.graph import Conv, Flatten, Graph, Input, PRelu, Sigmoid
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.passes.channels import scaled
from ghostface_edge.converters.passes.fit_half import HIGHEST, fit_half
from ghostface_edge.converters.preparation import embedder_graph
from ghostface_edge.converters.running import reaches
from ghostface_edge.errors import ConversionError


def test_the_limit() -> None:
    """IEEE 754 binary16: the largest number is (2 - 2^-10) 2^15."""
    assert HIGHEST == 65504 / 8


def chain(gain: float, tail: float) -> Graph:
    random = np.random.default_rng(4)
    kernel = random.uniform(-1, 1, (1, 1, 3, 4)).astype(np.float32)
    kernel[..., 1] *= np.float32(gain)  # one channel of four
    return Graph(
        (
            Input("x", (), 5, 5, 3),
            Conv("large", ("x",), kernel, np.array([1, 2, 3, 4], np.float32)),
            PRelu("bent", ("large",), np.array([-16, 16, 0.5, -0.1], np.float32)),
            Conv("last", ("bent",), random.uniform(-tail, tail, (5, 5, 4, 6)).astype(np.float32), None),
            Flatten("y", ("last",)),
        ),
        ("y",),
    )


@pytest.mark.parametrize("gain", [1.0, 300.0, 9000.0, 1e7, 2.0**40])
def test_only_what_is_too_large_is_rescaled_and_nothing_changes(gain: float) -> None:
    graph = chain(gain, 1e-4 / gain)
    pictures = np.random.default_rng(0).uniform(-1, 1, (3, 5, 5, 3)).astype(np.float32)
    before = reaches(graph, pictures)
    fitted, large = fit_half(graph, before)
    after = reaches(fitted, pictures)
    assert large == {name for name in ("large", "bent") if before[name].max() >= HIGHEST}
    assert max(values.max() for values in after.values()) < HIGHEST
    if not large:
        assert fitted is graph
        return
    # by a power of two, and only the one channel
    ratio = before["bent"] / after["bent"]
    assert ratio[[0, 2, 3]].tolist() == [1, 1, 1]
    assert np.frexp(ratio[1])[0] == 0.5
    assert after["bent"][1] >= HIGHEST / 2
    # in float32, as a power of two only moves exponents
    expected, found = interpret(graph, pictures)["y"], interpret(fitted, pictures)["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0)


def test_what_cannot_be_rescaled_is_named() -> None:
    graph = chain(1, 1e6)
    pictures = np.ones((1, 5, 5, 3), np.float32)
    with pytest.raises(ConversionError, match=r"the tensor 'last' reaches \d.*e\+?\d+.*--fp16-storage-only"):
        fit_half(graph, reaches(graph, pictures))
    gate = Graph((*chain(90000, 1).nodes[:2], Sigmoid("y", ("large",))), ("y",))
    with pytest.raises(ConversionError, match=r"'large' reaches"):
        fit_half(gate, reaches(gate, pictures))
    endless = {**reaches(graph, pictures), "bent": np.array([0, np.nan, 0, 0])}
    with pytest.raises(ConversionError, match=r"'bent' is not finite"):
        fit_half(graph, endless)


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(random_graph: Callable[..., Graph], seed: int) -> None:
    graph = random_graph(seed)
    pictures = np.random.default_rng(seed).normal(size=(2, 6, 7, 3)).astype(np.float32)
    reach = reaches(graph, pictures)
    factor = 2 * HIGHEST / max(values.max() for values in reach.values())
    try:
        fitted, _ = fit_half(graph, {name: values * factor for name, values in reach.items()})
    except ConversionError:  # the largest is an output, or what enters a sigmoid
        return
    for name, expected in interpret(graph, pictures).items():
        if name in graph.outputs:
            np.testing.assert_allclose(interpret(fitted, pictures)[name], expected, rtol=1e-6, atol=1e-9)


def test_the_official_checkpoint(shared: Path) -> None:
    """As it is, it needs nothing; with its widest stage 64 times larger it does, and is as before."""
    source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    graph = embedder_graph(read_keras_h5(source.read_bytes(), "official"), "native")
    pictures = np.random.default_rng(2).uniform(-1, 1, (2, 112, 112, 3)).astype(np.float32)
    assert fit_half(graph, reaches(graph, pictures)) == (graph, frozenset())
    factors = {node.name: np.ones(graph.shapes()[node.name][-1]) for node in graph.nodes}
    for name in ("batch_normalization_5", "activation_3"):
        factors[name] = factors[name] * 2.0**9
    factors["batch_normalization_6"], factors["activation_4"] = factors["activation_3"], factors["activation_3"]
    factors["concatenate_2"] = np.concatenate([factors["activation_3"]] * 2)
    enlarged = scaled(graph, factors)
    reach = reaches(enlarged, pictures)
    assert reach["concatenate_2"].max() > HIGHEST
    fitted, large = fit_half(enlarged, reach)
    assert "concatenate_2" in large
    assert max(values.max() for values in reaches(fitted, pictures).values()) < HIGHEST
    name = graph.outputs[0]
    np.testing.assert_array_equal(reaches(fitted, pictures)[name], reaches(enlarged, pictures)[name])
    assert replace(fitted, outputs=graph.outputs).parameters() == graph.parameters()

"""Calibrations: repeatable, storable, strict, and good enough on the official checkpoint."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ghostface_edge.converters.calibration import Calibration, apply, calibrate
from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.lowering import int8_graph, naive_int8_graph
from ghostface_edge.converters.passes.channels import scale_groups, scaled
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm
from ghostface_edge.converters.quantization import Affine, Quantization, fused_followers, quantize_conv
from ghostface_edge.converters.ranges import choose_ranges
from ghostface_edge.converters.simulator import FLOAT, Simulator, batches
from ghostface_edge.errors import ConversionError, OptionError

pytest.importorskip("onnxruntime")

SHA = "ab" * 32


def pictures(count: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(-1, 1, (count, 8, 8, 3))
    return noise.repeat(4, axis=1).repeat(4, axis=2).astype(np.float32)


def embed(graph: Graph, quantization: Quantization, x: np.ndarray) -> np.ndarray:
    simulator = Simulator(graph)
    return np.concatenate([simulator.run(part, quantization)[graph.outputs[0]] for part in batches(graph, x)])


def cosines(graph: Graph, quantization: Quantization, reference: np.ndarray, x: np.ndarray) -> np.ndarray:
    found = embed(graph, quantization, x)
    return np.asarray(
        (found * reference).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(reference, axis=1)
    )


@pytest.fixture(scope="module")
def calibration(small_checkpoint_graph: Graph) -> Calibration:
    return calibrate(small_checkpoint_graph, pictures(40), checkpoint_sha256=SHA)


def test_the_same_pictures_give_the_same_json(small_checkpoint_graph: Graph, calibration: Calibration) -> None:
    again = calibrate(small_checkpoint_graph, pictures(40), checkpoint_sha256=SHA)
    assert again.to_json() == calibration.to_json()
    other = calibrate(small_checkpoint_graph, pictures(40, seed=1), checkpoint_sha256=SHA)
    assert other.digest != calibration.digest
    assert (calibration.checkpoint, calibration.pictures) == (SHA, 40)


def test_json_there_and_back(calibration: Calibration) -> None:
    text = calibration.to_json()
    back = Calibration.from_json(text)
    assert back == calibration
    assert back.to_json() == text
    assert Calibration.from_json(text.encode()) == calibration


def test_what_is_applied_from_json_has_the_same_integers(
    small_checkpoint_graph: Graph, calibration: Calibration
) -> None:
    one, quantization = apply(small_checkpoint_graph, calibration)
    other, same = apply(small_checkpoint_graph, Calibration.from_json(calibration.to_json()))
    assert dict(quantization.tensors) == dict(same.tensors)
    for first, second in zip(one.nodes, other.nodes):
        for key, values in first.weights().items():
            assert np.array_equal(values, second.weights()[key])


def test_the_applied_network_computes_the_same_in_float(
    small_checkpoint_graph: Graph, calibration: Calibration
) -> None:
    """But for the shifts of its biases, which are small."""
    x = pictures(6, seed=2)
    without = replace(calibration, shifts={})
    graph, _ = apply(small_checkpoint_graph, without)
    reference = embed(int8_graph(small_checkpoint_graph), FLOAT, x)
    np.testing.assert_allclose(embed(graph, FLOAT, x), reference, rtol=0, atol=2e-5 * np.abs(reference).max())


def test_better_than_naive(small_checkpoint_graph: Graph, calibration: Calibration) -> None:
    x = pictures(40, seed=3)
    reference = embed(int8_graph(small_checkpoint_graph), FLOAT, x)
    naive = naive_int8_graph(small_checkpoint_graph)
    statistics = channel_statistics(naive, pictures(40))
    ranges = choose_ranges(naive, pictures(40), statistics, Affine(1 / 128, -1), method="minmax")
    before = 1 - cosines(naive, ranges, reference, x).mean()
    after = 1 - cosines(*apply(small_checkpoint_graph, calibration), reference, x).mean()
    assert after < 0.5 * before


def test_the_scales_in_which_a_checkpoint_holds_its_channels_do_not_matter(small_checkpoint_graph: Graph) -> None:
    """Channels whose ranges differ by a factor of 1,000 more than they did."""
    folded = fold_batch_norm(small_checkpoint_graph)
    groups = scale_groups(folded)
    shaken = scaled(folded, groups.factors(10 ** np.random.default_rng(1).uniform(-1.5, 1.5, len(groups.pinned))))
    x = pictures(40, seed=3)
    reference = embed(int8_graph(small_checkpoint_graph), FLOAT, x)
    means = [
        cosines(*apply(graph, calibrate(graph, pictures(40), checkpoint_sha256=SHA)), reference, x).mean()
        for graph in (folded, shaken)
    ]
    assert means[1] == pytest.approx(means[0], abs=0.003)


def test_at_most_256_pictures_are_looked_at(small_checkpoint_graph: Graph) -> None:
    x = pictures(300)
    every = np.linspace(0, 299, 256).astype(int)
    few = calibrate(small_checkpoint_graph, x[every], checkpoint_sha256=SHA)
    assert calibrate(small_checkpoint_graph, x, checkpoint_sha256=SHA) == few
    assert few.pictures == 256


def test_one_picture_is_enough_to_run(small_checkpoint_graph: Graph) -> None:
    graph, quantization = apply(
        small_checkpoint_graph, calibrate(small_checkpoint_graph, pictures(1), checkpoint_sha256=SHA)
    )
    assert np.isfinite(embed(graph, quantization, pictures(2))).all()


def test_black_pictures_are_enough_to_run(small_checkpoint_graph: Graph) -> None:
    black = np.zeros((2, 32, 32, 3), np.float32)
    graph, quantization = apply(small_checkpoint_graph, calibrate(small_checkpoint_graph, black, checkpoint_sha256=SHA))
    assert np.isfinite(embed(graph, quantization, pictures(2))).all()


@pytest.mark.parametrize("x", [np.zeros((0, 32, 32, 3), np.float32), np.zeros((2, 31, 32, 3), np.float32)])
def test_pictures_that_do_not_fit(small_checkpoint_graph: Graph, x: np.ndarray) -> None:
    with pytest.raises(ConversionError, match="picture"):
        calibrate(small_checkpoint_graph, x, checkpoint_sha256=SHA)


def test_an_unknown_method(small_checkpoint_graph: Graph) -> None:
    with pytest.raises(OptionError, match="choose from"):
        calibrate(small_checkpoint_graph, pictures(1), checkpoint_sha256=SHA, method="best")


def test_another_network(calibration: Calibration, random_graph: Callable[..., Graph]) -> None:
    with pytest.raises(ConversionError, match="Calibrate again"):
        apply(random_graph(0), calibration)


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ("shifts", "nowhere", (1.0,)),
        ("shifts", "input", (1.0,)),
        ("affines", "nowhere", (0.5, 0)),
    ],
)
def test_names_that_the_network_does_not_have(
    small_checkpoint_graph: Graph, calibration: Calibration, field: str, name: str, value: Any
) -> None:
    changed = replace(calibration, **{field: {**getattr(calibration, field), name: value}})
    with pytest.raises(ConversionError, match=f"{name}"):
        apply(small_checkpoint_graph, changed)


def test_a_shift_of_another_length(small_checkpoint_graph: Graph, calibration: Calibration) -> None:
    name = next(iter(calibration.shifts))
    changed = replace(calibration, shifts={**calibration.shifts, name: (*calibration.shifts[name], 0.0)})
    with pytest.raises(ConversionError, match=name):
        apply(small_checkpoint_graph, changed)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": None},
        {"checkpoint": "ab"},
        {"digest": "G" * 64},
        {"pictures": 0},
        {"pictures": True},
        {"pictures": 1.5},
        {"factors": [1.0, -1.0]},
        {"factors": [float("nan")]},
        {"factors": ["1"]},
        {"factors": {"a": 1}},
        {"affines": []},
        {"affines": {"a": [0.5]}},
        {"affines": {"a": [0.5, 200]}},
        {"affines": {"a": [0.5, 0.5]}},
        {"affines": {"a": [0, 0]}},
        {"affines": {"a": [1e300, 0]}},
        {"affines": {"a": [1e-300, 0]}},
        {"shifts": {"a": 1}},
        {"shifts": {"a": [None]}},
        {"shifts": {"a": [1e999]}},
        {"more": 1},
    ],
)
def test_json_that_says_what_cannot_be(calibration: Calibration, change: dict[str, Any]) -> None:
    values = {**json.loads(calibration.to_json()), **change}
    with pytest.raises(ConversionError, match="calibration"):
        Calibration.from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"a"', "[" * 100_000, b"\xff\xfe", "{}"])
def test_text_that_is_no_calibration(text: str | bytes) -> None:
    with pytest.raises(ConversionError, match="calibration"):
        Calibration.from_json(text)


def test_mutated_json_gives_our_errors_or_a_network(small_checkpoint_graph: Graph, calibration: Calibration) -> None:
    rng = random.Random(0)
    text = bytearray(calibration.to_json().encode())
    for _ in range(300):
        mutant = bytearray(text)
        for _ in range(rng.randint(1, 4)):
            mutant[rng.randrange(len(mutant))] = rng.choice(b'0123456789.,-eE"[]{}:x')
        try:
            apply(small_checkpoint_graph, Calibration.from_json(bytes(mutant)))
        except ConversionError:
            continue


def quantized_weights(graph: Graph, quantization: Quantization) -> bool:
    from ghostface_edge.converters.graph import Conv

    followers = fused_followers(graph)
    for node in graph.nodes:
        if isinstance(node, Conv):
            result = quantization.tensors[followers.get(node.name, node.name)]
            integers = quantize_conv(node, quantization.tensors[node.inputs[0]], result)
            if np.abs(integers.bias.astype(np.float64)).max(initial=0) >= 2**30:
                return False
    return True


def test_no_bias_comes_near_the_limit_of_int32(small_checkpoint_graph: Graph, calibration: Calibration) -> None:
    assert quantized_weights(*apply(small_checkpoint_graph, calibration))


def real_figures(checkpoint: Graph, x: np.ndarray, calibrated_on: int) -> tuple[Calibration, np.ndarray]:
    calibration = calibrate(checkpoint, x[:calibrated_on], checkpoint_sha256=SHA)
    held_out = x[calibrated_on:]
    reference = embed(int8_graph(checkpoint), FLOAT, held_out)
    return calibration, cosines(*apply(checkpoint, calibration), reference, held_out)


def test_the_official_checkpoint_in_brief(real_checkpoint: Graph, face_tensor: Callable[[int], np.ndarray]) -> None:
    """48 unaligned crops, on which the naive way is at 0.2: the same order as the slow test's figures."""
    calibration, found = real_figures(real_checkpoint, face_tensor(80), 48)
    assert found.mean() > 0.97
    assert found.min() > 0.9
    assert len(calibration.to_json()) < 300_000


@pytest.mark.slow
def test_the_official_checkpoint(real_checkpoint: Graph, aligned_faces: np.ndarray) -> None:
    """Aligned faces of people who are in no pair of LFW: mean at least 0.985, smallest at least 0.94."""
    _, found = real_figures(real_checkpoint, aligned_faces, 256)
    assert len(found) >= 200
    assert found.mean() > 0.988
    assert found.min() > 0.94

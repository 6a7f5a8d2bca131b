"""The simulator: float as the interpreter, integers by hand, and as far from float as LiteRT's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ghostface_edge.card import ModelCard
from ghostface_edge.converters.calibration import apply, calibrate
from ghostface_edge.converters.graph import Add, Conv, Flatten, Graph, HardSigmoid, Input, Node, PRelu, Relu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.passes.channelwise_to_conv import channelwise_to_conv
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm
from ghostface_edge.converters.quantization import UNIT, Affine, Quantization, fused_followers
from ghostface_edge.converters.simulator import FLOAT, Simulator, batches, stored
from ghostface_edge.errors import ConversionError

pytest.importorskip("onnxruntime")


def faces(count: int, *size: int, seed: int = 0) -> np.ndarray:
    """Smooth random pictures."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(-1, 1, (count, size[0] // 4, size[1] // 4, size[2]))
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.float32)


def mean_cosine(first: np.ndarray, second: np.ndarray) -> float:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / lengths).mean())


def test_stored_numbers_by_hand() -> None:
    affine = Affine(0.5, -126)  # -1 .. 126.5
    values = np.array([-3, -1.1, -0.25, 0.25, 0.74, 0.76, 200], np.float32)
    assert stored(values, affine).tolist() == [-1, -1, 0, 0, 0.5, 1, 126.5]
    assert stored(values, None) is values


def test_integers_hold_what_is_stored() -> None:
    values = np.random.default_rng(0).normal(0, 40, 1000).astype(np.float32)
    for affine in (Affine(0.37, 11), Affine.over(-100, 3), Affine.over(-100, 3, 16)):
        np.testing.assert_allclose(
            stored(values, affine), affine.dequantize(affine.quantize(values)), rtol=1e-6, atol=1e-6 * affine.scale
        )


@pytest.mark.parametrize("seed", range(30))
def test_float_is_the_interpreter(random_graph: Callable[..., Graph], seed: int) -> None:
    graph = channelwise_to_conv(fold_batch_norm(random_graph(seed)))
    x = np.random.default_rng(seed).normal(size=(3, 6, 7, 3)).astype(np.float32)
    expected, found = interpret(graph, x), Simulator(graph).run(x)
    assert set(found) == set(expected) - set(fused_followers(graph))
    for name, tensor in found.items():
        np.testing.assert_allclose(tensor, expected[name], rtol=0, atol=2e-5 * max(1, np.abs(expected[name]).max()))


def test_a_convolution_by_hand() -> None:
    """x = 0.5 becomes 0.5; weights 1 and 0.3 become 127 and 38 steps of 1 / 127; the sum is rounded to tenths."""
    conv = Conv("conv", ("x",), np.array([1, 0.3], np.float32).reshape(1, 1, 2, 1), np.array([0.01], np.float32))
    graph = Graph((Input("x", (), 1, 1, 2), conv), ("conv",))
    quantization = Quantization({"x": Affine(0.25, 0), "conv": Affine(0.1, 0)})
    picture = np.array([0.5, -0.6], np.float32).reshape(1, 1, 1, 2)
    simulator = Simulator(graph)
    bias = round(0.01 / (0.25 / 127)) * 0.25 / 127
    exact = 0.5 - 0.5 * 38 / 127 + bias
    assert simulator.convolve(conv, simulator.run(picture, quantization)["x"], quantization).item() == pytest.approx(
        exact, rel=1e-6
    )
    assert simulator.run(picture, quantization)["conv"].item() == pytest.approx(round(exact, 1))
    assert simulator.run(picture, quantization.without(["conv"]))["conv"].item() == pytest.approx(0.5 - 0.15 + 0.01)


def test_fused_operators_store_once() -> None:
    """A convolution of -3 and 0.601 with its Relu stores 0 and 0.6; a unit gate stores steps of 1 / 255."""
    ones = np.ones((1, 1, 2, 1), np.float32)
    nodes: tuple[Node, ...] = (
        Input("x", (), 1, 1, 2),
        Conv("conv", ("x",), ones, None, depthwise=True),
        Relu("relu", ("conv",)),
        Conv("scaled", ("relu",), ones, None, depthwise=True),
        HardSigmoid("gate", ("scaled",), 1.0, 0.0),
    )
    quantization = Quantization({"x": Affine(0.001, 0, 16), "relu": Affine(0.2, -128), "gate": UNIT})
    tensors = Simulator(Graph(nodes, ("gate",))).run(
        np.array([-3, 0.601], np.float32).reshape(1, 1, 1, 2), quantization
    )
    assert sorted(tensors) == ["gate", "relu", "x"]
    assert tensors["relu"].ravel().tolist() == pytest.approx([0, 0.6])
    assert tensors["gate"].ravel().tolist() == pytest.approx([0, 153 / 255])


def test_a_replaced_convolution_is_used() -> None:
    kernel = np.ones((3, 3, 1, 1), np.float32)
    conv = Conv("conv", ("x",), kernel, None, pads=(1, 1, 1, 1))
    simulator = Simulator(Graph((Input("x", (), 4, 4, 1), conv), ("conv",)))
    x = np.ones((1, 4, 4, 1), np.float32)
    assert simulator.run(x)["conv"][0, 1, 1, 0] == 9
    simulator.replace(Conv("conv", ("x",), 2 * kernel, np.array([1], np.float32), pads=(1, 1, 1, 1)))
    assert simulator.run(x)["conv"][0, 1, 1, 0] == 19
    assert simulator.graph["conv"].weights()["bias"].tolist() == [1]


def test_batches_cover_all_pictures_and_refuse_others(small_checkpoint_graph: Graph) -> None:
    x = faces(37, 32, 32, 3)
    assert np.array_equal(np.concatenate(list(batches(small_checkpoint_graph, x))), x)
    for wrong in (x[:0], x[:, :31], x[0]):
        with pytest.raises(ConversionError, match="takes some pictures"):
            next(batches(small_checkpoint_graph, wrong))


def test_batch_norm_is_refused(small_checkpoint_graph: Graph) -> None:
    with pytest.raises(ConversionError, match="BatchNorm cannot be simulated"):
        Simulator(small_checkpoint_graph).run(faces(1, 32, 32, 3))


def on_litert(model: bytes, x: np.ndarray) -> np.ndarray:
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = interpreter_module.Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    results = []
    for picture in x:
        interpreter.set_tensor(source["index"], picture[None])
        interpreter.invoke()
        results.append(interpreter.get_tensor(target["index"])[0].copy())
    return np.array(results)


def small_net() -> Graph:
    """Stem, PReLU, depthwise, sum, head: few enough roundings that embeddings can be compared number by number."""
    random = np.random.default_rng(3)

    def kernel(*shape: int) -> np.ndarray:
        return random.normal(0, 0.4, shape).astype(np.float32)

    bias = random.normal(0, 0.1, 8).astype(np.float32)
    return Graph(
        (
            Input("input", (), 16, 16, 3),
            Conv("stem", ("input",), kernel(3, 3, 3, 8), bias, (2, 2), (0, 0, 1, 1)),
            PRelu("active", ("stem",), random.uniform(-1, 1, 8).astype(np.float32)),
            Conv("spatial", ("active",), kernel(3, 3, 8, 1), bias, pads=(1, 1, 1, 1), depthwise=True),
            Add("add", ("active", "spatial")),
            Conv("whole", ("add",), kernel(8, 8, 8, 1), bias, depthwise=True),
            Conv("head", ("whole",), kernel(1, 1, 8, 12), None),
            Flatten("embedding", ("head",)),
        ),
        ("embedding",),
    )


def test_a_small_network_is_litert_number_by_number(make_card: Callable[..., ModelCard]) -> None:
    from ghostface_edge.converters.tflite_writer import write_tflite

    x = faces(24, 16, 16, 3)
    graph, quantization = apply(small_net(), calibrate(small_net(), x, checkpoint_sha256="0" * 64))
    real = on_litert(write_tflite(graph, make_card(precision="int8"), quantization), x)
    simulated = Simulator(graph).run(x, quantization)["embedding"]
    step = quantization.tensors["embedding"].scale
    assert np.abs(real - simulated).max() <= 4 * step
    assert (np.abs(real - simulated) < 0.5 * step).mean() > 0.8


def both(graph: Graph, quantization: Quantization, card: ModelCard, x: np.ndarray) -> tuple[float, float]:
    """Mean cosine to float: simulated, and on LiteRT."""
    from ghostface_edge.converters.tflite_writer import write_tflite

    def embed(stored_as: Quantization) -> Any:
        simulator = Simulator(graph)
        return np.concatenate([simulator.run(part, stored_as)[graph.outputs[0]] for part in batches(graph, x)])

    real = on_litert(write_tflite(graph, card, quantization), x)
    reference = embed(FLOAT)
    return mean_cosine(embed(quantization), reference), mean_cosine(real, reference)


def test_as_far_from_float_as_litert(small_checkpoint_graph: Graph, make_card: Callable[..., ModelCard]) -> None:
    x = faces(64, 32, 32, 3)
    graph, quantization = apply(
        small_checkpoint_graph, calibrate(small_checkpoint_graph, x, checkpoint_sha256="0" * 64)
    )
    simulated, real = both(graph, quantization, make_card(precision="int8"), x)
    assert simulated == pytest.approx(real, abs=1e-3)


def test_as_far_from_float_as_litert_on_the_official_checkpoint(
    real_checkpoint: Graph, face_tensor: Callable[[int], np.ndarray], make_card: Callable[..., ModelCard]
) -> None:
    x = face_tensor(96)
    graph, quantization = apply(real_checkpoint, calibrate(real_checkpoint, x[:32], checkpoint_sha256="0" * 64))
    simulated, real = both(graph, quantization, make_card(precision="int8"), x[32:])
    assert simulated == pytest.approx(real, abs=1e-3)

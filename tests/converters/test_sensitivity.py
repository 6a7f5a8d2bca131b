"""The ranking of tensors and mixed precision: predictions against measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ghostface_edge.card import ModelCard
from ghostface_edge.converters.calibration import apply, calibrate
from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.graph import Add, Conv, Graph, Input
from ghostface_edge.converters.quantization import Quantization, check_quantization, fused_followers
from ghostface_edge.converters.sensitivity import damages, mixed, stretches
from ghostface_edge.converters.simulator import Simulator
from ghostface_edge.errors import OptionError

pytest.importorskip("onnxruntime")


def pictures(count: int, size: int = 32, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    coarse = random.uniform(-1, 1, (count, size // 4, size // 4, 3))
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.float32)


def loss(first: np.ndarray, second: np.ndarray) -> float:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(1 - ((first * second).sum(axis=1) / lengths).mean())


@pytest.fixture(scope="module")
def small(small_checkpoint_graph: Graph) -> tuple[Graph, Quantization]:
    return apply(small_checkpoint_graph, calibrate(small_checkpoint_graph, pictures(64), checkpoint_sha256="0" * 64))


def rounded_alone(graph: Graph, quantization: Quantization, x: np.ndarray, name: str) -> float:
    """Loss of cosine when this tensor is rounded and all else is float."""
    simulator, output = Simulator(graph), graph.outputs[0]
    alone = Quantization({name: quantization.tensors[name]})
    return loss(simulator.run(x, alone)[output], simulator.run(x)[output])


def test_predicted_losses_are_those_measured(real_checkpoint: Graph, face_tensor: Callable[[int], np.ndarray]) -> None:
    x = face_tensor(24)
    graph, quantization = apply(real_checkpoint, calibrate(real_checkpoint, x, checkpoint_sha256="0" * 64))
    found = damages(graph, quantization, x, channel_statistics(graph, x))
    ranked = [damage.loss for damage in found]
    assert ranked == sorted(ranked, reverse=True)
    assert sum(damage.share for damage in found) == pytest.approx(1)
    measured = [rounded_alone(graph, quantization, x, damage.tensor) for damage in found[:12]]
    assert sum(measured) == pytest.approx(sum(ranked[:12]), rel=0.3)
    output = graph.outputs[0]
    together = loss(Simulator(graph).run(x, quantization)[output], Simulator(graph).run(x)[output])
    assert together == pytest.approx(sum(ranked), rel=0.5)


def test_a_tensor_of_far_too_wide_a_range_is_named(small: tuple[Graph, Quantization]) -> None:
    graph, quantization = small
    name = next(node.name for node in graph.nodes if isinstance(node, Add))
    affine = quantization.tensors[name]
    broken = Quantization({**quantization.tensors, name: type(affine)(affine.scale * 50, affine.zero_point)})
    worst = damages(graph, broken, pictures(8), channel_statistics(graph, pictures(8)))[0]
    assert (worst.tensor, worst.operator) == (name, "Add")
    assert worst.share > 0.5
    assert worst.to_dict()["tensor"] == name


def test_a_fused_follower_is_said_to_be_made_by_its_operator(small: tuple[Graph, Quantization]) -> None:
    graph, quantization = small
    by_name = {
        item.tensor: item for item in damages(graph, quantization, pictures(4), channel_statistics(graph, pictures(4)))
    }
    makers = {follower: name for name, follower in fused_followers(graph).items()}
    follower = next(name for name in by_name if name in makers)
    assert by_name[follower].operator == type(graph[makers[follower]]).__name__ == "Conv"


def test_stretches_are_bottlenecks(real_checkpoint: Graph) -> None:
    from ghostface_edge.converters.lowering import int8_graph

    graph = int8_graph(real_checkpoint)
    found = stretches(graph)
    adds = [f"add_{number}" if number else "add" for number in range(16)]
    assert [names[-1] for names in found] == [*adds, "embedding"]
    stored_names = [node.name for node in graph.nodes if node.name not in fused_followers(graph)]
    assert [name for names in found for name in names] == stored_names


def test_stretches_are_cut_where_one_tensor_passes(small: tuple[Graph, Quantization]) -> None:
    graph, _ = small
    order = {node.name: index for index, node in enumerate(graph.nodes)}
    for names in stretches(graph)[:-1]:
        cut = order[names[-1]]
        crossing = {source for node in graph.nodes[cut + 1 :] for source in node.inputs if order[source] <= cut}
        assert crossing == {names[-1]}


def test_nothing_is_float_where_integers_suffice(small: tuple[Graph, Quantization]) -> None:
    graph, quantization = small
    result = mixed(graph, quantization, pictures(16, seed=1), channel_statistics(graph, pictures(16)), 0.5)
    assert result.is_met
    assert result.float_operators == ()
    assert dict(result.quantization.tensors) == dict(quantization.tensors)


def test_more_is_asked_for_and_more_is_float(small: tuple[Graph, Quantization]) -> None:
    graph, quantization = small
    x, statistics = pictures(16, seed=1), channel_statistics(graph, pictures(16))
    integers = mixed(graph, quantization, x, statistics, -1).cosine
    some = mixed(graph, quantization, x, statistics, 1 - (1 - integers) * 0.7)
    assert some.is_met
    assert 0 < len(some.float_operators) < len(graph.nodes) // 2
    check_quantization(graph, some.quantization)
    never = mixed(graph, quantization, x, statistics, 1.0)
    assert not never.is_met
    assert integers < some.cosine < never.cosine < 1
    assert len(never.float_operators) > len(some.float_operators)
    assert graph.input.name in never.quantization.tensors
    assert graph.outputs[0] in never.quantization.tensors


def test_mixed_files_do_on_litert_what_was_promised(
    small: tuple[Graph, Quantization], make_card: Callable[..., ModelCard]
) -> None:
    litert: Any = pytest.importorskip("ai_edge_litert.interpreter")
    from ghostface_edge.converters.tflite_writer import write_tflite

    graph, quantization = small
    x, statistics = pictures(48, seed=1), channel_statistics(graph, pictures(16))
    integers = mixed(graph, quantization, x, statistics, -1).cosine
    result = mixed(graph, quantization, x, statistics, 1 - (1 - integers) * 0.6)
    model = write_tflite(graph, make_card(precision="mixed"), result.quantization)
    interpreter = litert.Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    embeddings = []
    for picture in x:
        interpreter.set_tensor(source["index"], picture[None])
        interpreter.invoke()
        embeddings.append(interpreter.get_tensor(target["index"])[0].copy())
    reference = Simulator(graph).run(x)[graph.outputs[0]]
    assert 1 - loss(np.array(embeddings), reference) == pytest.approx(result.cosine, abs=1e-3)


def test_an_impossible_cosine(small: tuple[Graph, Quantization]) -> None:
    graph, quantization = small
    with pytest.raises(OptionError, match=r"cosine=98\.5"):
        mixed(graph, quantization, pictures(1), channel_statistics(graph, pictures(1)), 98.5)


def test_a_chain_has_one_stretch() -> None:
    nodes = [Input("x", (), 2, 2, 1)]
    for number in range(3):
        nodes.append(Conv(f"c{number}", (nodes[-1].name,), np.ones((1, 1, 1, 1), np.float32), None))  # type: ignore[arg-type]
    assert stretches(Graph(tuple(nodes), ("c2",))) == (("x", "c0", "c1", "c2"),)

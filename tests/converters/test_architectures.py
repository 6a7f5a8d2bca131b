"""The networks have the official size, shape and names, and numbers that keep their size from end to end."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.converters.architectures import architecture, ghostfacenet, multiple_of_4
from ghostface_edge.converters.graph import (
    Add,
    AveragePool,
    BatchNorm,
    Conv,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Sigmoid,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.preparation import embedder_graph
from ghostface_edge.errors import OptionError

Runner = Callable[..., "dict[str, np.ndarray]"]

OFFICIAL = {
    "ghostfacenet-v1-0.5-2": (722_364, 10.72),
    "ghostfacenet-v1-0.5-1": (730_812, 38.69),
    "ghostfacenet-v1-1.0-2": (2_496_336, 36.70),
    "ghostfacenet-v1-1.0-1": (2_513_232, 131.48),
    "ghostfacenet-v1-1.3-2": (4_066_388, 59.32),
    "ghostfacenet-v1-1.3-1": (4_088_300, 211.91),
    "ghostfacenet-v1-2.0-2": (9_203_344, 134.47),
    "ghostfacenet-v1-2.0-1": (9_237_136, 479.34),
    "ghostfacenet-v2-1.0-2": (4_229_744, 46.37),
    "ghostfacenet-v2-1.0-1": (4_261_424, 165.08),
    "ghostfacenet-v2-1.3-2": (6_839_104, 75.22),
    "ghostfacenet-v2-1.3-1": (6_880_288, 267.15),
}
"""Parameters and millions of multiplications, counted on models that upstream's own code builds."""


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """(4, 112, 112, 3) in -1..1: soft blobs, other ones in each."""
    cv2 = pytest.importorskip("cv2")
    random = np.random.default_rng(5)
    blobs = [cv2.resize(random.normal(0, 0.5, (7, 7, 3)), (112, 112), interpolation=cv2.INTER_CUBIC) for _ in range(4)]
    return np.clip(np.stack(blobs), -1, 1).astype(np.float32)


def of(graph: Graph, kind: type[Node]) -> list[Node]:
    return [node for node in graph.nodes if isinstance(node, kind)]


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_sizes(name: str) -> None:
    graph = architecture(name)
    parameters, macs = OFFICIAL[name]
    assert graph.parameters() == parameters
    assert graph.macs() / 1e6 == pytest.approx(macs, abs=0.005)
    assert (graph.input.height, graph.input.width, graph.outputs) == (112, 112, ("embedding",))
    assert graph.shapes()["embedding"] == (512,)


def test_figures_of_upstreams_notebook() -> None:
    """``Flops.ipynb``, V2 of width 1.3 and stride 1: FLOPs (which it halves) and parameters, to the last digit.

    The profiler of that TensorFlow counts all but AddV2: 2 for a multiplication of a convolution; 1 for a bias, a
    product, the negation of a PReLU's input and of its slopes, and each division and cut of a hard sigmoid; the inputs
    of means and of squares. The last normalisation, on vectors, is not fused: 6 for each value.
    """
    graph = architecture("ghostfacenet-v2-1.3-1")
    shapes = graph.shapes()

    def values(kind: type[Node]) -> int:
        return sum(prod(shapes[node.name]) for node in of(graph, kind))

    slopes = sum(node.slope.size for node in graph.nodes if isinstance(node, PRelu))
    biases = sum(node.bias.size for node in graph.nodes if isinstance(node, Conv) and node.bias is not None)
    means = sum(prod(shapes[node.inputs[0]]) for node in of(graph, GlobalAveragePool))
    elementwise = values(Mul) + 2 * values(PRelu) + slopes + biases + 3 * values(HardSigmoid) + 6 * 512
    assert (2 * graph.macs() + elementwise + means + 4 * values(AveragePool)) // 2 == 272_105_108
    statistics = sum(2 * node.mean.size for node in graph.nodes if isinstance(node, BatchNorm))
    assert (statistics, graph.parameters() - statistics) == (84_568, 6_795_720)


@pytest.mark.parametrize(("name", "attention", "hard_sigmoid"), [("v1", 0, (0.2, 0.5)), ("v2", 14, (1 / 6, 0.5))])
def test_what_versions_differ_in(name: str, attention: int, hard_sigmoid: tuple[float, float]) -> None:
    graph = architecture(f"ghostfacenet-{name}-1.0-2")
    for kind in (AveragePool, ResizeBilinear, Sigmoid):
        assert len(of(graph, kind)) == attention
    gates = [node for node in graph.nodes if isinstance(node, HardSigmoid)]
    assert [(gate.slope, gate.offset) for gate in gates] == [hard_sigmoid] * 7
    assert len(of(graph, Add)) == 16
    strided = [node.pads for node in graph.nodes if isinstance(node, Conv) and node.strides == (2, 2)]
    # 112, 56 x 2 and 14 x 2 (kernels of 3), 28 x 2 and 7 x 2 (kernels of 5)
    three, five, odd = ((0, 0, 1, 1), (1, 1, 2, 2), (2, 2, 2, 2)) if name == "v1" else ((1,) * 4, (2,) * 4, (2,) * 4)
    assert Counter(strided) == Counter([three] * 5 + [five] * 2 + [odd] * 2)


def test_version_1_is_the_network_of_the_official_checkpoint(shared: Path) -> None:
    """Every node by its name: class, inputs, settings, shapes of weights; and the order that Keras gave them."""
    path = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    pytest.importorskip("h5py")
    ours = architecture("ghostfacenet-v1-0.5-2").by_name()
    theirs = read_keras_h5(path.read_bytes(), path.name).by_name()
    assert set(ours) == set(theirs)
    for name, node in theirs.items():
        assert described(ours[name]) == described(node)
    numbers = defaultdict(list)
    for name in ours:
        kind, number = re.fullmatch(r"(.*?)(?:_(\d+))?", name).groups()
        numbers[kind].append(int(number or 0))
    assert numbers["batch_normalization"] == list(range(80))
    assert all(found == sorted(found) for found in numbers.values())


def described(node: Node) -> tuple[object, ...]:
    weights = node.weights()
    settings = {key: value for key, value in vars(node).items() if key not in weights}
    return type(node), settings, {key: array.shape for key, array in weights.items()}


def test_version_2_has_upstreams_names() -> None:
    """Those that ``Flops.ipynb`` prints, and some of ``backbones/ghostv2.py``, in the order in which it makes them."""
    names = [node.name for node in architecture("ghostfacenet-v2-1.3-1").nodes]
    squeezes = [name for name in names if name.endswith("se_prelu")]
    assert squeezes == [f"stack{number}_se_prelu" for number in (4, 5, 10, 11, 12, 14, 16)]
    stack = [name for name in names if name.startswith("stack4_")]
    assert stack == [
        *("stack4_short_1_dw_conv", "stack4_short_1_bn", "stack4_short_2_conv", "stack4_short_2_bn"),
        *("stack4_ghost_1_prim_conv", "stack4_ghost_1_prim_bn", "stack4_ghost_1_prim_prelu"),
        *("stack4_ghost_1_cheap_dw_conv", "stack4_ghost_1_cheap_bn", "stack4_ghost_1_cheap_prelu"),
        *("stack4_ghost_1_short_1_conv", "stack4_ghost_1_short_1_bn"),
        *("stack4_ghost_1_short_2_dw_conv", "stack4_ghost_1_short_2_bn"),
        *("stack4_ghost_1_short_3_dw_conv", "stack4_ghost_1_short_3_bn", "stack4_ghost_1_short_sigmoid"),
        *("stack4_down_dw_conv", "stack4_down_bn"),
        *("stack4_se_1_conv", "stack4_se_prelu", "stack4_se_2_conv", "stack4_se_hard_sigmoid_torch", "stack4_se_out"),
        *("stack4_ghost_2_prim_conv", "stack4_ghost_2_prim_bn", "stack4_ghost_2_cheap_dw_conv"),
        *("stack4_ghost_2_cheap_bn", "stack4_output"),
    ]
    assert names[-9:] == [
        *("stack16_output", "pre_conv", "pre_bn", "pre_prelu"),
        *("GDC_dw", "GDC_batchnorm", "GDC_conv", "GDC_flatten", "embedding"),
    ]


def test_variants() -> None:
    plain = architecture("ghostfacenet-v1-0.5-2")
    biased = architecture("ghostfacenet-v1-0.5-2-bias")
    assert biased.parameters() == plain.parameters() + 512
    relu = architecture("ghostfacenet-v1-0.5-2-relu")
    slopes = sum(node.slope.size for node in plain.nodes if isinstance(node, PRelu))
    assert relu.parameters() == plain.parameters() - slopes
    assert (len(of(relu, PRelu)), len(of(relu, Relu))) == (0, len(of(plain, PRelu)))
    assert [node.name for node in relu.nodes] == [node.name for node in plain.nodes]  # PReLU keeps ReLU's name in V1
    wide = architecture("ghostfacenet-v2-1.0-2-relu-bias-pointwise512")
    names = [node.name for node in wide.nodes]
    assert names[names.index("pre_relu") :][:5] == ["pre_relu", "pw_conv", "pw_bn", "pw_relu", "GDC_dw"]
    assert wide.shapes()["pw_conv"] == (4, 4, 512)
    assert ghostfacenet(1, 0.5, 2, embedding=128).shapes()["embedding"] == (128,)


@pytest.mark.parametrize("name", ["ghostfacenet-v1-1-2", "ghostfacenet-v1-1.0-2"])
def test_a_name_may_leave_out_zeros(name: str) -> None:
    assert architecture(name).parameters() == 2_496_336


@pytest.mark.parametrize(
    "name",
    [
        *("", "ghostfacenet", "ghostfacenet-v3-1.0-2", "ghostfacenet-v1-1.0-3", "ghostfacenet-v1--1.0-2"),
        *("ghostfacenet-v1-1.0-2-prelu", "GhostFaceNet-v1-1.0-2", "ghostfacenet-v1-1e1-2", "ghostfacenet-v1-1.0-2\n"),
    ],
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(OptionError, match=r"is not known; .* such as ghostfacenet-v1-1\.3-2"):
        architecture(name)


@pytest.mark.parametrize("name", ["ghostfacenet-v1-0-2", "ghostfacenet-v1-0.0-1", "ghostfacenet-v2-99-1"])
def test_absurd_widths(name: str) -> None:
    with pytest.raises(OptionError, match="a width is above 0 and at most 8"):
        architecture(name)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((3, 1.0, 2), {}, "version=3"),
        ((1, float("nan"), 2), {}, "width=nan"),
        ((1, 1.0, 4), {}, "stride=4"),
        ((1, 1.0, 2), {"pointwise": -1}, "pointwise=-1"),
        ((1, 1.0, 2), {"embedding": 0}, "embedding=0"),
    ],
)
def test_senseless_arguments(arguments: tuple[int, float, int], options: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ghostfacenet(*arguments, **options)


@pytest.mark.parametrize(
    ("wish", "channels"), [(1, 4), (8, 8), (8.8, 8), (9.9, 12), (10, 12), (20.8, 20), (62.4, 64), (11, 12)]
)
def test_multiples_of_4(wish: float, channels: int) -> None:
    assert multiple_of_4(wish) == channels


def test_a_multiple_of_4_never_loses_more_than_a_tenth() -> None:
    wishes = np.linspace(4, 1300, 5001)
    found = np.array([multiple_of_4(wish) for wish in wishes])
    assert (found >= 0.9 * wishes).all()
    assert (found % 4 == 0).all()
    assert (found - wishes <= 4).all()


# -- weights


def test_the_seed_decides_the_weights() -> None:
    one, same, other = (architecture("ghostfacenet-v1-0.5-2", seed=seed) for seed in (3, 3, 4))
    for node in one.nodes:
        for key, array in node.weights().items():
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, same[node.name].weights()[key])
            assert not np.array_equal(array, other[node.name].weights()[key])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["ghostfacenet-v1-0.5-2", "ghostfacenet-v1-1.3-2-bias", "ghostfacenet-v2-1.0-2"])
def test_numbers_keep_their_size(name: str, seed: int, pictures: np.ndarray) -> None:
    """Statistics that did not fit would let them grow or fade: 80 layers at twice the size each would make 1e24."""
    graph = architecture(name, seed=seed)
    tensors = interpret(graph, pictures)
    for node in of(graph, BatchNorm) + of(graph, Add):
        assert 0.2 < tensors[node.name].std() < 6, node.name
    gates = np.concatenate([tensors[node.name].ravel() for node in of(graph, HardSigmoid)])
    assert 0.2 < np.quantile(gates, 0.05) < np.quantile(gates, 0.95) < 0.8
    vectors = tensors["embedding"] / np.linalg.norm(tensors["embedding"], axis=1, keepdims=True)
    assert (vectors @ vectors.T)[np.triu_indices(4, 1)].max() < 0.95  # it tells pictures apart


def test_slopes_lie_around_a_quarter() -> None:
    graph = architecture("ghostfacenet-v1-1.0-2")
    slopes = np.concatenate([node.slope for node in graph.nodes if isinstance(node, PRelu)])
    assert slopes.mean() == pytest.approx(0.25, abs=0.01)
    assert slopes.std() == pytest.approx(0.1, abs=0.01)


# -- written


@pytest.mark.parametrize("prelu", ["lowered", "native"])
@pytest.mark.parametrize("name", ["ghostfacenet-v1-0.5-1", "ghostfacenet-v2-1.0-2"])
def test_onnx_runtime_and_opencv(name: str, prelu: str, pictures: np.ndarray, on_onnxruntime: Runner) -> None:
    pytest.importorskip("onnx")
    cv2 = pytest.importorskip("cv2")
    checkpoint = architecture(name)
    expected = interpret(checkpoint, pictures[:2])["embedding"]
    graph = embedder_graph(checkpoint, prelu)
    tolerance = 1e-5 * np.abs(expected).max()
    found = on_onnxruntime(write_onnx(graph, "test"), pictures[:2])["embedding"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    net = cv2.dnn.readNetFromONNX(np.frombuffer(write_onnx(graph, "test", layout="NCHW"), np.uint8))
    net.setInput(np.ascontiguousarray(pictures[:1].transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(net.forward(), expected[:1], rtol=0, atol=tolerance)

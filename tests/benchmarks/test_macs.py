"""Counts of networks, against published figures, brute force, ONNX and the bytes of real files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.benchmarks.cost_charts import draw_costs
from ghostface_edge.benchmarks.cost_tables import markdown, network_rows
from ghostface_edge.benchmarks.macs import OFFICIAL, Cost, count, count_graph
from ghostface_edge.benchmarks.operation import elementwise_flops
from ghostface_edge.benchmarks.tensorflow_profile import SUMS, notebook_flops, tensorflow_profile
from ghostface_edge.benchmarks.workload import graph_workload
from ghostface_edge.card import ModelCard, write_card
from ghostface_edge.converters.architectures import BOTTLENECKS, architecture, multiple_of_4
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
    MaxPool,
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Scale,
    Sigmoid,
    Upsample2x,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.lowering import int8_graph
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.passes.merge_copies import merge_copies
from ghostface_edge.converters.preparation import embedder_graph, prepare_float
from ghostface_edge.converters.quantization import Affine, Quantization
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.errors import CheckpointError, GhostFaceError, ModelFileError, OptionError

MEASURED = {
    "ghostfacenet-v1-0.5-2": (722_364, 10.72, 11.29),
    "ghostfacenet-v1-0.5-1": (730_812, 38.69, 40.88),
    "ghostfacenet-v1-1.0-2": (2_496_336, 36.70, 37.84),
    "ghostfacenet-v1-1.0-1": (2_513_232, 131.48, 135.85),
    "ghostfacenet-v1-1.3-2": (4_066_388, 59.32, 60.79),
    "ghostfacenet-v1-1.3-1": (4_088_300, 211.91, 217.57),
    "ghostfacenet-v1-2.0-2": (9_203_344, 134.47, 136.74),
    "ghostfacenet-v1-2.0-1": (9_237_136, 479.34, 488.08),
    "ghostfacenet-v2-1.0-2": (4_229_744, 46.37, 47.76),
    "ghostfacenet-v2-1.0-1": (4_261_424, 165.08, 170.41),
    "ghostfacenet-v2-1.3-2": (6_839_104, 75.22, 77.02),
    "ghostfacenet-v2-1.3-1": (6_880_288, 267.15, 274.05),
}
"""Parameters, million MACs of convolutions and half of the million FLOPs of a profiler that knows AddV2.

Measured with TensorFlow and tf_keras, on the networks that upstream's own code builds.
"""

NARROW = "ghostfacenet-v1-0.5-2"
NOTEBOOK = "ghostfacenet-v2-1.3-1"


def values(graph: Graph, kind: type[Node]) -> int:
    shapes = graph.shapes()
    return sum(prod(shapes[node.name]) for node in graph.nodes if isinstance(node, kind))


# ----------------------------------------------------------------------------------------------------------------
# Published figures


def test_the_official_variants() -> None:
    assert set(OFFICIAL) == set(MEASURED)


@pytest.mark.parametrize("name", MEASURED)
def test_an_official_variant(name: str) -> None:
    parameters, macs, profile = MEASURED[name]
    cost = count(name)
    assert cost.parameters == parameters
    assert cost.macs / 1e6 == pytest.approx(macs, abs=0.005)
    assert sum(tensorflow_profile(architecture(name)).values()) / 2e6 == pytest.approx(profile, abs=0.005)
    assert (cost.macs, cost.parameters) == tuple(
        sum(getattr(layer, field) for layer in cost.layers) for field in ("macs", "parameters")
    )
    assert 2 * cost.macs < cost.flops < 2.2 * cost.macs
    assert cost.peak_proved
    assert not cost.uncounted


def test_the_official_notebook() -> None:
    """To the last digit, and what is between its figure and that of a profiler that knows AddV2: sums, nothing else."""
    assert count(NOTEBOOK).notebook_flops == 272_105_108
    graph = architecture(NOTEBOOK)
    profile = tensorflow_profile(graph)
    assert sum(profile.values()) - profile[SUMS] == 2 * 272_105_108
    assert profile[SUMS] == 2 * (274_051_570 - 272_105_108) == 3_892_924
    assert round(274_051_570 / 1e4) == 27_405  # MEASURED
    sums = [values(graph, kind) for kind in (PRelu, Add, HardSigmoid)]
    assert sums == [3_164_724, 722_064, 5_112]
    assert profile[SUMS] == sum(sums) + 2 * 512
    convolutions = profile["Conv2D"] + profile["DepthwiseConv2dNative"]
    others = {kind: number for kind, number in profile.items() if "Conv" not in kind and kind != SUMS}
    assert others == {
        "Neg": 3_164_724 + 11_388,  # the inputs and the slopes of PReLUs
        "Mul": 3_164_724 + 2_450_392 + 3 * 512,
        "Mean": 652_680,
        "AvgPool": 450_176,
        "BiasAdd": 6_396,
        "RealDiv": 5_112,
        "Minimum": 5_112,
        "Maximum": 5_112,
        "Rsqrt": 1_024,
        "Sub": 512,
    }
    assert convolutions == 2 * graph.macs()
    assert notebook_flops(graph) - graph.macs() == sum(others.values()) // 2


@pytest.mark.parametrize(("name", "plotted"), [("ghostfacenet-v1-1.3-2", 60.3), ("ghostfacenet-v1-1.3-1", 215.7)])
def test_the_papers_plots(name: str, plotted: float) -> None:
    """Upstream's ``plot_parameters.py``: GhostFaceNet-2 and GhostFaceNet-1 in MFLOPs."""
    assert round(count(name).notebook_flops / 1e6, 1) == plotted


# ----------------------------------------------------------------------------------------------------------------
# Multiplications, one by one


class Number:
    """A number that counts the products that it takes part in."""

    products = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def times(self, weight: float) -> float:
        Number.products += 1
        return self.value * weight


def convolved(conv: Conv, x: np.ndarray) -> np.ndarray:
    """A convolution by its definition, one product at a time; (height, width, channels)."""
    top, left, bottom, right = conv.pads
    padded = np.pad(x, ((top, bottom), (left, right), (0, 0)))
    numbers = np.vectorize(Number, otypes=[object])(padded.astype(np.float64))
    rows, columns = conv.kernel.shape[:2]
    height = (padded.shape[0] - rows) // conv.strides[0] + 1
    width = (padded.shape[1] - columns) // conv.strides[1] + 1
    made = np.zeros((height, width, conv.output_channels))
    for row, column, channel in np.ndindex(made.shape):
        total = 0.0 if conv.bias is None else float(conv.bias[channel])
        for i, j in np.ndindex(rows, columns):
            pixel = numbers[row * conv.strides[0] + i, column * conv.strides[1] + j]
            sources = [channel] if conv.depthwise else range(len(pixel))
            for source in sources:
                weight = conv.kernel[i, j, source, 0 if conv.depthwise else channel]
                total += pixel[source].times(float(weight))
        made[row, column, channel] = total
    return made


@pytest.mark.parametrize(
    ("kernel", "depthwise", "strides", "pads"),
    [
        ((3, 3, 3, 5), False, (1, 1), (1, 1, 1, 1)),
        ((1, 1, 3, 7), False, (1, 1), (0, 0, 0, 0)),
        ((3, 2, 3, 1), True, (2, 1), (0, 1, 2, 0)),
        ((5, 5, 3, 1), True, (2, 2), (2, 2, 1, 1)),
        ((7, 6, 3, 1), True, (1, 1), (0, 0, 0, 0)),
        ((1, 1, 3, 1), True, (1, 1), (0, 0, 0, 0)),
    ],
)
def test_every_product_of_a_convolution(
    kernel: tuple[int, ...], depthwise: bool, strides: tuple[int, int], pads: tuple[int, int, int, int]
) -> None:
    random = np.random.default_rng(prod(kernel))
    weights = random.normal(size=kernel).astype(np.float32)
    conv = Conv("y", ("x",), weights, None, strides, pads, depthwise)
    graph = Graph((Input("x", (), 7, 6, 3), conv), ("y",))
    picture = random.normal(size=(7, 6, 3)).astype(np.float32)
    Number.products = 0
    made = convolved(conv, picture)
    np.testing.assert_allclose(made, interpret(graph, picture[None])["y"][0], rtol=1e-4, atol=1e-5)
    (operation,) = graph_workload(graph).operations
    assert operation.macs == graph.macs() == Number.products
    biased = replace(conv, bias=np.ones(conv.output_channels, np.float32))
    (operation,) = graph_workload(Graph((graph.nodes[0], biased), ("y",))).operations
    assert operation.flops == 2 * Number.products + made.size


def onnx_macs(data: bytes) -> int:
    """Of the convolutions of an ONNX file with float weights: positions times weights, shapes by ONNX."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(data)).graph
    shapes = {
        item.name: [size.dim_value for size in item.type.tensor_type.shape.dim]
        for item in (*graph.value_info, *graph.output)
    }
    weights = {item.name: list(item.dims) for item in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            _, channels, height, width = shapes[node.output[0]]
            outputs, inputs_per_group, rows, columns = weights[node.input[1]]
            assert outputs == channels
            total += height * width * channels * inputs_per_group * rows * columns
    return total


@pytest.mark.parametrize("name", [NARROW, "ghostfacenet-v1-1.3-1", "ghostfacenet-v2-0.35-2-bias-pointwise64"])
def test_macs_of_a_network_by_the_shapes_that_onnx_infers(name: str) -> None:
    assert count(name).macs == onnx_macs(write_onnx(architecture(name), "tests", batch=1))


# ----------------------------------------------------------------------------------------------------------------
# FLOPs and bytes by hand


def test_arithmetic_of_every_kind_of_node() -> None:
    ones = np.ones(3, np.float32)
    nodes: list[tuple[Node, int]] = [
        (BatchNorm("norm", ("x",), ones, ones, ones, ones, 1e-3), 2 * 96),
        (PRelu("prelu", ("norm",), ones), 2 * 96),
        (Relu("relu", ("prelu",)), 96),
        (Scale("scale", ("relu",), ones), 96),
        (Sigmoid("sigmoid", ("scale",)), 4 * 96),
        (HardSigmoid("hard", ("sigmoid",), 0.2, 0.5), 4 * 96),
        (MaxPool("largest", ("hard",), 2), 3 * 24),
        (AveragePool("mean", ("hard",), 2), 4 * 24),
        (Add("sum", ("largest", "mean")), 24),
        (ResizeBilinear("resized", ("sum",), 4, 8), 9 * 96),
        (Upsample2x("doubled", ("sum",)), 0),
        (Mul("product", ("resized", "doubled")), 96),
        (Concat("joined", ("product", "x")), 0),
        (GlobalAveragePool("pooled", ("joined",)), 192),
        (Flatten("y", ("pooled",)), 0),
    ]
    work = graph_workload(Graph((Input("x", (), 4, 8, 3), *(node for node, _ in nodes)), ("y",)))
    assert {item.name: item.flops for item in work.operations} == {node.name: flops for node, flops in nodes}
    assert all(item.macs == 0 for item in work.operations)
    assert (work.sizes["x"], work.sizes["joined"], work.sizes["y"]) == (4 * 96, 4 * 192, 4 * 6)
    parameters = {item.name: item.parameters for item in work.operations if item.parameters}
    assert parameters == {"norm": 12, "prelu": 3, "scale": 3}


@pytest.mark.parametrize(
    ("keras", "tflite", "onnx"),
    [
        ("Add", "ADD", "Add"),
        ("AveragePool", "AVERAGE_POOL_2D", "AveragePool"),
        ("BatchNorm", None, "BatchNormalization"),
        ("Concat", "CONCATENATION", "Concat"),
        ("Flatten", "RESHAPE", "Flatten"),
        ("GlobalAveragePool", "MEAN", "GlobalAveragePool"),
        ("HardSigmoid", None, "HardSigmoid"),
        ("MaxPool", "MAX_POOL_2D", "MaxPool"),
        ("PRelu", "PRELU", "PRelu"),
        ("ResizeBilinear", "RESIZE_BILINEAR", "ResizeBilinear"),
        ("Sigmoid", "LOGISTIC", "Sigmoid"),
    ],
)
def test_one_operation_costs_the_same_by_all_its_names(keras: str, tflite: str | None, onnx: str) -> None:
    flops = {elementwise_flops(kind, (4, 4, 3), (8, 8, 3), 4) for kind in (keras, tflite, onnx) if kind is not None}
    assert len(flops) == 1
    assert None not in flops
    assert elementwise_flops("FFT", (1,), (1,)) is None


def test_a_small_network_by_hand() -> None:
    """A picture of 5 x 4 x 2, a 3 x 3 convolution to 6 channels without a border, PReLU, and a head."""
    graph = Graph(
        (
            Input("x", (), 5, 4, 2),
            Conv("conv", ("x",), np.ones((3, 3, 2, 6), np.float32), np.ones(6, np.float32)),
            PRelu("bent", ("conv",), np.full(6, 0.5, np.float32)),
            Conv("head", ("bent",), np.ones((3, 2, 6, 1), np.float32), None, depthwise=True),
            Flatten("embedding", ("head",)),
        ),
        ("embedding",),
    )
    cost = count_graph("small", graph, format="checkpoint", is_ours=False)
    first, bent, head, flat = cost.layers
    assert (first.macs, bent.macs, head.macs, flat.macs) == (6 * 9 * 12, 0, 36, 0)
    assert (first.flops, bent.flops, head.flops, flat.flops) == (2 * 648 + 36, 72, 72, 0)
    assert (cost.macs, cost.flops, cost.parameters) == (684, 2 * 684 + 36 + 72, 108 + 6 + 6 + 36)
    assert [layer.moved_bytes for layer in cost.layers] == [4 * 76, 4 * 72, 4 * 42, 4 * 12]
    assert [layer.memory_bytes for layer in cost.layers] == [4 * 76, 4 * 72, 4 * 42, 4 * 12]
    assert (cost.peak_bytes, cost.peak_in_order_bytes, cost.moved_bytes) == (304, 304, 4 * 202)
    assert cost.intensity == 684 / (4 * (156 + 202))
    assert first.intensity == 648 / (4 * (114 + 76))
    # Written: a bias for every convolution; in int8 the PReLU is x + relu(-x / 2), a 1 x 1 depthwise convolution.
    floats = {"float32": 4 * (156 + 6), "float16": 2 * (156 + 6), "dynamic": 108 + 4 * 6 + 2 * (6 + 36 + 6)}
    integers = 108 + 36 + 6 + 4 * (6 + 6 + 6)
    shape = 4 * 2  # of RESHAPE
    assert cost.weight_bytes == {**{key: size + shape for key, size in floats.items()}, "int8": integers + shape}
    assert cost.notebook_flops is None


def test_where_the_narrow_network_needs_most() -> None:
    """At the last concatenation of 56 x 56, with the shortcut's depthwise convolution done and its input gone."""
    wide, narrow = multiple_of_4(BOTTLENECKS[1][1] * 0.5), multiple_of_4(BOTTLENECKS[1][2] * 0.5)
    stem = multiple_of_4(16 * 0.5)
    assert (wide, narrow, stem) == (24, 12, 8)
    cost = count(NARROW)
    assert cost.peak_bytes == 4 * (56 * 56 * (wide + wide) + 28 * 28 * stem) == 627_200
    assert cost.peak_in_order_bytes == 4 * 56 * 56 * (wide + wide + stem) == 702_464
    folded = graph_workload(embedder_graph(architecture(NARROW), "native"))
    assert cost.moved_bytes > sum(map(folded.moved, folded.operations))


@pytest.mark.parametrize("name", OFFICIAL)
def test_folding_does_not_change_the_peak(name: str) -> None:
    graph = architecture(name)
    folded = count_graph(name, embedder_graph(graph, "native"), format="checkpoint", is_ours=False)
    cost = count(name)
    assert (folded.peak_bytes, folded.peak_in_order_bytes) == (cost.peak_bytes, cost.peak_in_order_bytes)
    assert (folded.macs, folded.weight_bytes) == (cost.macs, cost.weight_bytes)


# ----------------------------------------------------------------------------------------------------------------
# Files

ANY = Affine(1 / 256, -128)
Card = Callable[..., ModelCard]


def files(name: str, folder: Path, card: Card) -> dict[str, Cost]:
    """A network in every form, counted."""
    pytest.importorskip("onnx")
    pytest.importorskip("ai_edge_litert")
    checkpoint = architecture(name)
    folded, lowered = (embedder_graph(checkpoint, form) for form in ("native", "lowered"))
    integers, _ = merge_copies(int8_graph(checkpoint))
    every = Quantization({node.name: ANY for node in integers.nodes})
    float32 = card(embedding_size=512)
    made = {
        f"{kind}.tflite": write_tflite(
            prepare_float(checkpoint, "tflite", kind).graph, replace(float32, precision=kind)
        )
        for kind in FLOATS
    }
    made["int8.tflite"] = write_tflite(integers, replace(float32, precision="int8"), every)
    made["bare.onnx"] = write_onnx(folded, "tests")
    made["float32.onnx"] = write_card(made["bare.onnx"], float32)
    half = write_onnx(lowered, "tests", precision="float16", layout="NCHW")
    made["float16.onnx"] = write_card(half, card(embedding_size=512, precision="float16", input_layout="NCHW"))
    made["int8.onnx"] = write_card(
        write_onnx(integers, "tests", quantization=every), card(embedding_size=512, precision="int8")
    )
    for file, data in made.items():
        (folder / file).write_bytes(data)
    return {file: count(str(folder / file)) for file in made}


FLOATS = ("float32", "float16", "dynamic")


@pytest.fixture(scope="module", params=[NARROW, "ghostfacenet-v2-0.5-2"])
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make_card: Card
) -> tuple[str, Path, dict[str, Cost]]:
    folder = tmp_path_factory.mktemp("counted")
    return request.param, folder, files(request.param, folder, make_card)


Written = tuple[str, Path, "dict[str, Cost]"]


def test_float_files_have_the_macs_of_the_architecture(written: Written) -> None:
    name, _, costs = written
    macs = count(name).macs
    found = {file: cost.macs for file, cost in costs.items() if "int8" not in file}
    # Two ghost modules at 56 x 56: four channels of 8 inputs again, and an identity of 3 x 3 for each.
    doubled = 2 * 56 * 56 * 4 * (8 + 9)
    halves = ["float16.tflite", "dynamic.tflite"]
    wholes = ["float32.tflite", "bare.onnx", "float32.onnx", "float16.onnx"]
    assert found == {**dict.fromkeys(wholes, macs), **dict.fromkeys(halves, macs + doubled)}
    assert not any(cost.uncounted for cost in costs.values())


def test_parameters_of_float_files(written: Written) -> None:
    """Each normalisation has 4 values for a channel and becomes 1 bias. TFLite's hard sigmoids share the constant 1.

    Large maps of few channels have their slopes once for every pixel of a row; narrow ghost modules are doubled in
    files that can be computed in float16.
    """
    name, _, costs = written
    graph = architecture(name)
    channels = sum(node.mean.size for node in graph.nodes if isinstance(node, BatchNorm))
    gates = sum(isinstance(node, HardSigmoid) for node in graph.nodes)
    assert gates == 7
    stored = graph.parameters() - 3 * channels
    assert {costs[file].parameters for file in ("bare.onnx", "float32.onnx", "float16.onnx")} == {stored}
    shapes = graph.shapes()
    sides = [shapes[node.name] for node in graph.nodes if isinstance(node, PRelu)]
    repeated = sum(
        (width - 1) * depth for height, width, depth in (side for side in sides if len(side) == 3) if height >= depth
    )
    assert costs["float32.tflite"].parameters == stored + repeated + 1
    for kind in ("float16", "dynamic"):
        # Two ghost modules of 4 + 4 channels: 8 inputs each, 3 x 3 filters with a bias, and PReLUs in the first.
        doubled = 2 * (8 * 4 + 4 + 9 * 4 + 4) + 4 + 4 if name == NARROW else None
        merged = costs[f"{kind}.tflite"].parameters - costs["float32.tflite"].parameters
        repeats = 2 * 4 * (56 - 1)  # of the slopes that are doubled
        assert doubled is None or merged == doubled + repeats


def test_convolutions_that_integers_need_are_counted(written: Written) -> None:
    """A PReLU costs one multiplication for each value, a decoupling identity likewise; then some are merged."""
    name, _, costs = written
    graph = architecture(name)
    separate = int8_graph(graph)
    shapes = graph.shapes()
    linear = [node for node in graph.nodes if isinstance(node, Concat)][1::2]
    identities = sum(prod(shapes[node.inputs[0]]) for node in linear)
    pools = 4 * values(graph, AveragePool)  # as depthwise convolutions of 2 x 2
    assert len(linear) == 16
    assert separate.macs() == graph.macs() + values(graph, PRelu) + identities + pools
    merged, _ = merge_copies(separate)
    assert (
        costs["int8.tflite"].macs
        == costs["int8.onnx"].macs
        == merged.macs()
        == onnx_macs(write_onnx(merged, "t", batch=1))
    )
    assert costs["int8.tflite"].macs > graph.macs() + values(graph, PRelu)


def test_weight_bytes_are_those_of_the_files(written: Written) -> None:
    """What the architecture's count foretells, the file has; and by the list of its tensors, not by our reader."""
    from ghostface_edge.converters.tflite_inspection import inspect_tflite

    name, folder, costs = written
    foretold = count(name).weight_bytes
    for precision in (*FLOATS, "int8"):
        cost = costs[f"{precision}.tflite"]
        assert cost.weight_bytes == {precision: foretold[precision]}
        file = inspect_tflite((folder / f"{precision}.tflite").read_bytes())
        assert sum(tensor.stored for tensor in file.tensors) == foretold[precision]
        assert file.parameters == cost.parameters
        assert file.macs == cost.macs
    assert costs["bare.onnx"].weight_bytes == foretold
    float32 = costs["float32.onnx"]
    assert float32.weight_bytes == {"float32": 4 * float32.parameters}
    assert costs["float16.onnx"].weight_bytes == {"float16": 2 * float32.parameters}


def test_flops_of_files(written: Written) -> None:
    """The float files against the folded graph: TFLite adds zero biases, and cuts a hard sigmoid off by a minimum."""
    name, _, costs = written
    folded = embedder_graph(architecture(name), "native")
    flops = sum(operation.flops or 0 for operation in graph_workload(folded).operations)
    assert costs["float32.onnx"].flops == costs["bare.onnx"].flops == flops
    shapes = folded.shapes()
    unbiased = sum(prod(shapes[node.name]) for node in folded.nodes if isinstance(node, Conv) and node.bias is None)
    assert costs["float32.tflite"].flops == flops + unbiased - 2 * values(folded, HardSigmoid)


def test_memory_of_files(written: Written) -> None:
    """TFLite's maps of int8 take a quarter of those of float32, beside the float32 picture and its int8 form."""
    name, _, costs = written
    cost = count(name)
    assert costs["float32.onnx"].peak_bytes == cost.peak_bytes
    assert costs["float32.tflite"].peak_bytes >= cost.peak_bytes  # padding by an operator of its own in V2
    assert costs["float16.tflite"].peak_bytes == costs["float32.tflite"].peak_bytes
    assert costs["int8.tflite"].peak_bytes < cost.peak_bytes / 3
    first = costs["int8.tflite"].layers[0]
    assert (first.kind, first.moved_bytes) == ("QUANTIZE", 112 * 112 * 3 * 5)


def test_the_official_checkpoint(shared: Path) -> None:
    pytest.importorskip("h5py")
    cost = count(str(shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"))
    ours = count(NARROW)
    for field in ("parameters", "macs", "flops", "notebook_flops", "weight_bytes", "peak_bytes", "moved_bytes"):
        assert getattr(cost, field) == getattr(ours, field), field
    assert (cost.format, cost.picture) == ("checkpoint", (112, 112, 3))


def test_yunet(shared: Path) -> None:
    """By the ONNX file that it comes as; its sigmoids and reshapes are left out, which cost no MACs."""
    path = shared / "detectors" / "face_detection_yunet_2023mar.onnx"
    cost = count(str(path))
    assert cost.macs == onnx_macs(path.read_bytes())
    assert (cost.parameters, cost.picture, set(cost.weight_bytes)) == (53_104, (640, 640, 3), {"float32", "float16"})


def test_another_programs_tflite_file(shared: Path) -> None:
    """BlazeFace of MediaPipe, without a card: by the shapes that LiteRT itself gives."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    path = shared / "detectors" / "face_detection_short_range.tflite"
    runtime = litert.Interpreter(
        str(path), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    details = {item["index"]: item["shape"] for item in runtime.get_tensor_details()}
    macs = 0
    for operator in runtime._get_ops_details():
        if operator["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            _, height, width, _ = details[operator["outputs"][0]]
            macs += int(height * width * np.prod(details[operator["inputs"][1]]))
    cost = count(str(path))
    assert (cost.macs, list(cost.weight_bytes), cost.format) == (macs, ["as stored"], "tflite")


# ----------------------------------------------------------------------------------------------------------------
# What cannot be counted


def test_neither_file_nor_architecture() -> None:
    with pytest.raises(OptionError, match=r"no file 'face\.h5', and architecture 'face\.h5' is not known; a name is"):
        count("face.h5")


def test_a_size_that_does_not_concern_it() -> None:
    with pytest.raises(OptionError, match=r"size=64 does not concern ghostfacenet-v1-0\.5-2, whose size is fixed"):
        count(NARROW, size=64)
    with pytest.raises(OptionError, match="size=0 is no side"):
        count(NARROW, size=0)


def test_an_open_size(tmp_path: Path, make_card: Card) -> None:
    pytest.importorskip("onnx")
    graph = Graph((Input("x", (), None, None, 3), Conv("y", ("x",), np.ones((3, 3, 3, 8), np.float32), None)), ("y",))
    path = tmp_path / "open.onnx"
    path.write_bytes(
        write_card(write_onnx(graph, "tests"), make_card(kind="detector", input_height=None, input_width=None))
    )
    with pytest.raises(OptionError, match=r"leaves the size of its picture open: state it, such as size=640"):
        count(str(path))
    assert count(str(path), size=34).macs == 32 * 32 * 9 * 3 * 8
    pytest.importorskip("ai_edge_litert")
    path = tmp_path / "open.tflite"
    path.write_bytes(write_tflite(graph, make_card(kind="detector", input_height=None, input_width=None)))
    with pytest.raises(ModelFileError, match=r"open\.tflite.*size of its picture is open; count the checkpoint"):
        count(str(path))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    for name, content in (
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(50)),
        ("a.tflite", b"\x1c\0\0\0TFL3"),
        ("a.onnx", b"\x08"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises((CheckpointError, ModelFileError), match=name):
            count(str(tmp_path / name))
    with pytest.raises(GhostFaceError, match=tmp_path.name):
        count(str(tmp_path))


def test_a_network_that_has_no_integer_form(caplog: pytest.LogCaptureFixture) -> None:
    """A normalisation of the embedding that no convolution takes in: int8 is left out, and the log says why."""
    ones = np.ones(12, np.float32)
    graph = Graph(
        (
            Input("x", (), 2, 2, 3),
            Relu("cut", ("x",)),
            Flatten("flat", ("cut",)),
            BatchNorm("embedding", ("flat",), ones, ones, ones, ones, 1e-3),
        ),
        ("embedding",),
    )
    with caplog.at_level("INFO"):
        cost = count_graph("small", graph, format="onnx", is_ours=False)
    assert cost.weight_bytes == {"float32": 104, "float16": 56, "dynamic": 56}  # factors, offsets, a shape of 2 int32
    assert "no int8 form: node 'embedding'" in caplog.text
    assert network_rows([cost])[1][0][8] == "-"


def test_names_of_files_that_break_lines(tmp_path: Path) -> None:
    graph = Graph((Input("x", (), 2, 2, 3), Flatten("embedding", ("x",))), ("embedding",))
    name = "a|b\n\udcff\x1b $x$ 名.onnx"
    cost = count_graph(name, graph, format="onnx", is_ours=False)
    assert markdown(*network_rows([cost])).splitlines()[2].startswith("| a\\|b\\n\\udcff\\x1b $x$ 名.onnx | 0 |")
    pytest.importorskip("matplotlib")
    for costs in ([cost], [cost, cost]):
        draw_costs(costs, tmp_path / "a.svg")
        assert r"a|b\n\udcff\x1b $x$ 名.onnx" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("seed", range(150))
def test_damaged_tflite_files(seed: int, written: Written, tmp_path: Path) -> None:
    """Random bytes in the tables of a file without a card: counted, or refused in one way."""
    from ghostface_edge.benchmarks.tflite_workload import tflite_workload

    _, folder, _ = written
    data = bytearray((folder / ("int8.tflite" if seed % 2 else "float16.tflite")).read_bytes())
    random = np.random.default_rng(seed)
    end = len(data) if seed % 3 else len(data) // int(random.integers(2, 50))
    # Tables and vectors lie behind the numbers of the buffers, at the end of the file, and before them.
    for position in random.integers(0, 4000 if seed % 5 else len(data), 12):
        data[int(position)] = int(random.choice([0, 1, 127, 128, 255, random.integers(256)]))
    for position in random.integers(1, 60_000, 12):
        data[-int(position)] = int(random.integers(256))
    try:
        work = tflite_workload(bytes(data[:end]))
    except ModelFileError:
        return
    assert all(operation.macs >= 0 for operation in work.operations)

"""Integer files compute what TensorFlow Lite's quantisation specification says, operator by operator.

The reference is written here from https://ai.google.dev/edge/litert/models/quantization_spec, in NumPy and on whole
numbers, and shares nothing with the product but the definition of the nodes. Every tensor of a network is made an
output, so that each operator is judged on the integers that it was really given.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ghostface_edge.card import InputSpec, ModelCard, Source
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
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.quantization import UNIT, Affine, Quantization, fused_followers, tied_tensors
from ghostface_edge.converters.tflite_inspection import TFLiteInspection, inspect_tflite
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.errors import ConversionError
from ghostface_edge.runtime.litert import LiteRTSession

pytest.importorskip("ai_edge_litert")
RANDOM = np.random.default_rng(3)
PICTURE = Input("x", (), 9, 8, 6)
CARD = ModelCard(
    kind="detector",
    model_id="net-1",
    name="net",
    architecture="custom",
    precision="mixed",
    input=InputSpec(None, None, "NHWC", "RGB", 0.0, 1.0),
    source=Source("net", "0" * 64, 1),
    converter="tests",
    licence="MIT",
)


def random(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def pictures(count: int = 2) -> np.ndarray:
    return np.clip(RANDOM.normal(size=(count, 9, 8, 6)), -3, 3).astype(np.float32)


def quantize(graph: Graph, examples: np.ndarray, bits: int = 8) -> Quantization:
    """The smallest and largest number of each tensor that is stored, tied ones together; 0..1 for sigmoids."""
    values, fused, ties = interpret(graph, examples), fused_followers(graph), tied_tensors(graph)
    groups: dict[str, list[str]] = {}
    for node in graph.nodes:
        groups.setdefault(ties[node.name], []).append(node.name)
    affines: dict[str, Affine] = {}
    for group in groups.values():
        low, high = min(values[name].min() for name in group), max(values[name].max() for name in group)
        affines.update(dict.fromkeys(group, Affine.over(low, high, bits)))
    for node in graph.nodes:
        if isinstance(node, HardSigmoid):
            affines[node.name] = UNIT if bits == 8 else Affine.over(0, 1, 16)
        if isinstance(node, Sigmoid):
            affines[node.name] = Affine(1 / 256, -128) if bits == 8 else Affine(1 / 32768, 0, 16)
    return Quantization({name: affine for name, affine in affines.items() if name not in fused})


def on_litert(data: bytes, examples: np.ndarray) -> list[np.ndarray]:
    return list(LiteRTSession(data, threads=1, name="net.tflite").run(examples))


# -- the specification


def computed(node: Node, inputs: list[np.ndarray], source: Affine | None) -> np.ndarray:
    """What an operator makes of real numbers, before its activation; a source makes its weights integers."""
    x = inputs[0]
    if isinstance(node, Conv):
        kernel, bias = node.kernel.astype(float), np.zeros(node.output_channels)
        if node.bias is not None:
            bias = node.bias.astype(float)
        if source is None:
            return convolved(node, x, kernel) + bias
        # Kernel: -127..127, zero point 0, a scale per output channel. Bias: the scale of input times kernel.
        largest = np.abs(kernel).max(axis=(0, 1, 3) if node.depthwise else (0, 1, 2))
        scale = largest / 127
        whole = np.rint(kernel / (scale[:, None] if node.depthwise else scale))
        total = convolved(node, np.rint(x / source.scale), whole) + np.rint(bias / (source.scale * scale))
        return total * source.scale * scale
    if isinstance(node, BatchNorm):
        return (x - node.mean) / np.sqrt(node.variance + node.epsilon) * node.gamma + node.beta
    if isinstance(node, Scale):
        return x * node.factor
    if isinstance(node, Relu):
        return np.maximum(x, 0)
    if isinstance(node, PRelu):
        step = np.abs(node.slope).max() / 127  # one scale for all channels
        slope = node.slope if source is None else np.rint(node.slope / step) * step
        return np.where(x >= 0, x, x * slope)
    if isinstance(node, HardSigmoid):
        return np.clip(node.slope * x + node.offset, 0, 1)
    if isinstance(node, Sigmoid):
        return 1 / (1 + np.exp(-x))
    if isinstance(node, GlobalAveragePool):
        return x.mean(axis=(1, 2), keepdims=True)
    if isinstance(node, (MaxPool, AveragePool)):
        size, (rows, columns) = node.size, (side // node.size for side in x.shape[1:3])
        squares = x[:, : rows * size, : columns * size].reshape(len(x), rows, size, columns, size, -1)
        return squares.max(axis=(2, 4)) if isinstance(node, MaxPool) else squares.mean(axis=(2, 4))
    if isinstance(node, ResizeBilinear):
        for axis, size in ((1, node.height), (2, node.width)):
            last = x.shape[axis] - 1
            place = np.clip((np.arange(size) + 0.5) * (last + 1) / size - 0.5, 0, last)
            left = np.floor(place).astype(int)
            part = (place - left).reshape([-1 if a == axis else 1 for a in range(4)])
            x = x.take(left, axis) * (1 - part) + x.take(np.minimum(left + 1, last), axis) * part
        return x
    if isinstance(node, Flatten):
        return x.reshape(len(x), -1)
    if isinstance(node, Concat):
        return np.concatenate(inputs, axis=-1)
    return x + inputs[1] if isinstance(node, Add) else x * inputs[1]


def convolved(node: Conv, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    top, left, bottom, right = node.pads
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    windows = windows[:, :: node.strides[0], :: node.strides[1]]
    if node.depthwise:
        return np.einsum("bhwcij,ijc->bhwc", windows, kernel[..., 0])
    return np.einsum("bhwcij,ijco->bhwo", windows, kernel)


def check(graph: Graph, quantization: Quantization, examples: np.ndarray) -> TFLiteInspection:
    """Every tensor that LiteRT stores is within one integer of what its operator should make of what it got."""
    followers = fused_followers(graph)
    affines = quantization.tensors
    if "x" in affines:  # numbers that are stored as they are, so that no tie is rounded
        examples = (affines["x"].scale * (stored(examples, affines["x"]) - affines["x"].zero_point)).astype(np.float32)
    names = [node.name for node in graph.nodes[1:] if node.name not in followers]
    everything = Graph(graph.nodes, tuple(names))
    found = dict(zip(names, on_litert(write_tflite(everything, CARD, quantization), examples)), x=examples)
    for node in graph.nodes[1:]:
        if node.name in followers.values():
            continue
        name = followers.get(node.name, node.name)
        inputs = [found[source].astype(float) for source in node.inputs]
        is_integer = all(tensor in affines for tensor in (*node.inputs, name))
        value = computed(node, inputs, affines[node.inputs[0]] if is_integer else None)
        if name != node.name:
            value = computed(graph[name], [value], None)
        if name not in affines:
            np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5 * np.abs(value).max(), err_msg=name)
            continue
        affine = affines[name]
        steps = np.rint(found[name] / affine.scale) + affine.zero_point
        # int16 kernels multiply by 15 bits, which is another unit at the end of the range; when resizing by 10 bits
        tolerance = 1 if affine.bits == 8 else 128 if isinstance(node, ResizeBilinear) else 2
        assert np.abs(steps - stored(value, affine)).max() <= tolerance, name
    return inspect_tflite(write_tflite(graph, CARD, quantization))


def stored(values: np.ndarray, affine: Affine) -> np.ndarray:
    limit = 2 ** (affine.bits - 1)
    return np.clip(np.rint(values / affine.scale) + affine.zero_point, -limit, limit - 1)


def conv(
    name: str = "y", source: str = "x", size: int = 3, strides: int = 1, pads: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> Conv:
    return Conv(name, (source,), random(size, size, 6, 6), random(6), (strides, strides), pads)


def depthwise(name: str = "y", size: int = 3, strides: int = 1, pads: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Conv:
    return Conv(name, ("x",), random(size, size, 6, 1), None, (strides, strides), pads, depthwise=True)


STATISTICS = (random(6), random(6), random(6), np.abs(random(6)) + 0.1)
VECTOR = GlobalAveragePool("g", ("x",))

OPERATORS = [
    ((conv(size=1),), "CONV_2D"),
    ((conv(pads=(1, 1, 1, 1)),), "CONV_2D"),
    ((conv(strides=2, pads=(1, 0, 1, 1)),), "CONV_2D"),
    ((conv(strides=2, pads=(1, 1, 1, 1)),), "PAD CONV_2D"),
    ((conv("c"), Relu("y", ("c",))), "CONV_2D"),
    ((conv("c"), HardSigmoid("y", ("c",), 1.0, 0.0)), "CONV_2D"),
    ((conv("c"), HardSigmoid("y", ("c",), 0.2, 0.5)), "CONV_2D DEPTHWISE_CONV_2D"),
    ((depthwise(pads=(1, 1, 1, 1)),), "DEPTHWISE_CONV_2D"),
    ((depthwise(strides=2, pads=(0, 1, 1, 0)),), "PAD DEPTHWISE_CONV_2D"),
    ((depthwise("c", 1), Relu("y", ("c",))), "DEPTHWISE_CONV_2D"),
    ((BatchNorm("y", ("x",), *STATISTICS, epsilon=1e-3),), "DEPTHWISE_CONV_2D"),
    ((Scale("y", ("x",), random(6)),), "DEPTHWISE_CONV_2D"),
    ((Scale("s", ("x",), random(6)), Relu("y", ("s",))), "DEPTHWISE_CONV_2D"),
    ((Relu("y", ("x",)),), "DEPTHWISE_CONV_2D"),
    ((Sigmoid("y", ("x",)),), "LOGISTIC"),
    ((GlobalAveragePool("y", ("x",)),), "MEAN"),
    ((MaxPool("y", ("x",), 2),), "MAX_POOL_2D"),
    ((ResizeBilinear("y", ("x",), 17, 13),), "RESIZE_BILINEAR"),
    ((Flatten("y", ("x",)),), "RESHAPE"),
    ((conv("c", size=1), Concat("y", ("c", "x", "c"))), "CONV_2D CONCATENATION"),
    ((conv("c", size=1), Add("y", ("c", "x"))), "CONV_2D ADD"),
    ((conv("c", size=1), Add("a", ("c", "x")), Relu("y", ("a",))), "CONV_2D ADD"),
    ((conv("c", size=1), Mul("y", ("c", "x"))), "CONV_2D MUL"),
    ((VECTOR, conv("c", "g", 1), HardSigmoid("s", ("c",), 1.0, 0.0), Mul("y", ("x", "s"))), "MEAN CONV_2D MUL"),
]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("nodes", "expected"),
    OPERATORS,
    ids=lambda value: value if isinstance(value, str) else " ".join(type(node).__name__ for node in value),
)
def test_every_operator(nodes: tuple[Node, ...], expected: str, bits: int) -> None:
    graph, examples = Graph((PICTURE, *nodes), ("y",)), pictures()
    quantization = quantize(graph, examples, bits)
    file = check(graph, quantization, examples)
    assert Counter(operator.kind for operator in file.operators) == Counter(f"QUANTIZE {expected} DEQUANTIZE".split())
    assert {operator.dtype for operator in file.operators[:-1]} == {f"int{bits}"}
    if bits == 8:
        assert file.is_integer
        assert (file.partitions, file.outside) == (1, ())


def test_numbers_beyond_the_ranges_are_cut_off() -> None:
    graph = Graph((PICTURE, conv("c"), Relu("r", ("c",)), conv("y", "r")), ("y",))
    check(graph, quantize(graph, pictures(1) / 4), 3 * pictures())


@pytest.mark.parametrize(
    ("node", "kind"),
    [(PRelu("y", ("x",), random(6)), "PRELU"), (AveragePool("y", ("x",), 2), "AVERAGE_POOL_2D")],
    ids=["PRelu", "AveragePool"],
)
def test_what_falls_out_of_xnnpack_unless_it_is_lowered(node: Node, kind: str) -> None:
    graph, examples = Graph((PICTURE, node), ("y",)), pictures()
    file = check(graph, quantize(graph, examples), examples)
    assert [operator.kind for operator in file.outside] == [kind]


def test_prelu_has_no_int16_form() -> None:
    graph, examples = Graph((PICTURE, PRelu("y", ("x",), random(6))), ("y",)), pictures()
    with pytest.raises(ConversionError, match="'y': PRelu has no int16 form"):
        write_tflite(graph, CARD, quantize(graph, examples, 16))


def test_a_large_bias_beside_small_weights_does_not_overflow() -> None:
    """A channel that is almost only its bias, as pruned ones are: its sums would not fit the kernel's integers."""
    kernel = random(1, 1, 6, 6)
    kernel[..., 2] *= 1e-13
    node = Conv("y", ("x",), kernel, np.array([0, 1, 2, 3, -1, 0], np.float32))
    graph, examples = Graph((PICTURE, node), ("y",)), pictures()
    for bits in (8, 16):
        quantization = quantize(graph, examples, bits)
        (result,) = on_litert(write_tflite(graph, CARD, quantization), examples)
        assert np.abs(result[..., 2] - 2).max() <= 2 * quantization.tensors["y"].scale


NETWORK = Graph(
    (
        PICTURE,
        conv("stem", strides=2, pads=(1, 0, 1, 1)),
        Conv("slopes", ("stem",), -np.abs(random(1, 1, 6, 1)), None, depthwise=True),
        Relu("negative", ("slopes",)),
        Add("prelu", ("stem", "negative")),
        conv("primary", "prelu", 1),
        Conv("cheap", ("primary",), random(3, 3, 6, 1), random(6), pads=(1, 1, 1, 1), depthwise=True),
        Concat("ghost", ("primary", "cheap")),
        GlobalAveragePool("mean", ("ghost",)),
        Conv("gate", ("mean",), random(1, 1, 12, 12) / 50, np.full(12, 0.5, np.float32)),
        HardSigmoid("sigmoid", ("gate",), 1.0, 0.0),
        Mul("excited", ("ghost", "sigmoid")),
        Conv("last", ("excited",), random(5, 4, 12, 16), random(16)),
        Flatten("embedding", ("last",)),
    ),
    ("embedding",),
)
STORED = tuple(node.name for node in NETWORK.nodes if node.name not in fused_followers(NETWORK))
"""All tensors of the network that exist."""


@pytest.mark.parametrize("bits", [8, 16])
def test_a_network(bits: int) -> None:
    examples = pictures(4)
    check(NETWORK, quantize(NETWORK, examples, bits), examples)


@pytest.mark.parametrize("seed", range(12))
def test_any_mixture_of_forms_holds_what_the_quantization_says(seed: int) -> None:
    """int8, int16 and float32 tensors at random: whatever stands beside whatever, the numbers are right."""
    random_state = np.random.default_rng(seed)
    examples, ties = pictures(), tied_tensors(NETWORK)
    forms = {root: int(random_state.choice([8, 16, 32])) for root in sorted(set(ties.values()))}
    options = {8: quantize(NETWORK, examples, 8).tensors, 16: quantize(NETWORK, examples, 16).tensors}
    mixed = {name: options[forms[ties[name]]][name] for name in STORED if forms[ties[name]] != 32}
    check(NETWORK, Quantization(mixed), examples)


def test_a_float_region_costs_one_conversion_per_border_tensor() -> None:
    examples = pictures()
    full = quantize(NETWORK, examples)
    # ghost is tied to primary and cheap; the operators that touch them, and gate's by mean, become float32
    file = check(NETWORK, full.without(("primary", "cheap", "ghost")), examples)
    conversions = [(item.kind, item.output) for item in file.operators if item.kind in ("QUANTIZE", "DEQUANTIZE")]
    assert conversions == [
        ("QUANTIZE", "x/int8"),
        ("DEQUANTIZE", "prelu/float32"),
        ("QUANTIZE", "mean"),
        ("DEQUANTIZE", "sigmoid/float32"),
        ("QUANTIZE", "excited"),
        ("DEQUANTIZE", "embedding"),
    ]
    by_output = {item.output: item for item in file.operators}
    floats = {name for name, item in by_output.items() if item.dtype == "float32" and item.kind != "DEQUANTIZE"}
    assert floats == {"primary", "cheap", "ghost", "mean/wide", "excited/wide"}
    dtypes = {tensor.name: tensor.dtype for tensor in file.tensors}
    assert (dtypes["primary/kernel"], dtypes["primary/bias"]) == ("float32", "float32")
    assert (dtypes["sigmoid/kernel"], dtypes["sigmoid/bias"]) == ("int8", "int32")
    assert (file.partitions, file.outside) == (1, ())


def test_an_integer_picture_for_a_float_operator_is_what_was_stored() -> None:
    graph, examples = Graph((PICTURE, conv()), ("y",)), 2.5 * pictures()
    file = check(graph, Quantization({"x": Affine(0.02, 0)}), examples)
    assert [(item.kind, item.output) for item in file.operators] == [
        ("QUANTIZE", "x/int8"),
        ("DEQUANTIZE", "x/float32"),
        ("CONV_2D", "y"),
    ]


def test_a_tensor_of_two_users_is_converted_once() -> None:
    nodes = (PICTURE, conv("c", size=1), conv("a", "c", 1), conv("b", "c", 1), Add("y", ("a", "b")))
    graph, examples = Graph(nodes, ("y",)), pictures()
    file = check(graph, quantize(graph, examples).without(("a", "b")), examples)
    assert [item.output for item in file.operators if item.kind == "DEQUANTIZE"] == ["c/float32", "y"]


def test_a_unit_hard_sigmoid_in_float32_stays_in_xnnpack() -> None:
    """Behind a convolution of its own, and behind one whose sums are needed elsewhere too."""
    unit = HardSigmoid("y", ("c",), 1.0, 0.0)
    for nodes, outputs, expected in (
        ((PICTURE, conv("c"), unit), ("y",), "CONV_2D MINIMUM"),
        ((PICTURE, conv("c"), unit), ("y", "c"), "CONV_2D RELU MINIMUM"),
    ):
        graph, examples = Graph(nodes, outputs), pictures()
        data = write_tflite(graph, replace(CARD, precision="float32"))
        np.testing.assert_allclose(on_litert(data, examples)[0], interpret(graph, examples)["y"], atol=1e-5)
        file = inspect_tflite(data)
        assert Counter(operator.kind for operator in file.operators) == Counter(expected.split())
        assert (file.partitions, file.outside) == (1, ())


# -- what a file says


def test_operator_versions() -> None:
    """The first that take the type: ``tflite/tools/versioning/op_version.cc``, read by hand."""
    int8 = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "ADD": 2, "MUL": 3, "CONCATENATION": 2, "MEAN": 2, "RESHAPE": 1}
    int16 = {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 5, "ADD": 3, "MUL": 4, "CONCATENATION": 3, "MEAN": 3, "RESHAPE": 1}
    examples = pictures()
    for bits, expected in (
        (8, {**int8, "QUANTIZE": 1, "DEQUANTIZE": 2}),
        (16, {**int16, "QUANTIZE": 2, "DEQUANTIZE": 3}),
        (32, dict.fromkeys([*int8, "MINIMUM"], 1)),
    ):
        quantization = quantize(NETWORK, examples, bits) if bits < 32 else None
        file = inspect_tflite(write_tflite(NETWORK, CARD, quantization))
        assert {operator.kind: operator.version for operator in file.operators} == expected


def test_weights_of_integers() -> None:
    from ai_edge_litert import schema_py_generated as schema

    examples = pictures()
    for bits, bias in ((8, "INT32"), (16, "INT64")):
        quantization = quantize(NETWORK, examples, bits)
        model = schema.ModelT.InitFromPackedBuf(write_tflite(NETWORK, CARD, quantization), 0)
        tensors = {tensor.name.decode(): tensor for tensor in model.subgraphs[0].tensors}
        for name, axis, channels in (("stem", 0, 6), ("cheap", 3, 6), ("last", 0, 16)):
            kernel, sums = tensors[f"{name}/kernel"], tensors[f"{name}/bias"]
            assert (kernel.type, sums.type) == (schema.TensorType.INT8, getattr(schema.TensorType, bias))
            assert (kernel.quantization.quantizedDimension, len(kernel.quantization.scale)) == (axis, channels)
            assert not kernel.quantization.zeroPoint.any()
            source = quantization.tensors[NETWORK[name].inputs[0]]
            np.testing.assert_allclose(sums.quantization.scale, kernel.quantization.scale * source.scale, rtol=1e-6)
            integers = np.frombuffer(bytes(model.buffers[kernel.buffer].data), np.int8)
            assert (integers.min() >= -127, np.abs(integers).max()) == (True, 127)


@pytest.mark.parametrize("integers", [{"stem", "primary", "gate", "last"}, {"stem", "last"}], ids=["all", "two"])
def test_dynamic_kernels_are_int8_where_chosen(integers: set[str]) -> None:
    examples = pictures(4)
    data = write_tflite(NETWORK, replace(CARD, precision="dynamic"), int8_kernels=integers)
    file = inspect_tflite(data)
    stored = {tensor.name: tensor.dtype for tensor in file.tensors if tensor.stored and "/kernel" in tensor.name}
    convolutions = ("stem", "negative", "primary", "cheap", "gate", "last")
    expected = {name: "int8" if name in integers else "float16" for name in convolutions}
    assert {
        {"sigmoid": "gate"}.get(part := name.split("/")[0], part): dtype for name, dtype in stored.items()
    } == expected
    computed = [tensor for tensor in file.tensors if not tensor.stored and "/" not in tensor.name]
    assert {tensor.dtype for tensor in computed} == {"float32"}
    assert {operator.version for operator in file.operators if operator.kind == "CONV_2D"} == {1}
    assert (file.partitions, file.outside) == (1, ())
    # What XNNPACK computes is the float network with each kernel rounded to 255 steps, per output channel.
    rounded = []
    for node in NETWORK.nodes:
        if isinstance(node, Conv) and node.name in integers:
            step = np.abs(node.kernel).max(axis=(0, 1, 2)) / 127
            node = replace(node, kernel=(np.rint(node.kernel / step) * step).astype(np.float32))
        rounded.append(node)
    (result,) = on_litert(data, examples)
    wanted = interpret(Graph(tuple(rounded), NETWORK.outputs), examples)["embedding"]
    assert np.abs(result - wanted).max() <= 2e-3 * np.abs(wanted).max()  # the other weights are float16


def test_float_and_integer_interfaces_give_the_same_numbers() -> None:
    examples = pictures()
    quantization = quantize(NETWORK, examples)
    examples = quantization.tensors["x"].dequantize(quantization.tensors["x"].quantize(examples))
    card = replace(CARD, precision="int8")
    outside, inside = (write_tflite(NETWORK, card, quantization, integer_io=flag) for flag in (False, True))
    for data, dtype, scale in ((outside, "float32", None), (inside, "int8", quantization.tensors["x"].scale)):
        file = inspect_tflite(data)
        (taken,), (given,) = file.inputs, file.outputs
        assert (taken.name, taken.dtype, taken.shape, taken.scale) == ("x", dtype, (1, 9, 8, 6), scale)
        assert (given.name, given.dtype, given.shape) == ("embedding", dtype, (1, 16))
        assert file.is_integer
    np.testing.assert_array_equal(on_litert(inside, examples)[0], on_litert(outside, examples)[0])


def test_the_same_bytes_every_time() -> None:
    code = """
import hashlib, runpy, sys
names = runpy.run_path(sys.argv[1])
print(hashlib.sha256(names["some_file"]()).hexdigest())
"""
    digests = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-W", "ignore", "-c", code, __file__]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        digests.add(subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout)
    assert len(digests) == 1


def some_file() -> bytes:
    """A file with every form of tensor in it, made of nothing but the fixed seed."""
    examples = pictures()
    mixed = quantize(NETWORK, examples).without(("stem",))
    wide = quantize(NETWORK, examples, 16).tensors
    return write_tflite(NETWORK, CARD, Quantization({**mixed.tensors, "excited": wide["excited"]}))


# -- what is refused


def refused(nodes: tuple[Node, ...], affines: dict[str, Affine], message: str, **changes: Any) -> None:
    card = replace(CARD, precision=changes.pop("precision", "mixed"))
    with pytest.raises(ConversionError, match=message):
        write_tflite(Graph((PICTURE, *nodes), ("y",)), card, Quantization(affines), **changes)


def test_what_the_specification_does_not_allow_is_refused() -> None:
    some = Affine(0.1, 3)
    refused((Relu("y", ("x",)),), {"z": some}, "no node makes the tensor 'z'")
    refused((Flatten("y", ("x",)),), {"x": some}, "'x' and 'y' must be stored alike")
    refused((Sigmoid("y", ("x",)),), {"x": some, "y": UNIT}, "'y': a sigmoid is stored as Affine")
    unit = (conv("c"), HardSigmoid("y", ("c",), 1.0, 0.0))
    refused(unit, {"x": some, "y": Affine(0.01, -128)}, "'c': the integers of a hard-sigmoid must not go beyond 1")
    vector = (Flatten("v", ("x",)), Scale("y", ("v",), random(9 * 8 * 6)))
    refused(vector, {"x": some, "v": some, "y": some}, "'y': Scale of a vector has no integer form")


def test_what_does_not_fit_the_precision_is_refused() -> None:
    some = Affine(0.1, 3)
    nodes = (conv("c"), conv("y", "c"))
    refused(nodes, {"x": some, "y": some}, "'c' is float32: no part of a file of precision 'int8'", precision="int8")
    refused(nodes, dict.fromkeys("xcy", some), "'x' is int8: .* 'int16x8'", precision="int16x8")
    refused(nodes, {"c": some}, "'c' is int8: .* 'dynamic'", precision="dynamic")
    refused(nodes, {"x": some, "c": some}, "'y' is float32, so it cannot go in or out as integers", integer_io=True)

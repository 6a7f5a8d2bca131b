"""Written files compute on LiteRT what the interpreter computes, operator by operator, and whole networks likewise."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ghostface_edge.alignment import align
from ghostface_edge.card import InputSpec, ModelCard, Source
from ghostface_edge.converters import Conversion, convert
from ghostface_edge.converters.architectures import architecture
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
    Shape,
    Sigmoid,
    Upsample2x,
)
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.passes.fold_batch_norm import fold_batch_norm
from ghostface_edge.converters.passes.fold_hard_sigmoid import fold_hard_sigmoid
from ghostface_edge.converters.passes.lower_prelu import lower_prelu
from ghostface_edge.converters.passes.normalise_slopes import normalise_slopes
from ghostface_edge.converters.preparation import embedder_graph
from ghostface_edge.converters.quantization import UNIT, Affine, Quantization, fused_followers, tied_tensors
from ghostface_edge.converters.tflite_inspection import inspect_tflite
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.converters.yunet_onnx import read_yunet_onnx
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import ConversionError, ModelFileError, OptionError, RuntimeMissingError
from ghostface_edge.image import Image
from ghostface_edge.runtime import open_session
from ghostface_edge.runtime.litert import LiteRTSession
from ghostface_edge.runtime.tflite_card import read_tflite_card
from ghostface_edge.types import Threshold

pytest.importorskip("ai_edge_litert")
RANDOM = np.random.default_rng(0)
Runner = Callable[..., "dict[str, np.ndarray]"]

CARD = ModelCard(
    kind="detector",
    model_id="net-1",
    name="net",
    architecture="custom",
    precision="float32",
    input=InputSpec(None, None, "NHWC", "RGB", 0.0, 1.0),
    source=Source("net", "0" * 64, 1),
    converter="tests",
    licence="MIT",
)


def random(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def close(result: np.ndarray, expected: np.ndarray, relative: float = 1e-5) -> None:
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=0, atol=relative * np.abs(expected).max())


def on_litert(data: bytes, pictures: np.ndarray) -> list[np.ndarray]:
    session = LiteRTSession(data, threads=1, name="net.tflite")
    return list(session.run(np.ascontiguousarray(pictures, np.float32)))


def unpacked(data: bytes) -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated.ModelT.InitFromPackedBuf(data, 0)


def operators(data: bytes) -> Counter[str]:
    """How many operators of each type a file holds."""
    from ai_edge_litert import schema_py_generated

    names = {value: key for key, value in vars(schema_py_generated.BuiltinOperator).items()}
    model = unpacked(data)
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return Counter(codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators)


def delegates(data: bytes) -> list[dict[str, Any]]:
    """The partitions that XNNPACK took, each as LiteRT describes the operator that stands for it."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    return [detail for detail in interpreter._get_ops_details() if detail["op_name"] == "DELEGATE"]


def all_in_xnnpack(data: bytes) -> bool:
    """Whether one partition makes the output from nothing but the input: then no operator is left beside it."""
    network = unpacked(data).subgraphs[0]
    stored = {number for number, tensor in enumerate(network.tensors) if tensor.buffer}
    parts = delegates(data)
    return (
        len(parts) == 1
        and set(parts[0]["inputs"]) - stored == set(network.inputs)
        and set(network.outputs) <= set(parts[0]["outputs"])
    )


def test_an_operator_outside_xnnpack_is_seen() -> None:
    """The check that the tests below rely on, on files with a SIGN, which XNNPACK does not take, at either end."""
    import flatbuffers
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    for nodes in (
        (PICTURE, Relu("r", ("x",)), Sigmoid("y", ("r",))),
        (PICTURE, Sigmoid("s", ("x",)), Relu("y", ("s",))),
    ):
        data = write_tflite(Graph(nodes, ("y",)), CARD)
        assert all_in_xnnpack(data)
        model = unpacked(data)
        for code in model.operatorCodes:
            if code.builtinCode == BuiltinOperator.LOGISTIC:
                code.builtinCode, code.deprecatedBuiltinCode, code.version = BuiltinOperator.SIGN, 127, 1
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        assert not all_in_xnnpack(bytes(builder.Output()))


PICTURE = Input("x", (), 9, 8, 3)
VECTOR = (PICTURE, Flatten("v", ("x",)))
STATISTICS = (random(3), random(3), random(3), np.abs(random(3)) + 0.1)


def conv(size: int, strides: tuple[int, int], pads: tuple[int, int, int, int]) -> tuple[Node, ...]:
    return (PICTURE, Conv("y", ("x",), random(size, size, 3, 4), random(4), strides, pads))


def depthwise(size: int, strides: tuple[int, int], pads: tuple[int, int, int, int]) -> tuple[Node, ...]:
    return (PICTURE, Conv("y", ("x",), random(size, size, 3, 1), None, strides, pads, depthwise=True))


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (conv(1, (1, 1), (0, 0, 0, 0)), "CONV_2D"),
        (conv(3, (1, 1), (1, 1, 1, 1)), "CONV_2D"),
        (conv(3, (2, 2), (1, 0, 1, 1)), "CONV_2D"),  # SAME of 9 x 8 at stride 2: odd sides on both, even at the end
        (conv(3, (2, 2), (1, 1, 1, 1)), "PAD CONV_2D"),
        (conv(3, (2, 1), (0, 1, 2, 3)), "PAD CONV_2D"),
        (conv(3, (2, 2), (0, 0, 0, 0)), "CONV_2D"),
        (depthwise(3, (2, 2), (1, 0, 1, 1)), "DEPTHWISE_CONV_2D"),
        (depthwise(3, (2, 2), (0, 0, 1, 1)), "PAD DEPTHWISE_CONV_2D"),
        (depthwise(5, (1, 1), (2, 2, 2, 2)), "DEPTHWISE_CONV_2D"),
        ((PICTURE, Conv("y", ("x",), random(9, 8, 3, 1), None, depthwise=True)), "DEPTHWISE_CONV_2D"),
        ((PICTURE, Conv("c", ("x",), random(1, 1, 3, 4), None), Relu("y", ("c",))), "CONV_2D"),
        ((PICTURE, BatchNorm("y", ("x",), *STATISTICS, epsilon=1e-3)), "MUL ADD"),
        ((PICTURE, BatchNorm("b", ("x",), *STATISTICS, epsilon=1e-3), Relu("y", ("b",))), "MUL ADD"),
        ((PICTURE, PRelu("y", ("x",), np.array([-3.0, 0.5, 7.0], np.float32))), "RESHAPE PRELU RESHAPE"),
        ((PICTURE, Scale("y", ("x",), random(3))), "MUL"),
        ((PICTURE, Scale("s", ("x",), random(3)), Relu("y", ("s",))), "MUL"),
        ((PICTURE, Relu("y", ("x",))), "RELU"),
        ((PICTURE, Sigmoid("y", ("x",))), "LOGISTIC"),
        ((PICTURE, HardSigmoid("y", ("x",), 0.2, 0.5)), "MUL ADD MUL"),
        ((PICTURE, HardSigmoid("y", ("x",), 1 / 6, 0.4)), "MUL ADD MUL"),
        ((PICTURE, GlobalAveragePool("y", ("x",))), "MEAN"),
        ((PICTURE, MaxPool("y", ("x",), 2)), "MAX_POOL_2D"),
        ((PICTURE, AveragePool("y", ("x",), 2)), "AVERAGE_POOL_2D"),
        ((PICTURE, ResizeBilinear("y", ("x",), 18, 16)), "RESIZE_BILINEAR"),
        ((PICTURE, ResizeBilinear("y", ("x",), 21, 5)), "RESIZE_BILINEAR"),
        ((PICTURE, Flatten("y", ("x",))), "RESHAPE"),
        ((PICTURE, Upsample2x("y", ("x",))), "CONCATENATION DEPTH_TO_SPACE"),
        ((PICTURE, Relu("r", ("x",)), Concat("y", ("r", "x", "r"))), "RELU CONCATENATION"),
        ((PICTURE, Relu("r", ("x",)), Add("y", ("r", "x"))), "RELU ADD"),
        ((PICTURE, Scale("s", ("x",), random(3)), Maximum("y", ("s", "x"))), "MUL MAXIMUM"),
        ((PICTURE, Scale("s", ("x",), random(3)), Add("a", ("s", "x")), Relu("y", ("a",))), "MUL ADD"),
        ((PICTURE, Relu("r", ("x",)), GlobalAveragePool("p", ("r",)), Mul("y", ("x", "p"))), "RELU MEAN MUL"),
        ((*VECTOR, PRelu("y", ("v",), random(216))), "RESHAPE PRELU"),
        (
            (*VECTOR, BatchNorm("y", ("v",), *(np.abs(random(216)) + 0.1 for _ in range(4)), epsilon=1e-3)),
            "RESHAPE MUL ADD",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(type(node).__name__ for node in value[1:]),
)
def test_every_operator(nodes: tuple[Node, ...], expected: str) -> None:
    graph = Graph(nodes, ("y",))
    pictures = 3 * RANDOM.normal(size=(2, 9, 8, 3))
    data = write_tflite(graph, CARD)
    (result,) = on_litert(data, pictures)
    close(result, interpret(graph, pictures.astype(np.float32))["y"])
    assert operators(data) == Counter(expected.split())
    assert all_in_xnnpack(data)


def test_a_relu_stays_apart_where_what_it_cuts_is_needed_too() -> None:
    """Nothing is merged into a node with another user, or into one that is itself an output."""
    scale = Scale("s", ("x",), random(3))
    for nodes, outputs in (
        ((PICTURE, scale, Relu("r", ("s",)), Add("y", ("r", "s"))), ("y",)),
        ((PICTURE, scale, Relu("y", ("s",))), ("y", "s")),
    ):
        graph = Graph(nodes, outputs)
        pictures = random(1, 9, 8, 3)
        data = write_tflite(graph, CARD)
        assert operators(data)["RELU"] == 1
        for result, name in zip(on_litert(data, pictures), outputs):
            close(result, interpret(graph, pictures)[name])


def test_float16_weights_are_rounded_and_nothing_else_is() -> None:
    """Against the interpreter on weights rounded by NumPy; this machine computes in float32, or rounds once more."""
    weights = (random(3, 3, 3, 4), random(4), random(4))

    def graph(kernel: np.ndarray, bias: np.ndarray, slope: np.ndarray) -> Graph:
        return Graph(
            (PICTURE, Conv("c", ("x",), kernel, bias, pads=(1, 1, 1, 1)), PRelu("y", ("c",), slope)),
            ("y",),
        )

    pictures = random(2, 9, 8, 3)
    data = write_tflite(graph(*weights), replace(CARD, precision="float16"))
    rounded = graph(*(item.astype(np.float16).astype(np.float32) for item in weights))
    (result,) = on_litert(data, pictures)
    close(result, interpret(rounded, pictures)["y"], 1e-5 if not half_arithmetic() else 5e-3)
    assert operators(data) == {"DEQUANTIZE": 3, "CONV_2D": 1, "RESHAPE": 2, "PRELU": 1}
    assert all_in_xnnpack(data)
    model = unpacked(data)
    entries = {entry.name: bytes(model.buffers[entry.buffer].data) for entry in model.metadata}
    assert entries[b"reduced_precision_support"] == b"fp16accfp16"


def half_arithmetic() -> bool:
    """Whether XNNPACK computes float16 files in float16 here."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return bool({"asimdhp", "avx512_fp16"} & set(flags))


def test_a_float32_file_does_not_allow_float16_arithmetic() -> None:
    model = unpacked(write_tflite(Graph((PICTURE, Relu("y", ("x",))), ("y",)), CARD))
    assert [entry.name for entry in model.metadata] == [b"ghostface_edge.card", b"ghostface_edge.seal"]


def test_weights_that_float16_cannot_hold_are_refused() -> None:
    graph = Graph((PICTURE, Scale("y", ("x",), np.array([1, 2, 7e4], np.float32))), ("y",))
    with pytest.raises(ConversionError, match="'y/factor' go up to 70000, which float16 cannot hold"):
        write_tflite(graph, replace(CARD, precision="float16"))


def test_header_interface_and_alignment() -> None:
    nodes = (PICTURE, Conv("map", ("x",), random(1, 1, 3, 5), random(5)), Flatten("y", ("map",)))
    data = write_tflite(Graph(nodes, ("y", "map")), CARD)
    assert data[4:8] == b"TFL3"
    model = unpacked(data)
    assert (model.version, model.description) == (3, b"tests")
    network = model.subgraphs[0]
    interface = [(network.tensors[number].name, list(network.tensors[number].shape)) for number in network.inputs]
    assert interface == [(b"x", [1, 9, 8, 3])]
    interface = [(network.tensors[number].name, list(network.tensors[number].shape)) for number in network.outputs]
    assert interface == [(b"y", [1, 360]), (b"map", [1, 9, 8, 5])]
    start = np.frombuffer(data, np.uint8).ctypes.data
    for buffer in model.buffers[1:]:
        assert (buffer.data.ctypes.data - start) % 16 == 0


def test_the_card_is_read_back_and_the_seal_proves_every_byte() -> None:
    data = write_tflite(Graph((PICTURE, Scale("y", ("x",), random(3))), ("y",)), CARD)
    assert read_tflite_card(data) == CARD
    seal = next(entry for entry in unpacked(data).metadata if entry.name == b"ghostface_edge.seal")
    digest = bytes(unpacked(data).buffers[seal.buffer].data)
    assert data.count(digest) == 1
    assert hashlib.sha256(data.replace(digest, bytes(64))).hexdigest().encode() == digest
    for position in (len(data) // 2, len(data) - 1, data.index(digest)):
        with pytest.raises(ModelFileError):
            read_tflite_card(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])


OPEN = Input("x", (), None, None, 3)


def test_an_open_size_follows_the_picture() -> None:
    """Whole in XNNPACK at every size, and nothing of one size left behind in the next.

    A stride of 2 needs other SAME pads for 1 row than for 2, and 32 pixels are one row behind the third pooling.
    """
    nodes = (
        OPEN,
        Conv("stem", ("x",), random(3, 3, 3, 4), random(4), (2, 2), (1, 1, 1, 1)),
        MaxPool("pool", ("stem",), 8),
        Conv("half", ("pool",), random(3, 3, 4, 4), random(4), (2, 2), (1, 1, 1, 1)),
        Upsample2x("twice", ("half",)),
        Add("sum", ("pool", "twice")),
        GlobalAveragePool("mean", ("sum",)),
        Mul("y", ("sum", "mean")),
    )
    graph = Graph(nodes, ("y", "mean"))
    data = write_tflite(graph, CARD)
    session = LiteRTSession(data, threads=1, name="net.tflite")
    for height, width in ((32, 32), (64, 96), (160, 32), (32, 32), (64, 96)):
        pictures = random(2, height, width, 3)
        expected = interpret(graph, pictures)
        for result, name in zip(session.run(pictures), graph.outputs):
            close(result, expected[name], 3e-5)
    assert all_in_xnnpack(data)
    tensors = unpacked(data).subgraphs[0].tensors
    signed = {tensor.name: list(tensor.shapeSignature) for tensor in tensors if tensor.shapeSignature is not None}
    assert signed == {b"x": [1, -1, -1, 3], b"y": [1, -1, -1, 4], b"mean": [1, 1, 1, 4]}


def test_a_vector_of_an_open_size_is_refused() -> None:
    with pytest.raises(ConversionError, match="'y': Flatten has no TFLite form where the picture's size is open"):
        write_tflite(Graph((OPEN, Flatten("y", ("x",))), ("y",)), CARD)


def test_a_node_without_a_tflite_form_is_refused() -> None:
    class Strange(Node):
        def shape(self, *inputs: Shape) -> Shape:
            return inputs[0]

    with pytest.raises(ConversionError, match="Strange has no TFLite form"):
        write_tflite(Graph((PICTURE, Strange("y", ("x",))), ("y",)), CARD)


# -- whole checkpoints


@pytest.mark.parametrize("prelu", [None, "lowered"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activation": "relu"},
        {"dropout": True, "head_bias": True, "scale": False},
        {"stride": 1, "width": 0.5, "size": 24},
        {"blocks": None, "size": 64},
    ],
    ids=str,
)
def test_the_model_computes_what_the_checkpoint_says(
    options: dict[str, Any], prelu: str | None, keras2: ModuleType, tmp_path: Path, on_onnxruntime: Runner
) -> None:
    pytest.importorskip("onnx")
    options = {"blocks": [0, 1, 2, 3], "size": 32, **options}
    source = keras2.ghostface(**options).save(tmp_path / "face.h5")
    made = convert(source, tmp_path / "out", to="tflite", prelu=prelu)
    pictures = np.random.default_rng(0).normal(size=(3, options["size"], options["size"], 3)).astype(np.float32)
    (result,) = on_litert(made.path.read_bytes(), pictures)
    close(result, interpret(read_keras_h5(source.read_bytes(), "face"), pictures)["embedding"])
    onnx = convert(source, tmp_path / "out").path.read_bytes()
    close(result, on_onnxruntime(onnx, pictures)["embedding"])
    assert all_in_xnnpack(made.path.read_bytes())


def test_format_and_precision_are_all_that_the_cards_differ_by(
    small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threshold = Threshold(1e-3, 0.23, "yunet", 0.05, 29_600_000, 8_101, "LFW")
    digest = hashlib.sha256(small_checkpoint.read_bytes()).hexdigest()
    table = tmp_path / "thresholds.json"
    table.write_text(json.dumps({digest: [threshold.to_dict()]}), encoding="utf-8")
    monkeypatch.setattr("ghostface_edge.thresholds.MEASURED", table)
    onnx = convert(small_checkpoint, tmp_path / "out")
    for precision in ("float32", "float16"):
        made = convert(small_checkpoint, tmp_path / precision, to="tflite", precision=precision)
        name = {"float32": "small.tflite", "float16": "small_float16.tflite"}[precision]
        assert made.path == tmp_path / precision / name
        assert read_tflite_card(made.path.read_bytes()) == made.card
        compute = {"float32": "", "float16": "float16"}[precision]
        assert made.card == replace(onnx.card, precision=precision, compute=compute)
        assert made.card.threshold(1e-3, "yunet") == threshold


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_same_bytes_every_time(precision: str, small_checkpoint: Path, tmp_path: Path) -> None:
    path = convert(small_checkpoint, tmp_path / "a", to="tflite", precision=precision).path
    code = """
import sys
from ghostface_edge.converters import convert
convert(*sys.argv[1:3], to="tflite", precision=sys.argv[3])
"""
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code, str(small_checkpoint), str(tmp_path / seed), precision]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        assert (tmp_path / seed / path.name).read_bytes() == path.read_bytes()


def test_a_precision_that_does_not_exist(small_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(
        OptionError,
        match=r"'int4' does not exist for to='tflite'; choose from: float32, float16, dynamic, int8, int16x8, mixed$",
    ):
        convert(small_checkpoint, tmp_path / "out", to="tflite", precision="int4")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_detector(precision: str, yunet_like: ModuleType, tmp_path: Path) -> None:
    """Channels last and of open size, for RGB, its heads merged: against the interpreter on the file as it was read."""
    source = tmp_path / "yunet.onnx"
    source.write_bytes(yunet_like.yunet().SerializeToString())
    made = convert(source, tmp_path / "out", to="tflite", precision=precision)
    spec = made.card.input
    assert (made.card.kind, made.card.precision) == ("detector", precision)
    assert (spec.height, spec.width, spec.layout, spec.colour_order) == (None, None, "NHWC", "RGB")
    assert read_tflite_card(made.path.read_bytes()) == made.card
    assert all_in_xnnpack(made.path.read_bytes())
    rgb = RANDOM.integers(0, 256, (2, 96, 64, 3)).astype(np.float32)
    expected = interpret(read_yunet_onnx(source.read_bytes(), "yunet"), np.ascontiguousarray(rgb[..., ::-1]))
    for grid, stride in zip(on_litert(made.path.read_bytes(), rgb), (8, 16, 32)):
        merged = np.concatenate([expected[f"{branch}_{stride}"] for branch in ("cls", "obj", "bbox", "kps")], axis=-1)
        close(grid, merged, 1e-5 if precision == "float32" else 5e-3)


def test_without_litert_the_message_names_the_extra(
    small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(RuntimeMissingError, match=r"pip install \"ghostface-edge\[litert\]\""):
        convert(small_checkpoint, tmp_path / "out", to="tflite")
    assert not (tmp_path / "out").exists()


def test_the_package_onnx_is_not_needed(small_checkpoint: Path, tmp_path: Path) -> None:
    code = """
import sys
for name in ("tensorflow", "keras", "onnx", "onnxruntime", "requests"):
    sys.modules[name] = None
from ghostface_edge.converters import convert
assert not {"h5py", "flatbuffers", "ai_edge_litert"} & set(sys.modules)
convert(*sys.argv[1:], to="tflite")
"""
    subprocess.run([sys.executable, "-c", code, str(small_checkpoint), str(tmp_path)], check=True)


# -- GhostFaceNetV2


@pytest.mark.parametrize(("stride", "pads"), [(2, 7), (1, 8)])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_version_2_runs_in_xnnpack(precision: str, stride: int, pads: int) -> None:
    """Attention and all, in one partition; strided convolutions pad even sizes on all sides, which no SAME says."""
    checkpoint = architecture(f"ghostfacenet-v2-1.0-{stride}")
    data = write_tflite(embedder_graph(checkpoint, "native"), replace(CARD, precision=precision))
    assert all_in_xnnpack(data)
    counted = operators(data)
    assert (counted["AVERAGE_POOL_2D"], counted["RESIZE_BILINEAR"], counted["PAD"]) == (14, 14, pads)
    pictures = random(2, 112, 112, 3)
    (result,) = on_litert(data, pictures)
    expected = interpret(checkpoint, pictures)["embedding"]
    close(result, expected, 2e-5 if precision == "float32" else 3e-2)


# -- the official checkpoint


@pytest.fixture(scope="module")
def official(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Conversion]:
    """The official checkpoint in the three forms, by precision; ``onnx`` is float32."""
    pytest.importorskip("onnx")
    source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    folder = tmp_path_factory.mktemp("official")
    return {
        "onnx": convert(source, folder),
        "float32": convert(source, folder / "float32", to="tflite"),
        "float16": convert(source, folder / "float16", to="tflite", precision="float16"),
    }


@pytest.fixture(scope="module")
def crops(shared: Path) -> np.ndarray:
    """100 real faces, (100, 112, 112, 3) float32, as the network wants them."""
    import cv2

    photos = sorted((shared / "calibration").glob("*.jpg"))[:100]
    pixels = np.stack([cv2.imread(str(photo))[69:181, 69:181, ::-1] for photo in photos])
    return ((pixels.astype(np.float32) - 127.5) / 128).astype(np.float32)


@pytest.mark.parametrize(
    ("precision", "largest", "least_cosine"), [("float32", 1e-4, 0.999_999), ("float16", 1, 0.9999)]
)
def test_the_official_model_on_real_faces(
    precision: str,
    largest: float,
    least_cosine: float,
    official: dict[str, Conversion],
    crops: np.ndarray,
) -> None:
    pytest.importorskip("onnxruntime")
    (expected,) = open_session(official["onnx"].path, threads=1).run(crops)
    (result,) = open_session(official[precision].path, threads=1).run(crops)
    assert np.abs(result - expected).max() <= largest
    lengths = np.linalg.norm(result.astype(float), axis=1) * np.linalg.norm(expected.astype(float), axis=1)
    if precision == "float16" and half_arithmetic():
        least_cosine = 0.9998
    assert ((result.astype(float) * expected).sum(1) / lengths).min() >= least_cosine


def test_figures_of_the_official_files(official: dict[str, Conversion]) -> None:
    assert official["float16"].path.stat().st_size <= 1_500_000
    for precision in ("float32", "float16"):
        data = official[precision].path.read_bytes()
        assert all_in_xnnpack(data)
        # 41 PReLUs, and every padding of the network is one that SAME or VALID says
        assert (operators(data)["PRELU"], operators(data)["PAD"]) == (41, 0)
        assert official[precision].seconds < 3
        assert official[precision].card.model_id == official["onnx"].card.model_id
        assert official[precision].card.thresholds == official["onnx"].card.thresholds != ()


# -- integers on real faces


@pytest.fixture(scope="module")
def faces(real_engine: FaceEngine, shared: Path, lfw_sample: list[Path]) -> dict[str, np.ndarray]:
    """Aligned faces as the network wants them: 40 to take ranges from, 60 others to judge by."""
    photos = {"ranges": sorted((shared / "calibration").glob("*.jpg"))[:40], "judged": lfw_sample[:60]}
    crops = {
        use: np.stack([align(image, real_engine.detect(image)[0].landmarks) for image in map(Image.open, paths)])
        for use, paths in photos.items()
    }
    return {use: ((pixels.astype(np.float32) - 127.5) / 128).astype(np.float32) for use, pixels in crops.items()}


@pytest.fixture(scope="module")
def folded(shared: Path) -> Graph:
    source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    return fold_batch_norm(read_keras_h5(source.read_bytes(), source.name))


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = (values / np.linalg.norm(values.astype(float), axis=1)[:, None] for values in (first, second))
    return np.sum(first * second, axis=1)


def min_max(graph: Graph, examples: np.ndarray, bits: int) -> Quantization:
    """The naive ranges: the smallest and largest number of every tensor."""
    values, fused, ties = interpret(graph, examples), fused_followers(graph), tied_tensors(graph)
    groups: dict[str, list[str]] = {}
    for node in graph.nodes:
        groups.setdefault(ties[node.name], []).append(node.name)
    affines: dict[str, Affine] = {}
    for names in groups.values():
        low, high = min(values[name].min() for name in names), max(values[name].max() for name in names)
        affines.update(dict.fromkeys(names, Affine.over(low, high, bits)))
    for node in graph.nodes:
        if isinstance(node, HardSigmoid):
            affines[node.name] = UNIT if bits == 8 else Affine.over(0, 1, 16)
    return Quantization({name: affine for name, affine in affines.items() if name not in fused})


def test_dynamic_on_real_faces(folded: Graph, faces: dict[str, np.ndarray]) -> None:
    """On 500 faces: mean 0.9992, least 0.9978."""
    (expected,) = on_litert(write_tflite(folded, CARD), faces["judged"])
    data = write_tflite(folded, replace(CARD, precision="dynamic"))
    similarity = cosines(on_litert(data, faces["judged"])[0], expected)
    assert similarity.mean() >= 0.998
    assert similarity.min() >= 0.994
    assert len(data) < 1_000_000
    file = inspect_tflite(data)
    assert (file.partitions, file.outside, file.macs) == (1, (), 10_715_866)


@pytest.mark.parametrize(
    ("bits", "precision", "low", "high"), [(8, "int8", 0.1, 0.4), (16, "int16x8", 0.995, 1)], ids=["int8", "int16x8"]
)
def test_naive_ranges_on_real_faces(
    bits: int, precision: str, low: float, high: float, folded: Graph, faces: dict[str, np.ndarray]
) -> None:
    """Without equalisation 8 bits are too few for the activations of this network; its weights are not to blame."""
    (expected,) = on_litert(write_tflite(folded, CARD), faces["judged"])
    graph = lower_prelu(fold_hard_sigmoid(normalise_slopes(folded)), "depthwise")
    quantization = min_max(graph, faces["ranges"][:8], bits)
    data = write_tflite(graph, replace(CARD, precision=precision), quantization)
    similarity = cosines(on_litert(data, faces["judged"])[0], expected)
    assert low <= similarity.mean() <= high
    file = inspect_tflite(data)
    if bits == 8:
        assert file.is_integer
        assert (file.partitions, file.outside) == (1, ())
    else:
        # XNNPACK takes no int16: all of it runs in LiteRT's own kernels, in some 15 times the time
        assert (file.partitions, len(file.outside)) == (0, len(file.operators))


@pytest.mark.parametrize(("height", "width", "channels"), [(9, 7, 4), (9, 7, 9), (9, 7, 10), (1, 7, 1), (9, 1, 4)])
def test_prelu_of_any_shape(height: int, width: int, channels: int) -> None:
    """Each channel keeps its slope, whichever way the map is laid out for XNNPACK."""
    random = np.random.default_rng(height * width + channels)
    slope = random.uniform(-16, 16, channels).astype(np.float32)
    graph = Graph((Input("x", (), height, width, channels), PRelu("y", ("x",), slope)), ("y",))
    x = random.standard_normal((3, height, width, channels)).astype(np.float32)
    card = replace(CARD, kind="detector", alignment="", embedding_size=0)
    data = write_tflite(graph, card)
    (found,) = on_litert(data, x)
    np.testing.assert_array_equal(found, np.where(x > 0, x, x * slope))
    file = inspect_tflite(data)
    assert (file.partitions, file.outside) == (1, ())
    by_rows = width > 1 and height >= channels
    assert file.kinds == {"PRELU float32": 1, **({"RESHAPE float32": 2} if by_rows else {})}

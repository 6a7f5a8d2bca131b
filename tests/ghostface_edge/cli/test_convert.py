"""convert, inspect and card add."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from ghostface_edge import Embedder
from ghostface_edge.card import read_card
from ghostface_edge.runtime import file_format, open_session
from ghostface_edge.runtime.tflite_card import read_tflite_card

Runner = Callable[..., Any]

CARD = ("--layout", "NCHW", "--colour-order", "RGB", "--mean", "127.5", "--scale", "0.0078125", "--licence", "MIT")


class TestConvert:
    def test_checkpoint(self, run: Runner, shared: Path, tmp_path: Path) -> None:
        source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
        out = tmp_path / "new"
        document = run("convert", source, "-o", out, "--licence", "MIT", "--name", "small", "--json").json
        path = out / "GN_W0.5_S2_ArcFace_epoch16.onnx"
        assert document["path"] == str(path)
        card = read_card(path.read_bytes())
        assert (card.name, card.licence, card.precision) == ("small", "MIT", "float32")
        assert document["card"]["source"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
        text = run("convert", source, "-o", out, "--precision", "float32").out
        # 722,364 parameters and 10.72 million MACs: counted by Keras and by hand
        size = path.stat().st_size
        assert text.startswith(f"{path}: ghostfacenet-v1-0.5-2-2beca52a, float32, {size:,} bytes, ")
        assert f"{document['nodes']} nodes, 722,364 parameters, 10.7 million MACs" in text

    def test_prelu_as_one_operator(self, run: Runner, shared: Path, tmp_path: Path) -> None:
        source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
        run("convert", source, "-o", tmp_path, "--prelu", "native")
        network = run("inspect", tmp_path / "GN_W0.5_S2_ArcFace_epoch16.onnx", "--json").json["network"]
        assert network["operators"]["PRelu"] == 41  # every activation of GhostFaceNetV1 W0.5 is one

    @pytest.mark.parametrize(
        ("option", "precision"), [("fp32", "float32"), ("fp16", "float16"), ("float16", "float16")]
    )
    def test_tflite(self, run: Runner, shared: Path, tmp_path: Path, option: str, precision: str) -> None:
        pytest.importorskip("ai_edge_litert")
        source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
        text = run("convert", source, "-o", tmp_path, "--to", "tflite", "--precision", option).out
        suffix = "" if precision == "float32" else f"_{precision}"
        path = tmp_path / f"GN_W0.5_S2_ArcFace_epoch16{suffix}.tflite"
        assert text.startswith(f"{path}: ghostfacenet-v1-0.5-2-2beca52a, {precision}, ")
        found = run("inspect", path, "--json").json
        assert found["format"] == "tflite"
        assert found["card"] == read_tflite_card(path.read_bytes()).to_dict()
        assert found["card"]["precision"] == precision
        network = found["network"]
        assert (network["inputs"], network["outputs"]) == ({"input": [1, 112, 112, 3]}, {"embedding": [1, 512]})
        assert network["operators"]["PRELU float32"] == 41  # every activation of GhostFaceNetV1 W0.5 is one
        # Files that can be computed in float16 make four channels of two ghost modules twice, and copy them.
        doubled = 2 * 56 * 56 * 4 * (8 + 9) if precision == "float16" else 0
        assert (network["partitions"], network["outside"], network["macs"]) == (1, {}, 10_715_866 + doubled)
        text = run("inspect", path).out
        assert re.search(f"\nprecision +{precision}(, computed in float16 where the processor can)?\n", text)
        assert re.search(r"\nXNNPACK +1 partition, nothing outside it\n", text)

    def test_onnx_for_opencv(self, run: Runner, shared: Path, tmp_path: Path) -> None:
        source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
        run("convert", source, "-o", tmp_path, "--layout", "NCHW", "--batch", "1", "--precision", "fp16")
        path = tmp_path / "GN_W0.5_S2_ArcFace_epoch16_float16.onnx"
        found = run("inspect", path, "--json").json
        assert found["card"]["input"]["layout"] == "NCHW"
        assert found["card"]["precision"] == "float16"
        assert "1 x 3 x 112 x 112" in run("inspect", path).out
        assert path.stat().st_size < 1_500_000  # the float32 file has 2.9 MB

    def test_weights_alone(self, run: Runner, shared: Path, tmp_path: Path) -> None:
        """The official file without its description: the same model, but for the file's own hash."""
        h5py = pytest.importorskip("h5py")
        source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
        weights = tmp_path / "weights.h5"
        weights.write_bytes(source.read_bytes())
        with h5py.File(weights, "r+") as file:
            del file.attrs["model_config"]
        assert "file of weights only" in run("convert", weights, "-o", tmp_path).error
        arguments = ("convert", weights, "-o", tmp_path, "--arch")
        assert "a name is ghostfacenet-VERSION" in run(*arguments, "resnet50").error
        assert "the weights do not fit" in run(*arguments, "ghostfacenet-v1-0.5-1").error
        assert "contradicts" in run(*arguments, "ghostfacenet-v1-0.5-2", "--hard-sigmoid", "keras3").error
        text = run(*arguments, "ghostfacenet-v1-0.5-2").out
        assert ": ghostfacenet-v1-0.5-2-" in text
        face = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3), np.uint8)
        run("convert", source, "-o", tmp_path)
        a, b = (Embedder(open_session(tmp_path / f"{stem}.onnx")).embed(face) for stem in ("weights", source.stem))
        np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["--to", "coreml"], "'coreml'"),
            (["--precision", "int4"], "'int4'"),
            (["--layout", "CHW"], "layout='CHW' does not exist; choose from: NHWC, NCHW"),
            (["--to", "tflite", "--layout", "NCHW"], "a .tflite file has one form"),
            (["--to", "tflite", "--batch", "1"], "a .tflite file has one form"),
            (["--prelu", "fast"], "'fast'"),
            ([], "neither a Keras checkpoint (.h5, .keras) nor an ONNX file"),
        ],
    )
    def test_errors(self, run: Runner, tmp_path: Path, arguments: list[str], text: str) -> None:
        assert text in run("convert", __file__, "-o", tmp_path, *arguments).error
        assert list(tmp_path.iterdir()) == []


class TestInspect:
    def test_an_onnx_model(self, run: Runner, tiny_model: Path) -> None:
        document = run("inspect", tiny_model, "--json").json
        data = tiny_model.read_bytes()
        assert (document["format"], document["size"]) == ("onnx", len(data))
        assert document["sha256"] == hashlib.sha256(data).hexdigest()
        assert document["card"] == read_card(data).to_dict()
        assert document["network"] == {
            "inputs": {"faces": ["batch", 3, 112, 112]},
            "outputs": {"vector": ["batch", 8]},
            "operators": {"AveragePool": 1, "Flatten": 1, "MatMul": 1},
            "parameters": 48 * 8,
            "macs": 0,
            "dtypes": None,
            "partitions": None,
            "outside": None,
        }
        lines = [line.split("  ", 1) for line in run("inspect", tiny_model).out.splitlines()]
        told = {name: value.strip() for name, value in lines}
        assert told["model id"] == "tiny-1"
        assert told["input faces"] == "batch x 3 x 112 x 112"
        assert told["thresholds"] == "none measured"
        assert told["input"] == "112 x 112, NCHW, RGB, (p - 127.5) * 0.0078125"

    def test_a_model_without_a_card(self, run: Runner, bare_model: Path) -> None:
        assert run("inspect", bare_model, "--json").json["card"] is None
        assert "\nmodel card     none\n" in run("inspect", bare_model).out
        assert "no model card" in run("inspect", bare_model, "-v").err

    def test_a_known_model(self, run: Runner, offline: Path) -> None:
        document = run("inspect", "ghostfacenet-w0.5-s2", "--json").json
        assert document["format"] == file_format(None)
        # 10.72 million multiplications in convolutions, whatever the writer makes of the rest
        assert document["network"]["macs"] == pytest.approx(10.72e6, abs=5e3)
        operators = document["network"]["operators"].items()
        assert sum(number for kind, number in operators if "CONV" in kind.upper()) == 96
        text = run("inspect", "ghostfacenet-w0.5-s2").out
        for threshold in document["card"]["thresholds"]:
            assert f"{threshold['similarity']:.3f}" in text
            assert f"{threshold['impostor_pairs']:,}" in text

    def test_a_network_of_open_size_has_no_macs(self, run: Runner, offline: Path) -> None:
        assert run("inspect", "yunet", "--json").json["network"]["macs"] is None
        text = run("inspect", "yunet").out
        assert "any multiple of 32" in text
        assert "MACs             unknown" in text
        assert "alignment" not in text

    def test_a_checkpoint(self, run: Runner, shared: Path) -> None:
        document = run("inspect", shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5", "--json").json
        assert document["format"] == "h5"
        assert document["sha256"] == "2beca52a2aeadfa81ed5ebab35e2a58f7c79e3c1ffda80a31511861870151715"
        network = document["network"]
        assert network["parameters"] == 722_364
        assert (network["inputs"], network["outputs"]) == ({"input": [112, 112, 3]}, {"embedding": [512]})
        assert network["operators"]["PRelu"] == 41

    def test_a_tflite_file(self, run: Runner, shared: Path) -> None:
        path = shared / "detectors" / "face_detection_short_range.tflite"
        document = run("inspect", path, "--json").json
        assert (document["format"], document["card"], document["network"]) == ("tflite", None, None)
        assert "shown for files with a model card only" in run("inspect", path).out

    def test_without_the_package_onnx(self, run: Runner, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnx", None)
        document = run("inspect", tiny_model, "--json").json
        assert document["network"] is None
        assert document["card"]["name"] == "tiny"
        assert "install the package onnx" in run("inspect", tiny_model).out

    def test_damaged_files(self, run: Runner, tiny_model: Path, bare_model: Path, tmp_path: Path) -> None:
        sealed, bare, path = tiny_model.read_bytes(), bare_model.read_bytes(), tmp_path / "model.onnx"
        for damaged in (
            b"",
            b"some text",
            sealed[:-40],
            sealed[:100] + b"?" + sealed[101:],
            bare[:-1],
            b"\x08\x08",  # ModelProto.ir_version = 8, and nothing else
        ):
            path.write_bytes(damaged)
            assert str(path) in run("inspect", path).error

    def test_a_convolution_of_nothing(self, run: Runner, tmp_path: Path) -> None:
        onnx = pytest.importorskip("onnx")
        graph = onnx.helper.make_graph([onnx.helper.make_node("Conv", [], [])], "empty", [], [])
        path = tmp_path / "model.onnx"
        path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
        assert f"{path} is damaged or is not an ONNX model" in run("inspect", path).error

    def test_names_that_are_no_text(self, run: Runner, bare_model: Path, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(
            bare_model.read_bytes()
            .replace(b"MatMul", b"Mat\xfful")
            .replace(b"faces", b"face\xff")
            .replace(b"batch", b"b\nt\x1bh")
        )
        network = run("inspect", path, "--json").json["network"]
        assert network["operators"]["Mat\\xfful"] == 1
        assert network["inputs"] == {"face\\xff": ["b\nt\x1bh", 3, 112, 112]}
        assert "input face\\xff  b t\\x1bh x 3 x 112 x 112\n" in run("inspect", path).out

    def test_paths_that_are_no_model(self, run: Runner, tmp_path: Path, empty_store: Path) -> None:
        assert str(tmp_path) in run("inspect", tmp_path).error
        assert "no model file" in run("inspect", tmp_path / "model.onnx").error
        assert "'nonsense'" in run("inspect", "nonsense").error


class TestCardAdd:
    def test_a_bare_model_becomes_one_that_runs(self, run: Runner, bare_model: Path, tmp_path: Path) -> None:
        out = tmp_path / "carded.onnx"
        document = run("card", "add", bare_model, "-o", out, *CARD, "--name", "My Net", "--json").json
        card = read_card(out.read_bytes())
        assert document == {"path": str(out), "card": card.to_dict()}
        sha256 = hashlib.sha256(bare_model.read_bytes()).hexdigest()
        assert (card.name, card.model_id) == ("My Net", f"my-net-{sha256[:8]}")
        assert (card.embedding_size, card.licence, card.kind) == (8, "MIT", "embedder")
        assert (card.source.sha256, card.source.file) == (sha256, "tiny.onnx")
        # What the card says is what happens: worked out here from the model's own weights.
        crops = np.random.default_rng(1).integers(0, 256, (2, 112, 112, 3), np.uint8)
        tiles = (crops.reshape(2, 4, 28, 4, 28, 3).mean(axis=(2, 4)) - 127.5) / 128
        weights = np.random.default_rng(7).standard_normal((48, 8)).astype(np.float32)
        vectors = tiles.transpose(0, 3, 1, 2).reshape(2, 48) @ weights
        expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        np.testing.assert_allclose(Embedder(open_session(out, threads=1)).embed(crops), expected, atol=1e-4)

    def test_text(self, run: Runner, bare_model: Path, tmp_path: Path) -> None:
        out = tmp_path / "carded.onnx"
        done = run("card", "add", bare_model, "-o", out, *CARD)
        assert done.out.startswith(f"{out}: tiny-")
        assert done.out.endswith(", 8 numbers per face\n")

    @pytest.mark.parametrize("option", ["--layout", "--colour-order", "--mean", "--scale", "--licence"])
    def test_nothing_about_the_input_is_guessed(
        self, run: Runner, bare_model: Path, tmp_path: Path, option: str
    ) -> None:
        place = CARD.index(option)
        arguments = CARD[:place] + CARD[place + 2 :]
        assert f"Missing option '{option}'" in run("card", "add", bare_model, "-o", tmp_path / "x", *arguments).error

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["--layout", "NHWC"], "takes an input of shape"),
            (["--size", "96"], "takes an input of shape"),
            (["--scale", "0"], "mean and scale"),
            (["--mean", "nan"], "mean and scale"),
        ],
    )
    def test_a_card_that_does_not_fit(
        self, run: Runner, bare_model: Path, tmp_path: Path, arguments: list[str], text: str
    ) -> None:
        out = tmp_path / "carded.onnx"
        assert text in run("card", "add", bare_model, "-o", out, *CARD, *arguments).error
        assert not out.exists()

    def test_a_model_that_has_one(self, run: Runner, tiny_model: Path, tmp_path: Path) -> None:
        assert (
            "has a model card already, of 'tiny'"
            in run("card", "add", tiny_model, "-o", tmp_path / "x.onnx", *CARD).error
        )

    def test_a_network_that_is_no_embedder(self, run: Runner, tmp_path: Path) -> None:
        onnx = pytest.importorskip("onnx")
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "relu",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 112, 112])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, 112, 112])],
        )
        path = tmp_path / "relu.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        message = run("card", "add", path, "-o", tmp_path / "x.onnx", *CARD).error
        assert "(1, 3, 112, 112); an embedder gives (1, D)" in message

    def test_the_source_is_not_replaced(self, run: Runner, bare_model: Path) -> None:
        assert "would replace the input" in run("card", "add", bare_model, "-o", bare_model, *CARD).error

    def test_what_is_no_model(self, run: Runner, tmp_path: Path) -> None:
        for path in (tmp_path / "missing.onnx", tmp_path, Path(__file__)):
            assert run("card", "add", path, "-o", tmp_path / "x.onnx", *CARD).error

"""Our converter against tf_keras, which shares no line with it and runs in a process and an environment of its own.

The official checkpoint shows that real weights come through. Random checkpoints of every width and stride show that it
was not that one network: their weights, slopes and statistics are as wild as trained ones, and each is saved in another
of the forms in which upstream's training leaves a model behind.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ghostface_edge.card import InputSpec, ModelCard, Source
from ghostface_edge.converters import convert
from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_keras_h5
from ghostface_edge.converters.onnx_writer import write_onnx
from ghostface_edge.converters.preparation import embedder_graph
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.runtime import open_session
from ghostface_edge.runtime.litert import LiteRTSession

pytestmark = pytest.mark.oracle

HERE = Path(__file__).parent
VARIABLE = "GHOSTFACE_EDGE_ORACLE_PYTHON"
OFFICIAL = "GN_W0.5_S2_ArcFace_epoch16.h5"

NETWORKS: dict[str, dict[str, Any]] = {
    "w0.5_s2": {"width": 0.5, "stride": 2},
    "w0.5_s1": {"width": 0.5, "stride": 1, "dropout": 0.2},
    "w1.0_s2": {"width": 1.0, "stride": 2, "bias": True},
    "w1.0_s1": {"width": 1.0, "stride": 1, "classes": 10},
    "w1.3_s2": {"width": 1.3, "stride": 2, "policy": "float32", "epsilon": 1e-3},
    "w1.3_s1": {"width": 1.3, "stride": 1, "dropout": 0.4, "classes": 10},
    "w2.0_s2": {"width": 2.0, "stride": 2, "scale": False},
    "w2.0_s1": {"width": 2.0, "stride": 1},
    "v2_w1.0_s2": {"version": 2, "width": 1.0, "stride": 2},
    "v2_w1.0_s1": {"version": 2, "width": 1.0, "stride": 1, "policy": "float32"},
    "v2_w1.3_s2": {"version": 2, "width": 1.3, "stride": 2, "dropout": 0.2},
    "v2_w1.3_s1": {"version": 2, "width": 1.3, "stride": 1, "bias": True, "classes": 10},
}
VERSION_1 = [name for name, options in NETWORKS.items() if "version" not in options]
VERSION_2 = [name for name in NETWORKS if name not in VERSION_1]
PARAMETERS = {
    "w0.5_s2": 722_364,
    "w0.5_s1": 730_812,
    "w1.0_s2": 2_496_336 + 512,  # the head's bias
    "w1.0_s1": 2_513_232,
    "w1.3_s2": 4_066_388,
    "w1.3_s1": 4_088_300,
    "w2.0_s2": 9_203_344 - 512,  # the head's gamma
    "w2.0_s1": 9_237_136,
    "v2_w1.0_s2": 4_229_744,
    "v2_w1.0_s1": 4_261_424,
    "v2_w1.3_s2": 6_839_104,
    "v2_w1.3_s1": 6_880_288 + 512,  # the head's bias
}
"""Counted on upstream's own models; the training head does not count."""

ROUNDING = 5e-5
"""Largest difference of float32 results, as a share of the largest number in the embeddings.

Measured: up to 1.4e-5 (V2: 2e-6), half of it tf_keras' own. Padding on the wrong side gives 0.8 or more, Keras 3's hard
sigmoid 0.1, a wrong epsilon 0.02, one slope that is off by 1 % 0.004.
"""

FIELDS = {
    "kernel": "kernel",
    "depthwise_kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "alpha": "slope",
}
"""Our names of Keras' weights."""

CARD = ModelCard(
    kind="detector",
    model_id="oracle-1",
    name="oracle",
    architecture="custom",
    precision="float32",
    input=InputSpec(112, 112, "NHWC", "RGB", 127.5, 1 / 128),
    source=Source("oracle", "0" * 64, 1),
    converter="tests",
    licence="MIT",
)

PRELU_FORMS = ("lowered", "native")

Floats = np.ndarray[Any, np.dtype[np.float64]]
RunOracle = Callable[..., None]


@pytest.fixture(scope="session")
def run_oracle() -> RunOracle:
    """Runs a command of run_oracle.py with the oracle's interpreter."""
    interpreter = os.environ.get(VARIABLE)
    if not interpreter:
        pytest.skip(
            f"no comparison with tf_keras: {VARIABLE} is not set. Make its environment with "
            "`python tests/converters/oracle/make_env.py .ci/venv-oracle` (1.4 GB) and set the variable to "
            ".ci/venv-oracle/bin/python"
        )

    def run(*arguments: object) -> None:
        command = [interpreter, str(HERE / "run_oracle.py"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr[-5000:]

    return run


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """(6, 112, 112, 3) uint8: soft random blobs and grain."""
    rng = np.random.default_rng(7)
    blobs = [cv2.resize(rng.normal(128, 70, (7, 7, 3)), (112, 112), interpolation=cv2.INTER_CUBIC) for _ in range(6)]
    return np.clip(np.stack(blobs) + rng.normal(0, 12, (6, 112, 112, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def random_checkpoints(run_oracle: RunOracle, noise: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint and its embeddings of ``noise`` for each of NETWORKS."""
    folder = tmp_path_factory.mktemp("random_checkpoints")
    (folder / "networks.json").write_text(json.dumps(NETWORKS))
    np.savez(folder / "crops.npz", crops=noise)
    run_oracle("build", folder / "networks.json", folder / "crops.npz", folder)
    return folder


@pytest.fixture(scope="session")
def faces(shared: Path) -> np.ndarray:
    """(500, 112, 112, 3) uint8 RGB: a photo of each of the first 500 people of LFW.

    Its deep-funneled photos have the faces where this cut brings them near the ArcFace template; no detector and no
    alignment of ours takes part.
    """
    photos = [min(person.glob("*.jpg")) for person in sorted((shared / "lfw" / "images").iterdir())[:500]]
    return np.stack([cv2.imread(str(photo))[67:179, 69:181, ::-1] for photo in photos])


@pytest.fixture(scope="session")
def official(
    run_oracle: RunOracle, shared: Path, faces: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, np.ndarray]:
    """What tf_keras makes of the official checkpoint: embeddings of ``faces``, and the number of parameters."""
    folder = tmp_path_factory.mktemp("official")
    np.savez(folder / "crops.npz", crops=faces)
    run_oracle("embed", shared / "models" / OFFICIAL, folder / "crops.npz", folder / "output.npz")
    return _load(folder / "output.npz")


@pytest.mark.parametrize("prelu", PRELU_FORMS)
@pytest.mark.parametrize("to", ["onnx", "tflite"])
def test_official_checkpoint_on_500_faces(
    official: dict[str, np.ndarray], shared: Path, faces: np.ndarray, tmp_path: Path, to: str, prelu: str
) -> None:
    conversion = convert(shared / "models" / OFFICIAL, tmp_path, to=to, prelu=prelu)
    assert conversion.parameters == official["parameters"] == 722_364
    expected = official["embeddings"].astype(np.float64)
    found = _run(conversion.path, faces)
    assert found.shape == expected.shape == (500, 512)
    assert np.abs(found - expected).max() <= 1e-4
    assert _cosines(found, expected).min() >= 0.999999


def test_official_checkpoint_in_float16(
    official: dict[str, np.ndarray], shared: Path, faces: np.ndarray, tmp_path: Path
) -> None:
    conversion = convert(shared / "models" / OFFICIAL, tmp_path, to="tflite", precision="float16")
    found = _run(conversion.path, faces)
    # XNNPACK computes in float16, too, where the processor can; on others only the weights are rounded.
    half = {"asimdhp", "avx512_fp16"} & set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    assert _cosines(found, official["embeddings"].astype(np.float64)).min() >= (0.9998 if half else 0.9999)


def test_the_interpreter_on_the_official_checkpoint(
    official: dict[str, np.ndarray], shared: Path, faces: np.ndarray
) -> None:
    graph = read_keras_h5((shared / "models" / OFFICIAL).read_bytes(), OFFICIAL)
    found = _interpret(graph, faces[:2])
    np.testing.assert_allclose(found, official["embeddings"][:2], rtol=0, atol=1e-4)


@pytest.mark.parametrize("prelu", PRELU_FORMS)
@pytest.mark.parametrize("to", ["onnx", "tflite"])
@pytest.mark.parametrize("name", VERSION_1)
def test_random_checkpoint(
    random_checkpoints: Path, noise: np.ndarray, tmp_path: Path, name: str, to: str, prelu: str
) -> None:
    expected = _load(random_checkpoints / f"{name}.npz")["embeddings"].astype(np.float64)
    conversion = convert(random_checkpoints / f"{name}.h5", tmp_path, to=to, prelu=prelu)
    gamma = 0 if NETWORKS[name].get("scale", True) else 512  # left out in the file; our graph holds it as ones
    assert conversion.parameters == PARAMETERS[name] + gamma
    found = _run(conversion.path, noise)
    assert np.abs(found - expected).max() <= ROUNDING * np.abs(expected).max()
    assert _cosines(found, expected).min() >= 0.999999


@pytest.mark.parametrize("prelu", PRELU_FORMS)
@pytest.mark.parametrize("name", VERSION_2)
def test_random_weights_on_our_version_2(random_checkpoints: Path, noise: np.ndarray, name: str, prelu: str) -> None:
    """Weights from the checkpoint, laid onto our own network by the names of the layers."""
    import onnxruntime

    expected = _load(random_checkpoints / f"{name}.npz")["embeddings"].astype(np.float64)
    checkpoint = _graph(random_checkpoints, name)
    assert checkpoint.parameters() == PARAMETERS[name]
    graph = embedder_graph(checkpoint, prelu)
    session = onnxruntime.InferenceSession(write_onnx(graph, "tests"), providers=["CPUExecutionProvider"])
    on_onnx = session.run(None, {"input": _normalise(noise)})[0]
    on_litert = LiteRTSession(write_tflite(graph, CARD), threads=1, name=name).run(_normalise(noise))[0]
    for found in (on_onnx.astype(np.float64), on_litert.astype(np.float64)):
        assert np.abs(found - expected).max() <= ROUNDING * np.abs(expected).max()
        assert _cosines(found, expected).min() >= 0.999999


@pytest.mark.parametrize("name", NETWORKS)
def test_the_oracle_builds_networks_of_the_official_size(random_checkpoints: Path, name: str) -> None:
    assert _load(random_checkpoints / f"{name}.npz")["parameters"] == PARAMETERS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_interpreter_on_a_random_checkpoint(random_checkpoints: Path, noise: np.ndarray, name: str) -> None:
    expected = _load(random_checkpoints / f"{name}.npz")["embeddings"][:2]
    found = _interpret(_graph(random_checkpoints, name), noise[:2])
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_random_checkpoint_tells_pictures_apart(random_checkpoints: Path, name: str) -> None:
    """One that gave the same vector for everything would hide most errors of a converter."""
    embeddings = _load(random_checkpoints / f"{name}.npz")["embeddings"].astype(np.float64)
    for shift in range(1, len(embeddings)):
        assert _cosines(embeddings, np.roll(embeddings, shift, axis=0)).max() < 0.95


def test_the_oracle_builds_the_official_architecture(random_checkpoints: Path, shared: Path) -> None:
    ours, theirs = _layers(random_checkpoints / "w0.5_s2.h5"), _layers(shared / "models" / OFFICIAL)
    assert len(theirs) == 298
    for position, (mine, official_layer) in enumerate(zip(ours, theirs)):
        assert mine == official_layer, f"layer {position}"
    assert len(ours) == len(theirs)


def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def _normalise(crops: np.ndarray) -> np.ndarray:
    return (crops.astype(np.float32) - 127.5) / 128


def _run(path: Path, crops: np.ndarray) -> Floats:
    return open_session(path, threads=1).run(_normalise(crops))[0].astype(np.float64)


def _interpret(graph: Graph, crops: np.ndarray) -> Floats:
    return interpret(graph, _normalise(crops))[graph.outputs[0]]


def _graph(folder: Path, name: str) -> Graph:
    """A random checkpoint as a graph: V1 by our reader, V2 by our architecture."""
    checkpoint = folder / f"{name}.h5"
    if name in VERSION_1:
        return read_keras_h5(checkpoint.read_bytes(), checkpoint.name)
    import h5py

    width, stride = NETWORKS[name]["width"], NETWORKS[name]["stride"]
    graph = architecture(f"ghostfacenet-v2-{width}-{stride}{'-bias' if NETWORKS[name].get('bias') else ''}")
    nodes = []
    with h5py.File(checkpoint) as file:
        for node in graph.nodes:
            layer = "pre_embedding" if node.name == "embedding" else node.name
            group = file["model_weights"].get(f"{layer}/{layer}", {})
            arrays = {FIELDS[key.split(":")[0]]: array[()] for key, array in group.items()}
            assert set(arrays) == set(node.weights())
            shaped = {field: array.reshape(node.weights()[field].shape) for field, array in arrays.items()}
            nodes.append(replace(node, **shaped))
    return Graph(tuple(nodes), graph.outputs)


def _cosines(a: Floats, b: Floats) -> Floats:
    return np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def _layers(checkpoint: Path) -> list[tuple[str, dict[str, Any], list[int]]]:
    """Class, settings and inputs (as positions in the list) of every layer, less names and what concerns training.

    ``optional`` is a setting of InputLayer that is younger than the official checkpoint.
    """
    import h5py

    with h5py.File(checkpoint) as file:
        entries = json.loads(file.attrs["model_config"])["config"]["layers"]
    positions = {entry["config"]["name"]: position for position, entry in enumerate(entries)}
    layers = []
    for entry in entries:
        config = {
            key: value
            for key, value in entry["config"].items()
            if key not in ("name", "optional") and not key.endswith(("_initializer", "_regularizer"))
        }
        if isinstance(config["dtype"], dict):
            config["dtype"] = config["dtype"]["config"]["name"]
        inputs = [positions[reference[0]] for call in entry["inbound_nodes"] for reference in call]
        layers.append((entry["class_name"], config, inputs))
    return layers

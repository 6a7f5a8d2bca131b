"""Every form in which Keras 2 and Keras 3 save a network, against what that Keras itself computes.

Three networks each: a small one of every layer that is read, with two outputs, a GhostFaceNetV1 with its training head,
and a GhostFaceNetV2. All were built with a mixed_float16 policy, and are computed in float32.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.converters.checkpoint import Checkpoint
from ghostface_edge.converters.graph import HardSigmoid
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.keras_h5 import read_h5
from ghostface_edge.converters.keras_zip import read_keras_zip
from ghostface_edge.errors import CheckpointError

pytestmark = pytest.mark.oracle

HERE = Path(__file__).parent
VARIABLE = "GHOSTFACE_EDGE_ORACLE_PYTHON"

NETWORKS = {"every_layer": None, "v1": "ghostfacenet-v1-0.5-2", "v2": "ghostfacenet-v2-0.5-1"}
"""What architecture to name for the files of weights."""

HEADS = {"every_layer": ("dense", "softmax"), "v1": ("arcface",), "v2": ()}
FORMS = {2: (".h5", ".keras", ".weights.h5", "_weights.h5"), 3: (".h5", ".keras", ".weights.h5")}
CASES = [
    (keras, name, form)
    for keras, forms in FORMS.items()
    for name in NETWORKS
    for form in forms
    if NETWORKS[name] or "weights" not in form
]

ROUNDING = 1e-5
"""Largest difference, as a share of the largest number; measured: 1.5e-6, most of it Keras' own float32.

Two layers' weights of one shape exchanged give more than 0.1, and so does the other Keras' hard sigmoid.
"""


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The folder of what each Keras saved."""
    interpreter = os.environ.get(VARIABLE)
    if not interpreter:
        pytest.skip(f"no comparison with Keras: {VARIABLE} is not set; see test_oracle.py")
    folders = {}
    for keras in FORMS:
        folders[keras] = tmp_path_factory.mktemp(f"keras{keras}")
        command = [interpreter, str(HERE / "save_forms.py"), str(keras), str(folders[keras])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr[-5000:]
    return folders


def read(folder: Path, name: str, form: str, **options: Any) -> Checkpoint:
    path = folder / f"{name}{form}"
    if form == ".keras":
        return read_keras_zip(path.read_bytes(), path.name)
    if "weights" in form:
        options["architecture"] = NETWORKS[name]
    return read_h5(path.read_bytes(), path.name, **options)


@pytest.mark.parametrize(("keras", "name", "form"), CASES)
def test_every_form(saved: dict[int, Path], keras: int, name: str, form: str) -> None:
    unsaid = (keras, name, form) == (2, "v1", ".weights.h5")  # the one file that does not say which Keras wrote it
    checkpoint = read(saved[keras], name, form, **({"hard_sigmoid": "keras2"} if unsaid else {}))
    with np.load(saved[keras] / f"{name}.npz") as file:
        pictures, expected = file["pictures"], file["embeddings"].astype(np.float64)
    found = interpret(checkpoint.graph, pictures)["embedding"]
    assert np.abs(found - expected).max() <= ROUNDING * np.abs(expected).max()
    head = ("norm_dense",) if name == "v1" and form == ".weights.h5" else HEADS[name]  # it has classes for names
    assert checkpoint.left_out == head


@pytest.mark.parametrize("keras", FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_tell_pictures_apart(saved: dict[int, Path], keras: int, name: str) -> None:
    """One that gave the same vector for everything would hide weights in the wrong place."""
    with np.load(saved[keras] / f"{name}.npz") as file:
        first, second = file["embeddings"].astype(np.float64)
    assert first @ second < 0.95 * np.linalg.norm(first) * np.linalg.norm(second)


@pytest.mark.parametrize("keras", FORMS)
def test_v1_has_the_hard_sigmoid_of_the_keras_that_wrote_it(saved: dict[int, Path], keras: int) -> None:
    slope = {2: 0.2, 3: 1 / 6}[keras]
    for form in (".h5", ".keras"):
        nodes = read(saved[keras], "v1", form).graph.nodes
        assert {node.slope for node in nodes if isinstance(node, HardSigmoid)} == {slope}


def test_weights_that_do_not_say_which_keras_wrote_them_are_refused(saved: dict[int, Path]) -> None:
    with pytest.raises(CheckpointError, match=r"does not say which Keras wrote it.* hard_sigmoid='keras2'"):
        read(saved[2], "v1", ".weights.h5")


@pytest.mark.parametrize("keras", FORMS)
def test_weights_of_another_network_are_refused(saved: dict[int, Path], keras: int) -> None:
    path = saved[keras] / "v1.weights.h5"
    for name, misfit in (
        ("ghostfacenet-v1-1.0-2", r"'conv2d' \(Conv2D\) has a kernel of shape \(3, 3, 3, 16\), .* \(3, 3, 3, 8\)"),
        ("ghostfacenet-v1-0.5-1", r"'GDC_dw' \(DepthwiseConv2D\) has a depthwise_kernel of shape \(7, 7, 256, 1\)"),
        ("ghostfacenet-v1-0.5-2-bias", "'GDC_conv' .* has a bias, and the file's 'conv2d_.*' has none"),
        ("ghostfacenet-v2-0.5-2", "do not fit"),
    ):
        with pytest.raises(CheckpointError, match=misfit):
            read_h5(path.read_bytes(), path.name, architecture=name, hard_sigmoid=f"keras{keras}")

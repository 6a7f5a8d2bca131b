"""Written files on tflite-runtime 2.14, of 2023 and the only runtime for 32-bit ARM, against LiteRT.

tflite-runtime has no wheels beyond Python 3.11 and numpy 1, so it runs in an environment of its own:

    python3.11 -m venv .ci/venv-tflite && .ci/venv-tflite/bin/pip install -e ".[tflite]"
    GHOSTFACE_EDGE_TFLITE_PYTHON=$PWD/.ci/venv-tflite/bin/python .venv/bin/python -m pytest -m tflite_runtime
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ghostface_edge.card import ModelCard
from ghostface_edge.converters import convert
from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.channel_statistics import channel_statistics
from ghostface_edge.converters.graph import Graph
from ghostface_edge.converters.lowering import int8_graph
from ghostface_edge.converters.preparation import embedder_graph
from ghostface_edge.converters.quantization import Affine, Quantization
from ghostface_edge.converters.ranges import choose_ranges
from ghostface_edge.converters.tflite_writer import write_tflite
from ghostface_edge.image import Image
from ghostface_edge.runtime import open_session

pytestmark = pytest.mark.tflite_runtime

HERE = Path(__file__).parent
VARIABLE = "GHOSTFACE_EDGE_TFLITE_PYTHON"

FLOAT, INTEGER = ("float32", "float16"), ("dynamic", "int8", "int16x8")

CLOSE = 1e-4
"""Largest difference of float results, as a share of the largest number; measured: up to 1.6e-6."""

ALIKE = 0.95
"""Least cosine of integer results, of each picture; measured: 0.981."""


Results = dict[str, list[tuple[np.ndarray, np.ndarray]]]
"""By the name of a file: its outputs on LiteRT and on tflite-runtime."""


@pytest.fixture(scope="module")
def on_both() -> Callable[[Path], Results]:
    """Runs every X.tflite of a folder on the pictures in X.npy."""
    interpreter = os.environ.get(VARIABLE)
    if not interpreter:
        pytest.skip(f"no comparison with tflite-runtime: {VARIABLE} is not set; {Path(__file__).name} says how")

    def run(folder: Path) -> Results:
        command = [interpreter, str(HERE / "tflite_worker.py"), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-5000:]
        assert done.stdout == "tflite_runtime 2.14.0"
        results: Results = {}
        for path in folder.glob("*.tflite"):
            session = open_session(path, threads=1)
            assert session.version.startswith("ai_edge_litert")
            expected = session.run(np.load(path.with_suffix(".npy")))
            with np.load(path.with_suffix(".npz")) as found:
                assert len(found.files) == len(expected)
                results[path.stem] = [(wanted, found[name]) for wanted, name in zip(expected, found.files)]
        return results

    return run


@pytest.fixture(scope="module")
def random_results(
    on_both: Callable[[Path], Results],
    make_card: Callable[..., ModelCard],
    yunet_like: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
) -> Results:
    """Networks with random weights: both versions of GhostFaceNet, and a small YuNet."""
    folder, random = tmp_path_factory.mktemp("random"), np.random.default_rng(5)
    pictures = random.uniform(-1, 1, (4, 112, 112, 3)).astype(np.float32)

    def write(name: str, graph: Graph, precision: str, quantization: Quantization | None = None) -> None:
        card = make_card(embedding_size=512, precision=precision)
        (folder / f"{name}_{precision}.tflite").write_bytes(write_tflite(graph, card, quantization))
        np.save(folder / f"{name}_{precision}.npy", pictures)

    version_1 = architecture("ghostfacenet-v1-0.5-2")
    for precision in (*FLOAT, "dynamic"):
        write("v1", embedder_graph(version_1, "native"), precision)
    integers = int8_graph(version_1)
    statistics = channel_statistics(integers, pictures)
    for precision, bits in (("int8", 8), ("int16x8", 16)):
        ranges = choose_ranges(integers, pictures, statistics, Affine.over(-1, 1, bits), bits=bits)
        write("v1", integers, precision, ranges)
    write("v2", embedder_graph(architecture("ghostfacenet-v2-1.0-2"), "native"), "float32")
    source = folder / "yunet.onnx"
    source.write_bytes(yunet_like.yunet().SerializeToString())
    for precision in FLOAT:
        made = convert(source, folder, to="tflite", precision=precision)
        np.save(made.path.with_suffix(".npy"), random.uniform(0, 255, (1, 96, 160, 3)).astype(np.float32))
    return on_both(folder)


@pytest.fixture(scope="module")
def official_results(
    on_both: Callable[[Path], Results],
    shared: Path,
    face_tensor: Callable[[int], np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> Results:
    """The official GhostFaceNet on eight faces, and YuNet on a photo of another size than it was written at."""
    folder = tmp_path_factory.mktemp("official")
    source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    for precision in (*FLOAT, *INTEGER):
        made = convert(source, folder, to="tflite", precision=precision)
        np.save(made.path.with_suffix(".npy"), face_tensor(8))
    photo = Image.open(min((shared / "calibration").glob("*.jpg"))).pixels[:224, :192]
    source = shared / "detectors" / "face_detection_yunet_2023mar.onnx"
    for precision in FLOAT:
        made = convert(source, folder, to="tflite", precision=precision)
        np.save(made.path.with_suffix(".npy"), photo[None].astype(np.float32))
    return on_both(folder)


def check(results: Results, report: Callable[[str], None], count: int) -> None:
    """Every file is as near as its precision allows; each says how near."""
    assert len(results) == count
    for name, outputs in sorted(results.items()):
        if name.endswith(INTEGER):
            for wanted, found in outputs:
                norms = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
                cosine = ((wanted * found).sum(axis=1) / norms).min()
                report(f"{name}: least cosine {cosine:.4f}")
                assert cosine >= ALIKE
        else:
            apart = max(np.abs(wanted - found).max() / np.abs(wanted).max() for wanted, found in outputs)
            report(f"{name}: apart by {apart:.1e}")
            assert apart <= CLOSE


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Writes a line past pytest's capturing."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n    {line}")

    return write


def test_random_networks(random_results: Results, report: Callable[[str], None]) -> None:
    check(random_results, report, count=8)


def test_official_networks(official_results: Results, report: Callable[[str], None]) -> None:
    check(official_results, report, count=7)

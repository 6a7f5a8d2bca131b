"""What ``import ghostface_edge`` loads, and what it offers."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ghostface_edge

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "cv2",
    "PIL",
    "onnxruntime",
    "ai_edge_litert",
    "tflite_runtime",
    "onnx",
    "h5py",
    "requests",
    "tqdm",
    "click",
    "sqlite3",
)


def loaded_by(code: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after some code."""
    script = f"import sys, json; {code}; sys.stdout.write(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout))


def test_the_package_alone_loads_nothing_else() -> None:
    modules = loaded_by("import ghostface_edge")
    ours = {name for name in modules if name.startswith("ghostface_edge.")}
    assert ours == {"ghostface_edge._version"}
    assert not modules & {*HEAVY, "numpy", "platformdirs", "json.tool"}


def test_the_result_types_need_numpy_alone() -> None:
    modules = loaded_by("from ghostface_edge import Box, Face, Verification, GhostFaceError")
    assert "numpy" in modules
    assert not modules & set(HEAVY)


def test_the_engine_loads_no_runtime_before_it_is_made() -> None:
    modules = loaded_by("from ghostface_edge import FaceEngine, Gallery, ModelStore")
    assert not modules & {
        "cv2",
        "onnxruntime",
        "ai_edge_litert",
        "tflite_runtime",
        "onnx",
        "h5py",
        "requests",
        "tqdm",
        "click",
    }


def test_every_name_is_there_and_is_remembered() -> None:
    for name in ghostface_edge.__all__:
        assert getattr(ghostface_edge, name) is not None
        assert name in vars(ghostface_edge)


def test_names_come_from_the_rooms_that_the_plan_gives_them() -> None:
    from ghostface_edge.alignment import align
    from ghostface_edge.engine import FaceEngine
    from ghostface_edge.types import Face

    assert ghostface_edge.align is align
    assert ghostface_edge.FaceEngine is FaceEngine
    assert ghostface_edge.Face is Face


def test_lazy_names_and_typed_names_are_the_same() -> None:
    """What type checkers see (the ``TYPE_CHECKING`` block) is what runs (``_HOME``), and all of it is exported."""
    source = Path(ghostface_edge.__file__).read_text(encoding="utf-8")
    typed = {}
    for module, names in re.findall(r"^    from \.(\w+) import (\([^)]+\)|.+)$", source, re.MULTILINE):
        typed.update(dict.fromkeys(re.findall(r"\w+", names), module))
    assert typed == ghostface_edge._HOME
    assert sorted(ghostface_edge.__all__) == sorted([*typed, "__version__"])


def test_dir_lists_what_is_offered() -> None:
    assert dir(ghostface_edge) == sorted(ghostface_edge.__all__)


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'ghostface_edge' has no attribute 'FaceEngin'"):
        _ = ghostface_edge.FaceEngin
    assert not hasattr(ghostface_edge, "_nothing")


def test_the_version_is_one_that_packaging_knows() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", ghostface_edge.__version__)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == "attr: ghostface_edge._version.__version__"


def test_type_checkers_may_read_the_package() -> None:
    assert (Path(ghostface_edge.__file__).parent / "py.typed").is_file()

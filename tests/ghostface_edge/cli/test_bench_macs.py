"""``ghostface-edge bench macs``: what it prints, writes and refuses, and its page."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ghostface_edge.converters.architectures import architecture
from ghostface_edge.converters.lowering import int8_graph
from ghostface_edge.converters.passes.merge_copies import merge_copies

Runner = Callable[..., Any]

DOCS = Path(__file__).resolve().parents[3] / "docs"
NARROW = "ghostfacenet-v1-0.5-2"


class TestAnswers:
    def test_one_network(self, run: Runner) -> None:
        said = run("bench", "macs", NARROW)
        assert (said.code, said.err) == (0, "")
        rows = dict(re.split(r"  +", line, maxsplit=1) for line in said.out.splitlines())
        assert rows["parameters"] == "722,364"
        assert rows["MACs"] == "10,715,866 in convolutions; the paper's FLOPs are MACs"
        assert rows["FLOPs"].startswith("23,151,924, two for a MAC")
        assert rows["peak memory"].startswith("627,200 bytes of activations, proved to be the best")

    def test_layers_add_up(self, run: Runner) -> None:
        lines = run("bench", "macs", NARROW, "--layers").out.splitlines()
        start = next(number for number, line in enumerate(lines) if line.startswith("layer "))
        *layers, total = [re.split(r"  +", line) for line in lines[start + 1 :]]
        assert total[:2] == ["total", "289 layers"]
        assert len(layers) == 289
        assert sum(int(cells[4].replace(",", "")) for cells in layers) == 10_715_866
        assert sum(int(cells[3].replace(",", "")) for cells in layers) == 722_364
        assert layers[0][:6] == ["conv2d", "Conv", "56 x 56 x 8", "216", "677,376", "1,354,752"]

    def test_several_networks(self, run: Runner) -> None:
        header, first, second, *_ = run("bench", "macs", NARROW, "ghostfacenet-v1-0.5-1").out.splitlines()
        assert header.split()[:6] == ["network", "parameters", "MACs", "FLOPs", "notebook", "float32"]
        assert first.split()[:4] == [NARROW, "722,364", "10.72", "23.15"]
        assert second.split()[:3] == ["ghostfacenet-v1-0.5-1", "730,812", "38.69"]

    def test_json(self, run: Runner) -> None:
        (network,) = run("bench", "macs", NARROW, "--json").json["networks"]
        assert "layers" not in network
        assert (network["macs"], network["parameters"], network["picture"]) == (10_715_866, 722_364, [112, 112, 3])
        (network,) = run("bench", "macs", NARROW, "--json", "--layers").json["networks"]
        assert sum(layer["flops"] for layer in network["layers"]) == network["flops"]
        assert max(layer["memory_bytes"] for layer in network["layers"]) == network["peak_bytes"]

    def test_a_width_that_nobody_trained(self, run: Runner) -> None:
        (network,) = run("bench", "macs", "ghostfacenet-v2-0.75-2", "--json").json["networks"]
        assert network["parameters"] == architecture("ghostfacenet-v2-0.75-2").parameters()

    def test_files_with_and_without_a_card(self, run: Runner, bare_model: Path, tiny_model: Path) -> None:
        """The matrix of 48 x 8 behind a mean over tiles; read by the converter, and as the file has it."""
        read, given = (run("bench", "macs", file, "--json").json["networks"][0] for file in (bare_model, tiny_model))
        for network in (read, given):
            assert (network["macs"], network["parameters"]) == (384, 384)
            assert network["flops"] == 2 * 384 + 112 * 112 * 3
            assert network["peak_bytes"] == 4 * (112 * 112 * 3 + 48)
        assert given["weight_bytes"] == {"float32": 4 * 384}
        assert set(read["weight_bytes"]) == {"float32", "float16", "dynamic", "int8"}


class TestCharts:
    @pytest.mark.parametrize("names", [(NARROW,), (NARROW, "ghostfacenet-v1-0.5-1")])
    def test_the_same_costs_give_the_same_bytes(self, run: Runner, tmp_path: Path, names: tuple[str, ...]) -> None:
        pytest.importorskip("matplotlib")
        pictures = []
        for number in range(2):
            path = tmp_path / f"{number}.svg"
            said = run("bench", "macs", *names, "--chart", path)
            assert (said.code, said.err) == (0, f"note: chart written to {path}\n")
            pictures.append(path.read_bytes())
        assert pictures[0] == pictures[1]
        assert b"10.72" in pictures[0]
        assert b"<script" not in pictures[0]

    def test_png(self, run: Runner, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        assert run("bench", "macs", NARROW, "--chart", tmp_path / "a.PNG").code == 0
        assert (tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG")

    def test_refused_before_anything_is_counted(self, run: Runner, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        assert "is an .svg or a .png file" in run("bench", "macs", "nothing", "--chart", tmp_path / "a.pdf").error
        assert "there is no folder" in run("bench", "macs", "nothing", "--chart", tmp_path / "b" / "a.svg").error

    def test_never_over_what_is_counted(self, run: Runner, tmp_path: Path) -> None:
        path = tmp_path / "model.svg"
        path.write_bytes(b"a model")
        assert "would replace the input" in run("bench", "macs", path, "--chart", path).error
        assert path.read_bytes() == b"a model"


class TestRefusals:
    def test_no_such_network(self, run: Runner) -> None:
        assert (
            "there is no file 'ghostfacenet-v3-1.0-2', and architecture"
            in run("bench", "macs", "ghostfacenet-v3-1.0-2").error
        )

    def test_two_forms_at_once(self, run: Runner) -> None:
        assert "exclude each other" in run("bench", "macs", NARROW, "--json", "--markdown").error

    def test_nothing_named(self, run: Runner) -> None:
        assert "WHAT" in run("bench", "macs").error


BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"onnx", "onnxruntime", "ai_edge_litert", "tflite_runtime", "flatbuffers", "h5py",
                                      "matplotlib", "scipy"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from ghostface_edge.cli import main
sys.exit(main(sys.argv[1:]))
"""


def blocked(*words: object, home: Path) -> subprocess.CompletedProcess[str]:
    """A run in a process that has none of the optional packages."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, *map(str, words)],
        capture_output=True,
        text=True,
        env={"HOME": str(home), "GHOSTFACE_EDGE_HOME": str(home), "PATH": ""},
        check=False,
    )


def test_architectures_need_no_optional_package(tmp_path: Path) -> None:
    done = blocked("bench", "macs", "ghostfacenet-v1-1.3-2", NARROW, "--json", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    wide, narrow = json.loads(done.stdout)["networks"]
    assert (wide["parameters"], narrow["parameters"]) == (4_066_388, 722_364)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    named = {}
    for package, name, content in (
        ("h5py", "a.h5", b"\x89HDF\r\n\x1a\n" + bytes(50)),
        ("LiteRT", "a.tflite", b"\x1c\0\0\0TFL3" + bytes(80)),
        ("onnx", "a.onnx", b"\x08\x08" + bytes(50)),
    ):
        (tmp_path / name).write_bytes(content)
        done = blocked("bench", "macs", tmp_path / name, home=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        named[package] = done.stderr
    done = blocked("bench", "macs", NARROW, "--chart", tmp_path / "a.svg", home=tmp_path)
    named["matplotlib"] = done.stderr
    for package, said in named.items():
        assert said.count("\n") == 1
        assert package in said or "damaged" in said
    assert 'pip install "ghostface-edge[eval]"' in named["matplotlib"]


class TestPage:
    def test_it_says_what_its_commands_say(self, tmp_path: Path) -> None:
        page = (DOCS / "networks.md").read_text()
        draws = find_spec("matplotlib") is not None
        if not draws:
            page = re.sub(r" --chart docs/\w+\.svg", "", page)
        assert runpy.run_path(str(DOCS / "networks.py"))["rewritten"](page, tmp_path) == page
        charts = sorted(tmp_path.glob("*.svg"))
        assert [path.name for path in charts] == (["network_layers.svg", "networks.svg"] if draws else [])
        for path in charts:  # coordinates depend on the version of matplotlib, what is written in the chart does not
            texts = [
                re.findall(r"<text[^>]*>([^<]+)<", (folder / path.name).read_text()) for folder in (tmp_path, DOCS)
            ]
            assert len(texts[0]) > 10
            assert sorted(texts[0]) == sorted(texts[1])

    def test_its_table_of_tensorflows_operations(self) -> None:
        from ghostface_edge.benchmarks.tensorflow_profile import SUMS, tensorflow_profile

        page = (DOCS / "networks.md").read_text()
        rows = re.findall(r"^\| (`.*?`) \|.*\| ([\d,]+) \|$", page, re.MULTILINE)
        shown = {kinds: int(number.replace(",", "")) for kinds, number in rows}
        profile = tensorflow_profile(architecture("ghostfacenet-v2-1.3-1"))
        assert {name for kinds in shown for name in re.findall(r"`(\w+)`", kinds)} == set(profile)
        for kinds, number in shown.items():
            assert number == sum(profile[name] for name in re.findall(r"`(\w+)`", kinds)), kinds
        without = sum(profile.values()) - profile[SUMS]
        for number in (without, without // 2, sum(profile.values()), sum(profile.values()) // 2):
            assert f"{number:,}" in page

    def test_its_figures_of_int8(self) -> None:
        page = (DOCS / "networks.md").read_text()
        graph = architecture(NARROW)
        integers, _ = merge_copies(int8_graph(graph))
        assert f"{integers.macs():,} MACs in int8 instead of {graph.macs():,}" in " ".join(page.split())

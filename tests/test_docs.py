"""The pages in docs/: every command runs, and prints what the page says."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge import cpu
from ghostface_edge.cli import main
from ghostface_edge.image import Image
from ghostface_edge.models import ModelStore

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "converting.md"
EVALUATING = ROOT / "docs" / "evaluating.md"

FEW = 110
"""Photos in the default run: enough that no warning about their number appears."""

MEASURED = re.compile(r"(?<=mean )[\d.]+|(?<=below )0\.\d{6}|(?<=least )[\d.]+|(?<=cosine to float )-?[\d.]+")
PASSING = re.compile(
    r"(?<=max abs )[\d.]+|[\d.]+ s$|(?<=lie )[\d.]+|(?<=on )\d+(?= faces)|^\d+(?= of)"
    r"|[+-][\d,]+(?= bytes)|(?<=int8, )[\d,]+(?= bytes)|[\d.]+(?= of its time)"
)
"""Numbers that depend on the photos: cosines to be compared where the photos are the page's, and all others."""

Folder = Callable[[int], Path]


@dataclass(frozen=True)
class Command:
    """A command of the page, and the lines that the page shows below it."""

    words: tuple[str, ...]
    shown: tuple[str, ...]

    @property
    def code(self) -> int:
        """The exit code that the page promises."""
        return 2 if any(line.startswith("error: ") for line in self.shown) else 0


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced blocks of one language."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        if found[1] == language:
            yield found[2]


def commands(page: Path) -> Iterator[Command]:
    """What the console blocks of a page show, in order."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            program, *words = shlex.split(command)
            assert program == "ghostface-edge"
            yield Command(tuple(words), tuple(shown))


@pytest.fixture
def folder(
    shared: Path, real_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Path]:
    """Makes a folder with the files that the page talks about, so many photos among them, and goes there."""
    for package in ("h5py", "onnx", "onnxruntime", "ai_edge_litert"):
        pytest.importorskip(package)

    def make(count: int) -> Path:
        pictures = sorted((shared / "calibration").glob("*.jpg"))
        pictures = [pictures[index] for index in np.linspace(0, len(pictures) - 1, count).astype(int)]
        source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
        shutil.copy(source, tmp_path / "face.h5")
        for name in ("photos", "shrunk", "few"):
            (tmp_path / name).mkdir()
        for path in pictures:
            (tmp_path / "photos" / path.name).symlink_to(path)
        for path in pictures[:10]:
            (tmp_path / "few" / path.name).symlink_to(path)
        for path in pictures[:24]:
            _shrink(path, tmp_path / "shrunk" / f"{path.stem}.png")
        shutil.copy(shared / "detectors" / "face_detection_yunet_2023mar.onnx", tmp_path / "yunet.onnx")
        _weights_alone(source, tmp_path / "weights.h5")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


def _shrink(photo: Path, crop: Path) -> None:
    import cv2

    pixels = cv2.resize(Image.open(photo).pixels, (112, 112), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(crop), pixels[..., ::-1])


def _weights_alone(checkpoint: Path, path: Path) -> None:
    """What Keras 2's ``save_weights`` would have written."""
    import h5py

    with h5py.File(checkpoint) as whole, h5py.File(path, "w") as file:
        weights = whole["model_weights"]
        for name in weights:
            whole.copy(weights[name], file, name)
        file.attrs.update(weights.attrs)


def _theirs(model: Path, path: Path) -> None:
    """The network as another trainer would have exported it: without our card."""
    import onnx

    network = onnx.load(str(model))
    del network.metadata_props[:]
    onnx.save(network, str(path))


def follow(folder: Path, capsys: pytest.CaptureFixture[str], tolerance: float | None) -> None:
    """Do what the page says; with a tolerance, cosines must be those of the page."""
    assert main(["convert", "face.h5", "-o", "exported", "--layout", "NCHW"]) == 0
    _theirs(folder / "exported" / "face.onnx", folder / "theirs.onnx")
    for command in commands(PAGE):
        capsys.readouterr()
        code = main(list(command.words))
        out, err = capsys.readouterr()
        told = f"$ ghostface-edge {' '.join(command.words)}\n{out}{err}"
        assert code == command.code, told
        lines = iter([*out.splitlines(), *err.splitlines()])
        for line in command.shown:
            wanted = _blank(line)
            found = next((found for found in lines if _blank(found).startswith(wanted)), None)
            assert found is not None, f"the page shows\n{line}\n{told}"
            if tolerance is not None:
                shown, measured = (np.array(MEASURED.findall(text), float) for text in (line, found))
                np.testing.assert_allclose(measured, shown, rtol=0, atol=tolerance, err_msg=told)


def _blank(line: str) -> str:
    return PASSING.sub("#", MEASURED.sub("#", line))


def test_the_page_can_be_followed(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    here = folder(FEW)
    follow(here, capsys, tolerance=None)
    assert sorted(path.name for path in (here / "naive").iterdir()) == [
        "face_int8.tflite.refused.report.html",
        "face_int8.tflite.refused.report.json",
    ]
    assert {path.name for path in (here / "models").iterdir()} >= {
        "face_int8.tflite",
        "face_int8.tflite.report.html",
        "face_int8.tflite.report.json",
        "face_int8.tflite.calibration.json",
        "manifest.json",
    }
    (script,) = blocks(PAGE, "python")
    (here / "script.py").write_text(script)
    made = runpy.run_path(str(here / "script.py"))["made"]
    assert capsys.readouterr().out.startswith(f"models/face_int8.tflite {made.size} 0.9")


NUMBER = re.compile(r"[-+]?\d[\d,]*(\.\d+)?(e-?\d+)?")


def test_the_page_on_evaluating_can_be_followed(
    folder: Folder, shared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    here = folder(10)
    # As on a CPU without AVX-512, with one runtime for both networks: of 760 comparisons, the last digit moves one.
    (here / "cpuinfo").write_text("flags : avx2 fma\n")
    monkeypatch.setattr(cpu, "CPUINFO", here / "cpuinfo")
    assert main(["convert", "face.h5", "-o", ".", "--to", "tflite"]) == 0
    assert main(["convert", "face.h5", "-o", ".", "--to", "tflite", "--precision", "int8"]) == 0
    people = [path for path in sorted((shared / "lfw" / "images").iterdir()) if len(list(path.iterdir())) == 2][:20]
    for person in people:
        shutil.copytree(person, here / "people" / person.name)
    for command in commands(EVALUATING):
        capsys.readouterr()
        code = main(list(command.words))
        out, err = capsys.readouterr()
        told = f"$ ghostface-edge {' '.join(command.words)}\n{out}{err}"
        assert code == 0, told
        lines = iter([*out.splitlines(), *err.splitlines()])
        for line in filter(None, command.shown):
            wanted = re.sub(r"\s+", " ", NUMBER.sub("#", line))
            found = next((line for line in lines if re.sub(r"\s+", " ", NUMBER.sub("#", line)) == wanted), None)
            assert found is not None, f"the page shows\n{line}\n{told}"
            # The photos are the page's, so its figures must be found, but for what rounding of another machine moves.
            numbers = [
                [float(number[0].replace(",", "")) for number in NUMBER.finditer(text)] for text in (line, found)
            ]
            assert numbers[1] == pytest.approx(numbers[0], rel=0.02, abs=0.01), told


@pytest.mark.slow
def test_what_each_step_of_int8_gives(folder: Folder) -> None:
    here = folder(300)
    steps = runpy.run_path(str(ROOT / "docs" / "int8_steps.py"))["steps"]
    kept = {left_out: parity.cosine_mean for left_out, parity in steps(str(here / "face.h5"), str(here / "photos"))}
    shown = re.findall(
        r"^\| [a-z].* \| ([-\d.]+) \| [-\d.]+ \|$", (ROOT / "docs" / "int8.md").read_text(), re.MULTILINE
    )
    table = np.array(shown[-len(kept) :], float)
    assert kept["nothing"] > 0.985
    order = ["equalise", "decouple", "slopes", "ranges", "biases", "nothing"]
    np.testing.assert_allclose([kept[name] for name in order[1:]], table[-5:], rtol=0, atol=0.01)
    assert kept["equalise"] < 0.9
    assert max(cosine for name, cosine in kept.items() if "," in name) < 0.4


@pytest.mark.slow
def test_the_figures_of_the_page(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    follow(folder(1549), capsys, tolerance=0.003)


def test_the_figures_of_the_readme_are_those_of_the_results() -> None:
    rewritten = runpy.run_path(str(ROOT / "docs" / "speed.py"))["rewritten"]
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page.count("<!-- end -->") == 3
    assert rewritten(page) == page
    # One figure by hand: what it is and where it comes from.
    run = json.loads((ROOT / "benchmarks" / "results" / "latency-x86-2026-11-27.json").read_text())
    (row,) = [
        row
        for row in run["rows"]
        if [row["subject"][key] for key in ("name", "runtime", "precision")]
        == ["ghostfacenet-v1-0.5-2", "ai_edge_litert 2.3.0", "int8"]
    ]
    (line,) = [line for line in page.splitlines() if line.startswith("| `ghostfacenet-v1-0.5-2`")]
    low, middle, high = (row["summary"][key] for key in ("p50_low", "p50", "p50_high"))
    assert line.split(" | ")[-1] == f"{middle:.2f} ({low:.2f} to {high:.2f}) |"


def test_links_lead_somewhere() -> None:
    for page in (*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_section_of_the_report_is_explained() -> None:
    from ghostface_edge.converters import report

    source = Path(report.__file__).read_text()
    titles = re.findall(r'_section\(\s*"([^"]+)"', source)
    assert len(titles) >= 7
    text = PAGE.read_text()
    missing = [title for title in titles if title.split(",")[0] not in text]
    assert not missing

"""Pictures say what the scores say, in the same bytes everywhere, and whatever the names hold."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ghostface_edge.benchmarks import curves
from ghostface_edge.benchmarks.curve import Curve
from ghostface_edge.benchmarks.evaluation import Evaluation
from ghostface_edge.benchmarks.metrics import Scores, error_rates
from ghostface_edge.errors import EvaluationError, OptionError, RuntimeMissingError

matplotlib = pytest.importorskip("matplotlib")

MakeEvaluation = Callable[..., Evaluation]
MakeScores = Callable[..., Scores]
VERIFICATION = ("roc", "det", "histogram")
HOSTILE = "a $x^{ \\frac b\n<b>&\"'\x00\udcff 漢字 \u202e.tflite"


def line_points(axes: Any, colour: str) -> list[np.ndarray]:
    """(P, 2) of every line of a colour, longest first."""
    lines = [np.transpose(line.get_data()) for line in axes.lines if line.get_color() == colour]
    return sorted(lines, key=len, reverse=True)


def with_scores(evaluation: Evaluation, scores: Scores) -> Evaluation:
    return replace(evaluation, all_pairs=error_rates(scores, replicates=100), all_curve=Curve.of(scores))


def test_the_roc_is_the_count_of_similarities_at_every_threshold(
    make_evaluation: MakeEvaluation, make_scores: MakeScores
) -> None:
    scores = make_scores(3, people=9, photos=4, noise=1.5)
    (axes,) = curves.roc_figure([with_scores(make_evaluation(), scores)]).axes
    drawn = line_points(axes, "#0072b2")[0]
    expected = set()
    for threshold in [*scores.genuine, *scores.impostor, 2.0]:
        fmr = sum(value >= threshold for value in scores.impostor) / len(scores.impostor)
        expected.add((round(fmr, 9), round(sum(value >= threshold for value in scores.genuine) / 54, 9)))
    floor = axes.get_xlim()[0] / 10
    assert {(round(x, 9) if x > floor else 0.0, round(y, 9)) for x, y in drawn} == expected
    assert axes.get_xscale() == "log"
    assert axes.get_xlim()[0] < 1 / len(scores.impostor)


def test_the_det_has_the_same_points_as_errors_on_two_logarithmic_axes(make_evaluation: MakeEvaluation) -> None:
    evaluation = make_evaluation(noise=1.5)
    (axes,) = curves.det_figure([evaluation]).axes
    assert evaluation.all_curve is not None
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    drawn = line_points(axes, "#0072b2")[0]
    seen = (evaluation.all_curve.fmr > 0) & (evaluation.all_curve.fnmr > 0)
    assert drawn[seen][:, 0] == pytest.approx(evaluation.all_curve.fmr[seen], abs=0)
    assert drawn[seen][:, 1] == pytest.approx(evaluation.all_curve.fnmr[seen], abs=0)


def test_operating_points_stand_on_the_curve_with_their_intervals(make_evaluation: MakeEvaluation) -> None:
    evaluation = make_evaluation(noise=1.5)
    assert evaluation.all_pairs is not None
    (axes,) = curves.roc_figure([evaluation]).axes
    lines = line_points(axes, "#0072b2")
    spots = np.concatenate([line for line in lines if len(line) == 1])
    bars = [line for line in lines if len(line) == 2]
    points = evaluation.all_pairs.points
    assert [point.fmr for point in points] == [1e-1, 1e-2, 1e-3]
    for point, spot in zip(points, spots):
        assert spot == pytest.approx([point.false_matches.value, point.true_matches.value], abs=0)
        across = [[point.fmr_interval.low, spot[1]], [point.fmr_interval.high, spot[1]]]
        up = [[spot[0], point.tar_interval.low], [spot[0], point.tar_interval.high]]
        assert any(np.allclose(bar, across, atol=0) for bar in bars)
        assert any(np.allclose(bar, up, atol=0) for bar in bars)


@pytest.mark.parametrize("name", ["roc", "det"])
def test_what_too_few_comparisons_cannot_support_is_shaded(make_evaluation: MakeEvaluation, name: str) -> None:
    evaluation = make_evaluation()
    (axes,) = curves.FIGURES[name]([evaluation]).axes
    spans = [patch.get_extents().transformed(axes.transData.inverted()) for patch in axes.patches]
    assert max(span.x1 for span in spans[:1]) == pytest.approx(3 / 19500)  # 40 * 39 / 2 * 5 * 5 impostor comparisons
    if name == "det":
        assert spans[1].y1 == pytest.approx(3 / 400)  # 40 * 10 genuine ones
    assert "19,500" in "".join(text.get_text() for text in axes.texts)


def test_histograms_count_every_comparison(make_evaluation: MakeEvaluation, make_scores: MakeScores) -> None:
    scores = make_scores(5, noise=1.2, lost=7)
    figure = curves.histogram_figure([with_scores(make_evaluation(), scores)])
    (axes,) = figure.axes
    edges = np.linspace(-1, 1, 101)
    for kind, values in (("impostor", scores.impostor), ("genuine", scores.genuine)):
        (stairs,) = [patch for patch in axes.patches if str(patch.get_label()).startswith(kind)]
        counts, _ = np.histogram(values, edges)
        assert stairs.get_data().values == pytest.approx(counts / len(values), abs=1e-12)
        assert stairs.get_data().edges == pytest.approx(edges, abs=1e-12)
    assert axes.get_yscale() == "log"
    assert axes.get_xlim()[0] > -0.99  # the comparisons without a face are told, not drawn
    assert any("7 comparisons" in text.get_text() for text in axes.texts)


def test_thresholds_are_lines_with_their_fmr_and_labels_that_do_not_overlap(make_evaluation: MakeEvaluation) -> None:
    evaluation = make_evaluation()
    assert evaluation.all_pairs is not None
    points = evaluation.all_pairs.points
    crowded = tuple(replace(point, threshold=0.5 + index / 1000) for index, point in enumerate(points))
    close = replace(evaluation, all_pairs=replace(evaluation.all_pairs, points=crowded))
    for shown, expected in ((evaluation, points), (close, crowded)):
        figure = curves.histogram_figure([shown])
        figure.canvas.draw()
        (axes,) = figure.axes
        assert [line.get_xdata()[0] for line in axes.lines] == [point.threshold for point in expected]
        labels = [text for text in axes.texts if text.get_text().startswith("1e-")]
        assert [label.get_text() for label in labels] == ["1e-1", "1e-2", "1e-3"]
        assert [label.xy[0] for label in labels] == [point.threshold for point in expected]
        boxes = [label.get_bbox_patch() or super(type(label), label).get_window_extent() for label in labels]
        assert all(left.x1 <= right.x0 for left, right in zip(boxes, boxes[1:]))


def test_systems_differ_in_more_than_colour(make_evaluation: MakeEvaluation, make_system: Callable[..., Any]) -> None:
    base = make_evaluation()
    many = [replace(base, system=make_system(name=f"net-{number}")) for number in range(20)]
    legend = curves.roc_figure(many).legends[0]
    looks = {(line.get_color(), str(line._unscaled_dash_pattern), line.get_marker()) for line in legend.get_lines()}
    assert len(looks) == 20
    assert len({line.get_marker() for line in legend.get_lines()[:7]}) == 7
    assert [text.get_text().split(" ")[0] for text in legend.get_texts()] == [f"net-{number}" for number in range(20)]


def test_the_first_colours_stay_apart_for_people_who_confuse_red_and_green() -> None:
    # Full deuteranopia and protanopia: G. M. Machado et al., IEEE Trans. Vis. Comput. Graph. 15(6), 2009, table 1.
    deuteranopia = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    protanopia = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    rgb = np.array([matplotlib.colors.to_rgb(colour) for colour in curves._COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for matrix in (deuteranopia, protanopia):
        seen = np.clip(linear @ np.transpose(matrix), 0, 1) ** (1 / 2.2)
        distances = np.linalg.norm(seen[:, None] - seen, axis=2)[np.triu_indices(len(seen), k=1)]
        assert distances.min() > 0.1


@pytest.mark.parametrize("name", VERIFICATION)
def test_pictures_have_a_title_and_named_axes(make_evaluation: MakeEvaluation, name: str) -> None:
    figure = curves.FIGURES[name]([make_evaluation(), make_evaluation(1, "int8")])
    texts = {text.get_text() for text in figure.findobj(matplotlib.text.Text)}
    assert any("all pairs, people, all comparisons" in text for text in texts)
    (label,) = {axes.get_xlabel() for axes in figure.axes} - {""}
    assert label.startswith("cosine similarity" if name == "histogram" else "FMR: share of impostor comparisons")
    assert any("net int8, yunet, LiteRT 2.3.0" in text for text in texts)


def test_pictures_show_the_list_where_not_all_systems_have_all_comparisons(make_evaluation: MakeEvaluation) -> None:
    first, second = make_evaluation(), make_evaluation(1, "int8", all_pairs=None, all_curve=None)
    (axes,) = curves.roc_figure([first, second]).axes
    assert "the protocol's pairs" in axes.get_title(loc="left")
    assert "200" in axes.texts[0].get_text()


PROGRAM = textwrap.dedent("""
    import hashlib, runpy, sys
    from ghostface_edge.benchmarks import curves
    evaluations = [runpy.run_path(sys.argv[1])["evaluation"](noise=1.5)]
    for name in ("roc", "det", "histogram"):
        figure = curves.FIGURES[name](evaluations)
        print(hashlib.sha256(curves.to_png(figure) + curves.to_svg(figure)).hexdigest())
    assert "matplotlib.pyplot" not in sys.modules
""")


def test_the_bytes_are_the_same_in_every_process_and_under_every_setting(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: path\naxes.grid: False\nsavefig.dpi: 40\n")
    (tmp_path / "plain").mkdir()
    results = []
    for setting, seed in ((str(tmp_path / "plain"), "1"), (str(tmp_path / "matplotlibrc"), "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "MATPLOTLIBRC": setting, "SOURCE_DATE_EPOCH": seed * 6}
        command = [sys.executable, "-c", PROGRAM, str(Path(__file__).with_name("conftest.py"))]
        results.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert results[0] == results[1]
    assert len(set(results[0].split())) == 3


def test_the_users_settings_are_left_as_they_were(make_evaluation: MakeEvaluation) -> None:
    before = dict(matplotlib.rcParams)
    for name in VERIFICATION:
        curves.to_svg(curves.FIGURES[name]([make_evaluation()]))
    with pytest.raises(EvaluationError):
        curves.roc_figure([make_evaluation(all_curve=None, pair_curve=None)])
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", VERIFICATION)
def test_names_are_text_whatever_they_hold(
    make_evaluation: MakeEvaluation, make_system: Callable[..., Any], name: str
) -> None:
    evaluation = make_evaluation(system=replace(make_system(), name=HOSTILE), protocol=HOSTILE, dataset="$\\$")
    figure = curves.FIGURES[name]([evaluation])
    assert Image.open(io.BytesIO(curves.to_png(figure))).size[0] == pytest.approx(7.2 * 160, abs=1)
    svg = curves.to_svg(figure)
    text = "".join(ElementTree.fromstring(svg).itertext())  # noqa: S314 - our own file
    assert "a $x^{ \\frac b\\n<b>&\"'\\x00\\udcff 漢字 \\u202e.tflite" in text
    assert b"<b>" not in svg
    assert b"dc:date" not in svg


SCORES = {
    "three pairs": ([0.5, 0.1], [0.2]),
    "perfect": ([0.9, 0.8, 0.85], [0.1, 0.0, 0.05]),
    "all equal": ([0.5] * 4, [0.5] * 5),
    "reversed": ([0.1] * 40, [0.9] * 40),
    "no face anywhere": ([-1.0, -1.0], [-1.0, -1.0, -1.0]),
    "edges": ([1.0, -1.0], [1.0, -1.0]),
}


@pytest.mark.parametrize("kind", SCORES)
def test_odd_scores_make_a_picture(make_evaluation: MakeEvaluation, kind: str) -> None:
    genuine, impostor = SCORES[kind]
    evaluation = with_scores(make_evaluation(), Scores(genuine, impostor))
    for name in VERIFICATION:
        png = Image.open(io.BytesIO(curves.to_png(curves.FIGURES[name]([evaluation])))).convert("L")
        assert len(png.getcolors() or []) > 10


def test_figures_that_do_not_belong_together_are_refused(make_evaluation: MakeEvaluation) -> None:
    with pytest.raises(EvaluationError, match="no evaluation"):
        curves.roc_figure([])
    with pytest.raises(EvaluationError, match="different data sets"):
        curves.det_figure([make_evaluation(), make_evaluation(dataset="others")])
    with pytest.raises(EvaluationError, match="no curve"):
        curves.histogram_figure([make_evaluation(all_curve=None, pair_curve=None)])
    with pytest.raises(EvaluationError, match="no CMC"):
        curves.cmc_figure([make_evaluation()])


def test_without_matplotlib_the_error_says_what_to_install(
    make_evaluation: MakeEvaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for call in (curves.require_matplotlib, lambda: curves.roc_figure([make_evaluation()])):
        with pytest.raises(RuntimeMissingError, match=r'pip install "ghostface-edge\[eval\]"'):
            call()


def test_files_are_written_whole_into_a_new_folder(make_evaluation: MakeEvaluation, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pictures"
    evaluations = [make_evaluation()]
    paths = curves.write_curves(folder, evaluations)
    assert paths == tuple(folder / f"{name}.{form}" for name in VERIFICATION for form in ("png", "svg"))
    assert sorted(folder.iterdir()) == sorted(paths)
    assert paths[1].read_bytes() == curves.to_svg(curves.roc_figure(evaluations))
    assert stat.S_IMODE(paths[0].stat().st_mode) & 0o400
    paths[0].unlink()
    paths[0].mkdir()
    with pytest.raises(OptionError, match=r"cannot write .*roc\.png"):
        curves.write_curves(folder, evaluations)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", "zero\0byte"):
        with pytest.raises(OptionError, match="cannot write"):
            curves.write_curves(place, evaluations)

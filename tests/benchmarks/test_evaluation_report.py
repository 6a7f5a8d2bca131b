"""The report says everything, escapes everything, loads nothing, and opens in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from web_page import Page, check_in_browser, check_self_contained, chromium_window

from ghostface_edge.benchmarks.comparison import Comparison, TarDifference
from ghostface_edge.benchmarks.enrolment import Failure
from ghostface_edge.benchmarks.evaluation import Evaluation
from ghostface_edge.benchmarks.evaluation_report import to_html
from ghostface_edge.benchmarks.identification import (
    ClosedSet,
    Identification,
    IdentificationPoint,
    OpenSet,
    RankRate,
    Spread,
)
from ghostface_edge.benchmarks.interval import Interval
from ghostface_edge.benchmarks.mcnemar import McNemar
from ghostface_edge.benchmarks.photos import Photo
from ghostface_edge.benchmarks.results import Results
from ghostface_edge.benchmarks.worst import FALSE_MATCH, WorstError
from ghostface_edge.errors import EvaluationError

pytest.importorskip("matplotlib")

MakeEvaluation = Callable[..., Evaluation]
EVIL = "<script>alert(1)</script><img src=http://a.example/x onerror=alert(2)>\"'&\n\0\udcff\u202e$x^{"
SAID = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=http://a.example/x onerror=alert(2)&gt;&quot;&#x27;&amp;"


def spread(mean: float, std: float = 0.01) -> Spread:
    return Spread(mean, std, mean - std, mean + std)


def identification(strangers: bool = True) -> Identification:
    def of(rate: float) -> Interval:
        return Interval(rate - 0.02, rate + 0.02, "Wilson, searches of 30 people")

    cmc = tuple(RankRate(rank, spread(0.8 + rank / 200), of(0.8 + rank / 200)) for rank in range(1, 21))
    closed = ClosedSet(40, 160, 30, Spread(1.5, 0.5, 1, 2), Spread(3, 0.0, 3, 3), cmc)
    point = IdentificationPoint(0.1, Spread(0.4321, 0.0123, 0.42, 0.44), spread(0.095), spread(0.2345), of(0.2345))
    counts = [Spread(number, 1, number - 1, number + 1) for number in (60, 70, 2, 4, 5)]
    opened = OpenSet(20, 20, 5, *counts, points=(point,))
    return Identification(
        200, 40, 3, 10, 7, closed, opened if strangers else None, None if strangers else "too few strangers"
    )


@pytest.fixture(scope="module")
def results(make_evaluation: MakeEvaluation) -> Results:
    """Two systems with everything that a report can show."""
    failures = tuple(Failure(Photo(f"P{row}", f"P{row}/{row}.jpg"), f"no face found, case {row}") for row in range(60))
    worst = (WorstError(FALSE_MATCH, Photo("A", "A/1.jpg"), Photo("B", "B/2.jpg"), 0.81234),)
    first = make_evaluation(0, failures=failures, failed_pairs=9, worst=worst, identification=identification())
    second = make_evaluation(1, "int8", identification=identification(False))
    comparison = Comparison(
        first.system,
        second.system,
        -0.0125,
        Interval(-0.02, -0.005, "bootstrap over 40 people"),
        McNemar(11, 4),
        (
            TarDifference(0.1, 0.004, Interval(-0.001, 0.009, "the wider of Newcombe and bootstrap over 40 people")),
            TarDifference(0.01, 0.03, Interval(0.01, 0.05, "the wider of Newcombe and bootstrap over 40 people")),
        ),
    )
    return Results((first, second), (comparison,))


def html(results: Results, **changes: Any) -> str:
    values: dict[str, Any] = {
        "command": "ghostface-edge eval folder people --html report.html",
        "date": datetime(2026, 11, 27, 3, 4, tzinfo=timezone.utc),
        "software": {"ghostface-edge": "9.8.7", "onnx": None},
        "device": "Abacus 3000",
    }
    return to_html(results, **{**values, **changes})


@pytest.fixture(scope="module")
def report(results: Results) -> str:
    """Their page."""
    return html(results)


@pytest.fixture(scope="module")
def text(report: str) -> str:
    """What a reader reads in it."""
    return Page(report).text


def test_every_figure_stands_beside_its_interval_and_its_counts(results: Results, text: str) -> None:
    for evaluation in results.evaluations:
        folds = evaluation.accuracy
        assert folds is not None
        values = [fold.count / fold.total for fold in folds.folds]
        mean = sum(values) / 10
        variance = sum((value - mean) ** 2 for value in values)
        low, high = mean - 0.02, mean + 0.01
        assert f"{100 * mean:.2f} ± {10 * (10 * variance) ** 0.5:.2f} {100 * low:.2f} to {100 * high:.2f}" in text
        assert f" {100 * (variance / 90) ** 0.5:.2f} " in text  # the standard error
        for rates in (evaluation.pairs, evaluation.all_pairs):
            assert rates is not None
            assert f"{rates.genuine:,} genuine, {rates.impostor:,} impostor" in text
            assert f"AUC {rates.auc:.5f}" in text
            assert f"EER {100 * rates.equal_error_rate:.2f} %" in text
            for point in rates.points:
                span, missed, missed_span = point.threshold_interval, point.false_non_matches, point.fnmr_interval
                bounds = "–" if span is None else f"{span.low:.4f} to {span.high:.4f}"
                assert f"{point.threshold:.4f} {bounds} {point.false_matches.value:.3g} " in text
                assert f"{point.false_matches.count:,} of {rates.impostor:,}" in text
                tar, low, high = (1 - value for value in (missed.value, missed_span.high, missed_span.low))
                assert f"{100 * tar:.2f} {100 * low:.2f} to {100 * high:.2f}" in text
                assert f"{missed.total - missed.count:,} of {rates.genuine:,}" in text


def test_what_the_data_cannot_support_is_said_with_the_reason(text: str) -> None:
    assert (
        "1e-4 not supported: an FMR of 1e-4 takes 30,000 impostor comparisons (rule of three), and there are 19,500"
        in text
    )
    assert (
        "1e-2 not supported: an FMR of 1e-2 takes 300 impostor comparisons (rule of three), and there are 200" in text
    )
    assert "an FMR of 1e-3 takes 3,000 impostor comparisons (rule of three), and there are 19,500" not in text
    assert "1e-2 not supported: takes 300 non-mated searches (rule of three)" in text
    assert "Open set: left out, too few strangers." in text


def test_every_failure_is_listed_with_its_reason(text: str) -> None:
    for row in range(60):
        assert f"P{row}/{row}.jpg P{row} no face found, case {row}" in text
    assert "60 of 200 photos (30.00%). They are in 9 of the protocol's pairs." in text
    assert "None: all 200 photos were enrolled." in text


def test_differences_come_with_what_they_mean(results: Results, text: str) -> None:
    # 2 * (C(15, 0) + ... + C(15, 4)) / 2 ** 15 = 2 * 1941 / 32768
    assert "net int8, yunet, LiteRT 2.3.0 −1.25 −2.00 to −0.50 worse 11 4 0.118" in text
    assert "net int8, yunet, LiteRT 2.3.0 +0.40 −0.10 to +0.90 may be chance +3.00 +1.00 to +5.00 better" in text
    assert "Bonferroni" not in text
    third = replace(results.comparisons[0], accuracy_difference=-0.000001, accuracy_interval=Interval(0, 0, "Wilson"))
    text = Page(html(Results(results.evaluations, (*results.comparisons, third)))).text
    assert "+0.00 +0.00 to +0.00 may be chance" in text
    assert "Hold p against 0.025" in text


def test_the_reader_learns_what_ran_on_what_and_how(text: str) -> None:
    for words in (
        "all pairs, people",
        "200 photos of 40 people",
        "10, of 40 pairs",
        "net (net-id)",
        "int8",
        "yunet",
        "LiteRT 2.3.0",
        "net-int8.tflite",
        "cd" * 32,
        "ab" * 32,
        "12.5 s",
        "150 of 200 photos in this run",
        "ghostface-edge eval folder people --html report.html",
        "2026-11-27 03:04 UTC",
        "Abacus 3000",
        "ghostface-edge 9.8.7",
        "A/1.jpg B/2.jpg",
        "0.8123",
        "1 80.50 ± 1.00 78.50 to 82.50",  # rank 1
        "0.4321 ± 0.0123",
        "1 to 2 in the gallery, 3 searches. 10 random draws, seed 7",
        "ISO/IEC 19795-1",
        "Wilson, J. Am. Stat. Assoc. 22, 1927",
        "JAMA 249, 1983",
        "Psychometrika 12, 1947",
        "the wider of Newcombe and bootstrap over 40 people",
        "Wilson, searches of 30 people",
    ):
        assert words in text, words
    assert "onnx" not in text
    assert "press photos" not in text  # that is about LFW


def test_lfw_comes_with_its_caveats(make_evaluation: MakeEvaluation) -> None:
    assert "press photos" in Page(html(Results((make_evaluation(protocol="LFW View 2"),)))).text


def test_names_are_text_and_nothing_else(results: Results, report: str) -> None:
    first, second = results.evaluations
    photo = Photo(EVIL, EVIL)
    changes: dict[str, Any] = {
        "protocol": EVIL,
        "dataset": EVIL,
        "failures": (Failure(photo, EVIL),),
        "worst": (WorstError(EVIL, photo, photo, 0.5),),
    }
    system = replace(first.system, name=EVIL, file=EVIL, runtime=EVIL, source_sha256=EVIL, file_sha256=EVIL)
    evil = Results(
        (replace(first, system=system, **changes), replace(second, **changes)),
        (replace(results.comparisons[0], baseline=system),),
    )
    text = html(evil, command=EVIL, title=EVIL, software={EVIL: EVIL}, device=EVIL)
    page, plain = Page(text), Page(report)
    assert set(page.tags) == set(plain.tags)
    assert {key for key, _ in page.attributes} == {key for key, _ in plain.attributes}
    assert text.count(SAID + "\\n\\x00\\udcff\\u202e$x^{") > 20
    assert text.encode()  # no lone surrogate
    assert not re.search(r"[\0\u202e]", text)


def test_the_page_needs_and_runs_nothing_else(report: str) -> None:
    check_self_contained(report)
    assert Page(report).tags.count("svg") == 4


def test_pictures_take_their_colours_from_the_page(report: str) -> None:
    drawings = "".join(re.findall("<svg.*?</svg>", report, re.DOTALL))
    assert "var(--ink)" in drawings
    for colour in ("#1f2429", "#57606a", "#d5dae0", "#eceff2", "#ffffff"):
        assert colour not in drawings


def test_the_same_results_make_the_same_page(results: Results, report: str) -> None:
    zone = timezone(timedelta(hours=5))
    assert report == html(results, date=datetime(2026, 11, 27, 8, 4, tzinfo=zone))


def test_sections_without_figures_are_left_out(make_evaluation: MakeEvaluation) -> None:
    bare = {"accuracy": None, "accuracy_interval": None}
    nothing = {**bare, "pairs": None, "pair_curve": None, "all_pairs": None, "all_curve": None}
    searched = Page(html(Results((make_evaluation(identification=identification(), **nothing),))))
    assert {"identification", "curves"} <= set(searched.values("id"))
    assert not {"rates", "folds", "differences", "worst"} & set(searched.values("id"))
    assert searched.tags.count("svg") == 1
    listed = Page(html(Results((make_evaluation(people=None, all_pairs=None, all_curve=None, **bare),))))
    assert not {"identification", "folds"} & set(listed.values("id"))
    assert "People not stated by the data set" in listed.text
    assert "counted on the protocol's pairs" in listed.text


def test_defaults_tell_this_machine_and_this_moment(make_evaluation: MakeEvaluation) -> None:
    import numpy

    before = datetime.now(timezone.utc)
    text = Page(to_html(Results((make_evaluation(),)), command="c")).text
    moments = {f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (before, datetime.now(timezone.utc))}
    assert any(moment in text for moment in moments)
    assert f"numpy {numpy.__version__}" in text


def test_other_data_sets_do_not_belong_in_the_same_report(make_evaluation: MakeEvaluation) -> None:
    with pytest.raises(EvaluationError, match="different data sets"):
        html(Results((make_evaluation(), make_evaluation(dataset="others"))))
    with pytest.raises(EvaluationError, match="no evaluation"):
        html(Results(()))


# ----------------------------------------------------------------------------------------------------------------
# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    with chromium_window() as window:
        yield window


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_in_a_browser(browser: Any, results: Results, tmp_path: Path, scheme: str, width: int) -> None:
    first, second = results.evaluations
    hard = replace(first, failures=(*first.failures, Failure(Photo(EVIL, "W" * 300), "no " + "break" * 60)))
    path = tmp_path / "report.html"
    path.write_text(html(Results((hard, second), results.comparisons), command="--html " + "x" * 400), encoding="utf-8")
    check_in_browser(browser, path, scheme, width)
    assert browser.execute_script("return document.querySelectorAll('h2').length") == 14

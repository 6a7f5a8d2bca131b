"""The report of benchmarks says everything, escapes everything, loads nothing, and opens in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import CALM, DEVICE, row, run, subject, summary
from web_page import Page, check_in_browser, check_self_contained, chromium_window

from ghostface_edge.benchmarks import result_terms
from ghostface_edge.benchmarks.results_report import NamedRun, run_notes, to_html
from ghostface_edge.benchmarks.run_file import KINDS, Row, Run
from ghostface_edge.errors import EvaluationError

EVIL = "<script>alert(1)</script><img src=http://a.example/x onerror=alert(2)>\"'&\n\0\udcff\u202e$x^{"
SAID = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=http://a.example/x onerror=alert(2)&gt;&quot;&#x27;&amp;"


def html(*runs: Run, **changes: Any) -> str:
    return to_html([NamedRun(f"{item.kind}-{place}.json", item) for place, item in enumerate(runs)], **changes)


def read(*runs: Run) -> str:
    """What a reader reads."""
    return Page(html(*runs)).text


def cells(page: str, row_head: str) -> list[list[str]]:
    """Texts of the cells of all table rows whose head begins so."""
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", page)
    plain = [[re.sub("<small>", " ", cell) for cell in re.split(r"</t[hd]>", item)] for item in rows]
    texts = [[re.sub("<[^>]*>", "", cell).strip() for cell in item] for item in plain]
    return [item for item in texts if item[0].startswith(row_head)]


EVERYTHING = (
    run(
        row(10.5, name="one", figures={"memory": {"peak_mb": 81.25}, "ratio": 1.0, "delegated": True}),
        Row(subject(name="two", precision="int8"), summary(6.25, flags=("quick", "noisy")), {"ratio": 0.595}),
        settings={"seconds": 5.0, "input": {"faces": 8}},
    ),
    run(row(3, stage="detect"), row(1, stage="align"), kind="pipeline", complete=False),
    run(
        row(None, name="core", figures={"instructions": 12_345_678}),
        kind="arm",
        device=replace(DEVICE, emulated="qemu-user 7.2"),
        conditions=(),
    ),
    run(row(None, name="counted", figures={"macs": 59_320_000, "parameters": 4_066_388}), kind="macs", conditions=()),
)


def test_each_row_has_its_own_figures() -> None:
    page = html(EVERYTHING[0])
    (one,), (two,) = ([item for item in cells(page, name) if len(item) > 6] for name in ("one", "two"))
    assert one == ["one float32", "1,500", "10.50 10.39 to 10.61", "10.61 ± 0.5250",
                   "9.450", "11.55", "13.65", "21.00", "1.000", "none", ""]  # fmt: skip
    assert two == ["two int8", "1,500", "6.250 6.188 to 6.312", "6.312 ± 0.3125",
                   "5.625", "6.875", "8.125", "12.50", "1.000", "quick noisy", ""]  # fmt: skip


def test_rows_are_called_by_what_tells_them_apart() -> None:
    text = read(run(row(1, precision="int8", threads=1), row(2, precision="int8", threads=4)))
    assert "All rows: net, int8, LiteRT 2.3.0, inference. Milliseconds" in text
    assert "1 thread 1,500 1.000" in text
    assert "4 threads 1,500 2.000" in text
    twins = read(run(row(1, file_sha256="ab" * 32), row(2, file_sha256="cd" * 32)))
    assert "sha256 abababababab 1,500 1.000" in twins
    assert "sha256 cdcdcdcdcdcd 1,500 2.000" in twins
    assert "net 1,500 10.00" in read(run())
    assert "All rows" not in read(run())


def test_peers_are_shown_by_what_they_do() -> None:
    rows = [
        row(place, stage=stage, name=name)
        for place, (stage, name) in enumerate((("embed", "a"), ("embed", "b"), ("detect", "c")), 1)
    ]
    page = html(run(*rows, kind="peers"))
    embed, detect = re.findall("<svg.*?</svg>", page)
    assert "a: 1.00<" in embed
    assert "b: 2.00<" in embed
    assert "c: 3.00<" in detect
    assert re.findall("<h4>(.*?)</h4>", page) == ["embed", "detect"]


def test_every_run_says_what_it_ran_on_and_how() -> None:
    text = read(*EVERYTHING)
    for words in (
        "Abacus 3000",
        "Cortex-A72",
        "4 x 1800 MHz CPUs",
        "3794 MB",
        "asimd",
        "Debian GNU/Linux 12 (bookworm)",
        "2026-11-27 03:04 UTC",
        "ghostface-edge 9.8.7, python 3.11.2, numpy 2.1.0",
        "governor performance",
        "48.5 °C",
        "seconds: 5.000; input.faces: 8",
        "ghostface-edge bench latency net.tflite",
        "latency-0.json",
        "ab" * 32,
        "memory.peak_mb",
        "81.25",
        "yes",
        "0.5950",
        "12,345,678",
        "4,066,388",
    ):
        assert words in text, words
    assert "onnxruntime" not in text


def test_what_is_wrong_with_a_run_is_said_first() -> None:
    text = read(*EVERYTHING)
    assert "Quick, 1 of 2 rows: fewer samples" in text
    assert "Noisy, 1 of 2 rows: rounds differ" in text
    assert "Interrupted: the figures are of the samples up to then." in text
    assert "Emulated (qemu-user 7.2): times, if there are any, say nothing about a real device." in text
    assert "1. latency Abacus 3000 2026-11-27 03:04 UTC 2 quick, noisy latency-0.json" in text
    assert "2. pipeline Abacus 3000 2026-11-27 03:04 UTC 2 incomplete pipeline-1.json" in text
    hot = run(conditions=(CALM, replace(CALM, throttled=0x4)))
    assert "Throttled: throttled." in read(hot)
    assert "2 throttled" not in read(run())
    assert run_notes(run()) == ()
    assert run_notes(run(settings={"problems": ["int8 differs"]})) == ("Problem: int8 differs",)
    assert "Quick, all rows" in read(run(Row(subject(), summary(flags=("quick",)))))


def test_a_run_without_rows_says_that_nobody_has_measured() -> None:
    empty = replace(run(), rows=())
    assert "No rows: nobody has measured this yet." in read(empty)


def test_charts_show_times_or_counts() -> None:
    (times, stages, instructions, macs) = re.findall("<svg.*?</svg>", html(*EVERYTHING))
    assert times.count('fill-opacity="0.4"') == 1  # the noisy row
    assert "one, float32: 10.5<" in times
    assert "two, int8: 6.25<" in times
    assert "detect: 3.00<" in stages
    assert "align: 1.00<" in stages
    assert "million instructions" in instructions
    assert "core: 12.3<" in instructions
    assert "million MACs" in macs
    assert "counted: 59.3<" in macs


def test_counts_are_drawn_by_class_where_the_classes_are_all() -> None:
    classes = {"load": 4_000_000, "store": 1_000_000, "other": 5_000_000}
    whole, part = ({"instructions": {"total": total, **classes}} for total in (10_000_000, 12_000_000))
    (drawing,) = re.findall("<svg.*?</svg>", html(run(row(None, figures=whole), kind="arm")))
    assert len(set(re.findall('height="17" fill="(.*?)"', drawing))) == 3
    assert all(f">{name}<" in drawing for name in classes)
    (drawing,) = re.findall("<svg.*?</svg>", html(run(row(None, figures=part), kind="arm")))
    assert len(re.findall('height="17" fill="(.*?)"', drawing)) == 1
    assert ": 12.0<" in drawing


def test_figures_stand_above_their_spread() -> None:
    ratio = {"value": 0.5, "low": 0.45, "high": 0.6, "rounds": 40, "noisy": True}
    start = {"load_ms": {"p50": 20.0, "min": 18.0, "max": 31.0}}
    text = read(run(row(figures={"ratio_to_first": ratio, "cold_start": start})))
    assert "ratio_to_first cold_start.load_ms" in text
    assert "0.5000 0.4500 to 0.6000 noisy 20.00 18.00 to 31.00" in text
    assert result_terms.FIGURES["cold_start.load_ms"] in text
    assert "surprise Not described by this version." in read(run(row(figures={"surprise": 1})))


def test_what_was_not_measured_is_said_with_the_reason() -> None:
    absent = Row(subject(name="theirs"), None, {"skipped": "their package is not installed"})
    text = read(
        run(row(), absent, kind="peers", settings={"skipped": ["int8: no runtime"], "empty": [], "cpus": [0, 1]})
    )
    assert "Not measured: theirs float32, LiteRT 2.3.0, 1 thread, inference: their package is not installed" in text
    assert "int8: no runtime" in text
    assert "empty: none; cpus: 0, 1" in text


def test_runs_stand_side_by_side_and_are_not_averaged() -> None:
    other = replace(DEVICE, board="Sliderule 5")
    text = html(
        run(row(10, runtime="LiteRT 2.3.0"), row(7, stage="load")),
        run(row(4, runtime="LiteRT 2.4.0"), row(9, precision="int8"), device=other),
    )
    page = Page(text)
    assert "Side by side" in page.text
    (shared,) = [item for item in cells(text, "net float32, LiteRT, 1 thread, inference") if len(item) == 4]
    assert shared[1:3] == ["10.00 9.900 to 10.10 LiteRT 2.3.0", "4.000 3.960 to 4.040 LiteRT 2.4.0"]
    assert not cells(text, "net float32, LiteRT, 1 thread, load")
    assert "7.000 6.930 to 7.070" in page.text  # in the table of its own run
    assert "ghostface-edge on 2 devices" in page.text
    assert "Side by side" not in read(run(row(10)), run(row(10, precision="int8")))
    twins = run(row(1, file_sha256="aa" * 32), row(2, file_sha256="bb" * 32))
    assert "several: see below" in read(run(), twins)


def test_every_column_is_defined() -> None:
    text = Page(html(*EVERYTHING)).text
    for term, _ in (*result_terms.SUBJECT, *result_terms.TIMES):
        assert term in text
    for flag, meaning in result_terms.FLAGS.items():
        assert f"{flag}: {meaning}" in text


def test_every_kind_has_a_section() -> None:
    page = Page(html(*(run(kind=kind) for kind in KINDS)))
    assert {*KINDS, "runs", "definitions", "method"} <= set(page.values("id"))
    assert "Instructions were counted on an emulator" in page.text
    assert "Instructions were counted" not in read(run())


def test_names_are_text_and_nothing_else() -> None:
    evil = {"name": EVIL, "model_id": EVIL, "precision": EVIL, "runtime": EVIL, "file_sha256": EVIL, "stage": EVIL}
    figures = {EVIL: EVIL, "list": [EVIL, {EVIL: EVIL}], "within": {EVIL: 1.5}}
    rows = (
        Row(subject(**evil), summary(flags=(EVIL,)), figures),
        Row(subject(**evil, threads=2), None, {"instructions": 5}),
    )
    device = replace(
        DEVICE,
        system=EVIL, os=EVIL, architecture=EVIL, cpu=EVIL, board=EVIL, emulated=EVIL,
        features=(EVIL,), versions={EVIL: EVIL},
    )  # fmt: skip
    condition = replace(CALM, governors=(EVIL,))
    changes: dict[str, Any] = {
        "device": device, "conditions": (condition, condition), "settings": {EVIL: EVIL}, "command": (EVIL,),
    }  # fmt: skip
    runs = [run(*rows, kind=kind, **changes) for kind in ("latency", "latency", "arm")]
    text = to_html([NamedRun(EVIL, item) for item in runs], title=EVIL)
    page, plain = Page(text), Page(html(*EVERYTHING))
    assert set(page.tags) <= set(plain.tags)
    assert {key for key, _ in page.attributes} == {key for key, _ in plain.attributes}
    assert text.count(SAID + "\\n\\x00\\udcff\\u202e$x^{") > 20
    assert text.encode()  # no lone surrogate
    assert not re.search(r"[\0\u202e]", text)
    check_self_contained(text)


def test_the_page_needs_and_runs_nothing_else() -> None:
    check_self_contained(html(*EVERYTHING))


def test_the_same_results_make_the_same_page() -> None:
    assert html(*EVERYTHING) == html(*EVERYTHING)


def test_nothing_to_report_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="no results"):
        to_html([])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    with chromium_window() as window:
        yield window


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_in_a_browser(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    long = run(
        row(name="W" * 300, stage="no break" * 30, figures={"x" * 200: "y" * 200}),
        Row(subject(name=EVIL), summary(flags=("noisy",)), {}),
        command=("ghostface-edge", "x" * 400),
        device=replace(DEVICE, board="B" * 200),
        settings={"y" * 100: ["z" * 300]},
    )
    path = tmp_path / "report.html"
    path.write_text(html(*EVERYTHING, long), encoding="utf-8")
    check_in_browser(browser, path, scheme, width)
    assert browser.execute_script("return document.querySelectorAll('svg').length") == 5

"""``bench compare`` and ``bench report``: exit codes, streams, and files that nobody should trust."""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import DEVICE, row, summary
from made_runs import run as made

Save = Callable[..., Path]

LATER = replace(DEVICE, versions={**DEVICE.versions, "numpy": "2.2.0"})


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes a run as a file of that name."""

    def write(name: str, results: Any) -> Path:
        results.write(tmp_path / name)
        return tmp_path / name

    return write


def test_equal_files_are_no_regression(run: Any, save: Save) -> None:
    a, b = save("a.json", made()), save("b.json", made(row(10.1)))
    done = run("bench", "compare", a, b)
    assert (done.code, done.err) == (0, "")
    header, line, _, judged = done.out.splitlines()
    assert header.split()[:3] == ["subject", "figure", "A"]
    assert "1.010  0.996 to 1.024  may be chance" in line
    assert judged.startswith("0 regressions past 1.1 in 1 row.")
    assert "MOVER" in judged


def test_a_regression_is_exit_code_1(run: Any, save: Save) -> None:
    a, b = save("a.json", made(row(10), row(5, stage="load"))), save("b.json", made(row(12), device=LATER))
    done = run("bench", "compare", a, b)
    assert done.code == 1
    assert "1.200" in done.out
    assert "regression" in done.out
    assert done.err.splitlines() == [
        "warning: device, versions.numpy: 2.1.0 against 2.2.0",
        "note: not compared, A: net float32, LiteRT 2.3.0, 1 thread, load: only A has it",
    ]
    assert run("bench", "compare", a, b, "--bound", "1.25").code == 0
    assert run("bench", "compare", b, a).code == 0  # it became faster
    document = run("bench", "compare", a, b, "--json")
    assert document.code == 1
    assert document.json["regressions"] == 1
    assert document.json["warnings"] == ["device, versions.numpy: 2.1.0 against 2.2.0"]


def test_a_regression_of_noisy_figures_is_said_to_be_one(run: Any, save: Save) -> None:
    noisy = replace(row(20), summary=summary(20, flags=("noisy",)))
    done = run("bench", "compare", save("a.json", made()), save("b.json", made(noisy)))
    assert done.code == 1
    assert done.err == (
        "warning: 1 regression with figures that are flagged: run both again, on a calm device, to be sure\n"
    )
    assert "B: noisy" in done.out


@pytest.mark.parametrize("bound", ["0.5", "nan", "inf", "much"])
def test_a_senseless_bound_is_exit_code_2(run: Any, save: Save, bound: str) -> None:
    a = save("a.json", made())
    assert "bound" in run("bench", "compare", a, a, "--bound", bound).error


def test_errors_are_exit_code_2_and_one_line(run: Any, save: Save, tmp_path: Path) -> None:
    a = save("a.json", made())
    assert "no.json" in run("bench", "compare", a, tmp_path / "no.json").error
    assert "no row in common" in run("bench", "compare", a, save("b.json", made(row(stage="x")))).error
    assert "kind" in run("bench", "compare", a, save("c.json", made(kind="peers"))).error
    assert "cannot read" in run("bench", "compare", a, tmp_path).error
    assert "FILE.json" in run("bench", "report", "-o", tmp_path / "r.html").error
    assert "no folder" in run("bench", "report", a, "-o", tmp_path / "no" / "r.html").error
    assert "would replace the input" in run("bench", "report", a, "-o", a).error
    assert not (tmp_path / "r.html").exists()


def test_a_page_is_written(run: Any, save: Save, tmp_path: Path) -> None:
    files = [save("latency-abacus-2026-11-27.json", made()), save("b.json", made(row(stage="detect"), kind="pipeline"))]
    page = tmp_path / "report.html"
    done = run("bench", "report", *files, "-o", page, "--title", "Beads & rods")
    assert (done.code, done.out, done.err) == (0, f"{page}: 2 runs\n", "")
    text = page.read_text(encoding="utf-8")
    assert "<h1>Beads &amp; rods</h1>" in text
    assert "latency-abacus-2026-11-27.json" in text
    assert str(tmp_path) not in text
    again = run("bench", "report", *files, "-o", page, "--json")
    assert again.json == {"written": str(page), "runs": 2}


# ----------------------------------------------------------------------------------------------------------------
# Hostile files


def test_a_file_of_a_gigabyte_is_refused_unread(run: Any, save: Save, tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    message = run("bench", "compare", path, save("a.json", made())).error
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "larger than 64 MiB" in message
    assert peak < 256 << 20


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "{",
        '{"schema": 1',
        "NaN",
        "\x00",
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 10_000,
        '{"schema": 2}',
        '{"schema": "1"}',
        '{"schema": 1.0}',
        '{"schema": true}',
        '{"schema": 99999999999999999999}',
    ],
)
def test_what_is_no_file_of_results_is_refused(run: Any, save: Save, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    assert "bad.json" in run("bench", "compare", save("a.json", made()), path).error
    assert "bad.json" in run("bench", "report", path, "-o", tmp_path / "r.html").error
    assert not (tmp_path / "r.html").exists()


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of all values within a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in children:
        yield (*where, key)
        yield from places(inner, (*where, key))


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


HOSTILE = (
    None, True, -1, 0, 1.5, -1e308, 1e308, 1e999, -1e999, 10**400, 1 << 62, "", "x", "\0\ud800", "x" * 100_000, [], {},
    [[]], [None], {"total": 1e308, "a": -5}, ["x"] * 1000, {"": {}}, deep(14), deep(900),
)  # fmt: skip

FULL = made(
    row(10.0, figures={"memory": {"peak_mb": 80.5}, "ratio": 1.0}),
    row(None, stage="counted", figures={"instructions": {"total": 10, "load": 4, "other": 6}}),
)


def test_any_value_anywhere_is_read_or_refused(run: Any, save: Save, tmp_path: Path) -> None:
    """No exception but ours, no traceback, no half of a page; and where it is refused, the field is named."""
    good, bad, page = save("a.json", FULL), tmp_path / "bad.json", tmp_path / "r.html"
    rng = random.Random(11)
    refused = 0
    for where in places(FULL.to_dict()):
        for value in (*rng.sample(HOSTILE, 5), "absent"):
            document = copy.deepcopy(FULL.to_dict())
            inner = document
            for key in where[:-1]:
                inner = inner[key]
            if value == "absent":
                del inner[where[-1]]
            else:
                inner[where[-1]] = value
            bad.write_text(json.dumps(document))
            page.unlink(missing_ok=True)
            done = run("bench", "report", bad, "-o", page)
            assert done.code in (0, 2), (where, value)
            assert page.exists() == (done.code == 0)
            assert "Traceback" not in done.err
            if done.code == 2:
                refused += 1
                assert "bad.json" in done.error, (where, value)
            for pair in ((good, bad), (bad, good), (bad, bad)):
                done = run("bench", "compare", *pair)
                assert done.code in (0, 1, 2), (where, value)
                assert "nan" not in done.out.replace("instructions", "")
    assert refused > 200


def test_numbers_beyond_all_floats_are_refused(run: Any, save: Save, tmp_path: Path) -> None:
    text = save("a.json", FULL).read_text()
    for number, huge in itertools.product(("60.0", "80.5", "10.0"), ("1e999", "-1e999", "NaN", "Infinity", "9" * 400)):
        (tmp_path / "bad.json").write_text(text.replace(f": {number}", f": {huge}"))
        assert "bad.json" in run("bench", "report", tmp_path / "bad.json", "-o", tmp_path / "r.html").error


def test_twins_and_unknown_fields_are_refused(run: Any, save: Save, tmp_path: Path) -> None:
    document = made().to_dict()
    document["rows"] *= 2
    (tmp_path / "twins.json").write_text(json.dumps(document))
    a = save("a.json", made())
    assert "same subject" in run("bench", "compare", a, tmp_path / "twins.json").error
    for where, name in (
        (lambda d: d, "surprise"),
        (lambda d: d["rows"][0]["summary"], "p95"),
        (lambda d: d["device"], "x"),
    ):
        document = made().to_dict()
        where(document)[name] = 1
        (tmp_path / "more.json").write_text(json.dumps(document))
        message = run("bench", "compare", a, tmp_path / "more.json").error
        assert f"{name} is no known field" in message


def test_many_rows_are_read_in_time_that_grows_with_them(run: Any, tmp_path: Path) -> None:
    many = made(*(row(1, stage=f"stage {number}") for number in range(3000)))
    many.write(tmp_path / "many.json")
    assert run("bench", "compare", tmp_path / "many.json", tmp_path / "many.json").code == 0
    assert run("bench", "report", tmp_path / "many.json", "-o", tmp_path / "r.html").code == 0
    twins = made(*(row(1, file_sha256=f"{number:064x}") for number in range(3000)))
    twins.write(tmp_path / "twins.json")
    assert run("bench", "compare", tmp_path / "twins.json", tmp_path / "twins.json").code == 0

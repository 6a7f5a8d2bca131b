"""Figures of rows: their names, their spread, and counts that stand for times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made_runs import DEVICE, row, run

from ghostface_edge.benchmarks.result_figures import Count, counted, flat, spread
from ghostface_edge.benchmarks.result_terms import FIGURES, figure_term
from ghostface_edge.benchmarks.results_compare import compare
from ghostface_edge.errors import EvaluationError

CLASSES = {"load": 4_000_000.0, "store": 1_000_000.0, "other": 5_000_000.0}


def test_names_of_figures_within_figures() -> None:
    figures = {
        "a": 1,
        "b": {"c": {"d": 2}, "e": []},
        "estimate": {"value": 2, "low": 1, "high": 3, "rounds": 9},
        "start": {"load": {"p50": 2, "min": 1, "max": 3}, "starts": 5},
        "none": {},
    }
    assert dict(flat(figures)) == {
        "a": 1,
        "b.c.d": 2,
        "b.e": [],
        "estimate": figures["estimate"],
        "start.load": {"p50": 2, "min": 1, "max": 3},
        "start.starts": 5,
        "none": {},
    }


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"value": 2, "low": 1, "high": 3, "noisy": False}, (2, 1, 3)),
        ({"p50": 2.5, "min": 1, "max": 3}, (2.5, 1, 3)),
        ({"value": 2, "low": 1}, None),
        ({"value": 2, "low": True, "high": 3}, None),
        ({"value": "2", "low": 1, "high": 3}, None),
        (2, None),
        ([2, 1, 3], None),
    ],
)
def test_figures_with_a_spread(value: Any, found: Any) -> None:
    assert spread(value) == found


@pytest.mark.parametrize(
    ("figures", "found"),
    [
        ({"instructions": {"total": 10, "load": 4, "x": "y"}}, Count("instructions", 10, {"load": 4})),
        ({"instructions": 12.5, "macs": 3}, Count("instructions", 12.5, {})),
        ({"macs": 3}, Count("MACs", 3, {})),
        ({"instructions": "many", "macs": 3}, Count("MACs", 3, {})),
        ({"macs": 0}, None),
        ({"macs": -3}, None),
        ({"macs": True}, None),
        ({"macs": 1e300}, None),
        ({"macs": {"total": None}}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_counts(figures: dict[str, Any], found: Count | None) -> None:
    assert counted(figures) == found


def test_counts_are_compared_exactly() -> None:
    first = run(row(None, figures={"instructions": {"total": 10_000_000, **CLASSES}}), kind="arm")
    second = run(row(None, figures={"instructions": {"total": 11_500_000, **CLASSES}}), kind="arm")
    (item,) = compare(first, second).rows
    assert (item.figure, item.values, item.verdict) == ("instructions", (10_000_000, 11_500_000), "regression")
    assert item.ratio.low == item.ratio.value == item.ratio.high == pytest.approx(1.15)
    assert compare(first, second).table_rows()[1][0][5] == "-"  # counts have no interval
    assert compare(first, first).rows[0].verdict == "no difference"
    elsewhere = replace(second, device=replace(DEVICE, cpu="another host", emulated="qemu-user 7.2"))
    warnings = compare(first, elsewhere).warnings  # counts are the same on every host
    assert warnings == ("device, cpu: Cortex-A72 against another host", "device, emulated: none against qemu-user 7.2")
    with pytest.raises(EvaluationError, match="neither a median nor a count"):
        compare(first, run(row(10), kind="arm"))
    with pytest.raises(EvaluationError, match="neither a median nor a count"):
        compare(first, run(row(None, figures={"macs": 5}), kind="arm"))


def test_terms_are_found_by_the_first_part_of_a_name() -> None:
    assert figure_term("instructions.load") == FIGURES["instructions"]
    assert figure_term("cold_start.load_ms") == FIGURES["cold_start.load_ms"]
    assert figure_term("surprise.load_ms") is None
    assert figure_term("") is None

"""Bars are as long as their figures, and intervals lie where they belong."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghostface_edge.benchmarks.bar_chart import Bar, to_svg
from ghostface_edge.benchmarks.printable import number_text
from ghostface_edge.errors import EvaluationError

LENGTHS = st.floats(0, 1e300, allow_nan=False)


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - our own drawing


def axis(root: ElementTree.Element) -> list[tuple[float, float]]:
    """Value and place of each tick."""
    grid = [path.attrib["d"] for path in root.iter("path") if "grid" in path.attrib["style"]]
    lines = [float(line[1:].split(" ")[0]) for line in grid]
    numbers = [float(text.text or "") for text in root.iter("text") if re.fullmatch(r"[\d.e+-]+", text.text or "")]
    return list(zip(numbers, lines))


def test_lengths_are_those_of_the_axis() -> None:
    root = drawn(to_svg([Bar("a", (30.0,)), Bar("b", (10.0, 15.0))], title="t", unit="ms", names=("x", "y")))
    ticks = axis(root)
    (zero, origin), (last, end) = ticks[0], ticks[-1]
    assert zero == 0
    per_unit = (end - origin) / last
    bars = [item for item in root.iter("rect") if item.attrib["height"] == "17"]
    widths = [float(item.attrib["width"]) for item in bars]
    assert widths == pytest.approx([30 * per_unit, 10 * per_unit, 15 * per_unit], abs=0.2)
    starts = [float(item.attrib["x"]) for item in bars]
    assert starts == pytest.approx([origin, origin, origin + 10 * per_unit], abs=0.2)
    assert bars[1].attrib["fill"] != bars[2].attrib["fill"]
    for value, place in ticks:
        assert place == pytest.approx(origin + value * per_unit, abs=0.2)


def test_intervals_and_marks_lie_where_they_belong() -> None:
    root = drawn(to_svg([Bar("a", (30.0,), (20.0, 60.0), 45.0, faint=True)], title="t", unit="ms"))
    (_, origin), (last, end) = axis(root)[0], axis(root)[-1]
    per_unit = (end - origin) / last
    (line,) = [item.attrib["d"] for item in root.iter("path") if "ink" in item.attrib["style"]]
    low, high = re.match(r"M([\d.]+) [\d.]+H([\d.]+)", line).groups()  # type: ignore[union-attr]
    assert (float(low), float(high)) == pytest.approx((origin + 20 * per_unit, origin + 60 * per_unit), abs=0.2)
    (mark,) = [item.attrib["d"] for item in root.iter("path") if "faint" in item.attrib["style"]]
    assert float(mark[1:].split(" ")[0]) == pytest.approx(origin + 45 * per_unit, abs=0.2)
    assert [item.attrib["fill-opacity"] for item in root.iter("rect")] == ["0.4"]


@settings(deadline=None)
@given(st.lists(st.tuples(LENGTHS, LENGTHS), min_size=1, max_size=5))
def test_any_figures_can_be_drawn_inside_the_picture(lengths: list[tuple[float, float]]) -> None:
    bars = [Bar("bar", (a, b), (a, a + b), b) for a, b in lengths]
    root = drawn(to_svg(bars, title="t", unit="ms"))
    width, height = (float(value) for value in root.attrib["viewBox"].split()[2:])
    for item in root.iter("rect"):
        assert 0 <= float(item.attrib["x"]) <= float(item.attrib["x"]) + float(item.attrib["width"]) <= width
        assert 0 <= float(item.attrib["y"]) <= height
    ticks = axis(root)
    assert 1 <= len(ticks) <= 7
    assert all(b > a for (a, _), (b, _) in zip(ticks, ticks[1:]))
    assert all(value <= 1.001 * max(max(map(sum, lengths)), 1) for value, _ in ticks)


def test_infinite_bars_are_refused() -> None:
    with pytest.raises(EvaluationError, match="beyond all numbers"):
        to_svg([Bar("a", (1e308, 1e308))], title="t", unit="ms")


def test_labels_are_text_and_have_an_end() -> None:
    svg = to_svg([Bar("<b>" + "x" * 500, (1.0,))], title='"<i>', unit="<u>", names=("<s>",))
    root = drawn(svg)
    assert {item.tag for item in root.iter()} == {"svg", "rect", "path", "text"}
    (label,) = [item.text or "" for item in root.iter("text") if (item.text or "").startswith("<b>")]
    assert label.endswith("…: 1.00")
    assert len(label) == 96 + len(": 1.00")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.80349, "0.803"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (99.96, "100.0"),
        (0.001, "0.00100"),
        (0.00012345, "0.000123"),
        (1e-9, "1e-09"),
        (-1234567.0, "-1,234,567"),
        (1.5e15, "1.5e+15"),
        (math.inf, "inf"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number_text(value) == text

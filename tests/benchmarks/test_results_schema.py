"""docs/benchmarks.md describes the file of results as it is, field by field; and the files in benchmarks/results."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from made_runs import row, run

from ghostface_edge.benchmarks import result_terms
from ghostface_edge.benchmarks.result_figures import flat
from ghostface_edge.benchmarks.run_file import KINDS, SCHEMA, Run
from ghostface_edge.errors import EvaluationError

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"
FILES = sorted(RESULTS.glob("*.json"))

OPEN = ("settings", "device.versions", "rows[].figures")
"""Objects whose names depend on what is in them."""

TYPES: dict[str, Any] = {
    "text": (str, "x"),
    "number": (float, 1.5),
    "whole number": (int, 2),
    "true or false": (bool, True),
    "list of texts": (list, ["x"]),
    "list of numbers": (list, [1]),
    "list of objects": (list, [{}]),
    "object": (dict, {}),
}


def table(mark: str) -> dict[str, list[str]]:
    """Rows of the table below a mark, by what is in their first cell."""
    lines = PAGE[PAGE.index(f"<!-- {mark} -->") :].split("\n\n")[0].splitlines()[3:]
    rows = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in rows}


def fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of a document, those of lists under one name."""
    if isinstance(value, Mapping) and path not in OPEN:
        for key, inner in value.items():
            name = f"{path}.{key}" if path else key
            yield name, inner
            yield from fields(inner, name)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, Mapping):
                yield from fields(inner, f"{path}[]")


def sample() -> dict[str, Any]:
    return run(row(figures={"cosine": 1.0})).to_dict()


def replaced(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with another value at the first place that a path means."""
    document = copy.deepcopy(document)
    inner: Any = document
    *parents, last = path.split(".")
    for part in parents:
        inner = inner[part[:-2]][0] if part.endswith("[]") else inner[part]
    inner[last] = value
    return document


def test_the_documented_fields_are_those_that_are_written() -> None:
    assert set(table("fields")) == {name for name, _ in fields(sample())}
    assert f"JSON schema, version {SCHEMA}" in PAGE
    assert table("fields")["schema"][1] == f"version of the schema: {SCHEMA}"
    assert re.findall("`(.*?)`", table("fields")["kind"][1]) == list(KINDS)


@pytest.mark.parametrize("path", table("fields"))
def test_fields_have_the_documented_types_and_no_others(path: str) -> None:
    documented = table("fields")[path][0]
    kind, _, null = documented.partition(" or null")
    nullable = documented != kind
    assert not null
    expected, _ = TYPES[kind]
    values = [value for name, value in fields(sample()) if name == path and value is not None]
    assert all(isinstance(value, expected) or (expected is float and isinstance(value, int)) for value in values)
    if nullable:
        assert Run.from_dict(replaced(sample(), path, None)).to_dict()
    else:
        with pytest.raises(EvaluationError, match=re.escape(path.rpartition(".")[2])):
            Run.from_dict(replaced(sample(), path, None))
    for name, (other, value) in TYPES.items():
        if other is not expected and not (expected is float and other is int):
            with pytest.raises(EvaluationError):
                Run.from_dict(replaced(sample(), path, value))
            assert name != kind


def test_what_is_written_is_read() -> None:
    made = run(row(), row(None, stage="x", figures={"a": [1, None, "x"]}), conditions=())
    assert Run.from_dict(made.to_dict()) == made


def test_flags_and_figures_are_described_in_the_words_of_the_report() -> None:
    assert {name: cells[0] for name, cells in table("flags").items()} == result_terms.FLAGS
    assert {name: cells[0] for name, cells in table("figures").items()} == result_terms.FIGURES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_of_results_can_be_read_and_are_named_for_what_they_hold(path: Path) -> None:
    found = Run.read(path)
    kind, device, date = re.fullmatch(r"([a-z]+)-([a-z0-9-]+)-(\d{4}-\d\d-\d\d)\.json", path.name).groups()  # type: ignore[union-attr]
    assert (kind, date) == (found.kind, found.created[:10])
    assert device
    text = path.read_text(encoding="utf-8")
    assert not re.search(r'"(/home|/root|/Users|/tmp|/work)', text)
    for item in found.rows:
        for flag in item.summary.flags if item.summary else ():
            assert flag in result_terms.FLAGS
        for name, _ in flat(item.figures):
            assert result_terms.figure_term(name), name


def test_boards_are_empty_until_somebody_measures_one() -> None:
    runs = [Run.read(path) for path in FILES]
    measured = [item for item in runs if item.device.architecture in ("aarch64", "armv7l") and not item.device.emulated]
    page = (RESULTS / "README.md").read_text(encoding="utf-8")
    assert page.count("**empty: nobody has measured yet**") == 2 or measured
    for kind in KINDS:
        assert f"`{kind}`" in page

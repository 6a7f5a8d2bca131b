"""The table and the drawing of docs/choosing.md are those of the files of results."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_up_to_date() -> None:
    script = runpy.run_path(str(DOCS / "choosing.py"))
    page = (DOCS / "choosing.md").read_text(encoding="utf-8")
    assert script["rewritten"](page) == page
    for precision in ("float32", "float16", "dynamic", "int8"):
        assert f"\n| `ghostfacenet-w0.5-s2`, {precision} | " in page
    assert (DOCS / "choosing.svg").read_text(encoding="utf-8") == script["chart"](page)


def test_the_drawing_stands_alone() -> None:
    """As browsers take it: well-formed, and in the namespace of SVG."""
    root = ElementTree.parse(DOCS / "choosing.svg").getroot()  # noqa: S314 - a file of this repository
    assert root.tag == "{http://www.w3.org/2000/svg}svg"

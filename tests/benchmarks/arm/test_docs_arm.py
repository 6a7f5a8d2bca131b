"""The figures in docs/arm.md are those of the files of results."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[3]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_arm", ROOT / "docs" / "arm.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "arm.md").read_text(encoding="utf-8")
    assert script().rewritten(page) == page
    assert "| ghostfacenet-w0.5-s2 | ai_edge_litert" in page

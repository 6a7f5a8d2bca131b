"""Where the tests find real models and photos."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_folder() -> Path:
    """The folder of real weights and photos: beside the checkout, or where GHOSTFACE_EDGE_SHARED says."""
    return Path(os.environ.get("GHOSTFACE_EDGE_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real weights, detectors and photos; tests that need them skip, saying so, where they are absent."""
    folder = shared_folder()
    if not (folder / "models").is_dir():
        pytest.skip(f"real weights and photos are missing: no {folder.name}/ beside the checkout (GHOSTFACE_EDGE_SHARED)")
    return folder


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own model store."""
    monkeypatch.setenv("GHOSTFACE_EDGE_HOME", str(tmp_path_factory.getbasetemp() / "store"))
    monkeypatch.delenv("GHOSTFACE_EDGE_MODELS", raising=False)

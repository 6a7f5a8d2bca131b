"""The list of known models: complete, safe and in agreement with the real files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ghostface_edge.catalog import (
    DEFAULT_DETECTOR,
    DEFAULT_EMBEDDER,
    KNOWN_MODELS,
    KnownModel,
    is_safe_name,
    require_safe_name,
)
from ghostface_edge.errors import OptionError

BY_NAME = {entry.name: entry for entry in KNOWN_MODELS}


def test_the_defaults_are_known() -> None:
    assert BY_NAME[DEFAULT_EMBEDDER].kind == "embedder"
    assert BY_NAME[DEFAULT_DETECTOR].kind == "detector"


def test_names_and_file_names_are_unique_even_without_case() -> None:
    assert len({entry.name.lower() for entry in KNOWN_MODELS}) == len(KNOWN_MODELS)
    assert len({entry.file.lower() for entry in KNOWN_MODELS}) == len(KNOWN_MODELS)


@pytest.mark.parametrize("entry", KNOWN_MODELS, ids=lambda entry: entry.name)
def test_every_entry_is_downloadable_and_states_its_terms(entry: KnownModel) -> None:
    parts = urlsplit(entry.url)
    assert parts.scheme == "https"
    assert parts.hostname in ("github.com", "media.githubusercontent.com")
    assert "MIT" in entry.licence
    assert re.search("research only|CC BY-NC", entry.licence), "what the training data allow is part of the terms"
    assert entry.confirmed <= (entry.sha256 is not None), "only a hash can be confirmed"
    assert (entry.sha256 is None) or entry.size is not None, "the size is what spares hashing every file of a folder"


def test_all_eight_releases_of_the_upstream_table_are_listed() -> None:
    # README of HamadYA/GhostFaceNets at commit 513b9f5: the links of the GhostFaceNetV1 table
    assets = {entry.url.partition("/releases/download/")[2] for entry in KNOWN_MODELS} - {""}
    assert assets == {
        "v1.0/GN_W0.5_S2_ArcFace_epoch16.h5",
        "v1.1/GN_W1_S2_ArcFace_epoch18.h5",
        "v1.2/GhostFaceNet_W1.3_S1_ArcFace.h5",
        "v1.3/GhostFaceNet_W1.3_S2_ArcFace.h5",
        "v1.4/GN_W1.3_S1_ArcFace_epoch46.h5",
        "v1.5/GN_W1.3_S2_ArcFace_epoch48.h5",
        "v1.6/epoch17.h5",
        "v1.7/epoch17.h5",
    }


def test_an_unconfirmed_hash_says_so() -> None:
    entry = BY_NAME["ghostfacenet-w0.5-s2"]
    assert not entry.confirmed
    assert "not confirmed" in entry.note


@pytest.mark.parametrize("name", ["yunet", "ghostfacenet-w0.5-s2"])
def test_hash_and_size_are_those_of_the_real_file(name: str, shared: Path) -> None:
    entry = BY_NAME[name]
    data = next(path for path in shared.glob("*/*") if path.name == entry.file).read_bytes()
    assert entry.sha256 == hashlib.sha256(data).hexdigest()
    assert entry.size == len(data)


@pytest.mark.parametrize("name", ["a", "yunet", "My_Model-1.0", "0", "x" * 64])
def test_safe_names(name: str) -> None:
    assert is_safe_name(name)
    require_safe_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-x", "a/b", "a\\b", "a b", "a\n", "a\0", "ä", "x" * 65, 5, None]
)
def test_unsafe_names(name: Any) -> None:
    with pytest.raises(OptionError, match="is not usable"):
        require_safe_name(name)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "../x", "not usable"),
        ("file", "a/b.h5", "not usable"),
        ("file", 3, "file .* is not text"),
        ("licence", None, "licence .* is not text"),
        ("kind", "classifier", "is none of embedder, detector"),
        ("sha256", "ABC", "64 lower-case hexadecimal"),
        ("sha256", 12, "64 lower-case hexadecimal"),
        ("size", 0, "not a number of bytes"),
        ("size", "12", "not a number of bytes"),
    ],
)
def test_senseless_entries_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        replace(BY_NAME["yunet"], **{field: value})


def test_to_dict_makes_the_same_entry_again() -> None:
    entry = BY_NAME["ghostfacenet-w1.3-s1"]
    assert KnownModel(**entry.to_dict()) == entry

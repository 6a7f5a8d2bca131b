"""The gallery: names, searches, and files that Python and Java give each other to read."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from packing import packed, unpacked

from ghostface_edge.errors import OptionError
from ghostface_edge.gallery import Gallery, clean_name
from ghostface_edge.types import ModelIdentity, Template

MODEL = ModelIdentity("golden-net", "float32", "yunet")
FROM_PYTHON, FROM_JAVA, NEW_FROM_JAVA = "gallery-python", "gallery-java", "gallery-java-new"
"""Files without their ending: the gallery ends in ``.db``, what is to be found in it in ``.json``."""

NAMES = (
    "ada",
    "Ada Lovelace",
    "Zoe\u0308",
    "Zo\u00eb",
    "李小龍",
    "가나다",
    "\u1100\u1161",  # one syllable of two letters
    "👩\u200d🚀",
    "O'Brien; DROP TABLE person",
    "a" * 200,
    "e\u0301" * 200,  # 400 characters, 200 in NFC
    "a\u00a0b",
    "\u0344",  # two characters in NFC
    "",
    "a" * 201,
    "🚀" * 200,
    "🚀" * 201,
    " ada",
    "ada ",
    "\u3000ada",
    "ada\u00a0",
    "\t",
    "a\nb",
    "a\0b",
    "a\x1bb",
    "it's\x7f",
    'say "it\'s"\\\r',
    "é李🚀\u2028",
    "a\u2029b",
    "\x85",
    "\u200b",  # a format character, which stays
)


def vectors() -> dict[str, Any]:
    """Names in order and out of it, and searches."""
    return {"names": [_name(name) for name in NAMES], "searches": [_search(*case) for case in _cases()]}


def _name(name: str) -> dict[str, str]:
    try:
        return {"name": name, "clean": clean_name(name)}
    except OptionError as error:
        return {"name": name, "error": str(error)}


Rows = NDArray[np.float32]


def _noise(count: int, size: int, seed: int) -> Rows:
    rows = np.random.default_rng(seed).standard_normal((count, size))
    found: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def _cases() -> list[tuple[dict[str, Rows], Rows]]:
    """Who is enrolled, and the probes."""
    crowd = _noise(130, 32, 1)
    counts = np.random.default_rng(2).choice([1, 1, 1, 2, 5], 60)
    ends = np.cumsum(counts)
    people = {f"person {n * 37 % 60:02d}": crowd[end - count : end] for n, (end, count) in enumerate(zip(ends, counts))}
    probes = np.concatenate([_noise(3, 32, 3), crowd[7:8], -crowd[7:8]])
    # The same templates under names whose order in UTF-8 is not that in UTF-16.
    same = _noise(2, 8, 4)
    names = ("ｆｕｌｌ", "🚀", "bob", "Bob", "émile", "eve", "a\u00a0b", "a b")
    ties = dict.fromkeys(names, same)
    # The same numbers in another order: their sums of products differ by what is rounded, if at all.
    wide = _noise(1, 300, 5)[0]
    rng = np.random.default_rng(6)
    shuffled = {f"shuffle {n}": rng.permutation(wide)[None] for n in range(6)}
    return [(people, probes), (ties, same), (shuffled, np.full((1, 300), 300**-0.5, np.float32))]


def _search(people: Mapping[str, Rows], probes: Rows) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "people.db", model=MODEL) as gallery:
        for name, rows in people.items():
            gallery.enroll(name, *(Template(row, MODEL) for row in rows))
        return {
            "size": probes.shape[1],
            "people": [{"name": name, "templates": packed(rows)} for name, rows in people.items()],
            "probes": packed(probes),
            "found": _found(gallery, probes),
        }


def _found(gallery: Gallery, probes: Rows) -> list[dict[str, Any]]:
    """What searches find, with a threshold that some matches pass: name, template, similarity, whether it is enough."""
    return [
        {
            "probe": number,
            "top_k": top_k,
            "threshold": threshold,
            "matches": [
                [match.name, match.template_id, match.similarity, match.match]
                for match in gallery.search(Template(row, MODEL), top_k=top_k, threshold=threshold)
            ],
        }
        for number, row in enumerate(probes)
        for top_k, threshold in ((1, None), (5, 0.25), (1000, 0.0))
        if number == 0 or top_k < 1000
    ]


def generate(folder: Path) -> None:
    """A gallery for Java, from which people were removed, and what is to be found in it."""
    rows = _noise(90, 128, 7)
    path = folder / f"{FROM_PYTHON}.db"
    names = [unicodedata.normalize("NFC", f"Persön {number:02d} 🚀") for number in range(30)]
    with Gallery.open(path, model=MODEL) as gallery:
        for number, name in enumerate(names):
            gallery.enroll(name, *(Template(row, MODEL) for row in rows[3 * number : 3 * number + 1 + number % 3]))
        int8 = ModelIdentity(MODEL.model_id, "int8", "scrfd")
        gallery.enroll(names[3], Template(rows[11], int8))
        gallery.remove(*names[5:12])
        removed = {"names": names[5:12], "templates": packed(rows[15:36])}
        _write_expectation(folder / f"{FROM_PYTHON}.json", gallery, rows[::9], removed)


def _write_expectation(path: Path, gallery: Gallery, probes: Rows, removed: Mapping[str, Any]) -> None:
    expectation = {
        "people": [person.to_dict() for person in gallery.people()],
        "size": probes.shape[1],
        "probes": packed(probes),
        "found": _found(gallery, probes),
        "removed": removed,
    }
    path.write_text(json.dumps(expectation), "utf-8")


def examine(folder: Path) -> None:
    """Read the galleries that Java wrote, and write into them.

    Raises:
        click.ClickException: Something is not there, or is there and should not be.
    """
    for name in (FROM_JAVA, NEW_FROM_JAVA):
        path = folder / f"{name}.db"
        expected = json.loads((folder / f"{name}.json").read_text("utf-8"))
        probes = np.frombuffer(unpacked(expected["probes"]), "<f4").reshape(-1, expected["size"])
        _require_erased(path, expected["removed"]["names"], unpacked(expected["removed"]["templates"]), probes.shape[1])
        with Gallery.open(path, model=MODEL) as gallery:
            people = [person.to_dict() for person in gallery.people()]
            _require(people == expected["people"], path, f"people {people}, expected {expected['people']}")
            _require_matches(path, _found(gallery, probes), expected["found"])
            # And the file goes on living here.
            last = people[-1]["name"]
            held = _embeddings(path, last)
            gallery.enroll("later", Template(probes[0], MODEL))
            gallery.remove(last)
            best = gallery.search(Template(probes[0], MODEL))[0]
            _require(best.similarity > 1 - 1e-6 and last not in gallery, path, f"after a change: {best}")
        _require_erased(path, [last], held, probes.shape[1])
        _require_sound(path, folder / f"{FROM_PYTHON}.db")


def _require(true: bool, path: Path, what: str) -> None:
    if not true:
        raise click.ClickException(f"{path.name}: {what}")


def _require_matches(path: Path, found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> None:
    """The same people with the same templates in the same order, and similarities within 1e-6."""
    _require(len(found) == len(expected), path, f"{len(found)} searches, expected {len(expected)}")
    for ours, theirs in zip(found, expected):
        for key in ("probe", "top_k", "threshold"):
            _require(ours[key] == theirs[key], path, f"another search: {ours}, expected {theirs}")
        _require(len(ours["matches"]) == len(theirs["matches"]), path, f"{ours}, and in Java {theirs}")
        for one, other in zip(ours["matches"], theirs["matches"]):
            same = (*one[:2], one[3]) == (*other[:2], other[3]) and abs(one[2] - other[2]) <= 1e-6
            _require(same, path, f"probe {ours['probe']} finds {one}, and in Java {other}")


def _embeddings(path: Path, name: str) -> bytes:
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT embedding FROM template JOIN person ON person.id = person_id WHERE name = ?", (name,)
    ).fetchall()
    connection.close()
    return b"".join(row[0] for row in rows)


def _require_erased(path: Path, names: Sequence[str], templates: bytes, size: int) -> None:
    """No name and no part of an embedding is left in the file or its log."""
    disk = b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*"))
    for name in names:
        _require(name.encode() not in disk, path, f"{name} was removed, and the name is still in the file")
    for start in range(0, len(templates), 4 * size):
        for part in (templates[start : start + 32], templates[start + 2 * size : start + 2 * size + 32]):
            _require(part not in disk, path, f"template {start // (4 * size)} was removed, and is still in the file")


def _require_sound(path: Path, model: Path) -> None:
    """SQLite finds no damage, and the schema is that of a file made by Python."""
    questions = (
        "SELECT type, name, sql FROM sqlite_master ORDER BY name",
        "PRAGMA application_id",
        "PRAGMA user_version",
    )
    answers = []
    for file in (path, model):
        connection = sqlite3.connect(file)
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        _require(sound == "ok", file, f"damaged: {sound}")
        answers.append([connection.execute(question).fetchall() for question in questions])
        connection.close()
    _require(answers[0] == answers[1], path, f"another schema: {answers[0]}, expected {answers[1]}")

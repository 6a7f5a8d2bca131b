"""Gallery, on real SQLite files; search against a brute-force oracle, and processes killed for real."""

from __future__ import annotations

import base64
import json
import logging
import os
import random
import re
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge import gallery as gallery_module
from ghostface_edge.errors import GalleryError, ModelMismatchError, OptionError, UnknownPersonError
from ghostface_edge.gallery import Gallery, check_export
from ghostface_edge.matching import similarity
from ghostface_edge.types import Box, Face, Match, ModelIdentity, Person, Template, Threshold

MODEL = ModelIdentity("net-a", "float32", "yunet")
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
OTHER = ModelIdentity("net-b", "float32", "yunet")


def unit(*values: float, model: ModelIdentity = MODEL) -> Template:
    vector = np.array(values, np.float64)
    return Template((vector / np.linalg.norm(vector)).astype(np.float32), model)


def noise(count: int, size: int = 64, seed: int = 0) -> list[Template]:
    return [unit(*row) for row in np.random.default_rng(seed).standard_normal((count, size))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.db"


def file_bytes(path: Path) -> bytes:
    """Everything of a gallery that is on the disk."""
    return b"".join(part.read_bytes() for part in sorted(path.parent.glob(path.name + "*")))


class TestEnrolment:
    def test_what_was_enrolled_is_there_after_reopening(self, path: Path) -> None:
        first, second, third = noise(3)
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", first)
            gallery.enroll("bob", second, third)
        with Gallery.open(path, model=MODEL) as gallery:
            assert [(person.name, person.templates) for person in gallery.people()] == [("ada", 1), ("bob", 2)]
            assert len(gallery) == 2
            assert "ada" in gallery
            assert "eve" not in gallery
            assert gallery.search(third, top_k=1)[0].name == "bob"

    def test_faces_are_taken_too(self, path: Path) -> None:
        face = Face(Box(0, 0, 9, 9), 0.9, np.zeros((5, 2), np.float32), unit(3, 4).embedding, MODEL)
        with Gallery.open(path, model=MODEL) as gallery:
            assert gallery.enroll("ada", face).templates == 1
            assert gallery.search(face)[0].similarity == pytest.approx(1.0, abs=1e-7)

    def test_the_person_comes_back(self, path: Path) -> None:
        first, second, third = noise(3)
        with Gallery.open(path, model=MODEL) as gallery:
            person = gallery.enroll("ada", first, second)
            assert person == Person("ada", 2, person.enrolled_at, person.enrolled_at)
            time.sleep(0.002)
            later = gallery.enroll("ada", third)
            assert (later.templates, later.enrolled_at) == (3, person.enrolled_at)
            assert later.updated_at > person.updated_at
            assert gallery.people() == (later,)

    def test_times_are_utc(self, path: Path) -> None:
        before = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        with Gallery.open(path, model=MODEL) as gallery:
            stamp = gallery.enroll("ada", unit(1, 0)).enrolled_at
        assert before <= stamp[:19] <= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        assert stamp.endswith("Z")

    def test_what_lies_in_the_file(self, path: Path) -> None:
        """The documented schema, read as any other program would."""
        int8 = ModelIdentity("net-a", "int8", "scrfd")
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(3, 4, model=int8), unit(1, 0))
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA application_id").fetchone() == (0x47464E45,)
            assert connection.execute("PRAGMA user_version").fetchone() == (1,)
            assert connection.execute("SELECT model_id, leftovers FROM gallery").fetchall() == [("net-a", 0)]
            assert connection.execute("SELECT id, name FROM person").fetchall() == [(1, "ada")]
            rows = connection.execute("SELECT id, person_id, embedding, precision, detector FROM template").fetchall()
            assert rows == [
                (1, 1, struct.pack("<2f", 0.6, 0.8), "int8", "scrfd"),
                (2, 1, struct.pack("<2f", 1, 0), "float32", "yunet"),
            ]
        connection.close()

    def test_nothing_is_kept_of_an_enrolment_that_fails(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            for bad in (unit(1, 0, 0), unit(1, 0, model=OTHER), Template(np.array([2, 0], np.float32), MODEL)):
                with pytest.raises((ModelMismatchError, OptionError)):
                    gallery.enroll("ada", unit(1, 0), bad)
            assert gallery.people() == ()

    def test_another_size_than_the_gallery_s(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
            with pytest.raises(ModelMismatchError, match="of 3 numbers does not compare with others of 2"):
                gallery.enroll("bob", unit(1, 0, 0))
            with pytest.raises(ModelMismatchError, match="of 3 numbers does not compare with others of 2"):
                gallery.search(unit(1, 0, 0))
            assert len(gallery) == 1

    @pytest.mark.parametrize(
        "embedding",
        [[0, 0], [2, 0], [0.999, 0], [np.nan, 1], [np.inf, 0], [1e30, 1e30], [[1, 0]], 1, []],
    )
    def test_a_senseless_embedding(self, path: Path, embedding: Any) -> None:
        bad = Template(np.array(embedding, np.float32), MODEL)
        with Gallery.open(path, model=MODEL) as gallery:
            with pytest.raises(OptionError, match="length 1"):
                gallery.enroll("ada", bad)
            with pytest.raises(OptionError, match="length 1"):
                gallery.search(bad)

    def test_no_face_and_no_template(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            with pytest.raises(OptionError, match="no face was given for 'ada'"):
                gallery.enroll("ada")
            with pytest.raises(OptionError, match="not ndarray"):
                gallery.enroll("ada", np.zeros(2))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "name",
        ["", "a" * 201, "a\0b", "a\nb", "a\x1bb", "\x7f", "a\u2028b", "a\ud800", " ada", "ada ", "\t", None, 7, b"ada"],
    )
    def test_a_senseless_name(self, path: Path, name: Any) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            with pytest.raises(OptionError, match="name"):
                gallery.enroll(name, unit(1, 0))
            with pytest.raises(OptionError, match="name"):
                gallery.remove(name)
            assert name not in gallery

    @pytest.mark.parametrize(
        "name", ["a", "a" * 200, "Ada Lovelace", "Zoë", "李小龍", "O'Brien; DROP TABLE person", "👩‍🚀", "-"]
    )
    def test_names_of_the_world(self, path: Path, name: str) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll(name, unit(1, 0))
            assert gallery.search(unit(1, 0))[0].name == unicodedata.normalize("NFC", name)

    def test_two_spellings_of_one_name_are_one_person(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("Zoe\u0308", unit(1, 0))
            assert gallery.enroll("Zo\u00eb", unit(1, 0)).templates == 2
            assert "Zoe\u0308" in gallery
            gallery.remove("Zoe\u0308")
            assert len(gallery) == 0


def brute_force(people: dict[str, list[Template]], query: Template) -> list[tuple[str, float]]:
    """The definition of a search, in Python: best template per person, then by similarity, then by name."""
    found = []
    for name, templates in people.items():
        best = max(
            sum(float(a) * float(b) for a, b in zip(template.embedding, query.embedding)) for template in templates
        )
        found.append((name, best))
    return sorted(found, key=lambda item: (-round(item[1], 9), item[0]))


class TestSearch:
    def test_an_empty_gallery(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            assert gallery.search(unit(1, 0)) == ()

    def test_by_hand(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(0, 1), unit(3, 4))  # 0 and 0.6
            gallery.enroll("bob", unit(4, 3))  # 0.8
            gallery.enroll("eve", unit(-1, 0))  # -1
            found = gallery.search(unit(1, 0), top_k=5)
        assert [(match.name, match.template_id) for match in found] == [("bob", 3), ("ada", 2), ("eve", 4)]
        assert [match.similarity for match in found] == pytest.approx([0.8, 0.6, -1.0], abs=1e-7)
        assert all(match.threshold is None and match.match is None for match in found)

    def test_equal_similarities_are_sorted_by_name_and_template(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            for name in ("dan", "bob", "cat", "ada"):
                gallery.enroll(name, unit(0.6, 0.8), unit(0.6, 0.8))
            found = gallery.search(unit(1, 0), top_k=3)
        assert [(match.name, match.template_id) for match in found] == [("ada", 7), ("bob", 3), ("cat", 5)]
        assert len({match.similarity for match in found}) == 1

    @pytest.mark.parametrize("seed", range(12))
    def test_against_brute_force(self, path: Path, seed: int) -> None:
        rng = np.random.default_rng(seed)
        size = int(rng.integers(2, 70))
        people: dict[str, list[Template]] = {}
        pool = [unit(*row, model=MODEL) for row in rng.standard_normal((30, size))]
        with Gallery.open(path, model=MODEL) as gallery, gallery._write() as connection:  # one transaction: fast
            for number in range(int(rng.integers(1, 400))):
                count = int(rng.choice([1, 1, 1, 2, 5, 30]))
                held = [
                    pool[rng.integers(30)] if rng.random() < 0.2 else unit(*rng.standard_normal(size))
                    for _ in range(count)
                ]
                name = f"p{rng.integers(10**6):06d}-{number}"
                people[name] = held
                rows = [gallery_module._TemplateRow(item.embedding.tobytes(), "", "", "") for item in held]
                gallery._add(connection, name, "", "", rows)
        with Gallery.open(path, model=MODEL) as gallery:
            queries = [pool[0], pool[1], *(unit(*row) for row in rng.standard_normal((6, size)))]
            for query in queries:
                everybody = brute_force(people, query)
                for top_k in (1, 3, 10, 1000):
                    found, expected = gallery.search(query, top_k=top_k), everybody[:top_k]
                    assert [match.name for match in found] == [name for name, _ in expected]
                    assert [match.similarity for match in found] == pytest.approx([s for _, s in expected], abs=1e-6)

    def test_many_templates_of_few_people(self, path: Path) -> None:
        crowd = {name: noise(300, seed=seed) for seed, name in enumerate(("ada", "bob", "cat"))}
        with Gallery.open(path, model=MODEL) as gallery:
            for name, templates in crowd.items():
                gallery.enroll(name, *templates)
            for query in noise(5, seed=9):
                expected = brute_force(crowd, query)[:2]
                found = gallery.search(query, top_k=2)
                assert [match.name for match in found] == [name for name, _ in expected]

    def test_the_similarity_is_the_one_of_a_comparison(self, path: Path) -> None:
        people = noise(500, 512)
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("crowd", *people)
            for query in noise(20, 512, seed=5):
                (match,) = gallery.search(query)
                assert match.similarity == similarity(people[match.template_id - 1], query)
                assert match.similarity == max(similarity(person, query) for person in people)

    def test_more_rows_than_one_block(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gallery_module, "_BLOCK", 7)
        people = {f"p{number}": [template] for number, template in enumerate(noise(50))}
        with Gallery.open(path, model=MODEL) as gallery:
            for name, templates in people.items():
                gallery.enroll(name, *templates)
            query = noise(1, seed=3)[0]
            assert [match.name for match in gallery.search(query, top_k=50)] == [
                name for name, _ in brute_force(people, query)
            ]

    def test_a_threshold_marks_and_hides_nobody(self, path: Path) -> None:
        measured = Threshold(1e-3, 0.6, "yunet", 0.1, 10, 10, "LFW")
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(4, 3))
            gallery.enroll("bob", unit(0, 1))
            for threshold in (0.6, measured):
                found = gallery.search(unit(1, 0), threshold=threshold)
                assert [(match.name, match.threshold, match.match) for match in found] == [
                    ("ada", 0.6, True),
                    ("bob", 0.6, False),
                ]
                assert type(found[0].match) is bool

    def test_the_threshold_is_inclusive(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
            assert gallery.search(unit(1, 0), threshold=1.0)[0].match is True

    def test_numbers_may_be_numpy_scalars(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(4, 3))
            gallery.enroll("bob", unit(0, 1))
            (match,) = gallery.search(unit(1, 0), top_k=np.int64(1), threshold=np.float32(0.5))  # type: ignore[arg-type]
            assert len(gallery.search(unit(1, 0), top_k=np.int64(2**62))) == 2  # type: ignore[arg-type]
        assert (match.name, match.threshold, match.match) == ("ada", 0.5, True)
        assert json.loads(json.dumps(match.to_dict()))["threshold"] == 0.5

    @pytest.mark.parametrize("top_k", [0, -1, 1.0, True, np.True_, None, "3"])
    def test_a_senseless_top_k(self, path: Path, top_k: Any) -> None:
        with Gallery.open(path, model=MODEL) as gallery, pytest.raises(OptionError, match="top_k"):
            gallery.search(unit(1, 0), top_k=top_k)

    def test_a_senseless_threshold(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery, pytest.raises(OptionError, match="threshold"):
            gallery.search(unit(1, 0), threshold=1.5)

    def test_the_result_is_plain(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
            (match,) = gallery.search(unit(1, 0), threshold=0.3)
        assert isinstance(match, Match)
        assert json.loads(json.dumps(match.to_dict())) == {
            "name": "ada",
            "similarity": 1.0,
            "template_id": 1,
            "threshold": 0.3,
            "match": True,
        }

    def test_searches_see_every_write(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as one, Gallery.open(path, model=MODEL) as two:
            assert two.search(unit(1, 0)) == ()
            one.enroll("ada", unit(1, 0))
            assert [match.name for match in one.search(unit(1, 0))] == ["ada"]
            assert [match.name for match in two.search(unit(1, 0))] == ["ada"]
            two.enroll("bob", unit(0, 1))
            assert [match.name for match in one.search(unit(1, 0))] == ["ada", "bob"]
            one.remove("ada")
            assert [match.name for match in two.search(unit(1, 0))] == ["bob"]
            assert [match.name for match in one.search(unit(1, 0))] == ["bob"]

    def test_nothing_is_read_again_without_a_write(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", *noise(10))
            first = gallery._current_index()
            gallery.search(noise(1)[0])
            gallery.people()
            assert gallery._current_index() is first

    @pytest.mark.slow
    @pytest.mark.parametrize("threads", [ONE_THREAD, None], ids=["one thread", "as many as BLAS likes"])
    @pytest.mark.parametrize("templates", [1, 4, 100])
    def test_the_cost_is_that_of_the_product(self, path: Path, templates: int, threads: dict[str, str] | None) -> None:
        """10,000 x 512, top 5: at most 1.5 times the bare matrix-vector product, interleaved."""
        script = f"""
import time
import numpy as np
from ghostface_edge.gallery import Gallery, _TemplateRow
from ghostface_edge.types import ModelIdentity, Template
rng = np.random.default_rng(0)
rows = rng.standard_normal((10_000, 512)).astype(np.float32)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
query = Template(rows[17], ModelIdentity("net-a"))
with Gallery.open({str(path)!r}, model=query.model) as gallery:
    with gallery._write() as connection:
        for first in range(0, 10_000, {templates}):
            held = [_TemplateRow(row.tobytes(), "", "", "") for row in rows[first : first + {templates}]]
            gallery._add(connection, f"p{{first}}", "", "", held)
    gallery.search(query)
    bare, full = [], []
    for _ in range(500):
        start = time.perf_counter(); rows @ query.embedding; bare.append(time.perf_counter() - start)
        start = time.perf_counter(); gallery.search(query, top_k=5); full.append(time.perf_counter() - start)
print(np.percentile(full, 10) / np.percentile(bare, 10))  # the tenth: other programs only ever add
"""
        result = subprocess.run([sys.executable, "-c", script], env=threads, capture_output=True, text=True, check=True)
        assert float(result.stdout) <= 1.5


class TestRemoval:
    def test_everything_of_a_person_goes(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", *noise(3))
            gallery.enroll("bob", unit(*[1.0] * 64))
            gallery.remove("ada")
            assert [person.name for person in gallery.people()] == ["bob"]
            assert [match.name for match in gallery.search(noise(1)[0])] == ["bob"]

    def test_an_unknown_person(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
            with pytest.raises(UnknownPersonError, match=r"people\.db: nobody is called 'eve'"):
                gallery.remove("ada", "eve")
            assert "ada" in gallery
            with pytest.raises(OptionError, match="no name"):
                gallery.remove()
            gallery.remove("ada", "ada")
            assert len(gallery) == 0

    def test_no_byte_of_the_removed_is_left(self, path: Path) -> None:
        """Names and embeddings are looked for in the file and its log, while it is open and after it was closed."""
        templates = noise(400, 512)
        rng = random.Random(3)
        with Gallery.open(path, model=MODEL) as gallery:
            for start in range(0, 400, 2):  # pages are split all the time
                number = start // 2 * 77 % 200
                gallery.enroll(f"person-{number:03d}-" + "x" * rng.randrange(80), *templates[start : start + 2])
            people = [person.name for person in gallery.people()]
            gone = rng.sample(people, 60)
            embeddings: dict[str, list[bytes]] = {name: [] for name in people}
            rows = gallery._connection.execute(
                "SELECT name, embedding FROM template JOIN person ON person.id = template.person_id"
            )
            for name, embedding in rows.fetchall():
                embeddings[name].append(embedding)
            disk = file_bytes(path)
            assert all(name.encode() in disk for name in people)

            gallery.remove(*gone[:59])
            gallery.remove(gone[59])

            for disk in (file_bytes(path), None):
                if disk is None:
                    gallery.close()
                    disk = file_bytes(path)
                for name in gone:
                    assert name.encode() not in disk
                    assert not any(
                        part in disk for blob in embeddings[name] for part in (blob[:32], blob[-32:], blob[999:1031])
                    )
                kept = set(people) - set(gone)
                assert all(name.encode() in disk for name in kept)
                assert all(blob[:32] in disk for name in kept for blob in embeddings[name])

    def test_no_byte_is_left_where_pages_were_split(self, path: Path) -> None:
        """SQLite's secure_delete alone does not do it: names of 3 of 539 people would be left here."""
        rng = random.Random(0)
        with Gallery.open(path, model=MODEL) as gallery:
            live: set[str] = set()
            with gallery._write() as connection:
                for _ in range(3000):
                    if live and rng.random() < 0.4:
                        name = rng.choice(sorted(live))
                        live.remove(name)
                        connection.execute("DELETE FROM person WHERE name = ?", (name,))
                    else:
                        name = f"name{rng.randrange(10**9):09d}" + "y" * rng.randrange(180) + "."
                        live.add(name)
                        rows = [gallery_module._TemplateRow(rng.randbytes(256), "", "", "")] * rng.randrange(1, 4)
                        gallery._add(connection, name, "", "", rows)
            gallery.remove(live.pop())
            found = set(re.findall(rb"name\d{9}y*\.", file_bytes(path)))
        assert found == {name.encode() for name in live}

    def test_while_somebody_reads_the_old_state(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The removal is done and says that bytes are left; the next opening erases them."""
        monkeypatch.setattr(gallery_module, "BUSY_SECONDS", 0.05)
        ada, bob = noise(2)
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", ada)
            gallery.enroll("bob", bob)
            reader = sqlite3.connect(path, isolation_level=None)
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM person").fetchone()
            with pytest.raises(GalleryError, match="the removal is done, but bytes of the removed are still"):
                gallery.remove("ada")
            assert [person.name for person in gallery.people()] == ["bob"]
            assert ada.embedding.tobytes() in file_bytes(path)
            reader.close()
        with Gallery.open(path) as gallery:
            assert ada.embedding.tobytes() not in file_bytes(path)
            assert b"ada" not in file_bytes(path)
            assert gallery._connection.execute("SELECT leftovers FROM gallery").fetchone() == (0,)

    def test_leftovers_that_cannot_be_erased_do_not_keep_the_gallery_shut(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(gallery_module, "BUSY_SECONDS", 0.05)
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("bob", unit(1, 0))
            gallery._connection.execute("UPDATE gallery SET leftovers = 1")
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.WARNING), Gallery.open(path) as gallery:
            assert "bob" in gallery
        assert "bytes of the removed are still in the file" in caplog.text
        writer.close()

    def test_template_ids_are_never_used_twice(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
            gallery.remove("ada")
            gallery.enroll("bob", unit(1, 0))
            assert gallery.search(unit(1, 0))[0].template_id == 2


class TestModels:
    def test_another_model_is_refused_at_open(self, path: Path) -> None:
        Gallery.open(path, model=MODEL).close()
        with pytest.raises(ModelMismatchError, match=r"people\.db holds templates of model 'net-a'.*'net-b'"):
            Gallery.open(path, model=OTHER)

    def test_another_precision_is_not(self, path: Path) -> None:
        Gallery.open(path, model=MODEL).close()
        with Gallery.open(path, model=ModelIdentity("net-a", "int8", "scrfd")) as gallery:
            assert gallery.model_id == "net-a"

    def test_a_face_of_another_model_is_refused(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            with pytest.raises(ModelMismatchError, match=r"'net-a'.*'net-b'"):
                gallery.enroll("ada", unit(1, 0, model=OTHER))
            with pytest.raises(ModelMismatchError, match=r"'net-a'.*'net-b'"):
                gallery.search(unit(1, 0, model=OTHER))

    def test_an_existing_gallery_opens_without_a_model(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
        with Gallery.open(path) as gallery:
            assert gallery.model_id == "net-a"
            assert "ada" in gallery

    def test_a_new_gallery_needs_a_model(self, path: Path) -> None:
        with pytest.raises(GalleryError, match=r"people\.db: no such gallery. It is made when"):
            Gallery.open(path)
        assert not path.exists()
        path.touch()
        with pytest.raises(GalleryError, match="not a gallery yet"):
            Gallery.open(path)
        with Gallery.open(path, model=MODEL) as gallery:
            assert len(gallery) == 0

    def test_a_model_is_an_identity(self, path: Path) -> None:
        with pytest.raises(OptionError, match="not str"):
            Gallery.open(path, model="net-a")  # type: ignore[arg-type]

    def test_a_path_is_a_path(self, path: Path) -> None:
        for bad in (None, 5, ["people.db"]):
            words = f"a path is text or a pathlib.Path, not {type(bad).__name__}"
            with pytest.raises(OptionError, match=words):
                Gallery.open(bad, model=MODEL)  # type: ignore[arg-type]
            with Gallery.open(path, model=MODEL) as gallery:
                with pytest.raises(OptionError, match=words):
                    gallery.export(bad)  # type: ignore[arg-type]
                with pytest.raises(OptionError, match=words):
                    gallery.import_(bad)  # type: ignore[arg-type]


class TestBadFiles:
    def test_a_folder(self, tmp_path: Path) -> None:
        for model in (MODEL, None):
            with pytest.raises(GalleryError, match=str(tmp_path)):
                Gallery.open(tmp_path, model=model)

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(GalleryError, match=r"x\.db: its folder does not exist"):
            Gallery.open(tmp_path / "no" / "x.db", model=MODEL)

    def test_a_fifo(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.db")
        for model in (MODEL, None):
            with pytest.raises(GalleryError, match=r"pipe\.db: not a file"):
                Gallery.open(tmp_path / "pipe.db", model=model)

    def test_a_nul_in_the_path(self) -> None:
        for model in (MODEL, None):
            with pytest.raises(GalleryError, match="null"):
                Gallery.open("a\0.db", model=model)

    def test_a_place_where_nothing_can_be_written(self) -> None:
        with pytest.raises(GalleryError, match=r"/proc/people\.db"):
            Gallery.open("/proc/people.db", model=MODEL)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    def test_a_read_only_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "locked"
        folder.mkdir()
        Gallery.open(folder / "people.db", model=MODEL).close()
        folder.chmod(0o500)
        try:
            with pytest.raises(GalleryError, match="folder must be"), Gallery.open(folder / "people.db") as gallery:
                gallery.enroll("ada", unit(1, 0))
            with pytest.raises(GalleryError, match="Permission denied"):
                Gallery.open(folder / "new.db", model=MODEL)
        finally:
            folder.chmod(0o700)

    def test_a_text_file(self, path: Path) -> None:
        path.write_text("Dear diary, " * 100)
        with pytest.raises(GalleryError, match=r"people\.db: not a gallery"):
            Gallery.open(path, model=MODEL)
        assert path.read_text() == "Dear diary, " * 100

    def test_the_database_of_another_program_is_left_alone(self, path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE bookmark (url TEXT)")
        connection.close()
        before = path.read_bytes()
        with pytest.raises(GalleryError, match="an SQLite database, but not a gallery"):
            Gallery.open(path, model=MODEL)
        assert file_bytes(path) == before

    def test_a_newer_version(self, path: Path) -> None:
        Gallery.open(path, model=MODEL).close()
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 2")
        connection.close()
        with pytest.raises(GalleryError, match=r"version 2, and this program knows version 1\. Update"):
            Gallery.open(path, model=MODEL)

    @pytest.mark.parametrize(
        ("damage", "words"),
        [
            ("DELETE FROM gallery", "which model"),
            ("UPDATE gallery SET model_id = x'00'", "which model"),
            ("UPDATE template SET embedding = x'0000' WHERE id = 1", "templates are of 2 to 8 bytes"),
            ("UPDATE template SET embedding = x'00000000ff'", "not 1 numbers"),
            ("UPDATE template SET embedding = zeroblob(8) WHERE id = 1", "length 1"),
            ("UPDATE template SET embedding = x'0000c07f00000000' WHERE id = 1", "length 1"),  # NaN
            ("UPDATE template SET embedding = 'abcdefgh' WHERE id = 1", "not 2 numbers"),
            ("UPDATE person SET name = x'616461'", "not 2 numbers"),
            ("UPDATE template SET person_id = 99 WHERE id = 1", "1 templates belong to nobody"),
            ("DROP TABLE template", "no such table"),
        ],
    )
    def test_a_senseless_content(self, path: Path, damage: str, words: str) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0), unit(0, 1))
        with sqlite3.connect(path) as connection:
            connection.execute(damage)
        connection.close()
        with pytest.raises(GalleryError, match=words), Gallery.open(path, model=MODEL) as gallery:
            gallery.search(unit(1, 0))

    @pytest.mark.parametrize("value", [None, "text", 12345678, bytes(5)])
    def test_a_template_that_is_no_vector(self, path: Path, value: Any) -> None:
        """The schema forbids NULL, but a damaged file need not have this schema."""
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE template")
            connection.execute(
                "CREATE TABLE template (id INTEGER PRIMARY KEY, person_id, embedding, precision, detector, enrolled_at)"
            )
            connection.execute("INSERT INTO template VALUES (1, 1, ?, '', '', '')", (value,))
        connection.close()
        with Gallery.open(path) as gallery:
            for use in (lambda: gallery.enroll("bob", unit(0, 1)), lambda: gallery.search(unit(0, 1))):
                with pytest.raises(GalleryError, match="damaged"):
                    use()
            assert "bob" not in gallery

    def test_300_damaged_files(self, path: Path, tmp_path: Path) -> None:
        """Each ends in a GalleryError or a normal result."""
        with Gallery.open(path, model=MODEL) as gallery:
            for number, template in enumerate(noise(60)):
                gallery.enroll(f"person {number}", template)
        sound = path.read_bytes()
        rng = random.Random(5)
        victim = tmp_path / "victim.db"
        failed = 0
        for _ in range(300):
            data = bytearray(sound)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(rng.choice([100, len(data)]))] = rng.randrange(256)
            if rng.random() < 0.2:
                del data[rng.randrange(len(data)) :]
            victim.write_bytes(data)
            try:
                with Gallery.open(victim) as gallery:
                    gallery.search(noise(1)[0])
                    gallery.people()
                    gallery.enroll("new", noise(1)[0])
            except (GalleryError, ModelMismatchError):
                failed += 1
            for part in tmp_path.glob("victim.db*"):
                part.unlink()
        assert 50 < failed < 300  # both outcomes are exercised

    def test_held_by_another_program(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gallery_module, "BUSY_SECONDS", 0.05)
        with Gallery.open(path, model=MODEL) as gallery:
            writer = sqlite3.connect(path, isolation_level=None)
            writer.execute("BEGIN IMMEDIATE")
            with pytest.raises(GalleryError, match=r"people\.db: another program has held the gallery"):
                gallery.enroll("ada", unit(1, 0))
            writer.close()
            assert gallery.enroll("ada", unit(1, 0)).templates == 1

    def test_held_by_another_program_before_it_is_a_gallery(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gallery_module, "BUSY_SECONDS", 0.05)
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(GalleryError, match="another program has held the gallery"):
            Gallery.open(path, model=MODEL)
        writer.close()
        Gallery.open(path, model=MODEL).close()

    def test_a_closed_gallery(self, path: Path) -> None:
        gallery = Gallery.open(path, model=MODEL)
        gallery.close()
        gallery.close()
        for use in (
            gallery.people,
            lambda: len(gallery),
            lambda: "ada" in gallery,
            lambda: gallery.enroll("ada", unit(1, 0)),
            lambda: gallery.search(unit(1, 0)),
            lambda: gallery.remove("ada"),
        ):
            with pytest.raises(GalleryError, match=r"people\.db: the gallery is closed"):
                use()

    def test_a_full_disk(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", *noise(4, 512))
            (pages,) = gallery._connection.execute("PRAGMA page_count").fetchone()
            gallery._connection.execute(f"PRAGMA max_page_count = {pages}")
            with pytest.raises(GalleryError, match="disk is full"):
                gallery.enroll("bob", *noise(50, 512))
            assert [person.name for person in gallery.people()] == ["ada"]

    def test_a_new_gallery_is_for_its_owner_only(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
            for part in path.parent.glob("people.db*"):
                assert part.stat().st_mode & 0o077 == 0, part.name

    def test_repr(self, path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            assert repr(gallery) == f"Gallery({str(path)!r}, model_id='net-a')"


class TestExport:
    def test_what_is_written(self, path: Path, tmp_path: Path) -> None:
        int8 = ModelIdentity("net-a", "int8", "scrfd")
        with Gallery.open(path, model=MODEL) as gallery:
            bob = gallery.enroll("bob", unit(1, 0))
            ada = gallery.enroll("ada", unit(3, 4, model=int8), unit(0, 1))
            assert gallery.export(tmp_path / "people.jsonl") == 2
        lines = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text("utf-8").splitlines()]
        assert lines[0] == {
            "format": "ghostface-edge gallery",
            "version": 1,
            "model_id": "net-a",
            "people": 2,
            "templates": 3,
        }
        assert [line["name"] for line in lines[1:]] == ["ada", "bob"]
        assert lines[1] == {
            "name": "ada",
            "enrolled_at": ada.enrolled_at,
            "updated_at": ada.updated_at,
            "templates": [
                {
                    "embedding": base64.b64encode(struct.pack("<2f", 0.6, 0.8)).decode(),
                    "precision": "int8",
                    "detector": "scrfd",
                    "enrolled_at": ada.enrolled_at,
                },
                {
                    "embedding": base64.b64encode(struct.pack("<2f", 0, 1)).decode(),
                    "precision": "float32",
                    "detector": "yunet",
                    "enrolled_at": ada.enrolled_at,
                },
            ],
        }
        assert lines[2]["enrolled_at"] == bob.enrolled_at
        assert (tmp_path / "people.jsonl").stat().st_mode & 0o077 == 0

    def test_there_and_back(self, path: Path, tmp_path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("Zoë", *noise(3))
            gallery.enroll("ada", *noise(2, seed=4))
            gallery.export(tmp_path / "out.jsonl")
            people, query = gallery.people(), noise(1, seed=8)[0]
            found = [(match.name, match.similarity) for match in gallery.search(query)]
        with Gallery.open(tmp_path / "copy.db", model=MODEL) as copy:
            assert copy.import_(tmp_path / "out.jsonl") == 2
            assert copy.people() == people
            assert [(match.name, match.similarity) for match in copy.search(query)] == found
            copy.export(tmp_path / "again.jsonl")
        assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()

    def test_an_empty_gallery(self, path: Path, tmp_path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            assert gallery.export(tmp_path / "out.jsonl") == 0
            assert gallery.import_(tmp_path / "out.jsonl") == 0

    def test_an_older_export_is_replaced(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "out.jsonl").write_text("old")
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.export(tmp_path / "out.jsonl")
        assert "old" not in (tmp_path / "out.jsonl").read_text()
        assert {part.name for part in tmp_path.iterdir()} == {"people.db", "out.jsonl"}

    def test_a_failed_export_leaves_the_older_one_and_nothing_else(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "out.jsonl").write_text("old")
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
            gallery._connection.execute("UPDATE person SET name = x'ff'")
            with pytest.raises(GalleryError, match="damaged: text or an embedding is of another type"):
                gallery.export(tmp_path / "out.jsonl")
        assert (tmp_path / "out.jsonl").read_text() == "old"
        assert not list(tmp_path.glob(".export-*"))

    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
    def test_the_gallery_is_never_overwritten(self, path: Path, tmp_path: Path, suffix: str) -> None:
        (tmp_path / "link").symlink_to(str(path) + suffix)
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
            for target in (str(path) + suffix, tmp_path / "link"):
                with pytest.raises(GalleryError, match="cannot replace the gallery itself"):
                    gallery.export(target)
            assert "ada" in gallery

    @pytest.mark.parametrize("target", ["no/such/out.jsonl", "a\0b"])
    def test_a_place_where_nothing_can_be_written(self, path: Path, tmp_path: Path, target: str) -> None:
        with Gallery.open(path, model=MODEL) as gallery, pytest.raises(GalleryError, match="cannot be written"):
            gallery.export(str(tmp_path / target))


def line(**values: Any) -> str:
    return json.dumps(values) + "\n"


HEADER = {"format": "ghostface-edge gallery", "version": 1, "model_id": "net-a", "people": 1, "templates": 1}
STAMP = "2026-01-31T12:00:00.000Z"
TEMPLATE = {
    "embedding": base64.b64encode(struct.pack("<2f", 0.6, 0.8)).decode(),
    "precision": "float32",
    "detector": "yunet",
    "enrolled_at": STAMP,
}
ADA = {"name": "ada", "enrolled_at": STAMP, "updated_at": STAMP, "templates": [TEMPLATE]}


def vector(*values: float) -> dict[str, Any]:
    return {**TEMPLATE, "embedding": base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()}


class TestImport:
    def test_a_file_written_by_another_program(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "in.jsonl").write_text(line(**HEADER) + line(**ADA))
        with Gallery.open(path, model=MODEL) as gallery:
            assert gallery.import_(tmp_path / "in.jsonl") == 1
            assert gallery.people() == (Person("ada", 1, STAMP, STAMP),)
            assert gallery.search(unit(3, 4))[0].similarity == pytest.approx(1.0, abs=1e-7)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "not a gallery export"),
            ("hello\n", "line 1: not JSON"),
            ("[" * 100_000, "line 1: not JSON"),
            ("[1]\n", "line 1: not a JSON object"),
            ("\xff\xfe", "line 1: not JSON"),
            (line(**{**HEADER, "format": "x"}), "not a gallery export of version 1"),
            (line(**{**HEADER, "version": 2}), "not a gallery export of version 1"),
            (line(**HEADER), "cut short: 0 people with 0 templates, and its first line promises 1 with 1"),
            (line(**HEADER) + line(**ADA)[:-20], "line 2: not JSON"),
            (line(**HEADER) + line(**ADA) + line(**{**ADA, "name": "bob"}), "cut short: 2 people"),
            (line(**{**HEADER, "people": 2, "templates": 2}) + line(**ADA) * 2, "line 3: 'ada' is enrolled already"),
            (line(**HEADER) + line(**{**ADA, "name": "bob\n"}), "line 2: a missing or senseless value: name"),
            (line(**HEADER) + line(name="ada"), "line 2: a missing or senseless value: 'templates'"),
            (line(**HEADER) + line(**{**ADA, "templates": 3}), "line 2: a missing or senseless value"),
            (line(**HEADER) + line(**{**ADA, "templates": []}), "line 2: 'ada' has no template"),
            (
                line(**HEADER) + line(**{**ADA, "templates": [{**TEMPLATE, "embedding": "a"}]}),
                "line 2: a missing or sense",
            ),
            (
                line(**HEADER) + line(**{**ADA, "templates": [{**TEMPLATE, "embedding": "é"}]}),
                "line 2: a missing or sense",
            ),
            (
                line(**HEADER) + line(**{**ADA, "templates": [{**TEMPLATE, "embedding": "AAAA"}]}),
                "line 2: an embedding of",
            ),
            (line(**HEADER) + line(**{**ADA, "templates": [vector(0.0, 0.0)]}), "line 2: an embedding of 'ada'"),
            (line(**HEADER) + line(**{**ADA, "templates": [vector(float("nan"), 1)]}), "line 2: an embedding of 'ada'"),
            (line(**HEADER) + line(**{**ADA, "templates": [vector()]}), "line 2: an embedding of 'ada'"),
            (line(**HEADER) + line(**{**ADA, "templates": [{**TEMPLATE, "precision": 8}]}), "line 2: .*8 is not text"),
            (
                line(**HEADER)
                + line(**{**ADA, "templates": [{**TEMPLATE, "precision": "half"}]}).replace("half", "\\ud800"),
                "line 2: a missing or senseless value: .*surrogates not allowed",
            ),
            (line(**HEADER) + line(**{**ADA, "enrolled_at": "today"}), "line 2: .*'today' is not a time such as 2"),
        ],
    )
    def test_what_is_refused(self, path: Path, tmp_path: Path, text: str, words: str) -> None:
        (tmp_path / "in.jsonl").write_text(text, "latin-1" if text == "\xff\xfe" else "utf-8")
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("eve", unit(1, 0))
            with pytest.raises(GalleryError, match=words) as caught:
                gallery.import_(tmp_path / "in.jsonl")
            assert "in.jsonl" in str(caught.value)
            assert [person.name for person in gallery.people()] == ["eve"]
        with pytest.raises(GalleryError, match=words):
            check_export(tmp_path / "in.jsonl")

    def test_a_check_says_which_model_and_refuses_what_an_import_would(self, tmp_path: Path) -> None:
        export = tmp_path / "in.jsonl"
        export.write_text(line(**HEADER) + line(**ADA))
        assert check_export(export) == ModelIdentity("net-a")
        two = {**HEADER, "people": 2, "templates": 2}
        export.write_text(line(**two) + line(**ADA) + line(**ADA))
        with pytest.raises(GalleryError, match="line 3: 'ada' is enrolled already"):
            check_export(export)
        export.write_text(line(**two) + line(**ADA) + line(**{**ADA, "name": "bob", "templates": [vector(1, 0, 0)]}))
        with pytest.raises(ModelMismatchError, match="of 3 numbers does not compare with others of 2"):
            check_export(export)

    def test_another_model(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "in.jsonl").write_text(line(**{**HEADER, "model_id": "net-b"}) + line(**ADA))
        with Gallery.open(path, model=MODEL) as gallery, pytest.raises(ModelMismatchError, match=r"'net-a'.*'net-b'"):
            gallery.import_(tmp_path / "in.jsonl")

    def test_another_size(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "in.jsonl").write_text(line(**HEADER) + line(**ADA))
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("eve", unit(1, 0, 0))
            with pytest.raises(ModelMismatchError, match="of 2 numbers does not compare with others of 3"):
                gallery.import_(tmp_path / "in.jsonl")

    def test_people_are_never_merged(self, path: Path, tmp_path: Path) -> None:
        with Gallery.open(path, model=MODEL) as gallery:
            gallery.enroll("ada", unit(1, 0))
            gallery.export(tmp_path / "out.jsonl")
            gallery.enroll("bob", unit(0, 1))
            with pytest.raises(GalleryError, match=r"line 2: 'ada' is enrolled already.*Nobody was imported"):
                gallery.import_(tmp_path / "out.jsonl")
            assert [(person.name, person.templates) for person in gallery.people()] == [("ada", 1), ("bob", 1)]

    def test_a_line_without_an_end(self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gallery_module, "_EXPORT_LINE", 1_000)
        (tmp_path / "in.jsonl").write_text("x" * 2_000)
        with Gallery.open(path, model=MODEL) as gallery, pytest.raises(GalleryError, match="longer than 1000 bytes"):
            gallery.import_(tmp_path / "in.jsonl")

    def test_a_missing_file_a_folder_and_a_fifo(self, path: Path, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with Gallery.open(path, model=MODEL) as gallery:
            for source in (tmp_path / "none", tmp_path, tmp_path / "pipe"):
                with pytest.raises(GalleryError, match="no such file"):
                    gallery.import_(source)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_an_unreadable_file(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "in.jsonl").touch(0)
        with Gallery.open(path, model=MODEL) as gallery, pytest.raises(GalleryError, match="Permission denied"):
            gallery.import_(tmp_path / "in.jsonl")


class TestConcurrency:
    def test_one_gallery_for_many_threads(self, path: Path) -> None:
        templates = noise(80)
        start = threading.Barrier(8)

        def work(worker: int) -> None:
            start.wait()
            for number in range(worker, 80, 8):
                gallery.enroll(f"p{number}", templates[number])
                found = gallery.search(templates[number], top_k=1)
                assert found[0].name == f"p{number}"
                assert found[0].similarity == pytest.approx(1.0, abs=1e-6)
                if number % 20 == 0:
                    gallery.remove(f"p{number}")
                assert gallery.people()

        with Gallery.open(path, model=MODEL) as gallery, ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(work, worker) for worker in range(8)]:
                future.result()
            assert {person.name for person in gallery.people()} == {f"p{n}" for n in range(80) if n % 20}

    def test_several_processes_on_one_file(self, path: Path) -> None:
        """All create it, enrol into it and search it at the same time."""
        script = """
import sys
import numpy as np
from ghostface_edge.gallery import Gallery
from ghostface_edge.types import ModelIdentity, Template
worker = int(sys.argv[2])
model = ModelIdentity("net-a")
rng = np.random.default_rng(worker)
sys.stdin.readline()
for number in range(10):
    with Gallery.open(sys.argv[1], model=model) as gallery:
        vector = rng.standard_normal(64)
        template = Template((vector / np.linalg.norm(vector)).astype(np.float32), model)
        gallery.enroll(f"p{worker}-{number}", template)
        assert gallery.search(template, top_k=1)[0].name == f"p{worker}-{number}"
        if number == 5:
            gallery.remove(f"p{worker}-{number}")
"""
        workers = [
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", script, str(path), str(worker)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for worker in range(6)
        ]
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        for worker in workers:
            _, errors = worker.communicate(timeout=60)
            assert worker.returncode == 0, errors
        with Gallery.open(path, model=MODEL) as gallery:
            assert len(gallery) == 6 * 9


CREATE_SCRIPT = """
import os, sys
import numpy as np
from ghostface_edge.gallery import Gallery
from ghostface_edge.types import ModelIdentity, Template

model = ModelIdentity("net-a")
for round_number in range(15):
    path, children = f"{sys.argv[1]}-{round_number}", []
    for worker in range(8):
        children.append(os.fork())
        if children[-1] == 0:
            with Gallery.open(path, model=model) as gallery:
                gallery.enroll(f"p{worker}", Template(np.array([1, 0], np.float32), model))
            os._exit(0)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    with Gallery.open(path) as gallery:
        assert len(gallery) == 8
"""


def test_a_gallery_created_by_eight_processes_at_once(path: Path) -> None:
    subprocess.run(
        [sys.executable, "-W", "error", "-c", CREATE_SCRIPT, str(path)], env=ONE_THREAD, check=True, timeout=60
    )


KILL_SCRIPT = """
import os, random, signal, sqlite3, sys, time
import numpy as np
from ghostface_edge.gallery import Gallery
from ghostface_edge.types import ModelIdentity, Template

path, kills, model = sys.argv[1], int(sys.argv[2]), ModelIdentity("net-a")
rng = random.Random(11)

def enrol_forever(report, round_number):
    vectors = np.random.default_rng(round_number)
    with Gallery.open(path, model=model) as gallery:
        number = 0
        while True:
            rows = vectors.standard_normal((3, 64))
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            name = f"p{round_number:02d}-{number:04d}"
            gallery.enroll(name, *(Template(row.astype(np.float32), model) for row in rows))
            os.write(report, f"+{name}\\n".encode())
            if number % 7 == 6:
                os.write(report, f"?{name}\\n".encode())
                gallery.remove(name)
                os.write(report, f"-{name}\\n".encode())
            number += 1

for round_number in range(kills):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            enrol_forever(write, round_number)
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read) as stream:
        for _ in range(rng.randrange(12)):  # a busy machine makes this slower and not emptier
            print(stream.readline(), end="")
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, "the child failed by itself"
        print(stream.read(), end="")
    check = sqlite3.connect(path)
    print("=" + check.execute("PRAGMA integrity_check").fetchone()[0])
    check.close()
"""


def killed(path: Path, kills: int) -> list[str]:
    """What the children reported before they were killed: +name enrolled, ?name to be removed, -name removed."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", KILL_SCRIPT, str(path), str(kills)],
        env=ONE_THREAD,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_kill_9_during_enrolment(path: Path) -> None:
    """60 kills at random moments: nothing committed is lost, no half person, and the file stays sound."""
    kills = 60
    reports = killed(path, kills)
    assert reports.count("=ok") == kills
    assert sum(report.startswith("=") for report in reports) == kills
    enrolled = {report[1:] for report in reports if report[0] == "+"}
    doomed = {report[1:] for report in reports if report[0] == "?"}
    removed = {report[1:] for report in reports if report[0] == "-"}
    assert len(enrolled) > kills
    assert removed
    with Gallery.open(path, model=MODEL) as gallery:
        held = {person.name: person.templates for person in gallery.people()}
        assert enrolled - doomed <= held.keys()
        assert not removed & held.keys()
        assert len(held.keys() - enrolled) <= kills  # committed, and killed before the report
        assert set(held.values()) == {3}
        disk = file_bytes(path)
        assert all(name.encode() in disk for name in held)
        assert not any(name.encode() in disk for name in doomed - held.keys())

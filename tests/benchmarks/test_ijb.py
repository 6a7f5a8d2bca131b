"""IJB-B and IJB-C: their lists as published, lists that lie, and templates against a loop."""

from __future__ import annotations

import json
import math
import os
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.stats import binomtest
from sklearn.metrics import roc_curve
from sklearn.preprocessing import normalize

from ghostface_edge.benchmarks import ijb, ijb_lists
from ghostface_edge.benchmarks.enrolment import Enrolment, Failure
from ghostface_edge.benchmarks.ijb import evaluate_ijb, read_ijb, template_features
from ghostface_edge.benchmarks.ijb_lists import IjbLists
from ghostface_edge.benchmarks.photos import Photo
from ghostface_edge.benchmarks.system import SystemInfo
from ghostface_edge.errors import EvaluationError, OptionError
from ghostface_edge.types import FloatArray, ModelIdentity

SYSTEM = SystemInfo(ModelIdentity("net-a", "float32", ""), "net", "0" * 64, "LiteRT 2", "net.tflite", "1" * 64)

FACES = "46.060 62.026 87.785 60.323 68.851 77.656 52.162 99.875 86.450 98.648"
MEMBERS = ["1.jpg 1 69544", "2.jpg 1 50", "3.jpg 1 50", "4.jpg 7 69544", "5.jpg 11065 3"]
LANDMARKS = [f"{number}.jpg {FACES} {score}" for number, score in enumerate(("0.999", "0.5", "1", "0.1", "0.25"), 1)]
PAIRS = ["1 11065 1", "1 7 0", "11065 7 0", "7 1 0"]

PARTS = ("face_tid_mid", "name_5pts_score", "template_pair_label")


def write(folder: Path, lists: list[list[str]], *, prefix: str = "ijbb", end: str = "\n", tail: str = "") -> Path:
    for part, lines in zip(PARTS, lists):
        text = "".join(line + tail + end for line in lines)
        (folder / f"{prefix}_{part}.txt").write_bytes(text.encode())
    return folder


def enrolment(lists: IjbLists, vectors: Any, lost: tuple[int, ...] = ()) -> Enrolment:
    """Embeddings of the photos of lists; zeros for those that are lost."""
    embeddings = np.array(vectors, np.float32)
    embeddings[list(lost)] = 0
    enrolled = np.ones(len(embeddings), bool)
    enrolled[list(lost)] = False
    failures = tuple(Failure(lists.photos[row], "cannot be aligned") for row in lost)
    return Enrolment(SYSTEM, lists.photos, embeddings, enrolled, failures, 0.0, len(embeddings))


def at(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


# ---------------------------------------------------------------------------------------------------------------
# The layout


@pytest.mark.parametrize(("end", "tail"), [("\n", ""), ("\r\n", ""), ("\n", " "), ("\r\n", "\t  ")])
@pytest.mark.parametrize(("name", "prefix"), [("IJB-B", "ijbb"), ("IJB-C", "ijbc"), ("ijbc", "ijbc")])
def test_the_published_layout(tmp_path: Path, name: str, prefix: str, end: str, tail: str) -> None:
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS, PAIRS], prefix=prefix, end=end, tail=tail), name=name)
    assert lists.name == name
    assert [photo.path for photo in lists.photos] == ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]
    assert {photo.person for photo in lists.photos} == {""}
    assert lists.photos[4].landmarks == (
        46.060, 62.026, 87.785, 60.323, 68.851, 77.656, 52.162, 99.875, 86.450, 98.648,
    )  # fmt: skip
    assert lists.detector_scores == pytest.approx([0.999, 0.5, 1, 0.1, 0.25], abs=1e-7)
    assert lists.templates.tolist() == [1, 7, 11065]
    assert lists.image.tolist() == [0, 1, 2, 3, 4]
    assert lists.template.tolist() == [0, 0, 0, 1, 2]
    assert lists.media.tolist() == [69544, 50, 50, 69544, 3]
    assert (lists.a.tolist(), lists.b.tolist()) == ([0, 0, 2, 1], [2, 1, 1, 0])
    assert lists.same.tolist() == [True, False, False, False]
    assert {array.dtype for array in (lists.a, lists.b, lists.template, lists.media, lists.image)} == {
        np.dtype("int32")
    }
    assert len(lists) == 4


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n \r\n\t\n"])
def test_the_end_of_a_file(tmp_path: Path, ending: str) -> None:
    write(tmp_path, [MEMBERS, LANDMARKS, PAIRS])
    for part in PARTS:
        path = tmp_path / f"ijbb_{part}.txt"
        path.write_bytes(path.read_bytes().rstrip() + ending.encode())
    lists = read_ijb(tmp_path, name="IJB-B")
    assert (len(lists), len(lists.photos), len(lists.image)) == (4, 5, 5)


def test_the_lists_are_joined_by_name(tmp_path: Path) -> None:
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS[::-1], PAIRS]), name="IJB-B")
    assert [photo.path for photo in lists.photos] == ["5.jpg", "4.jpg", "3.jpg", "2.jpg", "1.jpg"]
    assert lists.image.tolist() == [4, 3, 2, 1, 0]
    assert lists.detector_scores[lists.image] == pytest.approx([0.999, 0.5, 1, 0.1, 0.25], abs=1e-7)


def test_an_image_may_be_in_two_templates_and_in_a_folder(tmp_path: Path) -> None:
    members = ["img/a_1.jpg 1 1", "img/a_1.jpg 2 1"]
    lists = read_ijb(write(tmp_path, [members, [f"img/a_1.jpg {FACES} 1"], ["1 2 1"]]), name="IJB-B")
    assert (lists.image.tolist(), lists.template.tolist()) == ([0, 0], [0, 1])


@given(
    st.lists(st.tuples(st.integers(0, 999_999_999), st.integers(0, 99), st.integers(0, 1)), min_size=1),
    st.integers(1, 64),
)
@settings(max_examples=60, deadline=None)
def test_numbers_are_read_as_int_reads_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int]], chunk: int
) -> None:
    rows = [(first, second + (first == second), label) for first, second, label in rows]
    numbers = sorted({number for row in rows for number in row[:2]})
    members = [f"{number}.jpg {number} 0" for number in numbers]
    landmarks = [f"{number}.jpg {FACES} 1" for number in numbers]
    folder = write(tmp_path_factory.mktemp("meta"), [members, landmarks, [f"{a}  {b}\t{c}" for a, b, c in rows]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ijb_lists, "_CHUNK", chunk)  # blocks end within lines, too
        lists = read_ijb(folder, name="IJB-B")
    assert [
        (a, b, int(same)) for a, b, same in zip(lists.templates[lists.a], lists.templates[lists.b], lists.same)
    ] == rows


# ---------------------------------------------------------------------------------------------------------------
# Lists that lie


@pytest.mark.parametrize(
    ("part", "line", "text", "message"),
    [
        (0, 2, "2.jpg 1", "line 2: expected 'IMAGE TEMPLATE MEDIA', found '2.jpg 1'"),
        (0, 2, "2.jpg 1 50 1", "line 2: expected 'IMAGE TEMPLATE MEDIA'"),
        (0, 2, "", "line 2: expected 'IMAGE TEMPLATE MEDIA', found ''"),
        (0, 2, "2.jpg -1 50", "line 2: expected"),
        (0, 2, "2.jpg 1.0 50", "line 2: expected"),
        (0, 2, "2.jpg 1_0 50", "line 2: expected"),
        (0, 2, "2.jpg \u0661 50", "line 2: expected"),  # an Arabic one
        (0, 2, "2.jpg 1 9999999999", "line 2: expected"),
        (0, 3, "9.jpg 1 50", "line 3: {landmarks} has no landmarks for '9.jpg'"),
        (0, 3, "2.jpg 1 51", "line 3: '2.jpg' is in template 1 already, by line 2"),
        (0, 5, "4.jpg 11065 3", "do not belong together: 1 of 5 images are in no template, '5.jpg' among them"),
        (1, 1, f"1.jpg {FACES}", "line 1: expected 'IMAGE x1 y1 ... x5 y5 SCORE'"),
        (1, 1, f"1.jpg {FACES} 1 1", "line 1: expected 'IMAGE x1 y1 ... x5 y5 SCORE'"),
        (1, 1, "", "line 1: expected 'IMAGE x1 y1 ... x5 y5 SCORE', found ''"),
        (1, 4, f"4.jpg {FACES} nan", "line 4: landmarks and score must be finite numbers"),
        (1, 4, f"4.jpg inf {FACES}", "line 4: landmarks and score must be finite numbers"),
        (1, 4, f"4.jpg {FACES} 1e999", "line 4: landmarks and score must be finite numbers"),
        (1, 4, f"4.jpg {FACES} 1_0", "line 4: landmarks and score must be finite numbers"),
        (1, 4, f"4.jpg {FACES} 0x1", "line 4: landmarks and score must be finite numbers"),
        (1, 4, f"4.jpg {FACES} 1.01", "line 4: the detector's score 1.01 is not between 0 and 1"),
        (1, 4, f"4.jpg {FACES} -0.1", "line 4: the detector's score -0.1"),
        (1, 4, f"3.jpg {FACES} 1", "line 4: '3.jpg' is there already, in line 3"),
        (2, 1, "1 11065", "line 1: expected 'TEMPLATE TEMPLATE LABEL'"),
        (2, 1, "1 11065 1 1", "line 1: expected 'TEMPLATE TEMPLATE LABEL'"),
        (2, 3, "", "line 3: expected 'TEMPLATE TEMPLATE LABEL', three numbers of at most nine digits, found ''"),
        (2, 3, "11065 7 2", "line 3: label 2 is neither 0 nor 1"),
        (2, 3, "11065 7 -1", "line 3: expected"),
        (2, 3, "11065 7 x", "line 3: expected"),
        (2, 3, "11065 7,0", "line 3: expected"),
        (2, 3, "11065 7 0.0", "line 3: expected"),
        (2, 3, "11065 4294967303 0", "line 3: expected"),  # 7 in 32 bits
        (2, 4, "7 8 0", "line 4: {members} has no image for template 8"),
        (2, 4, "99999 1 0", "line 4: {members} has no image for template 99999"),
        (2, 2, "0 1 0", "line 2: {members} has no image for template 0"),
        (2, 2, "7 7 1", "line 2: template 7 is paired with itself"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("chunk", [4 << 20, 16])
def test_a_broken_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int, line: int, text: str, message: str, chunk: int
) -> None:
    monkeypatch.setattr(ijb_lists, "_CHUNK", chunk)
    lists = [[*MEMBERS], [*LANDMARKS], [*PAIRS]]
    lists[part][line - 1] = text
    write(tmp_path, lists)
    members, landmarks, _ = (tmp_path / f"ijbb_{name}.txt" for name in PARTS)
    with pytest.raises(
        EvaluationError, match=re.escape(message.format(members=members, landmarks=landmarks))
    ) as caught:
        read_ijb(tmp_path, name="IJB-B")
    assert f"ijbb_{PARTS[part]}.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_that_swap_their_numbers_are_not_taken_for_others(tmp_path: Path) -> None:
    # As many numbers as there should be, in the wrong lines.
    write(tmp_path, [MEMBERS, LANDMARKS, ["1 11065 1", "1 7", "0 11065 7 0", "7 1 0"]])
    with pytest.raises(EvaluationError, match="line 2: expected"):
        read_ijb(tmp_path, name="IJB-B")
    write(tmp_path, [MEMBERS, LANDMARKS, ["1 11065 1 1", "7 0", "11065 7 0", "7 1 0"]])
    with pytest.raises(EvaluationError, match="line 1: expected"):
        read_ijb(tmp_path, name="IJB-B")


@pytest.mark.parametrize(
    "image",
    ["../1.jpg", "/etc/passwd", "a/../b.jpg", "a\\b.jpg", "C:x.jpg", ".hidden", "a//b", "a/", "~/x", "a\x1b.jpg"],
)
def test_no_image_leads_out_of_its_folder(tmp_path: Path, image: str) -> None:
    for part, text in ((0, f"{image} 1 1"), (1, f"{image} {FACES} 1")):
        lists = [[*MEMBERS], [*LANDMARKS], [*PAIRS]]
        lists[part][1] = text
        with pytest.raises(EvaluationError, match=r"line 2: .* is no image's name"):
            read_ijb(write(tmp_path, lists), name="IJB-B")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "there is no list"),
        (b"", "is empty"),
        (b" \n\r\n", "is empty"),
        (b"\xff\xfe\n", "cannot be read|line 1: expected"),
    ],
)
def test_no_list(tmp_path: Path, part: str, data: bytes | None, message: str) -> None:
    path = write(tmp_path, [MEMBERS, LANDMARKS, PAIRS]) / f"ijbb_{part}.txt"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(EvaluationError, match=message) as caught:
        read_ijb(tmp_path, name="IJB-B")
    assert str(path) in str(caught.value)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    path = write(tmp_path, [MEMBERS, LANDMARKS, PAIRS]) / "ijbb_template_pair_label.txt"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(EvaluationError, match="there is no list"):
        read_ijb(tmp_path, name="IJB-B")


@pytest.mark.parametrize("filling", [b"1", b"\n", b" "])
def test_a_file_without_lines_is_not_read_to_its_end(tmp_path: Path, filling: bytes) -> None:
    path = write(tmp_path, [MEMBERS, LANDMARKS, PAIRS]) / "ijbb_template_pair_label.txt"
    with path.open("wb") as stream:
        for _ in range(24):
            stream.write(filling * (1 << 20))
    tracemalloc.start()
    with pytest.raises(EvaluationError, match="is no list: it has a line, or blank lines, of"):
        read_ijb(tmp_path, name="IJB-B")
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["", "../IJB-B", "IJB B", "a/b", "-", "1jb", "IJB-B\n"])
def test_a_name_that_names_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match="is not the name of a data set"):
        read_ijb(tmp_path, name=name)


# ---------------------------------------------------------------------------------------------------------------
# Templates


def random_lists(rng: np.random.Generator, templates: int, pairs: int) -> IjbLists:
    """Templates of 1 to 12 images from 1 to 4 media, with gaps in all numbers, in no order."""
    numbers = np.sort(rng.choice(10 * templates, templates, replace=False)).astype(np.int32)
    sizes = rng.integers(1, 13, templates)
    template = np.repeat(np.arange(templates, dtype=np.int32), sizes)
    rng.shuffle(template)
    count = len(template)
    a = rng.integers(0, templates, pairs).astype(np.int32)
    b = ((a + rng.integers(1, templates, pairs)) % templates).astype(np.int32)
    return IjbLists(
        "IJB-T",
        tuple(Photo("", f"{row}.jpg", (float(row),) * 10) for row in range(count)),
        rng.uniform(0.1, 1, count).astype(np.float32),
        numbers,
        rng.permutation(count).astype(np.int32),
        template,
        (rng.integers(0, 4, count) * 1000).astype(np.int32),
        a,
        b,
        rng.random(pairs) < 0.3,
    )


def features_by_hand(lists: IjbLists, faces: Enrolment, *, detector_score: bool) -> FloatArray:
    """The sum over media of the mean within each, template by template and medium by medium."""
    result = np.zeros((len(lists.templates), faces.embeddings.shape[1]))
    for number in range(len(lists.templates)):
        media: dict[int, list[Any]] = {}
        for image, template, medium in zip(lists.image, lists.template, lists.media):
            if template == number and faces.enrolled[image]:
                weight = float(lists.detector_scores[image]) if detector_score else 1.0
                media.setdefault(int(medium), []).append(faces.embeddings[image].astype(np.float64) * weight)
        for vectors in media.values():
            result[number] += np.mean(vectors, axis=0)
    return normalize(result)  # of scikit-learn, which leaves zeros alone


@pytest.mark.parametrize("detector_score", [False, True])
@pytest.mark.parametrize("images", [8192, 5])
def test_features_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch, detector_score: bool, images: int) -> None:
    monkeypatch.setattr(ijb, "_IMAGES", images)
    rng = np.random.default_rng(images)
    lists = random_lists(rng, 60, 10)
    vectors = normalize(rng.normal(size=(len(lists.photos), 16)))
    lost = np.flatnonzero(rng.random(len(vectors)) < 0.3)
    lost = np.union1d(lost, lists.image[lists.template == 7])  # all of one template
    faces = enrolment(lists, vectors, tuple(lost.tolist()))
    features, found = template_features(faces, lists, detector_score=detector_score)
    assert not found[7]
    assert features == pytest.approx(features_by_hand(lists, faces, detector_score=detector_score), abs=1e-7)
    assert np.array_equal(found, features.any(axis=1))


def test_a_long_video_weighs_as_much_as_a_photo_by_hand(tmp_path: Path) -> None:
    # Template 1: a photo at 0 degrees and a video with two frames at 90: (1, 0) + (0, 1), at 45 degrees.
    # Template 7: one photo at 45 degrees; template 11065: at 135.
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS, PAIRS]), name="IJB-B")
    faces = enrolment(lists, [at(0), at(90), at(90), at(45), at(135)])
    features, found = template_features(faces, lists)
    assert features == pytest.approx(np.array([at(45), at(45), at(135)]), abs=1e-7)
    assert found.all()
    # Weighted by 0.999, 0.5 and 1: (0.999, 0) + (0, 0.75).
    weighted, _ = template_features(faces, lists, detector_score=True)
    assert weighted[0] == pytest.approx(np.array([0.999, 0.75]) / math.hypot(0.999, 0.75), abs=1e-6)
    scores = evaluate_ijb(faces, lists).scores
    assert scores.genuine == pytest.approx([0], abs=1e-7)
    assert scores.impostor == pytest.approx([0, 1, 1], abs=1e-7)


def test_a_template_without_an_image_fails_all_its_comparisons(tmp_path: Path) -> None:
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS, PAIRS]), name="IJB-B")
    faces = enrolment(lists, [at(0), at(90), at(90), at(45), at(0)], lost=(0, 3))
    result = evaluate_ijb(faces, lists)
    # Of template 1 the video is left, at 90 degrees; template 7 is lost.
    assert result.failed_templates == (7,)
    assert (result.failed_genuine, result.failed_impostor) == (0, 3)
    assert [failure.photo.path for failure in result.failures] == ["1.jpg", "4.jpg"]
    assert result.scores.genuine == pytest.approx([0], abs=1e-7)
    assert result.scores.impostor.tolist() == [-1, -1, -1]
    lost_genuine = evaluate_ijb(enrolment(lists, [at(0), at(90), at(90), at(45), at(0)], lost=(4,)), lists)
    assert (lost_genuine.failed_genuine, lost_genuine.failed_impostor) == (1, 1)
    assert lost_genuine.scores.genuine.tolist() == [-1]


def test_embeddings_that_cancel_are_no_template(tmp_path: Path) -> None:
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS, PAIRS]), name="IJB-B")
    faces = enrolment(lists, [[1, 0], [-1, 0], [-1, 0], [0, 1], [1, 0]])
    assert evaluate_ijb(faces, lists).failed_templates == (1,)


@pytest.mark.parametrize("rows", [256, 3])
def test_similarities_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(ijb, "_ROWS", rows)
    rng = np.random.default_rng(rows)
    for pairs, swap in ((2, False), (40, False), (3000, False), (3000, True)):
        lists = random_lists(rng, 50, pairs)
        same = lists.same.copy()
        same[:2] = True, False
        a, b = lists.a, 40 + lists.b % 10  # few templates on one side, as in IJB
        a = np.where(a == b, 0, a).astype(np.int32)
        lists = IjbLists(**{**vars(lists), "same": same, "a": b if swap else a, "b": a if swap else b})
        faces = enrolment(lists, normalize(rng.normal(size=(len(lists.photos), 16))))
        features = features_by_hand(lists, faces, detector_score=False)
        expected = [float(np.dot(features[a], features[b])) for a, b in zip(lists.a, lists.b)]
        scores = evaluate_ijb(faces, lists).scores
        assert scores.genuine == pytest.approx(np.sort(np.array(expected)[same]), abs=1e-7)
        assert scores.impostor == pytest.approx(np.sort(np.array(expected)[~same]), abs=1e-7)


def test_tar_at_far_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(12)
    lists = random_lists(rng, 300, 40_000)
    person = rng.integers(0, 60, len(lists.templates))
    vectors = rng.normal(size=(60, 32))[person[lists.template[np.argsort(lists.image)]]]
    vectors = normalize(vectors + 2.5 * rng.normal(size=vectors.shape))
    lists = IjbLists(**{**vars(lists), "same": person[lists.a] == person[lists.b]})
    faces = enrolment(lists, vectors)
    result = evaluate_ijb(faces, lists)
    features = features_by_hand(lists, faces, detector_score=False)
    fpr, tpr, _ = roc_curve(lists.same, np.sum(features[lists.a] * features[lists.b], axis=1), drop_intermediate=False)
    assert [point.fmr for point in result.rates.points] == [0.1, 0.01, 0.001, 0.0001]
    for point in result.rates.points:
        best = tpr[fpr <= point.fmr].max()
        # Thresholds have six decimals: a genuine score within a millionth may be lost.
        assert point.true_matches.value == pytest.approx(best, abs=1.5 / result.rates.genuine)
    assert 0.1 < result.rates.points[-1].true_matches.value < result.rates.points[0].true_matches.value < 1


def test_the_order_of_the_enrolment_does_not_matter(tmp_path: Path) -> None:
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS, PAIRS]), name="IJB-B")
    faces = enrolment(lists, [at(0), at(90), at(70), at(45), at(135)], lost=(1,))
    extra = Photo("", "other.jpg")
    order = [3, 0, 4, 2, 1]
    shuffled = Enrolment(
        SYSTEM,
        (extra, *(faces.photos[row] for row in order)),
        np.concatenate([faces.embeddings[:1], faces.embeddings[order]]),
        np.concatenate([[True], faces.enrolled[order]]),
        faces.failures,
        0.0,
        0,
    )
    expected, _ = template_features(faces, lists)
    features, _ = template_features(shuffled, lists)
    assert features.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda faces: {"photos": (Photo("", "x.jpg"), *faces.photos[1:])},
            "1 of the 5 images of IJB-B .* '1.jpg' among",
        ),
        (lambda faces: {"embeddings": faces.embeddings * np.nan}, "not all finite"),
    ],
)
def test_an_enrolment_that_does_not_fit(
    tmp_path: Path, change: Callable[[Enrolment], dict[str, Any]], message: str
) -> None:
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS, PAIRS]), name="IJB-B")
    faces = enrolment(lists, [at(0), at(90), at(90), at(45), at(135)])
    with pytest.raises(EvaluationError, match=message):
        evaluate_ijb(Enrolment(**{**vars(faces), **change(faces)}), lists)


def people_of(templates: int, genuine: list[tuple[int, int]], impostor: list[tuple[int, int]]) -> list[int] | None:
    pairs = np.array([*genuine, *impostor], np.int32).reshape(-1, 2)
    same = np.arange(len(pairs)) < len(genuine)
    none = np.zeros(0, np.int32)
    numbers = np.arange(templates, dtype=np.int32)
    lists = IjbLists("IJB-T", (), np.zeros(0, np.float32), numbers, none, none, none, *pairs.T.copy(), same)
    person = ijb._people(lists)
    return None if person is None else person.tolist()


def test_who_is_who_by_hand() -> None:
    assert people_of(6, [(5, 2), (2, 4), (3, 1)], [(0, 1), (5, 3)]) == [0, 1, 2, 1, 2, 2]
    assert people_of(3, [], [(0, 1)]) == [0, 1, 2]
    # 0, 1 and 2 are of one person, and 0 and 2 of two.
    assert people_of(3, [(0, 1), (2, 1)], [(0, 2)]) is None


def test_people_are_the_connected_components_of_genuine_comparisons() -> None:
    rng = np.random.default_rng(14)
    for templates in (2, 10, 500):
        edges = rng.integers(0, templates, (templates * 2 // 3, 2))
        _, expected = connected_components(coo_matrix((np.ones(len(edges)), edges.T), (templates, templates)), False)
        person = people_of(templates, [(int(a), int(b)) for a, b in edges], [])
        assert person is not None
        assert len({*zip(person, expected.tolist())}) == len({*person}) == len({*expected.tolist()})
    chain = rng.permutation(3000)  # the longest way that there is
    assert people_of(3000, list(zip(chain[:-1].tolist(), chain[1:].tolist())), []) == [0] * 3000


def test_people_widen_the_intervals(tmp_path: Path) -> None:
    # A person of many templates is lost in all its genuine comparisons: one bad person, not ten bad comparisons.
    members = [f"{number}.jpg {number} 1" for number in range(1, 61)]
    landmarks = [f"{number}.jpg {FACES} 1" for number in range(1, 61)]
    genuine = [f"{10 * person + 1} {10 * person + other} 1" for person in range(6) for other in range(2, 11)]
    impostor = [
        f"{10 * person + 1} {number} 0"
        for person in range(6)
        for number in range(1, 61)
        if (number - 1) // 10 != person
    ]
    lists = read_ijb(write(tmp_path, [members, landmarks, [*genuine, *impostor]]), name="IJB-B")
    vectors = np.eye(70)[[number // 10 if number < 50 else number for number in range(60)]]
    result = evaluate_ijb(enrolment(lists, vectors), lists)
    assert (result.people, result.rates.people) == (6, 6)
    point = result.rates.points[0]
    assert (point.true_matches.count, point.true_matches.total) == (45, 54)
    expected = binomtest(45, 54).proportion_ci(0.95, method="wilson")
    assert point.tar_interval.low < expected.low - 0.1


def test_a_list_that_contradicts_itself_knows_nobody(tmp_path: Path) -> None:
    pairs = [*PAIRS, "1 7 1", *["7 11065 0"] * 40]
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS, pairs]), name="IJB-B")
    result = evaluate_ijb(enrolment(lists, [at(0), at(90), at(90), at(45), at(135)]), lists)
    assert (result.people, result.rates.people) == (None, None)
    assert "impostor comparisons, people unknown: EER" in result.to_text()


@pytest.mark.parametrize(("label", "kind"), [("0", "genuine"), ("1", "impostor")])
def test_one_kind_of_comparison(tmp_path: Path, label: str, kind: str) -> None:
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS, [f"1 7 {label}"]]), name="IJB-B")
    with pytest.raises(EvaluationError, match=f"no {kind} comparisons"):
        evaluate_ijb(enrolment(lists, [at(0)] * 5), lists)


def test_reports(tmp_path: Path) -> None:
    pairs = ["1 11065 1", *["1 7 0"] * 40]
    lists = read_ijb(write(tmp_path, [MEMBERS, LANDMARKS, pairs]), name="IJB-B")
    result = evaluate_ijb(enrolment(lists, [at(0), at(0), at(0), at(90), at(60)], lost=(1,)), lists)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert (plain["name"], plain["images"], plain["templates"], plain["failed_templates"]) == ("IJB-B", 5, 3, [])
    assert plain["failures"] == [{"photo": "2.jpg", "reason": "cannot be aligned"}]
    assert plain["rates"]["points"][0]["threshold"] == 0.000001
    text = result.to_text().splitlines()
    assert text[0] == "IJB-B, 1:1 verification of templates: net float32, aligned, LiteRT 2"
    assert text[2].startswith("1 genuine and 40 impostor comparisons, 2 people: EER 0.00%")
    assert text[-1].startswith("    0.1     0.0000  100.00%  ")


# ---------------------------------------------------------------------------------------------------------------
# Size


@pytest.mark.slow
def test_two_million_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(13)
    templates, count = 12_115, 2_000_000
    members = [f"{number}.jpg {number} {number}" for number in range(1, templates + 1)]
    landmarks = [f"{number}.jpg {FACES} 0.999" for number in range(1, templates + 1)]
    a, b = rng.integers(1, 1846, count), rng.integers(1846, templates + 1, count)
    same = rng.random(count) < 0.01
    pairs = [f"{first} {second} {label:d}" for first, second, label in zip(a.tolist(), b.tolist(), same.tolist())]
    write(tmp_path, [members, landmarks, pairs])
    start = time.perf_counter()
    lists = read_ijb(tmp_path, name="IJB-B")
    assert time.perf_counter() - start < 30
    assert np.array_equal(lists.templates[lists.a], a)
    assert np.array_equal(lists.templates[lists.b], b)
    assert np.array_equal(lists.same, same)

"""A folder per person: which photos it has, and pairs that are drawn fairly and always the same."""

from __future__ import annotations

import itertools
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghostface_edge.benchmarks.folder import people_photos, sampled_pairs
from ghostface_edge.benchmarks.pairs import Pairs
from ghostface_edge.benchmarks.photos import Photo, PhotoFolder
from ghostface_edge.errors import EvaluationError, OptionError


def fill(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


def crowd(*sizes: int) -> list[Photo]:
    return [Photo(f"p{i:03d}", f"p{i:03d}/{j:02d}.jpg") for i, size in enumerate(sizes) for j in range(size)]


def listed(pairs: Pairs) -> list[tuple[Photo, Photo, bool, int]]:
    assert pairs.fold is not None
    return [
        (pairs.photos[a], pairs.photos[b], bool(same), int(fold))
        for a, b, same, fold in zip(pairs.a, pairs.b, pairs.same, pairs.fold)
    ]


# ----------------------------------------------------------------------------------------------------------------
# Photos


def test_pictures_by_their_ending(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = [
        "Ann/1.jpg", "Ann/2.JPEG", "Ann/3.Png", "Ann/4.webp", "Ann/5.bmp", "Ann/6.gif", "Ann/7.tif", "Ann/8.TIFF",
        "Bo Jr. III/a photo.of bo.jpg", "Zoë/顔　写真.png", "bo/10.jpg", "bo/9.jpg",
    ]  # fmt: skip
    skipped = [
        "Ann/.hidden.jpg", "Ann/._1.jpg", "Ann/notes.txt", "Ann/jpg", "Ann/x.heic", "Ann/sub/1.jpg",
        ".git/1.jpg", "pairs.txt", ".DS_Store", ".loose.jpg",
    ]  # fmt: skip
    fill(tmp_path, *good, *skipped, "Nobody/readme")
    (tmp_path / "Empty").mkdir()
    (tmp_path / "Ann" / "folder.jpg").mkdir()
    with caplog.at_level(logging.WARNING):
        photos = people_photos(tmp_path)
    assert [photo.path for photo in photos] == sorted(good)
    assert all(photo.person == photo.path.split("/")[0] for photo in photos)
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: skipped 12 entries that are hidden, no photos by their ending, or no files",
        f"{tmp_path}: 2 people's folders have no photo",
    ]
    PhotoFolder(tmp_path).check(photos)


def test_no_warning_where_all_is_well(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(people_photos(fill(tmp_path, "a/1.jpg", "b/1.jpg"))) == 2
    assert not caplog.records


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "photos of 0 people, and comparing takes two"),
        (["Ann/1.jpg", "Ann/2.jpg", "Bo/1.txt"], "photos of 1 people"),
        (["Ann/1.jpg", "Bo/1.jpg", "x.jpg", "y.PNG"], "2 photos lie in the folder itself, 'x.jpg' among them"),
        (["1.jpg", "2.jpg"], "2 photos lie in the folder itself"),
        (["Ann/1.jpg", "Bo\\Jr/1.jpg"], r"'Bo\\\\Jr' is no path.* Rename"),
        (["Ann/1\n.jpg", "Bo/1.jpg"], r"'1\\n.jpg' is no path"),
        (["Ann/1.jpg", os.fsdecode(b"Bo\xff/1.jpg")], r"'Bo\\udcff' is no path"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path: Path, paths: Sequence[str], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        people_photos(fill(tmp_path, *paths))


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root, message in ((tmp_path / "none", "No such file"), (tmp_path / "file", "Not a directory"), ("a\0b", "")):
        with pytest.raises(EvaluationError, match=f"cannot be read as a folder of people: .*{message}"):
            people_photos(root)


def test_links(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", "Ann/1.jpg", "Bo/1.jpg", ".store/2.jpg")
    fill(tmp_path, "root2/Cy/1.jpg", "secret.jpg")
    (root / "Bo" / "2.jpg").symlink_to("../.store/2.jpg")
    (tmp_path / "way").symlink_to(root)
    assert [photo.path for photo in people_photos(tmp_path / "way")] == ["Ann/1.jpg", "Bo/1.jpg", "Bo/2.jpg"]
    for place, target in (
        ("Ann/out.jpg", tmp_path / "secret.jpg"),
        ("Ann/up.jpg", "../../secret.jpg"),
        ("Cy", tmp_path / "root2" / "Cy"),
        ("Ann/broken.jpg", "/nowhere"),
    ):
        (root / place).symlink_to(target)
        with pytest.raises(EvaluationError, match=f"link '{Path(place).name}' leads out of the folder"):
            people_photos(root)
        (root / place).unlink()
    (root / "Ann" / "loop").symlink_to("..")  # no folder inside a person's folder is entered
    (root / "Ann" / "nothing.jpg").symlink_to("missing.jpg")
    assert len(people_photos(root)) == 3
    (root / "Ann" / "round.jpg").symlink_to("round.jpg")
    with pytest.raises(EvaluationError, match="cannot be read as a folder of people: Too many levels of symbolic"):
        people_photos(root)


@pytest.mark.parametrize("kind", ["symbolic", "hard", "folder"])
def test_one_file_under_two_names(tmp_path: Path, kind: str) -> None:
    root = fill(tmp_path, "Ann/1.jpg", "Bo/1.jpg")
    if kind == "symbolic":
        (root / "Bo" / "2.jpg").symlink_to("../Ann/1.jpg")
    elif kind == "hard":
        os.link(root / "Ann" / "1.jpg", root / "Bo" / "2.jpg")
    else:
        (root / "Zoe").symlink_to("Ann")
    with pytest.raises(EvaluationError, match=r"'Ann/1.jpg' and '(Bo/2|Zoe/1).jpg' are one file"):
        people_photos(root)


# ----------------------------------------------------------------------------------------------------------------
# Pairs


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("sizes", "count", "folds"),
    [
        ([1] * 40 + [2] * 40 + [3] * 20 + [9, 40], 200, 10),
        ([2] * 20, 20, 10),
        ([2, 2, 1, 1], 4, 2),
        ([5] * 12, 60, 3),
    ],
)
def test_the_protocol(sizes: list[int], count: int, folds: int, seed: int) -> None:
    photos = crowd(*sizes)
    pairs = sampled_pairs(photos, count, seed=seed, folds=folds, name="mine, seed 0")
    rows = listed(pairs)
    assert pairs.name == "mine, seed 0"
    assert Counter((fold, same) for _, _, same, fold in rows) == {
        (fold, same): count // (2 * folds) for fold in range(folds) for same in (True, False)
    }
    assert len({frozenset((a, b)) for a, b, _, _ in rows}) == count  # each at most once
    assert all((a.person == b.person) == same and a != b for a, b, same, _ in rows)
    where: dict[str, set[int]] = {}
    for a, b, _, fold in rows:
        where.setdefault(a.person, set()).add(fold)
        where.setdefault(b.person, set()).add(fold)
    assert all(len(found) == 1 for found in where.values())  # nobody is in two folds
    assert set(pairs.photos) <= set(photos)


def test_the_same_pairs_everywhere() -> None:
    """By hand from random.Random(7): .3238 .1508 .6509 .0724 | .5359 .3657 .0580 .5074 | .0375 .4336 .0699 .0907."""
    photos = crowd(2, 2, 2, 2)
    # The first four break the ties in size: p003, p001, p000, p002. Dealt: p003 and p000 to fold 0, the others to 1.
    # Fold 0: int(.5359 * 2) is the second person, with one pair; then the one couple, int(.5074 * 4) = 2 of its
    # pairs: the first person's second photo, the second person's first. Fold 1 likewise: first person; pair 0.
    assert listed(sampled_pairs(photos, 4, seed=7, folds=2, name="x")) == [
        (Photo("p000", "p000/00.jpg"), Photo("p000", "p000/01.jpg"), True, 0),
        (Photo("p003", "p003/01.jpg"), Photo("p000", "p000/00.jpg"), False, 0),
        (Photo("p001", "p001/00.jpg"), Photo("p001", "p001/01.jpg"), True, 1),
        (Photo("p001", "p001/00.jpg"), Photo("p002", "p002/00.jpg"), False, 1),
    ]


def test_order_and_repetition_do_not_matter() -> None:
    photos = crowd(*[3] * 30)
    first = listed(sampled_pairs(photos, 100, seed=3, name="x"))
    assert first == listed(sampled_pairs(photos[::-1], 100, seed=3, name="y"))
    assert first != listed(sampled_pairs(photos, 100, seed=4, name="x"))


@pytest.mark.parametrize("seed", range(3))
def test_all_that_there_is(seed: int) -> None:
    """The most pairs that the message promises can be drawn, and are then all pairs of the poorest kind."""
    photos = crowd(4, 4, 3, 3)  # dealt 4 + 3 and 4 + 3: 9 genuine and 12 impostor pairs in each fold
    with pytest.raises(EvaluationError, match=r"40 pairs in 2 folds are asked for, and these photos give 36 at most"):
        sampled_pairs(photos, 40, seed=seed, folds=2, name="x")
    rows = listed(sampled_pairs(photos, 36, seed=seed, folds=2, name="x"))
    genuine = {frozenset((a, b)) for a, b, same, _ in rows if same}
    people = itertools.groupby(photos, key=lambda photo: photo.person)
    assert genuine == {frozenset(pair) for _, own in people for pair in itertools.combinations(own, 2)}
    few = crowd(*[9] * 4)  # 2 people a fold: 72 genuine, 81 impostor pairs
    rows = listed(sampled_pairs(few, 288, seed=seed, folds=2, name="x"))
    assert len({frozenset((a, b)) for a, b, _, _ in rows}) == 288


def test_draws_are_fair() -> None:
    """People are drawn alike, however many photos they have; so are two people, and the photos of each."""
    photos = crowd(2, 3, 30, 5)
    persons: Counter[str] = Counter()
    couples: Counter[frozenset[str]] = Counter()
    chosen: Counter[Photo] = Counter()
    for seed in range(3000):
        rows = listed(sampled_pairs([*photos, *crowd(*[2] * 8)[8:]], 4, seed=seed, folds=2, name="x"))
        for a, b, same, _ in rows:
            if same:
                persons[a.person] += 1
            else:
                couples[frozenset((a.person, b.person))] += 1
            chosen.update((a, b))
    # 8 people, four in each fold: a person is the genuine one of their fold in a quarter of the draws.
    assert len(persons) == 8
    assert all(abs(number - 750) < 5 * np.sqrt(3000 * 0.25 * 0.75) for number in persons.values())
    big = [chosen[photo] for photo in photos if photo.person == "p002"]
    # 30 photos: two of them in a quarter of the draws, one in half of them: each in 1 of 30 draws, so in 100.
    assert len(big) == 30
    assert all(abs(number - 100) < 6 * 10 for number in big)
    # The first round parts p002 from p003, the second from p001. p001 and p003 are one of the six couples of their
    # fold; of the five others, two go to that fold and three to p002's: P(a couple) is 1 / 6 times P(in one fold).
    share = {frozenset(("p001", "p003")): 1.0}
    others = ["p000", "p004", "p005", "p006", "p007"]
    share.update({frozenset(("p002", other)): 3 / 5 for other in others})
    share.update({frozenset((first, other)): 2 / 5 for first in ("p001", "p003") for other in others})
    share.update({frozenset(pair): 3 / 10 + 1 / 10 for pair in itertools.combinations(others, 2)})
    assert couples.keys() == share.keys()
    assert all(abs(couples[couple] - 500 * part) < 5 * np.sqrt(500 * part) for couple, part in share.items())


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        (crowd(*[1] * 100), "these photos give 0 at most: the poorest fold has 0 genuine and 45 impostor pairs"),
        (crowd(*[2] * 10), "give 0 at most: the poorest fold has 1 genuine and 0 impostor pairs"),
        (crowd(5, 5), "0 genuine and 0 impostor"),
        ([], "0 genuine and 0 impostor"),
        ([*crowd(*[2] * 30), Photo("", "x.jpg")], "nothing says who is on 'x.jpg'"),
        ([*crowd(*[2] * 30), Photo("p000", "p000/00.jpg")], "a photo is listed twice"),
        ([*crowd(*[2] * 30), Photo("Zoe", "p000/00.jpg")], "a photo is listed twice"),
    ],
)
def test_photos_that_give_no_pairs(photos: list[Photo], message: str) -> None:
    with pytest.raises(EvaluationError, match=f"mine: .*{message}"):
        sampled_pairs(photos, 20, seed=0, name="mine")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 30}, "count=30 pairs cannot be shared evenly among 10 folds .* use a multiple of 20"),
        ({"count": 0}, "count=0"),
        ({"count": -20}, "count=-20"),
        ({"count": 20.0}, "count=20.0"),
        ({"count": True}, "count=True"),
        ({"folds": 1}, "folds=1"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": "0"}, "seed='0'"),
        ({"seed": None}, "seed=None"),
    ],
)
def test_options(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"count": 20, "seed": 0, "name": "x", **options}
    with pytest.raises(OptionError, match=message):
        sampled_pairs(crowd(*[2] * 30), **arguments)


def test_lfw(shared: Path) -> None:
    photos = people_photos(shared / "lfw" / "images")
    assert len(photos) == 7701
    pairs = sampled_pairs(photos, 6000, seed=0, name="LFW, sampled")
    assert len({frozenset((a, b)) for a, b, _, _ in listed(pairs)}) == 6000

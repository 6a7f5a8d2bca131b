"""Drawings: what is painted where, and in which kind of file."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import PIL.Image
import pytest

from ghostface_edge.drawing import drawn, encoded, require_format
from ghostface_edge.errors import OptionError
from ghostface_edge.image import Image
from ghostface_edge.types import Box, Detection

GREY = np.full((200, 300, 3), 128, np.uint8)
POINTS = np.array([[80, 80], [120, 80], [100, 100], [85, 120], [115, 120]], np.float32)


def _changed(picture: Image) -> np.ndarray:
    return np.any(picture.pixels != GREY, axis=-1)


def test_box_points_and_label() -> None:
    photo = Image.from_rgb(GREY, source="photo")
    result = drawn(photo, [Detection(Box(60.4, 50.4, 139.6, 149.6), 0.9, POINTS)])
    changed = _changed(result)
    assert changed[50, 60:141].all()
    assert changed[150, 60:141].all()
    assert changed[50:151, 60].all()
    assert changed[50:151, 140].all()
    for x, y in POINTS.astype(int):
        assert changed[y, x]
    assert changed[40, 61]  # the label stands on the box
    assert not changed[:, 141:].any()
    assert not changed[151:].any()
    assert not changed[125:149, 62:138].any()
    assert result.source == "photo"
    np.testing.assert_array_equal(photo.pixels, GREY)


def test_eyes_nose_and_mouth_have_colours_of_their_own() -> None:
    result = drawn(Image.from_rgb(GREY), [Detection(Box(60, 50, 140, 150), 0.9, POINTS)])
    left_eye, right_eye, nose, left_mouth, right_mouth = (
        tuple(result.pixels[y, x].tolist()) for x, y in POINTS.astype(int)
    )
    assert left_eye == right_eye
    assert left_mouth == right_mouth
    assert len({left_eye, nose, left_mouth}) == 3


@pytest.mark.parametrize(
    "box", [Box(-50, -50, 20, 20), Box(280, 180, 400, 400), Box(-1e9, -1e9, 1e9, 1e9), Box(400, 300, 500, 400)]
)
def test_a_box_beyond_the_rim_is_cut(box: Box) -> None:
    result = drawn(Image.from_rgb(GREY), [Detection(box, 0.9, POINTS + np.float32(box.x1))])
    changed = _changed(result)
    x, y = min(max(box.x1, 0), 299), min(max(box.y1, 0), 199)
    assert changed[int(y), int(x)]


def test_small_faces_get_thin_lines() -> None:
    result = drawn(Image.from_rgb(GREY), [Detection(Box(100, 100, 130, 130), 0.9, POINTS)])
    changed = _changed(result)
    assert changed[115, 100]
    assert not changed[115, 101]


def test_without_faces_nothing_changes() -> None:
    assert not _changed(drawn(Image.from_rgb(GREY), [])).any()


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("folder.gif/a.png", "PNG")])
def test_kinds_of_file(name: str, kind: str) -> None:
    assert require_format(name) == kind
    with PIL.Image.open(BytesIO(encoded(Image.from_rgb(GREY), name))) as picture:
        assert (picture.format, picture.size) == (kind, (300, 200))
        assert np.abs(np.asarray(picture).astype(int) - GREY).max() <= 1


@pytest.mark.parametrize("name", ["a", "a.gif", ".jpg", "a.jpg.exe"])
def test_other_kinds_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match=r"a drawing is a \.jpg, \.jpeg, \.png file"):
        require_format(name)

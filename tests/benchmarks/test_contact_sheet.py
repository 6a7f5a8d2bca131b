"""The right photos stand side by side, upright, in a file of one's own."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ghostface_edge.benchmarks.contact_sheet import MAX_ERRORS, write_contact_sheet
from ghostface_edge.benchmarks.photos import Photo
from ghostface_edge.benchmarks.worst import FALSE_MATCH, FALSE_NON_MATCH, WorstError
from ghostface_edge.errors import EvaluationError, ImageError, OptionError

RED, GREEN, BLUE, PURPLE = (200, 0, 0), (0, 160, 0), (0, 0, 200), (170, 0, 170)
WARNING = (179, 38, 30)


@dataclass
class Album:
    """Photos in memory."""

    pictures: dict[str, bytes] = field(default_factory=dict)
    name: str = "album"
    aligned: bool = False

    def read(self, photo: Photo) -> bytes:
        if photo.path not in self.pictures:
            raise EvaluationError(f"{photo.path} is missing")
        return self.pictures[photo.path]


def png(colour: tuple[int, int, int], size: tuple[int, int] = (100, 100)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def error(a: str, b: str, kind: str = FALSE_MATCH) -> WorstError:
    return WorstError(kind, Photo("Ann", a), Photo("Bo", b), 0.7)


def sheet(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def extents(pixels: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels of about one colour."""
    y, x = np.nonzero(np.abs(pixels - colour).max(axis=2) < 12)
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG"])
def test_both_photos_of_each_error_stand_side_by_side_in_order(tmp_path: Path, ending: str) -> None:
    album = Album({"r": png(RED), "g": png(GREEN, (100, 50)), "b": png(BLUE, (20, 40)), "p": png(PURPLE)})
    path = tmp_path / f"worst.{ending}"
    write_contact_sheet(path, [error("r", "g"), error("b", "p", FALSE_NON_MATCH)], album)
    pixels = sheet(path)
    red, green, blue, purple = (extents(pixels, colour) for colour in (RED, GREEN, BLUE, PURPLE))
    sizes = np.array([(right - left, bottom - top) for left, top, right, bottom in (red, green, blue)])
    blur = 0 if ending == "png" else 3  # pixels: a JPEG's edges are soft
    assert sizes == pytest.approx(np.array([(224, 224), (224, 112), (112, 224)]), abs=blur)  # as large as fits
    assert red[2] < green[0] < green[2] < blue[0] < blue[2] < purple[0]
    assert red[1] == pytest.approx(blue[1], abs=blur)
    assert green[1] + green[3] == pytest.approx(red[1] + red[3], abs=2 * blur)


def test_errors_fill_rows_of_two(tmp_path: Path) -> None:
    colours = [(40 * number, 255 - 40 * number, 90) for number in range(5)]
    album = Album({str(number): png(colour) for number, colour in enumerate(colours)})
    write_contact_sheet(tmp_path / "w.png", [error(str(number), str(number)) for number in range(5)], album)
    pixels = sheet(tmp_path / "w.png")
    places = [extents(pixels, colour)[:2] for colour in colours]
    assert places[0][1] == places[1][1] < places[2][1] == places[3][1] < places[4][1]
    assert places[0][0] == places[2][0] == places[4][0] < places[1][0] == places[3][0]


def test_photos_are_turned_upright(tmp_path: Path) -> None:
    picture, stream = Image.new("RGB", (100, 60), GREEN), io.BytesIO()
    picture.paste(BLUE, (0, 0, 50, 60))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: left becomes top
    picture.save(stream, "JPEG", quality=100, subsampling=0, exif=exif)
    write_contact_sheet(tmp_path / "w.png", [error("p", "p")], Album({"p": stream.getvalue()}))
    pixels = sheet(tmp_path / "w.png")
    blue, green = extents(pixels, BLUE), extents(pixels, GREEN)
    assert blue[0] == green[0]
    assert blue[3] <= green[1]


def test_the_file_says_that_it_is_private_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "worst.jpg"
    mask = os.umask(0)
    try:
        write_contact_sheet(path, [error("r", "r")], Album({"r": png(RED)}))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Image.open(path) as image:
        assert image.info["comment"] == b"Real people: do not publish"
    banner = sheet(path)[:40]
    assert np.abs(banner - WARNING).max(axis=2).min() < 12
    assert np.mean(np.abs(banner - WARNING).max(axis=2) < 40) > 0.8
    assert np.any(banner.min(axis=2) > 220)  # the words


def test_names_change_nothing_but_their_own_place(tmp_path: Path) -> None:
    album, shapes = Album({"r": png(RED)}), []
    for person in ("Ann", "x" * 5000, "a\nb\0c\udcff\u202e", "漢字 ÄÖÜ", ""):
        names = Photo(person, "r")
        write_contact_sheet(tmp_path / "w.png", [WorstError(FALSE_MATCH, names, names, float("nan"))], album)
        pixels = sheet(tmp_path / "w.png")
        shapes.append(pixels.shape)
        text = pixels[extents(pixels, RED)[3] + 2 :]
        assert text[:, :12].min() > 240  # nothing runs out of its column
        assert text[:, -12:].min() > 240
    assert len(set(shapes)) == 1


def test_no_errors_are_said_in_words(tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / "w.png", [], Album())
    assert sheet(tmp_path / "w.png")[50:].min() < 100


def test_what_cannot_be_drawn_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    album = Album({"r": png(RED), "bad": b"no picture", "cut": png(RED)[:60]})
    for photo in ("bad", "cut"):
        with pytest.raises(ImageError, match=photo):
            write_contact_sheet(tmp_path / "w.png", [error("r", photo)], album)
    with pytest.raises(EvaluationError, match="gone is missing"):
        write_contact_sheet(tmp_path / "w.png", [error("gone", "r")], album)
    with pytest.raises(OptionError, match=r"\.png, \.jpg or \.jpeg file, not .*w\.gif"):
        write_contact_sheet(tmp_path / "w.gif", [error("r", "r")], album)
    with pytest.raises(OptionError, match="401 errors do not fit"):
        write_contact_sheet(tmp_path / "w.png", [error("r", "r")] * (MAX_ERRORS + 1), album)
    for place in (tmp_path / "none" / "w.png", "zero\0.png"):
        with pytest.raises(OptionError, match="cannot write"):
            write_contact_sheet(place, [error("r", "r")], album)
    assert list(tmp_path.iterdir()) == []


def test_the_largest_sheet_fits_into_a_jpeg(tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / "w.jpg", [error("r", "r")] * MAX_ERRORS, Album({"r": png(RED, (8, 8))}))
    with Image.open(tmp_path / "w.jpg") as image:
        assert image.height > 224 * MAX_ERRORS / 2

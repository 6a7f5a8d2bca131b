"""Image: what comes in, and what it becomes. Expected pixels are computed by hand or by NumPy alone."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, Callable

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from ghostface_edge.errors import ImageError, OptionError
from ghostface_edge.image import MAX_SIDE, Image

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def encoded(image: PIL.Image.Image, form: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG written by hand; each row of ``rows`` begins with its filter byte."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def exif(orientation: int, *, order: str = "<", kind: int = 3) -> bytes:
    """An EXIF block of one directory with one entry before the orientation, by TIFF 6.0, section 2."""
    mark = b"II" if order == "<" else b"MM"
    value = struct.pack(order + ("I" if kind == 4 else "HH"), *((orientation,) if kind == 4 else (orientation, 0)))
    make = struct.pack(order + "HHI4s", 271, 2, 4, b"abc\0")
    entry = struct.pack(order + "HHI", 274, kind, 1) + value
    return b"Exif\0\0" + mark + struct.pack(order + "HIH", 42, 8, 2) + make + entry + struct.pack(order + "I", 0)


def corners() -> np.ndarray:
    """(16, 32, 3): red, green / blue, white quarters, so that every one of the 8 orientations looks different."""
    array = np.zeros((16, 32, 3), np.uint8)
    array[:8, :16], array[:8, 16:], array[8:, :16], array[8:, 16:] = RED, GREEN, BLUE, WHITE
    return array


# EXIF 2.32, 4.6.4 A: where the 0th row and the 0th column of the stored picture lie in the upright one. So the upright
# picture U is found from the stored S: for 6, row 0 is the right side and column 0 the top, thus U[x, H-1-y] = S[y, x].
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda s: s,
    2: lambda s: s[:, ::-1],
    3: lambda s: s[::-1, ::-1],
    4: lambda s: s[::-1],
    5: lambda s: s.swapaxes(0, 1),
    6: lambda s: s[::-1].swapaxes(0, 1),
    7: lambda s: s[::-1, ::-1].swapaxes(0, 1),
    8: lambda s: s[:, ::-1].swapaxes(0, 1),
}


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize(
        ("form", "options"),
        [
            ("PNG", {}),
            ("WEBP", {"lossless": True}),
            ("TIFF", {}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("JPEG", {"quality": 100, "subsampling": 0}),
        ],
        ids=["png", "webp", "tiff", "tiff-lzw", "jpeg"],
    )
    def test_all_eight(self, form: str, options: dict[str, Any], orientation: int) -> None:
        if form == "TIFF":
            options = {**options, "tiffinfo": {274: orientation}}
        else:
            options = {**options, "exif": exif(orientation)}
        data = encoded(PIL.Image.fromarray(corners()), form, **options)
        pixels = Image.open(data).pixels.astype(int)
        expected = UPRIGHT[orientation](corners())
        assert pixels.shape == expected.shape
        assert np.abs(pixels - expected).max() <= (2 if form == "JPEG" else 0)

    def test_the_eight_pictures_differ(self) -> None:
        turned = [UPRIGHT[orientation](corners()).tobytes() for orientation in UPRIGHT]
        assert len(set(turned)) == 8

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
    def test_pil_images_are_turned_too(self, form: str, orientation: int) -> None:
        options: dict[str, Any] = {"tiffinfo": {274: orientation}} if form == "TIFF" else {"exif": exif(orientation)}
        if form == "JPEG":
            options.update(quality=100, subsampling=0)
        with PIL.Image.open(BytesIO(encoded(PIL.Image.fromarray(corners()), form, **options))) as image:
            pixels = Image.open(image).pixels
        expected = UPRIGHT[orientation](corners())
        assert pixels.shape == expected.shape
        # the corners, away from the edges between colours that JPEG blurs
        assert np.abs(pixels[::15, ::15].astype(int) - expected[::15, ::15]).max() <= 2

    def test_a_pil_image_whose_exif_was_edited(self) -> None:
        image = PIL.Image.fromarray(corners())
        image.getexif()[274] = 6
        assert np.array_equal(Image.open(image).pixels, UPRIGHT[6](corners()))

    @pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
    @pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
    def test_a_value_out_of_range_is_upright(self, form: str, orientation: int) -> None:
        data = encoded(PIL.Image.fromarray(corners()), form, exif=exif(orientation))
        assert Image.open(data).pixels.shape == (16, 32, 3)
        with PIL.Image.open(BytesIO(data)) as image:
            assert Image.open(image).pixels.shape == (16, 32, 3)

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("kind", [3, 4])
    def test_both_byte_orders_and_both_integer_types(self, order: str, kind: int) -> None:
        data = png(2, 1, 8, 0, b"\0\x10\x20", chunk(b"eXIf", exif(6, order=order, kind=kind)[6:]))
        assert Image.open(data).pixels[:, :, 0].tolist() == [[0x10], [0x20]]

    @pytest.mark.parametrize(
        "block",
        [
            b"",
            b"Exif\0\0",
            b"Exif\0\0garbage that is no TIFF header",
            b"Exif\0\0II*\0",
            b"Exif\0\0II*\0\xff\xff\xff\xff",
            b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\1" * 30,
            exif(6)[:-10],
        ],
    )
    @pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
    def test_damaged_exif_does_not_refuse_the_picture(self, form: str, block: bytes) -> None:
        data = encoded(PIL.Image.fromarray(corners()), form, exif=block or b"Exif\0\0")
        assert Image.open(data).pixels.shape == (16, 32, 3)

    def test_damaged_exif_in_a_pil_image_does_not_refuse_it(self) -> None:
        image = PIL.Image.fromarray(corners())
        image.info["exif"] = b"Exif\0\0no TIFF header"
        assert np.array_equal(Image.open(image).pixels, corners())

    def test_exif_after_the_pixels_of_a_png_counts(self) -> None:
        data = png(2, 1, 8, 0, b"\0\x10\x20")
        data = data[:-12] + chunk(b"eXIf", exif(8)[6:]) + data[-12:]
        assert Image.open(data).pixels[:, :, 0].tolist() == [[0x20], [0x10]]

    def test_exif_behind_other_segments_and_fill_bytes_of_a_jpeg(self) -> None:
        data = encoded(PIL.Image.fromarray(corners()), "JPEG")
        block = exif(6)
        segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
        xmp = b"\xff\xe1" + struct.pack(">H", 2 + 33) + b"http://ns.adobe.com/xap/1.0/\0<x/>"
        other = b"\xff\xe1" + struct.pack(">H", len(exif(3)) + 2) + exif(3)
        data = data[:2] + xmp + b"\xff\xff" + segment + other + b"\xff\xfe\0\4hi" + data[2:]
        pixels = Image.open(data).pixels
        assert pixels.shape == (32, 16, 3)  # the first EXIF block counts
        assert np.abs(pixels[0, 0].astype(int) - BLUE).max() <= 3


class TestModes:
    def test_grey(self) -> None:
        assert Image.open(png(3, 1, 8, 0, b"\0\x00\x80\xff")).pixels.tolist() == [[[0] * 3, [128] * 3, [255] * 3]]

    def test_bilevel(self) -> None:
        assert Image.open(png(3, 1, 1, 0, b"\0\xa0")).pixels.tolist() == [[[255] * 3, [0] * 3, [255] * 3]]

    def test_colour_order_is_rgb(self) -> None:
        data = png(3, 1, 8, 2, b"\0" + bytes([*RED, *GREEN, *BLUE]))
        assert Image.open(data).pixels.tolist() == [[list(RED), list(GREEN), list(BLUE)]]

    def test_16_bit_grey_is_scaled_and_not_clipped(self) -> None:
        data = png(4, 1, 16, 0, b"\0" + struct.pack(">4H", 0, 255, 0x8000, 0xFFFF))
        assert Image.open(data).pixels[0, :, 0].tolist() == [0, 0, 128, 255]

    def test_16_bit_colour_is_scaled_like_16_bit_grey(self) -> None:
        data = png(1, 1, 16, 2, b"\0" + struct.pack(">3H", 0x01FF, 0x8000, 0xFFFF))
        assert Image.open(data).pixels.tolist() == [[[1, 128, 255]]]

    def test_16_bit_grey_with_alpha(self) -> None:
        data = png(2, 1, 16, 4, b"\0" + struct.pack(">4H", 0x8000, 0xFFFF, 0, 0))
        assert Image.open(data).pixels.tolist() == [[[128] * 3, [255] * 3]]

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_16_bit_tiff(self, order: str) -> None:
        values = np.array([[0, 0x0100, 0x80FF, 0xFFFF]], order + "u2")
        mode = "I;16" if order == "<" else "I;16B"
        data = encoded(PIL.Image.frombytes(mode, (4, 1), values.tobytes()), "TIFF")
        assert Image.open(data).pixels[0, :, 1].tolist() == [0, 1, 128, 255]

    def test_16_bit_pil_image(self) -> None:
        image = PIL.Image.frombytes("I;16", (2, 1), np.array([0x1234, 0xFFFF], "<u2").tobytes())
        assert Image.open(image).pixels[0, :, 2].tolist() == [0x12, 255]

    def test_16_bit_pgm(self) -> None:
        data = b"P5 3 1 65535\n" + struct.pack(">3H", 0, 0x8000, 0xFFFF)
        assert Image.open(data).pixels[0, :, 0].tolist() == [0, 128, 255]

    def test_plain_ppm(self) -> None:
        assert Image.open(b"P3\n2 1\n255\n255 0 0  1 2 3\n").pixels.tolist() == [[[255, 0, 0], [1, 2, 3]]]

    @pytest.mark.parametrize("mode", ["I", "F"])
    def test_integers_and_floats_in_grey_levels(self, mode: str) -> None:
        image = PIL.Image.new("L", (2, 1))
        image.putdata([7, 255])
        assert Image.open(image.convert(mode)).pixels[0, :, 0].tolist() == [7, 255]

    def test_floats_are_rounded(self) -> None:
        image = PIL.Image.fromarray(np.array([[0.4, 0.6, 254.6]], np.float32))
        assert Image.open(image).pixels[0, :, 0].tolist() == [0, 1, 255]

    @pytest.mark.parametrize("values", [[-1.0, 5.0], [0.0, 256.0], [np.nan, 5.0], [np.inf, 5.0], [0.0, 1.0]])
    def test_floats_of_another_range_are_refused(self, values: list[float]) -> None:
        with pytest.raises(ImageError, match="mode L"):
            Image.open(PIL.Image.fromarray(np.array([values], np.float32)))

    def test_a_black_float_picture_is_black(self) -> None:
        assert not Image.open(PIL.Image.new("F", (2, 2), 0.0)).pixels.any()

    @pytest.mark.parametrize("value", [-1, 256, 70_000])
    def test_integers_of_another_range_are_refused(self, value: int) -> None:
        with pytest.raises(ImageError, match=f"from {value} to {value}, and no standard says what is white"):
            Image.open(PIL.Image.new("I", (2, 2), value))

    def test_alpha_is_laid_on_white(self) -> None:
        # (c * a + 255 * (255 - a)) / 255 by hand: opaque red; half (128) black: 255*127/255 = 127; clear green: white;
        # a quarter (64) of (40, 80, 120): (40*64 + 255*191)/255 = 201.04, 211.08, 221.12
        data = png(4, 1, 8, 6, b"\0" + bytes([255, 0, 0, 255, 0, 0, 0, 128, 0, 255, 0, 0, 40, 80, 120, 64]))
        assert Image.open(data).pixels.tolist() == [[[255, 0, 0], [127] * 3, [255] * 3, [201, 211, 221]]]

    def test_grey_with_alpha(self) -> None:
        data = png(3, 1, 8, 4, b"\0" + bytes([9, 255, 0, 128, 0, 0]))
        assert Image.open(data).pixels.tolist() == [[[9] * 3, [127] * 3, [255] * 3]]

    def test_premultiplied_alpha_of_a_pil_image(self) -> None:
        image = PIL.Image.new("RGBA", (1, 1), (255, 0, 0, 0)).convert("RGBa")
        assert Image.open(image).pixels.tolist() == [[[255, 255, 255]]]

    def test_transparent_colour(self) -> None:
        extra = chunk(b"tRNS", struct.pack(">3H", *GREEN))
        data = png(2, 1, 8, 2, b"\0" + bytes([*RED, *GREEN]), extra)
        assert Image.open(data).pixels.tolist() == [[list(RED), list(WHITE)]]

    def test_transparent_grey(self) -> None:
        data = png(2, 1, 8, 0, b"\0\x05\x06", chunk(b"tRNS", struct.pack(">H", 5)))
        assert Image.open(data).pixels[0, :, 0].tolist() == [255, 6]

    def test_palette(self) -> None:
        palette = chunk(b"PLTE", bytes([*RED, *BLUE]))
        assert Image.open(png(2, 1, 8, 3, b"\0\1\0", palette)).pixels.tolist() == [[list(BLUE), list(RED)]]

    def test_palette_with_transparency(self) -> None:
        palette, alpha = chunk(b"PLTE", bytes([*RED, *BLACK, *BLUE])), chunk(b"tRNS", bytes([0, 128]))
        pixels = Image.open(png(3, 1, 8, 3, b"\0\0\1\2", palette, alpha)).pixels
        assert pixels.tolist() == [[list(WHITE), [127] * 3, list(BLUE)]]

    def test_cmyk(self) -> None:
        # (255 - C) * (255 - K) / 255: no ink; cyan; full black; (51, 102, 204) at K = 51: 204*204/255 = 163.2 ...
        inks = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255), (51, 102, 204, 51)]
        image = PIL.Image.new("CMYK", (4, 1))
        image.putdata(inks)
        expected = [[255] * 3, [0, 255, 255], [0] * 3, [163, 122, 41]]
        assert np.abs(Image.open(encoded(image, "TIFF")).pixels[0].astype(int) - expected).max() <= 1

    @pytest.mark.parametrize("inverted", [True, False])
    def test_cmyk_jpeg(self, inverted: bool) -> None:
        """Adobe writes CMYK JPEG upside down and says so by its APP14 marker; PIL writes the same."""
        image = PIL.Image.new("CMYK", (8, 8), (255, 0, 0, 0))
        data = encoded(image, "JPEG", quality=100)
        assert b"Adobe" in data[:64]
        if not inverted:  # without the marker, the stored values are the inks themselves
            start = data.index(b"\xff\xee")
            data = data[:start] + data[start + 16 :]
        pixel = Image.open(data).pixels[4, 4].astype(int)
        assert np.abs(pixel - (0, 255, 255)).max() <= 3

    def test_ycbcr_pil_image(self) -> None:
        image = PIL.Image.new("YCbCr", (1, 1), (76, 85, 255))  # red by ITU-R BT.601
        assert np.abs(Image.open(image).pixels[0, 0].astype(int) - RED).max() <= 2

    def test_first_frame_of_a_gif(self) -> None:
        frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
        data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
        assert Image.open(data).pixels.reshape(-1, 3).tolist() == [list(RED)] * 16

    def test_transparent_gif(self) -> None:
        image = PIL.Image.new("P", (2, 1))
        image.putpalette([*RED, *BLUE])
        image.putdata([0, 1])
        assert Image.open(encoded(image, "GIF", transparency=1)).pixels.tolist() == [[list(RED), list(WHITE)]]

    def test_first_frame_of_an_animated_png(self) -> None:
        frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
        data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
        assert b"acTL" in data
        assert Image.open(data).pixels.reshape(-1, 3).tolist() == [list(RED)] * 16

    def test_first_frame_of_an_animated_webp(self) -> None:
        frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
        data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
        assert Image.open(data).pixels.reshape(-1, 3).tolist() == [list(RED)] * 16

    def test_first_page_of_a_tiff(self) -> None:
        frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in (BLUE, GREEN)]
        data = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
        assert Image.open(data).pixels.reshape(-1, 3).tolist() == [list(BLUE)] * 16

    def test_first_picture_of_an_mpo(self) -> None:
        frames = [PIL.Image.new("RGB", (16, 16), colour) for colour in (WHITE, BLACK)]
        data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
        assert b"MPF\0" in data
        assert Image.open(data).pixels.min() >= 254

    def test_bmp(self) -> None:
        image = PIL.Image.new("RGB", (2, 1))
        image.putdata([RED, BLUE])
        assert Image.open(encoded(image, "BMP")).pixels.tolist() == [[list(RED), list(BLUE)]]

    def test_the_file_name_does_not_matter(self, tmp_path: Path) -> None:
        path = tmp_path / "photo.jpg"
        path.write_bytes(png(1, 1, 8, 0, b"\0\x2a"))
        assert Image.open(path).pixels.tolist() == [[[42, 42, 42]]]


class TestMetadataIsNeverParsed:
    """PIL refuses or warns about these; the pictures are sound."""

    def test_a_text_bomb_in_a_png(self) -> None:
        bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 3_000_000))
        assert Image.open(png(1, 1, 8, 0, b"\0\x2a", bomb)).pixels.tolist() == [[[42] * 3]]

    def test_a_senseless_profile_in_a_png(self) -> None:
        assert Image.open(png(1, 1, 8, 0, b"\0\x2a", chunk(b"iCCP", b"x\0\0zz"))).pixels.tolist() == [[[42] * 3]]

    def test_a_senseless_animation_in_a_png(self) -> None:
        extra = chunk(b"acTL", struct.pack(">II", 0, 0))
        assert Image.open(png(1, 1, 8, 0, b"\0\x2a", extra)).pixels.tolist() == [[[42] * 3]]

    def test_a_damaged_mpo_directory(self) -> None:
        frames = [PIL.Image.new("RGB", (16, 16), colour) for colour in (WHITE, BLACK)]
        data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
        start = data.index(b"MPF\0") + 4
        data = data[:start] + b"\xff" * 60 + data[start + 60 :]
        assert Image.open(data).pixels.min() >= 254

    def test_odd_tiff_tags_warn_nobody(self) -> None:
        data = encoded(PIL.Image.new("RGB", (4, 4), RED), "TIFF")
        data = data.replace(struct.pack("<HHI", 284, 3, 1), struct.pack("<HHI", 284, 3, 2))  # two planar configurations
        with pytest.warns(UserWarning, match="tag 284 had too many entries"):
            PIL.Image.open(BytesIO(data)).load()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert Image.open(data).pixels[0, 0].tolist() == list(RED)
        assert caught == []


class TestLimits:
    @pytest.mark.parametrize(
        "data",
        [
            png(60_000, 60_000, 8, 2, b""),
            png(8_000, 8_000, 8, 2, b""),
            b"GIF89a" + struct.pack("<HH", 30_000, 30_000) + b"\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
            b"BM" + struct.pack("<IHHIIiiHH", 0, 0, 0, 54, 40, 30_000, 30_000, 1, 24) + bytes(24),
            b"P6 30000 30000 255\n",
        ],
        ids=["png", "png-below-pil-limit", "gif", "bmp", "ppm"],
    )
    def test_bombs_are_refused_from_the_header(self, data: bytes) -> None:
        with pytest.raises(ImageError, match="pixels"):
            Image.open(data)

    def test_the_message_names_size_and_limit(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.png"
        path.write_bytes(png(8_000, 7_000, 8, 2, b""))
        with pytest.raises(ImageError, match=r"bomb\.png: 8000x7000 pixels are more than the limit of 50000000"):
            Image.open(path)

    def test_the_limit_is_inclusive(self) -> None:
        data = encoded(PIL.Image.new("L", (10, 10)), "PNG")
        assert Image.open(data, max_pixels=100).width == 10
        with pytest.raises(ImageError, match="limit of 99"):
            Image.open(data, max_pixels=99)

    def test_the_limit_holds_for_pil_images(self) -> None:
        with pytest.raises(ImageError, match="limit of 99"):
            Image.open(PIL.Image.new("L", (10, 10)), max_pixels=99)

    @pytest.mark.parametrize(
        ("form", "pil_limit"), [("PNG", 10), ("GIF", 10), ("JPEG", 10), ("BMP", 10), ("TIFF", 1_000), ("WEBP", 1_000)]
    )
    def test_pil_s_own_limit_does_not_matter(self, form: str, pil_limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """PIL's own open() warns above its limit and refuses above twice that, as do two of the plugins inside."""
        data = encoded(PIL.Image.new("L", (40, 40), 255), form)
        monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", pil_limit)
        with pytest.raises((PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)):
            PIL.Image.open(BytesIO(data))
        assert Image.open(data, max_pixels=1_600).height == 40

    def test_pil_s_limit_is_left_alone(self) -> None:
        before = PIL.Image.MAX_IMAGE_PIXELS
        Image.open(encoded(PIL.Image.new("L", (4, 4)), "PNG"), max_pixels=10**9)
        assert before == PIL.Image.MAX_IMAGE_PIXELS

    def test_a_side_that_opencv_cannot_warp(self) -> None:
        data = encoded(PIL.Image.new("L", (MAX_SIDE + 1, 1)), "PNG")
        with pytest.raises(ImageError, match=f"at most {MAX_SIDE}"):
            Image.open(data)
        assert Image.open(encoded(PIL.Image.new("L", (MAX_SIDE, 1)), "PNG")).width == MAX_SIDE

    def test_max_side_is_the_largest_that_opencv_4_warps(self) -> None:
        cv2 = pytest.importorskip("cv2")
        same = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
        cv2.warpAffine(np.zeros((1, MAX_SIDE, 3), np.uint8), same, (4, 4))
        if cv2.__version__.startswith("4."):
            with pytest.raises(cv2.error):
                cv2.warpAffine(np.zeros((1, MAX_SIDE + 1, 3), np.uint8), same, (4, 4))

    def test_zero_size(self) -> None:
        with pytest.raises(ImageError, match="PNG"):
            Image.open(png(0, 4, 8, 0, b""))
        with pytest.raises(ImageError, match=r"empty \(0x4 pixels\)"):
            Image.open(PIL.Image.new("RGB", (0, 4)))

    @pytest.mark.parametrize("limit", [0, -1, 1.5, True, None, "9"])
    def test_a_senseless_limit(self, limit: Any) -> None:
        with pytest.raises(OptionError, match="max_pixels"):
            Image.open(b"", max_pixels=limit)

    def test_a_file_far_too_large_for_the_limit(self, tmp_path: Path) -> None:
        path = tmp_path / "sparse.png"
        with path.open("wb") as stream:
            stream.truncate(10**9)
        with pytest.raises(ImageError, match=r"sparse\.png: 1000000000 bytes"):
            Image.open(path)


class TestBadSources:
    def test_a_bare_array_is_refused(self) -> None:
        with pytest.raises(ImageError, match=r"Image\.from_rgb.*Image\.from_bgr"):
            Image.open(np.zeros((4, 4, 3), np.uint8))  # type: ignore[arg-type]

    def test_the_class_itself_refuses_a_bare_array(self) -> None:
        with pytest.raises(ImageError, match=r"Image\.from_rgb.*Image\.from_bgr"):
            Image(np.zeros((4, 4, 3), np.uint8))

    @pytest.mark.parametrize("source", [None, 3, [b""], BytesIO(b"")])
    def test_another_type(self, source: Any) -> None:
        with pytest.raises(ImageError, match=f"not {type(source).__name__}"):
            Image.open(source)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"nobody\.jpg: no such file"):
            Image.open(tmp_path / "nobody.jpg")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"(?i)is a directory"):
            Image.open(str(tmp_path))

    def test_a_file_as_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"")
        with pytest.raises(ImageError, match=r"(?i)not a directory"):
            Image.open(tmp_path / "a" / "b.jpg")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_an_unreadable_file(self, tmp_path: Path) -> None:
        path = tmp_path / "secret.png"
        path.write_bytes(png(1, 1, 8, 0, b"\0\0"))
        path.chmod(0)
        with pytest.raises(ImageError, match=r"secret\.png: Permission denied"):
            Image.open(path)

    def test_a_fifo_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(ImageError, match=r"pipe\.jpg: not a regular file"):
            Image.open(tmp_path / "pipe.jpg")

    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
    def test_a_device_is_not_read(self, device: str) -> None:
        with pytest.raises(ImageError, match="not a regular file"):
            Image.open(device)

    def test_a_nul_in_the_path(self) -> None:
        with pytest.raises(ImageError, match="null"):
            Image.open("a\0b.jpg")

    def test_an_unprintable_name_stays_on_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError) as caught:
            Image.open(os.fsencode(tmp_path / "a\nb").decode() + "\udcff.jpg")
        assert str(caught.value).isprintable()

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty.jpg").write_bytes(b"")
        with pytest.raises(ImageError, match=r"empty\.jpg: the file is empty"):
            Image.open(tmp_path / "empty.jpg")

    def test_text_named_jpg(self, tmp_path: Path) -> None:
        (tmp_path / "notes.jpg").write_text("Dear diary")
        with pytest.raises(ImageError, match=r"notes\.jpg: not a picture. Supported are JPEG, PNG"):
            Image.open(tmp_path / "notes.jpg")

    def test_postscript_is_never_run(self) -> None:
        with pytest.raises(ImageError, match="not a picture"):
            Image.open(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")

    @pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
    def test_heic_says_what_to_do(self, brand: bytes) -> None:
        with pytest.raises(ImageError, match=r"HEIC and AVIF are not supported\..*JPEG.*pillow-heif"):
            Image.open(b"\0\0\0\x18ftyp" + brand + b"\0" * 40)

    @pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
    @pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9])
    def test_a_truncated_file(self, form: str, part: float) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
        data = encoded(PIL.Image.fromarray(noise), form)
        with pytest.raises(ImageError):
            Image.open(data[: int(len(data) * part)])

    def test_a_truncated_file_is_named(self, tmp_path: Path) -> None:
        data = encoded(PIL.Image.fromarray(corners()), "JPEG")
        (tmp_path / "half.jpg").write_bytes(data[: len(data) - 40])
        with pytest.raises(ImageError, match=r"half\.jpg: damaged, or not a JPEG file that can be read \(.*truncated"):
            Image.open(tmp_path / "half.jpg")

    def test_a_closed_pil_image(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(png(1, 1, 8, 0, b"\0\0"))
        with PIL.Image.open(path) as image:
            pass
        with pytest.raises(ImageError, match=r"a\.png: cannot be read"):
            Image.open(image)


class TestArrays:
    def test_rgb_and_bgr(self) -> None:
        array = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
        assert Image.from_rgb(array).pixels.tolist() == [[[1, 2, 3], [4, 5, 6]]]
        assert Image.from_bgr(array).pixels.tolist() == [[[3, 2, 1], [6, 5, 4]]]

    @pytest.mark.parametrize("make", [Image.from_rgb, Image.from_bgr])
    @pytest.mark.parametrize(
        ("array", "words"),
        [
            (np.zeros((4, 5), np.uint8), r"got \(4, 5\) of uint8. Repeat"),
            (np.zeros((4, 5, 4), np.uint8), r"got \(4, 5, 4\) of uint8. Drop the alpha"),
            (np.zeros((4, 5, 3), np.float32), r"of float32. Scale"),
            (np.zeros((4, 5, 3), np.uint16), r"of uint16. Scale"),
            (np.zeros((2, 4, 5, 3), np.uint8), "one picture at a time"),
            (np.zeros((0, 5, 3), np.uint8), r"empty \(5x0 pixels\)"),
            (np.zeros((5, 0, 3), np.uint8), r"empty \(0x5 pixels\)"),
            (np.zeros((1, MAX_SIDE + 1, 3), np.uint8), "at most"),
            ([[[1, 2, 3]]], "got list"),
        ],
    )
    def test_what_is_refused(self, make: Callable[..., Image], array: Any, words: str) -> None:
        with pytest.raises(ImageError, match=words) as caught:
            make(array, source="frame 7")
        assert str(caught.value).startswith("frame 7: ")

    def test_the_advice_for_grey_and_alpha_works(self) -> None:
        grey, alpha = np.full((2, 2), 9, np.uint8), np.full((2, 2, 4), 9, np.uint8)
        assert Image.from_rgb(np.stack([grey] * 3, axis=-1)).pixels.tolist() == [[[9] * 3] * 2] * 2
        assert Image.from_rgb(alpha[..., :3]).pixels.tolist() == [[[9] * 3] * 2] * 2

    @pytest.mark.parametrize("make", [Image.from_rgb, Image.from_bgr])
    def test_the_picture_does_not_change_with_the_array(self, make: Callable[..., Image]) -> None:
        array = np.zeros((4, 4, 3), np.uint8)
        view = array[:]
        view.flags.writeable = False
        images = [make(array), make(view), make(array[::2]), make(array[:, ::-1])]
        array[:] = 255
        assert not any(image.pixels.any() for image in images)

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_pixels_are_contiguous_and_read_only(self, order: Any) -> None:
        sources = [
            Image.from_rgb(np.zeros((4, 6, 3), np.uint8, order=order)),
            Image.from_bgr(np.zeros((4, 6, 3), np.uint8, order=order)[::-1]),
            Image.open(PIL.Image.new("RGB", (6, 4))),
            Image.open(png(1, 1, 8, 0, b"\0\0")),
        ]
        for image in sources:
            assert image.pixels.flags.c_contiguous
            assert image.pixels.dtype == np.uint8
            with pytest.raises(ValueError, match="read-only"):
                image.pixels[0, 0, 0] = 1

    def test_a_pil_image_may_change_afterwards(self) -> None:
        source = PIL.Image.new("RGB", (4, 4))
        image = Image.open(source)
        source.paste(WHITE, (0, 0, 4, 4))
        assert not image.pixels.any()

    def test_opening_does_not_change_a_pil_image(self) -> None:
        source = PIL.Image.fromarray(corners())
        source.getexif()[274] = 6
        Image.open(source)
        assert source.size == (32, 16)
        assert source.getexif()[274] == 6


class TestTheObject:
    def test_an_image_is_returned_as_it_is(self) -> None:
        image = Image.from_rgb(corners())
        assert Image.open(image) is image

    def test_size_and_repr(self, tmp_path: Path) -> None:
        image = Image.from_rgb(corners(), source="frame 7")
        assert (image.width, image.height) == (32, 16)
        assert repr(image) == "Image(32x16, 'frame 7')"
        (tmp_path / "a.png").write_bytes(encoded(PIL.Image.fromarray(corners()), "PNG"))
        assert Image.open(tmp_path / "a.png").source == str(tmp_path / "a.png")

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_bytes_of_every_kind(self, kind: Callable[[bytes], Any]) -> None:
        assert Image.open(kind(png(1, 1, 8, 0, b"\0\x07"))).pixels.tolist() == [[[7, 7, 7]]]

    def test_equality_is_identity(self) -> None:
        assert Image.from_rgb(corners()) != Image.from_rgb(corners())

    def test_nothing_can_be_assigned(self) -> None:
        with pytest.raises(AttributeError):
            Image.from_rgb(corners()).source = "x"  # type: ignore[misc]


def test_real_photos_as_opencv_reads_them(shared: Path) -> None:
    """Within 3 grey levels of another decoder (JPEG decoders may differ by rounding), orientation included."""
    cv2 = pytest.importorskip("cv2")
    photos = sorted((shared / "photos").glob("*.jpg"))
    assert photos
    for path in photos:
        pixels = Image.open(path).pixels
        theirs = cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]
        assert pixels.shape == theirs.shape
        assert (np.abs(pixels.astype(int) - theirs) <= 3).mean() > 0.999, path.name


def mutations(seed: int) -> Any:
    """Endless (form, damaged bytes): flips, cuts, insertions and deletions of small files in every format."""
    rng = np.random.default_rng(seed)
    picture = PIL.Image.fromarray(rng.integers(0, 256, (24, 31, 3), np.uint8))
    sound = [
        encoded(picture, "JPEG", exif=exif(6)),
        encoded(picture, "JPEG", progressive=True, comment=b"hello"),
        encoded(picture.convert("CMYK"), "JPEG"),
        encoded(picture, "MPO", save_all=True, append_images=[picture]),
        encoded(picture, "PNG", exif=exif(3)),
        encoded(picture.convert("P"), "PNG", transparency=b"\0\x80"),
        encoded(picture, "PNG", save_all=True, append_images=[picture.rotate(180)]),
        encoded(picture, "WEBP", lossless=True, exif=exif(8)),
        encoded(picture.convert("RGBA"), "WEBP", quality=60),
        encoded(picture, "GIF"),
        encoded(picture, "GIF", save_all=True, append_images=[picture.rotate(180)], disposal=2),
        encoded(picture, "BMP"),
        encoded(picture.convert("P"), "BMP"),
        encoded(picture, "TIFF"),
        encoded(picture, "TIFF", compression="tiff_lzw"),
        encoded(picture, "TIFF", compression="jpeg"),
        encoded(picture.convert("1"), "TIFF", compression="group4"),
        encoded(picture, "PPM"),
    ]
    while True:
        data = bytearray(sound[rng.integers(len(sound))])
        reach = len(data) if rng.random() < 0.5 else min(len(data), 200)  # half of the damage in the headers
        for _ in range(rng.integers(1, 6)):
            at, kind = int(rng.integers(min(reach, len(data)))), rng.integers(4)
            if kind == 0:
                data[at] ^= 1 << rng.integers(8)
            elif kind == 1:
                data[at : at + 4] = rng.bytes(4)
            elif kind == 2:
                data[at:at] = rng.bytes(int(rng.integers(1, 9)))
            else:
                del data[at : at + int(rng.integers(1, 9)) if rng.random() < 0.7 else len(data)]
            if not data:
                break
        yield bytes(data)


def test_2000_damaged_files(tmp_path: Path) -> None:
    """Each ends in a picture or in an ImageError; no other exception, no warning, no open file."""
    path = tmp_path / "damaged"
    opened, messages = 0, []
    before = len(os.listdir("/proc/self/fd"))
    for _, data in zip(range(2_000), mutations(7)):
        path.write_bytes(data)
        try:
            image = Image.open(path, max_pixels=2_000_000)
        except ImageError as error:
            messages.append(str(error))
            continue
        opened += 1
        assert image.pixels.shape == (image.height, image.width, 3)
        assert image.height * image.width <= 2_000_000
    assert 200 < opened < 1_800  # both outcomes are exercised
    assert all(message.startswith(f"{path}: ") and message.isprintable() for message in messages)
    assert len(os.listdir("/proc/self/fd")) == before

"""Pictures: the middle, upright and opaque, or a reason."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from jobs.encoders.failure_reasons import Reason, UnusableContent
from jobs.encoders.image import image_file


def saved(picture: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def stripes(*colours: str) -> Image.Image:
    """Vertical stripes, each 8 pixels wide and 8 high."""
    picture = Image.new("RGB", (8 * len(colours), 8))
    for place, colour in enumerate(colours):
        picture.paste(colour, (8 * place, 0, 8 * place + 8, 8))
    return picture


def test_the_middle_of_a_wide_picture_is_taken():
    """Of red, lime and blue squares the middle one is lime; its outermost pixels blend when scaled."""
    pixels = image_file.decode(saved(stripes("red", "lime", "blue")), 8, 8)
    assert pixels.shape == (8, 8, 3)
    assert (pixels == (0, 255, 0)).all()


def test_the_short_side_is_scaled_before_the_middle_is_cut():
    """Left half red, right half blue: the middle 4 of 8 columns are two of each."""
    picture = Image.new("RGB", (80, 80), "red")
    picture.paste("blue", (40, 0, 80, 80))
    pixels = image_file.decode(saved(picture), 4, 8)
    assert (pixels[:, 0] == (255, 0, 0)).all() or pixels[0, 0, 0] > 250
    assert pixels[0, 3, 2] > 250


def test_transparent_parts_turn_white():
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    assert (image_file.decode(saved(clear), 8, 8) == 255).all()


def test_a_camera_s_rotation_mark_is_followed():
    """EXIF orientation 3 means upside down: the red upper half belongs below."""
    picture = Image.new("RGB", (16, 16), "blue")
    picture.paste("red", (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 3
    pixels = image_file.decode(saved(picture, exif=exif), 16, 16)
    assert tuple(pixels[0, 8]) == (0, 0, 255)
    assert tuple(pixels[15, 8]) == (255, 0, 0)


def test_a_grey_picture_becomes_three_equal_channels():
    pixels = image_file.decode(saved(Image.new("L", (9, 9), 77)), 8, 8)
    assert (pixels == 77).all()


PNG = saved(Image.fromarray(np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"GIF89a and nothing more", Reason.UNREADABLE),
        (PNG[: len(PNG) // 2], Reason.UNREADABLE),
        (PNG[:8] + b"\x00\x00\x00\x05" + PNG[12:], Reason.UNREADABLE),  # a header of 5 bytes
        (PNG[:60] + b"\x00" * 200 + PNG[260:], Reason.UNREADABLE),
        (saved(Image.new("1", (10_000, 5_001))), Reason.TOO_LARGE),
    ],
)
def test_bad_bytes_have_a_reason(content, reason):
    with pytest.raises(UnusableContent) as unusable:
        image_file.decode(content, 8, 8)
    assert unusable.value.reason is reason

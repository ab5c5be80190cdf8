"""Image files decode to an upright, opaque centre crop, or fail with a reason."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from jobs.encoders.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.image import image_file


def encoded(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def stripes(*colours: str) -> Image.Image:
    """Vertical stripes, each 8 pixels wide and 8 high."""
    image = Image.new("RGB", (8 * len(colours), 8))
    for column, colour in enumerate(colours):
        image.paste(colour, (8 * column, 0, 8 * column + 8, 8))
    return image


def test_a_wide_image_is_cropped_to_its_middle():
    """Of red, lime and blue squares the middle one is lime; its outermost pixels blend when scaled."""
    pixels = image_file.decode(encoded(stripes("red", "lime", "blue")), 8, 8)
    assert pixels.shape == (8, 8, 3)
    assert (pixels == (0, 255, 0)).all()


def test_the_short_side_is_scaled_before_the_crop():
    """Left half red, right half blue: the middle 4 of 8 columns are two of each."""
    image = Image.new("RGB", (80, 80), "red")
    image.paste("blue", (40, 0, 80, 80))
    pixels = image_file.decode(encoded(image), 4, 8)
    assert (pixels[:, 0] == (255, 0, 0)).all() or pixels[0, 0, 0] > 250
    assert pixels[0, 3, 2] > 250


def test_transparent_parts_turn_white():
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    assert (image_file.decode(encoded(clear), 8, 8) == 255).all()


def test_an_exif_orientation_rotates_the_image():
    """EXIF orientation 3 means upside down: the red upper half belongs below."""
    image = Image.new("RGB", (16, 16), "blue")
    image.paste("red", (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 3
    pixels = image_file.decode(encoded(image, exif=exif), 16, 16)
    assert tuple(pixels[0, 8]) == (0, 0, 255)
    assert tuple(pixels[15, 8]) == (255, 0, 0)


def test_a_grey_image_becomes_three_equal_channels():
    pixels = image_file.decode(encoded(Image.new("L", (9, 9), 77)), 8, 8)
    assert (pixels == 77).all()


PNG = encoded(
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8))
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", FailureReason.EMPTY),
        (b"GIF89a and nothing more", FailureReason.UNREADABLE),
        (PNG[: len(PNG) // 2], FailureReason.UNREADABLE),
        (PNG[:8] + b"\x00\x00\x00\x05" + PNG[12:], FailureReason.UNREADABLE),  # a header of 5 bytes
        (PNG[:60] + b"\x00" * 200 + PNG[260:], FailureReason.UNREADABLE),
        (encoded(Image.new("1", (10_000, 5_001))), FailureReason.TOO_LARGE),
    ],
)
def test_undecodable_bytes_fail_with_a_reason(content, reason):
    with pytest.raises(ContentFailure) as raised:
        image_file.decode(content, 8, 8)
    assert raised.value.reason is reason

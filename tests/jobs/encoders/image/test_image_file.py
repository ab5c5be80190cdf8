"""Image files decode to an upright, opaque centre crop, or fail with a reason."""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
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


def test_a_strip_is_decoded_without_being_scaled_to_its_whole_length():
    """A strip of 100,000 x 4 pixels would have 6,400,000 x 256; its lime middle is what counts."""
    strip = Image.new("RGB", (100_000, 4), "red")
    strip.paste("lime", (49_900, 0, 50_100, 4))
    tracemalloc.start()
    pixels = image_file.decode(encoded(strip), 224, 256)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (pixels == (0, 255, 0)).all()
    assert peak_bytes < 20e6
    assert image_file.decode_whole(encoded(strip)).shape == (4, 16, 3)


def test_a_large_image_is_handed_on_smaller():
    """2,000 x 3,000 pixels become 1,024 x 1,536."""
    content = encoded(Image.new("RGB", (3_000, 2_000), "red"))
    assert image_file.decode_whole(content).shape == (1_024, 1_536, 3)


def test_a_single_pixel_is_an_image():
    assert (image_file.decode(encoded(Image.new("RGB", (1, 1), "blue")), 8, 8) == (0, 0, 255)).all()


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_of_an_animation_the_first_frame_counts(image_format):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
    red, green, blue = image_file.decode(content, 8, 8).reshape(-1, 3).T
    assert (red > 240).all()
    assert (green < 10).all()
    assert (blue < 10).all()


def red_in(mode: str) -> Image.Image:
    return Image.new("RGBA", (16, 16), (255, 0, 0, 255)).convert(mode)


@pytest.mark.parametrize(
    ("image", "image_format"),
    [
        (red_in("RGB").convert("CMYK"), "JPEG"),
        (red_in("RGB").convert("CMYK"), "TIFF"),
        (red_in("RGB").convert("P"), "PNG"),
        (red_in("RGBA"), "PNG"),
        (red_in("RGBA"), "WEBP"),
        (red_in("RGB"), "JPEG2000"),
        (red_in("RGB").convert("YCbCr"), "TIFF"),
        (red_in("RGB"), "BMP"),
        (red_in("RGB"), "PPM"),
        (red_in("RGBA"), "ICO"),
    ],
)
def test_red_is_red_in_every_mode(image, image_format):
    """Within what lossy formats and rounded colour spaces change."""
    red, green, blue = image_file.decode(encoded(image, image_format), 8, 8).reshape(-1, 3).T
    assert (red > 245).all()
    assert (green < 10).all()
    assert (blue < 10).all()


def test_one_transparent_colour_of_a_palette_turns_white():
    image = Image.new("P", (16, 16), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    assert (image_file.decode(encoded(image, transparency=1), 8, 8) == 255).all()
    assert (image_file.decode(encoded(image, transparency=0), 8, 8) == (0, 255, 0)).all()


def test_programs_are_no_images():
    """Pillow would start Ghostscript for PostScript."""
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(ContentFailure) as raised:
        image_file.decode(content, 8, 8)
    assert raised.value.reason is FailureReason.UNREADABLE


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
        (
            encoded(Image.new("1", (60_000, 60_000)), "TIFF", compression="group4"),
            FailureReason.TOO_LARGE,
        ),
        (encoded(Image.new("F", (9, 9), float("nan")), "TIFF"), FailureReason.NOT_FINITE),
        (encoded(Image.new("F", (9, 9), float("inf")), "TIFF"), FailureReason.NOT_FINITE),
    ],
)
def test_undecodable_bytes_fail_with_a_reason(content, reason):
    with pytest.raises(ContentFailure) as raised:
        image_file.decode(content, 8, 8)
    assert raised.value.reason is reason
    assert " at 0x" not in str(raised.value)  # the address of a buffer, another one each time


def test_what_is_no_picture_is_told_which_ones_are():
    with pytest.raises(ContentFailure, match=r"no image of its formats .*PNG"):
        image_file.decode(b"<svg/>", 8, 8)


def test_an_icon_that_is_larger_than_its_list_says_is_too_large():
    """The list says 16 x 16, and the PNG that it leads to has 64 million pixels in 64 kB."""
    picture = encoded(Image.new("1", (8_000, 8_000)))
    entry = struct.pack("<4B2H2I", 16, 16, 0, 0, 1, 32, len(picture), 22)
    with pytest.raises(ContentFailure) as raised:
        image_file.decode(struct.pack("<3H", 0, 1, 1) + entry + picture, 8, 8)
    assert raised.value.reason is FailureReason.TOO_LARGE

"""Images of 16 and 32 bits keep their tones in 8."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jobs.encoders.image import image_file
from tests.jobs.encoders.image.test_image_file import encoded

RAMP = np.linspace(0, 65_535, 90_000).reshape(300, 300).astype(np.uint16)
"""From black above to white below."""


def tones(content: bytes) -> list[float]:
    """Mean grey of the upper, middle and lower third; every channel must be the same."""
    pixels = image_file.decode(content, 300, 300)
    assert (pixels == pixels[:, :, :1]).all()
    return [float(third.mean()) for third in np.array_split(pixels, 3)]


def png_of_16_bits(colour_type: int, samples: np.ndarray) -> bytes:
    """A PNG whose rows are `samples`, shape (height, width, channels), by the specification."""
    height, width, _ = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


WIDE = {
    "png": encoded(Image.fromarray(RAMP)),
    "tiff": encoded(Image.fromarray(RAMP), "TIFF"),
    "tiff, big-endian": encoded(Image.fromarray(RAMP.astype(">u2")), "TIFF"),
    "jpeg 2000": encoded(Image.fromarray(RAMP), "JPEG2000"),
    "pgm": encoded(Image.fromarray(RAMP), "PPM"),
    "png, rgb": png_of_16_bits(2, np.repeat(RAMP[:, :, None], 3, axis=2)),
    "png, grey and alpha": png_of_16_bits(4, np.stack([RAMP, np.full_like(RAMP, 65_535)], axis=2)),
    "float up to 1": encoded(Image.fromarray((RAMP / 65_535).astype(np.float32)), "TIFF"),
    "float up to 255": encoded(Image.fromarray((RAMP / 257).astype(np.float32)), "TIFF"),
    "float up to 65535": encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
    "float below 0": encoded(Image.fromarray((RAMP / 32_768 - 1).astype(np.float32)), "TIFF"),
    "32 bits": encoded(Image.fromarray(RAMP.astype(np.int32) * 30_000), "TIFF"),
}


@pytest.mark.parametrize("content", WIDE.values(), ids=WIDE)
def test_a_ramp_from_black_to_white_stays_one(content):
    """The thirds of 0 to 255 have the means 42, 127 and 212."""
    assert tones(content) == pytest.approx([42, 127, 212], abs=3)


def test_a_dark_picture_of_16_bits_stays_dark():
    """200 of 65,535 is black, not grey."""
    assert tones(encoded(Image.fromarray(np.full((9, 9), 200, np.uint16)))) == [0, 0, 0]
    assert tones(encoded(Image.fromarray(np.full((9, 9), 200, np.int32)), "PPM")) == [0, 0, 0]


def test_the_transparent_tone_of_16_bits_turns_white():
    grey = Image.fromarray(np.full((9, 9), 1_000, np.uint16))
    assert tones(encoded(grey, transparency=1_000)) == [255, 255, 255]


def test_one_tone_of_any_size_is_an_image():
    """Nothing can be stretched."""
    assert tones(encoded(Image.new("F", (9, 9), -3.0), "TIFF")) == [0, 0, 0]
    assert tones(encoded(Image.new("F", (9, 9), 1e30), "TIFF")) == [0, 0, 0]

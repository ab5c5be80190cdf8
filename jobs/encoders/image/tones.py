"""Reduces images of 16 and 32 bits a pixel to 8; Pillow's own conversion cuts all above 255."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.decoding.failure_reasons import ContentFailure, FailureReason

_MAX_8_BITS, _MAX_16_BITS = 255, 65_535
_WIDE_GREY = ("I;16", "I;16L", "I;16B", "I;16N")
_ALWAYS_16_BITS = ("PPM", "PNG")  # formats that Pillow scales to 16 bits in images of 32


def to_8_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel; others than grey ones of 16 or 32 bits have them already.

    16 bits are divided by 256. What the numbers of an image of 32 bits mean is not written in it:
    fractions up to 1 are multiplied by 255, numbers up to 255 stay, up to 65,535 they are divided
    by 256, and others are stretched from the least to the greatest.

    Raises:
        ContentFailure: pixels are no numbers.
    """
    if image.mode in _WIDE_GREY:
        return _with_transparency(image, np.asarray(image) // 256)
    if image.mode == "I" and image.format in _ALWAYS_16_BITS:
        return _with_transparency(image, np.asarray(image) // 256)
    if image.mode in {"I", "F"}:
        return Image.fromarray(_scaled(np.asarray(image)))
    return image


def _with_transparency(wide: Image.Image, grey: NDArray[np.integer]) -> Image.Image:
    """The grey values; the one of 16 bits that the file calls transparent becomes so."""
    opaque = Image.fromarray(grey.astype(np.uint8))
    transparent = wide.info.get("transparency")
    if not isinstance(transparent, int):
        return opaque
    alpha = np.where(np.asarray(wide) == transparent, 0, 255).astype(np.uint8)
    return Image.merge("LA", (opaque, Image.fromarray(alpha)))


def _scaled(values: NDArray[np.int32] | NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ContentFailure(FailureReason.NOT_FINITE, "the image holds pixels that are no numbers")
    offset, factor = 0.0, 1.0
    if low < 0 or high > _MAX_16_BITS:
        offset, factor = low, _MAX_8_BITS / max(high - low, 1e-30)
    elif high > _MAX_8_BITS:
        factor = 1 / 256
    elif high <= 1 and values.dtype.kind == "f":
        factor = _MAX_8_BITS
    return ((values - np.float32(offset)) * np.float32(factor)).astype(np.uint8)

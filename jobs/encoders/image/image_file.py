"""Decodes image files to RGB pixels of one size."""

from __future__ import annotations

import io
import warnings

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps

from jobs.encoders.failure_reasons import ContentFailure, FailureReason

MAX_PIXELS = 50_000_000  # larger images exceed a worker's memory, and no cover is that large
_WHITE = (255, 255, 255)


def decode(content: bytes, side_pixels: int, short_side_pixels: int) -> NDArray[np.uint8]:
    """The centre crop of an image in RGB, shape (side_pixels, side_pixels, 3).

    The short side is scaled to `short_side_pixels` before the crop. Transparent parts turn white,
    as on a web page.

    Raises:
        ContentFailure: the bytes are empty, no image, truncated, or decode to too many pixels.
    """
    image = open_image(content)
    scale = short_side_pixels / min(image.size)
    width, height = (max(side_pixels, round(length * scale)) for length in image.size)
    scaled = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side_pixels) // 2, (height - side_pixels) // 2
    return np.asarray(scaled.crop((left, top, left + side_pixels, top + side_pixels)))


def open_image(content: bytes) -> Image.Image:
    """The image in RGB, rotated as its EXIF orientation says.

    Raises:
        ContentFailure: as in `decode`.
    """
    if not content:
        raise ContentFailure(FailureReason.EMPTY, "the file holds no byte")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged metadata, which is not used
        try:
            image = Image.open(io.BytesIO(content))
            if image.width * image.height <= MAX_PIXELS:
                return _flatten(ImageOps.exif_transpose(image))
        except Image.DecompressionBombError as error:
            raise ContentFailure(FailureReason.TOO_LARGE, str(error)) from error
        except Exception as error:
            # Pillow's parsers raise many types on damaged bytes: 9,000 randomly damaged images
            # gave OSError, SyntaxError and ValueError.
            raise ContentFailure(FailureReason.UNREADABLE, f"Pillow: {error!r}") from error
    raise ContentFailure(
        FailureReason.TOO_LARGE,
        f"{image.width} x {image.height} pixels, at most {MAX_PIXELS} are decoded",
    )


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {"revision": 1, "resampling": "bicubic", "decoder": f"pillow {PIL.__version__}"}


def _flatten(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    background = Image.new("RGBA", image.size, (*_WHITE, 255))
    return Image.alpha_composite(background, image.convert("RGBA")).convert("RGB")

"""Picture bytes to RGB pixels of one size."""

from __future__ import annotations

import io
import warnings

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps

from jobs.encoders.failure_reasons import Reason, UnusableContent

MAX_PIXELS = 50_000_000  # more is no cover, and unpacks to more memory than a worker has
_WHITE = (255, 255, 255)


def decode(content: bytes, side_pixels: int, short_side_pixels: int) -> NDArray[np.uint8]:
    """The middle of a picture, shape (side_pixels, side_pixels, 3), red-green-blue.

    The short side is scaled to `short_side_pixels` before the middle is cut out. Transparent parts
    turn white, as a page shows them.

    Raises:
        UnusableContent: the bytes are empty, no picture, truncated, or unpack to too many pixels.
    """
    if not content:
        raise UnusableContent(Reason.EMPTY, "the file holds no byte")
    picture = _open(content)
    scale = short_side_pixels / min(picture.size)
    width, height = (max(side_pixels, round(length * scale)) for length in picture.size)
    scaled = picture.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side_pixels) // 2, (height - side_pixels) // 2
    return np.asarray(scaled.crop((left, top, left + side_pixels, top + side_pixels)))


def preprocessing() -> dict[str, object]:
    """What this module does to content, for an encoder's identity."""
    return {"revision": 1, "resampling": "bicubic", "decoder": f"pillow {PIL.__version__}"}


def _open(content: bytes) -> Image.Image:
    """The upright picture in RGB."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged metadata, which nobody here reads
        try:
            picture = Image.open(io.BytesIO(content))
            if picture.width * picture.height <= MAX_PIXELS:
                return _flatten(ImageOps.exif_transpose(picture))
        except Image.DecompressionBombError as error:
            raise UnusableContent(Reason.TOO_LARGE, str(error)) from error
        except Exception as error:
            # Pillow's parsers raise whatever damaged bytes make them stumble over: 9,000 randomly
            # damaged pictures gave OSError, SyntaxError and ValueError.
            raise UnusableContent(Reason.UNREADABLE, f"Pillow: {error!r}") from error
    raise UnusableContent(
        Reason.TOO_LARGE,
        f"{picture.width} x {picture.height} pixels, at most {MAX_PIXELS} are unpacked",
    )


def _flatten(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    page = Image.new("RGBA", picture.size, (*_WHITE, 255))
    return Image.alpha_composite(page, picture.convert("RGBA")).convert("RGB")

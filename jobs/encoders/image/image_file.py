"""Decodes image files to RGB pixels: open, turn upright, cut, reduce to 8 bits, flatten, scale.

Encoders and descriptors share what `decode_whole` gives, the report takes squares from `decode`.
Both are called through `jobs.encoders.content_decoding`, which bounds memory and time.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from jobs.decoding.failure_reasons import ContentFailure, FailureReason, check_size
from jobs.encoders import content_decoding
from jobs.encoders.image.tones import to_8_bits

MAX_FILE_BYTES = 128 * 2**20
MAX_PIXELS = 50_000_000  # larger images exceed a decoder's memory, and no cover is that large
MAX_ASPECT = 4  # of a longer strip the middle is taken: scaled by its short side it may be endless
MAX_SHORT_SIDE_PIXELS = 1024  # models take at most 512
FORMATS = (
    *("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000"),
    *("PNG", "PPM", "PSD", "QOI", "TIFF", "WEBP"),
)
"""Pillow's others start programs (EPS), take any bytes for an image (TGA), or hold no covers."""
_WHITE = (255, 255, 255)


def decode_whole(content: bytes) -> NDArray[np.uint8]:
    """An image in RGB, shape (height, width, 3); of a large one a smaller copy.

    The short side has at most MAX_SHORT_SIDE_PIXELS, the long one MAX_ASPECT times as many.

    Raises:
        ContentFailure: as `open_image`.
    """
    image = open_image(content)
    scale = MAX_SHORT_SIDE_PIXELS / min(image.size)
    if scale < 1:
        width, height = (max(1, round(length * scale)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def decode(content: bytes, side_pixels: int, short_side_pixels: int) -> NDArray[np.uint8]:
    """The centre crop of an image in RGB, shape (side_pixels, side_pixels, 3).

    The short side is scaled to `short_side_pixels` before the crop.

    Raises:
        ContentFailure: as `open_image`.
    """
    return np.asarray(centre_crop(open_image(content), side_pixels, short_side_pixels))


def centre_crop(image: Image.Image, side_pixels: int, short_side_pixels: int) -> Image.Image:
    """The centre of an image as a square of `side_pixels`, its short side scaled first."""
    scale = short_side_pixels / min(image.size)
    width, height = (max(side_pixels, round(length * scale)) for length in image.size)
    scaled = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side_pixels) // 2, (height - side_pixels) // 2
    return scaled.crop((left, top, left + side_pixels, top + side_pixels))


def open_image(content: bytes) -> Image.Image:
    """The image in RGB, rotated as its EXIF orientation says; of an animation the first frame.

    Transparent parts turn white, as on a web page. Of a strip longer than MAX_ASPECT times its
    short side, the middle is taken.

    Raises:
        ContentFailure: the bytes are empty, no image, truncated, too large, or hold pixels that
            are no numbers.
    """
    if not content:
        raise ContentFailure(FailureReason.EMPTY, "the file holds no byte")
    check_size(len(content), MAX_FILE_BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged metadata, which is not used
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            _check_pixels(image)
            image.load()
            _check_pixels(image)  # an icon's image may differ from its list
            ImageOps.exif_transpose(image, in_place=True)
            return _flatten(_middle(to_8_bits(image)))
        except (ContentFailure, MemoryError):
            raise
        except Image.DecompressionBombError as error:
            raise ContentFailure(FailureReason.TOO_LARGE, str(error)) from error
        except UnidentifiedImageError as error:  # its text has the address of our buffer
            formats = ", ".join(FORMATS)
            raise ContentFailure(
                FailureReason.UNREADABLE, f"Pillow finds no image of its formats ({formats})"
            ) from error
        except Exception as error:
            # Pillow's parsers raise many types on damaged bytes: 9,000 randomly damaged images
            # gave OSError, SyntaxError and ValueError.
            raise ContentFailure(FailureReason.UNREADABLE, f"Pillow: {error!r}") from error


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 3,  # raise it when code of this module or of tones.py changes pixels
        "resampling": "bicubic",
        "decoder": f"pillow {PIL.__version__}",
        "limits": {
            "process": content_decoding.limits(),
            "file_bytes": MAX_FILE_BYTES,
            "pixels": MAX_PIXELS,
            "aspect": MAX_ASPECT,
            "short_side_pixels": MAX_SHORT_SIDE_PIXELS,
        },
    }


def _check_pixels(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ContentFailure(
            FailureReason.TOO_LARGE,
            f"{image.width} x {image.height} pixels, at most {MAX_PIXELS} are decoded",
        )


def _middle(image: Image.Image) -> Image.Image:
    """The middle of a strip that is longer than MAX_ASPECT times its short side."""
    longest = MAX_ASPECT * min(image.size)
    if max(image.size) <= longest:
        return image
    width, height = (min(length, longest) for length in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _flatten(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    background = Image.new("RGB", image.size, _WHITE)
    background.paste(image, mask=image.getchannel("A"))
    return background

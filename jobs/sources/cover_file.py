"""The image file of a cover, as a source finds or draws it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import PIL.Image
from mediafile import Image, ImageType

from jobs.decoding.failure_reasons import ContentFailure, FailureReason, check_size
from jobs.encoders.image.image_file import FORMATS, decode_whole

COVER_BYTES_MAX = 32 * 1024**2
"""Larger images are no covers: a scan of 5,000 x 5,000 pixels as PNG has about 25 MiB."""

_ENDINGS = {"JPEG": "jpg", "MPO": "jpg", "JPEG2000": "jp2"}
_OF_THE_ARTIST = frozenset(
    {
        ImageType.lead_artist,
        ImageType.artist,
        ImageType.conductor,
        ImageType.group,
        ImageType.composer,
        ImageType.lyricist,
        ImageType.recording_session,
        ImageType.performance,
        ImageType.artist_logo,
    }
)
_ICONS = frozenset({ImageType.icon, ImageType.other_icon})


@dataclass(frozen=True, slots=True)
class CoverFile:
    """Bytes of an image file, and its file extension without the dot."""

    extension: str
    content: bytes


@dataclass(frozen=True, slots=True)
class EmbeddedCover:
    """The cover in an audio file.

    Attributes:
        cover: None where no picture serves as one.
        failures: why pictures that come before it do not serve.
    """

    cover: CoverFile | None
    failures: tuple[str, ...]


def embedded_cover(pictures: Iterable[Image]) -> EmbeddedCover:
    """The front cover; else another picture, but none of the artist."""
    failures: list[str] = []
    fitting = [each for each in pictures if each.data and each.type not in _OF_THE_ARTIST]
    for picture in sorted(fitting, key=_order):
        content = bytes(picture.data)
        try:
            return EmbeddedCover(cover_of(content, decode_whole), tuple(failures))
        except ContentFailure as failure:
            failures.append(f"a picture of {len(content):,} bytes {why_unusable(failure)}")
    return EmbeddedCover(None, tuple(failures))


def cover_of(content: bytes, decode: Callable[[bytes], object]) -> CoverFile:
    """The image that bytes are, when the night can decode it.

    Args:
        content: an image file.
        decode: the decoder of the night, or a call of it in a process of its own.

    Raises:
        ContentFailure: the bytes are too many, no image, or one that the decoder cannot decode.
    """
    check_size(len(content), COVER_BYTES_MAX)
    try:
        decode(content)
    except MemoryError as error:
        raise ContentFailure(FailureReason.TOO_LARGE, "more pixels than memory") from error
    with PIL.Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        kind = str(opened.format)
    return CoverFile(_ENDINGS.get(kind, kind.lower()), content)


def why_unusable(failure: ContentFailure) -> str:
    """What to say about an image that is no cover, and what to do about it."""
    is_large = failure.reason is FailureReason.TOO_LARGE
    what = f"is too large ({failure.detail})" if is_large else "is no image that can be decoded"
    return f"{what}; replace it by a JPEG or PNG"


def _order(picture: Image) -> int:
    if picture.type is ImageType.front:
        return 0
    return 2 if picture.type in _ICONS else 1

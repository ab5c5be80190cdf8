"""The image file of a cover, as a source finds or draws it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mediafile import Image, ImageType, image_mime_type

COVER_BYTES_MAX = 32 * 1024**2
"""Larger images are no covers: a scan of 5,000 x 5,000 pixels as PNG has about 25 MiB."""

_ENDINGS = {"image/png": "png", "image/gif": "gif", "image/webp": "webp", "image/bmp": "bmp"}
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


class UnusablePicture(ValueError):
    """A file has embedded pictures, and none of them is an image of a cover."""


@dataclass(frozen=True, slots=True)
class CoverFile:
    """Bytes of an image file, and its file extension without the dot."""

    extension: str
    content: bytes


def embedded_cover(pictures: Iterable[Image]) -> CoverFile | None:
    """The front cover; else another picture, but none of the artist; None without pictures.

    Raises:
        UnusablePicture: no picture holds an image, as a link to one does, or all are too large.
    """
    fitting = [picture for picture in pictures if picture.type not in _OF_THE_ARTIST]
    for picture in sorted(fitting, key=_order):
        cover = cover_of(bytes(picture.data))
        if len(picture.data) <= COVER_BYTES_MAX and cover:
            return cover
    if fitting:
        sizes = ", ".join(f"{len(picture.data):,}" for picture in fitting)
        raise UnusablePicture(
            f"no picture in the file is an image of at most {COVER_BYTES_MAX:,} bytes "
            f"(they have {sizes} bytes)"
        )
    return None


def cover_of(content: bytes) -> CoverFile | None:
    """The image that bytes are, by their first ones; None for anything else."""
    kind = str(image_mime_type(content)) if content else ""
    return CoverFile(_ENDINGS.get(kind, "jpg"), content) if kind.startswith("image/") else None


def _order(picture: Image) -> int:
    if picture.type is ImageType.front:
        return 0
    return 2 if picture.type in _ICONS else 1

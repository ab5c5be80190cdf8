"""Tags inside audio files, whatever their container calls them, read with mutagen."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import mutagen
from mutagen.flac import Picture as FlacPicture

# What Vorbis comments, ID3 and MP4 call the same thing; the first that is there counts.
_TITLE = ("title", "TIT2", "©nam")
_ARTIST = ("artist", "TPE1", "©ART")
_ALBUM = ("album", "TALB", "©alb")
_GENRE = ("genre", "TCON", "©gen")
_DATE = ("date", "TDRL", "TDRC", "©day")
_LYRICS = ("lyrics", "unsyncedlyrics", "USLT", "©lyr")
_ISRC = ("isrc", "TSRC", "----:com.apple.iTunes:ISRC")
_MBID = (
    "musicbrainz_trackid",
    "UFID:http://musicbrainz.org",
    "----:com.apple.iTunes:MusicBrainz Track Id",
)
_PICTURE = ("metadata_block_picture", "APIC", "covr")
_PNG_SIGNATURE = b"\x89PNG"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's file ending, without its dot, and its bytes."""

    ending: str
    content: bytes


@dataclass(frozen=True, slots=True)
class AudioTags:
    """What a file says about itself; None for what it does not say.

    Attributes:
        failure: why the tags, or the picture among them, could not be read.
    """

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genre: str | None = None
    released_date: date | None = None
    duration_ms: int | None = None
    isrc: str | None = None
    recording_mbid: str | None = None
    lyrics: str | None = None
    picture: Picture | None = None
    failure: str | None = None


def read_tags(content: bytes, file_name: str) -> AudioTags:
    """The tags of an audio file; all None, with the failure, when it is none that mutagen knows."""
    try:
        opened = mutagen.File(fileobj=io.BytesIO(content), filename=file_name)
    except mutagen.MutagenError as error:
        return AudioTags(failure=f"tags: {error}")
    if opened is None:
        return AudioTags(failure="tags: no known audio format")
    tags: Mapping[str, Any] = opened.tags or {}  # each container has values of its own types
    picture, failure = _picture(opened, tags)
    return AudioTags(
        title=_text(tags, _TITLE),
        artist=_text(tags, _ARTIST),
        album=_text(tags, _ALBUM),
        genre=_text(tags, _GENRE),
        released_date=_whole_day(_text(tags, _DATE)),
        duration_ms=round(opened.info.length * 1000) or None,
        isrc=_text(tags, _ISRC),
        recording_mbid=_text(tags, _MBID),
        lyrics=_text(tags, _LYRICS),
        picture=picture,
        failure=failure,
    )


def _first(tags: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The first value of the first name that is there; ID3 adds a language, as in "USLT::eng"."""
    for name in names:
        for key in tags.keys():  # noqa: SIM118  iterating Vorbis comments gives pairs
            if key == name or key.startswith(f"{name}:"):
                value = tags[key]
                return value[0] if isinstance(value, list) and value else value
    return None


def _text(tags: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """A value as text without outer blanks; None when there is none or only blanks."""
    value = _first(tags, names)
    value = getattr(value, "text", getattr(value, "data", value))  # the frames of ID3
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip() or None


def _whole_day(text: str | None) -> date | None:
    """The day of "2011-07-19" or "2011-07-19T12:00:00"; None for a year or a month alone."""
    try:
        return date.fromisoformat(text[: len("2011-07-19")]) if text else None
    except ValueError:
        return None


def _picture(opened: Any, tags: Mapping[str, Any]) -> tuple[Picture | None, str | None]:
    """The embedded picture, or why there is one that cannot be read."""
    if native := getattr(opened, "pictures", None):  # FLAC keeps pictures beside its tags
        return _as_picture(native[0].data), None
    value = _first(tags, _PICTURE)
    if value is None:
        return None, None
    if not isinstance(value, str):  # ID3 frames have .data, MP4 covers are bytes
        return _as_picture(bytes(getattr(value, "data", value))), None
    try:
        return _as_picture(FlacPicture(base64.b64decode(value, validate=True)).data), None  # type: ignore[no-untyped-call]  # mutagen has no types
    except (binascii.Error, mutagen.MutagenError) as error:
        return None, f"embedded picture: {error}"


def _as_picture(content: bytes) -> Picture:
    return Picture("png" if content.startswith(_PNG_SIGNATURE) else "jpg", content)

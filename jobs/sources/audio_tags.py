"""Reads the tags and the embedded cover of audio files (Vorbis comments, ID3, MP4) with mutagen."""

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

from jobs.sources.cover_file import CoverFile

# Names of one tag in Vorbis comments, ID3 and MP4; the first name that a file has counts.
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
_COVER = ("metadata_block_picture", "APIC", "covr")
_PNG_SIGNATURE = b"\x89PNG"


@dataclass(frozen=True, slots=True)
class AudioTags:
    """Tags of one audio file; None for a tag that the file lacks.

    Attributes:
        failure: why the tags, or the embedded cover, could not be read.
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
    cover: CoverFile | None = None
    failure: str | None = None


def read_tags(content: bytes, file_name: str) -> AudioTags:
    """Tags of an audio file; all None, with a failure, when mutagen cannot read it."""
    try:
        opened = mutagen.File(fileobj=io.BytesIO(content), filename=file_name)
    except mutagen.MutagenError as error:
        return AudioTags(failure=f"tags: {error}")
    if opened is None:
        return AudioTags(failure="tags: no known audio format")
    tags: Mapping[str, Any] = opened.tags or {}  # each container has values of its own types
    cover, failure = _embedded_cover(opened, tags)
    return AudioTags(
        title=_text(tags, _TITLE),
        artist=_text(tags, _ARTIST),
        album=_text(tags, _ALBUM),
        genre=_text(tags, _GENRE),
        released_date=_full_date(_text(tags, _DATE)),
        duration_ms=round(opened.info.length * 1000) or None,
        isrc=_text(tags, _ISRC),
        recording_mbid=_text(tags, _MBID),
        lyrics=_text(tags, _LYRICS),
        cover=cover,
        failure=failure,
    )


def _first(tags: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """First value of the first name found; ID3 adds a language to a name, as in "USLT::eng"."""
    for name in names:
        for key in tags.keys():  # noqa: SIM118  iterating over Vorbis comments gives pairs
            if key == name or key.startswith(f"{name}:"):
                value = tags[key]
                return value[0] if isinstance(value, list) and value else value
    return None


def _text(tags: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """A tag's text without surrounding spaces; None when it is missing or blank."""
    value = _first(tags, names)
    value = getattr(value, "text", getattr(value, "data", value))  # ID3 frames
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip() or None


def _full_date(text: str | None) -> date | None:
    """The date of "2011-07-19" or "2011-07-19T12:00:00"; None for a year or a month alone."""
    try:
        return date.fromisoformat(text[: len("2011-07-19")]) if text else None
    except ValueError:
        return None


def _embedded_cover(opened: Any, tags: Mapping[str, Any]) -> tuple[CoverFile | None, str | None]:
    """The embedded cover, or why it cannot be read; (None, None) when there is none."""
    if native := getattr(opened, "pictures", None):  # FLAC keeps pictures outside its tags
        return _cover_file(native[0].data), None
    value = _first(tags, _COVER)
    if value is None:
        return None, None
    if not isinstance(value, str):  # ID3 frames have .data, MP4 covers are bytes
        return _cover_file(bytes(getattr(value, "data", value))), None
    try:
        return _cover_file(FlacPicture(base64.b64decode(value, validate=True)).data), None  # type: ignore[no-untyped-call]  # mutagen has no types
    except (binascii.Error, mutagen.MutagenError) as error:
        return None, f"embedded picture: {error}"


def _cover_file(content: bytes) -> CoverFile:
    return CoverFile("png" if content.startswith(_PNG_SIGNATURE) else "jpg", content)

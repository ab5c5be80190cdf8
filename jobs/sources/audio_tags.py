"""Reads the tags and the embedded cover of audio files with mediafile.

mediafile knows the names of one tag in Vorbis comments, ID3, MP4 and APE. Two fields are added to
its own: a release date is preferred to a recording date, and "unsyncedlyrics" are lyrics too.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import mediafile
from mutagen import MutagenError

from jobs.sources.cover_file import CoverFile

_PNG_SIGNATURE = b"\x89PNG"


@dataclass(frozen=True, slots=True)
class AudioTags:
    """Tags of one audio file; None for a tag that the file lacks.

    Attributes:
        failure: why the tags, or one of them, could not be read.
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


class _AudioFile(mediafile.MediaFile):  # type: ignore[misc]  # mediafile has no types
    """An audio file with the fields that the catalogue needs."""

    released = mediafile.DateField(
        mediafile.MP3StorageStyle("TDRL"),
        mediafile.MP3StorageStyle("TDRC"),
        mediafile.MP4StorageStyle("\xa9day"),
        mediafile.StorageStyle("DATE"),
    )
    released_year, released_month, released_day = (
        released.year_field(),
        released.month_field(),
        released.day_field(),
    )
    unsynced_lyrics = mediafile.MediaField(mediafile.StorageStyle("UNSYNCEDLYRICS"))


class _NamedBytes(io.BytesIO):
    """Bytes with a file name: its extension helps to tell formats apart."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def read_tags(content: bytes, file_name: str) -> AudioTags:
    """Tags of an audio file; all None, with a failure, when it cannot be read.

    A tag that cannot be read is None, and the failure names it.
    """
    try:
        file = _AudioFile(_NamedBytes(content, file_name))
    except mediafile.UnreadableFileError as error:
        return AudioTags(failure=f"tags: {error}")
    readers: dict[str, Callable[[], object]] = {
        "title": lambda: _text(file.title),
        "artist": lambda: _text(file.artist),
        "album": lambda: _text(file.album),
        "genre": lambda: _text(file.genre),
        "released_date": lambda: _full_date(file),
        "duration_ms": lambda: round(file.length * 1000) or None,
        "isrc": lambda: _text(file.isrc),
        "recording_mbid": lambda: _text(file.mb_trackid),
        "lyrics": lambda: _text(file.lyrics) or _text(file.unsynced_lyrics),
        "cover": lambda: _cover_file(file.art),
    }
    found, failures = dict[str, object](), list[str]()
    for name, read in readers.items():
        try:
            found[name] = read()
        # mediafile takes values apart without checking them: any of these may come of a broken one.
        except (ValueError, TypeError, LookupError, AttributeError, MutagenError) as error:
            failures.append(f"{name}: {error}")
    return AudioTags(**found, failure="; ".join(failures) or None)  # type: ignore[arg-type]


def _text(value: str | None) -> str | None:
    """A tag's text without surrounding spaces; None when it is missing or blank."""
    return (value or "").strip() or None


def _full_date(file: _AudioFile) -> date | None:
    """The release date; None for a year or a month alone, or a day that no calendar has."""
    year, month, day = file.released_year, file.released_month, file.released_day
    try:
        return date(year, month, day) if year and month and day else None
    except ValueError:
        return None


def _cover_file(content: bytes | None) -> CoverFile | None:
    if not content:
        return None
    return CoverFile("png" if content.startswith(_PNG_SIGNATURE) else "jpg", content)

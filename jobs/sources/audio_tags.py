"""Reads the tags and the embedded cover of audio files with mediafile.

mediafile knows the names of one tag in Vorbis comments, ID3, MP4 and APE. Beyond it: a release date
is preferred to a recording date, "unsyncedlyrics" and lyrics with a description are lyrics too, and
FLAC and Speex in Ogg are read.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import mediafile
import mutagen
from mutagen import MutagenError
from mutagen.oggflac import OggFLAC
from mutagen.oggspeex import OggSpeex

from jobs.sources.cover_file import CoverFile

_PNG_SIGNATURE = b"\x89PNG"
_FIRST_YEAR = 1000  # "03/04/05" is no date of the year 3


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


class OggFlac(OggFLAC):
    """mutagen's class under the name that mediafile's fields go by."""


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
        file = _open(content, file_name)
    except (mediafile.UnreadableFileError, MutagenError) as error:
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
        "lyrics": lambda: (
            _text(file.lyrics) or _text(file.unsynced_lyrics) or _described_lyrics(file)
        ),
        # mediafile's reader of ASF pictures may never end on a broken one.
        "cover": lambda: None if file.type == "asf" else _cover_file(file.art),
    }
    found, failures = dict[str, object](), list[str]()
    for name, read in readers.items():
        try:
            found[name] = read()
        # mediafile takes values apart without checking them: any of these may come of a broken one.
        except _BROKEN_VALUE as error:
            failures.append(f"{name}: {error}")
    return AudioTags(**found, failure="; ".join(failures) or None)  # type: ignore[arg-type]


_BROKEN_VALUE = (ValueError, TypeError, LookupError, AttributeError, struct.error, MutagenError)


def _open(content: bytes, file_name: str) -> _AudioFile:
    """The file, also of two kinds that mediafile refuses although its fields could read them."""
    try:
        return _AudioFile(_NamedBytes(content, file_name))
    except mediafile.FileTypeError:
        opened = mutagen.File(_NamedBytes(content, file_name), options=[OggFlac, OggSpeex])
        if opened is None:
            raise
    file = _AudioFile.__new__(_AudioFile)
    file.mgfile, file.type = opened, "ogg"
    return file


def _described_lyrics(file: _AudioFile) -> str | None:
    """Lyrics of an ID3 frame with a description, which mediafile takes for other ones."""
    all_frames: Callable[[str], list[Any]] = getattr(file.mgfile.tags, "getall", lambda _: [])
    return next(filter(None, (_text(frame.text) for frame in all_frames("USLT"))), None)


def _text(value: str | None) -> str | None:
    """A tag's text without surrounding spaces; None when it is missing or blank."""
    return (value or "").strip() or None


def _full_date(file: _AudioFile) -> date | None:
    """The release date; None for a year or a month alone, or a day that no calendar has."""
    year, month, day = file.released_year, file.released_month, file.released_day
    try:
        is_full = year and month and day and year >= _FIRST_YEAR
        return date(year, month, day) if is_full else None
    except ValueError:
        return None


def _cover_file(content: bytes | None) -> CoverFile | None:
    if not content:
        return None
    return CoverFile("png" if content.startswith(_PNG_SIGNATURE) else "jpg", content)

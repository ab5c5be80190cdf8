"""Reads the tags and the embedded cover of audio files with mediafile.

mediafile knows the names of one tag in Vorbis comments, ID3, MP4 and APE. Beyond it: all artists
and genres are read, a release date is preferred to a recording date, "unsyncedlyrics", timed lyrics
and lyrics with a description are lyrics too, and FLAC and Speex in Ogg are read.
"""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath
from typing import Any

import mediafile
import mutagen
from mutagen.flac import Picture
from mutagen.oggflac import OggFLAC
from mutagen.oggspeex import OggSpeex

from jobs.sources.cover_file import CoverFile, embedded_cover
from jobs.sources.ingest_result import shown_path
from jobs.sources.music_files.audio_format import ending_by_content
from jobs.sources.music_files.duration import duration_ms
from jobs.sources.music_files.lyrics_text import plain_words
from jobs.sources.music_files.tag_values import (
    Credit,
    clean_text,
    credit,
    genres,
    has_unstorable,
    separate_values,
)

_FIRST_YEAR = 1000  # "03/04/05" is no date of the year 3
_SYLT_WORDS = frozenset({1, 2})  # ID3v2.4, 4.9: lyrics, text transcription
_VARIOUS_ARTISTS = "Various Artists"

# It logs every bug of mutagen that a broken file meets; AudioTags.failure says so by itself.
logging.getLogger("mediafile").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class AudioTags:
    """Tags of one audio file; None for a tag that the file lacks.

    Attributes:
        artist: all artists, as they are written.
        lead_artist: the first of them.
        album_artist: the artist of the album; "Various Artists" of a compilation that names none.
        genres: every genre by itself.
        lyrics: plain words.
        failure: why the tags, or one of them, could not be read.
    """

    title: str | None = None
    artist: str | None = None
    lead_artist: str | None = None
    album: str | None = None
    album_artist: str | None = None
    genres: tuple[str, ...] = ()
    released_date: date | None = None
    duration_ms: int | None = None
    isrc: str | None = None
    recording_mbid: str | None = None
    lyrics: str | None = None
    cover: CoverFile | None = None
    failure: str | None = None


class _VorbisPictures(mediafile.VorbisImageStorageStyle):  # type: ignore[misc]  # no types
    """Embedded pictures of Vorbis comments; a broken one does not hide the others."""

    def fetch(self, mutagen_file: Any) -> list[mediafile.Image]:
        blocks = mutagen_file.get("metadata_block_picture", [])
        if not blocks:
            return list(super().fetch(mutagen_file))
        images, failures = [], []
        for block in blocks:
            try:
                picture = Picture(base64.b64decode(block))  # type: ignore[no-untyped-call]
            except (ValueError, mutagen.MutagenError) as error:
                failures.append(error)
            else:
                images.append(mediafile.Image(picture.data, picture.desc, picture.type))
        if failures and not images:
            raise failures[0]
        return images


class _AudioFile(mediafile.MediaFile):  # type: ignore[misc]  # mediafile has no types
    """An audio file with the fields that the catalogue needs."""

    artist_values = mediafile.ListMediaField(
        mediafile.MP3ListStorageStyle("TPE1"),
        mediafile.MP4ListStorageStyle("\xa9ART"),
        mediafile.ListStorageStyle("ARTIST"),
        mediafile.ASFStorageStyle("Author"),
    )
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
    pictures = mediafile.ListMediaField(
        mediafile.MP3ImageStorageStyle(),
        mediafile.MP4ImageStorageStyle(),
        mediafile.FlacImageStorageStyle(),
        _VorbisPictures(),
        out_type=mediafile.Image,
    )


class OggFlac(OggFLAC):
    """mutagen's class under the name that mediafile's fields go by."""


class _NamedBytes(io.BytesIO):
    """Bytes with a file name: its extension helps to tell formats apart."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def read_tags(content: bytes, file_name: str) -> AudioTags:
    """Tags of an audio file; all None, with a failure, when it cannot be read.

    The content tells the format; the file name's ending counts only where the content does not. A
    tag that cannot be read is None, and the failure names it.
    """
    ending = ending_by_content(content, PurePath(file_name).suffix.lower())
    try:
        file = _open(content, f"audio{ending}")
    except Exception as error:  # noqa: BLE001  the parser meets any bytes and raises any type
        return AudioTags(failure=f"tags: {_told(error)}")
    found, failures = dict[str, Any](), list[str]()
    for name, read in _readers(file, len(content), failures).items():
        try:
            found[name] = read()
        except Exception as error:  # noqa: BLE001  mediafile takes values apart unchecked
            failures.append(f"{name}: {_told(error)}")
    credited: Credit | None = found.pop("artist", None)
    return AudioTags(
        **found,
        artist=credited.names if credited else None,
        lead_artist=credited.lead if credited else None,
        failure="; ".join(failures) or None,
    )


def _readers(
    file: _AudioFile, byte_count: int, failures: list[str]
) -> dict[str, Callable[[], object]]:
    """The reader of each tag; what it raises is that tag's failure."""

    def cleaned(name: str, value: str | None) -> str | None:
        if has_unstorable(value):
            failures.append(f"{name}: holds NUL or half a surrogate pair, which are left out")
        return clean_text(value)

    return {
        "title": lambda: cleaned("title", file.title),
        "artist": lambda: credit(file.artist_values or [], file.artists or []),
        "album": lambda: cleaned("album", file.album),
        "album_artist": lambda: _album_artist(file),
        "genres": lambda: tuple(genres(file.genres or [])),
        "released_date": lambda: _full_date(file),
        "duration_ms": lambda: duration_ms(file.mgfile.info, file.type, byte_count),
        "isrc": lambda: _text(file.isrc),
        "recording_mbid": lambda: _text(file.mb_trackid),
        "lyrics": lambda: _lyrics(file),
        "cover": lambda: embedded_cover(file.pictures or []),
    }


def _told(error: Exception) -> str:
    """The error on one printable line; its type where it has no message."""
    return shown_path(str(error)) or type(error).__name__


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


def _text(value: str | None) -> str | None:
    """The first value of a tag as clean text; None when it is missing or blank."""
    return next(iter(separate_values([value])), None)


def _album_artist(file: _AudioFile) -> str | None:
    named = _text(file.albumartist) or _text(next(iter(file.albumartists or []), None))
    return named or (_VARIOUS_ARTISTS if file.comp else None)


def _lyrics(file: _AudioFile) -> str | None:
    """Plain words; in ID3 also of a frame with a description, and of timed lyrics."""
    all_frames: Callable[[str], list[Any]] = getattr(file.mgfile.tags, "getall", lambda _: [])
    if frames := all_frames("SYLT"):  # of ID3, where they may be chords or pictures, too
        lines = [line for frame in frames if frame.type in _SYLT_WORDS for line, _ in frame.text]
    else:
        lines = [line for line, _ in file.synced_lyrics or []]
    timed = "".join(lines)
    texts = (file.lyrics, file.unsynced_lyrics, *(each.text for each in all_frames("USLT")), timed)
    return next(filter(None, (plain_words(text) for text in texts if text)), None)


def _full_date(file: _AudioFile) -> date | None:
    """The release date; None for a year or a month alone, or a day that no calendar has."""
    year, month, day = file.released_year, file.released_month, file.released_day
    try:
        is_full = year and month and day and year >= _FIRST_YEAR
        return date(year, month, day) if is_full else None
    except ValueError:
        return None

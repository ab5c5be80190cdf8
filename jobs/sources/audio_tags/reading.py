"""Reads the tags and the embedded cover of audio files with mediafile.

mediafile knows the names of one tag in Vorbis comments, ID3, MP4 and APE. Beyond it: all artists
and genres are read, a release date is preferred to a recording date, timed lyrics, lyrics with a
description and those under other names (LYRICS-ENG, TXXX:LYRICS) are lyrics too, and so are tags
where the format has none (tag_files.py). A tag that is there and cannot be read is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from mutagen.id3 import ID3

from jobs.sources.audio_tags.tag_files import (
    OUR_NAME,
    TagFile,
    bytes_outside_id3,
    further_tags,
    id3_bytes,
    id3_spans,
    open_file,
    texts_named,
    without_id3,
)
from jobs.sources.audio_tags.tags import AudioTags
from jobs.sources.cover_file import CoverFile, embedded_cover
from jobs.sources.ingest_result import shown_path
from jobs.sources.music_files.duration import duration_ms
from jobs.sources.music_files.lyrics_text import plain_words
from jobs.sources.music_files.tag_values import (
    LYRICS_CHARS_MAX,
    TEXT_CHARS_MAX,
    Credit,
    clean_text,
    credit,
    full_date,
    genres,
    is_decoded,
    separate_values,
)

_LYRICS_NAME = re.compile(r"uslt|(?:(?:un)?sync(?:ed|hroni[sz]ed)[ _-]?)?lyrics(?:-[a-z]{2,3})?")
_COMPILATION_NAME = re.compile("tcmp|compilation|itunescompilation")
_LINE_END = re.compile(r"[\r\n]")
_ON_ONE_LINE = ("title", "album")
_SYLT_WORDS = frozenset({1, 2})  # ID3v2.4, 4.9: lyrics, text transcription
_VARIOUS_ARTISTS = "Various Artists"
_NAMES_IN_ID3 = {
    "title": (b"TIT2", b"TT2"),
    "artist": (b"TPE1", b"TP1"),
    "album": (b"TALB", b"TAL"),
    "album_artist": (b"TPE2", b"TP2"),
    "genres": (b"TCON", b"TCO"),
    "isrc": (b"TSRC", b"TRC"),
    "lyrics": (b"USLT", b"ULT"),
    "cover": (b"APIC", b"PIC"),
}
"""The frames of a tag in ID3v2.3 and 2.4, and in ID3v2.2."""
_NAMES_IN_MP4 = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "album_artist": "aART",
    "genres": "\xa9gen",
    "released_date": "\xa9day",
    "lyrics": "\xa9lyr",
    "cover": "covr",
}
_ID3_VERSION_AT, _ID3_2 = 3, 2

_Reader = Callable[[TagFile], Any]


def read_tags(file: BinaryIO, ending: str) -> AudioTags:
    """Tags of an audio file; all None, with a failure, when it cannot be read.

    A tag that cannot be read is None, and the failure names it.

    Args:
        file: the audio file, opened for reading.
        ending: the file ending that fits its content.

    Raises:
        MemoryError: reading takes more memory than there is.
    """
    audio = without_id3(file, ending)
    try:
        opened = open_file(audio, ending)
    except Exception as error:  # noqa: BLE001  the parser meets any bytes and raises any type
        _raise_want_of_memory(error)
        return AudioTags(failure=f"tags: {_told(error)}")
    failures: dict[str, str] = {}
    tagged = [opened, *_further(file, audio, opened.type, failures)]
    if opened.type == "mp3" and not id3_spans(file):
        tagged.append(tagged.pop(0))  # an ID3v1 tag cuts texts after 30 bytes
    found = {name: _first(name, read, tagged, failures) for name, read in _READERS.items()}
    found["cover"] = _cover(tagged, failures)
    _name_unread(file, tagged, found, failures)
    try:
        found["duration_ms"] = duration_ms(audio, opened.mgfile.info, opened.type)
    except Exception as error:  # noqa: BLE001  the parser meets any bytes and raises any type
        failures["duration_ms"] = _told(error)
    credited: Credit | None = found.pop("artist", None)
    return AudioTags(
        **found | {"genres": found["genres"] or ()},
        artist=credited.names if credited else None,
        lead_artist=credited.lead if credited else None,
        failure="; ".join(f"{name}: {reason}" for name, reason in failures.items()) or None,
    )


def _further(
    file: BinaryIO, audio: BinaryIO, kind: str, failures: dict[str, str]
) -> Iterator[TagFile]:
    """The further tags of a file, up to the first that cannot be taken apart."""
    try:
        yield from further_tags(file, audio, kind)
    except Exception as error:  # noqa: BLE001  the parser meets any bytes and raises any type
        _raise_want_of_memory(error)
        failures["further tags"] = _told(error)


def _first(
    name: str, read: _Reader, tagged: Sequence[TagFile], failures: dict[str, str]
) -> Any | None:
    """The first value of a tag; failures take what it raises, or what is odd about it."""
    for file in tagged:
        try:
            value = read(file)
        except Exception as error:  # noqa: BLE001  mediafile takes values apart unchecked
            _raise_want_of_memory(error)
            failures.setdefault(name, _told(error))
            continue
        texts = _texts(value)
        if not all(map(is_decoded, texts)):
            failures[name] = "is in another encoding than its format has; left out"
            continue
        if name in _ON_ONE_LINE and "\0" in (getattr(file, name) or "").strip("\0"):
            failures[name] = "holds NUL, which counts as a blank"
        longest = max(map(len, texts), default=0)
        most = LYRICS_CHARS_MAX if name == "lyrics" else TEXT_CHARS_MAX
        if longest > most:
            failures[name] = f"has {longest:,} characters, at most {most:,} are taken; left out"
            continue
        if value:
            return value
    return None


def _cover(tagged: Sequence[TagFile], failures: dict[str, str]) -> CoverFile | None:
    """The first embedded cover; failures take pictures before it that do not serve as one."""
    of_pictures: list[str] = []
    cover = None
    for file in tagged:
        try:
            found = embedded_cover(file.pictures or [])
        except Exception as error:  # noqa: BLE001  mediafile takes values apart unchecked
            _raise_want_of_memory(error)
            of_pictures.append(_told(error))
            continue
        of_pictures += found.failures
        if cover := found.cover:
            break
    if of_pictures:
        failures["cover"] = ", ".join(dict.fromkeys(of_pictures))
    return cover


def _texts(value: object) -> Sequence[str]:
    """The texts of a value; none of a date or a picture."""
    if isinstance(value, Credit):
        return value.names, value.lead
    if isinstance(value, tuple):
        return value
    return [value] if isinstance(value, str) else []


def _name_unread(
    file: BinaryIO,
    tagged: Sequence[TagFile],
    found: dict[str, Any],
    failures: dict[str, str],
) -> None:
    """Name tags that are in the file, and of which mutagen made nothing, which it does in silence.

    It keeps the boxes of an MP4 that it could not read, and drops such frames of ID3.
    """
    unread: set[str] = set()
    for each in tagged:
        kept = getattr(each.mgfile.tags, "_failed_atoms", {})
        unread |= {name for name, box in _NAMES_IN_MP4.items() if box in kept}
    of_id3 = [each.mgfile.tags for each in tagged if isinstance(each.mgfile.tags, ID3)]
    frames = {key[:4].encode() for tags in of_id3 for key in tags}
    for span in id3_spans(file):
        content = id3_bytes(file, span)
        is_2 = content[_ID3_VERSION_AT] == _ID3_2
        unread |= {
            name
            for name, (new, old) in _NAMES_IN_ID3.items()
            if (old if is_2 else new) in content and new not in frames
        }
    if tagged[0].type == "mp3":
        stray = bytes_outside_id3(file)
        unread |= {name for name, (new, _) in _NAMES_IN_ID3.items() if new in stray}
    for name in unread:
        if not found.get(name):
            failures.setdefault(name, "is in the file in a form that cannot be read; left out")


def _raise_want_of_memory(error: BaseException | None) -> None:
    """Raise a MemoryError that a library made another error of; the process answers for it."""
    while error is not None:
        if isinstance(error, MemoryError):
            raise error
        error = error.__context__


def _told(error: Exception) -> str:
    """The error on one printable line without our name of the file; its type without a message."""
    told = str(error).partition(f"{OUR_NAME}.")
    message = told[2].partition(": ")[2] if told[1] and not told[0] else str(error)
    return shown_path(message).strip() or type(error).__name__


def _text(value: str | None) -> str | None:
    """The first value of a tag as clean text; None when it is missing or blank."""
    return next(iter(separate_values([value])), None)


def _album_artist(file: TagFile) -> str | None:
    named = _text(file.albumartist) or _text(next(iter(file.albumartists or []), None))
    is_compilation = file.comp or "1" in texts_named(file, _COMPILATION_NAME)
    return named or (_VARIOUS_ARTISTS if is_compilation else None)


def _lyrics(file: TagFile) -> str | None:
    """Plain words; in ID3 also of a frame with a description, and of timed lyrics."""
    frames: Callable[[str], list[Any]] = getattr(file.mgfile.tags, "getall", lambda _: [])
    texts = (
        file.lyrics,
        *(frame.text for frame in frames("USLT")),
        *texts_named(file, _LYRICS_NAME),
        # SYLT may hold chords or pictures, too.
        *(_timed_words(frame.text) for frame in frames("SYLT") if frame.type in _SYLT_WORDS),
    )
    return next(filter(None, (plain_words(text) for text in texts if text)), None)


def _timed_words(events: Sequence[tuple[str, int]]) -> str:
    """The text of events, which are syllables: a line begins with a line end (ID3v2.4, 4.9).

    Where no event has one, each is a line, as many programs write them.
    """
    texts = [text for text, _ in events]
    return ("" if any(map(_LINE_END.search, texts)) else "\n").join(texts)


_READERS: dict[str, _Reader] = {
    "title": lambda file: clean_text(file.title),
    "artist": lambda file: credit(file.artist_values or [], file.artists or []),
    "album": lambda file: clean_text(file.album),
    "album_artist": _album_artist,
    "genres": lambda file: tuple(genres(file.genres or [])),
    "released_date": lambda file: full_date(file.released_texts or []),
    "isrc": lambda file: _text(file.isrc),
    "recording_mbid": lambda file: _text(file.mb_trackid),
    "lyrics": _lyrics,
}
"""The reader of each tag; None or nothing where a file lacks it."""

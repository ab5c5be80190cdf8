"""Everything in an audio file that holds tags, each as a file whose fields mediafile reads.

The first is what the format provides for. Further ones count for tags that the first lacks: a
second ID3 tag or one behind other bytes, APE tags of an MP3, ID3 before any other format, and the
texts of a WAV or AIFF file (RIFF's INFO, AIFF's NAME and AUTH), which libsndfile reads.
"""

from __future__ import annotations

import base64
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import mediafile
import mutagen
import soundfile
from mutagen.apev2 import APENoHeaderError, APEv2File
from mutagen.flac import Picture
from mutagen.id3 import ID3, TALB, TCON, TDRC, TIT2, TPE1, ID3FileType
from mutagen.oggflac import OggFLAC
from mutagen.oggspeex import OggSpeex

from jobs.encoders.audio.decoding.id3_length import ID3_HEADER_BYTES, behind_id3

OUR_NAME = "audio"
"""A file's name before its ending, as messages of mediafile begin."""
_ENDINGS_WITH_ID3 = (".mp3", ".flac")
_ID3_VERSIONS = (2, 3, 4)
_SEARCHED_BYTES = 2**16  # where a tag may begin behind bytes that belong to nothing
_TAG_BYTES_MAX = 64 * 2**20
_TEXTS = {"title": TIT2, "artist": TPE1, "album": TALB, "genre": TCON, "date": TDRC}
"""The texts that libsndfile reads of WAV and AIFF, as frames of ID3."""

# It logs every bug of mutagen that a broken file meets; AudioTags.failure says so by itself.
logging.getLogger("mediafile").setLevel(logging.CRITICAL)


class _VorbisPictures(mediafile.VorbisImageStorageStyle):  # type: ignore[misc]  # no types
    """Embedded pictures of Vorbis comments; a broken one is the text that it is, and no image."""

    def fetch(self, mutagen_file: Any) -> list[mediafile.Image]:
        blocks = mutagen_file.get("metadata_block_picture", [])
        return [_picture(block) for block in blocks] or list(super().fetch(mutagen_file))


class TagFile(mediafile.MediaFile):  # type: ignore[misc]  # mediafile has no types
    """An audio file with the fields that the catalogue needs."""

    artist_values = mediafile.ListMediaField(
        mediafile.MP3ListStorageStyle("TPE1"),
        mediafile.MP4ListStorageStyle("\xa9ART"),
        mediafile.ListStorageStyle("ARTIST"),
        mediafile.ASFStorageStyle("Author"),
    )
    released_texts = mediafile.ListMediaField(
        mediafile.MP3ListStorageStyle("TDRL"),
        mediafile.MP3ListStorageStyle("TDRC"),
        mediafile.MP4ListStorageStyle("\xa9day"),
        mediafile.ListStorageStyle("RELEASEDATE"),
        mediafile.ListStorageStyle("RELEASE DATE"),
        mediafile.ListStorageStyle("DATE"),
        mediafile.ListStorageStyle("YEAR"),
        out_type=str,
    )
    pictures = mediafile.ListMediaField(
        mediafile.MP3ImageStorageStyle(),
        mediafile.MP4ImageStorageStyle(),
        mediafile.APEv2ImageStorageStyle(),
        mediafile.FlacImageStorageStyle(),
        _VorbisPictures(),
        out_type=mediafile.Image,
    )


def _picture(block: str) -> mediafile.Image:
    try:
        picture = Picture(base64.b64decode(block))  # type: ignore[no-untyped-call]
    except (ValueError, mutagen.MutagenError):
        return mediafile.Image(block.encode(errors="replace"))
    return mediafile.Image(picture.data, picture.desc, picture.type)


class OggFlac(OggFLAC):
    """mutagen's class under the name that mediafile's fields go by."""


class MP3(ID3FileType):
    """ID3 tags wherever they were found, under the name that mediafile's fields go by."""

    def __init__(self, tags: ID3) -> None:
        self.tags: Any = tags
        self.info = None


@dataclass(frozen=True, slots=True)
class _Id3Span:
    """Where a tag lies in a file, its header included."""

    start: int
    byte_count: int


class _Named(io.BufferedReader):
    """A file under a name whose ending fits its content, which helps to tell formats apart."""

    name = ""  # of the class, so that it can be set


class _Behind(io.RawIOBase):
    """A file from a place on; others may read the file meanwhile."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start, self._at = file, start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        end = self._file.seek(0, io.SEEK_END) - self._start
        from_place = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: end}[whence]
        if from_place + offset < 0:
            raise OSError("a place before the beginning")
        self._at = from_place + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def without_id3(file: BinaryIO, ending: str) -> BinaryIO:
    """The file behind ID3 tags that its format does not provide for; mutagen takes it for an MP3.

    Args:
        file: the audio file.
        ending: the file ending that fits its content.
    """
    start = _behind_all_id3(file)
    is_expected = start == 0 or ending in _ENDINGS_WITH_ID3
    return file if is_expected else io.BufferedReader(_Behind(file, start))


def open_file(file: BinaryIO, ending: str) -> TagFile:
    """The file, also of two kinds that mediafile refuses although its fields could read them."""
    file.seek(0)
    named = _Named(file)  # type: ignore[arg-type]  # any reader will do
    named.name = f"{OUR_NAME}{ending}"
    try:
        return TagFile(named)
    except mediafile.FileTypeError:
        named.seek(0)
        opened = mutagen.File(named, options=[OggFlac, OggSpeex])
        if opened is None:
            raise
        return _tag_file(opened, "ogg")
    finally:
        named.detach()  # which would close the file with itself


def further_tags(file: BinaryIO, audio: BinaryIO, kind: str) -> Iterator[TagFile]:
    """What else in the file holds tags; see the head of this module.

    Args:
        file: the audio file.
        audio: the file as `without_id3` gives it.
        kind: the format, as mediafile names it.
    """
    behind_id3_tags = _behind_all_id3(file)
    for span in id3_spans(file):
        # mutagen has read the one where an MP3 begins; further in, those of WAV are its own.
        if span.start > 0 if kind == "mp3" else kind == "flac" or span.start < behind_id3_tags:
            yield _tag_file(MP3(_id3_at(file, span)), "mp3")
    if kind == "mp3":
        yield from _ape(file)
    elif kind in {"wav", "aiff"}:
        yield from _texts(audio)


def texts_named(file: TagFile, pattern: re.Pattern[str]) -> Iterator[str]:
    """Texts of the tags whose free name fits, as Vorbis comments, TXXX, "----" and APE have them.

    Args:
        file: the file.
        pattern: of the whole name; letter case never counts.
    """
    tags: Any = file.mgfile.tags
    for key in dict.fromkeys(tags.keys() if tags else ()):
        prefix, _, name = str(key).rpartition(":")
        if pattern.fullmatch(name.casefold()) and _is_free(tags, prefix):
            values = getattr(tags[key], "text", tags[key])
            for value in [values] if isinstance(values, str) else values:
                yield value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _is_free(tags: object, prefix: str) -> bool:
    """Whether names with this prefix are free, and no fields of a format."""
    return prefix == "TXXX" if isinstance(tags, ID3) else prefix.partition(":")[0] in {"", "----"}


def id3_spans(file: BinaryIO) -> list[_Id3Span]:
    """The ID3v2 tags at the beginning of a file, one behind the other or behind other bytes."""
    spans: list[_Id3Span] = []
    at = 0
    while True:
        file.seek(at)
        head = file.read(_SEARCHED_BYTES)
        offset = head.find(b"ID3")
        while offset >= 0 and not _is_id3(head[offset : offset + ID3_HEADER_BYTES]):
            offset = head.find(b"ID3", offset + 1)
        if offset < 0 or b"fLaC" in head[:offset]:
            return spans
        span = _Id3Span(at + offset, (behind_id3(head, offset) or 0) - offset)
        spans.append(span)
        at = span.start + span.byte_count


def id3_bytes(file: BinaryIO, span: _Id3Span) -> bytes:
    """A tag with its header; the first 64 MiB of it."""
    file.seek(span.start)
    return file.read(min(span.byte_count, _TAG_BYTES_MAX))


def bytes_outside_id3(file: BinaryIO) -> bytes:
    """What lies before, between and behind the tags at the beginning of a file, up to 64 KiB each.

    A tag whose own mark is damaged lies there.
    """
    starts = [0]
    ends = []
    for span in id3_spans(file):
        ends.append(span.start)
        starts.append(span.start + span.byte_count)
    ends.append(starts[-1] + _SEARCHED_BYTES)
    parts = []
    for start, end in zip(starts, ends, strict=True):
        file.seek(start)
        parts.append(file.read(min(end - start, _SEARCHED_BYTES)))
    return b"\0".join(parts)


def _is_id3(header: bytes) -> bool:
    return (
        len(header) == ID3_HEADER_BYTES
        and header[3] in _ID3_VERSIONS
        and all(byte < 0x80 for byte in header[6:])  # noqa: PLR2004  7 bits a byte
    )


def _behind_all_id3(file: BinaryIO) -> int:
    """Where the ID3 tags end with which the file begins."""
    at = 0
    while True:
        file.seek(at)
        tag_bytes = behind_id3(file.read(ID3_HEADER_BYTES))
        if not tag_bytes:
            return at
        at += tag_bytes


def _id3_at(file: BinaryIO, span: _Id3Span) -> ID3:
    return ID3(io.BytesIO(id3_bytes(file, span)))  # type: ignore[no-untyped-call]


def _ape(file: BinaryIO) -> Iterator[TagFile]:
    file.seek(0)
    try:
        found = APEv2File(file)  # type: ignore[no-untyped-call]
    except APENoHeaderError:
        return
    if found.tags:
        yield _tag_file(found, "mp3")


def _texts(file: BinaryIO) -> Iterator[TagFile]:
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as opened:
            texts = opened.copy_metadata()
    except soundfile.LibsndfileError:
        return  # the feature stage says so
    tags: Any = ID3()  # type: ignore[no-untyped-call]
    for name, frame in _TEXTS.items():
        if texts.get(name):
            tags.add(frame(encoding=3, text=[texts[name]]))  # type: ignore[no-untyped-call]
    yield _tag_file(MP3(tags), "mp3")


def _tag_file(opened: Any, kind: str) -> TagFile:
    """Mediafile's fields over a file that was opened without it."""
    file = TagFile.__new__(TagFile)
    file.mgfile, file.type = opened, kind
    return file

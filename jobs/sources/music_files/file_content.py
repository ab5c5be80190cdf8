"""Reads files of the music folder: whole, of a bounded size, and not while they are written."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from jobs.decoding.failure_reasons import ContentFailure
from jobs.encoders.content_decoding import decode_apart
from jobs.sources.cover_file import COVER_BYTES_MAX, CoverFile, cover_of, why_unusable
from jobs.sources.ingest_result import FileRemark, shown_path
from jobs.sources.music_files.folder_walk import OF_THE_FILE, FoundFile
from jobs.sources.music_files.lyrics_text import plain_lyrics

AUDIO_BYTES_MAX = 2 * 1024**3
"""A file is held in memory as a whole, here and in the night."""
LYRICS_BYTES_MAX = 1024**2
IMAGE_ENDINGS = (
    *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif", ".tif", ".tiff", ".jfif"),
    *(".jpe", ".jp2", ".qoi", ".ppm", ".ico", ".psd"),
    *(".heic", ".heif", ".jxl", ".svg"),  # which are named, as no decoder here reads them
)
FOLDER_COVER_STEMS = ("cover", "folder")


class UntakenFile(ValueError):
    """A file cannot be taken; the message is the reason."""


def read_content(file: Path, max_bytes: int) -> bytes:
    """All bytes of a file.

    Raises:
        UntakenFile: it cannot be read, is empty or too large, or is written to meanwhile.
        OSError: the disk, the share or the machine fails, which is no fault of the file.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            # Read as a file, /dev/zero never ends, and a pipe waits for its writer.
            raise UntakenFile("is no regular file")
        with file.open("rb") as opened:
            before = os.fstat(opened.fileno())
            content = opened.read(max_bytes + 1)
            after = os.fstat(opened.fileno())
    except OSError as error:
        if error.errno not in OF_THE_FILE:
            raise
        raise UntakenFile(f"cannot be read: {error.strerror}") from error
    if len(content) > max_bytes:
        raise UntakenFile(f"has {after.st_size:,} bytes; at most {max_bytes:,} are taken")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UntakenFile("was written to while it was read; ingest the folder again")
    if not content:
        raise UntakenFile("holds no byte")
    return content


def sidecar_lyrics(
    audio: FoundFile, embedded: str | None, remarks: list[FileRemark]
) -> bytes | None:
    """Plain words of the first lyrics file that has some, else of the recording's tag.

    Bytes in an unknown encoding stay where there are no other lyrics: the raw stage keeps and names
    them. Remarks name files that are not used.
    """
    unknown: bytes | None = None
    words: bytes | None = None
    for path in audio.siblings.lyrics_of(audio.path):
        if words:
            remarks.append(FileRemark(_shown(audio, path), "is not used: another file has lyrics"))
            continue
        file = _sidecar(audio, path, LYRICS_BYTES_MAX, remarks)
        if file is None:
            continue
        words = plain_lyrics(file.content)
        if words is None and embedded:
            remarks.append(FileRemark(file.shown, "is no UTF-8; the lyrics in the recording count"))
        elif words is None:
            unknown = unknown or file.content
    return words or unknown or (embedded.encode() if embedded else None)


def sidecar_cover(audio: FoundFile, remarks: list[FileRemark]) -> CoverFile | None:
    """The image of the recording's name, else of the folder; remarks name unusable ones."""
    for stem in (audio.path.stem, *FOLDER_COVER_STEMS):
        for ending in IMAGE_ENDINGS:
            file = _sidecar(audio, audio.siblings.find(stem + ending), COVER_BYTES_MAX, remarks)
            if file is None:
                continue
            try:
                return _cover_beside(file.content)
            except ContentFailure as failure:
                remarks.append(FileRemark(file.shown, why_unusable(failure)))
    return None


@lru_cache(maxsize=1)
def _cover_beside(content: bytes) -> CoverFile:
    """The cover; that of a folder is decoded once for recordings one after the other."""
    return cover_of(content, partial(decode_apart, "image"))


@dataclass(frozen=True, slots=True)
class _Sidecar:
    """A file beside a recording, and how its path is shown."""

    shown: str
    content: bytes


def _sidecar(
    audio: FoundFile, path: Path | None, max_bytes: int, remarks: list[FileRemark]
) -> _Sidecar | None:
    if path is None:
        return None
    shown = _shown(audio, path)
    try:
        return _Sidecar(shown, read_content(path, max_bytes))
    except UntakenFile as error:
        remarks.append(FileRemark(shown, str(error)))
        return None


def _shown(audio: FoundFile, path: Path) -> str:
    """How the path of a file beside a recording is shown."""
    folder = audio.shown.rpartition("/")[0]
    return "/".join(filter(None, [folder, shown_path(path.name)]))

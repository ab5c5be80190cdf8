"""music-folder: lands a folder of audio files with their tags, lyrics and covers.

    track_id      "file-" and the first 16 hexadecimal digits of the SHA-256 of the audio file
    title         tag; else the file name without its extension, underscores as spaces
    artist        tag; else "unknown artist"
    released_date tag, when it is a full date: a year alone is not enough
    tags          the genre tag, as a tag of the catalogue (no user)
    lyrics        <stem>.lrc (without its time stamps) or <stem>.lyrics.txt; else the tag.
                  A plain <stem>.txt is never read: next to recordings it is often a licence.
    cover         embedded; else <stem>.jpg, .jpeg or .png; else cover.* or folder.* in the folder

Files with the same bytes become one track, the first by path. A file without readable tags lands
too, with its file name as title; the feature stage records why it has no features.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import structlog

from feature_store.lake.storage import Storage, sha256_of
from feature_store.tables.raw import RAW_TAGS, RAW_TRACKS
from jobs.landing.writer import LandingWriter
from jobs.sources.audio_tags import AudioTags, read_tags
from jobs.sources.cover_file import CoverFile
from jobs.sources.ingest_result import IngestResult
from jobs.sources.landing_rows import LYRICS_SCHEMA, landing_schema, landing_table

AUDIO_EXTENSIONS = frozenset(
    {".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
)
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png")
FOLDER_COVER_STEMS = ("cover", "folder")
UNKNOWN_ARTIST = "unknown artist"
_ID_DIGITS = 16
_LRC_STAMP = re.compile(rb"\[\d+:\d+(?:[.:]\d+)?\]|<\d+:\d+(?:[.:]\d+)?>")
_LRC_HEADER = re.compile(rb"^\[[a-z#]+:[^\]]*\]\s*$", re.IGNORECASE)


class MusicFolderError(ValueError):
    """The folder does not exist or holds no audio file."""


@dataclass(frozen=True, slots=True)
class _Recording:
    """One audio file with its tags, lyrics and cover."""

    track_id: str
    file: Path
    content: bytes
    tags: AudioTags
    lyrics: bytes | None
    cover: CoverFile | None

    @property
    def artist_name(self) -> str:
        return self.tags.artist or UNKNOWN_ARTIST

    @property
    def title(self) -> str:
        return self.tags.title or self.file.stem.replace("_", " ")


def write_music_folder(folder: Path, storage: Storage, arrival_date: date) -> IngestResult:
    """Land every audio file below `folder`, in path order, as files of one day.

    Raises:
        MusicFolderError: the folder does not exist or holds no audio file.
    """
    writer = LandingWriter(storage)
    rows: dict[str, list[tuple[object, ...]]] = {"tracks": [], "tags": [], "lyrics": []}
    n_covers = 0
    tag_failures: dict[str, str] = {}
    for recording in _recordings(folder):
        if recording.tags.failure:
            tag_failures[str(recording.file.relative_to(folder))] = recording.tags.failure
        n_covers += _write_files(recording, writer, arrival_date)
        rows["tracks"].append(_track_row(recording))
        if recording.tags.genre:
            rows["tags"].append((recording.track_id, recording.tags.genre, None, None))
        if recording.lyrics:
            rows["lyrics"].append((recording.track_id, recording.lyrics))
    _write_rows(rows, writer, arrival_date)
    counts = {source: len(found) for source, found in rows.items()}
    result = IngestResult({"audio": counts["tracks"], "covers": n_covers, **counts})
    structlog.get_logger().info(
        "landed", source="music-folder", tag_failures=tag_failures, **result.counts
    )
    return result


def _recordings(folder: Path) -> Iterator[_Recording]:
    """Recordings one at a time, because a folder may exceed memory; equal bytes only once."""
    seen: set[str] = set()
    for file in _audio_files(folder):
        recording = _read_recording(file)
        if recording.track_id not in seen:
            seen.add(recording.track_id)
            yield recording


def _audio_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise MusicFolderError(
            f"music folder {folder}: must be a folder; give the path of one with audio files"
        )
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in AUDIO_EXTENSIONS)
    if not files:
        raise MusicFolderError(
            f"music folder {folder}: holds no audio file; must hold one that ends in "
            f"{', '.join(sorted(AUDIO_EXTENSIONS))}"
        )
    return files


def _read_recording(file: Path) -> _Recording:
    content = file.read_bytes()
    tags = read_tags(content, file.name)
    return _Recording(
        track_id=f"file-{sha256_of(content)[:_ID_DIGITS]}",
        file=file,
        content=content,
        tags=tags,
        lyrics=_sidecar_lyrics(file) or (tags.lyrics.encode() if tags.lyrics else None),
        cover=tags.cover or _sidecar_cover(file),
    )


def _sidecar_lyrics(file: Path) -> bytes | None:
    """Lyrics from the .lrc file, without its time stamps, or from the .lyrics.txt file."""
    synced, plain = file.with_suffix(".lrc"), file.with_suffix(".lyrics.txt")
    if synced.is_file():
        return _strip_lrc_stamps(synced.read_bytes())
    return plain.read_bytes() if plain.is_file() else None


def _strip_lrc_stamps(lrc: bytes) -> bytes:
    """Lines of an .lrc file without [mm:ss.xx] stamps and without headers such as [ar:…]."""
    lines = [line for line in lrc.splitlines() if not _LRC_HEADER.match(line)]
    return b"\n".join(_LRC_STAMP.sub(b"", line).strip() for line in lines)


def _sidecar_cover(file: Path) -> CoverFile | None:
    stems = (file.stem, *FOLDER_COVER_STEMS)
    for candidate in (
        file.parent / f"{stem}{extension}" for stem in stems for extension in IMAGE_EXTENSIONS
    ):
        if candidate.is_file():
            return CoverFile(candidate.suffix.removeprefix("."), candidate.read_bytes())
    return None


def _write_files(recording: _Recording, writer: LandingWriter, arrival_date: date) -> int:
    """Write the audio file unchanged, and the cover if any; returns the number of covers."""
    extension = recording.file.suffix.removeprefix(".").lower()
    writer.write_file("audio", arrival_date, recording.track_id, extension, recording.content)
    if recording.cover is None:
        return 0
    cover = recording.cover
    writer.write_file("covers", arrival_date, recording.track_id, cover.extension, cover.content)
    return 1


def _write_rows(
    rows: dict[str, list[tuple[object, ...]]], writer: LandingWriter, arrival_date: date
) -> None:
    schemas = {
        "tracks": landing_schema(RAW_TRACKS),
        "tags": landing_schema(RAW_TAGS),
        "lyrics": LYRICS_SCHEMA,
    }
    for source, found in rows.items():
        if found:
            table = landing_table(schemas[source], found)
            writer.write_rows(source, arrival_date, table, part="music-folder")


def _track_row(recording: _Recording) -> tuple[object, ...]:
    tags = recording.tags
    return (
        recording.track_id,
        recording.title,
        _id_of("artist", [recording.artist_name]),
        recording.artist_name,
        _id_of("album", [recording.artist_name, tags.album]) if tags.album else None,
        tags.album,
        tags.released_date,
        tags.duration_ms,
        tags.isrc,
        tags.recording_mbid,
        True,
    )


def _id_of(kind: str, names: Sequence[str]) -> str:
    """An id from `names`; files with the same names in any letter case share it."""
    key = "\n".join(name.casefold().strip() for name in names)
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:_ID_DIGITS]}"

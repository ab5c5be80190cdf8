"""music-folder: a folder of audio files, with their tags, lyrics and covers, as landing files.

    track_id      "file-" and the first 16 hexadecimal digits of the SHA-256 of the audio file
    title         tag; else the file's name without its ending, underscores as blanks
    artist        tag; else "unknown artist"
    released_date tag, when it is a whole day: a year alone is no day
    tags          the genre tag, given by the catalogue
    lyrics        <stem>.lrc (its time stamps are taken out) or <stem>.lyrics.txt; else the tag.
                  A plain <stem>.txt is never taken: beside recordings it is often a licence.
    cover         embedded; else <stem>.jpg, .jpeg or .png; else cover.* or folder.* in the folder

Files with the same bytes are one track, the first by path. A file that cannot be read lands as it
is, named after its file: the feature stage says why it has no features.
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
from jobs.landing.manifests import LandingWriter
from jobs.sources.audio_tags import AudioTags, Picture, read_tags
from jobs.sources.landed import LYRICS_SCHEMA, Landed, landing_rows, landing_schema

AUDIO_ENDINGS = frozenset(
    {".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
)
PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")
FOLDER_PICTURES = ("cover", "folder")
UNKNOWN_ARTIST = "unknown artist"
_ID_DIGITS = 16
_LRC_STAMP = re.compile(rb"\[\d+:\d+(?:[.:]\d+)?\]|<\d+:\d+(?:[.:]\d+)?>")
_LRC_HEADER = re.compile(rb"^\[[a-z#]+:[^\]]*\]\s*$", re.IGNORECASE)


class MusicFolderError(ValueError):
    """The folder is not there or holds no audio file."""


@dataclass(frozen=True, slots=True)
class _Recording:
    """One audio file with what belongs to it."""

    track_id: str
    file: Path
    content: bytes
    tags: AudioTags
    lyrics: bytes | None
    cover: Picture | None

    @property
    def artist_name(self) -> str:
        return self.tags.artist or UNKNOWN_ARTIST

    @property
    def title(self) -> str:
        return self.tags.title or self.file.stem.replace("_", " ")


def write_music_folder(folder: Path, storage: Storage, arrival_date: date) -> Landed:
    """Land every audio file below `folder`, in the order of their paths, as files of one day.

    Raises:
        MusicFolderError: the folder is missing or has no audio file in it.
    """
    writer = LandingWriter(storage)
    rows: dict[str, list[tuple[object, ...]]] = {"tracks": [], "tags": [], "lyrics": []}
    n_covers = 0
    failures: dict[str, str] = {}
    for recording in _recordings(folder):
        if recording.tags.failure:
            failures[str(recording.file.relative_to(folder))] = recording.tags.failure
        n_covers += _write_files(recording, writer, arrival_date)
        rows["tracks"].append(_track_row(recording))
        if recording.tags.genre:
            rows["tags"].append((recording.track_id, recording.tags.genre, None, None))
        if recording.lyrics:
            rows["lyrics"].append((recording.track_id, recording.lyrics))
    _write_rows(rows, writer, arrival_date)
    counts = {source: len(found) for source, found in rows.items()}
    landed = Landed({"audio": counts["tracks"], "covers": n_covers, **counts})
    structlog.get_logger().info(
        "landed", source="music-folder", unread_tags=failures, **landed.counts
    )
    return landed


def _recordings(folder: Path) -> Iterator[_Recording]:
    """One at a time, because a folder may hold more than memory; the same bytes only once."""
    seen: set[str] = set()
    for file in _audio_files(folder):
        recording = _read(file)
        if recording.track_id not in seen:
            seen.add(recording.track_id)
            yield recording


def _audio_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise MusicFolderError(
            f"music folder {folder}: must be a folder; give the path of one with audio files"
        )
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in AUDIO_ENDINGS)
    if not files:
        raise MusicFolderError(
            f"music folder {folder}: holds no audio file; must hold one that ends in "
            f"{', '.join(sorted(AUDIO_ENDINGS))}"
        )
    return files


def _read(file: Path) -> _Recording:
    content = file.read_bytes()
    tags = read_tags(content, file.name)
    return _Recording(
        track_id=f"file-{sha256_of(content)[:_ID_DIGITS]}",
        file=file,
        content=content,
        tags=tags,
        lyrics=_sidecar_lyrics(file) or (tags.lyrics.encode() if tags.lyrics else None),
        cover=tags.picture or _sidecar_cover(file),
    )


def _sidecar_lyrics(file: Path) -> bytes | None:
    """The words beside the file as they are; only time stamps of an .lrc are taken out."""
    synced, plain = file.with_suffix(".lrc"), file.with_suffix(".lyrics.txt")
    if synced.is_file():
        return _without_stamps(synced.read_bytes())
    return plain.read_bytes() if plain.is_file() else None


def _without_stamps(lrc: bytes) -> bytes:
    """Lines of an .lrc file without [mm:ss.xx] and without headers such as [ar:…]."""
    lines = [line for line in lrc.splitlines() if not _LRC_HEADER.match(line)]
    return b"\n".join(_LRC_STAMP.sub(b"", line).strip() for line in lines)


def _sidecar_cover(file: Path) -> Picture | None:
    stems = (file.stem, *FOLDER_PICTURES)
    for candidate in (file.parent / f"{stem}{end}" for stem in stems for end in PICTURE_ENDINGS):
        if candidate.is_file():
            return Picture(candidate.suffix.removeprefix("."), candidate.read_bytes())
    return None


def _write_files(recording: _Recording, writer: LandingWriter, arrival_date: date) -> int:
    """Audio as it is, and the cover if there is one; returns the number of covers."""
    ending = recording.file.suffix.removeprefix(".").lower()
    writer.file("audio", arrival_date, recording.track_id, ending, recording.content)
    if recording.cover is None:
        return 0
    cover = recording.cover
    writer.file("covers", arrival_date, recording.track_id, cover.ending, cover.content)
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
            table = landing_rows(schemas[source], found)
            writer.rows(source, arrival_date, table, part="music-folder")


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
    """An id that two files with the same names, in any letter case, share."""
    key = "\n".join(name.casefold().strip() for name in names)
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:_ID_DIGITS]}"

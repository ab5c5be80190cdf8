"""music-folder: lands a folder of audio files with their tags, lyrics and covers.

    track_id      "file-" and the first 16 hexadecimal digits of the SHA-256 of the audio file
    title         tag; else the file name without its extension, underscores as spaces
    artist        tag, all artists as written, the id is of the first; else "unknown artist"
    album         tag; its id is of the album artist, or of the artist where none is named
    released_date tag, when it is a full date: a year alone is not enough
    duration      as the file states it, when it can be true
    tags          every genre of the genre tag, as a tag of the catalogue (no user)
    lyrics        <stem>.lrc or <stem>.lyrics.txt, <name>.lrc, <stem>.<language>.lrc; else the tag;
                  without time stamps and headers. A plain <stem>.txt is never read: next to
                  recordings it is often a licence.
    cover         embedded; else an image <stem>.jpg, .png, .webp, …; else cover.* or folder.*;
                  the first that the night can decode

Files beside a recording are found in any letter case. Files with the same bytes become one track,
the first by path, with the lyrics and cover beside another one where it has none. A file without
readable tags lands too, with its file name as title; the feature stage records why it has no
features. The trouble of one file stays that file's: the result names each file that was not taken,
audio under any ending among them, and what is wrong with one that was. A second ingest for the same
day lands what is new since the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import structlog

from feature_store.lake.storage import Storage, sha256_of
from feature_store.tables.raw import RAW_TAGS, RAW_TRACKS
from jobs.encoders.audio.decoding.content_kind import why_not_decoded
from jobs.landing.layout import LANDING, row_file_path
from jobs.landing.writer import LandingWriter
from jobs.sources.audio_tags.tag_process import read_tags_apart
from jobs.sources.audio_tags.tags import AudioTags
from jobs.sources.cover_file import CoverFile
from jobs.sources.ingest_result import FileRemark, IngestResult, shown_path
from jobs.sources.landing_rows import LYRICS_SCHEMA, landing_schema, landing_table
from jobs.sources.landing_tally import result_of
from jobs.sources.music_files.audio_format import ending_by_content
from jobs.sources.music_files.file_content import (
    AUDIO_BYTES_MAX,
    UntakenFile,
    read_content,
    sidecar_cover,
    sidecar_lyrics,
)
from jobs.sources.music_files.folder_walk import (
    AUDIO_ENDINGS,
    OF_THE_FILE,
    FolderWalk,
    FoundFile,
)
from jobs.sources.music_files.tag_values import clean_text, id_of

UNKNOWN_ARTIST = "unknown artist"
_PART = "music-folder"
_ID_DIGITS = 16
_SCHEMAS: dict[str, pa.Schema] = {
    "tracks": landing_schema(RAW_TRACKS),
    "tags": landing_schema(RAW_TAGS),
    "lyrics": LYRICS_SCHEMA,
}
_ONE_ROW_PER_TRACK = frozenset({"tracks", "lyrics"})

_Row = tuple[object, ...]


class MusicFolderError(ValueError):
    """The folder does not exist or cannot be read, or no audio file of it can be taken."""


@dataclass(frozen=True, slots=True)
class _Recording:
    """One audio file with its tags, lyrics and cover."""

    track_id: str
    file: FoundFile
    content: bytes
    tags: AudioTags
    lyrics: bytes | None
    cover: CoverFile | None

    @property
    def artist_name(self) -> str:
        return self.tags.artist or UNKNOWN_ARTIST

    @property
    def title(self) -> str:
        stem = shown_path(self.file.path.stem)
        return self.tags.title or clean_text(stem.replace("_", " ")) or stem.strip() or "untitled"


@dataclass(frozen=True, slots=True)
class _BesideCopy:
    """Lyrics and a cover beside a copy of a recording that had none."""

    track_id: str
    lyrics: bytes | None
    cover: CoverFile | None


@dataclass(slots=True)
class _First:
    """The first file of a recording, and what it lacks."""

    shown: str
    lacks_lyrics: bool = False
    lacks_cover: bool = False


@dataclass(slots=True)
class _Remarks:
    """What is said about files, the first reason for each."""

    not_taken: list[FileRemark] = field(default_factory=list)
    on_taken: list[FileRemark] = field(default_factory=list)


def write_music_folder(folder: Path, storage: Storage, arrival_date: date) -> IngestResult:
    """Land every audio file below `folder`, in path order, as files of one day.

    Raises:
        MusicFolderError: the folder does not exist or cannot be read, or no audio file of it can be
            taken.
    """
    walk = FolderWalk(folder, left_out=_landing_folder(storage))
    files = _audio_files(walk)
    remarks = _Remarks(walk.not_taken)
    writer = LandingWriter(storage)
    rows: dict[str, list[_Row]] = {source: [] for source in _SCHEMAS}
    for found in _recordings(files, remarks):
        if isinstance(found, _Recording):
            _write_audio(found, writer, arrival_date)
            rows["tracks"].append(_track_row(found))
            rows["tags"] += [(found.track_id, tag, None, None) for tag in found.tags.genres]
        if found.cover:
            extension, content = found.cover.extension, found.cover.content
            writer.write_file("covers", arrival_date, found.track_id, extension, content)
        if found.lyrics:
            rows["lyrics"].append((found.track_id, found.lyrics))
    if not rows["tracks"]:
        raise MusicFolderError(_nothing_taken_message(folder, remarks.not_taken))
    for source, of_source in rows.items():
        _write_new_rows(source, of_source, writer, arrival_date)
    result = result_of(
        writer,
        ("audio", "covers", *_SCHEMAS),
        not_taken=_first_of_each(remarks.not_taken),
        remarks=_first_of_each(remarks.on_taken),
    )
    structlog.get_logger().info(
        "landed",
        source="music-folder",
        not_taken=len(result.not_taken),
        remarks=len(result.remarks),
        **result.counts,
    )
    return result


def _landing_folder(storage: Storage) -> list[Path]:
    """The lake's landing folder: it holds copies of what was ingested before, and no sidecars."""
    return [Path(storage.uri(LANDING))]


def _audio_files(walk: FolderWalk) -> list[FoundFile]:
    shown = shown_path(str(walk.top))
    try:
        if not walk.top.is_dir():
            raise MusicFolderError(
                f"music folder {shown}: must be a folder; give the path of one with audio files"
            )
        files = walk.audio_files()
    except OSError as error:
        if error.errno not in OF_THE_FILE:
            raise
        raise MusicFolderError(
            f"music folder {shown}: cannot be read: {error.strerror}; give this user the right to "
            "read it, or the path of another folder"
        ) from error
    if not files:
        raise MusicFolderError(
            f"music folder {shown}: holds no audio file; must hold one that ends in "
            f"{', '.join(sorted(AUDIO_ENDINGS))}{_reasons(walk.not_taken)}"
        )
    return files


def _recordings(
    files: Sequence[FoundFile], remarks: _Remarks
) -> Iterator[_Recording | _BesideCopy]:
    """Recordings one at a time, because a folder may exceed memory; equal bytes only once.

    A copy brings the lyrics and the cover that the first file lacks.
    """
    firsts: dict[str, _First] = {}
    for file in files:
        try:
            content = read_content(file.path, AUDIO_BYTES_MAX)
        except UntakenFile as error:
            remarks.not_taken.append(FileRemark(file.shown, str(error)))
            continue
        track_id = f"file-{sha256_of(content)[:_ID_DIGITS]}"
        first = firsts.setdefault(track_id, _First(file.shown))
        if first.shown == file.shown:
            recording = _recording(track_id, file, content, remarks)
            first.lacks_lyrics, first.lacks_cover = not recording.lyrics, not recording.cover
            yield recording
            continue
        remarks.not_taken.append(FileRemark(file.shown, f"has the same bytes as {first.shown}"))
        lyrics = sidecar_lyrics(file, None, remarks.not_taken) if first.lacks_lyrics else None
        cover = sidecar_cover(file, remarks.not_taken) if first.lacks_cover else None
        first.lacks_lyrics &= not lyrics
        first.lacks_cover &= not cover
        yield _BesideCopy(track_id, lyrics, cover)


def _recording(track_id: str, file: FoundFile, content: bytes, remarks: _Remarks) -> _Recording:
    tags = read_tags_apart(file.path, ending_by_content(content, file.path.suffix.lower()))
    undecoded = why_not_decoded(content)
    faults = [tags.failure, undecoded and f"sound: {undecoded}"]
    if reason := "; ".join(filter(None, faults)):
        remarks.on_taken.append(FileRemark(file.shown, reason))
    return _Recording(
        track_id=track_id,
        file=file,
        content=content,
        tags=tags,
        lyrics=sidecar_lyrics(file, tags.lyrics, remarks.not_taken),
        cover=tags.cover or sidecar_cover(file, remarks.not_taken),
    )


def _write_audio(recording: _Recording, writer: LandingWriter, arrival_date: date) -> None:
    """Write the audio file unchanged, with the ending of its content."""
    ending = ending_by_content(recording.content, recording.file.path.suffix.lower())
    writer.write_file(
        "audio", arrival_date, recording.track_id, ending.removeprefix("."), recording.content
    )


def _write_new_rows(
    source: str, rows: Sequence[_Row], writer: LandingWriter, arrival_date: date
) -> None:
    """Add the rows that differ from what music folders landed for the day before."""
    schema = _SCHEMAS[source]
    landed = [
        tuple(row.get(name) for name in schema.names)
        for table in writer.stored_rows(source, arrival_date, _PART)
        for row in table.to_pylist()
    ]
    if source in _ONE_ROW_PER_TRACK:
        newest = {row[0]: row for row in landed}  # a later row of a track replaces the earlier
        new = [row for row in rows if newest.get(row[0]) != row]
    else:
        known = set(landed)
        new = [row for row in rows if row not in known]
    writer.add_rows(source, arrival_date, landing_table(schema, new), _PART)
    writer.note_known(source, row_file_path(source, arrival_date, _PART), len(rows) - len(new))


def _track_row(recording: _Recording) -> _Row:
    tags = recording.tags
    lead = tags.lead_artist or recording.artist_name
    return (
        recording.track_id,
        recording.title,
        id_of("artist", [lead]),
        recording.artist_name,
        id_of("album", [tags.album_artist or lead, tags.album]) if tags.album else None,
        tags.album,
        tags.released_date,
        tags.duration_ms,
        tags.isrc,
        tags.recording_mbid,
        True,
    )


def _first_of_each(remarks: Sequence[FileRemark]) -> tuple[FileRemark, ...]:
    """One remark a file, by path: a folder's cover is met with each recording in it."""
    firsts = dict[str, FileRemark]()
    for remark in remarks:
        firsts.setdefault(remark.path, remark)
    return tuple(firsts[path] for path in sorted(firsts))


def _nothing_taken_message(folder: Path, not_taken: Sequence[FileRemark]) -> str:
    return (
        f"music folder {shown_path(str(folder))}: none of its audio files could be taken"
        f"{_reasons(not_taken)}"
    )


def _reasons(not_taken: Sequence[FileRemark], n_shown: int = 5) -> str:
    named = "".join(f"; {each.path} {each.reason}" for each in not_taken[:n_shown])
    more = len(not_taken) - n_shown
    return named + (f"; and {more} more" if more > 0 else "")

"""The layout of the landing zone: sources, folders dated by arrival, and the files in them.

    landing/listens/2026-03-01/part-0.parquet    rows: all of ROW_SOURCES look like this
    landing/audio/2026-03-01/<track id>.flac     files: audio, covers; the id is percent-encoded
    landing/listens/2026-03-01/part-0_0002.parquet    what the same part brought later
    landing/_manifests/2026-03-01.json           the files that count as arrived on that day

A row file has the columns of its raw_ table without source_file, source_row and arrival_date.
Lyrics have `track_id` and `lyrics_bytes`, because the raw stage checks their encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from feature_store.unicode_text import as_utf8, is_utf8
from jobs.landing.file_kinds import why_hidden, why_unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feature_store.lake.storage import Storage
    from feature_store.lake.stored_file import StoredFile

ROW_SOURCES = (
    "tracks",
    "users",
    "listens",
    "listen_counts",
    "follows",
    "tags",
    "feedback",
    "impressions",
    "lyrics",
    "emotion_texts",
)
FILE_SOURCES = ("audio", "covers")

LANDING = "landing"
_ROW_ENDING = ".parquet"
_MARKS = (".", "_")
"""First characters of temporary files and bookkeeping."""

_LAYOUT = "landing/<source>/<YYYY-MM-DD>/<file>"


_MISPLACED = (
    f"not {_LAYOUT} with a source of {', '.join(ROW_SOURCES + FILE_SOURCES)}: move it or remove it"
)


_NO_TEXT = "its name is no UTF-8: rename it"
_NO_TRACK = "its name gives no track id: the id is percent-encoded before the ending"
_MARKED = (
    "its name begins with _, as names of temporary files do: of a track whose id does so, write %5F"
)
_LINK = "a link: the lake holds no links; put the file itself there"


class LandingError(ValueError):
    """The landing folder is empty, or differs from a manifest."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A file of the landing zone that counts for no day, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class LandingFile:
    """A landing file, as found in the lake or as listed in a manifest.

    Attributes:
        folder_date: the day of its folder; earlier than the manifest's for a late file.
        written_at_utc: when it was last written, for the operator who looks into a changed file.
    """

    path: str
    source: str
    folder_date: date
    byte_count: int
    written_at_utc: datetime


def row_file_path(source: str, arrival_date: date, part: str) -> str:
    """Path of a Parquet file of a row source.

    Raises:
        ValueError: `source` is no row source.
    """
    if source not in ROW_SOURCES:
        raise ValueError(f"landing: {source!r} is no row source; there are {ROW_SOURCES}")
    return f"{LANDING}/{source}/{arrival_date:%Y-%m-%d}/{part}{_ROW_ENDING}"


def content_file_path(source: str, arrival_date: date, track_id: str, extension: str) -> str:
    """Path of an audio file or a cover; `extension` comes without its dot.

    Raises:
        ValueError: `source` is no file source, or the id is empty.
    """
    if not track_id:
        raise ValueError(f"landing: a file of {source} needs a track id")
    if source not in FILE_SOURCES:
        raise ValueError(f"landing: {source!r} is no file source; there are {FILE_SOURCES}")
    name = quote(track_id, safe="")
    if name[0] in _MARKS:  # which `quote` leaves as they are, and which mark other files
        name = f"%{ord(name[0]):02X}{name[1:]}"
    return f"{LANDING}/{source}/{arrival_date:%Y-%m-%d}/{name}.{extension}"


def track_id_in(path: str) -> str:
    """`landing/covers/2026-03-01/a%2Fb.jpg` holds the cover of the track `a/b`."""
    return unquote(PurePosixPath(path).stem)


def numbered_paths(path: str) -> Iterator[str]:
    """`path`, then further names for the same part or track in the order of arrival.

    A later name sorts after an earlier one, because of the files of one day the last counts. The
    number of a content file stands behind its ending, because what is before it is the track id.
    """
    yield path
    is_row_file = path.endswith(_ROW_ENDING)
    stem, ending = (path.removesuffix(_ROW_ENDING), _ROW_ENDING) if is_row_file else (path, "")
    for number in count(2):
        yield f"{stem}_{number:04}{ending}"


def landing_files(storage: Storage) -> tuple[list[LandingFile], list[NotTaken]]:
    """Every landing file, and every other file of the landing zone that a person may have meant.

    A leading dot or underscore marks temporary files and bookkeeping; those that may be of data are
    named, and all audio and covers with an underscore. An object whose key ends with a slash is a
    folder of an object store's console.
    """
    files, others = list[LandingFile](), list[NotTaken]()
    for found in storage.list(LANDING, lambda link: others.append(NotTaken(link, _LINK))):
        if found.path.endswith("/"):
            continue
        file = landing_file_of(found)
        *folders, name = found.path.split("/")
        if any(part.startswith(_MARKS) for part in folders):
            continue
        is_marked = name.startswith(_MARKS)
        if file is None:
            reason = "" if is_marked else _MISPLACED
        else:
            reason = _why_marked(name, file.source) if is_marked else _why_not_taken(file, name)
        if reason:
            others.append(NotTaken(as_utf8(found.path), reason))
        elif file is not None and not is_marked:
            files.append(file)
    return files, others


def _why_marked(name: str, source: str) -> str:
    """What to say of a file in its place whose name begins with a mark; empty of bookkeeping."""
    is_of_track = name.startswith("_") and source in FILE_SOURCES
    return _MARKED if is_of_track else why_hidden(name, source)


def _why_not_taken(file: LandingFile, name: str) -> str:
    """What is wrong with the name of a file that is in its place; empty when nothing is."""
    if not is_utf8(file.path):
        return _NO_TEXT
    if reason := why_unfinished(name, file.source):
        return reason
    if file.source in FILE_SOURCES:
        track_id = track_id_in(file.path)
        if not any(character.isprintable() and character != " " for character in track_id):
            return _NO_TRACK
        if "\0" in track_id or "\ufffd" in track_id:
            return _NO_TRACK
    return ""


def landing_file_of(found: StoredFile) -> LandingFile | None:
    """The landing file that a stored file is; None when its path is not in the layout."""
    parts = found.path.split("/")
    if len(parts) != _LAYOUT.count("/") + 1:
        return None
    _, source, folder, _ = parts
    try:
        folder_date = date.fromisoformat(folder)
    except ValueError:
        return None
    if source not in ROW_SOURCES + FILE_SOURCES or folder != f"{folder_date:%Y-%m-%d}":
        return None
    return LandingFile(found.path, source, folder_date, found.byte_count, found.written_at_utc)


def leave_out(link: str) -> None:
    """For listings of the landing zone: `landing_files` has named the link already."""


def folder_date_of(path: str) -> date:
    """The day of the folder in which a landing file lies."""
    return date.fromisoformat(path.split("/")[2])

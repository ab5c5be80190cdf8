"""Landing files: what arrives, in folders dated by arrival, and the manifests that close a day.

    landing/listens/2026-03-01/part-0.parquet    rows: all of ROW_SOURCES look like this
    landing/audio/2026-03-01/<track id>.flac     files: audio, covers; the id is percent-encoded
    landing/_manifests/2026-03-01.json           the files that count as arrived on that day

A row file has the columns of its raw_ table without source_file, source_row and arrival_date;
lyrics have `track_id` and `lyrics_bytes`, because their encoding is checked and not trusted.

A manifest never changes, but for the sizes of files from which an erasure took a person
(jobs/privacy/landing.py). A file that turns up in the folder of a closed day is listed by the next
day that is closed, so every night, and every backfill of it, reads the same files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow.parquet as pq

from feature_store.lake.storage import StoredFile, open_storage

if TYPE_CHECKING:
    import pyarrow as pa

    from feature_store.lake.storage import Storage

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
)
FILE_SOURCES = ("audio", "covers")

_LANDING = "landing"
_MANIFESTS = f"{_LANDING}/_manifests"
_LAYOUT = "landing/<source>/<YYYY-MM-DD>/<file>"


class LandingError(ValueError):
    """The landing folder holds nothing, or not what a manifest says it holds."""


@dataclass(frozen=True, slots=True)
class LandingWriter:
    """Writes landing files; what the sources in jobs/sources use."""

    storage: Storage

    def rows(self, source: str, arrival_date: date, rows: pa.Table, part: str = "part-0") -> str:
        """Write one Parquet file of a row source; returns its path in the lake."""
        if source not in ROW_SOURCES:
            raise ValueError(f"landing: {source!r} is no row source; there are {ROW_SOURCES}")
        sink = io.BytesIO()
        # Spark reads no nanoseconds, and no table of ours holds any.
        pq.write_table(rows, sink, coerce_timestamps="us", allow_truncated_timestamps=True)
        path = f"{_LANDING}/{source}/{arrival_date:%Y-%m-%d}/{part}.parquet"
        self.storage.write(path, sink.getvalue())
        return path

    def file(
        self, source: str, arrival_date: date, track_id: str, ending: str, content: bytes
    ) -> str:
        """Write one audio file or cover; `ending` without its dot. Returns its path in the lake."""
        if source not in FILE_SOURCES:
            raise ValueError(f"landing: {source!r} is no file source; there are {FILE_SOURCES}")
        path = f"{_LANDING}/{source}/{arrival_date:%Y-%m-%d}/{quote(track_id, safe='')}.{ending}"
        self.storage.write(path, content)
        return path


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A landing file as a manifest lists it.

    Attributes:
        folder_date: the day of its folder; earlier than the manifest's for a file that came late.
        written_at_utc: when it was last written, for people who look into a changed file.
    """

    path: str
    source: str
    folder_date: date
    byte_count: int
    written_at_utc: datetime


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files that count as arrived on one day."""

    arrival_date: date
    files: tuple[ListedFile, ...]


def close_days(
    storage: Storage, as_of: date, looked_at: Mapping[str, int] | None = None
) -> tuple[date, ...]:
    """Close every landing day up to `as_of` that is still open; returns those closed now.

    The first day is the earliest dated folder; from there on no day is left out, so a day without
    files gets an empty manifest.

    Args:
        storage: the lake.
        as_of: the last day to close.
        looked_at: the files that may be listed, with their sizes; all of them without it. A file
            that landed, or changed, since somebody looked waits for the next closing.

    Raises:
        LandingError: nothing has landed up to `as_of`, or a file lies outside the layout.
    """
    waiting = {
        file.path: file
        for file in _landed(storage)
        if file.folder_date <= as_of
        and (looked_at is None or looked_at.get(file.path) == file.byte_count)
    }
    closed = closed_days(storage)
    if closed[0] > as_of if closed else not waiting:
        raise LandingError(
            f"landing: no file in {storage.uri(_LANDING)} up to {as_of}; bring some in with "
            "`evensong ingest SOURCE PATH`, or give a later day"
        )
    for day in closed:
        for listed in read_manifest(storage, day).files:
            waiting.pop(listed.path, None)
    opened = (
        closed[-1] + timedelta(days=1)
        if closed
        else min(file.folder_date for file in waiting.values())
    )
    days = tuple(opened + timedelta(days=offset) for offset in range((as_of - opened).days + 1))
    for day in days:
        for listed in _close_day(storage, day, waiting.values()).files:
            waiting.pop(listed.path, None)
    return days


def closed_days(storage: Storage) -> tuple[date, ...]:
    """Days that have a manifest, in order."""
    names = [file.path.rsplit("/", 1)[1] for file in storage.list(_MANIFESTS)]
    return tuple(
        sorted(
            date.fromisoformat(name.removesuffix(".json"))
            for name in names
            if not name.startswith(".")
        )
    )


def first_landing_day(storage: Storage) -> date | None:
    """The earliest day that anything landed on, closed or not; None for an empty landing folder."""
    closed = closed_days(storage)
    waiting = () if closed else [file.folder_date for file in _landed(storage)]
    return closed[0] if closed else min(waiting, default=None)


def first_closed_day(lake: str) -> date:
    """The first day that the lake knows anything about.

    Raises:
        LandingError: no landing day has been closed yet.
    """
    storage = open_storage(lake)
    days = closed_days(storage)
    if not days:
        raise LandingError(
            f"landing: no manifest in {storage.uri(_MANIFESTS)}; close the landing days first "
            "(`evensong night --as-of DAY` does)"
        )
    return days[0]


def manifest_path(day: date) -> str:
    """Where the manifest of a day lies in the lake."""
    return f"{_MANIFESTS}/{day:%Y-%m-%d}.json"


def read_manifest(storage: Storage, day: date) -> Manifest:
    """The manifest of a closed day.

    Raises:
        StorageError: the day is not closed.
    """
    stored = json.loads(storage.read(manifest_path(day)))
    return Manifest(
        date.fromisoformat(stored["arrival_date"]),
        tuple(
            ListedFile(
                path=file["path"],
                source=file["source"],
                folder_date=date.fromisoformat(file["folder_date"]),
                byte_count=file["byte_count"],
                written_at_utc=datetime.fromisoformat(file["written_at_utc"]),
            )
            for file in stored["files"]
        ),
    )


def files_of(storage: Storage, source: str, days: Iterable[date]) -> list[tuple[date, ListedFile]]:
    """Arrival date and file of everything from `source` that the days' manifests list.

    Raises:
        StorageError: a day is not closed.
        LandingError: a listed file is gone, or has another size than when its day was closed.
    """
    listed = [
        (day, file)
        for day in days
        for file in read_manifest(storage, day).files
        if file.source == source
    ]
    folders = {file.path.rsplit("/", 1)[0] for _, file in listed}
    byte_counts = {
        found.path: found.byte_count for folder in folders for found in storage.list(folder)
    }
    for day, file in listed:
        _refuse_changed(day, file, byte_counts.get(file.path))
    return listed


def _landed(storage: Storage) -> Iterator[ListedFile]:
    """Every landing file. A leading dot or underscore marks what is half written or bookkeeping."""
    for found in storage.list(_LANDING):
        if not any(part.startswith((".", "_")) for part in found.path.split("/")):
            yield _placed(found)


def _placed(found: StoredFile) -> ListedFile:
    parts = found.path.split("/")
    try:
        _, source, folder, _ = parts
        folder_date = date.fromisoformat(folder)
    except ValueError as error:
        raise LandingError(_misplaced(found.path)) from error
    if source not in ROW_SOURCES + FILE_SOURCES or folder != f"{folder_date:%Y-%m-%d}":
        raise LandingError(_misplaced(found.path))
    return ListedFile(found.path, source, folder_date, found.byte_count, found.written_at_utc)


def _misplaced(path: str) -> str:
    sources = ", ".join(ROW_SOURCES + FILE_SOURCES)
    return (
        f"landing: {path} is not {_LAYOUT} with a source of {sources}; nothing would ever read it: "
        "move it or remove it"
    )


def _close_day(storage: Storage, day: date, waiting: Iterable[ListedFile]) -> Manifest:
    files = sorted(
        (file for file in waiting if file.folder_date <= day), key=lambda file: file.path
    )
    content = {
        "arrival_date": day.isoformat(),
        "files": [
            {
                "path": file.path,
                "source": file.source,
                "folder_date": file.folder_date.isoformat(),
                "byte_count": file.byte_count,
                "written_at_utc": file.written_at_utc.astimezone(UTC).isoformat(),
            }
            for file in files
        ],
    }
    storage.put_if_absent(manifest_path(day), json.dumps(content, indent=1).encode())
    # Another night may have been first; its manifest is the day's.
    return read_manifest(storage, day)


def _refuse_changed(day: date, file: ListedFile, byte_count: int | None) -> None:
    if byte_count == file.byte_count:
        return
    found = "is gone" if byte_count is None else f"has {byte_count} bytes now"
    raise LandingError(
        f"landing: {file.path} {found}, its manifest {manifest_path(day)} says "
        f"{file.byte_count} bytes (written {file.written_at_utc:%Y-%m-%d %H:%M:%S} UTC); restore "
        "the file, and land corrections as a new file"
    )

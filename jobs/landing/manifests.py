"""Manifests of the landing zone: each closed day lists the files that count as arrived on it.

A manifest never changes, except at an erasure (jobs/landing/manifest_erasure.py) and for files that
a person withdrew (jobs/landing/withdrawal.py); whoever writes one holds one lease. When a file
arrives in the folder of a closed day, the next day that is closed lists it. So every night, and
every backfill of that night, reads the same files.

A listed file that changes breaks that promise. Rows stop the job that reads their day: it would
lose what nights know. A recording or a cover is its own track's alone: its day is read without it,
and the next day that is closed lists it again, as it is then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from feature_store.lake.storage import open_storage
from jobs.landing.file_kinds import why_no_content
from jobs.landing.layout import (
    FILE_SOURCES,
    LANDING,
    LandingError,
    LandingFile,
    NotTaken,
    folder_date_of,
    landing_files,
    leave_out,
)
from jobs.landing.manifest_files import MANIFESTS, manifest_lease, manifest_path

if TYPE_CHECKING:
    from feature_store.lake.storage import Storage

LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files that count as arrived on one day.

    Attributes:
        arrival_date: the day.
        files: in the order of their paths.
        withdrawn: why a listed file counts no more, by path.
        not_taken: files that lay in the landing zone when the day was closed, and count for no day.
    """

    arrival_date: date
    files: tuple[LandingFile, ...]
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    not_taken: tuple[NotTaken, ...] = ()

    @property
    def kept_files(self) -> tuple[LandingFile, ...]:
        """The files that were not withdrawn."""
        return tuple(file for file in self.files if file.path not in self.withdrawn)


def close_days(
    storage: Storage,
    as_of: date,
    scanned_sizes: Mapping[str, int] | None = None,
    left_open: Mapping[str, str] | None = None,
    *,
    first: date = date.min,
    last: date = date.max,
) -> tuple[date, ...]:
    """Close every open landing day up to `as_of`; returns the days closed now.

    The first day is the earliest dated folder. No later day is left out, so a day without files
    gets an empty manifest.

    Args:
        storage: the lake.
        as_of: the last day to close.
        scanned_sizes: the files that may be listed, with their sizes; None allows all files. A file
            that landed or changed after the scan waits for the next closing.
        left_open: files that wait for the next closing, and why.
        first: files in folders of earlier days are named and count for no day; one of 1970 would
            otherwise make a manifest of every day since.
        last: files in folders of later days are named; they wait until their day comes.

    Raises:
        LandingError: nothing has landed up to `as_of`.
        LeaseTaken: an erasure or a withdrawal changes manifests.
    """
    # An erasure that renamed a file between the listing and the writing would leave its old name.
    with manifest_lease(storage) as check_lease:
        landed, not_taken = landing_files(storage)
        out_of_range = _out_of_range(landed, first, last)
        waiting = {**(left_open or {}), **out_of_range}
        return _close_days(storage, as_of, scanned_sizes, landed, not_taken, waiting, check_lease)


def _out_of_range(landed: Iterable[LandingFile], first: date, last: date) -> dict[str, str]:
    """Why files whose folder has a day that cannot be meant count for no day, by path."""
    reasons = dict[str, str]()
    for file in landed:
        if file.folder_date < first:
            reasons[file.path] = (
                f"its folder's day is earlier than landing.earliest_date = {first}: move it to the "
                "folder of the day on which it arrived"
            )
        elif file.folder_date > last:
            reasons[file.path] = (
                f"its folder's day is later than {last}: move it to the folder of the day on which "
                "it arrived, or it waits for that day's night"
            )
    return reasons


def _close_days(
    storage: Storage,
    as_of: date,
    scanned_sizes: Mapping[str, int] | None,
    landed: Iterable[LandingFile],
    not_taken: list[NotTaken],
    waiting: Mapping[str, str],
    check_lease: Callable[[], None],
) -> tuple[date, ...]:
    closed = closed_days(storage)
    listed_before = _listed_before(storage, closed)
    new = {file.path: file for file in landed if _is_new(file, listed_before)}
    reasons = {
        path: reason
        for path, file in new.items()
        if (reason := waiting.get(path) or _why_no_content(storage, file))
    }
    not_taken += [NotTaken(path, reason) for path, reason in reasons.items()]
    unlisted = {
        path: file
        for path, file in new.items()
        if file.folder_date <= as_of
        and path not in reasons
        and (scanned_sizes is None or scanned_sizes.get(path) == file.byte_count)
    }
    if closed[0] > as_of if closed else not unlisted:
        raise LandingError(
            f"landing: no file in {storage.uri(LANDING)} up to {as_of}; bring some in with "
            f"`evensong ingest SOURCE PATH`, or give a later day{_shown(not_taken)}"
        )
    first_open = (
        closed[-1] + timedelta(days=1)
        if closed
        else min(file.folder_date for file in unlisted.values())
    )
    open_day_count = (as_of - first_open).days + 1
    days = tuple(first_open + timedelta(days=offset) for offset in range(open_day_count))
    for day in days:
        # What counts for no day is said of the night that closes, not of each day before it.
        others = not_taken if day == as_of else []
        check_lease()
        for listed in _close_day(storage, day, unlisted.values(), others).files:
            unlisted.pop(listed.path, None)
    return days


def _shown(not_taken: Sequence[NotTaken]) -> str:
    """What to say of files that are there and do not count, the first of them with its reason."""
    if not not_taken:
        return ""
    one = not_taken[0]
    return f". Files that do not count: {len(not_taken)}, such as {one.path}: {one.reason}"


def _listed_before(storage: Storage, closed: Iterable[date]) -> dict[str, int | None]:
    """Size of every listed file by path, as listed last; None for one that was withdrawn."""
    manifests = [read_manifest(storage, day) for day in closed]
    sizes = {file.path: file.byte_count for one in manifests for file in one.files}
    return sizes | {path: None for one in manifests for path in one.withdrawn}


def _is_new(file: LandingFile, listed_before: Mapping[str, int | None]) -> bool:
    """Whether no manifest lists the file, or it is content that has changed since."""
    if file.path not in listed_before:
        return True
    listed = listed_before[file.path]
    return file.source in FILE_SOURCES and listed is not None and listed != file.byte_count


def _why_no_content(storage: Storage, file: LandingFile) -> str:
    is_of_track = file.source in FILE_SOURCES
    return why_no_content(storage, file.path, file.source) if is_of_track else ""


def closed_days(storage: Storage) -> tuple[date, ...]:
    """Days that have a manifest, in order."""
    names = [file.path.rsplit("/", 1)[1] for file in storage.list(MANIFESTS)]
    return tuple(
        sorted(
            date.fromisoformat(name.removesuffix(".json"))
            for name in names
            if not name.startswith(".")
        )
    )


def first_landing_day(storage: Storage) -> date | None:
    """The earliest day on which a file landed, closed or open; None for an empty landing folder."""
    closed = closed_days(storage)
    folder_dates = () if closed else [file.folder_date for file in landing_files(storage)[0]]
    return closed[0] if closed else min(folder_dates, default=None)


def first_closed_day(lake: str) -> date:
    """The first landing day that has a manifest.

    Raises:
        LandingError: no landing day has been closed yet.
    """
    storage = open_storage(lake)
    days = closed_days(storage)
    if not days:
        raise LandingError(
            f"landing: no manifest in {storage.uri(MANIFESTS)}; close the landing days first "
            "(`evensong night --as-of DAY` does)"
        )
    return days[0]


def first_arrival_day(storage: Storage, source: str) -> date | None:
    """The first closed day whose manifest lists a file of the source; None when no day does."""
    for day in closed_days(storage):
        if any(file.source == source for file in read_manifest(storage, day).files):
            return day
    return None


def read_manifest(storage: Storage, day: date) -> Manifest:
    """The manifest of a closed day.

    Raises:
        StorageError: the day is not closed.
    """
    stored = json.loads(storage.read(manifest_path(day)))
    return Manifest(
        date.fromisoformat(stored["arrival_date"]),
        tuple(
            LandingFile(
                path=file["path"],
                source=file["source"],
                folder_date=date.fromisoformat(file["folder_date"]),
                byte_count=file["byte_count"],
                written_at_utc=datetime.fromisoformat(file["written_at_utc"]),
            )
            for file in stored["files"]
        ),
        {file["path"]: file["withdrawn"] for file in stored["files"] if "withdrawn" in file},
        tuple(NotTaken(**one) for one in stored.get("not_taken", ())),
    )


def is_listed(storage: Storage, path: str, folder_date: date) -> bool:
    """Whether the manifest of a closed day lists the file, which lies in the folder of a day."""
    return any(
        listed.path == path
        for day in closed_days(storage)
        if day >= folder_date
        for listed in read_manifest(storage, day).files
    )


def listed_bytes(storage: Storage) -> dict[str, int]:
    """Size in bytes of every file that a manifest lists, by path."""
    return {
        file.path: file.byte_count
        for day in closed_days(storage)
        for file in read_manifest(storage, day).files
    }


def late_days(storage: Storage, paths: Iterable[str]) -> tuple[date, ...]:
    """The closed days in whose folders files lie that no manifest lists yet, in order."""
    closed = closed_days(storage)
    late = {path: day for path in paths if closed and (day := folder_date_of(path)) <= closed[-1]}
    if not late:
        return ()
    listed = listed_bytes(storage)
    return tuple(sorted({day for path, day in late.items() if path not in listed}))


def next_open_day(storage: Storage) -> date | None:
    """The day that is closed next, and takes what is late; None while no day is closed."""
    closed = closed_days(storage)
    return closed[-1] + timedelta(days=1) if closed else None


def arrived_files(
    storage: Storage, source: str, days: Iterable[date]
) -> list[tuple[date, LandingFile]]:
    """Arrival date and file of everything from `source` that the days' manifests list and keep.

    Content that has changed since is left out and named in the log.

    Raises:
        StorageError: a day is not closed.
        LandingError: a listed file is gone, or the size of one with rows is another.
    """
    manifests = [read_manifest(storage, day) for day in days]
    listed = [
        (manifest.arrival_date, file)
        for manifest in manifests
        for file in manifest.kept_files
        if file.source == source
    ]
    byte_counts = byte_counts_now(storage, [file for _, file in listed])
    return [
        (day, file) for day, file in listed if _is_as_listed(day, file, byte_counts.get(file.path))
    ]


def byte_counts_now(storage: Storage, files: Iterable[LandingFile]) -> dict[str, int]:
    """Sizes of the files in the folders of `files`, by path; one that is gone has none."""
    folders = {file.path.rsplit("/", 1)[0] for file in files}
    return {
        found.path: found.byte_count
        for folder in folders
        for found in storage.list(folder, leave_out)
    }


def _close_day(
    storage: Storage, day: date, unlisted: Iterable[LandingFile], not_taken: Iterable[NotTaken]
) -> Manifest:
    files = sorted(
        (file for file in unlisted if file.folder_date <= day), key=lambda file: file.path
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
        "not_taken": [asdict(one) for one in not_taken],
    }
    storage.put_if_absent(manifest_path(day), json.dumps(content, indent=1).encode())
    # When two nights race for a day, the first manifest counts.
    return read_manifest(storage, day)


def _is_as_listed(day: date, file: LandingFile, byte_count: int | None) -> bool:
    """Whether the file has its listed size; false for content that has another.

    Raises:
        LandingError: the file is gone, or holds rows.
    """
    if byte_count == file.byte_count:
        return True
    found = "is gone" if byte_count is None else f"has {byte_count} bytes now"
    changed = (
        f"{file.path} {found}, its manifest {manifest_path(day)} says {file.byte_count} bytes "
        f"(written {file.written_at_utc:%Y-%m-%d %H:%M:%S} UTC)"
    )
    if byte_count is not None and file.source in FILE_SOURCES:
        LOG.warning(
            "left out: content that changed counts for the next day that is closed",
            path=file.path,
            reason=changed,
        )
        return False
    raise LandingError(
        f"landing: {changed}; restore the file and land corrections as a new file, or take it out "
        f"of its day: evensong landing withdraw {file.path} --reason WHY --actor WHO"
    )

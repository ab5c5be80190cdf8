"""Keep tables small: expire old slices, compact small files, vacuum what nothing can read any more.

Nothing that a reader may still open goes: every file that the current event pins, however old it
is, and every file that an event of the last `maintenance.restorable_days` days pins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from feature_store.contract import Table, Time
from feature_store.lake.delta_tables import exists, open_table
from feature_store.lake.lease import writer_lease
from feature_store.lake.spark_io import newest_day
from feature_store.publishing.snapshot import Event, current_event, erased_since, events
from feature_store.settings import Settings
from feature_store.tables import TABLES, raw

LOG = structlog.get_logger()

_UNPUBLISHED_HOURS = 7 * 24
"""Files replaced so recently stay: a night that is not published yet, or a slow reader, has them
open.
"""


@dataclass(frozen=True, slots=True)
class Maintained:
    """What was done to one table; `count` is of slices or files, as the task's name says."""

    table_name: str
    count: int


def expire_slices(settings: Settings, now: datetime) -> tuple[Maintained, ...]:
    """Drop the slices of days before `maintenance.slice_days`, the one that readers see excepted.

    Restorable runs keep theirs: they read an older version of the table.
    """
    current = current_event(events(settings.lake))
    oldest = now.date() - timedelta(days=settings.maintenance.slice_days)
    kept = {current.as_of} if current else set()
    done = []
    for table in _existing(settings.lake):
        if table.time is Time.AS_OF and table.layer != "run":
            days = sorted(_days_of(settings.lake, table, before=oldest) - kept)
            _drop(settings.lake, table, days)
            done.append(Maintained(table.name, len(days)))
    return _told("expired slices", [*done, *_expire_raw(settings, now)])


def _expire_raw(settings: Settings, now: datetime) -> Iterator[Maintained]:
    """Drop rows about people that arrived before `maintenance.raw_days`.

    Jobs look back `late_track_days` at most, and the newest day stays: by it a night knows what it
    has taken in.
    """
    if settings.maintenance.raw_days is None:
        return
    days = max(settings.maintenance.raw_days, settings.late_track_days + 1)
    oldest = now.date() - timedelta(days=days)
    for table in raw.OF_PEOPLE:
        newest = newest_day(settings.lake, table)
        if newest is not None:
            with writer_lease(settings.lake, table.name):
                gone = open_table(settings.lake, table).delete(
                    f"arrival_date < '{min(oldest, newest):%Y-%m-%d}'"
                )
            yield Maintained(table.name, gone["num_deleted_rows"] or 0)


def compact_files(settings: Settings, now: datetime) -> tuple[Maintained, ...]:  # noqa: ARG001  all steps are called alike
    """Pack the small files of tables that have many; rows and pinned versions stay what they are.

    A table with few files is left alone: one file a night lets readers skip the other days.
    """
    done = []
    for table in _existing(settings.lake):
        if len(open_table(settings.lake, table).file_uris()) > settings.maintenance.max_files:
            with writer_lease(settings.lake, table.name):
                packed = open_table(settings.lake, table).optimize.compact()
            done.append(Maintained(table.name, packed["numFilesRemoved"]))
    return _told("compacted files", done)


def vacuum_files(
    settings: Settings, now: datetime, *, unpublished_hours: int = _UNPUBLISHED_HOURS
) -> tuple[Maintained, ...]:
    """Delete the files that neither the newest version nor an event that can be restored needs."""
    pinned = restorable_events(events(settings.lake), settings, now)
    done = []
    for table in _existing(settings.lake):
        with writer_lease(settings.lake, table.name):
            deleted = open_table(settings.lake, table).vacuum(
                retention_hours=unpublished_hours,
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
                keep_versions=pinned_versions(pinned, table),
            )
        done.append(Maintained(table.name, len(deleted)))
    return _told("vacuumed files", done)


def restorable_events(so_far: Sequence[Event], settings: Settings, now: datetime) -> list[Event]:
    """Events whose tables must stay readable: the recent ones, and the current one at any age.

    And the last publication of every day whose slices are kept: a backfill of the day after
    compares with it. Not those before an erasure: what they pinned is gone.
    """
    oldest = now - timedelta(days=settings.maintenance.restorable_days)
    oldest_slice = now.date() - timedelta(days=settings.maintenance.slice_days)
    last_of_day = {
        event.as_of: event
        for event in so_far
        if event.action == "publish" and event.as_of >= oldest_slice
    }
    kept = (current_event(so_far), *last_of_day.values())
    return [
        event
        for event in so_far
        if (event.recorded_at_utc >= oldest or event in kept)
        and erased_since(event, so_far) is None
    ]


def pinned_versions(pinning: Sequence[Event], table: Table) -> list[int]:
    """Versions of a table that these events pin, in order."""
    return sorted(
        {
            pin.table_version
            for event in pinning
            for pin in event.tables
            if pin.table_name == table.name
        }
    )


def _existing(lake: str) -> Iterator[Table]:
    return (table for table in TABLES.values() if exists(lake, table))


def _days_of(lake: str, table: Table, *, before: date) -> set[date]:
    days = (part["as_of_date"] for part in open_table(lake, table).partitions())
    return {day for day in (date.fromisoformat(str(day)) for day in days) if day < before}


def _drop(lake: str, table: Table, days: Sequence[date]) -> None:
    if not days:
        return
    listed = ", ".join(f"'{day:%Y-%m-%d}'" for day in days)
    with writer_lease(lake, table.name):
        open_table(lake, table).delete(f"as_of_date IN ({listed})")


def _told(what: str, done: list[Maintained]) -> tuple[Maintained, ...]:
    """One log line a step, with the tables where there was something to do."""
    worked_on = {one.table_name: one.count for one in done if one.count}
    LOG.info("maintained", step=what, total=sum(worked_on.values()), tables=worked_on)
    return tuple(done)

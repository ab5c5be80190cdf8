"""Maintenance of tables: expire old rows, compact small files, vacuum unreadable files.

Maintenance keeps every file that the current event pins, at any age, and every file that an event
of the last `maintenance.restorable_days` days pins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from feature_store.contract import Table, Time
from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import as_of_dates, commit_properties, exists, open_table
from feature_store.lake.distinct_values import distinct_values
from feature_store.lake.lease import writer_lease
from feature_store.lake.spark_io import newest_day
from feature_store.publishing.snapshot import (
    CURRENT_ACTIONS,
    Event,
    current_event,
    erased_since,
    events,
)
from feature_store.settings import Settings
from feature_store.tables import TABLES, raw
from feature_store.tables.runs import RUN_MODELS

LOG = structlog.get_logger()

_VERSION = ("family", "model_version")
_NOTE = "maintenance"  # of its commits, for DESCRIBE HISTORY
_UNPUBLISHED_HOURS = 7 * 24
"""Vacuum keeps files replaced within so many hours, for unpublished nights and slow readers."""


@dataclass(frozen=True, slots=True)
class MaintenanceCount:
    """Number of slices, rows or files of one table that a maintenance step removed."""

    table_name: str
    count: int


def expire_slices(settings: Settings, now: datetime) -> tuple[MaintenanceCount, ...]:
    """Delete as_of slices older than `maintenance.slice_days`, except the current one.

    Restorable runs stay readable, because they read an older version of the table.
    """
    current = current_event(events(settings.lake))
    oldest = now.date() - timedelta(days=settings.maintenance.slice_days)
    kept = {current.as_of} if current else set()
    counts = []
    for table in _existing(settings.lake):
        if table.time is Time.AS_OF and table.layer != "run":
            expired = {day for day in as_of_dates(settings.lake, table) if day < oldest}
            days = sorted(expired - kept)
            _delete_slices(settings.lake, table, days)
            counts.append(MaintenanceCount(table.name, len(days)))
    return _log_counts("expired slices", [*counts, *_expire_raw(settings, now)])


def expire_versions(settings: Settings, now: datetime) -> tuple[MaintenanceCount, ...]:
    """Delete vectors by model versions that no kept night needs; run it after `expire_slices`.

    Content is encoded once a model version, so each new version adds rows beside the old ones. A
    version is needed while a slice of a feature table names it, or while run_models has a model of
    it that a night of the last `maintenance.slice_days` may use.
    """
    counts = []
    for table in _features_by_version(settings.lake):
        if table.time is Time.NONE:
            # A training stores its model before any vector, so with the lease held every version
            # that the table has is known.
            with writer_lease(settings.lake, table.name):
                found = distinct_values(settings.lake, table, None, _VERSION)
                expired = sorted(found - _needed_versions(settings, now))
                counts.append(_delete_versions(settings.lake, table, expired))
    return _log_counts("expired versions", counts)


def compact_files(settings: Settings, now: datetime) -> tuple[MaintenanceCount, ...]:  # noqa: ARG001  all steps have one signature
    """Compact tables with more than `maintenance.max_files` files, without a change of rows.

    Tables with few files keep one file a night, which lets readers skip the other days.
    """
    counts = []
    for table in _existing(settings.lake):
        if len(open_table(settings.lake, table).file_uris()) > settings.maintenance.max_files:
            with writer_lease(settings.lake, table.name):
                compacted = open_table(settings.lake, table).optimize.compact(
                    commit_properties=commit_properties(_NOTE)
                )
            counts.append(MaintenanceCount(table.name, compacted["numFilesRemoved"]))
    return _log_counts("compacted files", counts)


def vacuum_files(
    settings: Settings, now: datetime, *, unpublished_hours: int = _UNPUBLISHED_HOURS
) -> tuple[MaintenanceCount, ...]:
    """Delete files that neither the newest version nor a restorable event needs."""
    restorable = restorable_events(events(settings.lake), settings, now)
    counts = []
    for table in _existing(settings.lake):
        with writer_lease(settings.lake, table.name):
            deleted = open_table(settings.lake, table).vacuum(
                retention_hours=unpublished_hours,
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
                keep_versions=pinned_versions(restorable, table),
            )
        counts.append(MaintenanceCount(table.name, len(deleted)))
    return _log_counts("vacuumed files", counts)


def restorable_events(history: Sequence[Event], settings: Settings, now: datetime) -> list[Event]:
    """Events whose pinned versions must stay readable: recent events and the current event.

    The last publication of every day with kept slices stays too, and what a backfill of a later day
    compares with. Events before an erasure are excluded: their versions are deleted.
    """
    oldest = now - timedelta(days=settings.maintenance.restorable_days)
    oldest_slice = now.date() - timedelta(days=settings.maintenance.slice_days)
    last_of_day = {
        event.as_of: event
        for event in history
        if event.action == "publish" and event.as_of >= oldest_slice
    }
    kept = (current_event(history), *last_of_day.values(), *_baselines(history, oldest_slice))
    return [
        event
        for event in history
        if (event.recorded_at_utc >= oldest or event in kept)
        and erased_since(event, history) is None
    ]


def _baselines(history: Sequence[Event], oldest_slice: date) -> list[Event]:
    """Events of days with kept slices that a run of some later day is compared with."""
    pinning = [event for event in history if event.action in CURRENT_ACTIONS]
    return [
        event
        for position, event in enumerate(pinning)
        if event.as_of >= oldest_slice
        and all(later.as_of > event.as_of for later in pinning[position + 1 :])
    ]


def pinned_versions(events_to_keep: Sequence[Event], table: Table) -> list[int]:
    """Versions of a table that these events pin, in ascending order."""
    return sorted(
        {
            pin.table_version
            for event in events_to_keep
            for pin in event.tables
            if pin.table_name == table.name
        }
    )


def _expire_raw(settings: Settings, now: datetime) -> Iterator[MaintenanceCount]:
    """Delete rows about listeners that arrived more than `maintenance.raw_days` ago.

    Rows of the last `late_track_days` stay because jobs look back so far. The newest day stays
    because a night reads from it which days are ingested.
    """
    if settings.maintenance.raw_days is None:
        return
    days = max(settings.maintenance.raw_days, settings.late_track_days + 1)
    oldest = now.date() - timedelta(days=days)
    for table in raw.USER_TABLES:
        newest = newest_day(settings.lake, table)
        if newest is not None:
            with writer_lease(settings.lake, table.name):
                deleted = open_table(settings.lake, table).delete(
                    f"arrival_date < '{min(oldest, newest):%Y-%m-%d}'",
                    commit_properties=commit_properties(_NOTE),
                )
            yield MaintenanceCount(table.name, deleted["num_deleted_rows"] or 0)


def _needed_versions(settings: Settings, now: datetime) -> set[tuple[str, ...]]:
    """Family and version of what kept slices name, and of models that their nights may use."""
    lake, needed = settings.lake, set()
    for table in _features_by_version(lake):
        if table.time is Time.AS_OF:
            needed |= distinct_values(lake, table, None, _VERSION)
    if exists(lake, RUN_MODELS):
        columns = ["training_task", *_VERSION, "checked_as_of_date"]
        for row in read_table(lake, RUN_MODELS, columns=columns).to_pylist():
            max_age_days = settings.training.max_age_days(row["training_task"])
            kept_days = timedelta(days=settings.maintenance.slice_days + max_age_days)
            if row["checked_as_of_date"] >= now.date() - kept_days:
                needed.add(tuple(row[name] for name in _VERSION))
    return needed


def _delete_versions(
    lake: str, table: Table, expired: Sequence[tuple[str, ...]]
) -> MaintenanceCount:
    """Delete the rows of these versions; the table's lease is held."""
    if not expired:
        return MaintenanceCount(table.name, 0)
    is_expired = " OR ".join(
        f"(family = '{family}' AND model_version = '{version}')" for family, version in expired
    )
    deleted = open_table(lake, table).delete(is_expired, commit_properties=commit_properties(_NOTE))
    return MaintenanceCount(table.name, deleted["num_deleted_rows"] or 0)


def _features_by_version(lake: str) -> Iterator[Table]:
    """Feature tables all of whose rows name the model that made them.

    A row of feat_track_emotion may name none; a model that it names, feat_lyrics_emotion names too.
    """
    for table in _existing(lake):
        has_version = {*_VERSION} <= {*table.column_names}
        if table.layer == "feat" and has_version and not table.column("family").is_nullable:
            yield table


def _existing(lake: str) -> Iterator[Table]:
    return (table for table in TABLES.values() if exists(lake, table))


def _delete_slices(lake: str, table: Table, days: Sequence[date]) -> None:
    if not days:
        return
    listed = ", ".join(f"'{day:%Y-%m-%d}'" for day in days)
    with writer_lease(lake, table.name):
        open_table(lake, table).delete(
            f"as_of_date IN ({listed})", commit_properties=commit_properties(_NOTE)
        )


def _log_counts(step: str, counts: list[MaintenanceCount]) -> tuple[MaintenanceCount, ...]:
    """Log one line for the step, with the tables that it changed."""
    changed = {count.table_name: count.count for count in counts if count.count}
    LOG.info("maintained", step=step, total=sum(changed.values()), tables=changed)
    return tuple(counts)

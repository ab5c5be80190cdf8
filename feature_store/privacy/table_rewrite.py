"""Erasure of a person from a Delta table: rewrite the rows, then purge the table's history.

The rewrite is an overwrite without a predicate, because the log would keep a predicate on an id.
Earlier versions serve their readers until `purge_history`, which keeps only the given versions: the
log then begins with a checkpoint at the oldest of them. Earlier log entries with their statistics,
checksums and data files are deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds

from feature_store.lake.delta_tables import commit_properties, open_dataset, open_table
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import Storage, open_storage
from feature_store.privacy.person_filter import PersonFilter
from feature_store.privacy.personal_data import person_mask
from feature_store.privacy.row_erasure import erase_from_rows, naming_columns
from feature_store.privacy.suppression import ErasedDuringRun

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from feature_store.contract import Table

_COMMIT_MARK = "evensong.erasure"
"""Metadata key of the commits of an erasure; the commits never hold an id."""

_LOG_ENTRY = re.compile(r"\.?(\d{20})\.(?:json|crc|checkpoint|compacted|\d{20}).*")

_APPENDED_WITHOUT_A_LEASE = {
    "published_runs",
    "run_metrics",
    "run_models",
    "run_promotions",
    "run_waivers",
    "run_erasures",
}


@dataclass(frozen=True, slots=True)
class TableErasure:
    """The result of an erasure from one table.

    Attributes:
        version: the version without the person that holds the pinned slice.
        removed: number of removed rows about the person.
        changed: number of other rows that named the person.
    """

    version: int
    removed: int
    changed: int


@dataclass(frozen=True, slots=True)
class PinnedSlice:
    """The slice of a published table that readers see."""

    version: int
    as_of: date


def erase_from_table(
    lake: str, table: Table, person_filter: PersonFilter, *, pinned: PinnedSlice | None = None
) -> TableErasure | None:
    """Rewrite the table without the person; None when no row names the person.

    A table with a pinned slice is always rewritten, because its earlier versions are purged. If a
    later run staged that slice again, the published rows first get a version of their own.
    """
    with writer_lease(lake, table.name):
        newest = open_table(lake, table)
        if pinned is not None:
            return _rewrite_with_pinned_slice(lake, newest, table, person_filter, pinned)
        eraser = _BatchEraser(table, person_filter)
        if not eraser.finds_any(newest):
            return None
        predicate, condition = _days_condition(table, eraser.days)
        _overwrite(
            newest, table, eraser.batches(_rows(newest, table, condition=condition)), predicate
        )
        return TableErasure(newest.version(), eraser.removed, eraser.changed)


def check_not_rewritten(lake: str, table: Table, version: int) -> None:
    """Refuse a version from before an erasure: it holds the person and will be purged.

    Raises:
        ErasedDuringRun: an erasure rewrote the table after `version`; names the task to clear.
    """
    for commit in open_table(lake, table).history():
        if commit["version"] > version and _COMMIT_MARK in commit:
            raise ErasedDuringRun(
                f"{table.name}: a person was erased after version {version} had been staged, which "
                f"may hold that person; nothing was published; clear the task {table.name}, it "
                "computes its rows again"
            )


def count_matching_rows(
    lake: str, table: Table, person_filter: PersonFilter, version: int | None = None
) -> int:
    """Number of rows that name the person; `version` None reads the newest version."""
    eraser = _BatchEraser(table, person_filter)
    eraser.finds_any(open_table(lake, table, version))
    return eraser.removed + eraser.changed


def read_matching_rows(lake: str, table: Table, person_filter: PersonFilter) -> pa.Table:
    """The rows about the person, without other rows that only name the person."""
    theirs = [
        rows.filter(person_mask(table, rows, person_filter))
        for rows in _rows(open_table(lake, table), table)
    ]
    return pa.concat_tables(theirs) if theirs else table.arrow_schema.empty_table()


def purge_history(lake: str, table: Table, keep: Sequence[int] = ()) -> int:
    """Delete all versions except `keep` and the newest, with their log; returns the files deleted.

    Some tables are appended to without a lease. There, files that no version lists stay, because a
    writer may be about to commit them.
    """
    with writer_lease(lake, table.name):
        opened = open_table(lake, table)
        if opened.version() == 0:
            return 0
        kept = sorted({*keep, opened.version()})
        open_table(lake, table, kept[0]).create_checkpoint()
        storage = open_storage(lake)
        entries = _delete_log_before(storage, table, kept[0])
        is_leased = table.name not in _APPENDED_WITHOUT_A_LEASE
        files = open_table(lake, table).vacuum(
            retention_hours=0,
            dry_run=False,
            enforce_retention_duration=False,
            full=is_leased,
            keep_versions=kept,
        )
        return entries + len(files)


class _BatchEraser:
    """Removes the person from a stream of batches and counts removed and changed rows."""

    def __init__(self, table: Table, person_filter: PersonFilter) -> None:
        self._table = table
        self._person_filter = person_filter
        self.removed = 0
        self.changed = 0
        self.days: set[date] = set()

    def finds_any(self, opened: DeltaTable) -> bool:
        """Whether a row names the person; sets the counts and days that an erasure would affect."""
        columns = naming_columns(self._table)
        day_column = self._table.time.column
        if day_column and day_column not in columns:
            columns.append(day_column)
        for _ in self.batches(_rows(opened, self._table, columns)):
            continue
        return self.removed + self.changed > 0

    def batches(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        """The rows without the person; the counts start at 0 again."""
        self.removed = self.changed = 0
        return self._erase_and_count(tables)

    def _erase_and_count(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        for rows in tables:
            erasure = erase_from_rows(self._table, rows, self._person_filter)
            self.removed += erasure.removed
            self.changed += erasure.changed
            if self._table.time.column and erasure.removed + erasure.changed:
                self.days |= set(rows[self._table.time.column].unique().to_pylist())
            yield from erasure.rows.combine_chunks().to_batches()


def _rewrite_with_pinned_slice(
    lake: str, newest: DeltaTable, table: Table, person_filter: PersonFilter, pinned: PinnedSlice
) -> TableErasure:
    published = open_table(lake, table, pinned.version)
    eraser = _BatchEraser(table, person_filter)
    day = ds.field(table.time.column)
    if _files_of_day(newest, table, pinned) == _files_of_day(published, table, pinned):
        _overwrite(newest, table, eraser.batches(_rows(newest, table)))
        return TableErasure(newest.version(), eraser.removed, eraser.changed)
    staged = _rows(newest, table, condition=day == pinned.as_of)
    other_days = _rows(newest, table, condition=day != pinned.as_of)
    published_day = _rows(published, table, condition=day == pinned.as_of)
    _overwrite(newest, table, eraser.batches(chain(other_days, published_day)))
    version = newest.version()
    staged_eraser = _BatchEraser(table, person_filter)
    predicate = f"{table.time.column} = '{pinned.as_of:%Y-%m-%d}'"
    _overwrite(newest, table, staged_eraser.batches(staged), predicate)
    return TableErasure(
        version,
        eraser.removed + staged_eraser.removed,
        eraser.changed + staged_eraser.changed,
    )


def _days_condition(table: Table, days: set[date]) -> tuple[str | None, ds.Expression | None]:
    """The days whose rows are written again, as SQL and for Arrow; None for a timeless table.

    Files of other days stay as they are. The log keeps the predicate, which names no person.
    """
    column = table.time.column
    if not column:
        return None, None
    predicate = " OR ".join(f"{column} = '{day:%Y-%m-%d}'" for day in sorted(days))
    return predicate, ds.field(column).isin(pa.array(sorted(days), pa.date32()))


def _files_of_day(opened: DeltaTable, table: Table, pinned: PinnedSlice) -> set[str]:
    is_pinned_day = f"{table.time.column} = '{pinned.as_of:%Y-%m-%d}'"
    return set(opened.file_uris(file_pruning_predicate=is_pinned_day))


def _rows(
    opened: DeltaTable,
    table: Table,
    columns: Sequence[str] | None = None,
    condition: ds.Expression | None = None,
) -> Iterator[pa.Table]:
    """Batches of a version; the call fixes the version, not the first read."""
    dataset = open_dataset(opened)
    names = list(columns if columns is not None else table.column_names)
    schema = pa.schema([table.arrow_schema.field(name) for name in names])
    return (
        pa.Table.from_batches([batch]).cast(schema)
        for batch in dataset.to_batches(columns=names, filter=condition)
        if batch.num_rows
    )


def _overwrite(
    opened: DeltaTable,
    table: Table,
    batches: Iterator[pa.RecordBatch],
    predicate: str | None = None,
) -> None:
    """One commit without retries: a retry would overwrite the rows of a concurrent writer."""
    from deltalake import write_deltalake

    write_deltalake(
        opened,
        pa.RecordBatchReader.from_batches(table.arrow_schema, batches),
        mode="overwrite",
        predicate=predicate,
        commit_properties=commit_properties(
            "erasure", marks={_COMMIT_MARK: "rows rewritten"}, is_retried=False
        ),
    )


def _delete_log_before(storage: Storage, table: Table, version: int) -> int:
    """Delete log entries, checkpoints and checksums of earlier versions, Hadoop's included."""
    folder = f"tables/{table.name}"
    deleted = 0
    for file in list(storage.list(f"{folder}/_delta_log")):
        entry = _LOG_ENTRY.fullmatch(file.path.rsplit("/", 1)[1])
        if entry and int(entry[1]) < version:
            storage.delete(file.path)
            deleted += 1
    return deleted

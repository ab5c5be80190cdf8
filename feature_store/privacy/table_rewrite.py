"""Take a person out of a Delta table: rewrite its rows, then remove what its log remembers.

Rewriting is an overwrite without a predicate, because a predicate on an id would stay in the log.
Readers of earlier versions are served until `forget_history`, which keeps the given versions: from
the oldest of them on the log begins with a checkpoint, and what lay before it is deleted, entries
with their statistics, checksums and data files.
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

from feature_store.lake.delta_tables import open_table
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import Storage, open_storage
from feature_store.privacy.person_filter import Who, about, cleaned
from feature_store.privacy.suppression import ErasedMeanwhile

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from feature_store.contract import Table

_MARK = "evensong.erasure"
"""In the commits that took somebody out; never who."""

_LOG_ENTRY = re.compile(r"\.?(\d{20})\.(?:json|crc|checkpoint|compacted|\d{20}).*")


_APPENDED_WITHOUT_A_LEASE = {
    "published_runs",
    "run_metrics",
    "run_models",
    "run_waivers",
    "run_erasures",
}


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What became of a table.

    Attributes:
        version: the version without the person that holds the pinned slice.
        removed: rows about the person.
        changed: others' rows that named the person.
    """

    version: int
    removed: int
    changed: int


@dataclass(frozen=True, slots=True)
class PinnedSlice:
    """The slice of a published table that readers see."""

    version: int
    as_of: date


def rewrite(
    lake: str, table: Table, who: Who, *, pinned: PinnedSlice | None = None
) -> Rewritten | None:
    """Write the table anew without the person; None when no row names the person.

    A table with a pinned slice is always written anew, as earlier versions of it go. When its slice
    was staged again after it was published, the published rows get a version of their own first.
    """
    with writer_lease(lake, table.name):
        newest = open_table(lake, table)
        if pinned is not None:
            return _with_pinned_slice(lake, newest, table, who, pinned)
        sweep = _Sweep(table, who)
        if not sweep.finds_any(newest):
            return None
        _overwrite(newest, table, sweep.batches(_rows(newest, table)))
        return Rewritten(newest.version(), sweep.removed, sweep.changed)


def refuse_rewritten(lake: str, table: Table, version: int) -> None:
    """Refuse a version from before an erasure: it holds the person, and goes.

    Raises:
        ErasedMeanwhile: says which task to clear.
    """
    for commit in open_table(lake, table).history():
        if commit["version"] > version and _MARK in commit:
            raise ErasedMeanwhile(
                f"{table.name}: somebody was erased after version {version} had been staged, which "
                f"may hold that person; nothing was published; clear the task {table.name}, it "
                "computes its rows anew"
            )


def count_named(lake: str, table: Table, who: Who, version: int | None = None) -> int:
    """Rows of a version that name the person; of the newest without one."""
    sweep = _Sweep(table, who)
    sweep.finds_any(open_table(lake, table, version))
    return sweep.removed + sweep.changed


def rows_about(lake: str, table: Table, who: Who) -> pa.Table:
    """The rows that are about the person, others' rows that only name the person left out."""
    theirs = [
        rows.filter(about(table, rows, who)) for rows in _rows(open_table(lake, table), table)
    ]
    return pa.concat_tables(theirs) if theirs else table.arrow_schema.empty_table()


def forget_history(lake: str, table: Table, keep: Sequence[int] = ()) -> int:
    """Delete every version but `keep` and the newest, with its log; returns the files deleted.

    Appends to a log of events take no lease, so files that no version knows are left alone there:
    one may be about to be committed.
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


class _Sweep:
    """Goes through rows once, and counts what it took out."""

    def __init__(self, table: Table, who: Who) -> None:
        self._table = table
        self._who = who
        self.removed = 0
        self.changed = 0

    def finds_any(self, opened: DeltaTable) -> bool:
        """Whether a row names the person; leaves the counts at what would be taken out."""
        for _ in self.batches(_rows(opened, self._table)):
            continue
        return self.removed + self.changed > 0

    def batches(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        """The rows without the person."""
        self.removed = self.changed = 0
        return self._counted(tables)

    def _counted(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        for rows in tables:
            result = cleaned(self._table, rows, self._who)
            self.removed += result.removed
            self.changed += result.changed
            yield from result.rows.combine_chunks().to_batches()


def _with_pinned_slice(
    lake: str, newest: DeltaTable, table: Table, who: Who, pinned: PinnedSlice
) -> Rewritten:
    published = open_table(lake, table, pinned.version)
    sweep = _Sweep(table, who)
    day = ds.field(table.time.column)
    if _files_of(newest, table, pinned) == _files_of(published, table, pinned):
        _overwrite(newest, table, sweep.batches(_rows(newest, table)))
        return Rewritten(newest.version(), sweep.removed, sweep.changed)
    staged = _rows(newest, table, day == pinned.as_of)
    others = _rows(newest, table, day != pinned.as_of)
    readers = _rows(published, table, day == pinned.as_of)
    _overwrite(newest, table, sweep.batches(chain(others, readers)))
    version = newest.version()
    staged_sweep = _Sweep(table, who)
    predicate = f"{table.time.column} = '{pinned.as_of:%Y-%m-%d}'"
    _overwrite(newest, table, staged_sweep.batches(staged), predicate)
    return Rewritten(
        version, sweep.removed + staged_sweep.removed, sweep.changed + staged_sweep.changed
    )


def _files_of(opened: DeltaTable, table: Table, pinned: PinnedSlice) -> set[str]:
    of_the_day = f"{table.time.column} = '{pinned.as_of:%Y-%m-%d}'"
    return set(opened.file_uris(file_pruning_predicate=of_the_day))


def _rows(
    opened: DeltaTable, table: Table, condition: ds.Expression | None = None
) -> Iterator[pa.Table]:
    """Batches of a version; which one is settled now, not when the first batch is asked for."""
    dataset = opened.to_pyarrow_dataset()
    return (
        pa.Table.from_batches([batch]).cast(table.arrow_schema)
        for batch in dataset.to_batches(columns=table.column_names, filter=condition)
        if batch.num_rows
    )


def _overwrite(
    opened: DeltaTable,
    table: Table,
    batches: Iterator[pa.RecordBatch],
    predicate: str | None = None,
) -> None:
    """One commit, which fails when another writer was faster: what it wrote would be lost."""
    from deltalake import CommitProperties, write_deltalake

    write_deltalake(
        opened,
        pa.RecordBatchReader.from_batches(table.arrow_schema, batches),
        mode="overwrite",
        predicate=predicate,
        commit_properties=CommitProperties(
            custom_metadata={_MARK: "rows rewritten"}, max_commit_retries=0
        ),
    )


def _delete_log_before(storage: Storage, table: Table, version: int) -> int:
    """Entries, checkpoints and checksums of earlier versions, and checksums that Hadoop left."""
    folder = f"tables/{table.name}"
    deleted = 0
    for file in list(storage.list(f"{folder}/_delta_log")):
        entry = _LOG_ENTRY.fullmatch(file.path.rsplit("/", 1)[1])
        if entry and int(entry[1]) < version:
            storage.delete(file.path)
            deleted += 1
    return deleted

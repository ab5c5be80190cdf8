"""Read and write Delta tables without a JVM, for training, reports and readers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial, reduce
from operator import and_
from typing import TYPE_CHECKING

from feature_store.contract import ContractError, Table, Time
from feature_store.lake.arrow_rows import (
    ROWS_A_BATCH,
    batches_of,
    check_part,
    check_rows,
    in_contract_order,
    slice_predicate,
    without_rows,
)
from feature_store.lake.batch_stream import write_stream
from feature_store.lake.commits import Commit, commit_once, marked, own_commit
from feature_store.lake.content_hash import ArrowFingerprint
from feature_store.lake.delta_tables import (
    TableMissing,
    commit_properties,
    ensure_table,
    exists,
    open_dataset,
    open_table,
)
from feature_store.lake.lease import writer_lease
from feature_store.lake.stopped_write import deleting_files_if_stopped

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

__all__ = [
    "TableMissing",
    "Written",
    "append",
    "exists",
    "read_rows_of_keys",
    "read_table",
    "write_slice",
]

ROWS_OF_A_STREAM = 256
"""Rows of a batch of `read_rows_of_keys`: 80 MB of spectrograms."""

_COMMIT_ATTEMPTS = 16
"""delta-rs's own number of attempts."""


@dataclass(frozen=True, slots=True)
class Written:
    """The result of one write, for run_metrics and lineage.

    Attributes:
        table_version: Delta version that the write made.
        added_bytes: size of the files that the write added.
        content_sha256: hash of the rows written, independent of their order.
    """

    table_name: str
    table_version: int
    row_count: int
    added_bytes: int
    content_sha256: str

    @classmethod
    def combined(cls, writes: Sequence[Written]) -> Written:
        """The result of several writes of one task to a table, as one; its hash covers theirs."""
        *_, newest = writes
        if len(writes) == 1:
            return newest
        hashes = ":".join(sorted(one.content_sha256 for one in writes))
        return cls(
            newest.table_name,
            newest.table_version,
            sum(one.row_count for one in writes),
            sum(one.added_bytes for one in writes),
            hashlib.sha256(hashes.encode()).hexdigest(),
        )


def read_table(
    lake: str,
    table: Table,
    *,
    as_of: date | None = None,
    columns: Sequence[str] | None = None,
    where: Mapping[str, str] | None = None,
    version: int | None = None,
    in_key_order: bool = True,
) -> pa.Table:
    """One AS_OF slice, or the newest row of each entity known by `as_of`, in key order.

    Without `as_of`: every row of the table, with older rows of each entity.

    Args:
        lake: where the tables are.
        table: its contract.
        as_of: the day whose state is read.
        columns: all by default. Only these are read, and those that order and select the rows.
        where: values by column; rows with other values are not read.
        version: the newest by default.
        in_key_order: False returns the rows in any order and saves sorting by the key.

    Raises:
        TableMissing: there is no such table, or not that version.
        ContractError: the table has no such column, or `where` would hide an entity's newest row.
    """
    import polars as pl

    selected = list(columns) if columns is not None else table.column_names
    conditions = where or {}
    is_newest = as_of is not None and bool(table.entity)
    _check_conditions(table, conditions, is_newest=is_newest)
    schema = _schema_of(table, selected)
    needed = {*selected, *(table.key if in_key_order else ())}
    if is_newest:
        needed |= {*table.entity, table.time.column}
    rows = _scan(open_table(lake, table, version), table, sorted(needed), as_of, conditions)
    if is_newest and rows.num_rows:
        rows = _newest_per_entity(rows, table)
    if in_key_order and rows.num_rows:
        rows = pl.DataFrame(rows).sort(list(table.key)).select(selected).to_arrow()
    return rows.select(selected).cast(schema)


def read_rows_of_keys(
    lake: str,
    table: Table,
    *,
    key_column: str,
    keys: Collection[str],
    columns: Sequence[str],
    where: Mapping[str, str],
) -> Iterator[pa.RecordBatch]:
    """The rows with one of these keys, as a stream: large rows, of which a few are asked for.

    The keys of all rows are read first, then the other columns of those row groups alone that hold
    one of them.

    Args:
        lake: where the tables are.
        table: its contract.
        key_column: the column that `keys` are values of.
        keys: those whose rows are asked for.
        columns: of the rows.
        where: values by column; only rows with these are read. Empty for all rows.

    Raises:
        TableMissing: there is no such table.
        ContractError: the table has no such column.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    _schema_of(table, [key_column, *columns, *where])
    conditions = [ds.field(name) == value for name, value in where.items()]
    is_key = ds.field(key_column).isin(pa.array(sorted(keys), pa.string()))
    is_asked_for = reduce(and_, conditions, is_key)
    dataset = open_dataset(open_table(lake, table), table.arrow_schema)
    for file in dataset.get_fragments(filter=reduce(and_, conditions) if conditions else None):
        for group in file.split_by_row_group():
            n_found = group.count_rows(filter=is_asked_for)
            if n_found:
                yield from group.to_batches(
                    schema=dataset.schema,
                    columns=list(columns),
                    filter=is_asked_for,
                    batch_size=ROWS_OF_A_STREAM,
                )


def write_slice(
    lake: str,
    table: Table,
    rows: pa.Table | Iterable[pa.RecordBatch],
    *,
    as_of: date,
    part: Mapping[str, str] | None = None,
    commit_note: str = "",
    before_commit: Callable[[], None] | None = None,
) -> Written:
    """Replace the slice of one as_of, or one part of it, by a table or a stream of batches.

    A stream is never in memory as a whole. The calling thread asks for its batches, with the
    table's lease held; an exception that it raises stops the write.

    Args:
        lake: where the tables are.
        table: its contract.
        rows: the new rows, in any order.
        as_of: the day of the slice.
        part: values by column; only the slice's rows with these values are replaced.
        commit_note: the run that writes, for DESCRIBE HISTORY.
        before_commit: called before the first batch, and again between the last batch and the
            commit; an exception that it raises stops the write.

    Raises:
        ContractError: a column is missing or extra, or a row belongs to another day or part;
            nothing was written.
        RuleBroken: a row breaks NOT NULL or a rule of the contract; nothing was written.
        LeaseLost, CommitLost: another writer may have replaced this commit; says what is there.
    """
    from deltalake import write_deltalake

    if table.time is not Time.AS_OF:
        raise ContractError(f"{table.name} is not sliced by as_of_date; use append()")
    part = part or {}
    check_part(table, part)
    fingerprint = ArrowFingerprint(table)
    with writer_lease(lake, table.name) as check_lease:

        def check() -> None:
            if before_commit is not None:
                before_commit()
            check_lease()

        def checked_batches(all_written: Callable[[], None]) -> Iterator[pa.RecordBatch]:
            for batch in batches_of(table, rows):
                check_rows(table, batch, as_of, part)
                fingerprint.update(batch)
                yield batch
            check()
            all_written()

        def write(reader: pa.RecordBatchReader) -> None:
            predicate = slice_predicate(as_of, part)
            properties = commit_properties(note)
            write_deltalake(
                opened, reader, mode="overwrite", predicate=predicate, commit_properties=properties
            )

        def write_batches(all_written: Callable[[], None]) -> None:
            write_stream(write, table.arrow_schema, checked_batches(all_written))

        check()
        opened, note = ensure_table(lake, table), marked(commit_note)
        version_before = opened.version()
        with (
            deleting_files_if_stopped(lake, table, check_lease) as all_written,
            without_rows(table),
        ):
            commit_once(
                lake, table, note, after=version_before, commit=partial(write_batches, all_written)
            )
        commit = own_commit(lake, table, note, after=version_before, check_lease=check_lease)
    return _written(table, commit, fingerprint)


def append(lake: str, table: Table, rows: pa.Table, *, commit_note: str = "") -> Written:
    """Append rows to a timeless table or a log of events; several writers may append at once.

    `commit_note` is the run that writes, for DESCRIBE HISTORY.

    Raises:
        CommitFailedError: other writers were first in each of _COMMIT_ATTEMPTS attempts.
    """
    from deltalake import write_deltalake
    from deltalake.exceptions import CommitFailedError

    fingerprint = ArrowFingerprint(table)
    checked = in_contract_order(table, rows)
    for batch in checked.to_batches(max_chunksize=ROWS_A_BATCH):
        fingerprint.update(batch)
    opened, note = ensure_table(lake, table), marked(commit_note)
    version_before = opened.version()
    # delta-rs would append again what it has appended, when the answer to its commit is lost.
    properties = commit_properties(note, is_retried=False)

    def write() -> None:
        opened.update_incremental()
        write_deltalake(opened, checked, mode="append", commit_properties=properties)

    for attempts_left in reversed(range(_COMMIT_ATTEMPTS)):
        try:
            with without_rows(table):
                commit_once(lake, table, note, after=version_before, commit=write)
            break
        except CommitFailedError:
            if not attempts_left:
                raise
    commit = own_commit(lake, table, note, after=version_before)
    return _written(table, commit, fingerprint)


def replace_rows(
    lake: str,
    table: Table,
    rows: pa.Table,
    *,
    read_version: int | None = None,
    commit_note: str = "",
) -> None:
    """Replace all rows of a small table; a concurrent append makes this fail and change nothing.

    Args:
        lake: where the tables are.
        table: its contract.
        rows: the new rows, in any order.
        read_version: the version that they were made from; by default the newest now.
        commit_note: what replaces them, for DESCRIBE HISTORY.

    Raises:
        ContractError: a column is missing or extra.
        CommitFailedError: a row was appended after `read_version`.
    """
    from deltalake import write_deltalake

    opened, note = ensure_table(lake, table), marked(commit_note)
    if read_version is not None:
        opened = open_table(lake, table, read_version)
    properties = commit_properties(note, is_retried=False)
    checked = in_contract_order(table, rows)

    def write() -> None:
        write_deltalake(opened, checked, mode="overwrite", commit_properties=properties)

    with without_rows(table):
        commit_once(lake, table, note, after=opened.version(), commit=write)


def _check_conditions(table: Table, conditions: Mapping[str, str], *, is_newest: bool) -> None:
    _schema_of(table, conditions)
    if is_newest and (others := sorted(set(conditions) - set(table.entity))):
        raise ContractError(
            f"{table.name}: a condition on {others} would hide the newest row of an entity "
            f"{list(table.entity)}; read the rows as of the day, then filter them"
        )


def _schema_of(table: Table, names: Iterable[str]) -> pa.Schema:
    """The Arrow schema of some columns; raises ContractError for an unknown one."""
    import pyarrow as pa

    columns = [table.column(name) for name in names]
    return pa.schema(
        [pa.field(one.name, one.kind.arrow, nullable=one.is_nullable) for one in columns]
    )


def _scan(
    opened: DeltaTable,
    table: Table,
    columns: Sequence[str],
    as_of: date | None,
    conditions: Mapping[str, str],
) -> pa.Table:
    import pyarrow.dataset as ds

    # A version older than one of the contract's columns reads that column as null.
    dataset = open_dataset(opened, table.arrow_schema)
    filters = [ds.field(name) == value for name, value in conditions.items()]
    if as_of is not None and table.time is not Time.NONE:
        day = ds.field(table.time.column)
        filters.append(day == as_of if table.time is Time.AS_OF else day <= as_of)
    return dataset.to_table(
        columns=list(columns), filter=reduce(and_, filters) if filters else None
    )


def _newest_per_entity(rows: pa.Table, table: Table) -> pa.Table:
    import polars as pl

    newest = (
        pl.DataFrame(rows)
        .sort(table.time.column)
        .unique(subset=list(table.entity), keep="last", maintain_order=True)
    )
    return newest.to_arrow()


def _written(table: Table, commit: Commit, fingerprint: ArrowFingerprint) -> Written:
    return Written(
        table_name=table.name,
        table_version=commit.version,
        row_count=fingerprint.row_count,
        added_bytes=commit.added_bytes,
        content_sha256=fingerprint.digest(),
    )

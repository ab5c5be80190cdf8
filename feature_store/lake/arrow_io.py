"""Read and write tables without a JVM: what training, reports and readers use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from feature_store.contract import ContractError, Table, Time
from feature_store.lake.delta_tables import TableMissing, ensure_table, exists, open_table
from feature_store.lake.lease import writer_lease

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

__all__ = ["TableMissing", "Written", "append", "exists", "read_table", "write_slice"]


@dataclass(frozen=True, slots=True)
class Written:
    """What one write left behind.

    Attributes:
        table_version: Delta version after the write.
        content_sha256: hash of the rows written, whatever their order; empty for appends of events.
    """

    table_name: str
    table_version: int
    row_count: int
    added_bytes: int
    content_sha256: str


def read_table(
    lake: str,
    table: Table,
    *,
    as_of: date | None = None,
    columns: Sequence[str] | None = None,
    version: int | None = None,
) -> pa.Table:
    """Rows in key order.

    Of one AS_OF slice, or everything known by `as_of` with the newest row of each entity.

    Without `as_of` every row of the table comes, older versions of entities included.

    Raises:
        TableMissing: there is no such table, or not that version.
        ContractError: `columns` names one that the table does not have.
    """
    import polars as pl

    wanted = list(columns) if columns is not None else table.column_names
    for name in wanted:
        table.column(name)
    rows = _known_by(_read_raw(open_table(lake, table, version), table, as_of), table, as_of)
    ordered = pl.DataFrame(rows).sort(list(table.key)).to_arrow() if rows.num_rows else rows
    return ordered.cast(table.arrow_schema).select(wanted)


def write_slice(
    lake: str,
    table: Table,
    rows: pa.Table,
    *,
    as_of: date,
    before_commit: Callable[[], None] | None = None,
) -> Written:
    """Replace the slice of one as_of, whole.

    `before_commit` is called once the table's lease is held; what it raises stops the write.

    Raises:
        ContractError: a column is missing or extra, a row belongs to another day, or a rule is
        broken.
    """
    from deltalake import write_deltalake

    if table.time is not Time.AS_OF:
        raise ContractError(f"{table.name} is not sliced by as_of_date; use append()")
    checked = _in_contract_order(table, rows)
    _refuse_other_days(table, checked, as_of)
    with writer_lease(lake, table.name) as refuse_lost:
        if before_commit is not None:
            before_commit()
        refuse_lost()
        opened = ensure_table(lake, table)
        write_deltalake(
            opened, checked, mode="overwrite", predicate=f"as_of_date = '{as_of:%Y-%m-%d}'"
        )
    return _written(table, opened, checked)


def append(lake: str, table: Table, rows: pa.Table) -> Written:
    """Add rows to a timeless table or a log of events; several writers may do so at once."""
    from deltalake import write_deltalake

    checked = _in_contract_order(table, rows)
    opened = ensure_table(lake, table)
    write_deltalake(opened, checked, mode="append")
    return _written(table, opened, checked)


def replace_rows(lake: str, table: Table, rows: pa.Table) -> None:
    """Replace all rows of a small table, unless somebody appends meanwhile: then nothing changes.

    Raises:
        ContractError: a column is missing or extra.
        CommitFailedError: a row was appended after `rows` had been read.
    """
    from deltalake import CommitProperties, write_deltalake

    write_deltalake(
        ensure_table(lake, table),
        _in_contract_order(table, rows),
        mode="overwrite",
        commit_properties=CommitProperties(max_commit_retries=0),
    )


def content_sha256(table: Table, rows: pa.Table) -> str:
    """Hash of the content columns in key order.

    Comparable between writes of this module; Spark's writer hashes rows in its own way, and each
    table has one kind of writer.
    """
    import polars as pl
    import pyarrow as pa

    ordered = pl.DataFrame(rows).sort(list(table.key)).to_arrow()
    content = ordered.cast(table.arrow_schema).select(table.content_columns).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, content.schema) as stream:
        stream.write_table(content)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _read_raw(opened: DeltaTable, table: Table, as_of: date | None) -> pa.Table:
    import pyarrow.dataset as ds

    # Of a version older than a column the contract gained, that column reads as null.
    dataset = opened.to_pyarrow_dataset(schema=table.arrow_schema)
    condition = None
    if as_of is not None and table.time is not Time.NONE:
        field = ds.field(table.time.column)
        condition = field == as_of if table.time is Time.AS_OF else field <= as_of
    return dataset.to_table(columns=table.column_names, filter=condition)


def _known_by(rows: pa.Table, table: Table, as_of: date | None) -> pa.Table:
    import polars as pl

    if as_of is None or not table.entity or rows.num_rows == 0:
        return rows
    frame = pl.DataFrame(rows)
    newest = frame.sort(table.time.column).unique(
        subset=list(table.entity), keep="last", maintain_order=True
    )
    return newest.to_arrow()


def _in_contract_order(table: Table, rows: pa.Table) -> pa.Table:
    if sorted(rows.column_names) != sorted(table.column_names):
        raise ContractError(
            f"{table.name}: the rows have columns {sorted(rows.column_names)}, the contract "
            f"{sorted(table.column_names)}"
        )
    return rows.select(table.column_names).cast(table.arrow_schema)


def _refuse_other_days(table: Table, rows: pa.Table, as_of: date) -> None:
    days = set(rows.column("as_of_date").to_pylist())
    if days - {as_of}:
        raise ContractError(
            f"{table.name}: rows of {sorted(days - {as_of})} in the slice of {as_of}; nothing was"
            " written"
        )


def _written(table: Table, opened: DeltaTable, rows: pa.Table) -> Written:
    metrics = opened.history(1)[0].get("operationMetrics", {})
    return Written(
        table_name=table.name,
        table_version=opened.version(),
        row_count=rows.num_rows,
        added_bytes=int(metrics.get("num_added_bytes", rows.nbytes)),
        content_sha256=content_sha256(table, rows),
    )

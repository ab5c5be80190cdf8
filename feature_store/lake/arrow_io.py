"""Read and write Delta tables without a JVM, for training, reports and readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from feature_store.contract import ContractError, Table, Time
from feature_store.lake.content_hash import arrow_content_sha256
from feature_store.lake.delta_tables import TableMissing, ensure_table, exists, open_table
from feature_store.lake.lease import writer_lease

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

__all__ = ["TableMissing", "Written", "append", "exists", "read_table", "write_slice"]


@dataclass(frozen=True, slots=True)
class Written:
    """The result of one write, for run_metrics and lineage.

    Attributes:
        table_version: Delta version after the write.
        content_sha256: hash of the rows written, independent of their order.
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
    """One AS_OF slice, or the newest row of each entity known by `as_of`, in key order.

    Without `as_of`: every row of the table, with older rows of each entity.

    Raises:
        TableMissing: there is no such table, or not that version.
        ContractError: `columns` names one that the table does not have.
    """
    import polars as pl

    selected = list(columns) if columns is not None else table.column_names
    for name in selected:
        table.column(name)
    rows = _scan(open_table(lake, table, version), table, as_of)
    if as_of is not None and table.entity and rows.num_rows:
        rows = _newest_per_entity(rows, table)
    ordered = pl.DataFrame(rows).sort(list(table.key)).to_arrow() if rows.num_rows else rows
    return ordered.cast(table.arrow_schema).select(selected)


def write_slice(
    lake: str,
    table: Table,
    rows: pa.Table,
    *,
    as_of: date,
    before_commit: Callable[[], None] | None = None,
) -> Written:
    """Replace the whole slice of one as_of.

    `before_commit` is called with the table's lease held; an exception that it raises stops the
    write.

    Raises:
        ContractError: a column is missing or extra, a row belongs to another day, or a rule is
        broken.
    """
    from deltalake import write_deltalake

    if table.time is not Time.AS_OF:
        raise ContractError(f"{table.name} is not sliced by as_of_date; use append()")
    checked = _in_contract_order(table, rows)
    _check_days(table, checked, as_of)
    with writer_lease(lake, table.name) as check_lease:
        if before_commit is not None:
            before_commit()
        check_lease()
        opened = ensure_table(lake, table)
        write_deltalake(
            opened, checked, mode="overwrite", predicate=f"as_of_date = '{as_of:%Y-%m-%d}'"
        )
    return _written(table, opened, checked)


def append(lake: str, table: Table, rows: pa.Table) -> Written:
    """Append rows to a timeless table or a log of events; several writers may append at once."""
    from deltalake import write_deltalake

    checked = _in_contract_order(table, rows)
    opened = ensure_table(lake, table)
    write_deltalake(opened, checked, mode="append")
    return _written(table, opened, checked)


def replace_rows(lake: str, table: Table, rows: pa.Table) -> None:
    """Replace all rows of a small table; a concurrent append makes this fail and change nothing.

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


def _scan(opened: DeltaTable, table: Table, as_of: date | None) -> pa.Table:
    import pyarrow.dataset as ds

    # A version older than one of the contract's columns reads that column as null.
    dataset = opened.to_pyarrow_dataset(schema=table.arrow_schema)
    condition = None
    if as_of is not None and table.time is not Time.NONE:
        field = ds.field(table.time.column)
        condition = field == as_of if table.time is Time.AS_OF else field <= as_of
    return dataset.to_table(columns=table.column_names, filter=condition)


def _newest_per_entity(rows: pa.Table, table: Table) -> pa.Table:
    import polars as pl

    newest = (
        pl.DataFrame(rows)
        .sort(table.time.column)
        .unique(subset=list(table.entity), keep="last", maintain_order=True)
    )
    return newest.to_arrow()


def _in_contract_order(table: Table, rows: pa.Table) -> pa.Table:
    if sorted(rows.column_names) != sorted(table.column_names):
        raise ContractError(
            f"{table.name}: the rows have columns {sorted(rows.column_names)}, the contract "
            f"{sorted(table.column_names)}"
        )
    return rows.select(table.column_names).cast(table.arrow_schema)


def _check_days(table: Table, rows: pa.Table, as_of: date) -> None:
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
        content_sha256=arrow_content_sha256(table, rows),
    )

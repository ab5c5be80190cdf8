"""The distinct values of columns, from file statistics where these are exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from feature_store.contract import ContractError, Table, Time
from feature_store.lake.delta_tables import open_dataset, open_table

if TYPE_CHECKING:
    from deltalake import DeltaTable

_EXACT_TYPES = frozenset({str, int, bool, date})
"""Statistics pass over NaN, and some writers cut the microseconds of a time."""

_CUT_BYTES = 32
"""Writers cut the bounds of longer strings: Spark to 32 characters, delta-rs to 64 bytes."""

_BATCH_ROWS = 131_072


def distinct_values(
    lake: str,
    table: Table,
    as_of: date | None,
    columns: Sequence[str],
    *,
    version: int | None = None,
) -> set[tuple[Any, ...]]:
    """The distinct rows of some columns in the slice of a day; without a day, in the whole table.

    Opens no data file when the statistics in the Delta log show that each file holds one value of
    each column. Otherwise reads these columns batch by batch.

    Raises:
        TableMissing: there is no such table, or not that version.
        ContractError: the table has no such column, or a day is given and it has no slices.
    """
    if as_of is not None and table.time is not Time.AS_OF:
        raise ContractError(f"{table.name} is not sliced by as_of_date; read its columns")
    for name in columns:
        table.column(name)
    opened = open_table(lake, table, version)
    found = set()
    for values in _values_of_files(opened, as_of, columns):
        if values is None:
            return _scanned(opened, table, as_of, columns)
        found.add(values)
    return found


def _values_of_files(
    opened: DeltaTable, as_of: date | None, columns: Sequence[str]
) -> Iterator[tuple[Any, ...] | None]:
    """Of each file the only values that it holds; None when the log does not tell."""
    import polars as pl

    files = pl.DataFrame(opened.get_add_actions(flatten=True))
    for file in files.iter_rows(named=True):
        if as_of is None or file["partition.as_of_date"] == as_of:
            is_exact = all(_has_one_value(file, name) for name in columns)
            yield tuple(file[f"min.{name}"] for name in columns) if is_exact else None


def _has_one_value(file: dict[str, Any], column: str) -> bool:
    least, greatest = file.get(f"min.{column}"), file.get(f"max.{column}")
    is_whole = type(least) in _EXACT_TYPES and len(str(least).encode()) < _CUT_BYTES
    return is_whole and least == greatest and file[f"null_count.{column}"] == 0


def _scanned(
    opened: DeltaTable, table: Table, as_of: date | None, columns: Sequence[str]
) -> set[tuple[Any, ...]]:
    import polars as pl
    import pyarrow.dataset as ds

    dataset = open_dataset(opened, table.arrow_schema)
    scanner = dataset.scanner(
        columns=list(columns),
        filter=None if as_of is None else ds.field("as_of_date") == as_of,
        batch_size=_BATCH_ROWS,
        batch_readahead=1,
        fragment_readahead=1,
    )
    found: set[tuple[Any, ...]] = set()
    for batch in scanner.to_batches():
        found.update(pl.DataFrame(batch).unique().iter_rows())
    return found

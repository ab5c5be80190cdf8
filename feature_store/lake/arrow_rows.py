"""Arrow rows as their contract wants them, before they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from feature_store.contract import ContractError, RuleBroken, Table

if TYPE_CHECKING:
    import pyarrow as pa

_Rows = TypeVar("_Rows", "pa.Table", "pa.RecordBatch")

ROWS_A_BATCH = 16_384
"""delta-rs queues about ten batches before its writer, so their size bounds a write's memory."""


def batches_of(table: Table, rows: pa.Table | Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of at most ROWS_A_BATCH rows, in contract order."""
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        _check_columns(table, rows.column_names)  # a table without rows has no batch
        rows = rows.to_batches()
    for given in rows:
        batch = in_contract_order(table, given)
        for start in range(0, batch.num_rows, ROWS_A_BATCH):
            yield batch.slice(start, ROWS_A_BATCH)


def in_contract_order(table: Table, rows: _Rows) -> _Rows:
    """The rows with the contract's columns, in order and type; ContractError for other columns."""
    _check_columns(table, rows.schema.names)
    return rows.select(table.column_names).cast(table.arrow_schema)


def check_part(table: Table, part: Mapping[str, str]) -> None:
    """Refuse a part by a column that may be null."""
    if nullable := sorted(name for name in part if table.column(name).is_nullable):
        raise ContractError(
            f"{table.name}: {nullable} may be null, and a null belongs to no part; divide the "
            "slice by a column that is never null"
        )


def check_rows(table: Table, batch: pa.RecordBatch, as_of: date, part: Mapping[str, str]) -> None:
    """Refuse rows of another day or part."""
    import pyarrow.compute as pc

    for name, expected in {"as_of_date": as_of, **part}.items():
        others = set(pc.unique(batch.column(name)).to_pylist()) - {expected}
        if others:
            raise ContractError(
                f"{table.name}: rows with {name} {sorted(map(str, others))} in the slice of "
                f"{expected}; nothing was written"
            )


@contextmanager
def without_rows(table: Table) -> Iterator[None]:
    """Raise RuleBroken instead of delta-rs's error, whose message previews the broken rows.

    The message reaches logs and alerts, and a row may name a listener.
    """
    from deltalake.exceptions import DeltaError

    try:
        yield
    except DeltaError as error:
        found = re.search(r"Invalid data found: (\d+) rows failed", str(error))
        if not found:
            raise
        rules = "; ".join([*(f"{name} is not null" for name in _required(table)), *table.checks])
        raise RuleBroken(
            f"{table.name}: {found[1]} rows break a rule of the contract ({rules}); nothing was "
            "written, earlier rows stay; correct what computes the rows"
        ) from None


def _check_columns(table: Table, names: Sequence[str]) -> None:
    if sorted(names) != sorted(table.column_names):
        raise ContractError(
            f"{table.name}: the rows have columns {sorted(names)}, the contract "
            f"{sorted(table.column_names)}"
        )


def _required(table: Table) -> list[str]:
    return [column.name for column in table.columns if not column.is_nullable]


def slice_predicate(as_of: date, part: Mapping[str, str]) -> str:
    """SQL condition of the rows that a write replaces."""
    quoted = {name: value.replace("'", "''") for name, value in part.items()}
    values = {"as_of_date": f"{as_of:%Y-%m-%d}", **quoted}
    return " AND ".join(f"{name} = '{value}'" for name, value in values.items())

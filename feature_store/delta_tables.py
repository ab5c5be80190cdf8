"""Where a table lives, and how it is made.

One Delta table per contract, its rules enforced by Delta itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.contract import ContractError
from feature_store.storage import open_storage

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

    from feature_store.contract import Table


class TableMissing(LookupError):
    """A table that is read does not exist yet."""


def table_uri(lake: str, table: Table) -> str:
    """Absolute address of the table's folder."""
    return open_storage(lake).uri(f"tables/{table.name}")


def exists(lake: str, table: Table) -> bool:
    """Whether the table was ever made."""
    from deltalake import DeltaTable

    return DeltaTable.is_deltatable(table_uri(lake, table))


def open_table(lake: str, table: Table, version: int | None = None) -> DeltaTable:
    """The Delta table at a version (newest without one).

    Raises:
        TableMissing: it does not exist, or not that version of it.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    address = table_uri(lake, table)
    try:
        return DeltaTable(address, version=version)
    except TableNotFoundError as error:
        raise TableMissing(
            f"{table.name}: no table at {address}; run the job that writes it "
            f"(python -m jobs.run {table.name} --as-of DATE), or check EVENSONG_LAKE"
        ) from error
    except DeltaError as error:
        raise TableMissing(
            f"{table.name}: version {version} cannot be opened at {address}: {error}; "
            "was it vacuumed or deleted by hand? `evensong published` lists what can be read"
        ) from error


def ensure_table(lake: str, table: Table) -> DeltaTable:
    """Make the table unless it is there, with NOT NULL and CHECK from its contract.

    Raises:
        ContractError: a table is there whose columns contradict the contract.
    """
    from deltalake import DeltaTable

    if exists(lake, table):
        opened = open_table(lake, table)
        _refuse_other_columns(table, opened)
        return opened
    made = DeltaTable.create(
        table_uri(lake, table),
        schema=_documented(table),
        mode="ignore",
        partition_by=table.partition_columns,
        name=table.name,
        description=table.meaning,
    )
    missing = table.checks.keys() - _constraints(made)
    if missing:
        made.alter.add_constraint({name: table.checks[name] for name in sorted(missing)})
    return made


def _constraints(opened: DeltaTable) -> set[str]:
    return {
        key.removeprefix("delta.constraints.")
        for key in opened.metadata().configuration
        if key.startswith("delta.constraints.")
    }


def _documented(table: Table) -> pa.Schema:
    """The Arrow schema with each column's meaning as its comment, which catalogues show."""
    import pyarrow as pa

    return pa.schema(
        [
            field.with_metadata({"comment": column.meaning})
            for field, column in zip(table.arrow_schema, table.columns, strict=True)
        ]
    )


def _refuse_other_columns(table: Table, opened: DeltaTable) -> None:
    found = [field.name for field in opened.schema().fields]
    if sorted(found) != sorted(table.column_names):
        raise ContractError(
            f"{table.name}: the table has columns {sorted(found)}, the contract "
            f"{sorted(table.column_names)}; "
            "migrate the table, or restore the contract that wrote it"
        )

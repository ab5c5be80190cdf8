"""Where a table lives, and how it is made.

One Delta table per contract, its rules enforced by Delta itself.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from feature_store.contract import ContractError
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import open_storage

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

    from feature_store.contract import Table

_PROPERTIES: dict[str, str | None] = {
    # Delta would drop log entries after 30 days, and with them the version that readers have pinned
    # when nothing was published for a month. Ours go in an erasure only.
    "delta.enableExpiredLogCleanup": "false"
}


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

    A column that the contract gained and that may be null is added to a table that is there; its
    earlier rows and versions read as null. A rule that the contract changed is changed, and holds
    for the rows that are there too.

    Raises:
        ContractError: a table is there whose columns contradict the contract.
    """
    if exists(lake, table):
        opened = open_table(lake, table)
        if _is_whole(opened, table):
            return opened
    # Of two who make or change a table at once Delta would turn one away.
    with writer_lease(lake, f"{table.name}-schema"):
        return _made_whole(lake, table)


def _is_whole(opened: DeltaTable, table: Table) -> bool:
    """Whether nothing is left to add: no column and no rule."""
    import pyarrow as pa

    found, wanted = pa.schema(opened.schema().to_arrow()), table.arrow_schema
    return (
        found.names == wanted.names
        and all(map(_same_type, found.types, wanted.types))
        and not _rules_to_add(opened, table)
    )


def _made_whole(lake: str, table: Table) -> DeltaTable:
    from deltalake import DeltaTable

    if exists(lake, table):
        made = open_table(lake, table)
        _add_columns(table, made)
    else:
        made = DeltaTable.create(
            table_uri(lake, table),
            schema=_documented(table),
            partition_by=table.partition_columns,
            name=table.name,
            description=table.meaning,
            configuration=_PROPERTIES,
        )
    missing = _rules_to_add(made, table)
    for changed in missing.keys() & _constraints(made).keys():
        made.alter.drop_constraint(changed)
    if missing:
        made.alter.add_constraint(missing)
    return made


def _rules_to_add(opened: DeltaTable, table: Table) -> dict[str, str]:
    """The contract's rules that the table lacks, or has otherwise."""
    found = _constraints(opened)
    unlike = {name: rule for name, rule in sorted(table.checks.items()) if found.get(name) != rule}
    if not unlike.keys() & found.keys():
        return unlike
    # Delta writes some rules down in words of its own: what it makes of the contract's is compared.
    worded = _worded_by_delta(table, unlike)
    return {name: rule for name, rule in unlike.items() if found.get(name) != worded[name]}


def _worded_by_delta(table: Table, rules: dict[str, str]) -> dict[str, str]:
    """The rules as a table of these columns keeps them."""
    from deltalake import DeltaTable

    with TemporaryDirectory() as folder:
        empty = DeltaTable.create(folder, schema=_documented(table))
        empty.alter.add_constraint(rules)
        return _constraints(empty)


def _constraints(opened: DeltaTable) -> dict[str, str]:
    """The predicate of each rule, by name, as the table keeps it."""
    return {
        key.removeprefix("delta.constraints."): predicate
        for key, predicate in opened.metadata().configuration.items()
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


def _add_columns(table: Table, opened: DeltaTable) -> None:
    """Bring the table's columns up to the contract's, if that takes nothing away from readers."""
    import pyarrow as pa
    from deltalake import Field, Schema

    found = {field.name: field for field in pa.schema(opened.schema().to_arrow())}
    wanted = {field.name: field for field in _documented(table)}
    lost = sorted(found.keys() - wanted.keys())
    retyped = sorted(
        name
        for name in found.keys() & wanted.keys()
        if not _same_type(found[name].type, wanted[name].type)
    )
    added = [name for name in wanted if name not in found]
    required = [name for name in added if not wanted[name].nullable]
    if lost or retyped or required:
        raise ContractError(
            f"{table.name}: the contract takes away {lost or 'no'} columns, changes the type of "
            f"{retyped or 'none'} and adds {required or 'none'} that may not be null; readers of "
            "the table would break: give the new shape a column or a table of its own, or restore "
            "the contract"
        )
    if added:
        schema = Schema.from_arrow(pa.schema([wanted[name] for name in added]))
        fields: list[Field] = list(schema.fields)
        opened.alter.add_columns(fields)
        opened.update_incremental()


def _same_type(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether Delta writes both alike: it knows one kind of string, list and binary each."""
    import pyarrow as pa
    from deltalake import Schema

    as_delta = [
        Schema.from_arrow(pa.schema([pa.field("x", kind)])).fields[0].type
        for kind in (found, wanted)
    ]
    return bool(as_delta[0] == as_delta[1])

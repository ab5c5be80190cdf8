"""Create, open and evolve Delta tables from their contracts.

Each contract has one Delta table, and Delta enforces the contract's rules as constraints.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from feature_store.contract import ContractError
from feature_store.lake.batch_stream import refuse_in_stream
from feature_store.lake.commits import USER_METADATA, marked
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import open_storage

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from deltalake import CommitProperties, DeltaTable

    from feature_store.contract import Table

# With several writers delta-rs queues a stream's batches in front of them without bound.
os.environ.setdefault("DELTARS_MAX_CONCURRENT_WRITERS", "1")

_PROPERTIES: dict[str, str | None] = {
    # By default Delta deletes log entries after 30 days, which after a month without publication
    # would delete the version that readers have pinned. Only an erasure deletes our log entries.
    "delta.enableExpiredLogCleanup": "false"
}


class TableMissing(LookupError):
    """A table, or the requested version of it, does not exist."""


def table_uri(lake: str, table: Table) -> str:
    """Absolute address of the table's folder."""
    return open_storage(lake).uri(f"tables/{table.name}")


def exists(lake: str, table: Table) -> bool:
    """Whether the table has been created."""
    from deltalake import DeltaTable

    refuse_in_stream(table.name)
    return DeltaTable.is_deltatable(table_uri(lake, table))


def open_table(lake: str, table: Table, version: int | None = None) -> DeltaTable:
    """The Delta table at a version; the newest version by default.

    Raises:
        TableMissing: the table or that version of it does not exist.
        OpenedInStreamError: this thread is making batches of a write.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    refuse_in_stream(table.name)

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


def as_of_dates(lake: str, table: Table) -> set[date]:
    """The dates that the newest version has a slice of; empty for a table that does not exist."""
    if not exists(lake, table):
        return set()
    partitions = open_table(lake, table).partitions()
    return {date.fromisoformat(str(part["as_of_date"])) for part in partitions}


def open_dataset(opened: DeltaTable, schema: pa.Schema | None = None) -> ds.Dataset:
    """An Arrow dataset of an open table's files, read through Arrow's own file systems.

    delta-rs's default file system is a Python object. Arrow's threads drop their last reference to
    it after a scan has returned, and a process that is already exiting then aborts
    (https://github.com/apache/arrow/issues/39862).

    Args:
        opened: a version of a table.
        schema: the columns to read; a file that lacks one has nulls. By default the table's.
    """
    from pyarrow.fs import FileSystem, SubTreeFileSystem

    file_system, folder = FileSystem.from_uri(opened.table_uri)
    return opened.to_pyarrow_dataset(
        filesystem=SubTreeFileSystem(folder, file_system), schema=schema
    )


def commit_properties(
    note: str = "", *, marks: Mapping[str, str] | None = None, is_retried: bool = True
) -> CommitProperties:
    """What a commit of delta-rs says of itself.

    Args:
        note: the run, or what else made the commit; gets a mark, unless it has one.
        marks: further entries of the commit's information.
        is_retried: False lets a commit fail that lost a race.
    """
    from deltalake import CommitProperties

    metadata = {USER_METADATA: marked(note)} | dict(marks or {})
    return CommitProperties(custom_metadata=metadata, max_commit_retries=None if is_retried else 0)


def ensure_table(lake: str, table: Table) -> DeltaTable:
    """Create the table, or alter it to match its contract (NOT NULL and CHECK constraints).

    An existing table gains the contract's new nullable columns; earlier rows and versions read them
    as null. A changed rule replaces the earlier constraint, and Delta checks the existing rows.

    Raises:
        ContractError: the columns of the existing table contradict the contract.
    """
    from deltalake.exceptions import DeltaError

    if exists(lake, table):
        opened = open_table(lake, table)
        if _matches_contract(opened, table):
            return opened
    # Delta refuses the second of two concurrent schema changes, and the one whose answer was lost.
    with writer_lease(lake, f"{table.name}-schema"):
        try:
            return _create_or_alter(lake, table)
        except DeltaError:
            return _create_or_alter(lake, table)


def _matches_contract(opened: DeltaTable, table: Table) -> bool:
    """Whether the table has every column and every rule of its contract."""
    import pyarrow as pa

    found, declared = pa.schema(opened.schema().to_arrow()), table.arrow_schema
    return (
        found.names == declared.names
        and all(map(_same_type, found.types, declared.types))
        and not _rules_to_add(opened, table)
    )


def _create_or_alter(lake: str, table: Table) -> DeltaTable:
    from deltalake import DeltaTable

    if exists(lake, table):
        opened = open_table(lake, table)
        _add_columns(table, opened)
    else:
        opened = DeltaTable.create(
            table_uri(lake, table),
            schema=_commented_schema(table),
            partition_by=table.partition_columns,
            name=table.name,
            description=table.meaning,
            configuration=_PROPERTIES,
        )
    missing = _rules_to_add(opened, table)
    for changed in missing.keys() & _constraints(opened).keys():
        opened.alter.drop_constraint(changed)
    if missing:
        opened.alter.add_constraint(missing)
    return opened


def _rules_to_add(opened: DeltaTable, table: Table) -> dict[str, str]:
    """Rules of the contract that the table lacks or has with another predicate."""
    found = _constraints(opened)
    differing = {
        name: rule for name, rule in sorted(table.checks.items()) if found.get(name) != rule
    }
    if not differing.keys() & found.keys():
        return differing
    # Delta rewrites some predicates, so its form of the contract's predicates is compared.
    normalised = _normalised_by_delta(table, differing)
    return {name: rule for name, rule in differing.items() if found.get(name) != normalised[name]}


def _normalised_by_delta(table: Table, rules: dict[str, str]) -> dict[str, str]:
    """The rules' predicates as Delta stores them for a table of these columns."""
    from deltalake import DeltaTable

    with TemporaryDirectory() as folder:
        empty = DeltaTable.create(folder, schema=_commented_schema(table))
        empty.alter.add_constraint(rules)
        return _constraints(empty)


def _constraints(opened: DeltaTable) -> dict[str, str]:
    """Predicates of the table's CHECK constraints, by name, as Delta stores them."""
    return {
        key.removeprefix("delta.constraints."): predicate
        for key, predicate in opened.metadata().configuration.items()
        if key.startswith("delta.constraints.")
    }


def _commented_schema(table: Table) -> pa.Schema:
    """The Arrow schema with each column's meaning as comment, for data catalogues."""
    import pyarrow as pa

    return pa.schema(
        [
            field.with_metadata({"comment": column.meaning})
            for field, column in zip(table.arrow_schema, table.columns, strict=True)
        ]
    )


def _add_columns(table: Table, opened: DeltaTable) -> None:
    """Add the contract's new columns; refuse changes that would break readers."""
    import pyarrow as pa
    from deltalake import Field, Schema

    found = {field.name: field for field in pa.schema(opened.schema().to_arrow())}
    declared = {field.name: field for field in _commented_schema(table)}
    lost = sorted(found.keys() - declared.keys())
    retyped = sorted(
        name
        for name in found.keys() & declared.keys()
        if not _same_type(found[name].type, declared[name].type)
    )
    added = [name for name in declared if name not in found]
    required = [name for name in added if not declared[name].nullable]
    if lost or retyped or required:
        raise ContractError(
            f"{table.name}: the contract takes away {lost or 'no'} columns, changes the type of "
            f"{retyped or 'none'} and adds {required or 'none'} that may not be null; readers of "
            "the table would break: give the new shape a column or a table of its own, or restore "
            "the contract"
        )
    if added:
        schema = Schema.from_arrow(pa.schema([declared[name] for name in added]))
        fields: list[Field] = list(schema.fields)
        opened.alter.add_columns(fields)
        opened.update_incremental()


def _same_type(found: pa.DataType, declared: pa.DataType) -> bool:
    """Whether both are the same Delta type; Arrow has several types of string, list and binary."""
    import pyarrow as pa
    from deltalake import Schema

    as_delta = [
        Schema.from_arrow(pa.schema([pa.field("x", kind)])).fields[0].type
        for kind in (found, declared)
    ]
    return bool(as_delta[0] == as_delta[1])

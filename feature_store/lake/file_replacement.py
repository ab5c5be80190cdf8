"""Replaces some data files of a Delta table by others, in one commit that touches no other file.

    staged = stage_file(opened, file, rows)                   # written, and in no version yet
    version = replace_files(opened, [file], [staged], marks)  # one commit, or CommitFailedError

An overwrite with a predicate would put the predicate's values into the log, and rewrite all files
of a day or of the table. A staged file is in no version until the commit, so a killed writer leaves
it as `vacuum` finds it.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from feature_store.lake.delta_tables import commit_properties, open_dataset

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

    from feature_store.contract import Table

_LONGEST_TEXT = 32
"""Characters of a text that the log keeps as a bound, as Delta's own writers do."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file of a table.

    Attributes:
        path: below the table's folder.
        partition_values: of its rows, as the log writes them.
        statistics: for readers that skip files, as JSON; empty for a file of a version.
    """

    path: str
    byte_count: int
    partition_values: Mapping[str, str | None]
    statistics: str = ""


def data_files(opened: DeltaTable, table: Table) -> dict[str, DataFile]:
    """The files of a version, by path."""
    columns = pa.table(opened.get_add_actions(flatten=True))
    return {
        row["path"]: DataFile(
            row["path"],
            row["size_bytes"],
            {name: _as_text(row[f"partition.{name}"]) for name in table.partition_columns},
        )
        for row in columns.to_pylist()
    }


def fragments(opened: DeltaTable) -> dict[str, ds.Fragment]:
    """The files of a version as Arrow reads them, by path."""
    return {fragment.path: fragment for fragment in open_dataset(opened).get_fragments()}


def read_file(
    fragment: ds.Fragment, table: Table, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The rows of one file in batches, with the contract's columns or some of them."""
    names = list(columns if columns is not None else table.column_names)
    schema = pa.schema([table.arrow_schema.field(name) for name in names])
    for batch in fragment.to_batches(schema=table.arrow_schema, columns=names):
        if batch.num_rows:
            yield pa.Table.from_batches([batch]).cast(schema)


def stage_file(
    opened: DeltaTable, table: Table, replaced: DataFile, rows: Iterable[pa.Table]
) -> DataFile | None:
    """Write rows of one partition into a new file that no version has yet; None without a row.

    Args:
        opened: any version of the table.
        table: its contract.
        replaced: a file of the rows' partition.
        rows: in contract order.
    """
    file_system = _file_system(opened)
    folder, slash, _ = replaced.path.rpartition("/")
    path = f"{folder}{slash}part-{uuid.uuid4()}-c000.snappy.parquet"
    stored = [name for name in table.column_names if name not in table.partition_columns]
    schema = pa.schema([table.arrow_schema.field(name) for name in stored])
    footers: list[pq.FileMetaData] = []
    try:
        with (
            file_system.open_output_stream(path) as sink,
            pq.ParquetWriter(sink, schema, metadata_collector=footers) as writer,
        ):
            for batch in rows:
                if batch.num_rows:
                    writer.write_table(batch.select(stored))
    except BaseException:
        discard_staged(opened, [path])
        raise
    [footer] = footers
    if not footer.num_rows:
        discard_staged(opened, [path])
        return None
    size = file_system.get_file_info(path).size
    return DataFile(path, size, replaced.partition_values, _statistics(footer, schema))


def as_added(opened: DeltaTable, table: Table, file: DataFile) -> DataFile:
    """A file of an earlier version, with what a commit needs that adds it again."""
    footer = pq.read_metadata(file.path, filesystem=_file_system(opened))
    return DataFile(
        file.path, file.byte_count, file.partition_values, _statistics(footer, table.arrow_schema)
    )


def replace_files(
    opened: DeltaTable,
    table: Table,
    removed: Collection[DataFile],
    added: Collection[DataFile],
    *,
    note: str,
    marks: Mapping[str, str],
) -> int:
    """Commit the replacement as the version after the opened one; returns that version.

    Raises:
        CommitFailedError: another writer has committed since the table was opened.
    """
    from deltalake.transaction import AddAction, RemoveAction

    now_ms = int(time.time() * 1000)
    version = opened.version() + 1
    opened.create_write_transaction(
        [
            *(
                RemoveAction(one.path, True, now_ms, one.byte_count, dict(one.partition_values))  # noqa: FBT003  takes no keywords
                for one in removed
            ),
            *(
                AddAction(
                    path=one.path,
                    size=one.byte_count,
                    partition_values=one.partition_values,
                    modification_time=now_ms,
                    data_change=True,
                    stats=one.statistics,
                )
                for one in added
            ),
        ],
        mode="append",
        schema=opened.schema(),
        partition_by=table.partition_columns,
        commit_properties=commit_properties(note, marks=marks, is_retried=False),
    )
    return version


def missing_files(opened: DeltaTable, paths: Collection[str]) -> list[str]:
    """Those of the files that are not there any more."""
    from pyarrow.fs import FileType

    found = _file_system(opened).get_file_info(list(paths))
    return [one.path for one in found if one.type is FileType.NotFound]


def discard_staged(opened: DeltaTable, paths: Iterable[str]) -> None:
    """Delete staged files that will not be committed, and that no stopped writer has deleted."""
    file_system = _file_system(opened)
    for path in paths:
        with suppress(FileNotFoundError):
            file_system.delete_file(path)


def _file_system(opened: DeltaTable) -> Any:
    """The table's folder as a file system."""
    from pyarrow.fs import FileSystem, SubTreeFileSystem

    file_system, folder = FileSystem.from_uri(opened.table_uri)
    return SubTreeFileSystem(folder, file_system)


def _statistics(footer: pq.FileMetaData, schema: pa.Schema) -> str:
    """Rows, nulls, least and greatest values of the plain columns, as Delta's log writes them."""
    nulls: dict[str, int] = {}
    bounds: dict[str, dict[str, Any]] = {"minValues": {}, "maxValues": {}}
    for position in range(footer.num_columns):
        groups = [footer.row_group(at).column(position) for at in range(footer.num_row_groups)]
        name = footer.schema.column(position).path
        found = [group.statistics for group in groups]
        if name not in schema.names or not all(one is not None for one in found):
            continue  # a part of a nested column
        nulls[name] = sum(one.null_count for one in found)
        filled = [
            one
            for one, group in zip(found, groups, strict=True)
            if one.null_count < group.num_values
        ]
        if filled and all(one.has_min_max for one in filled):
            least, greatest = min(one.min for one in filled), max(one.max for one in filled)
            bounds["minValues"] |= _bound(name, least)
            if not isinstance(greatest, str) or len(greatest) <= _LONGEST_TEXT:
                bounds["maxValues"] |= _bound(name, greatest)
    return json.dumps({"numRecords": footer.num_rows, **bounds, "nullCount": nulls})


def _bound(name: str, value: object) -> dict[str, Any]:
    """A value by its column as JSON has it; empty for types that Delta keeps no bounds of."""
    if isinstance(value, datetime):
        return {name: f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"}
    if isinstance(value, date):
        return {name: value.isoformat()}
    if isinstance(value, str):
        return {name: value[:_LONGEST_TEXT]}
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return {}
    return {name: value}


def _as_text(value: object) -> str | None:
    """A partition's value as the log writes it: our partitions are days."""
    return None if value is None else str(value)

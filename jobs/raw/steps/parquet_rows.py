"""Parquet landing files as Spark rows in the contract's types, read by Python workers.

pyarrow and not Spark reads them: a file that Spark cannot read stops the Spark job of all files,
when it is planned or in the middle of it. Each file ends as its rows, or as one row that says why
it cannot be read; a value that cannot be taken is null, and its row has a reading_reason.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from itertools import chain

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from feature_store.contract import Column
from feature_store.lake.storage import Storage, open_storage
from feature_store.tables import columns as c
from feature_store.tables.raw import RejectReason
from jobs.landing.parquet_file import UnreadableFile, read_batches
from jobs.raw.steps.column_conversion import Problem, convert
from jobs.raw.steps.column_names import column_positions
from jobs.raw.steps.landing_schema import Arrival, frame_from_rows, landing_columns
from jobs.raw.steps.original_rows import rows_as_json
from jobs.raw.steps.rules import SOURCE_CONTRACTS

_HEAD_BYTES = 1024
"""The reject of an unreadable file keeps this much of its beginning."""


def rows_of_parquet_files(
    spark: SparkSession, lake: str, source: str, arrivals: Sequence[Arrival]
) -> DataFrame:
    """Landing columns, origin and READING_COLUMNS of each row of each file."""
    columns = landing_columns(source)
    if not arrivals:  # a Python worker would start for nothing
        return frame_from_rows(spark, columns, [])
    listed = frame_from_rows(
        spark,
        (c.SOURCE_FILE, c.BYTE_COUNT, c.ARRIVAL_DATE),
        [(each.file.path, each.file.byte_count, each.arrival_date) for each in arrivals],
    )
    ddl = ", ".join(f"{column.name} {column.kind.sql}" for column in columns)
    return listed.mapInArrow(partial(_rows_of_files, lake, source), schema=ddl)


def _rows_of_files(
    lake: str, source: str, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    storage = open_storage(lake)
    for listed in chain.from_iterable(batch.to_pylist() for batch in batches):
        yield from rows_of_file(
            storage, source, listed["source_file"], listed["byte_count"], listed["arrival_date"]
        )


def rows_of_file(
    storage: Storage, source: str, path: str, byte_count: int, arrival_date: date
) -> Iterator[pa.RecordBatch]:
    """Batches with the columns of `landing_columns(source)`; one row for an unreadable file.

    Raises:
        StorageError: the storage did not give the file.
    """
    with storage.local_copy(path) as file:
        first_row = 0
        try:
            for batch in read_batches(file):
                yield _landing_rows(batch, source, path, first_row, arrival_date)
                first_row += batch.num_rows
        except UnreadableFile as error:
            with file.open("rb") as opened:
                head = opened.read(_HEAD_BYTES)
            yield _row_of_unreadable_file(
                source,
                path,
                arrival_date,
                base64.b64encode(head).decode(),
                f"{path}, {byte_count} bytes: {error}",
            )


def _landing_rows(
    batch: pa.RecordBatch, source: str, path: str, first_row: int, arrival_date: date
) -> pa.RecordBatch:
    columns = landing_columns(source)
    positions = column_positions(batch.schema.names, source)
    found = dict[str, pa.Array]()
    problems = dict[int, Problem]()
    lacks_required = set[int]()
    for column in SOURCE_CONTRACTS[source].columns:
        if column.name in positions:
            converted = convert(batch.column(positions[column.name]), column)
            found[column.name] = converted.values
            problems = converted.problems | problems  # the first column's problem counts
            lacks_required |= set() if column.is_nullable else converted.problems.keys()
    count = batch.num_rows
    reasons = [problems[row].reason.value if row in problems else None for row in range(count)]
    details = [problems[row].detail if row in problems else None for row in range(count)]
    found |= {
        "source_file": pa.array([path] * count, pa.string()),
        "source_row": pa.array(range(first_row, first_row + count), pa.int64()),
        "arrival_date": pa.array([arrival_date] * count, pa.date32()),
        "original_text": rows_as_json(batch),
        "reading_reason": pa.array(reasons, pa.string()),
        "reading_detail": pa.array(details, pa.string()),
        "is_partly_read": pa.array(
            [row in problems and row not in lacks_required for row in range(count)]
        ),
    }
    return _in_order(columns, found, count)


def _row_of_unreadable_file(
    source: str, path: str, arrival_date: date, original_text: str, detail: str
) -> pa.RecordBatch:
    found = {
        "source_file": pa.array([path], pa.string()),
        "source_row": pa.array([0], pa.int64()),
        "arrival_date": pa.array([arrival_date], pa.date32()),
        "original_text": pa.array([original_text], pa.string()),
        "reading_reason": pa.array([RejectReason.UNREADABLE_FILE.value], pa.string()),
        "reading_detail": pa.array([detail], pa.string()),
    }
    return _in_order(landing_columns(source), found, 1)


def _in_order(columns: Sequence[Column], found: dict[str, pa.Array], count: int) -> pa.RecordBatch:
    """The columns of the contract in order; null for those that the file lacks."""
    return pa.RecordBatch.from_arrays(
        [found.get(column.name, pa.nulls(count, column.kind.arrow)) for column in columns],
        names=[column.name for column in columns],
    )

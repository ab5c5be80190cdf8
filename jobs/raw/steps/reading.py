"""Landing files as Spark frames, whatever shape they came in.

Files of one source may differ: a column is missing, an id is a number here and a text there. They
are grouped by schema, read group by group, and every value is tried as the contract's type. A value
that cannot be, and a file that cannot be read at all, become rows that say so; nothing stops and
nothing is lost.
"""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial, reduce
from pathlib import PurePosixPath
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.errors import AnalysisException
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, NumericType, StringType

from feature_store.contract import Column, Kind
from feature_store.lake.storage import Storage, open_storage, sha256_of
from feature_store.tables import columns as c
from feature_store.tables.raw import RAW_AUDIO
from jobs.inputs import Slice
from jobs.landing.manifests import FILE_SOURCES, ListedFile, files_of
from jobs.raw.steps.rules import ROW_SOURCES

READING_COLUMNS = (
    Column("original_text", Kind.STRING, "The row as JSON; bytes as base64."),
    Column(
        "reading_reason", Kind.STRING, "Why the row could not be read; a key of REJECT_REASONS."
    ),
    Column("reading_detail", Kind.STRING, "The value or the file that could not be read."),
)
"""What a landing row carries besides its values and where it came from."""

_HEAD_BYTES = 1024
"""So much of an unreadable file goes into its reject."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A landing file and the day it counts for."""

    arrival_date: date
    file: ListedFile


def read_landing(spark: SparkSession, lake: str, source: str, days: Slice) -> DataFrame:
    """What the manifests of `days` list of one source.

    A row source gives its landing columns in the contract's types (null where absent or
    unreadable), source_file, source_row, arrival_date and READING_COLUMNS. A file source gives the
    columns of its raw_ table.

    Raises:
        LandingError: a listed file is gone or has another size.
        StorageError: a day of the slice is not closed.
    """
    storage = open_storage(lake)
    arrivals = [_Arrival(day, file) for day, file in files_of(storage, source, days)]
    if source in FILE_SOURCES:
        return _hashed_files(spark, lake, arrivals)
    return _rows(spark, storage, source, arrivals)


def _hashed_files(spark: SparkSession, lake: str, arrivals: Sequence[_Arrival]) -> DataFrame:
    """One row per file; the workers hash what the driver only names."""
    listed = _frame(
        spark,
        (c.TRACK_ID, c.FILE_URI, c.BYTE_COUNT, c.ARRIVAL_DATE),
        [
            (_track_id_in(each.file.path), each.file.path, each.file.byte_count, each.arrival_date)
            for each in arrivals
        ],
    )
    # A partition per core: hashing waits for the disk or the network, not for the shuffle.
    spread = listed.repartition(spark.sparkContext.defaultParallelism, "file_uri")
    return spread.mapInPandas(partial(_hash_batches, lake), schema=RAW_AUDIO.ddl)


def _hash_batches(lake: str, batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    storage = open_storage(lake)
    for files in batches:
        yield files.assign(
            content_hash=[sha256_of(storage.read(path)) for path in files["file_uri"]],
            source_file=files["file_uri"],
            source_row=0,
        )


def _track_id_in(path: str) -> str:
    """`landing/covers/2026-03-01/a%2Fb.jpg` holds the cover of the track `a/b`."""
    return unquote(PurePosixPath(path).stem)


def _rows(
    spark: SparkSession, storage: Storage, source: str, arrivals: Sequence[_Arrival]
) -> DataFrame:
    groups, unreadable = _by_schema(storage, arrivals)
    frames = []
    for group in groups:
        try:
            frames.append(_group(spark, storage, source, group))
        except AnalysisException as error:  # a Parquet type that Spark does not have
            unreadable += [(each, str(error)) for each in group]
    if unreadable or not frames:
        frames.append(_unreadable_rows(spark, storage, source, unreadable))
    return reduce(lambda above, below: above.unionByName(below), frames)


def _by_schema(
    storage: Storage, arrivals: Sequence[_Arrival]
) -> tuple[list[list[_Arrival]], list[tuple[_Arrival, str]]]:
    """Files grouped by their columns, and those whose footer cannot be read, with the why."""
    groups: dict[pa.Schema, list[_Arrival]] = defaultdict(list)
    unreadable = []
    for each in arrivals:
        filesystem, path = fs.FileSystem.from_uri(storage.uri(each.file.path))
        try:
            schema = pq.read_schema(path, filesystem=filesystem).remove_metadata()
        except (pa.ArrowException, OSError) as error:
            unreadable.append((each, str(error)))
        else:
            groups[schema].append(each)
    return list(groups.values()), unreadable


def _unreadable_rows(
    spark: SparkSession,
    storage: Storage,
    source: str,
    unreadable: Sequence[tuple[_Arrival, str]],
) -> DataFrame:
    """One row per file that cannot be read, with its head; an empty frame when all can."""
    rows = [
        (
            each.file.path,
            0,
            each.arrival_date,
            base64.b64encode(storage.read(each.file.path)[:_HEAD_BYTES]).decode(),
            "unreadable_file",
            f"{each.file.path}, {each.file.byte_count} bytes: {problem}",
        )
        for each, problem in unreadable
    ]
    origin = (c.SOURCE_FILE, c.SOURCE_ROW, c.ARRIVAL_DATE)
    frame = _frame(spark, (*origin, *READING_COLUMNS), rows)
    return _in_order(frame, source, absent=[column.name for column in ROW_SOURCES[source].columns])


def _group(
    spark: SparkSession, storage: Storage, source: str, arrivals: Sequence[_Arrival]
) -> DataFrame:
    """Files of one schema: values tried as the contract's types, the original beside them."""
    received = spark.read.parquet(*[_spark_path(storage, each.file.path) for each in arrivals])
    original = F.to_json(
        F.struct(*[_named(name) for name in received.columns]), {"ignoreNullFields": "false"}
    )
    columns = {column.name: column for column in ROW_SOURCES[source].columns}
    present = [columns[name] for name in received.columns if name in columns]
    typed = received.select(
        *[_tried(received, column).alias(column.name) for column in present],
        _lake_path().alias("source_file"),
        F.col("_metadata.row_index").alias("source_row"),
        original.alias("original_text"),
        F.coalesce(
            F.lit(None).cast("string"), *[_misfit(received, column) for column in present]
        ).alias("reading_detail"),
    )
    reason = F.when(F.col("reading_detail").isNotNull(), F.lit("wrong_type"))
    dated = typed.withColumns({"reading_reason": reason, "arrival_date": _arrival_date(arrivals)})
    return _in_order(dated, source, absent=[name for name in columns if name not in dated.columns])


def _in_order(frame: DataFrame, source: str, absent: Sequence[str]) -> DataFrame:
    """Landing columns, origin, reading columns; null for landing columns that no row has."""
    columns = ROW_SOURCES[source].columns
    nothing = {
        column.name: F.lit(None).cast(column.kind.sql)
        for column in columns
        if column.name in absent
    }
    return frame.withColumns(nothing).select(
        *[column.name for column in columns],
        "source_file",
        "source_row",
        "arrival_date",
        *[column.name for column in READING_COLUMNS],
    )


def _tried(received: DataFrame, column: Column) -> SparkColumn:
    """The received value as the contract's type, null when it cannot be.

    Numbers become numbers directly; all else goes through text, so that a count of seconds is
    never taken for a time, nor a list for a name.
    """
    value, given = _named(column.name), received.schema[column.name].dataType
    wanted = DataType.fromDDL(column.kind.sql)
    are_numbers = isinstance(given, NumericType) and isinstance(wanted, NumericType)
    if given == wanted or are_numbers or isinstance(given, StringType):
        return value.try_cast(wanted)
    return value.cast("string").try_cast(wanted)


def _misfit(received: DataFrame, column: Column) -> SparkColumn:
    """In words, when a value is there that cannot be read as its type; null otherwise."""
    value = _named(column.name)
    is_misfit = value.isNotNull() & _tried(received, column).isNull()
    return F.when(
        is_misfit,
        F.concat(
            F.lit(f"{column.name} = "),
            value.cast("string"),
            F.lit(f", which is no {column.kind.sql}"),
        ),
    )


def _named(name: str) -> SparkColumn:
    """A column whose name, given by a source, may hold dots."""
    return F.col(f"`{name.replace('`', '``')}`")


def _lake_path() -> SparkColumn:
    """The row's file relative to the lake; Spark percent-encodes it, but decodes as forms do."""
    encoded = F.regexp_extract("_metadata.file_path", r"(landing/[^/]+/[^/]+/[^/]+)$", 1)
    return F.url_decode(F.replace(encoded, F.lit("+"), F.lit("%2B")))


def _arrival_date(arrivals: Sequence[_Arrival]) -> SparkColumn:
    """The folder's day; for the few files that came after it was closed, the day they count for."""
    folder_date = F.to_date(F.regexp_extract("source_file", r"^landing/[^/]+/([^/]+)/", 1))
    late = [each for each in arrivals if each.arrival_date != each.file.folder_date]
    if not late:
        return folder_date
    counts_for = F.create_map(
        *[F.lit(part) for each in late for part in (each.file.path, each.arrival_date)]
    )
    return F.coalesce(counts_for[F.col("source_file")], folder_date)


def _spark_path(storage: Storage, path: str) -> str:
    """As Spark takes it: it would expand brackets, braces and stars in a name."""
    escaped = re.sub(r"([\[\]{}*?\\])", r"\\\1", path)
    return storage.uri(escaped).replace("s3://", "s3a://", 1)


def _frame(
    spark: SparkSession, columns: Sequence[Column], rows: Sequence[tuple[object, ...]]
) -> DataFrame:
    """A small frame; from Arrow, because Spark starts Python workers for rows of Python."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = [
        pa.array(each, column.kind.arrow) for each, column in zip(values, columns, strict=True)
    ]
    names = [column.name for column in columns]
    return spark.createDataFrame(pa.Table.from_arrays(arrays, names=names))

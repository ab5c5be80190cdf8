"""Parquet landing files of one schema as Spark rows in the contract's types."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, NumericType, StringType

from feature_store.contract import Column
from feature_store.lake.storage import Storage
from feature_store.tables.raw import RejectReason
from jobs.raw.steps.landing_schema import Arrival, select_landing_columns
from jobs.raw.steps.rules import SOURCE_CONTRACTS


def rows_of_parquet_files(
    spark: SparkSession, storage: Storage, source: str, arrivals: Sequence[Arrival]
) -> DataFrame:
    """Values cast to the contract's types, with the original row as JSON in original_text.

    A value that cannot be cast becomes null, and reading_detail names the row's first such value.

    Raises:
        AnalysisException: the files hold a Parquet type that Spark does not have.
    """
    arrived = spark.read.parquet(*[_spark_path(storage, each.file.path) for each in arrivals])
    original = F.to_json(
        F.struct(*[_column(name) for name in arrived.columns]), {"ignoreNullFields": "false"}
    )
    columns = {column.name: column for column in SOURCE_CONTRACTS[source].columns}
    present = [columns[name] for name in arrived.columns if name in columns]
    typed = arrived.select(
        *[_cast(arrived, column).alias(column.name) for column in present],
        _lake_path().alias("source_file"),
        F.col("_metadata.row_index").alias("source_row"),
        original.alias("original_text"),
        F.coalesce(
            F.lit(None).cast("string"), *[_cast_failure(arrived, column) for column in present]
        ).alias("reading_detail"),
    )
    reason = F.when(F.col("reading_detail").isNotNull(), F.lit(RejectReason.WRONG_TYPE))
    dated = typed.withColumns({"reading_reason": reason, "arrival_date": _arrival_date(arrivals)})
    absent = [name for name in columns if name not in dated.columns]
    return select_landing_columns(dated, source, absent=absent)


def _spark_path(storage: Storage, path: str) -> str:
    """The path with glob characters escaped, which Spark would expand in a file name."""
    escaped = re.sub(r"([\[\]{}*?\\])", r"\\\1", path)
    return storage.uri(escaped).replace("s3://", "s3a://", 1)


def _cast(arrived: DataFrame, column: Column) -> SparkColumn:
    """The arrived value in the contract's type; null when the cast fails.

    Numbers are cast to numbers directly. Other values are cast through text, so that a count of
    seconds never becomes a time, nor a list a name.
    """
    value, received_type = _column(column.name), arrived.schema[column.name].dataType
    contract_type = DataType.fromDDL(column.kind.sql)
    are_numbers = isinstance(received_type, NumericType) and isinstance(contract_type, NumericType)
    if received_type == contract_type or are_numbers or isinstance(received_type, StringType):
        return value.try_cast(contract_type)
    return value.cast("string").try_cast(contract_type)


def _cast_failure(arrived: DataFrame, column: Column) -> SparkColumn:
    """A message when a value is present and cannot be cast; null otherwise."""
    value = _column(column.name)
    has_failed = value.isNotNull() & _cast(arrived, column).isNull()
    return F.when(
        has_failed,
        F.concat(
            F.lit(f"{column.name} = "),
            value.cast("string"),
            F.lit(f", which is no {column.kind.sql}"),
        ),
    )


def _column(name: str) -> SparkColumn:
    """A column by its quoted name, because a source's column name may hold dots."""
    return F.col(f"`{name.replace('`', '``')}`")


def _lake_path() -> SparkColumn:
    """The row's file relative to the lake.

    Spark percent-encodes the path, but url_decode reads "+" as a blank, as HTML forms do.
    """
    encoded = F.regexp_extract("_metadata.file_path", r"(landing/[^/]+/[^/]+/[^/]+)$", 1)
    return F.url_decode(F.replace(encoded, F.lit("+"), F.lit("%2B")))


def _arrival_date(arrivals: Sequence[Arrival]) -> SparkColumn:
    """The date of the file's folder; for a file that came after closing, its arrival_date."""
    folder_date = F.to_date(F.regexp_extract("source_file", r"^landing/[^/]+/([^/]+)/", 1))
    late = [each for each in arrivals if each.arrival_date != each.file.folder_date]
    if not late:
        return folder_date
    late_dates = F.create_map(
        *[F.lit(part) for each in late for part in (each.file.path, each.arrival_date)]
    )
    return F.coalesce(late_dates[F.col("source_file")], folder_date)

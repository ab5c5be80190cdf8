"""Small Spark frames in a table's columns, with only the columns that a test names filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from feature_store.contract import Table
from feature_store.tables.core import CORE_TRACKS

FEB_27, FEB_28, FEB_29, MAR_1 = (
    date(2024, 2, 27),
    date(2024, 2, 28),
    date(2024, 2, 29),
    date(2024, 3, 1),
)


def frame(spark: SparkSession, table: Table, names: str, *rows: Sequence[object]) -> DataFrame:
    """Rows with the columns `names`; other columns are null, source_file is "f", source_row counts."""
    given = [dict(zip(names.split(), row, strict=True)) for row in rows]
    filled = [{"source_file": "f", "source_row": number, **row} for number, row in enumerate(given)]
    schema = pa.schema([(column.name, column.kind.arrow) for column in table.columns])
    return spark.createDataFrame(pa.Table.from_pylist(filled, schema))


def catalogue(spark: SparkSession, *tracks: tuple[str, date]) -> DataFrame:
    """core_tracks rows of the given track ids and known_from_dates."""
    return frame(spark, CORE_TRACKS, "track_id known_from_date", *tracks)


def at(day: date, clock: str) -> datetime:
    """A time of day in UTC; the clock reads like 09:30:00."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)


def rows_of(result: DataFrame, names: str) -> list[tuple[object, ...]]:
    """The named columns of every row, sorted."""
    return sorted((tuple(row) for row in result.select(*names.split()).collect()), key=repr)


def values_of(rows: Sequence[Mapping[str, object]], *names: str) -> list[tuple[object, ...]]:
    """The named values of rows in Python, sorted."""
    return sorted(tuple(row[name] for name in names) for row in rows)

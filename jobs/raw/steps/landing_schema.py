"""The common shape of landing rows: landing columns, origin, and why a row could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from feature_store.contract import Column, Kind
from feature_store.tables import columns as c
from jobs.landing.layout import LandingFile
from jobs.raw.steps.rules import SOURCE_CONTRACTS

READING_COLUMNS = (
    Column("original_text", Kind.STRING, "The row as JSON; bytes that are not text as base64."),
    Column(
        "reading_reason", Kind.STRING, "Why the row could not be read; a key of REJECT_REASONS."
    ),
    Column("reading_detail", Kind.STRING, "The value or the file that could not be read."),
    Column(
        "is_partly_read", Kind.BOOL, "Whether all values that could not be read may be left out."
    ),
)
"""Columns that a landing row has besides its values and its origin."""

FIRST_ARRIVAL_DATE = Column(
    "first_arrival_date",
    Kind.DATE,
    "The day on which the source's first file arrived, for all rows alike.",
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A landing file and the day on which it counts as arrived."""

    arrival_date: date
    file: LandingFile


def landing_columns(source: str) -> tuple[Column, ...]:
    """Columns of a landing row of a row source: its values, its origin, and READING_COLUMNS."""
    origin = (c.SOURCE_FILE, c.SOURCE_ROW, c.ARRIVAL_DATE)
    return (*SOURCE_CONTRACTS[source].columns, *origin, *READING_COLUMNS)


def frame_from_rows(
    spark: SparkSession, columns: Sequence[Column], rows: Sequence[tuple[object, ...]]
) -> DataFrame:
    """A small frame, made from Arrow because Spark starts Python workers for Python rows."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = [
        pa.array(each, column.kind.arrow) for each, column in zip(values, columns, strict=True)
    ]
    names = [column.name for column in columns]
    return spark.createDataFrame(pa.Table.from_arrays(arrays, names=names))

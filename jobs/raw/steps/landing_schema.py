"""The common shape of landing rows: landing columns, origin, and why a row could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from feature_store.contract import Column, Kind
from jobs.landing.layout import LandingFile
from jobs.raw.steps.rules import SOURCE_CONTRACTS

READING_COLUMNS = (
    Column("original_text", Kind.STRING, "The row as JSON; bytes as base64."),
    Column(
        "reading_reason", Kind.STRING, "Why the row could not be read; a key of REJECT_REASONS."
    ),
    Column("reading_detail", Kind.STRING, "The value or the file that could not be read."),
)
"""Columns that a landing row has besides its values and its origin."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A landing file and the day on which it counts as arrived."""

    arrival_date: date
    file: LandingFile


def select_landing_columns(frame: DataFrame, source: str, *, absent: Sequence[str]) -> DataFrame:
    """Landing columns, origin and READING_COLUMNS in order; null for the `absent` columns."""
    columns = SOURCE_CONTRACTS[source].columns
    nulls = {
        column.name: F.lit(None).cast(column.kind.sql)
        for column in columns
        if column.name in absent
    }
    return frame.withColumns(nulls).select(
        *[column.name for column in columns],
        "source_file",
        "source_row",
        "arrival_date",
        *[column.name for column in READING_COLUMNS],
    )


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

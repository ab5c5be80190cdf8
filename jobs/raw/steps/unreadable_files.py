"""Landing rows that stand for files that cannot be read as Parquet; raw_rejects takes them."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from feature_store.lake.storage import Storage
from feature_store.tables import columns as c
from feature_store.tables.raw import RejectReason
from jobs.raw.steps.landing_schema import (
    READING_COLUMNS,
    Arrival,
    frame_from_rows,
    select_landing_columns,
)
from jobs.raw.steps.rules import SOURCE_CONTRACTS

_HEAD_BYTES = 1024
"""The reject keeps this much of the file's beginning."""


def rows_of_unreadable_files(
    spark: SparkSession,
    storage: Storage,
    source: str,
    unreadable: Sequence[tuple[Arrival, str]],
) -> DataFrame:
    """One row per file, with the file's head in base64; no row when `unreadable` is empty.

    `unreadable` pairs each file with the error message of the Parquet reader.
    """
    rows = [
        (
            each.file.path,
            0,
            each.arrival_date,
            base64.b64encode(storage.read(each.file.path)[:_HEAD_BYTES]).decode(),
            RejectReason.UNREADABLE_FILE.value,
            f"{each.file.path}, {each.file.byte_count} bytes: {problem}",
        )
        for each, problem in unreadable
    ]
    origin = (c.SOURCE_FILE, c.SOURCE_ROW, c.ARRIVAL_DATE)
    frame = frame_from_rows(spark, (*origin, *READING_COLUMNS), rows)
    columns = SOURCE_CONTRACTS[source].columns
    return select_landing_columns(frame, source, absent=[column.name for column in columns])

"""Rows that change a part of an entity: null leaves a value as it is."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def last_given_of_day(rows: DataFrame, entity: str, columns: Sequence[str]) -> DataFrame:
    """One row for each entity and arrival day: of each column the last received value, if any.

    Args:
        rows: raw_ rows, with arrival_date, source_file and source_row.
        entity: the id column.
        columns: what a row may change.

    Returns:
        Rows of `entity`, known_from_date and `columns`.
    """
    order = F.struct("source_file", "source_row")
    given = [
        F.max_by(F.col(name), F.when(F.col(name).isNotNull(), order)).alias(name)
        for name in columns
    ]
    dated = rows.withColumn("known_from_date", F.col("arrival_date"))
    return dated.groupBy(entity, "known_from_date").agg(*given)


def filled_forward(changes: DataFrame, entity: str, columns: Sequence[str]) -> DataFrame:
    """Each row with the newest value of each column up to its day; null where there is none yet.

    Args:
        changes: one row for each entity and known_from_date.
        entity: the id column.
        columns: those to fill; structs count as one value.
    """
    so_far = (
        Window.partitionBy(entity)
        .orderBy("known_from_date")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    return changes.withColumns(
        {name: F.last(name, ignorenulls=True).over(so_far) for name in columns}
    )

"""Dense indices for string ids: given once, in order of first appearance, the same on every run.

A model's embedding tables and the graph count nodes from 1 within a kind (0 is padding). An id that
became known later gets a higher index than all before it, so a new day only appends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def with_node_index(first_known: DataFrame) -> DataFrame:
    """`first_known` with node_index, the rank within a kind by (first known day, id), from 1.

    A window over a whole kind would sort it in one task. Days are counted first, which gives each
    day its offset; what is ranked row by row is one day's newcomers.

    Args:
        first_known: node_kind, node_id, known_from_date; one row for each node, with the first day
            on which it was known. That day must never change, or indices would.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    of_a_day = ["node_kind", "known_from_date"]
    earlier_days = (
        Window.partitionBy("node_kind")
        .orderBy("known_from_date")
        .rowsBetween(Window.unboundedPreceding, -1)
    )
    offsets = (
        first_known.groupBy(*of_a_day)
        .agg(F.count("node_id").alias("newcomer_count"))
        .select(
            *of_a_day,
            F.coalesce(F.sum("newcomer_count").over(earlier_days), F.lit(0)).alias("offset"),
        )
    )
    place_in_day = F.row_number().over(Window.partitionBy(*of_a_day).orderBy("node_id"))
    return (
        first_known.join(F.broadcast(offsets), on=of_a_day, how="inner")
        .withColumn("node_index", F.col("offset") + place_in_day)
        .select(*first_known.columns, "node_index")
    )

"""Dense indices for string ids, in order of first appearance and stable across runs.

Embedding tables and the graph count nodes from 1 within a kind (0 is padding). A later id gets a
higher index than all earlier ones, so a new day only appends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def with_node_index(first_known: DataFrame) -> DataFrame:
    """`first_known` with node_index, the rank within a kind by (first known day, id), from 1.

    A window over a whole kind would sort all its nodes in one task. Counting nodes per day gives
    each day an offset, so the window ranks the new nodes of one day only.

    Args:
        first_known: node_kind, node_id, known_from_date; one row for each node, with the first day
            on which it was known. That day must never change, or indices would.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    day_key = ["node_kind", "known_from_date"]
    earlier_days = (
        Window.partitionBy("node_kind")
        .orderBy("known_from_date")
        .rowsBetween(Window.unboundedPreceding, -1)
    )
    offsets = (
        first_known.groupBy(*day_key)
        .agg(F.count("node_id").alias("new_node_count"))
        .select(
            *day_key,
            F.coalesce(F.sum("new_node_count").over(earlier_days), F.lit(0)).alias("offset"),
        )
    )
    rank_in_day = F.row_number().over(Window.partitionBy(*day_key).orderBy("node_id"))
    return (
        first_known.join(F.broadcast(offsets), on=day_key, how="inner")
        .withColumn("node_index", F.col("offset") + rank_in_day)
        .select(*first_known.columns, "node_index")
    )

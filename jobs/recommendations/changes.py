"""rec_changes: what entered, left or moved in each list since the run that was published before.

"Before" goes by day, not by the time of publication, so that a backfill compares with what its
night had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.tables.recommendations import REC_CHANGES, REC_TOPK
from jobs.inputs import Known, Published

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Night

INPUTS = (Known(REC_TOPK), Published(REC_TOPK))
OUTPUT = REC_CHANGES


def build(now: DataFrame, earlier: DataFrame, *, night: Night) -> DataFrame:
    """One row per person and track whose place is not what it was; none without an earlier run."""
    before = earlier.select("user_id", "track_id", F.col("rank").alias("from_rank"))
    after = now.select("user_id", "track_id", F.col("rank").alias("to_rank"))
    compared = earlier.groupBy(
        F.col("as_of_date").alias("compared_as_of_date"), F.col("run_id").alias("compared_run_id")
    ).agg(F.count("*"))
    change = (
        F.when(F.col("from_rank").isNull(), "entered")
        .when(F.col("to_rank").isNull(), "left")
        .when(F.col("from_rank") != F.col("to_rank"), "moved")
    )
    return (
        after.join(before, on=["user_id", "track_id"], how="full")
        .withColumn("change", change)
        .where(F.col("change").isNotNull())
        .crossJoin(compared)
        .select(
            F.lit(night.as_of).alias("as_of_date"),
            "user_id",
            "track_id",
            "change",
            "from_rank",
            "to_rank",
            "compared_as_of_date",
            "compared_run_id",
            F.lit(night.run_id).alias("run_id"),
        )
    )

"""rec_changes: tracks that entered, left or moved in each list since what readers saw before.

The previous run is the night's baseline (feature_store.publishing.snapshot.baseline_event): for the
next night what readers see now, for a backfill what they saw before its day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.tables.recommendations import REC_CHANGES, REC_TOPK
from jobs.inputs import AsOf, PublishedTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Night

INPUTS = (AsOf(REC_TOPK), PublishedTable(REC_TOPK))
OUTPUT = REC_CHANGES


def build(current: DataFrame, previous: DataFrame, *, night: Night) -> DataFrame:
    """One row per user and track whose rank changed; no row without a previous run."""
    before = previous.select("user_id", "track_id", F.col("rank").alias("from_rank"))
    after = current.select("user_id", "track_id", F.col("rank").alias("to_rank"))
    compared_run = previous.groupBy(
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
        .crossJoin(compared_run)
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

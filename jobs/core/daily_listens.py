"""core_daily_listens: integer sums of the listens, which is what the graph and training read."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_LISTENS
from jobs.inputs import New

INPUTS = (New(CORE_LISTENS),)
OUTPUT = CORE_DAILY_LISTENS


def build(listens: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """A row for each user, track, UTC day of listening, and day from which that was known.

    Listens of one day that became known on several make several rows: readers add them up.
    """
    completion_permille = F.round(F.col("completion_ratio") * 1000).cast("bigint")
    return (
        listens.withColumn("listened_date", F.to_date("listened_at_utc"))
        .groupBy("user_id", "track_id", "listened_date", "known_from_date")
        .agg(
            F.count("listen_id").alias("listen_count"),
            F.sum(completion_permille).alias("completion_permille"),
            F.sum(F.col("is_organic").cast("bigint")).alias("organic_count"),
        )
        .select(*OUTPUT.column_names)
    )

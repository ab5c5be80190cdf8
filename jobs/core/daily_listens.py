"""core_daily_listens: integer sums of listens per user, track and day, for graph and training."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_IMPRESSIONS, CORE_LISTENS
from jobs.core.steps.organic_listens import with_is_organic
from jobs.inputs import History, NewRows

INPUTS = (NewRows(CORE_LISTENS), History(CORE_IMPRESSIONS))
OUTPUT = CORE_DAILY_LISTENS


def build(listens: DataFrame, impressions: DataFrame, *, night: Night) -> DataFrame:
    """One row per user, track, UTC day of listening and known_from_date.

    Listens of one day that became known on several days make several rows, which readers add up.
    """
    completion_permille = F.round(F.col("completion_ratio") * 1000).cast("bigint")
    return (
        with_is_organic(listens, impressions, shown_hours=night.settings.shown_hours)
        .withColumn("listened_date", F.to_date("listened_at_utc"))
        .groupBy("user_id", "track_id", "listened_date", "known_from_date")
        .agg(
            F.count("listen_id").alias("listen_count"),
            F.sum(completion_permille).alias("completion_permille"),
            F.sum(F.col("is_organic").cast("bigint")).alias("organic_count"),
        )
        .select(*OUTPUT.column_names)
    )

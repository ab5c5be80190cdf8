"""core_daily_listens: integer sums of listens per user, track and day, for graph and training."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_IMPRESSIONS, CORE_LISTENS
from jobs.inputs import History, NewRows

INPUTS = (NewRows(CORE_LISTENS), History(CORE_IMPRESSIONS))
OUTPUT = CORE_DAILY_LISTENS


def build(listens: DataFrame, impressions: DataFrame, *, night: Night) -> DataFrame:
    """One row per user, track, UTC day of listening and known_from_date.

    Listens of one day that became known on several days make several rows, which readers add up. A
    listen is organic when the player says so and no impression of its track in the `shown_hours`
    before explains it. Only impressions that were known no later than the listen count.
    """
    completion_permille = F.round(F.col("completion_ratio") * 1000).cast("bigint")
    is_organic = F.col("is_organic") & ~_was_shown(night.settings.shown_hours)
    return (
        _with_shown(listens, impressions, night.settings.shown_hours)
        .withColumn("listened_date", F.to_date("listened_at_utc"))
        .groupBy("user_id", "track_id", "listened_date", "known_from_date")
        .agg(
            F.count("listen_id").alias("listen_count"),
            F.sum(completion_permille).alias("completion_permille"),
            F.sum(is_organic.cast("bigint")).alias("organic_count"),
        )
        .select(*OUTPUT.column_names)
    )


def _with_shown(listens: DataFrame, impressions: DataFrame, shown_hours: int) -> DataFrame:
    """Each listen with `shown`: the impressions of its track and user; null without impressions."""
    # A scalar reaches the Parquet reader, which skips older days by their statistics.
    first = F.to_date(F.min("listened_at_utc") - F.make_dt_interval(hours=F.lit(shown_hours)))
    recent = impressions.where(F.col("known_from_date") >= listens.agg(first).scalar())
    shown = F.collect_list(F.struct("shown_at_utc", "known_from_date")).alias("shown")
    by_pair = recent.groupBy("user_id", "track_id").agg(shown)
    return listens.join(by_pair, on=["user_id", "track_id"], how="left")


def _was_shown(shown_hours: int) -> Column:
    """Whether one of the impressions in `shown` lies in the hours before the listen."""
    earliest = F.col("listened_at_utc") - F.make_dt_interval(hours=F.lit(shown_hours))

    def explains_listen(impression: Column) -> Column:
        return (
            (impression["known_from_date"] <= F.col("known_from_date"))
            & (impression["shown_at_utc"] > earliest)
            & (impression["shown_at_utc"] <= F.col("listened_at_utc"))
        )

    return F.coalesce(F.exists("shown", explains_listen), F.expr("false"))

"""core_daily_listens: integer sums of the listens, which is what the graph and training read."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_IMPRESSIONS, CORE_LISTENS
from jobs.inputs import History, New

INPUTS = (New(CORE_LISTENS), History(CORE_IMPRESSIONS))
OUTPUT = CORE_DAILY_LISTENS


def build(listens: DataFrame, impressions: DataFrame, *, night: Night) -> DataFrame:
    """A row for each user, track, UTC day of listening, and day from which that was known.

    Listens of one day that became known on several make several rows: readers add them up. A listen
    is organic when the player says so and its track had not been shown to the person in the
    `shown_hours` before, by the impressions that were known no later than the listen.
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
    """Each listen with `shown`: when its track was shown to its person; null when it never was."""
    # A scalar reaches the Parquet reader, which passes over older days by their statistics.
    first = F.to_date(F.min("listened_at_utc") - F.make_dt_interval(hours=F.lit(shown_hours)))
    recent = impressions.where(F.col("known_from_date") >= listens.agg(first).scalar())
    shown = F.collect_list(F.struct("shown_at_utc", "known_from_date")).alias("shown")
    by_pair = recent.groupBy("user_id", "track_id").agg(shown)
    return listens.join(by_pair, on=["user_id", "track_id"], how="left")


def _was_shown(shown_hours: int) -> Column:
    """Whether one of `shown` lies in the hours before the listen."""
    earliest = F.col("listened_at_utc") - F.make_dt_interval(hours=F.lit(shown_hours))

    def led_to_it(one: Column) -> Column:
        return (
            (one["known_from_date"] <= F.col("known_from_date"))
            & (one["shown_at_utc"] > earliest)
            & (one["shown_at_utc"] <= F.col("listened_at_utc"))
        )

    return F.coalesce(F.exists("shown", led_to_it), F.expr("false"))

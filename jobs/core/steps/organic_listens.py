"""Organic listens: a listen that an impression of its track explains tells nothing about taste."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def with_is_organic(listens: DataFrame, impressions: DataFrame, *, shown_hours: int) -> DataFrame:
    """`listens` with is_organic false also where an impression explains the listen.

    A listen is organic when the player says so and no impression of its track in the `shown_hours`
    before explains it. Only impressions that were known no later than the listen count.

    Args:
        listens: core_listens rows of the slice.
        impressions: core_impressions, every row up to as_of.
        shown_hours: the setting of that name.
    """
    return (
        _with_shown(listens, impressions, shown_hours)
        .withColumn("is_organic", F.col("is_organic") & ~_was_shown(shown_hours))
        .drop("shown")
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

"""graph_user_listened_track: who listened to what, and how strongly that ties them."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_LISTEN_COUNTS
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK, RECENCY_HALF_LIFE_DAYS
from jobs.inputs import History, Known

INPUTS = (History(CORE_DAILY_LISTENS), Known(CORE_LISTEN_COUNTS))
OUTPUT = GRAPH_USER_LISTENED_TRACK

_WEIGHT_DECIMALS = 6


def build(daily_listens: DataFrame, listen_counts: DataFrame, *, night: Night) -> DataFrame:
    """A row for each user and track with enough listens in the window, timed or only counted.

    Where a pair has both kinds they add up, and the last timed listen says how old the edge is.
    """
    rules = night.settings.graph
    counting = _organic(daily_listens) if rules.organic_only else daily_listens
    timed = counting.where(_is_in_window(night.as_of, rules.listened_window_days)).select(
        "user_id", "track_id", "listen_count", "completion_permille", "listened_date"
    )
    counted = listen_counts.select(
        "user_id",
        "track_id",
        "listen_count",
        (F.col("listen_count") * 1000).alias("completion_permille"),
        F.lit(None).cast("date").alias("listened_date"),
    )
    return (
        timed.unionByName(counted)
        .groupBy("user_id", "track_id")
        .agg(
            F.sum("listen_count").alias("listen_count"),
            F.sum("completion_permille").alias("completion_permille"),
            F.max("listened_date").alias("last_listened_date"),
        )
        .where(F.col("listen_count") >= rules.min_listen_count)
        .withColumn("as_of_date", F.lit(night.as_of))
        .withColumn("edge_weight", _edge_weight())
        .select(*OUTPUT.column_names)
    )


def _organic(daily_listens: DataFrame) -> DataFrame:
    """The part of each day's sums that the person chose, completion shared out evenly."""
    share = F.expr("completion_permille * organic_count div listen_count")
    return (
        daily_listens.where(F.col("organic_count") > 0)
        .withColumn("completion_permille", share)
        .withColumn("listen_count", F.col("organic_count"))
    )


def _is_in_window(as_of: date, n_days: int | None) -> Column:
    """Listened on one of the `n_days` that end with as_of, or ever before."""
    day = F.col("listened_date")
    until = day <= F.lit(as_of)
    return until if n_days is None else until & (day > F.lit(as_of - timedelta(days=n_days)))


def _edge_weight() -> Column:
    """ln(1 + listen_count) x mean completion x 0.5 ^ (days since the last listen / half-life)."""
    mean_completion = F.col("completion_permille") / (1000 * F.col("listen_count"))
    age_days = F.coalesce(  # counts without times do not age
        F.date_diff("as_of_date", "last_listened_date"), F.lit(0)
    )
    decay = F.pow(F.lit(0.5), age_days / RECENCY_HALF_LIFE_DAYS)
    return F.round(F.log1p("listen_count") * mean_completion * decay, _WEIGHT_DECIMALS)

"""graph_user_listened_track: edges between listeners and tracks, with their weight."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_LISTEN_COUNTS
from feature_store.tables.edge_weights import Arithmetic, edge_weight, organic_completion
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from jobs.inputs import AsOf, History

INPUTS = (History(CORE_DAILY_LISTENS), AsOf(CORE_LISTEN_COUNTS))
OUTPUT = GRAPH_USER_LISTENED_TRACK

SPARK = Arithmetic(
    log1p=F.log1p,
    exp=F.exp,
    floor_divide=lambda dividend, divisor: F.call_function("div", dividend, divisor),
)

_WEIGHT_DECIMALS = 6


def build(daily_listens: DataFrame, listen_counts: DataFrame, *, night: Night) -> DataFrame:
    """A row for each user and track with enough listens in the window, with or without times.

    A pair's listens and counts are added up; its last listen gives the age of the edge.
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
    """The organic part of each day's sums."""
    sums = (F.col("completion_permille"), F.col("organic_count"), F.col("listen_count"))
    return (
        daily_listens.where(F.col("organic_count") > 0)
        .withColumn("completion_permille", organic_completion(SPARK, *sums))
        .withColumn("listen_count", F.col("organic_count"))
    )


def _is_in_window(as_of: date, n_days: int | None) -> Column:
    """Whether the day is one of the `n_days` that end with as_of; None counts every day so far."""
    day = F.col("listened_date")
    until = day <= F.lit(as_of)
    return until if n_days is None else until & (day > F.lit(as_of - timedelta(days=n_days)))


def _edge_weight() -> Column:
    """The edge weight of each row, rounded as the contract says."""
    age_days = F.coalesce(  # counts without times do not age
        F.date_diff("as_of_date", "last_listened_date"), F.lit(0)
    )
    weight = edge_weight(SPARK, F.col("listen_count"), F.col("completion_permille"), age_days)
    return F.round(weight, _WEIGHT_DECIMALS)

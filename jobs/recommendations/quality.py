"""run_quality: offline metrics of the models, and next-day hit rates of the published lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.tables.core import CORE_DAILY_LISTENS
from feature_store.tables.recommendations import REC_TOPK
from feature_store.tables.runs import RUN_QUALITY
from feature_store.tables.scores import SCORE_EVALUATION
from jobs.inputs import AsOf, History, PublishedTable

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, GroupedData

    from feature_store.settings import Night

INPUTS = (AsOf(SCORE_EVALUATION), PublishedTable(REC_TOPK), History(CORE_DAILY_LISTENS))
OUTPUT = RUN_QUALITY

PUBLISHED_LISTS = "lists"  # stands where other rows name a training task


def build(
    evaluation: DataFrame, lists: DataFrame, daily_listens: DataFrame, *, night: Night
) -> DataFrame:
    """The evaluation's rows, and hit rates of the list published before on the listens of as_of."""
    today = daily_listens.where(F.col("listened_date") == F.lit(night.as_of))
    rows = evaluation.drop("run_id").unionByName(_next_day(lists, today, night))
    return rows.withColumn("run_id", F.lit(night.run_id)).select(*OUTPUT.column_names)


def _next_day(lists: DataFrame, today: DataFrame, night: Night) -> DataFrame:
    """Hit rate over users who had a list and listened on as_of, overall and by tier.

    hit_rate = users with at least one played track of their list / users with a list who listened.
    Example: of two such users one played rank 3 of her list: hit_rate .5.
    """
    played = today.select("user_id", "track_id").distinct().withColumn("is_played", F.lit(1))
    listeners = today.select("user_id").distinct()
    per_user_and_tier = (
        lists.join(listeners, on="user_id", how="left_semi")
        .join(played, on=["user_id", "track_id"], how="left")
        .groupBy("user_id", "tier")
        .agg(F.max(F.coalesce("is_played", F.lit(0))).alias("is_hit"))
    )
    per_user = per_user_and_tier.groupBy("user_id").agg(F.max("is_hit").alias("is_hit"))
    by_tier = _hit_rates(
        per_user_and_tier.groupBy("tier"), F.concat(F.lit("hit_rate_"), F.col("tier"))
    )
    return (
        _hit_rates(per_user.groupBy(), F.lit("hit_rate"))
        .unionByName(by_tier)
        .where(F.col("n_units") > 0)
        .select(
            F.lit(night.as_of).alias("as_of_date"),
            F.lit(PUBLISHED_LISTS).alias("training_task"),
            F.lit(REC_TOPK.name).alias("subject"),
            F.lit("next_day").alias("split"),
            "metric",
            "value",
            "n_units",
            F.lit(None).cast("string").alias("model_version"),
        )
    )


def _hit_rates(groups: GroupedData, metric: Column) -> DataFrame:
    counted = groups.agg(F.sum("is_hit").alias("hits"), F.count("*").alias("n_units"))
    value = F.round(F.col("hits") / F.col("n_units"), 6)
    return counted.select(metric.alias("metric"), value.alias("value"), "n_units")

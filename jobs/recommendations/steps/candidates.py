"""Candidate generation for the lists: from the model, from followed users, from popularity.

Every generator gives the same columns: user_id, track_id, score, tier, tier_order, model_version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from feature_store.setting_groups import ListSettings

TIER_ORDER = {"personal": 1, "warm": 1, "social": 2, "popular": 3}

POPULAR_POOL = 500
"""Popular tracks considered for short lists: many more than the filters remove."""


def from_model(scores: DataFrame, listened: DataFrame, settings: ListSettings) -> DataFrame:
    """Scored candidates: personal from `personal_min_listens` listens on, warm below."""
    listens = listened.groupBy("user_id").agg(F.sum("listen_count").alias("listens"))
    is_personal = F.coalesce("listens", F.lit(0)) >= settings.personal_min_listens
    return _candidates(
        scores.join(listens, on="user_id", how="left"),
        tier=F.when(is_personal, "personal").otherwise("warm"),
        score=F.col("score"),
        model_version=F.col("model_version"),
    )


def from_followed(scores: DataFrame, listened: DataFrame, follows: DataFrame) -> DataFrame:
    """Tracks of followed users by summed edge weight, for followers without model scores."""
    scored = scores.select("user_id").distinct()
    of_followed = listened.select(
        F.col("user_id").alias("followed_user_id"),
        "track_id",
        # Sums of doubles depend on their order; sums of whole millionths do not.
        F.round(F.col("edge_weight") * 1_000_000).cast("bigint").alias("weight_millionths"),
    )
    played = (
        follows.join(scored, on="user_id", how="left_anti")
        .join(of_followed, on="followed_user_id", how="inner")
        .groupBy("user_id", "track_id")
        .agg((F.sum("weight_millionths") / 1_000_000).alias("score"))
    )
    return _candidates(
        played, tier=F.lit("social"), score=F.col("score"), model_version=F.lit(None)
    )


def popular_tracks(listened: DataFrame) -> DataFrame:
    """The POPULAR_POOL tracks with the most listeners; columns track_id, listeners."""
    return (
        listened.groupBy("track_id")
        .agg(F.count("*").alias("listeners"))
        .orderBy(F.col("listeners").desc(), "track_id")
        .limit(POPULAR_POOL)
    )


def from_popularity(users: DataFrame, listened: DataFrame) -> DataFrame:
    """The tracks with the most listeners, the same for every user."""
    return _candidates(
        users.crossJoin(F.broadcast(popular_tracks(listened))),
        tier=F.lit("popular"),
        score=F.col("listeners").cast("double"),
        model_version=F.lit(None),
    )


def _candidates(
    rows: DataFrame, *, tier: Column, score: Column, model_version: Column
) -> DataFrame:
    order = F.create_map(*[F.lit(part) for item in TIER_ORDER.items() for part in item])
    return rows.select(
        "user_id",
        "track_id",
        score.cast("double").alias("score"),
        tier.alias("tier"),
        order[tier].alias("tier_order"),
        model_version.cast("string").alias("model_version"),
    )

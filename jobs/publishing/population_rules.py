"""Population rules: shares over all lists of a night, with thresholds in `Settings.gates`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.publishing.gates import GateMetric
from feature_store.settings import Night
from feature_store.tables.recommendations import REC_CHANGES, REC_TOPK

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def list_metrics(
    lists: DataFrame, possible: DataFrame, listened: DataFrame, tracks: DataFrame, night: Night
) -> list[GateMetric]:
    """Full lists, popular rows and catalogue coverage, each of what is possible.

    A night without lists gets the worst values if somebody could have one, else the best.

    Args:
        lists: the staged rec_topk.
        possible: the users who should have a list, and its possible_length.
        listened: graph_user_listened_track; a list can rest on more than popularity only for users
            in it.
        tracks: core_tracks as of the night.
        night: gives the thresholds.
    """
    bounds = night.settings.gates
    lengths = lists.groupBy("user_id").agg(
        F.count("*").alias("rows"), F.count_if(F.col("tier") == "popular").alias("popular")
    )
    heard = listened.select("user_id").distinct().withColumn("has_listened", F.expr("true"))
    totals = (
        possible.where("possible_length > 0")
        .join(lengths, on="user_id", how="left")
        .join(heard, on="user_id", how="left")
        .agg(
            F.count("*").alias("users"),
            F.count_if(F.coalesce("rows", F.lit(0)) >= F.col("possible_length")).alias("full"),
            F.sum(F.when(F.col("has_listened"), F.col("rows"))).alias("rows"),
            F.sum(F.when(F.col("has_listened"), F.col("popular"))).alias("popular"),
            F.count("has_listened").alias("listeners"),
        )
        .crossJoin(lists.agg(F.countDistinct("track_id").alias("tracks")))
        .crossJoin(tracks.where("is_available").agg(F.count("*").alias("available")))
        .first()
    )
    if totals is None:  # aggregates without groups always give their one row
        raise AssertionError
    popular = ratio(totals["popular"] or 0, totals["rows"] or 0) if totals["listeners"] else 0.0
    coverage = ratio(totals["tracks"], totals["available"]) if totals["users"] else 1.0
    return [
        GateMetric(
            "full_list_ratio",
            REC_TOPK.name,
            ratio(totals["full"], totals["users"]),
            low=bounds.min_full_list_ratio,
        ),
        GateMetric(
            "popular_tier_ratio", REC_TOPK.name, popular, high=bounds.max_popular_tier_ratio
        ),
        GateMetric(
            "catalogue_coverage_ratio",
            REC_TOPK.name,
            coverage,
            low=bounds.min_catalogue_coverage_ratio,
        ),
    ]


def tier_shift(lists: DataFrame, published: DataFrame | None, night: Night) -> GateMetric:
    """Share of rows that changed tier against the published lists; 0 without published lists.

    The value is half the sum over tiers of |share now - share before|. Example: 80 % personal and
    20 % warm before, 50 % and 50 % now: .3.
    """
    now = _tier_shares(lists)
    before = _tier_shares(published) if published is not None else now
    tiers = {*now, *before}
    return GateMetric(
        "tier_shift_ratio",
        REC_TOPK.name,
        sum(abs(now.get(tier, 0.0) - before.get(tier, 0.0)) for tier in tiers) / 2,
        high=night.settings.gates.max_tier_shift_ratio,
    )


def churn(changes: DataFrame, lists: DataFrame, night: Night) -> GateMetric:
    """Share of list rows that entered since the run that rec_changes compares with."""
    entered = changes.where(F.col("change") == "entered").count()
    return GateMetric(
        "churn_ratio",
        REC_CHANGES.name,
        ratio(entered, lists.count()) if entered else 0.0,
        high=night.settings.gates.max_churn_ratio,
    )


def ratio(part: float, whole: float) -> float:
    """Part / whole; 1 for an empty whole, which is neither short nor missing."""
    return part / whole if whole else 1.0


def _tier_shares(lists: DataFrame) -> dict[str, float]:
    rows = {row["tier"]: row["count"] for row in lists.groupBy("tier").count().collect()}
    return {tier: count / sum(rows.values()) for tier, count in rows.items()}

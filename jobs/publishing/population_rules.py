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
    lists: DataFrame, eligible: DataFrame, tracks: DataFrame, night: Night
) -> list[GateMetric]:
    """Full lists, popular rows and catalogue coverage; a night without lists gets the worst values.

    Args:
        lists: the staged rec_topk.
        eligible: the users who should have a list.
        tracks: core_tracks as of the night.
        night: gives the thresholds and the list length.
    """
    bounds = night.settings.gates
    length = night.settings.lists.length
    totals = (
        lists.agg(
            F.count("*").alias("rows"),
            F.count_if(F.col("tier") == "popular").alias("popular"),
            F.count_if(F.col("rank") == length).alias("full"),
            F.countDistinct("track_id").alias("tracks"),
        )
        .crossJoin(eligible.agg(F.count("*").alias("users")))
        .crossJoin(tracks.where("is_available").agg(F.count("*").alias("available")))
        .first()
    )
    if totals is None:  # three aggregates without groups always give their one row
        raise AssertionError
    possible = min(length, totals["available"])
    full = ratio(totals["full"], totals["users"]) if possible == length else 1.0
    return [
        GateMetric("full_list_ratio", REC_TOPK.name, full, low=bounds.min_full_list_ratio),
        GateMetric(
            "popular_tier_ratio",
            REC_TOPK.name,
            ratio(totals["popular"], totals["rows"]),
            high=bounds.max_popular_tier_ratio,
        ),
        GateMetric(
            "catalogue_coverage_ratio",
            REC_TOPK.name,
            ratio(totals["tracks"], totals["available"]),
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

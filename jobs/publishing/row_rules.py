"""Row rules: rows that must not be published; each rule is absolute, and one row breaks it."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.privacy.suppression import load_suppression_list
from feature_store.publishing.gates import GateMetric
from feature_store.settings import Night
from feature_store.tables.recommendations import REC_MOOD, REC_SIMILAR_TRACKS, REC_TOPK
from jobs.recommendations.steps.filters import eligible_users, hidden_tracks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.contract import Table

EXAMPLES_PER_RULE = 3
_MOOD_LIST = ["user_id", "valence_cell", "arousal_cell"]


def row_violations(
    lists: DataFrame,
    similar: DataFrame,
    of_moods: DataFrame,
    tracks: DataFrame,
    users: DataFrame,
    feedback: DataFrame,
    night: Night,
) -> dict[tuple[str, str], DataFrame]:
    """For each row rule, as (rule, table): the rows that break it.

    Args:
        lists: the staged rec_topk.
        similar: the staged rec_similar_tracks.
        of_moods: the staged rec_mood, with a list for each user and cell.
        tracks: core_tracks as of the night.
        users: core_users as of the night.
        feedback: core_feedback until the night.
        night: gives the limit of tracks by one artist.
    """
    available = tracks.where("is_available").select("track_id")
    hidden, eligible = hidden_tracks(feedback), eligible_users(users)
    topk, similar_name, mood = REC_TOPK.name, REC_SIMILAR_TRACKS.name, REC_MOOD.name
    neighbours = similar.select(F.col("similar_track_id").alias("track_id"))
    return {
        ("duplicate_keys_topk", topk): _duplicates(lists, ["user_id", "track_id"]),
        ("duplicate_keys_similar", similar_name): _duplicates(
            similar, ["track_id", "similar_track_id"]
        ),
        ("rank_holes_topk", topk): _rank_holes(lists, ["user_id"]),
        ("rank_holes_similar", similar_name): _rank_holes(similar, ["track_id"]),
        ("unavailable_tracks_topk", topk): _not_in(lists, available, ["track_id"]),
        ("unavailable_tracks_similar", similar_name): _not_in(neighbours, available, ["track_id"]),
        ("hidden_tracks_topk", topk): _among(lists, hidden),
        ("opted_out_or_unknown_people", topk): _not_in(lists, eligible, ["user_id"]),
        ("tracks_over_artist_limit", topk): _over_artist_limit(lists, ["user_id"], night),
        ("duplicate_keys_mood", mood): _duplicates(of_moods, [*_MOOD_LIST, "track_id"]),
        ("rank_holes_mood", mood): _rank_holes(of_moods, _MOOD_LIST),
        ("unavailable_tracks_mood", mood): _not_in(of_moods, available, ["track_id"]),
        ("hidden_tracks_mood", mood): _among(of_moods, hidden),
        ("opted_out_or_unknown_people_mood", mood): _not_in(of_moods, eligible, ["user_id"]),
        ("tracks_over_artist_limit_mood", mood): _over_artist_limit(of_moods, _MOOD_LIST, night),
    }


def row_metrics(violations: dict[tuple[str, str], DataFrame]) -> list[GateMetric]:
    """Count the violations of all rules in one Spark job; a violation becomes (rule, JSON row)."""
    described = [
        rows.select(F.lit(rule).alias("rule"), F.to_json(F.struct(*rows.columns)).alias("row"))
        for (rule, _), rows in violations.items()
    ]
    found = (
        reduce(lambda one, other: one.unionByName(other), described)
        .groupBy("rule")
        .agg(
            F.count("*").alias("rows"),
            F.slice(F.sort_array(F.collect_list("row")), 1, EXAMPLES_PER_RULE).alias("examples"),
        )
        .collect()
    )
    broken = {row["rule"]: row for row in found}
    return [
        GateMetric(
            rule=rule,
            table_name=table_name,
            value=broken[rule]["rows"] if rule in broken else 0,
            high=0,
            examples="; ".join(broken[rule]["examples"]) if rule in broken else "",
            is_absolute=True,
        )
        for rule, table_name in violations
    ]


def erased_people(rule: str, table: Table, lists: DataFrame, night: Night) -> GateMetric:
    """Number of people on the suppression list who have a list; the metric shows no example."""
    suppression_list = load_suppression_list(night.settings)
    found = 0
    if suppression_list:
        user_ids = lists.select("user_id").distinct().toArrow()["user_id"].to_pylist()
        found = sum(suppression_list.matches(user_id) for user_id in user_ids)
    return GateMetric(rule, table.name, found, high=0, is_absolute=True)


def _duplicates(rows: DataFrame, key: list[str]) -> DataFrame:
    return rows.groupBy(*key).agg(F.count("*").alias("rows")).where(F.col("rows") > 1)


def _rank_holes(rows: DataFrame, list_key: list[str]) -> DataFrame:
    """Lists whose ranks are not exactly 1 to their length."""
    ranks = rows.groupBy(*list_key).agg(
        F.count("*").alias("rows"),
        F.countDistinct("rank").alias("ranks"),
        F.min("rank").alias("first"),
        F.max("rank").alias("last"),
    )
    is_whole = (
        (F.col("first") == 1) & (F.col("last") == F.col("rows")) & (F.col("ranks") == F.col("rows"))
    )
    return ranks.where(~is_whole)


def _not_in(rows: DataFrame, allowed: DataFrame, key: list[str]) -> DataFrame:
    return rows.join(allowed, on=key, how="left_anti")


def _among(rows: DataFrame, pairs: DataFrame) -> DataFrame:
    return rows.join(pairs, on=["user_id", "track_id"], how="left_semi")


def _over_artist_limit(lists: DataFrame, list_key: list[str], night: Night) -> DataFrame:
    tracks = lists.groupBy(*list_key, "artist_id").agg(F.count("*").alias("tracks"))
    return tracks.where(F.col("tracks") > night.settings.lists.max_per_artist)

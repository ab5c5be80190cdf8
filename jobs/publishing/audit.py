"""What the gates judge: figures about the staged rec_ tables, each with the bound it must keep.

Those about the graph are in jobs/publishing/graph_audit.py.
Row rules look for rows that must not be there and are absolute; all of them together are one Spark
job. Population rules have thresholds in `Settings.gates`.
"""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.lake import spark_io
from feature_store.lake.delta_tables import open_table
from feature_store.lake.storage import open_storage
from feature_store.privacy.suppression import suppressed
from feature_store.publishing.gates import Measure
from feature_store.publishing.snapshot import Pin, Snapshot
from feature_store.settings import Night
from feature_store.tables import table_called
from feature_store.tables.core import CORE_FEEDBACK, CORE_TRACKS, CORE_USERS
from feature_store.tables.features import FEAT_AUDIO, FEAT_COVER, FEAT_LYRICS, FEAT_TRACK_TAGS
from feature_store.tables.graph import GRAPH_TRACK_HAS_TAG
from feature_store.tables.recommendations import REC_CHANGES, REC_SIMILAR_TRACKS, REC_TOPK
from jobs.landing.manifests import closed_days, read_manifest
from jobs.publishing.graph_audit import graph_measures
from jobs.recommendations.steps.filters import eligible_users, hidden_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession

    from feature_store.contract import Table

_EXAMPLES = 3


def measures(
    spark: SparkSession, night: Night, pins: Sequence[Pin], current: Snapshot | None
) -> list[Measure]:
    """Every figure of the night that a gate judges."""
    lake = night.settings.lake
    lists = _staged(spark, night, REC_TOPK.name, pins)
    similar = _staged(spark, night, REC_SIMILAR_TRACKS.name, pins)
    tracks = spark_io.read(spark, lake, CORE_TRACKS, as_of=night.as_of)
    users = spark_io.read(spark, lake, CORE_USERS, as_of=night.as_of)
    feedback = spark_io.read_history(spark, lake, CORE_FEEDBACK, until=night.as_of)
    broken = broken_rows(lists, similar, tracks, users, feedback, night)
    return [
        *_row_rules(broken),
        _erased_people(lists, night),
        *list_rules(lists, eligible_users(users), tracks, night),
        tier_shift(lists, _seen_lists(spark, current), night),
        *_modality_coverage(spark, tracks, night),
        *graph_measures(spark, night, current),
        _churn(_staged(spark, night, REC_CHANGES.name, pins), lists, night),
        _freshness(night),
        *_row_counts(pins, current, night),
        _columns_lost(pins, current, lake),
    ]


def broken_rows(
    lists: DataFrame,
    similar: DataFrame,
    tracks: DataFrame,
    users: DataFrame,
    feedback: DataFrame,
    night: Night,
) -> dict[tuple[str, str], DataFrame]:
    """For each row rule (rule, table): the rows that break it."""
    available = tracks.where("is_available").select("track_id")
    topk, alike = REC_TOPK.name, REC_SIMILAR_TRACKS.name
    neighbours = similar.select(F.col("similar_track_id").alias("track_id"))
    return {
        ("duplicate_keys_topk", topk): _twice(lists, ["user_id", "track_id"]),
        ("duplicate_keys_similar", alike): _twice(similar, ["track_id", "similar_track_id"]),
        ("rank_holes_topk", topk): _rank_holes(lists, "user_id"),
        ("rank_holes_similar", alike): _rank_holes(similar, "track_id"),
        ("unavailable_tracks_topk", topk): _without(lists, available, ["track_id"]),
        ("unavailable_tracks_similar", alike): _without(neighbours, available, ["track_id"]),
        ("hidden_tracks_topk", topk): lists.join(
            hidden_pairs(feedback), on=["user_id", "track_id"], how="left_semi"
        ),
        ("opted_out_or_unknown_people", topk): _without(lists, eligible_users(users), ["user_id"]),
        ("tracks_over_artist_limit", topk): _over_artist_limit(lists, night),
    }


def _staged(spark: SparkSession, night: Night, name: str, pins: Sequence[Pin]) -> DataFrame:
    [version] = [pin.table_version for pin in pins if pin.table_name == name]
    return spark_io.read(
        spark, night.settings.lake, table_called(name), as_of=night.as_of, version=version
    )


def _row_rules(broken: dict[tuple[str, str], DataFrame]) -> list[Measure]:
    """One Spark job for all rules: each broken row becomes (rule, the row as JSON)."""
    described = [
        rows.select(F.lit(rule).alias("rule"), F.to_json(F.struct(*rows.columns)).alias("row"))
        for (rule, _), rows in broken.items()
    ]
    found = (
        reduce(lambda one, other: one.unionByName(other), described)
        .groupBy("rule")
        .agg(
            F.count("*").alias("rows"),
            F.slice(F.sort_array(F.collect_list("row")), 1, _EXAMPLES).alias("examples"),
        )
        .collect()
    )
    seen = {row["rule"]: row for row in found}
    return [
        Measure(
            rule=rule,
            table_name=table_name,
            value=seen[rule]["rows"] if rule in seen else 0,
            high=0,
            examples="; ".join(seen[rule]["examples"]) if rule in seen else "",
            is_absolute=True,
        )
        for rule, table_name in broken
    ]


def _erased_people(lists: DataFrame, night: Night) -> Measure:
    """People on the suppression list who have a list all the same; the measure names none."""
    erased = suppressed(night.settings)
    found = 0
    if erased:
        people = lists.select("user_id").distinct().toArrow()["user_id"].to_pylist()
        found = sum(erased.is_meant(user_id) for user_id in people)
    return Measure("erased_people_topk", REC_TOPK.name, found, high=0, is_absolute=True)


def _twice(rows: DataFrame, key: list[str]) -> DataFrame:
    return rows.groupBy(*key).agg(F.count("*").alias("rows")).where(F.col("rows") > 1)


def _rank_holes(rows: DataFrame, list_key: str) -> DataFrame:
    """Lists whose ranks are not exactly 1 to their length."""
    ranks = rows.groupBy(list_key).agg(
        F.count("*").alias("rows"),
        F.countDistinct("rank").alias("ranks"),
        F.min("rank").alias("first"),
        F.max("rank").alias("last"),
    )
    is_whole = (
        (F.col("first") == 1) & (F.col("last") == F.col("rows")) & (F.col("ranks") == F.col("rows"))
    )
    return ranks.where(~is_whole)


def _without(rows: DataFrame, allowed: DataFrame, key: list[str]) -> DataFrame:
    return rows.join(allowed, on=key, how="left_anti")


def _over_artist_limit(lists: DataFrame, night: Night) -> DataFrame:
    tracks = lists.groupBy("user_id", "artist_id").agg(F.count("*").alias("tracks"))
    return tracks.where(F.col("tracks") > night.settings.lists.max_per_artist)


def list_rules(
    lists: DataFrame, eligible: DataFrame, tracks: DataFrame, night: Night
) -> list[Measure]:
    """Shares over all lists; a night without any list has the worst of them, and no error."""
    bounds = night.settings.gates
    length = night.settings.lists.length
    totals = (
        lists.agg(
            F.count("*").alias("rows"),
            F.count_if(F.col("tier") == "popular").alias("popular"),
            F.count_if(F.col("rank") == length).alias("full"),
            F.countDistinct("track_id").alias("tracks"),
        )
        .crossJoin(eligible.agg(F.count("*").alias("people")))
        .crossJoin(tracks.where("is_available").agg(F.count("*").alias("available")))
        .first()
    )
    if totals is None:  # three aggregates without groups always give their one row
        raise AssertionError
    possible = min(length, totals["available"])
    full = _ratio(totals["full"], totals["people"]) if possible == length else 1.0
    return [
        Measure("full_list_ratio", REC_TOPK.name, full, low=bounds.min_full_list_ratio),
        Measure(
            "popular_tier_ratio",
            REC_TOPK.name,
            _ratio(totals["popular"], totals["rows"]),
            high=bounds.max_popular_tier_ratio,
        ),
        Measure(
            "catalogue_coverage_ratio",
            REC_TOPK.name,
            _ratio(totals["tracks"], totals["available"]),
            low=bounds.min_catalogue_coverage_ratio,
        ),
    ]


def tier_shift(lists: DataFrame, seen: DataFrame | None, night: Night) -> Measure:
    """How much of the lists changed its tier: half the sum of |share now - share before|.

    Example: 80 % personal and 20 % warm before, 50 % and 50 % now: .3. Nothing to compare with: 0.
    """
    now = _tier_shares(lists)
    before = _tier_shares(seen) if seen is not None else now
    tiers = {*now, *before}
    return Measure(
        "tier_shift_ratio",
        REC_TOPK.name,
        sum(abs(now.get(tier, 0.0) - before.get(tier, 0.0)) for tier in tiers) / 2,
        high=night.settings.gates.max_tier_shift_ratio,
    )


def _tier_shares(lists: DataFrame) -> dict[str, float]:
    rows = {row["tier"]: row["count"] for row in lists.groupBy("tier").count().collect()}
    return {tier: count / sum(rows.values()) for tier, count in rows.items()}


def _seen_lists(spark: SparkSession, current: Snapshot | None) -> DataFrame | None:
    """The lists that readers have now."""
    if current is None:
        return None
    version = current.version_of(REC_TOPK)
    return spark_io.read(spark, current.lake, REC_TOPK, as_of=current.as_of, version=version)


def _modality_coverage(spark: SparkSession, tracks: DataFrame, night: Night) -> list[Measure]:
    """Of the tracks that have content of a kind: the share whose features could be computed."""
    encoders = night.settings.encoders
    kinds = (
        ("audio", FEAT_AUDIO, encoders.audio),
        ("lyrics", FEAT_LYRICS, encoders.lyrics),
        ("cover", FEAT_COVER, encoders.cover),
    )
    found = [_tagged_tracks(spark, tracks, night)]
    for kind, table, encoder_id in kinds:
        features = spark_io.read(spark, night.settings.lake, table)
        computed = features.where(
            (F.col("encoder_id") == encoder_id) & F.col("failure_reason").isNull()
        ).select(F.col("content_hash").alias(f"{kind}_hash"))
        having = tracks.where(F.col(f"{kind}_hash").isNotNull())
        found.append(_counted(having, computed.distinct(), f"{kind}_hash", kind))
    rows = reduce(lambda one, other: one.unionByName(other), found).collect()
    return [
        Measure(
            f"{row['kind']}_coverage_ratio",
            f"feat_{row['kind']}",
            _ratio(row["computed"] or 0, row["tracks"]),
            low=night.settings.gates.min_modality_coverage_ratio,
        )
        for row in rows
    ]


def _tagged_tracks(spark: SparkSession, tracks: DataFrame, night: Night) -> DataFrame:
    """Tracks with a tag, and how many of them have a vector made of their tags."""
    lake, as_of = night.settings.lake, night.as_of
    tagged = spark_io.read(spark, lake, GRAPH_TRACK_HAS_TAG, as_of=as_of)
    computed = spark_io.read(spark, lake, FEAT_TRACK_TAGS, as_of=as_of).select("track_id")
    having = tracks.join(tagged, on="track_id", how="left_semi")
    return _counted(having, computed, "track_id", "tags")


def _counted(having: DataFrame, computed: DataFrame, key: str, kind: str) -> DataFrame:
    """One row: tracks of `having`, and those of them that `computed`, unique by key, has too."""
    features = computed.withColumn("has_features", F.lit(1))
    return (
        having.join(features, on=key, how="left")
        .agg(F.count("*").alias("tracks"), F.sum("has_features").alias("computed"))
        .withColumn("kind", F.lit(kind))
    )


def _churn(changes: DataFrame, lists: DataFrame, night: Night) -> Measure:
    entered = changes.where(F.col("change") == "entered").count()
    return Measure(
        "churn_ratio",
        REC_CHANGES.name,
        _ratio(entered, lists.count()) if entered else 0.0,
        high=night.settings.gates.max_churn_ratio,
    )


def _freshness(night: Night) -> Measure:
    storage = open_storage(night.settings.lake)
    arrived = [
        day
        for day in closed_days(storage)
        if day <= night.as_of and read_manifest(storage, day).files
    ]
    newest = max(arrived, default=night.as_of - timedelta(days=36_500))
    return Measure(
        "days_without_arrivals",
        "raw_rejects",
        (night.as_of - newest).days,
        high=night.settings.gates.max_days_without_arrivals,
    )


def _row_counts(pins: Sequence[Pin], current: Snapshot | None, night: Night) -> list[Measure]:
    """Rows against what readers have now; rec_changes is left out, an unchanged list has none."""
    earlier = {pin.table_name: pin.row_count for pin in current.event.tables} if current else {}
    lowest = 1 - night.settings.gates.max_row_drop_ratio
    return [
        Measure(
            f"row_count_ratio_{pin.table_name}",
            pin.table_name,
            _ratio(pin.row_count, earlier.get(pin.table_name, pin.row_count)),
            low=lowest,
        )
        for pin in pins
        if pin.table_name != REC_CHANGES.name
    ]


def _columns_lost(pins: Sequence[Pin], current: Snapshot | None, lake: str) -> Measure:
    """Columns that readers have now and would miss, or find with another type."""
    lost = []
    for pin in pins:
        table = table_called(pin.table_name)
        if current is None or table.name not in {old.table_name for old in current.event.tables}:
            continue
        staged = _column_types(lake, table, pin.table_version)
        lost += [
            f"{table.name}.{name}"
            for name, kind in _column_types(lake, table, current.version_of(table)).items()
            if staged.get(name) != kind
        ]
    return Measure(
        "columns_lost",
        REC_TOPK.name,
        len(lost),
        high=0,
        examples="; ".join(lost[:_EXAMPLES]),
        is_absolute=True,
    )


def _column_types(lake: str, table: Table, version: int) -> dict[str, str]:
    fields = open_table(lake, table, version).schema().fields
    return {field.name: str(field.type) for field in fields}


def _ratio(part: float, whole: float) -> float:
    """Part / whole; 1 of nothing, which is neither short nor missing."""
    return part / whole if whole else 1.0

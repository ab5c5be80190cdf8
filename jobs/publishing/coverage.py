"""Modality coverage: the share of tracks with audio, lyrics, cover or tags that have features."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.lake import spark_io
from feature_store.lake.encoder_rows import spark_rows
from feature_store.publishing.gates import GateMetric
from feature_store.settings import Night
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_COVER,
    FEAT_ENCODERS,
    FEAT_LYRICS,
    FEAT_TRACK_TAGS,
)
from feature_store.tables.graph import GRAPH_TRACK_HAS_TAG
from jobs.publishing.population_rules import ratio

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def coverage_metrics(spark: SparkSession, tracks: DataFrame, night: Night) -> list[GateMetric]:
    """For each modality: the share of the tracks with such content whose features exist."""
    lake = night.settings.lake
    encoders = spark_io.read(spark, lake, FEAT_ENCODERS, as_of=night.as_of)
    counts = [_tag_counts(spark, tracks, night)]
    for modality, table in (("audio", FEAT_AUDIO), ("lyrics", FEAT_LYRICS), ("cover", FEAT_COVER)):
        features = spark_rows(spark_io.read(spark, lake, table), encoders, table)
        computed = features.where(F.col("failure_reason").isNull()).select(
            F.col("content_hash").alias(f"{modality}_hash")
        )
        with_content = tracks.where(F.col(f"{modality}_hash").isNotNull())
        counts.append(_counts(with_content, computed, f"{modality}_hash", modality))
    rows = reduce(lambda one, other: one.unionByName(other), counts).collect()
    return [
        GateMetric(
            f"{row['modality']}_coverage_ratio",
            f"feat_{row['modality']}",
            ratio(row["computed"] or 0, row["tracks"]),
            low=night.settings.gates.min_modality_coverage_ratio,
        )
        for row in rows
    ]


def _tag_counts(spark: SparkSession, tracks: DataFrame, night: Night) -> DataFrame:
    """Counts of tracks with a tag, and of those with a tag vector."""
    lake, as_of = night.settings.lake, night.as_of
    tagged = spark_io.read(spark, lake, GRAPH_TRACK_HAS_TAG, as_of=as_of)
    computed = spark_io.read(spark, lake, FEAT_TRACK_TAGS, as_of=as_of).select("track_id")
    with_content = tracks.join(tagged, on="track_id", how="left_semi")
    return _counts(with_content, computed, "track_id", "tags")


def _counts(with_content: DataFrame, computed: DataFrame, key: str, modality: str) -> DataFrame:
    """One row: number of tracks with content, and of those among them that are in `computed`.

    `computed` is unique by `key`.
    """
    features = computed.withColumn("has_features", F.lit(1))
    return (
        with_content.join(features, on=key, how="left")
        .agg(F.count("*").alias("tracks"), F.sum("has_features").alias("computed"))
        .withColumn("modality", F.lit(modality))
    )

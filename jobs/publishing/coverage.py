"""Modality coverage: the share of tracks with audio, lyrics, cover or tags that have features.

Content that is pending, because the lake did not hold it when it was to be encoded, has no row in
its feature table. It lacks features here; its tracks are counted in the gate's message and the log.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import structlog
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
    from pyspark.sql import DataFrame, Row, SparkSession

LOG = structlog.get_logger()


def coverage_metrics(spark: SparkSession, tracks: DataFrame, night: Night) -> list[GateMetric]:
    """For each modality: the share of the tracks with such content whose features exist."""
    lake = night.settings.lake
    encoders = spark_io.read(spark, lake, FEAT_ENCODERS, as_of=night.as_of)
    counts = [_tag_counts(spark, tracks, night)]
    for modality, table in (("audio", FEAT_AUDIO), ("lyrics", FEAT_LYRICS), ("cover", FEAT_COVER)):
        features = spark_rows(spark_io.read(spark, lake, table), encoders, table)
        encoded = features.select(
            F.col("content_hash").alias(f"{modality}_hash"),
            F.col("failure_reason").isNull().cast("int").alias("has_features"),
        )
        with_content = tracks.where(F.col(f"{modality}_hash").isNotNull())
        counts.append(_counts(with_content, encoded, f"{modality}_hash", modality))
    rows = reduce(lambda one, other: one.unionByName(other), counts).collect()
    return [
        GateMetric(
            f"{row['modality']}_coverage_ratio",
            f"feat_{row['modality']}",
            ratio(row["computed"] or 0, row["tracks"]),
            low=night.settings.gates.min_modality_coverage_ratio,
            examples=_pending_tracks(row),
        )
        for row in rows
    ]


def _pending_tracks(row: Row) -> str:
    """How many tracks have content without a row, for the gate's message; logged, too."""
    if row["modality"] == "tags" or not row["pending"]:
        return ""
    LOG.warning("content is pending", modality=row["modality"], tracks=row["pending"])
    return f"{row['pending']} tracks whose {row['modality']} was not in the lake"


def _tag_counts(spark: SparkSession, tracks: DataFrame, night: Night) -> DataFrame:
    """Counts of tracks with a tag, and of those with a tag vector."""
    lake, as_of = night.settings.lake, night.as_of
    tagged = spark_io.read(spark, lake, GRAPH_TRACK_HAS_TAG, as_of=as_of)
    computed = spark_io.read(spark, lake, FEAT_TRACK_TAGS, as_of=as_of).select(
        "track_id", F.lit(1).alias("has_features")
    )
    with_content = tracks.join(tagged, on="track_id", how="left_semi")
    return _counts(with_content, computed, "track_id", "tags")


def _counts(with_content: DataFrame, encoded: DataFrame, key: str, modality: str) -> DataFrame:
    """One row: tracks with content, those of them with features, and those without a row.

    `encoded` is unique by `key`; its `has_features` is 1 or 0.
    """
    return (
        with_content.join(encoded, on=key, how="left")
        .agg(
            F.count("*").alias("tracks"),
            F.sum("has_features").alias("computed"),
            F.count_if(F.col("has_features").isNull()).alias("pending"),
        )
        .withColumn("modality", F.lit(modality))
    )

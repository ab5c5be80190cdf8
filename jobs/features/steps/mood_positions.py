"""Positions of tracks on the plane of valence and arousal, by the map of a night.

Workers place the tracks in buckets, with feature_store/mood_plane.py, which also places what
listeners write: one rule for both.
"""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.mood_plane import DIMENSIONS, EMOTION_SOURCES, MoodPlane, cells_of

PLACED_DDL = (
    "track_id STRING, emotion_sources STRING, valence_combined DOUBLE, arousal_combined DOUBLE, "
    "valence_position DOUBLE, arousal_position DOUBLE, valence_cell INT, arousal_cell INT"
)

_N_BUCKETS = 16  # of a million tracks one has 62,500, a few megabytes
_MAP_COLUMNS = ("emotion_source", "dimension", "knots")


def place_tracks(emotions: DataFrame, plane: DataFrame) -> DataFrame:
    """One row (PLACED_DDL) for each track of `emotions`.

    <dimension>_combined is what the sources of a track give together, before the last step of the
    map.

    Args:
        emotions: rows of feat_track_emotion.
        plane: rows of feat_mood_plane; a row that is missing maps by a straight line.
    """
    tracks = _one_row_a_track(emotions).withColumn(
        "bucket", F.pmod(F.xxhash64("track_id"), F.lit(_N_BUCKETS))
    )
    # Each bucket gets the map once, and not each track.
    maps = plane.select(
        *_MAP_COLUMNS, F.explode(F.sequence(F.lit(0), F.lit(_N_BUCKETS - 1))).alias("number")
    ).select(*_MAP_COLUMNS, F.col("number").cast("bigint").alias("bucket"))
    return (
        tracks.groupBy("bucket").cogroup(maps.groupBy("bucket")).applyInArrow(_placed, PLACED_DDL)
    )


def _one_row_a_track(emotions: DataFrame) -> DataFrame:
    """A track's sources, and <source>_<dimension> and ..._sd; null where it lacks the source."""
    estimates = [
        F.max(F.when(F.col("emotion_source") == source, F.col(name))).alias(f"{source}_{name}")
        for source in EMOTION_SOURCES
        for dimension in DIMENSIONS
        for name in (dimension, f"{dimension}_sd")
    ]
    sources = F.array_join(F.array_sort(F.collect_set("emotion_source")), "+")
    return emotions.groupBy("track_id").agg(sources.alias("emotion_sources"), *estimates)


def _placed(tracks: pa.Table, maps: pa.Table) -> pa.Table:
    """The tracks of one bucket with their positions; a bucket without tracks gives no row."""
    plane = MoodPlane.from_rows(maps.select(_MAP_COLUMNS).to_pylist())
    placed = tracks.select(["track_id", "emotion_sources"])
    combined, positions = {}, {}
    for dimension in DIMENSIONS:
        estimates = {source: tracks[f"{source}_{dimension}"] for source in EMOTION_SOURCES}
        sds = {source: tracks[f"{source}_{dimension}_sd"] for source in EMOTION_SOURCES}
        combined[dimension] = plane.combined_positions(
            dimension,
            {source: values.to_numpy() for source, values in estimates.items()},
            {source: values.to_numpy() for source, values in sds.items()},
        )
        positions[dimension] = plane.positions_of_combined(dimension, combined[dimension])
    for name, columns in (("combined", combined), ("position", positions)):
        for dimension, values in columns.items():
            placed = placed.append_column(f"{dimension}_{name}", pa.array(values, pa.float64()))
    for dimension, values in positions.items():
        placed = placed.append_column(f"{dimension}_cell", pa.array(cells_of(values), pa.int32()))
    return placed

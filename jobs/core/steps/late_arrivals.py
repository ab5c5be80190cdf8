"""Rows about tracks count from the day on which both the row and its track are known."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def once_announced(
    new: DataFrame,
    history: DataFrame,
    *,
    new_tracks: DataFrame,
    tracks_before: DataFrame,
    late_track_days: int,
) -> DataFrame:
    """The raw rows that become usable in the slice, with their known_from_date.

    Args:
        new: raw rows of the slice.
        history: every raw row up to as_of; only days from which a row may still wait are read.
        new_tracks: core_tracks rows of the slice.
        tracks_before: core_tracks before the slice.
        late_track_days: a row waits so long for its track and is then left in raw_rejects.
    """
    on_known_tracks = new.join(
        tracks_before.select("track_id"), on="track_id", how="left_semi"
    ).withColumn("known_from_date", F.col("arrival_date"))
    announced = (
        new_tracks.join(tracks_before, on="track_id", how="left_anti")
        .groupBy("track_id")
        .agg(F.min("known_from_date").alias("announced_date"))
    )
    on_new_tracks = _rows_of(announced, history, late_track_days).select(*on_known_tracks.columns)
    return on_known_tracks.unionByName(on_new_tracks)


def _rows_of(announced: DataFrame, history: DataFrame, late_track_days: int) -> DataFrame:
    """Rows of newly announced tracks that came with them or wait for them."""
    # A scalar reaches the Parquet reader, which passes over older days by their statistics.
    waiting_since = announced.agg(F.date_sub(F.min("announced_date"), late_track_days)).scalar()
    waited_days = F.date_diff("announced_date", "arrival_date")
    return (
        history.where(F.col("arrival_date") >= waiting_since)
        .join(announced, on="track_id", how="inner")
        .where(waited_days <= late_track_days)
        .withColumn("known_from_date", F.greatest("arrival_date", "announced_date"))
    )

"""Late arrivals: rows about a track count from the day on which row and track are both known."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def rows_with_known_tracks(
    new: DataFrame,
    history: DataFrame,
    *,
    new_tracks: DataFrame,
    previous_tracks: DataFrame,
    late_track_days: int,
) -> DataFrame:
    """The raw rows that become usable in the slice, with their known_from_date.

    Args:
        new: raw rows of the slice.
        history: every raw row up to as_of; only the last `late_track_days` before a new track are
            read.
        new_tracks: core_tracks rows of the slice.
        previous_tracks: core_tracks before the slice.
        late_track_days: a row waits this many days for its track, then stays in raw_rejects only.
    """
    about_known_tracks = new.join(
        previous_tracks.select("track_id"), on="track_id", how="left_semi"
    ).withColumn("known_from_date", F.col("arrival_date"))
    first_known = (
        new_tracks.join(previous_tracks, on="track_id", how="left_anti")
        .groupBy("track_id")
        .agg(F.min("known_from_date").alias("track_known_from_date"))
    )
    about_new_tracks = _rows_about(first_known, history, late_track_days)
    return about_known_tracks.unionByName(about_new_tracks.select(*about_known_tracks.columns))


def _rows_about(first_known: DataFrame, history: DataFrame, late_track_days: int) -> DataFrame:
    """Rows of new tracks that arrived with their track, after it, or up to so many days before."""
    # A scalar reaches the Parquet reader, which skips older days by their statistics.
    waiting_since = first_known.agg(
        F.date_sub(F.min("track_known_from_date"), late_track_days)
    ).scalar()
    waited_days = F.date_diff("track_known_from_date", "arrival_date")
    return (
        history.where(F.col("arrival_date") >= waiting_since)
        .join(first_known, on="track_id", how="inner")
        .where(waited_days <= late_track_days)
        .withColumn("known_from_date", F.greatest("arrival_date", "track_known_from_date"))
    )

"""Tag counts: how many users gave a track a tag; the graph and feat_track_tags weigh by them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def tag_counts(tags: DataFrame, tracks: DataFrame, *, at_least: int) -> DataFrame:
    """(track_id, tag, tagger_count) of the given tracks, unique by track and tag.

    Args:
        tags: core_tags, which has one row for each track, tag and user.
        tracks: tracks whose tags count.
        at_least: smallest tagger_count that is kept.
    """
    return (
        tags.join(tracks.select("track_id"), on="track_id", how="left_semi")
        .groupBy("track_id", "tag")
        .agg(F.count("tag_event_id").alias("tagger_count"))
        .where(F.col("tagger_count") >= at_least)
    )

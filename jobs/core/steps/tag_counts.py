"""How many gave a track a tag: the graph's edge, and the tag's weight in the track's features."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def tagger_counts(tags: DataFrame, tracks: DataFrame, *, at_least: int) -> DataFrame:
    """(track_id, tag, tagger_count) of announced tracks; unique by track and tag.

    Tags of a track that fewer than `at_least` gave are left out.

    core_tags holds each tagger of a track and tag once, so its rows are taggers.
    """
    return (
        tags.join(tracks.select("track_id"), on="track_id", how="left_semi")
        .groupBy("track_id", "tag")
        .agg(F.count("tag_event_id").alias("tagger_count"))
        .where(F.col("tagger_count") >= at_least)
    )

"""core_tags: who gave which track which tag, once.

A tag may be known before its track; the graph takes it up when the track is there.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS
from feature_store.tables.raw import RAW_TAGS
from jobs.core.steps.deduplication import event_id, first_received
from jobs.inputs import Before, New

INPUTS = (New(RAW_TAGS), Before(CORE_TAGS))
OUTPUT = CORE_TAGS


def build(new: DataFrame, before: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The first received of each track, tag and tagger; a null tagger is the catalogue."""
    identified = new.withColumns(
        {
            "tag_event_id": event_id(F.col("track_id"), F.col("tag"), F.col("user_id")),
            "known_from_date": F.col("arrival_date"),
        }
    )
    return (
        first_received(identified, by=["tag_event_id"])
        .join(before.select("tag_event_id"), on="tag_event_id", how="left_anti")
        .select(*OUTPUT.column_names)
    )

"""core_tags: tags that users or the catalogue gave to tracks, without duplicates.

A tag may be known before its track; the graph adds the tag once the catalogue has the track.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS
from feature_store.tables.raw import RAW_TAGS
from jobs.core.steps.deduplication import event_id, keep_first_received
from jobs.inputs import NewRows, PreviousState

INPUTS = (NewRows(RAW_TAGS), PreviousState(CORE_TAGS))
OUTPUT = CORE_TAGS


def build(new: DataFrame, previous: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The first received row of each track, tag and user; a null user is the catalogue."""
    identified = new.withColumns(
        {
            "tag_event_id": event_id(F.col("track_id"), F.col("tag"), F.col("user_id")),
            "known_from_date": F.col("arrival_date"),
        }
    )
    return (
        keep_first_received(identified, by=["tag_event_id"])
        .join(previous.select("tag_event_id"), on="tag_event_id", how="left_anti")
        .select(*OUTPUT.column_names)
    )

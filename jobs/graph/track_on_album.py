"""graph_track_on_album: which album a track is on, by the newest metadata."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.graph import GRAPH_TRACK_ON_ALBUM
from jobs.inputs import Known

INPUTS = (Known(CORE_TRACKS),)
OUTPUT = GRAPH_TRACK_ON_ALBUM


def build(tracks: DataFrame, *, night: Night) -> DataFrame:
    """One row for each track on an album, withdrawn ones too: they are nodes of the graph."""
    return (
        tracks.where(F.col("album_id").isNotNull())
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )

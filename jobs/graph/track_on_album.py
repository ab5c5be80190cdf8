"""graph_track_on_album: edges between tracks and albums, by the newest metadata."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.graph import GRAPH_TRACK_ON_ALBUM
from jobs.inputs import AsOf

INPUTS = (AsOf(CORE_TRACKS),)
OUTPUT = GRAPH_TRACK_ON_ALBUM


def build(tracks: DataFrame, *, night: Night) -> DataFrame:
    """One row for each track with an album; withdrawn tracks are nodes of the graph too."""
    return (
        tracks.where(F.col("album_id").isNotNull())
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )

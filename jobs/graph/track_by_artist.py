"""graph_track_by_artist: edges between tracks and artists, by the newest metadata."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.graph import GRAPH_TRACK_BY_ARTIST
from jobs.inputs import AsOf

INPUTS = (AsOf(CORE_TRACKS),)
OUTPUT = GRAPH_TRACK_BY_ARTIST


def build(tracks: DataFrame, *, night: Night) -> DataFrame:
    """One row for each track; withdrawn tracks are nodes of the graph too."""
    return tracks.withColumn("as_of_date", F.lit(night.as_of)).select(*OUTPUT.column_names)

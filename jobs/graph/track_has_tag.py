"""graph_track_has_tag: edges between tracks and tags, with the number of taggers."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS, CORE_TRACKS
from feature_store.tables.graph import GRAPH_TRACK_HAS_TAG
from jobs.core.steps.tag_counts import tag_counts
from jobs.inputs import AsOf, History

INPUTS = (History(CORE_TAGS), AsOf(CORE_TRACKS))
OUTPUT = GRAPH_TRACK_HAS_TAG


def build(tags: DataFrame, tracks: DataFrame, *, night: Night) -> DataFrame:
    """One row for each tag of a catalogue track with enough taggers."""
    counted = tag_counts(tags, tracks, at_least=night.settings.graph.min_tagger_count)
    return counted.withColumn("as_of_date", F.lit(night.as_of)).select(*OUTPUT.column_names)

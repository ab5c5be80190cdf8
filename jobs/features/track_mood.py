"""feat_track_mood: the position and the cell of each track on the plane of valence and arousal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.tables.features import FEAT_MOOD_PLANE, FEAT_TRACK_EMOTION, FEAT_TRACK_MOOD
from jobs.features.steps.mood_positions import place_tracks
from jobs.inputs import AsOf

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Night

INPUTS = (AsOf(FEAT_TRACK_EMOTION), AsOf(FEAT_MOOD_PLANE))
OUTPUT = FEAT_TRACK_MOOD


def build(emotions: DataFrame, plane: DataFrame, *, night: Night) -> DataFrame:
    """One row for each track with an emotion, available or not."""
    return (
        place_tracks(emotions, plane)
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )

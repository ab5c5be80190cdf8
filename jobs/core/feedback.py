"""core_feedback: the last button of each pair that a person pressed on a track on a day."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_FEEDBACK, CORE_TRACKS
from feature_store.tables.raw import RAW_FEEDBACK
from jobs.core.steps.late_arrivals import once_announced
from jobs.inputs import Before, History, New

INPUTS = (New(RAW_FEEDBACK), History(RAW_FEEDBACK), New(CORE_TRACKS), Before(CORE_TRACKS))
OUTPUT = CORE_FEEDBACK


def build(
    new: DataFrame,
    history: DataFrame,
    new_tracks: DataFrame,
    tracks_before: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """Of like and unlike, and of hide and unhide, the one pressed last; then received last."""
    usable = once_announced(
        new,
        history,
        new_tracks=new_tracks,
        tracks_before=tracks_before,
        late_track_days=night.settings.late_track_days,
    )
    button_pair = F.regexp_replace("feedback_action", "^un", "")  # unlike takes like back
    pressed_last = F.struct("given_at_utc", "arrival_date", "source_file", "source_row")
    last = F.max_by(F.struct("feedback_action", "given_at_utc"), pressed_last)
    return (
        usable.withColumn("button_pair", button_pair)
        .groupBy("user_id", "track_id", "button_pair", "known_from_date")
        .agg(last.alias("last"))
        .select("*", "last.*")
        .select(*OUTPUT.column_names)
    )

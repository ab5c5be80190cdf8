"""core_feedback: the last like or unlike, and the last hide or unhide, of a user, track and day."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_FEEDBACK, CORE_TRACKS
from feature_store.tables.raw import RAW_FEEDBACK
from jobs.core.steps.late_arrivals import rows_with_known_tracks
from jobs.inputs import History, NewRows, PreviousState

INPUTS = (
    NewRows(RAW_FEEDBACK),
    History(RAW_FEEDBACK),
    NewRows(CORE_TRACKS),
    PreviousState(CORE_TRACKS),
)
OUTPUT = CORE_FEEDBACK


def build(
    new: DataFrame,
    history: DataFrame,
    new_tracks: DataFrame,
    previous_tracks: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """The last action of each pair by given_at_utc; of equal times the one received last."""
    usable = rows_with_known_tracks(
        new,
        history,
        new_tracks=new_tracks,
        previous_tracks=previous_tracks,
        late_track_days=night.settings.late_track_days,
    )
    action_pair = F.regexp_replace("feedback_action", "^un", "")  # unlike takes like back
    recency = F.struct("given_at_utc", "arrival_date", "source_file", "source_row")
    last = F.max_by(F.struct("feedback_action", "given_at_utc"), recency)
    return (
        usable.withColumn("action_pair", action_pair)
        .groupBy("user_id", "track_id", "action_pair", "known_from_date")
        .agg(last.alias("last"))
        .select("*", "last.*")
        .select(*OUTPUT.column_names)
    )

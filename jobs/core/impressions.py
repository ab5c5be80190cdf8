"""core_impressions: tracks that players showed to listeners, without duplicates.

A duplicate became known no earlier than the day on which its track was shown, so the job does not
read older days.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_IMPRESSIONS, CORE_TRACKS
from feature_store.tables.raw import RAW_IMPRESSIONS
from jobs.core.steps.deduplication import keep_first_received
from jobs.core.steps.late_arrivals import rows_with_known_tracks
from jobs.inputs import History, NewRows, PreviousState

INPUTS = (
    NewRows(RAW_IMPRESSIONS),
    History(RAW_IMPRESSIONS),
    NewRows(CORE_TRACKS),
    PreviousState(CORE_TRACKS),
    PreviousState(CORE_IMPRESSIONS),
)
OUTPUT = CORE_IMPRESSIONS


def build(
    new: DataFrame,
    history: DataFrame,
    new_tracks: DataFrame,
    previous_tracks: DataFrame,
    previous: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """The impressions that became known in the slice; an impression sent twice counts once."""
    usable = rows_with_known_tracks(
        new,
        history,
        new_tracks=new_tracks,
        previous_tracks=previous_tracks,
        late_track_days=night.settings.late_track_days,
    )
    once = keep_first_received(usable, by=OUTPUT.key)
    # A scalar reaches the Parquet reader, which skips older days by their statistics.
    oldest = once.agg(F.to_date(F.min("shown_at_utc"))).scalar()
    known = previous.where(F.col("known_from_date") >= oldest)
    unwritten = once.join(known.select(*OUTPUT.key), on=list(OUTPUT.key), how="left_anti")
    return unwritten.select(*OUTPUT.column_names)

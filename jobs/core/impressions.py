"""core_impressions: what stood before whom and when, each once.

A copy became known no earlier than the day on which its track was shown: older days are not read.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_IMPRESSIONS, CORE_TRACKS
from feature_store.tables.raw import RAW_IMPRESSIONS
from jobs.core.steps.deduplication import first_received
from jobs.core.steps.late_arrivals import once_announced
from jobs.inputs import Before, History, New

INPUTS = (
    New(RAW_IMPRESSIONS),
    History(RAW_IMPRESSIONS),
    New(CORE_TRACKS),
    Before(CORE_TRACKS),
    Before(CORE_IMPRESSIONS),
)
OUTPUT = CORE_IMPRESSIONS


def build(
    new: DataFrame,
    history: DataFrame,
    new_tracks: DataFrame,
    tracks_before: DataFrame,
    before: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """The impressions that became known in the slice; one that is sent twice counts once."""
    usable = once_announced(
        new,
        history,
        new_tracks=new_tracks,
        tracks_before=tracks_before,
        late_track_days=night.settings.late_track_days,
    )
    once = first_received(usable, by=OUTPUT.key)
    # A scalar reaches the Parquet reader, which passes over older days by their statistics.
    oldest = once.agg(F.to_date(F.min("shown_at_utc"))).scalar()
    known = before.where(F.col("known_from_date") >= oldest)
    unwritten = once.join(known.select(*OUTPUT.key), on=list(OUTPUT.key), how="left_anti")
    return unwritten.select(*OUTPUT.column_names)

"""core_listen_counts: how often who heard what, where the source keeps no times."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.core import CORE_LISTEN_COUNTS, CORE_TRACKS
from feature_store.tables.raw import RAW_LISTEN_COUNTS
from jobs.core.steps.deduplication import last_received
from jobs.core.steps.late_arrivals import once_announced
from jobs.core.steps.versions import new_versions
from jobs.inputs import Before, History, New

INPUTS = (
    New(RAW_LISTEN_COUNTS),
    History(RAW_LISTEN_COUNTS),
    New(CORE_TRACKS),
    Before(CORE_TRACKS),
    Before(CORE_LISTEN_COUNTS),
)
OUTPUT = CORE_LISTEN_COUNTS


def build(
    new: DataFrame,
    history: DataFrame,
    new_tracks: DataFrame,
    tracks_before: DataFrame,
    before: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """A row for each user, track and day of the slice with a count that differs from the last.

    A count is a total, not an increment: of several that become known on one day the last received
    counts.
    """
    usable = once_announced(
        new,
        history,
        new_tracks=new_tracks,
        tracks_before=tracks_before,
        late_track_days=night.settings.late_track_days,
    )
    states = last_received(usable, by=["user_id", "track_id", "known_from_date"])
    return new_versions(states.select(*OUTPUT.column_names), before, OUTPUT.entity)

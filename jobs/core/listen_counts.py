"""core_listen_counts: listens per user and track, from sources without listening times."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.core import CORE_LISTEN_COUNTS, CORE_TRACKS
from feature_store.tables.raw import RAW_LISTEN_COUNTS
from jobs.core.steps.deduplication import keep_last_received
from jobs.core.steps.late_arrivals import rows_with_known_tracks
from jobs.core.steps.versions import new_versions
from jobs.inputs import History, NewRows, PreviousState

INPUTS = (
    NewRows(RAW_LISTEN_COUNTS),
    History(RAW_LISTEN_COUNTS),
    NewRows(CORE_TRACKS),
    PreviousState(CORE_TRACKS),
    PreviousState(CORE_LISTEN_COUNTS),
)
OUTPUT = CORE_LISTEN_COUNTS


def build(
    new: DataFrame,
    history: DataFrame,
    new_tracks: DataFrame,
    previous_tracks: DataFrame,
    previous: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """One row per user, track and day of the slice whose count differs from the count before.

    A count is a total, not an increment: of several counts that become known on one day the last
    received counts.
    """
    usable = rows_with_known_tracks(
        new,
        history,
        new_tracks=new_tracks,
        previous_tracks=previous_tracks,
        late_track_days=night.settings.late_track_days,
    )
    states = keep_last_received(usable, by=["user_id", "track_id", "known_from_date"])
    return new_versions(states.select(*OUTPUT.column_names), previous, OUTPUT.entity)

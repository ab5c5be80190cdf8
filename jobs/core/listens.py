"""core_listens: deduplicated listens, from the day on which listen and track are both known.

New listens bound the read of earlier ones. A duplicate, or the listen from which a session goes on,
became known no earlier than the day before the oldest new listen.

Skips stay: a skip is a listen with a low completion_ratio, which weakens the edge of its track.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_LISTENS, CORE_TRACKS
from feature_store.tables.raw import RAW_LISTENS
from jobs.core.steps.deduplication import event_id, keep_first_received
from jobs.core.steps.late_arrivals import rows_with_known_tracks
from jobs.core.steps.sessions import with_session_id
from jobs.inputs import History, NewRows, PreviousState

INPUTS = (
    NewRows(RAW_LISTENS),
    History(RAW_LISTENS),
    NewRows(CORE_TRACKS),
    PreviousState(CORE_TRACKS),
    PreviousState(CORE_LISTENS),
)
OUTPUT = CORE_LISTENS


def build(
    new: DataFrame,
    history: DataFrame,
    new_tracks: DataFrame,
    previous_tracks: DataFrame,
    previous: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """The listens that became known in the slice."""
    usable = rows_with_known_tracks(
        new,
        history,
        new_tracks=new_tracks,
        previous_tracks=previous_tracks,
        late_track_days=night.settings.late_track_days,
    ).withColumn("listen_id", _listen_id())
    # A listen arrives twice when a phone reconnects: the first received counts.
    once = keep_first_received(usable, by=["listen_id"])
    reachable = previous.where(F.col("known_from_date") >= _day_before_oldest(once))
    unwritten = once.join(reachable.select("listen_id"), on="listen_id", how="left_anti")
    completion_ratio = F.least(F.col("played_ms") / F.col("duration_ms"), F.lit(1.0))
    return (
        with_session_id(unwritten, reachable)
        .withColumn("completion_ratio", completion_ratio)
        .select(*OUTPUT.column_names)
    )


def _listen_id() -> Column:
    return event_id(F.col("user_id"), F.col("track_id"), F.unix_micros("listened_at_utc"))


def _day_before_oldest(listens: DataFrame) -> Column:
    """A scalar, which reaches the Parquet reader: it skips older days by their statistics."""
    return listens.agg(F.date_sub(F.to_date(F.min("listened_at_utc")), 1)).scalar()

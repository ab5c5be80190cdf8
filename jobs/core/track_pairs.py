"""core_track_pairs: tracks that a listener finished right after another track, for training.

Written rows never change, so the trigger of a listen depends only on what was known on the day on
which the listen became known. A listen that becomes known later and falls between the two changes
nothing, and one run over many days gives the same rows as a run for each day.

In a session a listen begins less than a gap after the one before it, so the new listens bound the
read of earlier ones.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import (
    CORE_IMPRESSIONS,
    CORE_LISTENS,
    CORE_TRACK_PAIRS,
    FINISHED_RATIO,
)
from jobs.core.steps.organic_listens import with_is_organic
from jobs.core.steps.sessions import SESSION_GAP_S
from jobs.inputs import History, NewRows, PreviousState

INPUTS = (NewRows(CORE_LISTENS), PreviousState(CORE_LISTENS), History(CORE_IMPRESSIONS))
OUTPUT = CORE_TRACK_PAIRS


def build(
    new: DataFrame, previous: DataFrame, impressions: DataFrame, *, night: Night
) -> DataFrame:
    """The pairs whose second listen became known in the slice."""
    listens = with_is_organic(new, impressions, shown_hours=night.settings.shown_hours)
    is_finished = F.col("completion_ratio") >= FINISHED_RATIO
    is_other_track = F.col("track_id") != F.col("trigger_track_id")
    return (
        _with_trigger(listens, previous)
        .where(is_finished & is_other_track & F.col("is_organic"))
        .withColumn("listened_date", F.to_date("listened_at_utc"))
        .select(*OUTPUT.column_names)
    )


def _with_trigger(listens: DataFrame, previous: DataFrame) -> DataFrame:
    """The new listens with trigger_track_id, the track just before; null at a session's begin.

    Each session is laid out once for each day on which a new listen of it became known, with the
    listens that were known on that day.
    """
    earlier = previous.where(F.col("known_from_date") >= _first_reachable_day(listens))
    known = earlier.select(*listens.columns).unionByName(listens)
    days = listens.select("session_id", F.col("known_from_date").alias("slice_date")).distinct()
    in_order = Window.partitionBy("session_id", "slice_date").orderBy(
        "listened_at_utc", "listen_id"
    )
    return (
        known.join(days, on="session_id", how="inner")
        .where(F.col("known_from_date") <= F.col("slice_date"))
        .withColumn("trigger_track_id", F.lag("track_id").over(in_order))
        .where(F.col("known_from_date") == F.col("slice_date"))
    )


def _first_reachable_day(listens: DataFrame) -> Column:
    """The UTC day one gap before the oldest listen; what was played then was not known earlier.

    A scalar, which reaches the Parquet reader: it skips older days by their statistics.
    """
    gap = F.make_dt_interval(secs=F.lit(SESSION_GAP_S))
    return listens.agg(F.to_date(F.min("listened_at_utc") - gap)).scalar()

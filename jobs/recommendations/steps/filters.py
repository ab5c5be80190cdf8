"""Filters of the lists: eligible users, and candidates that a list may hold."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.core.steps.active_feedback import active_feedback

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Night

TRACK_METADATA_COLUMNS = (
    "title",
    "artist_id",
    "artist_name",
    "artist_match_key",
    "title_match_key",
    "isrc",
    "recording_mbid",
)
"""Columns of core_tracks that every published row repeats."""


def eligible_users(users: DataFrame) -> DataFrame:
    """Users who have not opted out; column user_id."""
    return users.where(~F.col("is_opted_out")).select("user_id")


def filter_candidates(
    candidates: DataFrame,
    eligible: DataFrame,
    tracks: DataFrame,
    feedback: DataFrame,
    recent: DataFrame,
) -> DataFrame:
    """Candidates of eligible users that are available, not hidden and not in `recent`."""
    available = tracks.where("is_available").select(
        "track_id", *TRACK_METADATA_COLUMNS, "released_date"
    )
    pair = ["user_id", "track_id"]
    return (
        candidates.join(eligible, on="user_id", how="left_semi")
        .join(available, on="track_id", how="inner")
        .join(hidden_tracks(feedback), on=pair, how="left_anti")
        .join(recent, on=pair, how="left_anti")
    )


def hidden_tracks(feedback: DataFrame) -> DataFrame:
    """Tracks that a user hid and has not unhidden; columns user_id, track_id."""
    return active_feedback(feedback, "hide").select("user_id", "track_id")


def recently_listened(
    daily_listens: DataFrame, listen_counts: DataFrame, night: Night
) -> DataFrame:
    """Tracks listened to in the last `lists.exclude_listened_days`; columns user_id, track_id.

    Core tables decide and not the graph, because graph settings may leave edges out.
    """
    days = night.settings.lists.exclude_listened_days
    oldest = night.as_of - timedelta(days=days)
    timed = daily_listens.where(F.col("listened_date") > F.lit(oldest))
    # A count has no day and may be from yesterday, so it counts as recent.
    recent = timed.select("user_id", "track_id").unionByName(
        listen_counts.select("user_id", "track_id")
    )
    return recent.where(F.lit(days > 0))

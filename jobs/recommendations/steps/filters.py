"""Who gets a list, and what may stand in it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.core.steps.active_feedback import standing

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Night

SHOWN_COLUMNS = (
    "title",
    "artist_id",
    "artist_name",
    "artist_match_key",
    "title_match_key",
    "isrc",
    "recording_mbid",
)
"""What a published row says of a track besides its id."""


def eligible_users(users: DataFrame) -> DataFrame:
    """Everybody who has not opted out."""
    return users.where(~F.col("is_opted_out")).select("user_id")


def passing(
    candidates: DataFrame,
    eligible: DataFrame,
    tracks: DataFrame,
    feedback: DataFrame,
    heard: DataFrame,
) -> DataFrame:
    """Candidates of eligible people that are available, not hidden and not in `heard`."""
    available = tracks.where("is_available").select("track_id", *SHOWN_COLUMNS, "released_date")
    pair = ["user_id", "track_id"]
    return (
        candidates.join(eligible, on="user_id", how="left_semi")
        .join(available, on="track_id", how="inner")
        .join(hidden_pairs(feedback), on=pair, how="left_anti")
        .join(heard, on=pair, how="left_anti")
    )


def hidden_pairs(feedback: DataFrame) -> DataFrame:
    """Tracks that a person hid and has not brought back; columns user_id, track_id."""
    return standing(feedback, "hide").select("user_id", "track_id")


def recently_heard(daily_listens: DataFrame, listen_counts: DataFrame, night: Night) -> DataFrame:
    """Pairs heard in the last `lists.exclude_heard_days`; columns user_id, track_id.

    From the listens and not from the graph, whose settings may leave an edge out.
    """
    days = night.settings.lists.exclude_heard_days
    oldest = night.as_of - timedelta(days=days)
    timed = daily_listens.where(F.col("listened_date") > F.lit(oldest))
    # A count without a day may be from yesterday, so it counts as recent.
    recent = timed.select("user_id", "track_id").unionByName(
        listen_counts.select("user_id", "track_id")
    )
    return recent.where(F.lit(days > 0))

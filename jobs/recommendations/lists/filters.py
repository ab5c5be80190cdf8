"""Who gets a list, and what may stand in it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

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
    listened: DataFrame,
    night: Night,
) -> DataFrame:
    """Candidates of eligible people that are available, not hidden and not heard just now."""
    available = tracks.where("is_available").select("track_id", *SHOWN_COLUMNS, "released_date")
    pair = ["user_id", "track_id"]
    return (
        candidates.join(eligible, on="user_id", how="left_semi")
        .join(available, on="track_id", how="inner")
        .join(hidden_pairs(feedback), on=pair, how="left_anti")
        .join(_recently_heard(listened, night), on=pair, how="left_anti")
    )


def hidden_pairs(feedback: DataFrame) -> DataFrame:
    """Tracks that a person hid and has not brought back; columns user_id, track_id."""
    newest_first = Window.partitionBy("user_id", "track_id").orderBy(
        F.col("given_at_utc").desc(), F.col("feedback_action")
    )
    about_hiding = feedback.where(F.col("feedback_action").isin("hide", "unhide"))
    return (
        about_hiding.withColumn("place", F.row_number().over(newest_first))
        .where((F.col("place") == 1) & (F.col("feedback_action") == "hide"))
        .select("user_id", "track_id")
    )


def _recently_heard(listened: DataFrame, night: Night) -> DataFrame:
    days = night.settings.lists.exclude_heard_days
    oldest = night.as_of - timedelta(days=days)
    # A count without a day may be from yesterday, so it counts as recent.
    is_recent = F.col("last_listened_date").isNull() | (F.col("last_listened_date") > F.lit(oldest))
    return listened.where(is_recent & F.lit(days > 0)).select("user_id", "track_id")

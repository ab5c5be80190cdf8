"""How long a listener's list can be at all: gates count against it, not against a wish.

In a service of 60 tracks a listener who has heard 50 of them lately can get ten, and a folder of
music that nobody has listened to gives no list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.recommendations.steps.candidates import popular_tracks
from jobs.recommendations.steps.filters import hidden_tracks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.setting_groups import ListSettings


def possible_lengths(
    eligible: DataFrame,
    tracks: DataFrame,
    listened: DataFrame,
    feedback: DataFrame,
    recent: DataFrame,
    settings: ListSettings,
) -> DataFrame:
    """Length that every user's list can have from the popular tracks alone.

    Of each artist `max_per_artist` tracks at most, without the tracks that the user hid or has
    heard lately. The model and the followed users can only make a list longer.

    Args:
        eligible: column user_id.
        tracks: core_tracks as of the night.
        listened: graph_user_listened_track.
        feedback: core_feedback up to the night.
        recent: pairs of user_id and track_id that lists leave out.
        settings: length, and tracks of an artist.

    Returns:
        Rows of user_id and possible_length.
    """
    pool = tracks.where("is_available").join(popular_tracks(listened), on="track_id")
    of_artist = pool.groupBy("artist_id").agg(F.count("*").alias("n"))
    taken = F.least(F.lit(settings.max_per_artist), F.col("n"))
    pool_length = of_artist.agg(F.coalesce(F.sum(taken), F.lit(0)).alias("pool_length"))
    left_out = hidden_tracks(feedback).unionByName(recent).distinct()
    remaining = F.least(F.lit(settings.max_per_artist), F.col("n") - F.col("n_left_out"))
    lost = (
        left_out.join(pool.select("track_id", "artist_id"), on="track_id")
        .groupBy("user_id", "artist_id")
        .agg(F.count("*").alias("n_left_out"))
        .join(of_artist, on="artist_id")
        .groupBy("user_id")
        .agg(F.sum(taken - remaining).alias("lost"))
    )
    possible = F.col("pool_length") - F.coalesce("lost", F.lit(0))
    return (
        eligible.join(lost, on="user_id", how="left")
        .crossJoin(F.broadcast(pool_length))
        .select("user_id", F.least(F.lit(settings.length), possible).alias("possible_length"))
    )

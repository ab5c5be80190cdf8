"""Explanations: why a track is in a list, as a kind, a subject and a sentence.

The first reason that holds is given: an artist that the listener plays, followed users who play the
track, a tag that the listener plays, a new release, and otherwise taste or popularity. The reason
names a followed user only with consent. Without consent it needs two followed users, because the
listener could guess a single one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from feature_store.tables.recommendations import NEUTRAL_REASONS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from feature_store.settings import Night

NEW_RELEASE_DAYS = 14
TAGS_PER_TRACK = 5
MIN_FOLLOWED_UNNAMED = 2


def with_reasons(
    lists: DataFrame,
    users: DataFrame,
    tracks: DataFrame,
    listened: DataFrame,
    follows: DataFrame,
    tags: DataFrame,
    night: Night,
) -> DataFrame:
    """`lists` with reason_kind, reason_subject and reason_text."""
    pair = ["user_id", "track_id"]
    facts = (
        lists.join(played_artists(listened, tracks), on=["user_id", "artist_id"], how="left")
        .join(_followed_listeners(listened, follows, users), on=pair, how="left")
        .join(_played_tag(lists, listened, tags), on=pair, how="left")
    )
    reason = _first_reason(night)
    return facts.withColumn("reason", reason).select(
        *lists.columns,
        F.col("reason.kind").alias("reason_kind"),
        F.col("reason.subject").alias("reason_subject"),
        F.col("reason.text").alias("reason_text"),
    )


def _first_reason(night: Night) -> Column:
    is_new = F.col("released_date") > F.lit(night.as_of - timedelta(days=NEW_RELEASE_DAYS))
    followed = F.col("followed_listeners")
    counted = F.format_string("%d people you follow play this", followed)
    return (
        F.when(
            F.col("plays_artist"),
            _reason("listened_artist", F.col("artist_id"), _sentence("You play", "artist_name")),
        )
        .when(followed >= MIN_FOLLOWED_UNNAMED, _reason("followed_listen", F.lit(None), counted))
        .when(
            F.col("named_listener").isNotNull(),
            _reason(
                "followed_listen",
                F.col("named_listener"),
                F.concat(F.col("named_listener"), F.lit(", whom you follow, plays this")),
            ),
        )
        .when(
            F.col("played_tag").isNotNull(),
            _reason(
                "listened_tag",
                F.col("played_tag"),
                _sentence("More of what you play:", "played_tag"),
            ),
        )
        .when(
            is_new, _reason("new_release", F.col("artist_id"), _sentence("New from", "artist_name"))
        )
        .otherwise(_neutral_reason())
    )


def _neutral_reason() -> Column:
    """The reason that names nothing, by the tier of the row."""
    by_tier = [
        F.when(F.col("tier") == tier, _reason(kind, F.lit(None), F.lit(text)))
        for tier, (kind, text) in NEUTRAL_REASONS.items()
    ]
    return F.coalesce(*by_tier)


def _reason(kind: str, subject: Column, text: Column) -> Column:
    return F.struct(
        F.lit(kind).alias("kind"), subject.cast("string").alias("subject"), text.alias("text")
    )


def _sentence(opening: str, column: str) -> Column:
    return F.concat(F.lit(f"{opening} "), F.col(column))


def played_artists(listened: DataFrame, tracks: DataFrame) -> DataFrame:
    """Pairs (user_id, artist_id) of the graph's edges, each with plays_artist = true."""
    artists = tracks.select("track_id", "artist_id")
    played = listened.join(artists, on="track_id", how="inner")
    return played.groupBy("user_id", "artist_id").agg(F.lit(True).alias("plays_artist"))  # noqa: FBT003  a value, not a flag


def _followed_listeners(listened: DataFrame, follows: DataFrame, users: DataFrame) -> DataFrame:
    """Per user and track: how many followed users play it, and one of them who may be named."""
    may_be_named = users.where("is_named_to_others").select(
        F.col("user_id").alias("followed_user_id"), F.col("user_id").alias("name")
    )
    of_followed = listened.select(F.col("user_id").alias("followed_user_id"), "track_id")
    return (
        follows.join(of_followed, on="followed_user_id", how="inner")
        .join(may_be_named, on="followed_user_id", how="left")
        .groupBy("user_id", "track_id")
        .agg(F.count("*").alias("followed_listeners"), F.min("name").alias("named_listener"))
    )


def _played_tag(lists: DataFrame, listened: DataFrame, tags: DataFrame) -> DataFrame:
    """Per user and track of the list: the track's tag that the user plays most."""
    by_tag_count = Window.partitionBy("track_id").orderBy(F.col("tagger_count").desc(), "tag")
    main_tags = (
        tags.withColumn("tag_rank", F.row_number().over(by_tag_count))
        .where(F.col("tag_rank") <= TAGS_PER_TRACK)
        .select("track_id", "tag")
    )
    played = (
        listened.join(main_tags, on="track_id", how="inner")
        .groupBy("user_id", "tag")
        .agg(F.sum("listen_count").alias("tag_listens"))
    )
    most_played = Window.partitionBy("user_id", "track_id").orderBy(
        F.col("tag_listens").desc(), "tag"
    )
    return (
        lists.select("user_id", "track_id")
        .join(main_tags, on="track_id", how="inner")
        .join(played, on=["user_id", "tag"], how="inner")
        .withColumn("tag_rank", F.row_number().over(most_played))
        .where(F.col("tag_rank") == 1)
        .select("user_id", "track_id", F.col("tag").alias("played_tag"))
    )

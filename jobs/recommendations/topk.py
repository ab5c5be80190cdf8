"""rec_topk: the ranked recommendations of each user, with reasons.

The job fills a list tier by tier: candidates of the model (personal, or warm after few listens),
tracks of followed users (for users without model scores), and popular tracks. All candidates pass
the same filters: no hidden, unavailable or recently listened track, and a maximum per artist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from feature_store.tables.core import (
    CORE_DAILY_LISTENS,
    CORE_FEEDBACK,
    CORE_LISTEN_COUNTS,
    CORE_TRACKS,
    CORE_USERS,
)
from feature_store.tables.graph import (
    GRAPH_TRACK_HAS_TAG,
    GRAPH_USER_FOLLOWS_USER,
    GRAPH_USER_LISTENED_TRACK,
)
from feature_store.tables.recommendations import REC_TOPK
from feature_store.tables.scores import SCORE_CANDIDATES
from jobs.inputs import AsOf, History
from jobs.recommendations.steps.candidates import from_followed, from_model, from_popularity
from jobs.recommendations.steps.filters import (
    eligible_users,
    filter_candidates,
    recently_listened,
)
from jobs.recommendations.steps.reasons import with_reasons

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.setting_groups import ListSettings
    from feature_store.settings import Night

INPUTS = (
    AsOf(CORE_USERS),
    AsOf(CORE_TRACKS),
    History(CORE_FEEDBACK),
    History(CORE_DAILY_LISTENS),
    AsOf(CORE_LISTEN_COUNTS),
    AsOf(SCORE_CANDIDATES),
    AsOf(GRAPH_USER_LISTENED_TRACK),
    AsOf(GRAPH_USER_FOLLOWS_USER),
    AsOf(GRAPH_TRACK_HAS_TAG),
)
OUTPUT = REC_TOPK


def build(
    users: DataFrame,
    tracks: DataFrame,
    feedback: DataFrame,
    daily_listens: DataFrame,
    listen_counts: DataFrame,
    scores: DataFrame,
    listened: DataFrame,
    follows: DataFrame,
    tags: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """Up to `lists.length` tracks for every user who has not opted out."""
    settings = night.settings.lists
    eligible = eligible_users(users)
    recent = recently_listened(daily_listens, listen_counts, night)
    personalised = from_model(scores, listened, settings).unionByName(
        from_followed(scores, listened, follows)
    )
    chosen = _best(filter_candidates(personalised, eligible, tracks, feedback, recent), settings)
    popular = filter_candidates(
        from_popularity(_users_with_short_lists(eligible, chosen, settings), listened),
        eligible,
        tracks,
        feedback,
        recent,
    )
    lists = _best(chosen.unionByName(_not_yet_in(popular, chosen)), settings)
    reasoned = with_reasons(lists, users, tracks, listened, follows, tags, night)
    return reasoned.withColumns(
        {
            "as_of_date": F.lit(night.as_of),
            "score": F.round("score", 6),
            "run_id": F.lit(night.run_id),
        }
    ).select(*OUTPUT.column_names)


def _best(candidates: DataFrame, settings: ListSettings) -> DataFrame:
    """The first `length` of each user's candidates, at most `max_per_artist` by one artist."""
    best_first = (F.col("tier_order"), F.col("score").desc(), F.col("track_id"))
    of_an_artist = Window.partitionBy("user_id", "artist_id").orderBy(*best_first)
    of_a_user = Window.partitionBy("user_id").orderBy(*best_first)
    return (
        candidates.withColumn("artist_rank", F.row_number().over(of_an_artist))
        .where(F.col("artist_rank") <= settings.max_per_artist)
        .withColumn("rank", F.row_number().over(of_a_user))
        .where(F.col("rank") <= settings.length)
        .drop("artist_rank")
    )


def _users_with_short_lists(
    eligible: DataFrame, chosen: DataFrame, settings: ListSettings
) -> DataFrame:
    """Users whose list holds fewer than `length` tracks."""
    lengths = chosen.groupBy("user_id").agg(F.count("*").alias("list_length"))
    return (
        eligible.join(lengths, on="user_id", how="left")
        .where(F.coalesce("list_length", F.lit(0)) < settings.length)  # `lengths` lacks empty lists
        .select("user_id")
    )


def _not_yet_in(popular: DataFrame, chosen: DataFrame) -> DataFrame:
    return popular.join(
        chosen.select("user_id", "track_id"), on=["user_id", "track_id"], how="left_anti"
    ).withColumn("rank", F.lit(None).cast("int"))

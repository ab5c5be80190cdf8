"""rec_topk: what to recommend to each person, best first, with the reason.

A list is filled tier by tier: what the model says of a listener (personal, or warm after few
listens), what the people followed play (for those whom no model scored), and what is popular. Every
entry passes the same filters; none is hidden, unavailable or heard just now, and no artist takes
more than his share.
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
from jobs.inputs import History, Known
from jobs.recommendations.steps.candidates import from_followed, from_model, from_popularity
from jobs.recommendations.steps.filters import (
    SHOWN_COLUMNS,
    eligible_users,
    passing,
    recently_heard,
)
from jobs.recommendations.steps.reasons import with_reasons

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Lists, Night

INPUTS = (
    Known(CORE_USERS),
    Known(CORE_TRACKS),
    History(CORE_FEEDBACK),
    History(CORE_DAILY_LISTENS),
    Known(CORE_LISTEN_COUNTS),
    Known(SCORE_CANDIDATES),
    Known(GRAPH_USER_LISTENED_TRACK),
    Known(GRAPH_USER_FOLLOWS_USER),
    Known(GRAPH_TRACK_HAS_TAG),
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
    """Up to `lists.length` tracks for everybody who has not opted out."""
    wanted = night.settings.lists
    eligible = eligible_users(users)
    heard = recently_heard(daily_listens, listen_counts, night)
    first_choice = from_model(scores, listened, wanted).unionByName(
        from_followed(scores, listened, follows)
    )
    chosen = _best(passing(first_choice, eligible, tracks, feedback, heard), wanted)
    fill = passing(
        from_popularity(_short_of(eligible, chosen, wanted), listened),
        eligible,
        tracks,
        feedback,
        heard,
    )
    lists = _best(chosen.unionByName(_not_yet_in(fill, chosen)), wanted)
    reasoned = with_reasons(lists, users, tracks, listened, follows, tags, night)
    return reasoned.select(
        F.lit(night.as_of).alias("as_of_date"),
        "user_id",
        "rank",
        "track_id",
        *SHOWN_COLUMNS,
        F.round("score", 6).alias("score"),
        "tier",
        "reason_kind",
        "reason_subject",
        "reason_text",
        "model_version",
        F.lit(night.run_id).alias("run_id"),
    )


def _best(candidates: DataFrame, wanted: Lists) -> DataFrame:
    """The first `length` of each person's candidates, no artist more often than allowed."""
    best_first = (F.col("tier_order"), F.col("score").desc(), F.col("track_id"))
    of_an_artist = Window.partitionBy("user_id", "artist_id").orderBy(*best_first)
    of_a_person = Window.partitionBy("user_id").orderBy(*best_first)
    return (
        candidates.withColumn("place_of_artist", F.row_number().over(of_an_artist))
        .where(F.col("place_of_artist") <= wanted.max_per_artist)
        .withColumn("rank", F.row_number().over(of_a_person))
        .where(F.col("rank") <= wanted.length)
        .drop("place_of_artist")
    )


def _short_of(eligible: DataFrame, chosen: DataFrame, wanted: Lists) -> DataFrame:
    """People whose list is not full yet."""
    lengths = chosen.groupBy("user_id").agg(F.count("*").alias("filled"))
    return (
        eligible.join(lengths, on="user_id", how="left")
        .where(F.coalesce("filled", F.lit(0)) < wanted.length)  # nobody in `lengths` has none
        .select("user_id")
    )


def _not_yet_in(fill: DataFrame, chosen: DataFrame) -> DataFrame:
    return fill.join(
        chosen.select("user_id", "track_id"), on=["user_id", "track_id"], how="left_anti"
    ).withColumn("rank", F.lit(None).cast("int"))

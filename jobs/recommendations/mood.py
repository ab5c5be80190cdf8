"""rec_mood: the ranked recommendations of each user for each cell of the plane of emotions.

Candidates come from training (score_mood), 25 lists a user. Each list passes the filters of
rec_topk: no hidden, unavailable or recently listened track, and a maximum per artist. Without
candidates there are no lists, and nothing else fills them.
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
from feature_store.tables.features import FEAT_TRACK_MOOD
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from feature_store.tables.recommendations import REC_MOOD
from feature_store.tables.scores import SCORE_MOOD
from jobs.inputs import AsOf, History
from jobs.recommendations.steps.filters import (
    eligible_users,
    filter_candidates,
    recently_listened,
)
from jobs.recommendations.steps.mood_reasons import with_mood_reasons

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Night

INPUTS = (
    AsOf(CORE_USERS),
    AsOf(CORE_TRACKS),
    History(CORE_FEEDBACK),
    History(CORE_DAILY_LISTENS),
    AsOf(CORE_LISTEN_COUNTS),
    AsOf(FEAT_TRACK_MOOD),
    AsOf(GRAPH_USER_LISTENED_TRACK),
    AsOf(SCORE_MOOD),
)
OUTPUT = REC_MOOD

_LIST = ("user_id", "valence_cell", "arousal_cell")


def build(
    users: DataFrame,
    tracks: DataFrame,
    feedback: DataFrame,
    daily_listens: DataFrame,
    listen_counts: DataFrame,
    moods: DataFrame,
    listened: DataFrame,
    scores: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """Up to `mood.list_length` tracks for each user and cell that have candidates."""
    recent = recently_listened(daily_listens, listen_counts, night)
    candidates = scores.select(*_LIST, "rank", "track_id", "score", "model_version")
    allowed = filter_candidates(candidates, eligible_users(users), tracks, feedback, recent)
    reasoned = with_mood_reasons(
        _best(allowed, night), tracks, daily_listens, moods, listened, night
    )
    return reasoned.withColumns(
        {
            "as_of_date": F.lit(night.as_of),
            "score": F.round("score", 6),
            "run_id": F.lit(night.run_id),
        }
    ).select(*OUTPUT.column_names)


def _best(candidates: DataFrame, night: Night) -> DataFrame:
    """The first tracks of each list in the model's order, `max_per_artist` by an artist at most."""
    of_an_artist = Window.partitionBy(*_LIST, "artist_id").orderBy("rank")
    of_a_list = Window.partitionBy(*_LIST).orderBy("rank")
    return (
        candidates.withColumn("artist_rank", F.row_number().over(of_an_artist))
        .where(F.col("artist_rank") <= night.settings.lists.max_per_artist)
        .withColumn("rank", F.row_number().over(of_a_list))
        .where(F.col("rank") <= night.settings.mood.list_length)
        .drop("artist_rank")
    )

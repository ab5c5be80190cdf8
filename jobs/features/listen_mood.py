"""feat_listen_mood: in what mood a listener played a track, from the other tracks of the session.

The session stands for the words that nobody said. Only the listener's own choices tell its mood,
and the track itself does not: it would give away what training has to find.

Positions are added up as whole millionths: the order of rows changes no sum.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from feature_store.tables.core import CORE_IMPRESSIONS, CORE_LISTENS, FINISHED_RATIO
from feature_store.tables.features import FEAT_LISTEN_MOOD, FEAT_TRACK_MOOD
from jobs.core.steps.organic_listens import with_is_organic
from jobs.inputs import AsOf, History

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from feature_store.settings import Night

INPUTS = (History(CORE_LISTENS), History(CORE_IMPRESSIONS), AsOf(FEAT_TRACK_MOOD))
OUTPUT = FEAT_LISTEN_MOOD

_MILLION = 1_000_000
_SESSION = ("user_id", "listened_date", "session_id")


def build(
    listens: DataFrame, impressions: DataFrame, moods: DataFrame, *, night: Night
) -> DataFrame:
    """One row for each user, track and day of the last `mood.context_days` with a context."""
    recent = _recent(listens, night)
    organic = with_is_organic(recent, impressions, shown_hours=night.settings.shown_hours)
    played = _tracks_of_sessions(organic).join(_millionths(moods), on="track_id", how="left")
    return (
        _with_others(played)
        .groupBy("user_id", "track_id", "listened_date")
        .agg(
            F.sum("others").alias("context_track_count"),
            F.sum("others_valence").alias("valence_millionths"),
            F.sum("others_arousal").alias("arousal_millionths"),
            F.sum("listen_count").alias("listen_count"),
            F.sum("organic_count").alias("organic_count"),
        )
        .where(F.col("context_track_count") > 0)
        .withColumns(
            {
                "as_of_date": F.lit(night.as_of),
                "context_valence": _mean("valence_millionths"),
                "context_arousal": _mean("arousal_millionths"),
            }
        )
        .select(*OUTPUT.column_names)
    )


def _recent(listens: DataFrame, night: Night) -> DataFrame:
    """Listens of the last `mood.context_days` days up to the night's, with listened_date."""
    oldest = night.as_of - timedelta(days=night.settings.mood.context_days)
    return listens.withColumn("listened_date", F.to_date("listened_at_utc")).where(
        F.col("listened_date") > F.lit(oldest)
    )


def _tracks_of_sessions(listens: DataFrame) -> DataFrame:
    """One row for each track of a session on a day; is_chosen: it tells the session's mood."""
    # A source without lengths never says whether a track was skipped, so unknown counts as played.
    is_played = F.coalesce(F.col("completion_ratio") >= FINISHED_RATIO, F.expr("true"))
    return listens.groupBy(*_SESSION, "track_id").agg(
        F.count("*").alias("listen_count"),
        F.sum(F.col("is_organic").cast("bigint")).alias("organic_count"),
        F.max(F.col("is_organic") & is_played).alias("is_chosen"),
    )


def _millionths(moods: DataFrame) -> DataFrame:
    """Positions of each track as integers."""
    return moods.select(
        "track_id",
        F.round(F.col("valence_position") * _MILLION).cast("bigint").alias("valence"),
        F.round(F.col("arousal_position") * _MILLION).cast("bigint").alias("arousal"),
    )


def _with_others(played: DataFrame) -> DataFrame:
    """`played` with number and sums of the session's chosen tracks that have a mood, less its own.

    A sum over the session less the row's own part: a session of n tracks needs no n² pairs.
    """
    session = Window.partitionBy(*_SESSION)
    counts = F.col("is_chosen") & F.col("valence").isNotNull()
    parts = {
        "others": F.when(counts, 1).otherwise(0).cast("bigint"),
        "others_valence": F.when(counts, F.col("valence")).otherwise(0),
        "others_arousal": F.when(counts, F.col("arousal")).otherwise(0),
    }
    return played.withColumns(
        {name: F.sum(part).over(session) - part for name, part in parts.items()}
    )


def _mean(millionths: str) -> Column:
    """The mean position, rounded to 6 decimals."""
    return F.round(F.col(millionths) / F.col("context_track_count") / _MILLION, 6)

"""raw_rejects: landing rows that no raw_ table took, and rows about tracks nobody has announced.

A listen, count, button or impression of an unknown track is in its raw_ table as well: core takes
it up once the track is announced. It stays here all the same: that is how it was on its day.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.raw import RAW_REJECTS, RAW_TRACKS
from jobs.inputs import History, Landing
from jobs.raw.steps.rules import ROW_SOURCES, with_reject

INPUTS = (
    Landing("tracks"),
    Landing("users"),
    Landing("listens"),
    Landing("listen_counts"),
    Landing("follows"),
    Landing("tags"),
    Landing("feedback"),
    Landing("impressions"),
    Landing("lyrics"),
    History(RAW_TRACKS),
)
OUTPUT = RAW_REJECTS


def build(
    tracks: DataFrame,
    users: DataFrame,
    listens: DataFrame,
    listen_counts: DataFrame,
    follows: DataFrame,
    tags: DataFrame,
    feedback: DataFrame,
    impressions: DataFrame,
    lyrics: DataFrame,
    announced: DataFrame,
    *,
    night: Night,  # noqa: ARG001  every job takes it
) -> DataFrame:
    """At most one row for each landing row: the first rule that it breaks."""
    about_tracks = {
        "listens": listens,
        "listen_counts": listen_counts,
        "feedback": feedback,
        "impressions": impressions,
    }
    others = {"tracks": tracks, "users": users, "follows": follows, "tags": tags, "lyrics": lyrics}
    rejects = [
        _rejects(_with_unknown_track(with_reject(landing, source), announced), source)
        for source, landing in about_tracks.items()
    ]
    rejects += [
        _rejects(with_reject(landing, source), source) for source, landing in others.items()
    ]
    return reduce(lambda above, below: above.unionByName(below), rejects)


def _with_unknown_track(judged: DataFrame, announced: DataFrame) -> DataFrame:
    """Good rows whose track had not been announced by the day of their arrival get a reject too."""
    first_announced = announced.groupBy("track_id").agg(F.min("arrival_date").alias("first_date"))
    dated = judged.join(first_announced, on="track_id", how="left")
    is_unknown = F.col("first_date").isNull() | (F.col("first_date") > F.col("arrival_date"))
    is_newly_rejected = F.col("reject_reason").isNull() & is_unknown
    detail = F.concat(
        F.lit("track_id = "), "track_id", F.lit("; no raw_tracks row up to "), "arrival_date"
    )
    return dated.withColumns(
        {
            "reject_reason": F.when(is_newly_rejected, "unknown_track").otherwise(
                F.col("reject_reason")
            ),
            "reject_detail": F.when(is_newly_rejected, detail).otherwise(F.col("reject_detail")),
        }
    )


def _rejects(judged: DataFrame, source: str) -> DataFrame:
    return (
        judged.where(F.col("reject_reason").isNotNull())
        .withColumn("table_name", F.lit(ROW_SOURCES[source].table.name))
        .select(*OUTPUT.column_names)
    )

"""raw_rejects: landing rows that broke a rule, and rows about tracks that the catalogue lacks.

A listen, count, feedback or impression of an unknown track is in its raw_ table as well, and core_
takes it up once the track is in the catalogue. So is a catalogue row that leaves out the title or
the artist of a track that has none yet, and a row of a listener or a track without its bad values.
The rejects stay: they describe the day of arrival.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.raw import RAW_REJECTS, RAW_TRACKS, REQUIRED_OF_TRACKS, RejectReason
from jobs.inputs import History, LandingSource
from jobs.raw.steps.rules import SOURCE_CONTRACTS, with_reject_reason

INPUTS = (
    LandingSource("tracks"),
    LandingSource("users"),
    LandingSource("listens"),
    LandingSource("listen_counts"),
    LandingSource("follows"),
    LandingSource("tags"),
    LandingSource("feedback"),
    LandingSource("impressions"),
    LandingSource("lyrics"),
    LandingSource("emotion_texts"),
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
    emotion_texts: DataFrame,
    catalogue: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """At most one row for each landing row: the first rule that the row breaks."""
    about_tracks = {
        "listens": listens,
        "listen_counts": listen_counts,
        "feedback": feedback,
        "impressions": impressions,
    }
    others = {
        "users": users,
        "follows": follows,
        "tags": tags,
        "lyrics": lyrics,
        "emotion_texts": emotion_texts,
    }
    checked = {
        source: with_reject_reason(landing, source, night.settings.landing)
        for source, landing in (about_tracks | others | {"tracks": tracks}).items()
    }
    known = _known_tracks(catalogue)
    checked |= {source: _with_unknown_track(checked[source], known) for source in about_tracks}
    checked["tracks"] = _with_incomplete_track(checked["tracks"], known)
    rejects = [_rejects(rows, source) for source, rows in checked.items()]
    return reduce(lambda above, below: above.unionByName(below), rejects)


def _known_tracks(catalogue: DataFrame) -> DataFrame:
    """Rows (track_id, known_date): the day since which a track has all that each track needs."""
    firsts = [
        F.min(F.when(F.col(name).isNotNull(), F.col("arrival_date"))) for name in REQUIRED_OF_TRACKS
    ]
    is_complete = reduce(lambda one, other: one & other, [first.isNotNull() for first in firsts])
    return catalogue.groupBy("track_id").agg(
        F.when(is_complete, F.greatest(*firsts)).alias("known_date")
    )


def _with_unknown_track(checked: DataFrame, known: DataFrame) -> DataFrame:
    """Reject also valid rows whose track was not in the catalogue by their day of arrival."""
    detail = F.concat(
        F.lit("track_id = "), "track_id", F.lit("; no raw_tracks row up to "), "arrival_date"
    )
    return _with_reject_before(checked, known, RejectReason.UNKNOWN_TRACK, detail, F.expr("true"))


def _with_incomplete_track(checked: DataFrame, known: DataFrame) -> DataFrame:
    """Reject also changes of tracks that have no title or artist by their day of arrival."""
    lacks = [F.col(name).isNull() for name in REQUIRED_OF_TRACKS]
    names = F.concat_ws(
        ", ",
        *[F.when(lack, F.lit(name)) for lack, name in zip(lacks, REQUIRED_OF_TRACKS, strict=True)],
    )
    no_earlier = F.lit(" = null, and no earlier row has it; track_id = ")
    detail = F.concat(names, no_earlier, "track_id")
    is_partial = reduce(lambda one, other: one | other, lacks)
    return _with_reject_before(checked, known, RejectReason.INCOMPLETE_TRACK, detail, is_partial)


def _with_reject_before(
    checked: DataFrame, known: DataFrame, reason: RejectReason, detail: Column, condition: Column
) -> DataFrame:
    """Reject valid rows with the condition that arrived before their track was known."""
    dated = checked.join(known, on="track_id", how="left")
    is_unknown = F.col("known_date").isNull() | (F.col("known_date") > F.col("arrival_date"))
    is_newly_rejected = F.col("reject_reason").isNull() & is_unknown & condition
    return dated.withColumns(
        {
            "reject_reason": F.when(is_newly_rejected, F.lit(reason)).otherwise(
                F.col("reject_reason")
            ),
            "reject_detail": F.when(is_newly_rejected, detail).otherwise(F.col("reject_detail")),
        }
    )


def _rejects(checked: DataFrame, source: str) -> DataFrame:
    return (
        checked.where(F.col("reject_reason").isNotNull())
        .withColumn("table_name", F.lit(SOURCE_CONTRACTS[source].table.name))
        .select(*OUTPUT.column_names)
    )

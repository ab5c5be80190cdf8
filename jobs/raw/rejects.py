"""raw_rejects: landing rows that broke a rule, and rows about tracks that the catalogue lacks.

A listen, count, feedback or impression of an unknown track is in its raw_ table as well, and core_
takes it up once the track is in the catalogue. Its reject stays: it describes the day of arrival.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.raw import RAW_REJECTS, RAW_TRACKS, RejectReason
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
    others = {"tracks": tracks, "users": users, "follows": follows, "tags": tags, "lyrics": lyrics}
    checked = {
        source: with_reject_reason(landing, source, night.settings.landing)
        for source, landing in (about_tracks | others).items()
    }
    rejects = [
        _rejects(_with_unknown_track(rows, catalogue) if source in about_tracks else rows, source)
        for source, rows in checked.items()
    ]
    return reduce(lambda above, below: above.unionByName(below), rejects)


def _with_unknown_track(checked: DataFrame, catalogue: DataFrame) -> DataFrame:
    """Reject also valid rows whose track was not in the catalogue by their day of arrival."""
    first_arrivals = catalogue.groupBy("track_id").agg(F.min("arrival_date").alias("first_date"))
    dated = checked.join(first_arrivals, on="track_id", how="left")
    is_unknown = F.col("first_date").isNull() | (F.col("first_date") > F.col("arrival_date"))
    is_newly_rejected = F.col("reject_reason").isNull() & is_unknown
    detail = F.concat(
        F.lit("track_id = "), "track_id", F.lit("; no raw_tracks row up to "), "arrival_date"
    )
    return dated.withColumns(
        {
            "reject_reason": F.when(is_newly_rejected, F.lit(RejectReason.UNKNOWN_TRACK)).otherwise(
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

"""Sessions: listens of a person that begin less than 1,200 s after one another.

Rows that were written never change, so a listen is placed among what was known on its own day:
listens that became known together make segments, and a segment that goes on from an earlier known
one (past midnight, mostly) takes that one's id. Two rules follow:

* A listen that arrives late may join a session, but never merges two that were written as two.
* A session that goes on through a second midnight is cut there: only one segment back is looked at,
  which makes one night for many days and many nights for a day each give the same ids.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

SESSION_GAP_S = 1_200

_GAP_MICROS = SESSION_GAP_S * 1_000_000
_PLACING = ("listen_id", "user_id", "listened_at_utc", "known_from_date")


def with_session_id(listens: DataFrame, earlier: DataFrame) -> DataFrame:
    """`listens` with session_id: the listen_id of a listen with which the session began.

    Args:
        listens: de-duplicated listens of the slice.
        earlier: core_listens known before; all rows of the days from which one may go on.
    """
    timeline = (
        earlier.select(*_PLACING)
        .withColumn("is_new", F.expr("false"))
        .unionByName(listens.select(*_PLACING).withColumn("is_new", F.expr("true")))
    )
    placed = _with_segment_id(timeline)
    segment_of = placed.where("is_new").select("listen_id", "segment_id")
    session_id = F.coalesce(F.col("continued_id"), F.col("segment_id"))
    return (
        listens.join(segment_of, on="listen_id", how="inner")
        .join(_continued(placed), on="segment_id", how="left")
        .withColumn("session_id", session_id)
        .drop("segment_id", "continued_id")
    )


def _with_segment_id(timeline: DataFrame) -> DataFrame:
    """Segments: listens that became known on one day, cut at every gap."""
    in_order = Window.partitionBy("user_id", "known_from_date").orderBy(
        "listened_at_utc", "listen_id"
    )
    since_previous = _micros("listened_at_utc") - F.lag(_micros("listened_at_utc")).over(in_order)
    is_first = since_previous.isNull() | (since_previous >= _GAP_MICROS)
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return timeline.withColumn("first_listen_id", F.when(is_first, F.col("listen_id"))).withColumn(
        "segment_id", F.last("first_listen_id", ignorenulls=True).over(so_far)
    )


def _continued(placed: DataFrame) -> DataFrame:
    """For each new segment that goes on from an earlier known one: segment_id, continued_id.

    Both sides are cut into time boxes of one gap's length, so that the join is one of equal keys.
    """
    box = F.floor(_micros("listened_at_utc") / _GAP_MICROS)
    openings = placed.where(F.col("is_new") & (F.col("segment_id") == F.col("listen_id"))).select(
        "user_id",
        "segment_id",
        F.col("listened_at_utc").alias("opened_at_utc"),
        F.col("known_from_date").alias("opening_known_date"),
        F.explode(F.array(box, box - 1)).alias("box"),
    )
    candidates = placed.select(
        "user_id",
        box.alias("box"),
        "listened_at_utc",
        "known_from_date",
        "listen_id",
        F.col("segment_id").alias("earlier_id"),
    )
    waited = _micros("opened_at_utc") - _micros("listened_at_utc")
    is_known_earlier = F.col("known_from_date") < F.col("opening_known_date")
    nearest = F.max_by("earlier_id", F.struct("listened_at_utc", "listen_id"))
    return (
        openings.join(candidates, on=["user_id", "box"], how="inner")
        .where(is_known_earlier & (waited >= 0) & (waited < _GAP_MICROS))
        .groupBy("segment_id")
        .agg(nearest.alias("continued_id"))
    )


def _micros(column: str) -> Column:
    return F.unix_micros(F.col(column))

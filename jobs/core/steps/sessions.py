"""Sessions: listens of a person that begin less than 1,200 s after one another.

Rows that were written never change, so a listen is placed among what was known on its own day.
Listens that became known together make segments; a segment that begins within a gap of a listen
known earlier belongs to that listen's session. So a session goes on past midnight, and a listen
that arrives late may join a session but never merges two. One night for many days, and a night for
each, give the same ids.
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
        earlier: core_listens known before, those from which one of `listens` may go on.
    """
    placed = _with_segment_id(listens)
    goes_on_from = earlier.select(*_PLACING, F.col("session_id").alias("earlier_id")).unionByName(
        placed.select(*_PLACING, F.col("segment_id").alias("earlier_id"))
    )
    sessions = _followed_back(_links(placed, goes_on_from))
    return placed.join(sessions, on="segment_id", how="left").withColumn(
        "session_id", F.coalesce(F.col("root_id"), F.col("segment_id"))
    )


def _with_segment_id(listens: DataFrame) -> DataFrame:
    """Segments: listens that became known on one day, cut at every gap."""
    in_order = Window.partitionBy("user_id", "known_from_date").orderBy(
        "listened_at_utc", "listen_id"
    )
    since_previous = _micros("listened_at_utc") - F.lag(_micros("listened_at_utc")).over(in_order)
    is_first = since_previous.isNull() | (since_previous >= _GAP_MICROS)
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return listens.withColumn("first_listen_id", F.when(is_first, F.col("listen_id"))).withColumn(
        "segment_id", F.last("first_listen_id", ignorenulls=True).over(so_far)
    )


def _links(placed: DataFrame, goes_on_from: DataFrame) -> DataFrame:
    """For each segment that goes on from a listen known earlier: the nearest one's earlier_id.

    Both sides are cut into time boxes of one gap's length, so that the join is one of equal keys.
    """
    box = F.floor(_micros("listened_at_utc") / _GAP_MICROS)
    openings = placed.where(F.col("first_listen_id").isNotNull()).select(
        "user_id",
        "segment_id",
        F.col("listened_at_utc").alias("opened_at_utc"),
        F.col("known_from_date").alias("opening_known_date"),
        F.explode(F.array(box, box - 1)).alias("box"),
    )
    waited = _micros("opened_at_utc") - _micros("listened_at_utc")
    is_known_earlier = F.col("known_from_date") < F.col("opening_known_date")
    nearest = F.max_by("earlier_id", F.struct("listened_at_utc", "listen_id"))
    return (
        openings.join(goes_on_from.withColumn("box", box), on=["user_id", "box"], how="inner")
        .where(is_known_earlier & (waited >= 0) & (waited < _GAP_MICROS))
        .groupBy("user_id", "segment_id", "opening_known_date")
        .agg(nearest.alias("earlier_id"))
    )


def _followed_back(links: DataFrame) -> DataFrame:
    """segment_id and root_id: where its chain of links begins.

    A link leads to an earlier day, so in the order of days each finds its target already resolved.
    """
    in_order = F.array_sort(
        F.collect_list(F.struct("opening_known_date", "segment_id", "earlier_id"))
    )
    roots = F.aggregate(
        "links",
        F.expr("CAST(map() AS MAP<STRING, STRING>)"),
        lambda resolved, link: F.map_concat(
            resolved,
            F.create_map(
                link["segment_id"], F.coalesce(resolved[link["earlier_id"]], link["earlier_id"])
            ),
        ),
    )
    return (
        links.groupBy("user_id")
        .agg(in_order.alias("links"))
        .select(F.explode(roots).alias("segment_id", "root_id"))
    )


def _micros(column: str) -> Column:
    return F.unix_micros(F.col(column))

"""Sessions (sessionization): a user's listens that start less than 1,200 s after one another.

Written rows never change, so the session of a listen depends only on what was known on the day on
which the listen became known. Listens that became known together form segments. A segment that
begins less than a gap after an earlier known listen continues that listen's session. A session
therefore crosses midnight, and a late listen may join a session but never merges two. One run over
many days gives the same ids as a run for each day.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

SESSION_GAP_S = 1_200

_GAP_MICROS = SESSION_GAP_S * 1_000_000
_LINK_KEYS = ("listen_id", "user_id", "listened_at_utc", "known_from_date")


def with_session_id(listens: DataFrame, earlier: DataFrame) -> DataFrame:
    """`listens` with session_id, the listen_id of the listen that began the session.

    Args:
        listens: deduplicated listens of the slice.
        earlier: core_listens rows known before; `listens` may continue their sessions.
    """
    segmented = _with_segment_id(listens)
    candidates = earlier.select(*_LINK_KEYS, F.col("session_id").alias("earlier_id")).unionByName(
        segmented.select(*_LINK_KEYS, F.col("segment_id").alias("earlier_id"))
    )
    roots = _root_of_chains(_links(segmented, candidates))
    return segmented.join(roots, on="segment_id", how="left").withColumn(
        "session_id", F.coalesce(F.col("root_id"), F.col("segment_id"))
    )


def _with_segment_id(listens: DataFrame) -> DataFrame:
    """Split the listens that became known on one day into segments at every gap."""
    in_order = Window.partitionBy("user_id", "known_from_date").orderBy(
        "listened_at_utc", "listen_id"
    )
    since_previous = _micros("listened_at_utc") - F.lag(_micros("listened_at_utc")).over(in_order)
    starts_session = since_previous.isNull() | (since_previous >= _GAP_MICROS)
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return listens.withColumn(
        "first_listen_id", F.when(starts_session, F.col("listen_id"))
    ).withColumn("segment_id", F.last("first_listen_id", ignorenulls=True).over(so_far))


def _links(segmented: DataFrame, candidates: DataFrame) -> DataFrame:
    """The earlier_id of the nearest earlier known listen that each segment continues.

    Both sides are cut into time buckets of one gap's length, so that the join is an equi-join.
    """
    bucket = F.floor(_micros("listened_at_utc") / _GAP_MICROS)
    openings = segmented.where(F.col("first_listen_id").isNotNull()).select(
        "user_id",
        "segment_id",
        F.col("listened_at_utc").alias("opened_at_utc"),
        F.col("known_from_date").alias("opening_known_date"),
        F.explode(F.array(bucket, bucket - 1)).alias("bucket"),
    )
    waited = _micros("opened_at_utc") - _micros("listened_at_utc")
    is_known_earlier = F.col("known_from_date") < F.col("opening_known_date")
    nearest = F.max_by("earlier_id", F.struct("listened_at_utc", "listen_id"))
    return (
        openings.join(
            candidates.withColumn("bucket", bucket), on=["user_id", "bucket"], how="inner"
        )
        .where(is_known_earlier & (waited >= 0) & (waited < _GAP_MICROS))
        .groupBy("user_id", "segment_id", "opening_known_date")
        .agg(nearest.alias("earlier_id"))
    )


def _root_of_chains(links: DataFrame) -> DataFrame:
    """(segment_id, root_id): the id at which each segment's chain of links begins.

    A link leads to an earlier day, so in the order of days its target is already resolved.
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

"""core_users: people whom the service announced, and people who are only seen doing something."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_USERS
from feature_store.tables.raw import (
    RAW_FEEDBACK,
    RAW_FOLLOWS,
    RAW_LISTEN_COUNTS,
    RAW_LISTENS,
    RAW_USERS,
)
from jobs.core.steps.deduplication import last_received
from jobs.core.steps.versions import new_versions
from jobs.inputs import Before, New

INPUTS = (
    New(RAW_USERS),
    New(RAW_LISTENS),
    New(RAW_LISTEN_COUNTS),
    New(RAW_FOLLOWS),
    New(RAW_FEEDBACK),
    Before(CORE_USERS),
)
OUTPUT = CORE_USERS


def build(
    users: DataFrame,
    listens: DataFrame,
    listen_counts: DataFrame,
    follows: DataFrame,
    feedback: DataFrame,
    before: DataFrame,
    *,
    night: Night,  # noqa: ARG001  every job takes it
) -> DataFrame:
    """A row for each person who is new, and for each whose choices changed."""
    announced = last_received(
        users.withColumn("known_from_date", F.col("arrival_date")),
        by=["user_id", "known_from_date"],
    ).select(*OUTPUT.column_names)
    seen = _first_seen(
        listens.select("user_id", "arrival_date"),
        listen_counts.select("user_id", "arrival_date"),
        follows.select("user_id", "arrival_date"),
        follows.select(F.col("followed_user_id").alias("user_id"), "arrival_date"),
        feedback.select("user_id", "arrival_date"),
    ).join(before.select("user_id"), on="user_id", how="left_anti")
    states = announced.unionByName(_unannounced(seen, announced))
    return new_versions(states, before, OUTPUT.entity).select(*OUTPUT.column_names)


def _first_seen(*sightings: DataFrame) -> DataFrame:
    together = reduce(lambda above, below: above.unionByName(below), sightings)
    return together.groupBy("user_id").agg(F.min("arrival_date").alias("known_from_date"))


def _unannounced(seen: DataFrame, announced: DataFrame) -> DataFrame:
    """People seen before they were announced, if ever: nothing chosen, nothing agreed to."""
    first_announced = announced.groupBy("user_id").agg(
        F.min("known_from_date").alias("announced_date")
    )
    is_earlier = F.col("announced_date").isNull() | (
        F.col("known_from_date") < F.col("announced_date")
    )
    return (
        seen.join(first_announced, on="user_id", how="left")
        .where(is_earlier)
        .select(
            "user_id",
            F.lit(None).cast("date").alias("registered_date"),
            F.expr("false").alias("is_opted_out"),
            F.expr("false").alias("is_named_to_others"),
            "known_from_date",
        )
    )

"""core_users: registered users, and users known only from their listens, follows or feedback."""

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
from jobs.core.steps.partial_updates import filled_forward, last_given_of_day
from jobs.core.steps.versions import new_versions
from jobs.inputs import NewRows, PreviousState

INPUTS = (
    NewRows(RAW_USERS),
    NewRows(RAW_LISTENS),
    NewRows(RAW_LISTEN_COUNTS),
    NewRows(RAW_FOLLOWS),
    NewRows(RAW_FEEDBACK),
    PreviousState(CORE_USERS),
)
OUTPUT = CORE_USERS

_ATTRIBUTES = ("registered_date", "is_opted_out", "is_named_to_others")


def build(
    users: DataFrame,
    listens: DataFrame,
    listen_counts: DataFrame,
    follows: DataFrame,
    feedback: DataFrame,
    previous: DataFrame,
    *,
    night: Night,  # noqa: ARG001  every job takes it
) -> DataFrame:
    """One row per new user, and one per user whose choices changed."""
    registered = _registered(users, previous)
    seen = _first_seen(
        listens.select("user_id", "arrival_date"),
        listen_counts.select("user_id", "arrival_date"),
        follows.select("user_id", "arrival_date"),
        follows.select(F.col("followed_user_id").alias("user_id"), "arrival_date"),
        feedback.select("user_id", "arrival_date"),
    ).join(previous.select("user_id"), on="user_id", how="left_anti")
    states = registered.unionByName(_unregistered(seen, registered))
    return new_versions(states, previous, OUTPUT.entity).select(*OUTPUT.column_names)


def _registered(users: DataFrame, previous: DataFrame) -> DataFrame:
    """States of the users on the days on which a row of theirs arrived.

    A row changes what it names: one about the registration alone opts nobody back in. Without a
    word from the source nobody is opted out, and nobody is named to others.
    """
    changes = last_given_of_day(users, "user_id", _ATTRIBUTES)
    before = previous.join(changes.select("user_id").distinct(), on="user_id", how="left_semi")
    states = filled_forward(
        changes.withColumn("is_change", F.expr("true")).unionByName(
            before.select(*changes.columns).withColumn("is_change", F.expr("false"))
        ),
        "user_id",
        _ATTRIBUTES,
    )
    chosen = {
        name: F.coalesce(name, F.expr("false")) for name in ("is_opted_out", "is_named_to_others")
    }
    return states.where("is_change").withColumns(chosen).select(*OUTPUT.column_names)


def _first_seen(*sightings: DataFrame) -> DataFrame:
    all_sightings = reduce(lambda above, below: above.unionByName(below), sightings)
    return all_sightings.groupBy("user_id").agg(F.min("arrival_date").alias("known_from_date"))


def _unregistered(seen: DataFrame, registered: DataFrame) -> DataFrame:
    """Users seen before their registration arrived, if ever; without opt-out or consent."""
    first_registered = registered.groupBy("user_id").agg(
        F.min("known_from_date").alias("registration_known_date")
    )
    is_earlier = F.col("registration_known_date").isNull() | (
        F.col("known_from_date") < F.col("registration_known_date")
    )
    return (
        seen.join(first_registered, on="user_id", how="left")
        .where(is_earlier)
        .select(
            "user_id",
            F.lit(None).cast("date").alias("registered_date"),
            F.expr("false").alias("is_opted_out"),
            F.expr("false").alias("is_named_to_others"),
            "known_from_date",
        )
    )

"""core_follows: follows between users, one row per day on which a follow began, ended or moved."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_FOLLOWS
from feature_store.tables.raw import RAW_FOLLOWS
from jobs.core.steps.deduplication import keep_last_received
from jobs.core.steps.versions import new_versions
from jobs.inputs import NewRows, PreviousState

INPUTS = (NewRows(RAW_FOLLOWS), PreviousState(CORE_FOLLOWS))
OUTPUT = CORE_FOLLOWS


def build(new: DataFrame, previous: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """New versions of follows; of several rows about one pair and day the last received counts."""
    states = keep_last_received(
        new.withColumn("known_from_date", F.col("arrival_date")),
        by=["user_id", "followed_user_id", "known_from_date"],
    )
    return new_versions(states.select(*OUTPUT.column_names), previous, OUTPUT.entity)

"""core_follows: who follows whom, a row for each day on which that began, ended or was redated."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_FOLLOWS
from feature_store.tables.raw import RAW_FOLLOWS
from jobs.core.steps.deduplication import last_received
from jobs.core.steps.versions import new_versions
from jobs.inputs import Before, New

INPUTS = (New(RAW_FOLLOWS), Before(CORE_FOLLOWS))
OUTPUT = CORE_FOLLOWS


def build(new: DataFrame, before: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """Of several rows about two people on one day the last received counts."""
    states = last_received(
        new.withColumn("known_from_date", F.col("arrival_date")),
        by=["user_id", "followed_user_id", "known_from_date"],
    )
    return new_versions(states.select(*OUTPUT.column_names), before, OUTPUT.entity)

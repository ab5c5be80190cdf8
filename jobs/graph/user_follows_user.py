"""graph_user_follows_user: who follows whom on that day."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_FOLLOWS, CORE_USERS
from feature_store.tables.graph import GRAPH_USER_FOLLOWS_USER
from jobs.inputs import Known

INPUTS = (Known(CORE_FOLLOWS), Known(CORE_USERS))
OUTPUT = GRAPH_USER_FOLLOWS_USER


def build(follows: DataFrame, users: DataFrame, *, night: Night) -> DataFrame:
    """Follows that have not ended, between people who are both known."""
    known_users = users.select("user_id")
    known_followed = users.select(F.col("user_id").alias("followed_user_id"))
    return (
        follows.where("is_active")
        .join(known_users, on="user_id", how="left_semi")
        .join(known_followed, on="followed_user_id", how="left_semi")
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )

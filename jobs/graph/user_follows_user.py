"""graph_user_follows_user: follow edges between listeners, as of the day."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_FOLLOWS, CORE_USERS
from feature_store.tables.graph import GRAPH_USER_FOLLOWS_USER
from jobs.inputs import AsOf

INPUTS = (AsOf(CORE_FOLLOWS), AsOf(CORE_USERS))
OUTPUT = GRAPH_USER_FOLLOWS_USER


def build(follows: DataFrame, users: DataFrame, *, night: Night) -> DataFrame:
    """Active follows between two listeners of core_users."""
    known_users = users.select("user_id")
    known_followed = users.select(F.col("user_id").alias("followed_user_id"))
    return (
        follows.where("is_active")
        .join(known_users, on="user_id", how="left_semi")
        .join(known_followed, on="followed_user_id", how="left_semi")
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )

"""Active feedback: a like counts until an unlike, and a hide until an unhide."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def active_feedback(feedback: DataFrame, action: str) -> DataFrame:
    """Rows of core_feedback whose latest action is `action`, unique by user and track.

    `action` is like or hide. Of an action and its reversal at the same instant the action counts.
    """
    newest_first = Window.partitionBy("user_id", "track_id").orderBy(
        F.col("given_at_utc").desc(),
        F.col("feedback_action"),  # like is before unlike, hide before unhide
        F.col("known_from_date"),
    )
    return (
        feedback.where(F.col("feedback_action").isin(action, f"un{action}"))
        .withColumn("recency", F.row_number().over(newest_first))
        .where((F.col("recency") == 1) & (F.col("feedback_action") == action))
        .drop("recency")
    )

"""Which of two buttons stands: a like until unlike takes it back, a hide until unhide does."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def standing(feedback: DataFrame, button: str) -> DataFrame:
    """Rows of core_feedback whose pair's last press is `button`; unique by user and track.

    Of two presses at the same instant the button counts, not what takes it back.
    """
    newest_first = Window.partitionBy("user_id", "track_id").orderBy(
        F.col("given_at_utc").desc(),
        F.col("feedback_action"),  # like is before unlike, hide before unhide
        F.col("known_from_date"),
    )
    return (
        feedback.where(F.col("feedback_action").isin(button, f"un{button}"))
        .withColumn("place", F.row_number().over(newest_first))
        .where((F.col("place") == 1) & (F.col("feedback_action") == button))
        .drop("place")
    )

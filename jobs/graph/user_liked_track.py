"""graph_user_liked_track: who likes what, and since when."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_FEEDBACK
from feature_store.tables.graph import GRAPH_USER_LIKED_TRACK
from jobs.core.steps.active_feedback import standing
from jobs.inputs import History

INPUTS = (History(CORE_FEEDBACK),)
OUTPUT = GRAPH_USER_LIKED_TRACK


def build(feedback: DataFrame, *, night: Night) -> DataFrame:
    """A row for each person and track whose like stands at the end of that day."""
    pressed_by_then = feedback.where(F.to_date("given_at_utc") <= F.lit(night.as_of))
    return (
        standing(pressed_by_then, "like")
        .withColumns({"as_of_date": F.lit(night.as_of), "liked_date": F.to_date("given_at_utc")})
        .select(*OUTPUT.column_names)
    )

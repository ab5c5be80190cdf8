"""graph_user_liked_track: like edges between listeners and tracks, with their date."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_FEEDBACK
from feature_store.tables.graph import GRAPH_USER_LIKED_TRACK
from jobs.core.steps.active_feedback import active_feedback
from jobs.inputs import History

INPUTS = (History(CORE_FEEDBACK),)
OUTPUT = GRAPH_USER_LIKED_TRACK


def build(feedback: DataFrame, *, night: Night) -> DataFrame:
    """One row for each listener and track with an active like at the end of the day."""
    given_so_far = feedback.where(F.to_date("given_at_utc") <= F.lit(night.as_of))
    return (
        active_feedback(given_so_far, "like")
        .withColumns({"as_of_date": F.lit(night.as_of), "liked_date": F.to_date("given_at_utc")})
        .select(*OUTPUT.column_names)
    )

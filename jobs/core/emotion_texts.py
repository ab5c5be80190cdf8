"""core_emotion_texts: texts whose valence and arousal people rated, by text and perspective."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_EMOTION_TEXTS
from feature_store.tables.raw import RAW_EMOTION_TEXTS
from jobs.core.steps.deduplication import keep_last_received
from jobs.core.steps.versions import new_versions
from jobs.inputs import NewRows, PreviousState

INPUTS = (NewRows(RAW_EMOTION_TEXTS), PreviousState(CORE_EMOTION_TEXTS))
OUTPUT = CORE_EMOTION_TEXTS


def build(new: DataFrame, previous: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """One row per text, perspective and day of the slice on which its text or label changed.

    Of several rows that arrive on one day the last received counts.
    """
    labelled = new.withColumns(
        {
            "content_hash": F.sha2("emotion_text", 256),
            "known_from_date": F.col("arrival_date"),
        }
    )
    states = keep_last_received(labelled, by=OUTPUT.key)
    return new_versions(states.select(*OUTPUT.column_names), previous, OUTPUT.entity)

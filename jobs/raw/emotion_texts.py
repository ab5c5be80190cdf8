"""raw_emotion_texts: texts whose valence and arousal people rated."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_EMOTION_TEXTS
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("emotion_texts"),)
OUTPUT = RAW_EMOTION_TEXTS


def build(landing: DataFrame, *, night: Night) -> DataFrame:
    """The rows that satisfy every rule of their source (jobs/raw/steps/rules.py)."""
    return valid_rows(landing, "emotion_texts", night.settings.landing).select(*OUTPUT.column_names)

"""raw_feedback: likes, hides and their reversals, as the players sent them."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_FEEDBACK
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("feedback"),)
OUTPUT = RAW_FEEDBACK


def build(landing: DataFrame, *, night: Night) -> DataFrame:
    """The rows that satisfy every rule of their source (jobs/raw/steps/rules.py)."""
    return valid_rows(landing, "feedback", night.settings.landing).select(*OUTPUT.column_names)

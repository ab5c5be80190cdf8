"""raw_impressions: tracks of our lists that players showed to listeners."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_IMPRESSIONS
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("impressions"),)
OUTPUT = RAW_IMPRESSIONS


def build(landing: DataFrame, *, night: Night) -> DataFrame:
    """The rows that satisfy every rule of their source (jobs/raw/steps/rules.py)."""
    return valid_rows(landing, "impressions", night.settings.landing).select(*OUTPUT.column_names)

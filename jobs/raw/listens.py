"""raw_listens: listens as the players sent them, with duplicates; raw_rejects takes bad rows."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_LISTENS
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("listens"),)
OUTPUT = RAW_LISTENS


def build(landing: DataFrame, *, night: Night) -> DataFrame:
    """The rows that satisfy every rule of their source (jobs/raw/steps/rules.py)."""
    return valid_rows(landing, "listens", night.settings.landing).select(*OUTPUT.column_names)

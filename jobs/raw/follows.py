"""raw_follows: follows between users, and the ends of follows."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_FOLLOWS
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("follows"),)
OUTPUT = RAW_FOLLOWS


def build(landing: DataFrame, *, night: Night) -> DataFrame:
    """The rows that satisfy every rule of their source (jobs/raw/steps/rules.py)."""
    return valid_rows(landing, "follows", night.settings.landing).select(*OUTPUT.column_names)

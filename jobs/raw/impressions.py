"""raw_impressions: the tracks that our lists put before people."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_IMPRESSIONS
from jobs.inputs import Landing
from jobs.raw.steps.rules import accepted

INPUTS = (Landing("impressions"),)
OUTPUT = RAW_IMPRESSIONS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The rows that break no rule of their source (jobs/raw/steps/rules.py)."""
    return accepted(landing, "impressions").select(*OUTPUT.column_names)

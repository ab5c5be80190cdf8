"""raw_follows: who follows whom, and who no longer does."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_FOLLOWS
from jobs.inputs import Landing
from jobs.raw.steps.rules import accepted

INPUTS = (Landing("follows"),)
OUTPUT = RAW_FOLLOWS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The rows that break no rule of their source (jobs/raw/steps/rules.py)."""
    return accepted(landing, "follows").select(*OUTPUT.column_names)

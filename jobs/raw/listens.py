"""raw_listens: what the players sent, sent twice or not; bad rows go to raw_rejects."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_LISTENS
from jobs.inputs import Landing
from jobs.raw.steps.rules import accepted

INPUTS = (Landing("listens"),)
OUTPUT = RAW_LISTENS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The rows that break no rule of their source (jobs/raw/steps/rules.py)."""
    return accepted(landing, "listens").select(*OUTPUT.column_names)

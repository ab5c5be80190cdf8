"""raw_listen_counts: listens per user and track, from sources without listening times."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_LISTEN_COUNTS
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("listen_counts"),)
OUTPUT = RAW_LISTEN_COUNTS


def build(landing: DataFrame, *, night: Night) -> DataFrame:
    """The rows that satisfy every rule of their source (jobs/raw/steps/rules.py)."""
    return valid_rows(landing, "listen_counts", night.settings.landing).select(*OUTPUT.column_names)

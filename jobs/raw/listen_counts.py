"""raw_listen_counts: how often who heard what, from sources that keep no times."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_LISTEN_COUNTS
from jobs.inputs import Landing
from jobs.raw.steps.rules import accepted

INPUTS = (Landing("listen_counts"),)
OUTPUT = RAW_LISTEN_COUNTS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The rows that break no rule of their source (jobs/raw/steps/rules.py)."""
    return accepted(landing, "listen_counts").select(*OUTPUT.column_names)

"""raw_users: people and their choices, as announced."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_USERS
from jobs.inputs import Landing
from jobs.raw.steps.rules import accepted

INPUTS = (Landing("users"),)
OUTPUT = RAW_USERS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The rows that break no rule of their source (jobs/raw/steps/rules.py)."""
    return accepted(landing, "users").select(*OUTPUT.column_names)

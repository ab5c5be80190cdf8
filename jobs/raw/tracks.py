"""raw_tracks: the catalogue as announced, corrections and withdrawals included."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_TRACKS
from jobs.inputs import Landing
from jobs.raw.steps.rules import accepted

INPUTS = (Landing("tracks"),)
OUTPUT = RAW_TRACKS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The rows that break no rule of their source (jobs/raw/steps/rules.py)."""
    return accepted(landing, "tracks").select(*OUTPUT.column_names)

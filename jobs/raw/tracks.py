"""raw_tracks: catalogue rows as received, corrections and withdrawals included."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_TRACKS
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("tracks"),)
OUTPUT = RAW_TRACKS


def build(landing: DataFrame, *, night: Night) -> DataFrame:
    """The rows of their source, without values that break a rule (jobs/raw/steps/rules.py)."""
    return valid_rows(landing, "tracks", night.settings.landing).select(*OUTPUT.column_names)

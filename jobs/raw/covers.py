"""raw_covers: cover pictures that arrived, each with its content hash."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_COVERS
from jobs.inputs import LandingSource

INPUTS = (LandingSource("covers"),)
OUTPUT = RAW_COVERS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """One row per file, decodable or not: the encoders in jobs/features decode it."""
    return landing.select(*OUTPUT.column_names)

"""raw_covers: which cover pictures arrived, and the hash of each."""

from __future__ import annotations

from pyspark.sql import DataFrame

from feature_store.settings import Night
from feature_store.tables.raw import RAW_COVERS
from jobs.inputs import Landing

INPUTS = (Landing("covers"),)
OUTPUT = RAW_COVERS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """Every file: whether it can be decoded is found out when its features are made."""
    return landing.select(*OUTPUT.column_names)

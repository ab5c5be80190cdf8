"""raw_tags: tags of tracks, lower-cased and without blanks around them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.raw import RAW_TAGS
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("tags"),)
OUTPUT = RAW_TAGS


def build(landing: DataFrame, *, night: Night) -> DataFrame:
    """The rows that satisfy every rule of their source (jobs/raw/steps/rules.py)."""
    return (
        valid_rows(landing, "tags", night.settings.landing)
        .withColumn("tag", F.lower(F.trim("tag")))
        .select(*OUTPUT.column_names)
    )

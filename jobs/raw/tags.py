"""raw_tags: tags in one spelling: lower case, no blanks around them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.raw import RAW_TAGS
from jobs.inputs import Landing
from jobs.raw.steps.rules import accepted

INPUTS = (Landing("tags"),)
OUTPUT = RAW_TAGS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The rows that break no rule of their source (jobs/raw/steps/rules.py)."""
    return (
        accepted(landing, "tags")
        .withColumn("tag", F.lower(F.trim("tag")))
        .select(*OUTPUT.column_names)
    )

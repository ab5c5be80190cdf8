"""raw_lyrics: lyrics as text; lyrics that are not UTF-8 go to raw_rejects."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.raw import RAW_LYRICS
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("lyrics"),)
OUTPUT = RAW_LYRICS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The rows that satisfy their source's rules; content_hash is of the bytes as received."""
    return (
        valid_rows(landing, "lyrics")
        .withColumn("lyrics_text", F.col("lyrics_bytes").cast("string"))
        .withColumn("content_hash", F.sha2("lyrics_bytes", 256))
        .select(*OUTPUT.column_names)
    )

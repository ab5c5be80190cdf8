"""raw_lyrics: the words as text, where their bytes are UTF-8."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.raw import RAW_LYRICS
from jobs.inputs import Landing
from jobs.raw.steps.rules import accepted

INPUTS = (Landing("lyrics"),)
OUTPUT = RAW_LYRICS


def build(landing: DataFrame, *, night: Night) -> DataFrame:  # noqa: ARG001  every job takes it
    """The rows that break no rule of their source (jobs/raw/steps/rules.py).

    The hash is of the bytes.
    """
    return (
        accepted(landing, "lyrics")
        .withColumn("lyrics_text", F.col("lyrics_bytes").cast("string"))
        .withColumn("content_hash", F.sha2("lyrics_bytes", 256))
        .select(*OUTPUT.column_names)
    )

"""raw_lyrics: lyrics as text; lyrics that are not UTF-8 go to raw_rejects."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.raw import RAW_LYRICS
from jobs.inputs import LandingSource
from jobs.raw.steps.rules import valid_rows

INPUTS = (LandingSource("lyrics"),)
OUTPUT = RAW_LYRICS


def build(landing: DataFrame, *, night: Night) -> DataFrame:
    """The rows that satisfy their source's rules; content_hash is of the bytes as received."""
    return (
        valid_rows(landing, "lyrics", night.settings.landing)
        .withColumn("lyrics_text", _without_mark(F.col("lyrics_bytes").cast("string")))
        .withColumn("content_hash", F.sha2("lyrics_bytes", 256))
        .select(*OUTPUT.column_names)
    )


def _without_mark(text: Column) -> Column:
    """Without the byte order mark, which is no word of the lyrics."""
    return F.regexp_replace(text, "^\ufeff", "")

"""feat_track_semantics: the 58 attributes of every track, from probes and from a language model.

One row per track and source that has values. The two are never averaged here: a probe hears the
recording, a language model knows what was written about it. jobs/features/steps/semantic_probes.py
holds the probes; feat_semantics holds the model's answers.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import spark_rows
from feature_store.settings import Night
from feature_store.tables.attributes import ATTRIBUTE_NAMES
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_ENCODERS,
    FEAT_SEMANTICS,
    FEAT_TRACK_SEMANTICS,
)
from jobs.features.steps.semantic_probes import CUES, AudioCues, probe
from jobs.features.steps.track_description import description_hash
from jobs.inputs import AsOf, WholeTable

INPUTS = (
    AsOf(CORE_TRACKS),
    AsOf(FEAT_ENCODERS),
    WholeTable(FEAT_AUDIO),
    WholeTable(FEAT_SEMANTICS),
)
OUTPUT = FEAT_TRACK_SEMANTICS


def build(
    tracks: DataFrame, encoders: DataFrame, audio: DataFrame, answers: DataFrame, *, night: Night
) -> DataFrame:
    """At most two rows per track of `tracks`; content without features gives none."""
    return (
        _from_probes(tracks, spark_rows(audio, encoders, FEAT_AUDIO))
        .unionByName(_from_answers(tracks, spark_rows(answers, encoders, FEAT_SEMANTICS)))
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )


def _from_probes(tracks: DataFrame, audio: DataFrame) -> DataFrame:
    """A row for each track whose recording has features."""
    found = probe(AudioCues(**{name: F.col(name) for name in CUES}))
    probed = audio.where(F.col("failure_reason").isNull()).select(
        F.col("content_hash").alias("audio_hash"),
        *(found[name].alias(name) for name in ATTRIBUTE_NAMES),
    )
    return tracks.join(probed, on="audio_hash", how="inner").select(
        "track_id", F.lit("probe").alias("semantics_source"), *ATTRIBUTE_NAMES
    )


def _from_answers(tracks: DataFrame, answers: DataFrame) -> DataFrame:
    """A row for each track about which the model's answer was accepted."""
    accepted = answers.where(F.col("failure_reason").isNull()).select(
        F.col("content_hash").alias("description_hash"), *ATTRIBUTE_NAMES
    )
    described = tracks.withColumn("description_hash", description_hash())
    return described.join(accepted, on="description_hash", how="inner").select(
        "track_id", F.lit("llm").alias("semantics_source"), *ATTRIBUTE_NAMES
    )

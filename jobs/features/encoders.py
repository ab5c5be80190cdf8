"""feat_encoders: the encoder whose rows the night reads, for each feature table.

The settings choose the encoder; its package decides weights and preprocessing. Every reader of a
feature table goes by these rows (feature_store/lake/encoder_rows.py), so that a backfill, a gate
and a training of one night agree.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS, CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_COVER,
    FEAT_ENCODERS,
    FEAT_LYRICS,
    FEAT_MEL,
    FEAT_SEMANTICS,
    FEAT_TAGS,
)
from jobs.encoders import registry
from jobs.inputs import AsOf, History

INPUTS = (AsOf(CORE_TRACKS), History(CORE_TAGS))
OUTPUT = FEAT_ENCODERS


def build(tracks: DataFrame, tags: DataFrame, *, night: Night) -> DataFrame:
    """One row for each feature table that is wanted and of which the catalogue has content."""
    encoders = night.settings.encoders
    content = {
        FEAT_AUDIO: (tracks.where("audio_hash IS NOT NULL"), registry.audio_identity(encoders)),
        FEAT_MEL: (tracks.where("audio_hash IS NOT NULL"), registry.mel_identity(encoders)),
        FEAT_LYRICS: (tracks.where("lyrics_hash IS NOT NULL"), registry.lyrics_identity(encoders)),
        FEAT_COVER: (tracks.where("cover_hash IS NOT NULL"), registry.cover_identity(encoders)),
        FEAT_TAGS: (tags, registry.tags_identity(encoders)),
        FEAT_SEMANTICS: (tracks, registry.semantics_identity(encoders)),
    }
    rows = [
        _row(table.name, found, identity)
        for table, (found, identity) in content.items()
        if identity is not None
    ]
    return (
        reduce(lambda above, below: above.unionByName(below), rows)
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )


def _row(feature_table: str, content: DataFrame, identity: EncoderIdentity) -> DataFrame:
    """One row when `content` has any, none otherwise."""
    columns = {"feature_table": feature_table, **asdict(identity)}
    return content.limit(1).select(*[F.lit(value).alias(name) for name, value in columns.items()])

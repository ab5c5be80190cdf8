"""feat_track_emotion: valence and arousal of every track, from audio and from lyrics.

One row per track and source that has features. The two are never averaged here: sad lyrics over
happy music are a fact about the track. jobs/features/steps/emotion.py holds the estimators.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.contract import Table
from feature_store.lake.encoder_rows import spark_rows
from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_ENCODERS,
    FEAT_LYRICS,
    FEAT_TRACK_EMOTION,
)
from jobs.features.steps.emotion import Emotion, from_audio, from_lyrics
from jobs.inputs import AsOf, WholeTable

INPUTS = (AsOf(CORE_TRACKS), AsOf(FEAT_ENCODERS), WholeTable(FEAT_AUDIO), WholeTable(FEAT_LYRICS))
OUTPUT = FEAT_TRACK_EMOTION

_AUDIO_CUES = ("loudness_lufs", "tempo_bpm", "onset_rate_hz", "tag_probabilities")
_LYRICS_CUES = ("sentiment_compound", "emotional_load_ratio")


def build(
    tracks: DataFrame, encoders: DataFrame, audio: DataFrame, lyrics: DataFrame, *, night: Night
) -> DataFrame:
    """At most two rows per track of `tracks`; content without features gives none."""
    audio_cues = _cues(audio, encoders, FEAT_AUDIO, "audio_hash", _AUDIO_CUES)
    lyrics_cues = _cues(lyrics, encoders, FEAT_LYRICS, "lyrics_hash", _LYRICS_CUES)
    # Both joins come before the two rows of a track are split: one pass over the catalogue.
    cues = tracks.join(audio_cues, on="audio_hash", how="left").join(
        lyrics_cues, on="lyrics_hash", how="left"
    )
    estimates = F.array(
        _estimate("audio", "audio_hash_found", from_audio(*map(F.col, _AUDIO_CUES))),
        _estimate("lyrics", "lyrics_hash_found", from_lyrics(*map(F.col, _LYRICS_CUES))),
    )
    return (
        cues.select("track_id", F.explode(estimates).alias("estimate"))
        .where(F.col("estimate").isNotNull())
        .select("track_id", "estimate.*", F.lit(night.as_of).alias("as_of_date"))
        .select(*OUTPUT.column_names)
    )


def _cues(
    features: DataFrame, encoders: DataFrame, table: Table, hash_column: str, cues: tuple[str, ...]
) -> DataFrame:
    """Cues of each content with features; `<hash_column>_found` is never null."""
    return (
        spark_rows(features, encoders, table)
        .where(F.col("failure_reason").isNull())
        .select(
            F.col("content_hash").alias(hash_column),
            F.col("content_hash").alias(f"{hash_column}_found"),
            *cues,
        )
    )


def _estimate(source: str, found: str, estimate: Emotion) -> Column:
    """One source's row of a track; null where the track has no features of that source."""
    row = F.struct(
        F.lit(source).alias("emotion_source"),
        estimate.valence.alias("valence"),
        estimate.arousal.alias("arousal"),
        F.lit(estimate.valence_sd).alias("valence_sd"),
        F.lit(estimate.arousal_sd).alias("arousal_sd"),
    )
    return F.when(F.col(found).isNotNull(), row)

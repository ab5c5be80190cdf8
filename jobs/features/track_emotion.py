"""feat_track_emotion: valence and arousal of every track, from audio and from lyrics.

One row per track and source that has features. The two are never averaged here: sad lyrics over
happy music are a fact about the track. Lyrics take the row of feat_lyrics_emotion, which training
writes by the model of text_emotion that counts for the night; without one, and for audio, the
estimators of jobs/features/steps/emotion.py do.
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
    FEAT_LYRICS_EMOTION,
    FEAT_TRACK_EMOTION,
)
from jobs.features.steps.emotion import (
    ESTIMATE_COLUMNS,
    Emotion,
    from_audio,
    from_lyrics,
    from_model,
)
from jobs.inputs import AsOf, WholeTable

INPUTS = (
    AsOf(CORE_TRACKS),
    AsOf(FEAT_ENCODERS),
    WholeTable(FEAT_AUDIO),
    WholeTable(FEAT_LYRICS),
    AsOf(FEAT_LYRICS_EMOTION),
)
OUTPUT = FEAT_TRACK_EMOTION

_AUDIO_CUES = ("loudness_lufs", "tempo_bpm", "onset_rate_hz", "tag_probabilities")
_LYRICS_CUES = ("sentiment_compound", "emotional_load_ratio")
_MODEL = "estimate_of_model"


def build(
    tracks: DataFrame,
    encoders: DataFrame,
    audio: DataFrame,
    lyrics: DataFrame,
    by_model: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """At most two rows per track of `tracks`; content without features gives none."""
    audio_cues = _cues(audio, encoders, FEAT_AUDIO, "audio_hash", _AUDIO_CUES)
    lyrics_cues = _cues(lyrics, encoders, FEAT_LYRICS, "lyrics_hash", _LYRICS_CUES)
    # All joins come before the two rows of a track are split: one pass over the catalogue.
    cues = (
        tracks.join(audio_cues, on="audio_hash", how="left")
        .join(lyrics_cues, on="lyrics_hash", how="left")
        .join(_of_model(by_model), on="lyrics_hash", how="left")
    )
    of_audio = from_audio(*map(F.col, _AUDIO_CUES))
    of_lyrics = from_model(_MODEL).where_missing(from_lyrics(*map(F.col, _LYRICS_CUES)))
    estimates = F.array(
        _estimate("audio", "audio_hash_found", of_audio),
        _estimate("lyrics", "lyrics_hash_found", of_lyrics),
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


def _of_model(by_model: DataFrame) -> DataFrame:
    """The model's estimates as one struct column, unique by lyrics_hash."""
    return by_model.select(
        F.col("content_hash").alias("lyrics_hash"), F.struct(*ESTIMATE_COLUMNS).alias(_MODEL)
    )


def _estimate(source: str, found: str, estimate: Emotion) -> Column:
    """One source's row of a track; null where the track has no features of that source."""
    row = F.struct(F.lit(source).alias("emotion_source"), *estimate.columns())
    return F.when(F.col(found).isNotNull(), row)

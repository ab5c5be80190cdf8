"""feat_track_emotion: place every track on the valence-arousal plane, as heard and as read.

One row per track and source that has features; the two are never blended here, because a sad text
over happy music is a fact about the track and no noise. Interim estimators: see
jobs/features/steps/emotion.py.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO, FEAT_LYRICS, FEAT_TRACK_EMOTION
from jobs.encoders import registry
from jobs.encoders.identity import Identity
from jobs.features.steps.emotion import Emotion, as_heard, as_read
from jobs.features.steps.incremental_encoding import of_encoder
from jobs.inputs import Everything, Known

INPUTS = (Known(CORE_TRACKS), Everything(FEAT_AUDIO), Everything(FEAT_LYRICS))
OUTPUT = FEAT_TRACK_EMOTION

_AUDIO_CUES = ("loudness_db", "tempo_bpm", "onset_rate_hz", "tag_probabilities")
_LYRICS_CUES = ("sentiment_compound", "emotional_load_ratio")


def build(tracks: DataFrame, audio: DataFrame, lyrics: DataFrame, *, night: Night) -> DataFrame:
    """At most two rows per track of `tracks`; content without features gives none."""
    encoders = night.settings.encoders
    heard = _usable(audio, registry.audio_identity(encoders), "audio_hash", _AUDIO_CUES)
    read = _usable(lyrics, registry.lyrics_identity(encoders), "lyrics_hash", _LYRICS_CUES)
    # Both joins before the two rows of a track are told apart: the catalogue is gone through once.
    cues = tracks.join(heard, on="audio_hash", how="left").join(read, on="lyrics_hash", how="left")
    estimates = F.array(
        _estimate("audio", "audio_hash_found", as_heard(*map(F.col, _AUDIO_CUES))),
        _estimate("lyrics", "lyrics_hash_found", as_read(*map(F.col, _LYRICS_CUES))),
    )
    return (
        cues.select("track_id", F.explode(estimates).alias("estimate"))
        .where(F.col("estimate").isNotNull())
        .select("track_id", "estimate.*", F.lit(night.as_of).alias("as_of_date"))
        .select(*OUTPUT.column_names)
    )


def _usable(
    features: DataFrame, identity: Identity, hash_column: str, cues: tuple[str, ...]
) -> DataFrame:
    """Cues of each content that this encoder could read; `<hash_column>_found` is never null."""
    return (
        of_encoder(features, identity)
        .where(F.col("failure_reason").isNull())
        .select(
            F.col("content_hash").alias(hash_column),
            F.col("content_hash").alias(f"{hash_column}_found"),
            *cues,
        )
    )


def _estimate(source: str, found: str, estimate: Emotion) -> Column:
    """One source's row of a track; null where the track has no features of it."""
    row = F.struct(
        F.lit(source).alias("emotion_source"),
        estimate.valence.alias("valence"),
        estimate.arousal.alias("arousal"),
        F.lit(estimate.valence_sd).alias("valence_sd"),
        F.lit(estimate.arousal_sd).alias("arousal_sd"),
    )
    return F.when(F.col(found).isNotNull(), row)
